//! Every back end that this host can run, one after the other: random networks in every order of
//! weights against the oracle, every row of every layer.
//!
//! A choice is for the whole process, so that one test runs them all. One that the processor lacks is printed and not
//! run; `TENFOLD_EXPECT`, which `tests/run` sets, says which of them must be.

use std::collections::BTreeSet;
use std::env;

use tenfold_runtime::{Layer, LoadError, Model, Operation, Order, back_end, format};
use tenfold_tests::buffer::Buffer;
use tenfold_tests::compare::check;
use tenfold_tests::spec::{LayerSpec, ModelSpec, Output};
use tenfold_tests::{generate, networks};

/// Networks of each kind a back end, in each order.
const SEEDS: u64 = if cfg!(debug_assertions) { 60 } else { 1000 };

#[test]
fn every_back_end_of_this_host_equals_the_oracle() {
    let mut ran = Vec::new();
    for (name, available) in back_end::all() {
        assert_eq!(available, is_expected(name), "{name}: can this processor run it?");
        assert_eq!(back_end::choose(name), available, "{name}");
        if !available {
            println!("{name}: NOT RUN, this processor does not have it");
            continue;
        }
        assert_eq!(back_end::current(), name);
        let mut shapes = BTreeSet::new();
        let (mut checked, mut in_blocks) = (0, 0);
        for seed in 0..SEEDS {
            let special = networks::convolutional(seed);
            shapes.extend(shapes_of(&special));
            for (spec, orders) in [(generate::network(seed), &ORDERS[1..]), (special, &ORDERS[..])] {
                for &order in orders {
                    check(&spec, order, seed, &format!("{name}, {order:?}, seed {seed}"));
                    checked += 1;
                }
            }
        }
        for outputs in [30, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 128, 129] {
            for signed in [false, true] {
                let spec = networks::wide(outputs, signed);
                check(&spec, Order::Interleaved, 1, &format!("{name}: {} signed {signed}", spec.name));
                checked += 1;
            }
        }
        for spec in (0..networks::GROUPED).map(networks::grouped) {
            in_blocks += usize::from(is_in_blocks(&spec));
            check(&spec, Order::Interleaved, 1, &format!("{name}: {}", spec.name));
            checked += 1;
        }
        for spec in [networks::nano(), networks::lenet5(), networks::keras_cnn()] {
            check(&spec, Order::Interleaved, 1, &format!("{name}: {}", spec.name));
            checked += 1;
        }
        check_shapes(&shapes);
        assert!(in_blocks >= 20, "{in_blocks} networks with groups in interleaved order");
        println!("{name}: {checked} networks, every layer as expected");
        ran.push(name);
    }
    assert!(!back_end::choose("none of these"));
    // What the operating system says of the processor, which neither the runtime nor this test has asked.
    if let Ok(expected) = env::var("TENFOLD_EXPECT") {
        let expected: Vec<&str> = expected.split(',').filter(|name| !name.is_empty()).collect();
        let of_processor: Vec<&str> = ran.into_iter().filter(|&name| name != "portable").collect();
        assert_eq!(of_processor, expected, "back ends that ran, and those that TENFOLD_EXPECT names");
    }
}

/// A weight of a channel or of an input that is none is refused: kernels multiply it.
#[test]
fn a_weight_that_is_none_is_refused() {
    // 6 channels of 16; 5 inputs of 8 in a row of the kernel.
    let file = format::encode_ordered(&networks::lenet5(), Order::Interleaved).expect("well-formed");
    let mut file = Buffer::aligned(&file);
    let place_of_weights = |file: &Buffer| {
        let model = Model::load(file.bytes()).expect("a well-formed file");
        let weights =
            model.layers().next().and_then(|layer| layer.parameters()).expect("a convolution").weights;
        (weights.as_ptr().addr() - file.bytes().as_ptr().addr(), weights.len())
    };
    let (start, length) = place_of_weights(&file);
    let is_weight =
        |place: usize| place % 64 / 4 < 6 && ((place / 64).is_multiple_of(2) || place.is_multiple_of(4));
    for place in 0..length {
        let old = file.bytes()[start + place];
        assert!(is_weight(place) || old == 0, "byte {place}");
        file.bytes_mut()[start + place] = if old == 1 { 2 } else { 1 };
        format::reseal(file.bytes_mut());
        let expected = if is_weight(place) { None } else { Some(LoadError::BlockAlignment { layer: 0 }) };
        assert_eq!(Model::load(file.bytes()).err(), expected, "byte {place}");
        file.bytes_mut()[start + place] = old;
    }
}

const ORDERS: [Order; 5] = [Order::Plain, Order::Paired, Order::Planar, Order::Narrow, Order::Interleaved];

/// Whether a convolution in several groups is in interleaved order.
fn is_in_blocks(spec: &ModelSpec) -> bool {
    let file = format::encode_ordered(spec, Order::Interleaved).expect("well-formed");
    let file = Buffer::aligned(&file);
    let model = Model::load(file.bytes()).expect("a well-formed file");
    let is_one = |layer: Layer<'_>| {
        matches!(layer.operation, Operation::Convolution { groups, .. } if groups > 1)
            && layer.parameters().is_some_and(|parameters| parameters.order == Order::Interleaved)
    };
    model.layers().any(is_one)
}

/// What the standard library says of this processor.
#[cfg(target_arch = "x86_64")]
fn is_expected(back_end: &str) -> bool {
    use std::arch::is_x86_feature_detected as has;
    match back_end {
        "avx512" => has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512vnni"),
        "avx-vnni" => has!("avx2") && has!("avxvnni"),
        "avx2" => has!("avx2"),
        _ => true,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn is_expected(_: &str) -> bool {
    true
}

/// Of each convolution: output channels, values of a kernel row, and whether its input is signed.
fn shapes_of(spec: &ModelSpec) -> Vec<(usize, usize, bool)> {
    let (mut channels, mut signed) = (usize::from(spec.input[2]), false);
    let mut shapes = Vec::new();
    for layer in &spec.layers {
        if let LayerSpec::Convolution { kernel, parameters, .. } = layer {
            shapes.push((parameters.bias.len(), usize::from(kernel[1]) * channels, signed));
            channels = parameters.bias.len();
            signed = !matches!(parameters.output, Output::Unsigned | Output::Table { signed: false, .. });
        }
    }
    shapes
}

/// The networks have met the lengths around those of the vectors.
fn check_shapes(shapes: &BTreeSet<(usize, usize, bool)>) {
    if cfg!(debug_assertions) {
        return;
    }
    for outputs in [1, 7, 8, 9, 15, 16, 17, 24] {
        assert!(shapes.iter().any(|shape| shape.0 == outputs), "no convolution of {outputs} outputs");
    }
    for signed in [false, true] {
        // Less than a group of four, every rest of one, and more than a vector.
        let lengths = (1..=3).chain(20..24).map(|values| {
            move |found: usize| {
                if values < 4 { found == values } else { found > 16 && found % 4 == values % 4 }
            }
        });
        for (index, fits) in lengths.enumerate() {
            let found = shapes.iter().any(|shape| fits(shape.1) && shape.2 == signed);
            assert!(found, "no convolution of length {index} of a kernel row, signed {signed}");
        }
    }
}
