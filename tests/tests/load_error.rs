//! Every cause for which a model file is refused, from files written byte by byte; and that the
//! message names the cause and the layer.

use std::collections::BTreeSet;

use tenfold_runtime::{LoadError, Model, format};
use tenfold_tests::buffer::Buffer;
use tenfold_tests::file::{Block, File, Record, seal};
use tenfold_tests::view;

/// Where the first record of [`small`] begins, which says what kind of layer it is.
const KIND: usize = 24 + (1 + 7) + 3 + 1;
/// Where it says whether there is a pool.
const POOL: usize = KIND + 2 + 4 + 4 + 1;
/// Where it says how the weights are ordered.
const ORDER: usize = POOL + 2;

/// Convolution and dense layer, 8-bit weights, plain order of both, kernel of 3 x 3, one channel, no pool.
const FEATURES: u32 = 1 | 1 << 5 | 1 << 8 | 1 << 12 | 1 << 18 | 1 << 22 | 1 << 25 | 1 << 27;

/// A 4x4 image, a 3x3 convolution with 2 outputs, a dense layer with 3 classes.
fn small() -> File {
    let convolution = convolution([3, 3], [1, 1], [0; 4], None);
    let dense = Record::dense(3, 2, Block::ones(3, 8, 4));
    File {
        scratch: 3 * 4 + 2 * 4 + 3 * 4,
        features: FEATURES,
        ..File::new([4, 4, 1], vec![convolution, dense])
    }
}

fn convolution(kernel: [u8; 2], stride: [u8; 2], padding: [u8; 4], pool: Option<[u8; 4]>) -> Record {
    Record::convolution(2, kernel, stride, padding, 1, pool, Block::ones(2, 9, 0))
}

/// [`small`] with another first layer, which its second one does not fit.
fn first(record: Record) -> Vec<u8> {
    let mut file = small();
    file.records[0] = record;
    file.bytes()
}

/// [`small`] with a change to the parameters of layer 1, which is dense with 8 inputs and 3 outputs.
fn changed(change: impl Fn(&mut Block)) -> Vec<u8> {
    let mut file = small();
    change(file.records[1].parameters.as_mut().expect("a dense layer has parameters"));
    file.bytes()
}

/// [`small`] with its bytes changed, resealed.
fn patched(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = small().bytes();
    change(&mut bytes);
    seal(&mut bytes);
    bytes
}

fn load(bytes: &[u8]) -> Result<(), LoadError> {
    Model::load(Buffer::aligned(bytes).bytes()).map(|_| ())
}

fn limit(layer: u8, field: &'static str, found: u32, minimum: u32, maximum: u32) -> LoadError {
    LoadError::Limit { layer, field, found, minimum, maximum }
}

/// The file, the error, and a part of its message.
fn causes() -> Vec<(Vec<u8>, LoadError, &'static str)> {
    let whole = small().bytes();
    let dense = |block| Record::dense(3, 2, block);
    let layers = |input, records| File::new(input, records).bytes();
    let truncated =
        |found| LoadError::Truncated { expected: if found < 24 { 24 } else { whole.len() }, found };
    vec![
        (Vec::new(), truncated(0), "truncated: 0 bytes"),
        (whole[..23].to_vec(), truncated(23), "24 are expected"),
        (whole[..whole.len() - 1].to_vec(), truncated(whole.len() - 1), "truncated"),
        ([&whole[..], &[0, 0]].concat(), LoadError::TrailingBytes { count: 2 }, "2 trailing"),
        (patched(|file| file.push(0)), LoadError::TrailingBytes { count: 1 }, "1 trailing"),
        (patched(|file| file[0] = b'2'), LoadError::Magic { found: *b"20FD" }, "magic"),
        (patched(|file| file[4] = 2), LoadError::Version { found: 2 }, "version 2"),
        (patched(|file| file[6] = 1), LoadError::Reserved, "reserved"),
        (patched(|file| file[7] = 1), LoadError::Reserved, "reserved"),
        (patched(|file| file[5] = 0), LoadError::LayerCount { found: 0, capacity: 16 }, "0 layers"),
        (patched(|file| file[5] = 17), LoadError::LayerCount { found: 17, capacity: 16 }, "17 layers"),
        (patched(|file| file[5] = 255), LoadError::LayerCount { found: 255, capacity: 16 }, "255 layers"),
        (File { name: vec![0xff, 0xfe], ..small() }.bytes(), LoadError::Name, "printable ASCII"),
        (
            patched(|file| file[24..29].copy_from_slice(&[255, 255, 255, 255, 15])),
            LoadError::Header,
            "header",
        ),
        (patched(|file| file.truncate(24)), LoadError::Header, "header"),
        (File { name: vec![b'n'; 65], ..small() }.bytes(), LoadError::Name, "64"),
        // Malformed records: too short, an unknown kind, an unknown order of weights, a huge block.
        (patched(|file| file.truncate(file.len() - 1)), LoadError::Record { layer: 1 }, "layer 1: malformed"),
        (patched(|file| file[KIND] = 4), LoadError::Record { layer: 0 }, "layer 0: malformed"),
        (patched(|file| file[ORDER] = 5), LoadError::Record { layer: 0 }, "layer 0: malformed"),
        // Both orders are of 8-bit weights.
        (
            patched(|file| (file[ORDER - 1], file[ORDER]) = (4, 1)),
            LoadError::Order { layer: 0 },
            "not for a layer of this shape",
        ),
        (
            patched(|file| (file[ORDER - 1], file[ORDER]) = (4, 2)),
            LoadError::Order { layer: 0 },
            "not for a layer of this shape",
        ),
        (patched(|file| file[POOL] = 2), LoadError::Record { layer: 0 }, "layer 0: malformed"),
        (changed(|block| block.weight_bits = 5), limit(1, "weight bits (2, 4 or 8)", 5, 2, 8), "weight bits"),
        // Limits of the input; they come before any layer.
        (File { input: [0, 4, 1], ..small() }.bytes(), limit(0, "input height", 0, 1, 1024), "height is 0"),
        (File { input: [4, 1025, 1], ..small() }.bytes(), limit(0, "input width", 1025, 1, 1024), "1025"),
        (File { input: [4, 4, 4097], ..small() }.bytes(), limit(0, "input channels", 4097, 1, 4096), "4096"),
        // Limits of the layers.
        (
            first(convolution([3, 3], [1, 1], [0, 0, 3, 0], None)),
            limit(0, "padding", 3, 0, 2),
            "padding is 3",
        ),
        (
            first(convolution([3, 3], [1, 1], [0; 4], Some([0, 1, 1, 1]))),
            limit(0, "kernel", 0, 1, 15),
            "kernel",
        ),
        (
            first(convolution([3, 3], [1, 1], [0; 4], Some([1, 1, 1, 0]))),
            limit(0, "stride", 0, 1, 15),
            "stride",
        ),
        (first(Record::average_pool([0, 2], [1, 1])), limit(0, "kernel", 0, 1, 15), "kernel is 0"),
        (
            first(Record::convolution(0, [3, 3], [1, 1], [0; 4], 1, None, Block::ones(0, 9, 0))),
            limit(0, "outputs", 0, 1, 4096),
            "outputs is 0",
        ),
        (
            first(Record::convolution(65535, [3, 3], [1, 1], [0; 4], 1, None, Block::ones(2, 9, 0))),
            limit(0, "outputs", 65535, 1, 4096),
            "outputs is 65535",
        ),
        (
            first(Record::convolution(2, [3, 3], [1, 1], [0; 4], 0, None, Block::ones(2, 9, 0))),
            limit(0, "groups", 0, 1, 1),
            "groups is 0",
        ),
        (
            layers([4, 4, 1], vec![Record::dense(17, 4, Block::ones(17, 16, 4))]),
            limit(0, "outputs", 17, 1, 16),
            "outputs is 17",
        ),
        (
            layers(
                [1, 1024, 65],
                vec![Record::max_pool([1, 1], [1, 1], [0; 4]), dense(Block::ones(3, 4, 4))],
            ),
            limit(0, "values in a row", 66560, 1, 65536),
            "values in a row is 66560",
        ),
        (
            // 2^32 weights an output: none at all in the 32 bits of a board that did not check.
            layers([1024, 1024, 4096], vec![Record::dense(1, 1024, Block::ones(1, 0, 4))]),
            limit(0, "values in a row", 1024 * 4096, 1, 65536),
            "values in a row",
        ),
        (
            layers(
                [1024, 1, 1],
                vec![Record::max_pool([2, 1], [1, 1], [1, 0, 1, 0]), dense(Block::ones(3, 4, 4))],
            ),
            limit(0, "output height", 1025, 1, 1024),
            "output height is 1025",
        ),
        // Shapes that do not fit.
        (
            first(convolution([5, 3], [1, 1], [0; 4], None)),
            LoadError::WindowTooLarge { layer: 0 },
            "layer 0: the window",
        ),
        (
            first(convolution([3, 3], [1, 1], [0; 4], Some([3, 1, 1, 1]))),
            LoadError::WindowTooLarge { layer: 0 },
            "larger than its input",
        ),
        (
            layers(
                [4, 4, 4],
                vec![
                    Record::convolution(3, [1, 1], [1, 1], [0; 4], 3, None, Block::ones(3, 1, 0)),
                    dense(Block::ones(3, 8, 4)),
                ],
            ),
            LoadError::Groups { layer: 0 },
            "groups do not divide",
        ),
        (
            layers(
                [4, 4, 4],
                vec![
                    Record::convolution(3, [1, 1], [1, 1], [0; 4], 2, None, Block::ones(3, 2, 0)),
                    dense(Block::ones(3, 8, 4)),
                ],
            ),
            LoadError::Groups { layer: 0 },
            "groups do not divide",
        ),
        (first(Record::average_pool([3, 1], [1, 1])), LoadError::PoolArea { layer: 0 }, "power of two"),
        (
            File {
                records: vec![small().records[0].clone(), Record::dense(3, 3, Block::ones(3, 8, 4))],
                ..small()
            }
            .bytes(),
            LoadError::RowsPerStep { layer: 1 },
            "rows_per_step",
        ),
        (
            File {
                records: vec![small().records[0].clone(), Record::dense(3, 0, Block::ones(3, 8, 4))],
                ..small()
            }
            .bytes(),
            LoadError::RowsPerStep { layer: 1 },
            "rows_per_step",
        ),
        // Parameters.
        (
            changed(|block| block.weights.extend([0; 4])),
            LoadError::BlockLength { layer: 1, expected: 36, found: 40 },
            "40 bytes",
        ),
        (
            changed(|block| block.bias.truncate(2)),
            LoadError::BlockLength { layer: 1, expected: 36, found: 32 },
            "expected 36",
        ),
        (
            changed(|block| block.tail.push(0)),
            LoadError::BlockLength { layer: 1, expected: 36, found: 37 },
            "37 bytes",
        ),
        (
            changed(|block| block.weight_bits = 4),
            LoadError::BlockLength { layer: 1, expected: 24, found: 36 },
            "expected 24",
        ),
        (
            changed(|block| block.alignment = Some(vec![0; 5])),
            LoadError::BlockAlignment { layer: 1 },
            "layer 1",
        ),
        (
            // 9 weights an output: 2 bytes of padding behind 18.
            first({
                let mut block = Block::ones(2, 9, 0);
                block.weights[19] = 1;
                Record::convolution(2, [3, 3], [1, 1], [0; 4], 1, None, block)
            }),
            LoadError::BlockAlignment { layer: 0 },
            "padding is not zero",
        ),
        (changed(|block| block.weights[23] = 0x80), LoadError::Weight { layer: 1 }, "layer 1: a weight"),
        (
            changed(|block| {
                block.weight_bits = 4;
                block.weights = vec![0x17; 12];
                block.weights[11] = 0x81;
            }),
            LoadError::Weight { layer: 1 },
            "symmetric",
        ),
        (
            first({
                let mut block = Block::ones(2, 9, 0);
                block.tail[1] = 32;
                Record::convolution(2, [3, 3], [1, 1], [0; 4], 1, None, block)
            }),
            LoadError::Shift { layer: 0 },
            "above 31",
        ),
        (
            changed(|block| block.bias[2] = (1 << 30) - 8 * 255),
            LoadError::Accumulator { layer: 1, channel: 2 },
            "channel 2 could overflow",
        ),
        (
            changed(|block| block.bias[1] = i32::MIN),
            LoadError::Accumulator { layer: 1, channel: 1 },
            "channel 1",
        ),
        // Logits in the last layer, and nowhere else.
        (
            changed(|block| *block = Block::ones(3, 8, 0)),
            LoadError::Logits { layer: 1 },
            "layer 1: the last layer",
        ),
        (patched(|file| file[5] = 1), LoadError::Logits { layer: 0 }, "layer 0"),
        (
            layers(
                [4, 4, 1],
                vec![Record::dense(3, 4, Block::ones(3, 16, 4)), Record::dense(3, 1, Block::ones(3, 3, 4))],
            ),
            LoadError::Logits { layer: 0 },
            "no other",
        ),
        (
            first(Record::convolution(2, [3, 3], [1, 1], [0; 4], 1, None, Block::ones(2, 9, 4))),
            LoadError::Logits { layer: 0 },
            "dense and yields the logits",
        ),
        // What the prefix says of the layers.
        (
            File { scratch: 28, ..small() }.bytes(),
            LoadError::Scratch { declared: 28, needed: 32 },
            "28 bytes of scratch",
        ),
        (
            File { features: FEATURES | 4, ..small() }.bytes(),
            LoadError::Features { declared: 0x0a44_1125, needed: 0x0a44_1121 },
            "0xa441125",
        ),
        (
            File { features: FEATURES & !32, ..small() }.bytes(),
            LoadError::Features { declared: 0x0a44_1101, needed: 0x0a44_1121 },
            "0xa441101",
        ),
    ]
}

#[test]
fn every_cause_has_its_error_and_its_message() {
    for (index, (bytes, expected, part)) in causes().iter().enumerate() {
        assert_eq!(load(bytes), Err(*expected), "cause {index}, {part}");
        let message = expected.to_string();
        assert!(message.contains(part), "cause {index}: {message:?} does not say {part:?}");
    }
}

/// The causes above, and the four that need more than bytes, are all there are.
#[test]
fn no_error_is_left_untested() {
    let name = |error: LoadError| {
        let debug = format!("{error:?}");
        debug.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
    };
    let mut seen: BTreeSet<String> = causes().iter().map(|&(_, error, _)| name(error)).collect();

    let mut damaged = small().bytes();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let checksum = load(&damaged).expect_err("the checksum is wrong");
    assert!(checksum.to_string().contains("CRC-32"), "{checksum}");
    seen.insert(name(checksum));

    let misaligned = Buffer::at_offset(&small().bytes(), 2);
    let misaligned = Model::load(misaligned.bytes()).expect_err("the file is misaligned");
    assert!(misaligned.to_string().contains("multiple of 4"), "{misaligned}");
    seen.insert(name(misaligned));

    let small = Buffer::aligned(&small().bytes());
    let left_out = Model::<2, { FEATURES & !1 }>::load_exact(small.bytes()).expect_err("no convolution");
    assert!(left_out.to_string().contains("0x1, which are left out"), "{left_out}");
    seen.insert(name(left_out));

    let source = include_str!("../../runtime/src/format/error.rs");
    let (_, variants) = source.split_once("pub enum LoadError {").expect("the error type");
    let (variants, _) = variants.split_once("\n}").expect("the end of the type");
    let all = variants.lines().filter_map(|line| {
        let entry = line.strip_prefix("    ").filter(|entry| entry.starts_with(char::is_uppercase))?;
        entry.split(|letter: char| !letter.is_alphanumeric()).next().map(str::to_owned)
    });
    assert_eq!(seen, all.collect());
}

#[test]
fn the_accumulator_bound_is_exact() {
    for sign in [1, -1] {
        // 8 weights of 1, inputs of at most 255.
        let most = (1 << 30) - 1 - 8 * 255;
        assert_eq!(load(&changed(|block| block.bias[1] = sign * most)), Ok(()));
        let error = Err(LoadError::Accumulator { layer: 1, channel: 1 });
        assert_eq!(load(&changed(|block| block.bias[1] = sign * (most + 1))), error);
    }
}

#[test]
fn a_model_of_too_many_layers_for_the_board_is_refused() {
    let file = Buffer::aligned(&small().bytes());
    let error = Model::<1, FEATURES>::load_exact(file.bytes()).expect_err("there are two layers");
    assert_eq!(error, LoadError::LayerCount { found: 2, capacity: 1 });
    assert_eq!(Model::<2, FEATURES>::load_exact(file.bytes()).map(|model| model.layers().len()), Ok(2));
}

/// A program that leaves out what a file uses refuses the file, also where the file does not say so.
#[test]
fn a_model_that_uses_what_is_left_out_is_refused() {
    const WITHOUT_DENSE: u32 = FEATURES & !(1 << 5);
    let left_out = |bytes: &[u8]| {
        let error = Model::<2, WITHOUT_DENSE>::load_exact(Buffer::aligned(bytes).bytes()).map(|_| ());
        error.expect_err("a feature is left out")
    };
    assert_eq!(left_out(&small().bytes()), LoadError::LeftOut { features: 1 << 5 });
    let lie = File { features: WITHOUT_DENSE, ..small() }.bytes();
    assert_eq!(left_out(&lie), LoadError::Features { declared: WITHOUT_DENSE, needed: FEATURES });

    // Every kind of layer and every way to compute one, before a dense layer of so many rows and inputs.
    let before = |channels, record, rows: u16, inputs| {
        File::new([4, 4, channels], vec![record, Record::dense(3, rows, Block::ones(3, inputs, 4))]).bytes()
    };
    let window = |kernel, padding, pool, block, rows, inputs| {
        before(1, Record::convolution(2, kernel, [1, 1], padding, 1, pool, block), rows, inputs)
    };
    let ones = || Block::ones(2, 9, 0);
    let grouped = Record::convolution(2, [3, 3], [1, 1], [0; 4], 2, None, ones());
    let mut files = vec![
        before(1, Record::max_pool([3, 3], [1, 1], [0; 4]), 2, 4),
        before(1, Record::average_pool([2, 2], [1, 1]), 3, 9),
        before(2, grouped, 2, 8),
        window([2, 2], [0; 4], None, Block::ones(2, 4, 0), 3, 18),
        window([3, 3], [0, 0, 1, 0], None, ones(), 3, 12),
        window([3, 3], [0; 4], Some([2, 2, 2, 2]), ones(), 1, 2),
    ];
    // Signed output, and tables.
    files.extend((1..4).map(|output| window([3, 3], [0; 4], None, Block::ones(2, 9, output), 2, 8)));
    // Three runs of eight weights.
    files.extend([4, 2].map(|bits| {
        changed(|block| {
            block.weight_bits = bits;
            block.weights = vec![0; 3 * usize::from(bits)];
            block.weights.resize(block.weights.len().next_multiple_of(4), 0);
        })
    }));
    // In pairs there is a place beside each weight of the third column, so that a run has 12 bytes.
    let paired = Block { weights: vec![0; 24], ..ones() };
    for (order, block) in [(1, paired), (2, ones())] {
        let mut file = window([3, 3], [0; 4], None, block, 2, 8);
        file[ORDER] = order;
        files.push(file);
    }
    for (index, file) in files.into_iter().enumerate() {
        // Nothing is wrong with it but what it says of itself,
        let (file, needed) = honest(file);
        assert_eq!(load(&file), Ok(()), "file {index}");
        let limited =
            |bytes: &[u8]| Model::<2, FEATURES>::load_exact(Buffer::aligned(bytes).bytes()).map(|_| ()).err();
        // so that it is refused for what it says it uses,
        let features = needed & !FEATURES;
        assert!(features != 0, "file {index} uses nothing that is left out");
        assert_eq!(limited(&file), Some(LoadError::LeftOut { features }), "file {index}");
        // and where it does not say so, for what it uses.
        let lie = declaring(file, 16, needed & FEATURES);
        assert!(limited(&lie).is_some(), "lie {index}");
    }
}

/// A file with the scratch and the features that the loader says it needs, and these features.
fn honest(file: Vec<u8>) -> (Vec<u8>, u32) {
    let file = declaring(declaring(file, 12, u32::MAX), 16, 0);
    let needs_scratch = load(&file).expect_err("it declares too much");
    let LoadError::Scratch { needed, .. } = needs_scratch else { panic!("{needs_scratch}") };
    let file = declaring(file, 12, needed as u32);
    let needs_features = load(&file).expect_err("it declares no features");
    let LoadError::Features { needed, .. } = needs_features else { panic!("{needs_features}") };
    (declaring(file, 16, needed), needed)
}

/// A file with a number of its prefix changed.
fn declaring(mut file: Vec<u8>, place: usize, number: u32) -> Vec<u8> {
    file[place..place + 4].copy_from_slice(&number.to_le_bytes());
    seal(&mut file);
    file
}

/// Wherever the parameters land in the file: only zeros, and only as many as align them.
#[test]
fn only_the_right_filler_is_accepted() {
    for letters in 0..4 {
        let file = |alignment| {
            let mut file = File { name: vec![b'n'; letters], ..small() };
            file.records[1].parameters.as_mut().expect("a dense layer").alignment = alignment;
            file.bytes()
        };
        assert_eq!(load(&file(None)), Ok(()), "{letters} letters");
        let error = Err(LoadError::BlockAlignment { layer: 1 });
        let accepted: Vec<usize> =
            (0..9).filter(|&count| load(&file(Some(vec![0; count]))) != error).collect();
        assert_eq!(accepted.len(), 1, "{letters} letters: fillers of {accepted:?} zeros are accepted");
        for count in 1..9 {
            assert_eq!(load(&file(Some(vec![1; count]))), error, "{letters} letters, {count} ones");
        }
    }
}

/// The encoder writes what the documentation says, byte for byte.
#[test]
fn the_encoder_writes_the_documented_bytes() {
    let bytes = small().bytes();
    let file = Buffer::aligned(&bytes);
    let model = Model::load(file.bytes()).expect("a well-formed file");
    assert_eq!(format::encode(&view::specification(&model)).as_deref(), Ok(&bytes[..]));
}

/// Weights of 4 and 2 bits leave bits unused behind an odd run; they hold nothing.
#[test]
fn unused_bits_behind_a_run_are_zero() {
    // Two runs of 9 weights: 5 bytes each at 4 bits, 3 bytes each at 2 bits, then zeros.
    for (weight_bits, run_bytes, used) in [(4, 5, 4), (2, 3, 2)] {
        for run in 0..2 {
            let file = |stray: u8| {
                let mut block = Block::ones(2, 9, 0);
                block.weight_bits = weight_bits;
                block.weights = vec![0; usize::next_multiple_of(2 * run_bytes, 4)];
                block.weights[run * run_bytes + run_bytes - 1] = 1 | stray;
                let convolution = Record::convolution(2, [3, 3], [1, 1], [0; 4], 1, None, block);
                let features = FEATURES | if weight_bits == 4 { 1 << 9 } else { 1 << 10 };
                File { records: vec![convolution, small().records[1].clone()], features, ..small() }.bytes()
            };
            assert_eq!(load(&file(0)), Ok(()), "{weight_bits} bits");
            for bit in used..8 {
                let error = Err(LoadError::BlockAlignment { layer: 0 });
                assert_eq!(load(&file(1 << bit)), error, "{weight_bits} bits, run {run}, bit {bit}");
            }
        }
    }
}

/// Each number of a window has its own check.
#[test]
fn every_number_of_a_window_is_limited() {
    let record = |kernel, stride, padding, is_pool| {
        let record = if is_pool {
            Record::max_pool(kernel, stride, padding)
        } else {
            convolution(kernel, stride, padding, None)
        };
        load(&first(record))
    };
    for is_pool in [false, true] {
        for side in 0..4 {
            let mut padding = [0; 4];
            padding[side] = 3;
            let found = record([3, 3], [1, 1], padding, is_pool);
            assert_eq!(found, Err(limit(0, "padding", 3, 0, 2)), "side {side}");
        }
        for axis in 0..2 {
            for value in [0, 16, 255] {
                let (mut kernel, mut stride) = ([3; 2], [1; 2]);
                kernel[axis] = value;
                let found = record(kernel, [1, 1], [0; 4], is_pool);
                assert_eq!(found, Err(limit(0, "kernel", value.into(), 1, 15)), "axis {axis}");
                stride[axis] = value;
                let found = record([3, 3], stride, [0; 4], is_pool);
                assert_eq!(found, Err(limit(0, "stride", value.into(), 1, 15)), "axis {axis}");
            }
            let mut kernel = [1; 2];
            kernel[axis] = 5;
            assert_eq!(record(kernel, [1, 1], [0; 4], is_pool), Err(LoadError::WindowTooLarge { layer: 0 }));
        }
    }
}
