//! Random networks, streamed row by row through the runtime, against the oracle: every row of every
//! layer and every logit.
//!
//! A failure names the seed; `generate::network(seed)` is the network.

use std::collections::BTreeMap;

use tenfold_runtime::{Model, Order, Recognizer, format};
use tenfold_tests::buffer::Buffer;
use tenfold_tests::compare::{check, check_prediction};
use tenfold_tests::generate::{self, FEATURES};
use tenfold_tests::random::Random;
use tenfold_tests::{networks, reference};

/// Seeds to run: some seconds, with and without optimization.
const SEEDS: u64 = if cfg!(debug_assertions) { 400 } else { 6000 };

#[test]
fn random_networks_agree_with_the_oracle() {
    // Two halves, for machines of two cores and more.
    std::thread::scope(|scope| {
        let odd = scope.spawn(|| (1..SEEDS).step_by(2).for_each(check_seed));
        (0..SEEDS).step_by(2).for_each(check_seed);
        odd.join().expect("the message is above");
    });
}

#[test]
fn the_seeds_cover_every_feature() {
    let mut counts: BTreeMap<&str, usize> = FEATURES.iter().map(|&name| (name, 0)).collect();
    for seed in 0..SEEDS {
        for name in generate::features(&generate::network(seed)) {
            *counts.get_mut(name).unwrap_or_else(|| panic!("{name} is not listed")) += 1;
        }
    }
    let missing: Vec<&str> = counts.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    assert!(missing.is_empty(), "no seed below {SEEDS} has: {missing:?}\n{counts:#?}");
}

#[test]
fn known_networks_agree_with_the_oracle() {
    for model in [networks::nano(), networks::lenet5(), networks::keras_cnn()] {
        check(&model, Order::Plain, 1, &format!("{} with random weights", model.name));
    }
}

/// Short rows and images end in black, long ones are cut; as the documentation of `push_row` has it.
#[test]
fn rows_and_images_of_the_wrong_size_are_completed_or_cut() {
    let spec = networks::lenet5();
    let file = Buffer::aligned(&format::encode(&spec).expect("a well-formed network"));
    let model = Model::load(file.bytes()).expect("a well-formed file");
    let mut scratch = Buffer::aligned(&vec![0xa5; model.scratch_bytes()]);
    let mut recognizer = Recognizer::new(&model, scratch.bytes_mut()).expect("scratch of the asked size");
    let image = Random::new(9).bytes(28 * 28);
    // Leaves something in the rings that must not show.
    recognizer.recognize(&[255; 28 * 28]);

    for length in [0, 1, 27, 28, 29, 400, 28 * 28 - 1, 28 * 28, 28 * 28 + 1, 2000] {
        let given: Vec<u8> = image.iter().copied().cycle().take(length).collect();
        let mut padded = given.clone();
        padded.resize(28 * 28, 0);
        let name = format!("an image of {length} bytes");
        check_prediction(&recognizer.recognize(&given), &reference::run(&spec, &padded), &name);
    }
    for length in [0, 1, 27, 29, 100] {
        let rows = |row: &[u8]| [row, &[7; 100]].concat()[..length].to_vec();
        let mut prediction = None;
        for row in image.chunks(28) {
            assert_eq!(prediction, None);
            prediction = recognizer.push_row(&rows(row));
        }
        let whole: Vec<u8> = image
            .chunks(28)
            .flat_map(|row| {
                let mut row = rows(row);
                row.resize(28, 0);
                row
            })
            .collect();
        let prediction = prediction.expect("a prediction after 28 rows");
        check_prediction(&prediction, &reference::run(&spec, &whole), &format!("rows of {length} bytes"));
    }
}

fn check_seed(seed: u64) {
    check(&generate::network(seed), Order::Plain, seed, &format!("seed {seed}"));
}
