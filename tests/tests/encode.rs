//! Specifications that make no sense: the encoder says what is wrong, or writes a file that loads.

use tenfold_runtime::format::{self, EncodeError};
use tenfold_runtime::{LoadError, Model, Order};
use tenfold_tests::buffer::Buffer;
use tenfold_tests::random::Random;
use tenfold_tests::spec::{LayerSpec, ModelSpec, Output, Parameters};
use tenfold_tests::{describe, generate, networks, view};

const ORDERS: [Order; 5] = [Order::Plain, Order::Paired, Order::Planar, Order::Narrow, Order::Interleaved];

/// Whether the build is slow, and tries fewer networks.
const SLOW: bool = cfg!(debug_assertions);

fn parameters(layer: &mut LayerSpec) -> Option<&mut Parameters> {
    match layer {
        LayerSpec::Convolution { parameters, .. } | LayerSpec::Dense { parameters } => Some(parameters),
        LayerSpec::MaxPool { .. } | LayerSpec::AveragePool { .. } => None,
    }
}

/// LeNet-5 with its first layer's parameters changed.
fn changed(change: impl Fn(&mut Parameters)) -> EncodeError {
    let mut spec = networks::lenet5();
    change(parameters(&mut spec.layers[0]).expect("a convolution has parameters"));
    format::encode(&spec).expect_err("it makes no sense")
}

#[test]
fn every_list_has_its_length() {
    let length = |list, expected, found| EncodeError::Length { layer: 0, list, expected, found };
    assert_eq!(changed(|p| p.weights.push(1)), length("weights", 150, 151));
    assert_eq!(changed(|p| p.weights.clear()), length("weights", 150, 0));
    assert_eq!(changed(|p| p.bias.truncate(5)), length("weights", 125, 150));
    assert_eq!(changed(|p| p.shifts.truncate(5)), length("shifts", 6, 5));
    let table = |p: &mut Parameters| p.output = Output::Table { signed: true, entries: vec![0; 255] };
    assert_eq!(changed(table), length("table entries", 256, 255));
    assert_eq!(changed(table).to_string(), "layer 0: 255 table entries, expected 256");
}

#[test]
fn every_weight_fits_its_bits() {
    for (bits, outside) in [(8, vec![-128]), (4, vec![-128, -8, 8, 127]), (2, vec![-4, -2, 0, 2, 4, 5])] {
        for weight in outside {
            let error = changed(|p| {
                p.weight_bits = bits;
                p.weights.fill(1);
                p.weights[7] = weight;
            });
            assert_eq!(error, EncodeError::Weight { layer: 0, index: 7, weight, bits });
            assert!(error.to_string().contains(&format!("weight 7 is {weight}")), "{error}");
        }
    }
}

#[test]
fn what_the_loader_would_refuse_is_not_written() {
    let invalid = |error| EncodeError::Invalid(error);
    assert_eq!(changed(|p| p.shifts[3] = 32), invalid(LoadError::Shift { layer: 0 }));
    assert_eq!(changed(|p| p.output = Output::Logits).to_string(), "layer 0: 6 shifts, expected 0");
    let channel = 2;
    assert_eq!(changed(|p| p.bias[2] = i32::MAX), invalid(LoadError::Accumulator { layer: 0, channel }));

    let many = |count: usize| {
        let pool = LayerSpec::MaxPool { kernel: [1, 1], stride: [1, 1], padding: [0; 4] };
        let mut spec = networks::lenet5();
        let rest = spec.layers.len();
        spec.layers.splice(0..0, vec![pool; count - rest]);
        format::encode(&spec)
    };
    assert!(many(16).is_ok());
    for found in [17, 255, 256, 300] {
        assert_eq!(many(found), Err(invalid(LoadError::LayerCount { found, capacity: 16 })));
    }
    let none = ModelSpec { layers: Vec::new(), ..networks::lenet5() };
    assert_eq!(format::encode(&none), Err(invalid(LoadError::LayerCount { found: 0, capacity: 16 })));
    let long = ModelSpec { name: "n".repeat(65), ..networks::lenet5() };
    assert_eq!(format::encode(&long), Err(invalid(LoadError::Name)));
}

/// Sums of the weights of so many channels are beyond 32 bits in narrow order, whose biases take them in.
#[test]
fn an_input_beyond_the_limits_is_refused_in_every_order() {
    let network = |channels: u16| {
        let weights = |count, output, shifts| Parameters {
            weight_bits: 8,
            weights: vec![127; count],
            bias: vec![0],
            shifts,
            output,
        };
        let convolution = LayerSpec::Convolution {
            kernel: [5, 5],
            stride: [1, 1],
            padding: [0; 4],
            groups: 1,
            pool: None,
            parameters: weights(25 * usize::from(channels), Output::Unsigned, vec![0]),
        };
        let dense = LayerSpec::Dense { parameters: weights(1, Output::Logits, Vec::new()) };
        let layers = vec![convolution, dense];
        ModelSpec { name: "deep".into(), input: [5, 5, channels], logit_exponent: 0, layers }
    };
    let maximum = 4096;
    let field = "input channels";
    let limit = |found| LoadError::Limit { layer: 0, field, found, minimum: 1, maximum };
    for order in ORDERS {
        for (channels, error) in [
            (4096, LoadError::Accumulator { layer: 0, channel: 0 }),
            (4097, limit(4097)),
            (6000, limit(6000)),
            (65535, limit(65535)),
        ] {
            let refused = format::encode_ordered(&network(channels), order);
            assert_eq!(refused, Err(EncodeError::Invalid(error)), "{channels} channels, {order:?}");
        }
    }
}

/// Nor can the weights of an output be so many that adding them up overflows: 17 MB of them here.
#[test]
fn a_huge_dense_layer_is_refused() {
    let input = [1024, 1024, 17];
    let weights = vec![127; 1024 * 1024 * 17];
    let output = Output::Logits;
    let parameters = Parameters { weight_bits: 8, weights, bias: vec![0], shifts: Vec::new(), output };
    let layers = vec![LayerSpec::Dense { parameters }];
    let spec = ModelSpec { name: "huge".into(), input, logit_exponent: 0, layers };
    let error = LoadError::Accumulator { layer: 0, channel: 0 };
    assert_eq!(format::encode(&spec), Err(EncodeError::Invalid(error)));
}

/// Random nonsense in random networks. What is written loads, and says what the specification said.
#[test]
fn nonsense_is_refused_or_well_formed() {
    let (mut refused, mut written) = (0, 0);
    for seed in 0..if SLOW { 1_000 } else { 20_000 } {
        let mut spec = generate::network(seed);
        let mut random = Random::new(!seed);
        for _ in 0..random.length(1, 2) {
            corrupt(&mut random, &mut spec);
        }
        let Ok(bytes) = format::encode(&spec) else {
            refused += 1;
            continue;
        };
        written += 1;
        let file = Buffer::aligned(&bytes);
        let model = Model::load(file.bytes())
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", describe::model(&spec)));
        let (read, wanted) = (view::specification(&model), view::normalized(&spec));
        assert_eq!(format!("{read:?}"), format!("{wanted:?}"), "seed {seed}: read back, then given");
    }
    assert!(refused > 100 && written > 100, "{refused} refused, {written} written");
}

fn corrupt(random: &mut Random, spec: &mut ModelSpec) {
    let small = |random: &mut Random| random.choose(&[0, 1, 2, 3, 7, 15, 16, 255]);
    if random.one_in(8) {
        spec.input[random.length(0, 2)] = random.choose(&[0, 1, 2, 40, 1024, 1025, 65535]);
        return;
    }
    if random.one_in(8) {
        let (from, to) = (random.length(0, spec.layers.len() - 1), random.length(0, spec.layers.len()));
        let copy = spec.layers[from].clone();
        spec.layers.insert(to, copy);
        return;
    }
    let layer = random.length(0, spec.layers.len() - 1);
    let layer = &mut spec.layers[layer];
    let (axis, side, value) = (random.length(0, 1), random.length(0, 3), small(random));
    match (random.length(0, 4), &mut *layer) {
        (0, LayerSpec::Convolution { kernel, .. })
        | (0, LayerSpec::MaxPool { kernel, .. })
        | (0 | 2, LayerSpec::AveragePool { kernel, .. }) => kernel[axis] = value,
        (1, LayerSpec::Convolution { stride, .. })
        | (1, LayerSpec::MaxPool { stride, .. })
        | (1, LayerSpec::AveragePool { stride, .. }) => stride[axis] = value,
        (2, LayerSpec::Convolution { padding, .. }) | (2, LayerSpec::MaxPool { padding, .. }) => {
            padding[side] = value;
        }
        (3, LayerSpec::Convolution { groups, .. }) => *groups = random.choose(&[0, 1, 2, 3, 65535]),
        (4, LayerSpec::Convolution { pool, .. }) => *pool = Some(([value, 1], [1, small(random)])),
        _ => {
            if let Some(parameters) = parameters(layer) {
                corrupt_parameters(random, parameters);
            }
        }
    }
}

fn corrupt_parameters(random: &mut Random, parameters: &mut Parameters) {
    match random.length(0, 7) {
        0 => parameters.weight_bits = random.choose(&[0, 1, 2, 3, 4, 8, 16, 255]),
        1 => parameters.weights.truncate(random.length(0, parameters.weights.len())),
        2 => parameters.bias.push(1),
        3 => parameters.bias.clear(),
        4 => parameters.shifts.push(31),
        5 => parameters.output = if random.one_in(2) { Output::Signed } else { Output::Logits },
        6 => parameters.weights.fill(random.choose(&[-128, -8, 0, 1, 8, 127])),
        _ => parameters.bias.fill(random.choose(&[i32::MIN, -1, i32::MAX])),
    }
}

#[test]
fn a_file_is_reordered_to_what_the_encoder_writes_in_that_order() {
    for seed in 0..if SLOW { 40 } else { 400 } {
        let spec = if seed % 2 == 0 { generate::network(seed) } else { networks::convolutional(seed) };
        let spec = view::normalized(&spec);
        let files = ORDERS.map(|order| format::encode_ordered(&spec, order).expect("the generator is right"));
        for from in &files {
            for (order, to) in ORDERS.into_iter().zip(&files) {
                let reordered = format::reorder(from, order).expect("it is a model file");
                assert!(reordered == *to, "seed {seed} to {order:?}: {}", describe::model(&spec));
            }
        }
    }
    let damaged = format::reorder(b"not a model, just text..", Order::Paired);
    assert_eq!(damaged, Err(EncodeError::Invalid(LoadError::Magic { found: *b"not " })));
}
