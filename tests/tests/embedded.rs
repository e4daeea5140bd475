//! Models that a program embeds: what verifies them while it is compiled, which reads numbers by a reader of its own
//! in place of postcard, says of every changed file what the loader says of it.

use std::fs;

use tenfold_runtime::{LoadError, Model, Order, Recognizer, Scratch, format};
use tenfold_runtime::{embedded_model, include_model, scratch_bytes};
use tenfold_tests::buffer::Buffer;
use tenfold_tests::emulator::root;
use tenfold_tests::random::Random;

const ORDERS: [Order; 5] = [Order::Plain, Order::Paired, Order::Planar, Order::Narrow, Order::Interleaved];

/// Whether the build is slow, and tries fewer places.
const SLOW: bool = cfg!(debug_assertions);

const NANO: &[u8] = include_model!("../../models/nano/nano.postcard");
const LENET5: &[u8] = include_model!("../../models/lenet5/lenet5.postcard");
const KERAS_CNN: &[u8] = include_model!("../../models/keras-cnn/keras-cnn.postcard");

#[test]
fn an_embedded_model_is_the_loaded_one() {
    let (nano, lenet5, keras_cnn) =
        (embedded_model!(NANO), embedded_model!(LENET5), embedded_model!(KERAS_CNN));
    let figures = [
        (nano.name(), nano.macs(), nano.weight_bytes(), nano.scratch_bytes(), nano.is_intact()),
        (lenet5.name(), lenet5.macs(), lenet5.weight_bytes(), lenet5.scratch_bytes(), lenet5.is_intact()),
        (
            keras_cnn.name(),
            keras_cnn.macs(),
            keras_cnn.weight_bytes(),
            keras_cnn.scratch_bytes(),
            keras_cnn.is_intact(),
        ),
    ];
    for (file, embedded) in [NANO, LENET5, KERAS_CNN].into_iter().zip(figures) {
        let model = Model::load(file).expect("a model file");
        let loaded = (model.name(), model.macs(), model.weight_bytes(), model.scratch_bytes(), true);
        assert_eq!(embedded, loaded);
    }

    let loaded = Model::load(NANO).expect("a model file");
    let mut scratch = Scratch::<{ scratch_bytes(NANO) }>::new();
    let mut other_scratch = scratch.clone();
    let mut recognizer = Recognizer::new(nano, &mut scratch).expect("scratch of the asked size");
    let mut other = Recognizer::new(&loaded, &mut other_scratch).expect("scratch of the asked size");
    let mut random = Random::new(1);
    for _ in 0..10 {
        let image = random.bytes(28 * 28);
        assert_eq!(recognizer.recognize(&image), other.recognize(&image));
    }
}

/// Every byte of `nano`, and in every other order all of its bytes that are no weights; of the larger models some of
/// the bytes.
#[test]
fn the_compiler_says_of_every_changed_byte_what_the_loader_says() {
    let mut random = Random::new(21);
    let (mut refused, mut loaded) = (0, 0);
    for name in ["nano", "lenet5", "keras-cnn"] {
        let path = root().join("models").join(name).join(name).with_extension("postcard");
        let file = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for order in ORDERS {
            let ordered = format::reorder(&file, order).expect("a model file");
            let places = match (name, order) {
                ("nano", Order::Plain) if !SLOW => (0..ordered.len()).collect(),
                ("nano", _) => beside_weights(&ordered),
                // Its checksum alone takes a millisecond.
                _ => (0..60).map(|_| random.length(format::PREFIX_BYTES, ordered.len() - 1)).collect(),
            };
            let mut changed = Buffer::aligned(&ordered);
            for place in places {
                let old = ordered[place];
                let value = {
                    let any = random.bits() as u8;
                    random.choose(&[old ^ 0x80, old.wrapping_add(1), any])
                };
                changed.bytes_mut()[place] = value;
                format::reseal(changed.bytes_mut());
                let by_loader = Model::load(changed.bytes());
                let by_compiler = Model::load_as_if_compiled(changed.bytes());
                assert_eq!(by_loader, by_compiler, "{name}, {order:?}, byte {place}: {old} to {value}");
                refused += usize::from(by_loader.is_err());
                loaded += usize::from(by_loader.is_ok());
                changed.bytes_mut()[place] = old;
            }
        }
    }
    println!("{refused} refused, {loaded} loaded, by both");
    assert!(refused > 1000 && loaded > 1000);
}

/// The places of all bytes that are no weights.
fn beside_weights(file: &[u8]) -> Vec<usize> {
    let file = Buffer::aligned(file);
    let model = Model::load(file.bytes()).expect("a model file");
    let start = file.bytes().as_ptr().addr();
    let weights: Vec<_> = model
        .layers()
        .filter_map(|layer| layer.parameters())
        .map(|parameters| {
            let range = parameters.weights.as_ptr_range();
            range.start.addr() - start..range.end.addr() - start
        })
        .collect();
    let is_weight = |place: &usize| weights.iter().any(|range| range.contains(place));
    (0..file.bytes().len()).filter(|place| !is_weight(place)).collect()
}

/// Numbers that postcard reads, or refuses, in one way only: longer than they need be, too long, too large.
#[test]
fn numbers_of_any_length_are_read_alike() {
    let file = format::reorder(NANO, Order::Plain).expect("a model file");
    // The length of the name is the first number of the body: 4 bytes, "nano".
    assert_eq!(&file[24..29], b"\x04nano");
    let mut outcomes = Vec::new();
    for number in [
        &[0x84, 0x00][..],
        &[0x84, 0x80, 0x00],
        &[0x84, 0x80, 0x80, 0x80, 0x00],
        &[0x84, 0x80, 0x80, 0x80, 0x10],
        &[0x84, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        &[0x84, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02],
        &[0x84, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
    ] {
        let mut changed = [&file[..24], number, &file[25..]].concat();
        // What is longer now moves all blocks, but by a multiple of four where the name takes the rest.
        let filler = (4 - (number.len() - 1) % 4) % 4;
        changed.splice(24 + number.len()..24 + number.len(), vec![b'x'; filler]);
        changed[24] = 0x80 | (4 + filler as u8);
        tenfold_tests::file::seal(&mut changed);
        let buffer = Buffer::aligned(&changed);
        let outcome = Model::load(buffer.bytes()).map(|model| model.name().to_owned());
        let by_compiler = Model::load_as_if_compiled(buffer.bytes()).map(|model| model.name().to_owned());
        assert_eq!(outcome, by_compiler, "{number:x?}");
        outcomes.push(outcome);
    }
    assert!(outcomes.iter().any(Result::is_ok));
    assert!(outcomes.contains(&Err(LoadError::Header)));
}
