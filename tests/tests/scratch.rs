//! How much memory a model needs, and that a recognizer takes no less.

use tenfold_runtime::{Model, Order, Recognizer, ScratchError, format, scratch_bytes};
use tenfold_tests::buffer::Buffer;
use tenfold_tests::spec::ModelSpec;
use tenfold_tests::{generate, networks};

/// Encodes and loads `spec`, and hands file and model to `test`.
fn with_model(spec: &ModelSpec, order: Order, test: impl FnOnce(&[u8], &Model<'_>)) {
    let file = format::encode_ordered(spec, order).expect("a well-formed network");
    let file = Buffer::aligned(&file);
    let model = Model::load(file.bytes()).expect("a well-formed file");
    test(file.bytes(), &model);
}

/// The figures that the documentation states. Rings hold the input rows of one output row; sums are
/// four bytes an output of a dense layer that is fed row by row.
#[test]
fn known_networks_need_the_documented_bytes() {
    let networks = [networks::nano(), networks::keras_cnn(), networks::lenet5()];
    let figures = networks.map(|spec| {
        [Order::Plain, Order::Paired].map(|order| {
            let mut bytes = 0;
            with_model(&spec, order, |_, model| bytes = model.scratch_bytes());
            println!("{}, {order:?} order: {bytes} bytes of scratch", spec.name);
            bytes
        })
    });
    // 4 rows of 28; 4 of 13 x 32; 3 of 5 x 64; 3 x 3 x 64 at once; 128 and 10 sums.
    let keras_cnn = 4 * 28 + 4 * 13 * 32 + 3 * 5 * 64 + 3 * 3 * 64 + (128 + 4 * 10);
    // 6 rows of 28; 6 of 12 x 6; 4 x 4 x 16 at once; 120; 84 and 10 sums.
    let lenet5 = 6 * 28 + 6 * 12 * 6 + 4 * 4 * 16 + 120 + (84 + 4 * 10);
    // 3 rows of 28; 3 of 26 x 8; 3 of 12 x 8; 4 of 10 x 16; 3 of 4 x 16; a row of 2 x 32; 10 sums.
    let nano = 3 * 28 + 3 * 26 * 8 + 3 * 12 * 8 + 4 * 10 * 16 + 3 * 4 * 16 + (2 * 32 + 4 * 10);
    let workspaces = [512, 1024, 504];
    for ((figures, plain), workspace) in figures.into_iter().zip([nano, keras_cnn, lenet5]).zip(workspaces) {
        assert_eq!(figures, [plain, plain + workspace]);
    }
    assert!(keras_cnn <= 4608);
}

#[test]
fn the_prefix_tells_what_the_model_needs() {
    for seed in 0..200 {
        with_model(&generate::network(seed), Order::Plain, |file, model| {
            assert_eq!(scratch_bytes(file), model.scratch_bytes(), "seed {seed}");
        });
    }
    assert_eq!([&[][..], &[0; 8], &[0; 15]].map(scratch_bytes), [0; 3]);
}

#[test]
fn a_recognizer_refuses_less() {
    with_model(&networks::nano(), Order::Plain, |_, model| {
        let needed = model.scratch_bytes();
        for size in [0, 1, needed / 2, needed - 4, needed - 1] {
            let mut scratch = Buffer::aligned(&vec![0; size]);
            let error = Recognizer::new(model, scratch.bytes_mut()).expect_err("too small");
            assert!(matches!(error, ScratchError::TooSmall { .. }), "{size} bytes: {error:?}");
            let message = error.to_string();
            assert!(
                message.contains(&needed.to_string()) && message.contains(&size.to_string()),
                "{message}"
            );
        }
        for size in [needed, needed + 1, needed + 64] {
            assert!(Recognizer::new(model, Buffer::aligned(&vec![0; size]).bytes_mut()).is_ok());
        }
    });
}

#[test]
fn a_recognizer_refuses_misaligned_scratch() {
    with_model(&networks::nano(), Order::Plain, |_, model| {
        for offset in 1..4 {
            let mut scratch = Buffer::at_offset(&vec![0; model.scratch_bytes() + 8], offset);
            let error = Recognizer::new(model, scratch.bytes_mut()).expect_err("misaligned");
            assert!(matches!(error, ScratchError::Misaligned), "offset {offset}: {error:?}");
            assert!(error.to_string().contains("4"), "{error}");
        }
    });
}
