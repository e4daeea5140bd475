//! Random networks, streamed row by row through the runtime, against the oracle: every row of every
//! layer and every logit.
//!
//! A failure names the seed; `generate::network(seed)` is the network.

use std::collections::BTreeMap;

use tenfold_runtime::{Model, Observer, Prediction, Recognizer, format};
use tenfold_tests::buffer::Buffer;
use tenfold_tests::generate::{self, FEATURES};
use tenfold_tests::random::Random;
use tenfold_tests::reference::{self, Map};
use tenfold_tests::spec::ModelSpec;
use tenfold_tests::{describe, networks, view};

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
        check(&model, 1, &format!("{} with random weights", model.name));
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
    check(&generate::network(seed), seed, &format!("seed {seed}"));
}

/// Runs `spec` over several images in one recognizer, whose state must not leak from one to the next.
fn check(spec: &ModelSpec, seed: u64, name: &str) {
    let name = format!("{name}: {}", describe::model(spec));
    let bytes = format::encode(spec).unwrap_or_else(|error| panic!("{name}\nencode: {error}"));
    let file = Buffer::aligned(&bytes);
    let model = Model::load(file.bytes()).unwrap_or_else(|error| panic!("{name}\nload: {error}"));
    check_view(&model, spec, &name);

    let mut random = Random::new(!seed);
    let images = [(); 3].map(|()| generate::image(&mut random, spec));
    let expected = images.each_ref().map(|image| reference::run(spec, image));
    // The scratch memory starts as garbage, and nothing outside it may be touched.
    let mut scratch = Buffer::aligned(&random.bytes(model.scratch_bytes()));
    let mut recognizer = Recognizer::new(&model, scratch.bytes_mut())
        .unwrap_or_else(|error| panic!("{name}\nscratch: {error}"));

    let mut observer = Compare { name: &name, expected: &expected[0], rows: vec![0; spec.layers.len()] };
    let prediction = recognizer.recognize_observed(&images[0], &mut observer);
    observer.finish();
    check_prediction(&prediction, &expected[0], &name);

    let rows: Vec<&[u8]> = images[1].chunks(row_bytes(spec)).collect();
    for (index, row) in rows.iter().enumerate() {
        let prediction = recognizer.push_row(row);
        let is_last = index + 1 == rows.len();
        assert_eq!(prediction.is_some(), is_last, "{name}\na prediction after row {index} of {}", rows.len());
        if let Some(prediction) = prediction {
            check_prediction(&prediction, &expected[1], &name);
        }
    }

    // An image that the camera abandoned half-way must leave no trace.
    for row in rows.iter().take(rows.len() / 2) {
        assert!(recognizer.push_row(row).is_none(), "{name}\na prediction half-way");
    }
    recognizer.reset();
    let mut observer = Compare { name: &name, expected: &expected[2], rows: vec![0; spec.layers.len()] };
    let prediction = recognizer.recognize_observed(&images[2], &mut observer);
    observer.finish();
    check_prediction(&prediction, &expected[2], &name);

    // `recognize` starts a new image by itself.
    for row in rows.iter().take(rows.len() - 1) {
        assert!(recognizer.push_row(row).is_none(), "{name}\na prediction before the last row");
    }
    check_prediction(&recognizer.recognize(&images[0]), &expected[0], &name);

    drop(recognizer);
    scratch.check_guards();
    assert_eq!(file.bytes(), bytes, "{name}\nthe model was written to");
}

/// What the model says of itself, against the specification.
fn check_view(model: &Model<'_>, spec: &ModelSpec, name: &str) {
    let read = format!("{:?}", view::specification(model));
    let written = format!("{:?}", view::normalized(spec));
    assert_eq!(read, written, "{name}\nthe model read back differs");
    let last = model.layers().last().map_or(0, |layer| usize::from(layer.output.channels));
    assert_eq!(model.classes(), last, "{name}");
}

fn row_bytes(spec: &ModelSpec) -> usize {
    usize::from(spec.input[1]) * usize::from(spec.input[2])
}

fn check_prediction(prediction: &Prediction, expected: &[Map], name: &str) {
    let logits: Vec<i64> = prediction.logits.iter().map(|&logit| i64::from(logit)).collect();
    let expected = &expected.last().expect("a network has layers").values;
    assert_eq!(&logits, expected, "{name}\nlogits: runtime, then oracle");
    let largest = expected.iter().max().expect("a network has classes");
    let digit = expected.iter().position(|logit| logit == largest).expect("the largest is there");
    assert_eq!(usize::from(prediction.digit), digit, "{name}\nthe digit of {expected:?}");
}

/// Compares each row as it comes.
struct Compare<'a> {
    name: &'a str,
    expected: &'a [Map],
    rows: Vec<usize>,
}

impl Compare<'_> {
    /// Every row of every layer but the last has come.
    fn finish(&self) {
        let heights = self.expected.iter().map(|map| map.height);
        for (layer, (found, expected)) in self.rows.iter().zip(heights).enumerate() {
            let is_last = layer + 1 == self.expected.len();
            assert!(
                is_last || *found == expected,
                "{}\nlayer {layer}: {found} rows of {expected}",
                self.name
            );
        }
    }
}

impl Observer for Compare<'_> {
    fn row(&mut self, layer: usize, row: usize, values: &[u8]) {
        let name = self.name;
        assert!(layer + 1 < self.expected.len(), "{name}\nlayer {layer}: a row of the last layer");
        assert_eq!(row, self.rows[layer], "{name}\nlayer {layer}: rows out of order");
        self.rows[layer] += 1;
        let map = &self.expected[layer];
        let length = map.width * map.channels;
        assert_eq!(values.len(), length, "{name}\nlayer {layer}, row {row}: length of the row");
        let bytes = map.bytes();
        let expected = &bytes[row * length..(row + 1) * length];
        if let Some(index) = (0..length).find(|&index| values[index] != expected[index]) {
            let (column, channel) = (index / map.channels, index % map.channels);
            panic!(
                "{name}\nlayer {layer}, row {row}, index {index} (column {column}, channel {channel}): \
                 the runtime has {}, the oracle {}",
                values[index], expected[index]
            );
        }
    }
}
