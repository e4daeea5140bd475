//! The back ends for instruction sets that this machine does not have, in the emulator: random
//! networks against the oracle, every layer of every image.
//!
//! Needs QEMU, Node and a compiler for the boards' targets; `tests/run --setup` sets them up. Where they
//! are missing these tests fail: they are never skipped.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tenfold_runtime::{LoadError, Model, Operation, Order, Recognizer, format};
use tenfold_tests::buffer::Buffer;
use tenfold_tests::emulator::Core;
use tenfold_tests::random::Random;
use tenfold_tests::reference::{self, Map};
use tenfold_tests::spec::{LayerSpec, ModelSpec, Output, Parameters};
use tenfold_tests::{generate, networks, view, wasm};

/// Random networks of every kind, and as many of the kinds that back ends treat specially.
const SEEDS: u64 = 500;

/// Networks of many channels, which are large.
const DEEP_SEEDS: u64 = 48;

/// Images for each network.
const IMAGES: usize = 2;

/// Flash of the emulated machine that is left for the networks, and a random network's share.
const MOST_BYTES: usize = 7 << 19;
const MOST_BYTES_EACH: usize = 4 << 10;

#[test]
fn cortex_m0_equals_the_oracle() {
    equals_the_oracle("cortex-m0", Order::Planar, Order::Paired);
}

#[test]
fn cortex_m4_equals_the_oracle() {
    equals_the_oracle("cortex-m4", Order::Paired, Order::Planar);
}

#[test]
fn cortex_m7_equals_the_oracle() {
    equals_the_oracle("cortex-m7", Order::Paired, Order::Planar);
}

#[test]
fn cortex_m33_equals_the_oracle() {
    equals_the_oracle("cortex-m33", Order::Paired, Order::Planar);
}

#[test]
fn cortex_m55_equals_the_oracle() {
    equals_the_oracle("cortex-m55", Order::Plain, Order::Paired);
}

#[test]
fn riscv32imc_equals_the_oracle() {
    equals_the_oracle("riscv32imc", Order::Narrow, Order::Planar);
}

/// With SIMD instructions and without.
#[test]
fn wasm32_equals_the_oracle() {
    let (suite, expected) = suite(Order::Interleaved, Order::Planar, usize::MAX);
    let file = written("suite-wasm32", suite);
    for (simd, back_end) in [(true, "wasm32"), (false, "portable")] {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("suite-firmware").join(back_end);
        let module = wasm::build(simd, &directory).unwrap_or_else(|failure| panic!("{failure:#}"));
        let text = wasm::suite(&module, &file).unwrap_or_else(|failure| panic!("{failure:#}"));
        assert_eq!(text, format!("{back_end}: {expected}"));
        println!("wasm32: {text}");
    }
}

/// Runs networks in plain order, in the order that the core is fastest with, and in one for another core.
fn equals_the_oracle(name: &str, own: Order, other: Order) {
    let core = Core::named(name).expect("a core of the table");
    let (program, expected) = build(core, own, other);
    let text = core.run(&program, None).unwrap_or_else(|failure| panic!("{failure:#}"));
    assert_eq!(text.trim_end(), expected);
    println!("{name}: {expected}");
}

/// Writes a file for the firmware to embed.
fn written(name: &str, bytes: Vec<u8>) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

/// The file of networks that `firmware/bench/src/suite.rs` describes and runs; of the random ones those that
/// take no more bytes each than said. With what a core prints that has compared all of it, and found it equal.
fn suite(own: Order, other: Order, most_bytes_each: usize) -> (Vec<u8>, String) {
    let known = [networks::nano(), networks::lenet5(), networks::keras_cnn()];
    let any = (0..SEEDS).map(|seed| (generate::network(seed), Order::Plain));
    // Four files of two networks.
    let special = (0..2 * SEEDS).map(|number| {
        let (seed, order) = [(0, Order::Plain), (0, own), (1, own), (1, other)][number as usize % 4];
        (networks::convolutional(number / 4 * 2 + seed), order)
    });
    let random = any.chain(special).map(suited).map(encode).filter(|(_, file)| file.len() <= most_bytes_each);
    let deep = (0..DEEP_SEEDS).map(networks::deep);
    let sixteens = (0..networks::SIXTEENS).map(networks::sixteens);
    let packed = (0..networks::PACKED).map(networks::packed);
    let known = known
        .into_iter()
        .chain(deep)
        .chain(sixteens)
        .chain(packed)
        .chain((0..networks::GROUPED).map(networks::grouped))
        .map(|spec| (spec, own))
        .map(suited)
        .map(encode);
    let networks: Vec<(ModelSpec, Vec<u8>)> = known.chain(random).collect();
    assert!(networks.len() as u64 > 2 * SEEDS, "{} networks are small enough", networks.len());
    let mut bytes = (networks.len() as u32).to_le_bytes().to_vec();
    for (index, (spec, file)) in networks.iter().enumerate() {
        append(&mut bytes, spec, file, index as u64);
    }
    let layers: usize = networks.iter().map(|(spec, _)| IMAGES * spec.layers.len()).sum();
    let (networks, images) = (networks.len(), IMAGES * networks.len());
    (bytes, format!("{networks} networks, {images} images, {layers} layers: all as expected"))
}

/// The network with weights for which the order is defined.
fn suited((spec, order): (ModelSpec, Order)) -> (ModelSpec, Order) {
    (if order == Order::Narrow { networks::narrowed(spec) } else { spec }, order)
}

fn encode((spec, order): (ModelSpec, Order)) -> (ModelSpec, Vec<u8>) {
    let file = format::encode_ordered(&spec, order).unwrap_or_else(|error| panic!("{}: {error}", spec.name));
    (spec, file)
}

fn append(suite: &mut Vec<u8>, spec: &ModelSpec, file: &[u8], seed: u64) {
    let mut random = Random::new(!seed);
    let images = [(); IMAGES].map(|()| generate::image(&mut random, spec));
    for number in [file.len(), images[0].len(), images.len()] {
        suite.extend((number as u32).to_le_bytes());
    }
    let pad = |suite: &mut Vec<u8>| suite.resize(suite.len().next_multiple_of(4), 0);
    suite.extend(file);
    pad(suite);
    for image in images {
        suite.extend(&image);
        pad(suite);
        let maps = reference::run(spec, &image);
        let (logits, rows) = maps.split_last().expect("a network has layers");
        suite.extend(rows.iter().flat_map(|map| digest(map.bytes()).to_le_bytes()));
        suite.extend(digest(logit_bytes(logits)).to_le_bytes());
    }
}

fn logit_bytes(logits: &Map) -> Vec<u8> {
    logits.values.iter().flat_map(|&logit| (logit as i32).to_le_bytes()).collect()
}

/// 32-bit FNV-1a.
fn digest(bytes: impl IntoIterator<Item = u8>) -> u32 {
    bytes
        .into_iter()
        .fold(0x811c_9dc5, |digest: u32, byte| (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// A file ordered for another core gives the oracle's logits on this one, and reads back as the
/// network that it was made of; and the special networks meet every loop for that order.
#[test]
fn ordered_weights_give_the_same_everywhere() {
    for order in [Order::Paired, Order::Planar, Order::Narrow] {
        let (mut shapes, mut packed, mut in_groups) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let special = (0..4 * SEEDS).map(networks::convolutional).chain((0..DEEP_SEEDS).map(networks::deep));
        let grouped = (0..networks::GROUPED).map(networks::grouped);
        let special = special.chain((0..networks::PACKED).map(networks::packed)).chain(grouped);
        for (seed, spec) in special.enumerate() {
            let (spec, file) = encode(suited((spec, order)));
            let file = Buffer::aligned(&file);
            let name = format!("{}, {order:?}", spec.name);
            let model = Model::load(file.bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(format!("{:?}", view::specification(&model)), format!("{spec:?}"), "{name}");
            for layer in model.layers() {
                if let Operation::Convolution { window, pool, groups, .. } = &layer.operation
                    && let Some(parameters) = layer.parameters()
                    && parameters.order == order
                {
                    let is_pooled = pool.kernel[0] != 1;
                    if *groups > 1 {
                        in_groups.insert((parameters.weight_bits, *groups, window.kernel[0], is_pooled));
                        continue;
                    }
                    if parameters.weight_bits != 8 {
                        let width = if is_pooled { 0 } else { layer.output.width };
                        packed.insert((
                            parameters.weight_bits,
                            window.kernel[0],
                            window.stride[0],
                            is_pooled,
                            width,
                        ));
                        continue;
                    }
                    let remainder = if is_pooled { 0 } else { layer.output.width % 4 };
                    let is_common = is_pooled
                        || (window.kernel[0] == 3 && (window.stride[0] == 1 || order == Order::Paired));
                    let channels = layer.input.channels.min(if is_common { 4 } else { 2 });
                    shapes.insert((window.kernel[0], window.stride[0], channels, is_pooled, remainder));
                }
            }
            let mut random = Random::new(seed as u64);
            let image = generate::image(&mut random, &spec);
            let mut scratch = Buffer::aligned(&random.bytes(model.scratch_bytes()));
            let mut recognizer = Recognizer::new(&model, scratch.bytes_mut()).expect("enough scratch");
            let logits: Vec<i64> =
                recognizer.recognize(&image).logits.iter().map(|&logit| logit.into()).collect();
            let expected = reference::run(&spec, &image);
            assert_eq!(expected.last().map(|map| &map.values), Some(&logits), "{name}");
            drop(recognizer);
            scratch.check_guards();
        }
        let all = |kernel: u8, stride: u8, channels: &[u16]| {
            let single =
                channels.iter().flat_map(|&channels| [0, 1, 2, 3].map(|rest| (channels, false, rest)));
            let pooled = channels.iter().map(|&channels| (channels, true, 0));
            let shapes: Vec<_> = if stride == 1 { pooled.chain(single).collect() } else { single.collect() };
            shapes.into_iter().map(move |(channels, pool, rest)| (kernel, stride, channels, pool, rest))
        };
        let wanted: Vec<_> = if order == Order::Paired {
            let five = [1, 2, 3, 4].map(|channels| (5, 1, channels, true, 0));
            all(3, 1, &[1, 2, 3, 4]).chain(all(3, 2, &[1, 2, 3, 4])).chain(five).collect()
        } else {
            let rare = all(3, 2, &[1, 2]).chain(all(5, 2, &[1, 2]));
            let rare = rare.filter(|&(kernel, ..)| order == Order::Planar || kernel == 3);
            all(3, 1, &[1, 2, 4]).chain(all(5, 1, &[1, 2])).chain(rare).collect()
        };
        let missing: Vec<_> = wanted.iter().filter(|shape| !shapes.contains(shape)).collect();
        assert!(missing.is_empty(), "{order:?}: no kernel, stride, channels, pool, rest {missing:?}");
        // 3 x 3 at both strides, of 1 to 8 columns, and with a pool; 5 x 5 with a pool, in planes without as well.
        let of_fives = match order {
            Order::Paired => 1,
            Order::Planar => 17,
            _ => 9,
        };
        assert_eq!(packed.len(), 2 * (17 + of_fives), "{order:?}: {packed:?}");
        // Kernels with a pool and without, of 3 x 3 and of 5 x 5; but for one of them in pairs.
        let kernels = if order == Order::Paired { 3 } else { 4 };
        let of_bits = |bits| in_groups.iter().filter(|found| found.0 == bits && found.1 < 4).count();
        assert!([8, 4, 2].map(of_bits).iter().all(|&found| found >= kernels), "{order:?}: {in_groups:?}");
    }
}

/// Helium takes groups of eight channels and more, with kernels of up to nine places: it meets its loops for all
/// inputs, with a pool and without, for runs that are copied, that fill vectors, and that do neither.
#[test]
fn groups_meet_every_loop_of_helium() {
    let mut found = BTreeSet::new();
    for spec in (0..networks::GROUPED).map(networks::grouped) {
        let [_, LayerSpec::Convolution { kernel, groups, pool, parameters, .. }, _] = &spec.layers[..] else {
            panic!("{}: {:?}", spec.name, spec.layers)
        };
        let [rows, columns] = kernel.map(usize::from);
        let (places, groups) = (rows * columns, usize::from(*groups));
        let depth = parameters.weights.len() / parameters.bias.len() / places;
        if parameters.weight_bits != 8 || depth < 8 || places > 9 {
            continue;
        }
        let LayerSpec::Convolution { parameters: image, .. } = &spec.layers[0] else { continue };
        assert_eq!(image.bias.len(), groups * depth, "{}", spec.name);
        let run = match depth {
            _ if places * depth <= 16 => "one vector",
            8..=16 if (places - 1) * depth + 16 <= 40 => "copied",
            _ if depth.is_multiple_of(16) => "whole vectors",
            _ => "vectors and a rest",
        };
        found.insert((run, image.output == Output::Signed, pool.is_some()));
    }
    for run in ["one vector", "copied", "whole vectors", "vectors and a rest"] {
        for (signed, pooled) in [(false, false), (false, true), (true, false), (true, true)] {
            assert!(
                found.contains(&(run, signed, pooled)),
                "{run}, signed {signed}, pooled {pooled}: {found:?}"
            );
        }
    }
}

/// Zeros that complete a pair are checked, since kernels multiply them.
#[test]
fn a_weight_that_is_none_is_refused() {
    // 1 channel, 3 x 3: the second of the pair of column 2 and none.
    let (spec, file) = encode((networks::nano(), Order::Paired));
    let weights = |model: &Model<'_>| model.layers().next()?.parameters().map(|p| p.weights.as_ptr().addr());
    let mut file = Buffer::aligned(&file);
    let start = file.bytes().as_ptr().addr();
    let place =
        weights(&Model::load(file.bytes()).expect("a well-formed file")).expect("a convolution") - start;
    assert_eq!(file.bytes()[place + 7], 0, "{}", spec.name);
    file.bytes_mut()[place + 7] = 1;
    format::reseal(file.bytes_mut());
    assert_eq!(Model::load(file.bytes()).err(), Some(LoadError::BlockAlignment { layer: 0 }));
}

/// The weight -128 is none in planar order either, where it is the byte 0.
#[test]
fn the_byte_0_is_refused_in_planar_order() {
    let (_, file) = encode((networks::nano(), Order::Planar));
    let mut file = Buffer::aligned(&file);
    let start = file.bytes().as_ptr().addr();
    let place = {
        let model = Model::load(file.bytes()).expect("a well-formed file");
        let parameters = model.layers().nth(2).and_then(|layer| layer.parameters()).expect("a convolution");
        assert_eq!(parameters.order, Order::Planar);
        parameters.weights.as_ptr().addr() - start + 8
    };
    for (byte, expected) in [(0, Some(LoadError::Weight { layer: 2 })), (1, None), (255, None)] {
        file.bytes_mut()[place] = byte;
        format::reseal(file.bytes_mut());
        assert_eq!(Model::load(file.bytes()).err(), expected);
    }
}

/// Of packed weights a bit that is none's is refused, and the weight -8.
#[test]
fn what_is_beside_packed_weights_is_refused() {
    for order in [Order::Paired, Order::Planar, Order::Narrow] {
        // Four channels, 3 x 3: 36 places in five words, of which the last half holds none; or 40.
        let spec = |seed: &u64| networks::packed(*seed).layers[0].clone();
        let is_wanted = |seed: &u64| matches!(spec(seed), LayerSpec::Convolution { parameters, .. } if parameters.bias.len() == 4);
        let seed = (0..u64::MAX).filter(|seed| seed % 6 == 0).find(is_wanted).expect("one of four channels");
        let (_, file) = encode((networks::packed(seed), order));
        let mut file = Buffer::aligned(&file);
        let start = file.bytes().as_ptr().addr();
        let (place, run) = {
            let model = Model::load(file.bytes()).expect("a well-formed file");
            let parameters =
                model.layers().nth(1).and_then(|layer| layer.parameters()).expect("a convolution");
            assert_eq!((parameters.order, parameters.weight_bits, parameters.run_bytes), (order, 4, 20));
            (parameters.weights.as_ptr().addr() - start, parameters.run_bytes)
        };
        let mut load = |at: usize, value: u8| {
            let old = core::mem::replace(&mut file.bytes_mut()[place + at], value);
            format::reseal(file.bytes_mut());
            let error = Model::load(file.bytes()).err();
            file.bytes_mut()[place + at] = old;
            error
        };
        assert_eq!([0x00, 0x77, 0x99].map(|byte| load(0, byte)), [None; 3], "{order:?}");
        assert_eq!(
            [0x08, 0x80].map(|byte| load(0, byte)),
            [Some(LoadError::Weight { layer: 1 }); 2],
            "{order:?}"
        );
        let refused = Some(LoadError::BlockAlignment { layer: 1 });
        if order == Order::Paired {
            // Places 17 and 19 of the first plane of 20: low bits of bytes 9 and 11.
            assert_eq!([load(9, 1), load(11, 1), load(8, 1)], [refused, refused, None]);
        } else {
            assert_eq!([load(run - 1, 0x10), load(run - 4, 0x10)], [refused; 2], "{order:?}");
        }
    }
}

/// In narrow order a run says whether the products of a kernel row may not add up to 16 bits.
#[test]
fn a_wide_row_that_is_not_said_to_be_is_refused() {
    let (_, file) = encode((networks::nano(), Order::Narrow));
    let mut file = Buffer::aligned(&file);
    let start = file.bytes().as_ptr().addr();
    let (place, run) = {
        let model = Model::load(file.bytes()).expect("a well-formed file");
        let parameters = model.layers().nth(2).and_then(|layer| layer.parameters()).expect("a convolution");
        assert_eq!(parameters.order, Order::Narrow);
        (parameters.weights.as_ptr().addr() - start, parameters.run_bytes)
    };
    let mut load = |row: [i8; 3], flag: u8| {
        file.bytes_mut()[place + 9..place + 12].copy_from_slice(&row.map(|weight| weight as u8));
        file.bytes_mut()[place + run - 1] = flag;
        format::reseal(file.bytes_mut());
        Model::load(file.bytes()).err()
    };
    let refused = Some(LoadError::BlockAlignment { layer: 2 });
    assert_eq!([0, 1, 2].map(|flag| load([127, -127, 1], flag)), [None, refused, refused]);
    assert_eq!([0, 1, 2].map(|flag| load([127, -127, 2], flag)), [refused, None, refused]);
    assert_eq!(load([-128, 0, 0], 0), Some(LoadError::Weight { layer: 2 }));
}

/// A layer for which an order is not defined is written in plain order.
#[test]
fn what_has_no_order_is_plain() {
    use Order::{Narrow, Paired, Plain, Planar};
    let (_, file) = encode((networks::nano(), Paired));
    let orders = |file: &[u8]| {
        let file = Buffer::aligned(file);
        let model = Model::load(file.bytes()).expect("a well-formed file");
        let orders = model.layers().map(|layer| layer.parameters().map(|p| p.order));
        orders.map(|order| order.expect("every layer of nano has weights")).collect::<Vec<_>>()
    };
    assert_eq!(orders(&file), [Paired, Paired, Paired, Paired, Paired, Plain]);
    let (mut spec, file) = encode((networks::nano(), Planar));
    assert_eq!(orders(&file), [Planar, Planar, Planar, Planar, Planar, Plain]);
    // The second layer's input becomes signed, the third layer's weights have 4 bits over a multiple of four
    // channels, and the fourth layer's stride is not that of a square.
    for (index, layer) in spec.layers.iter_mut().enumerate() {
        let LayerSpec::Convolution { parameters, stride, .. } = layer else { continue };
        match index {
            0 => parameters.output = Output::Signed,
            2 => {
                parameters.weight_bits = 4;
                parameters.weights.fill(1);
            }
            3 => *stride = [1, 2],
            _ => {}
        }
    }
    let (_, file) = encode((shortened(spec), Planar));
    assert_eq!(orders(&file), [Planar, Plain, Planar, Plain, Plain]);
    let (_, file) = encode((networks::nano(), Narrow));
    assert_eq!(orders(&file), [Narrow, Narrow, Narrow, Narrow, Narrow, Plain]);
}

/// The first four layers, and a last one that fits.
fn shortened(mut spec: ModelSpec) -> ModelSpec {
    spec.layers.truncate(4);
    let output = Output::Logits;
    // 10 x 10 x 16 come in; 8 x 4 are left of them, a pool of 2 x 2 leaves 4 x 2.
    let weights = vec![1; 4 * 2 * 16 * 2];
    let last = Parameters { weight_bits: 8, weights, bias: vec![0; 2], shifts: Vec::new(), output };
    spec.layers.push(LayerSpec::Dense { parameters: last });
    spec
}

/// Builds `firmware/bench`'s program `suite` around the networks; where it is, and what it prints if all is well.
fn build(core: &Core, own: Order, other: Order) -> (PathBuf, String) {
    // Tests run side by side: each has files of its own.
    let (suite, expected) = suite(own, other, MOST_BYTES_EACH);
    assert!(suite.len() < MOST_BYTES, "{} bytes of networks", suite.len());
    let suite = written(&format!("suite-{}", core.name), suite);
    // The package embeds a model, too: any one does.
    let model = format::encode(&networks::nano()).expect("a well-formed network");
    let model = written(&format!("nano-{}.postcard", core.name), model);
    let (suite, model) = (suite.as_os_str(), model.as_os_str());
    let variables = [("TENFOLD_MODEL", model), ("TENFOLD_IMAGES", "1".as_ref()), ("TENFOLD_SUITE", suite)];
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("suite-firmware").join(core.name);
    let built = core.build(&["suite"], &variables, &directory);
    (built.unwrap_or_else(|failure| panic!("{failure:#}")).join("suite"), expected)
}
