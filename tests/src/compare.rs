//! A network through the runtime, row by row, against the oracle: every row of every layer and every
//! logit.

use tenfold_runtime::{Model, Observer, Order, Prediction, Recognizer, format};

use crate::buffer::Buffer;
use crate::random::Random;
use crate::reference::{self, Map};
use crate::spec::ModelSpec;
use crate::{describe, generate, view};

/// Runs `spec` over several images in one recognizer, whose state must not leak from one to the next.
///
/// # Panics
///
/// Where anything differs: with `name`, the network, and the place.
pub fn check(spec: &ModelSpec, order: Order, seed: u64, name: &str) {
    let name = format!("{name}: {}", describe::model(spec));
    let bytes = format::encode_ordered(spec, order).unwrap_or_else(|error| panic!("{name}\nencode: {error}"));
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

/// Compares a prediction with the oracle's last map.
///
/// # Panics
///
/// Where they differ.
pub fn check_prediction(prediction: &Prediction, expected: &[Map], name: &str) {
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
