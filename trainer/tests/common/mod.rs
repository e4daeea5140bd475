//! What the tests of the trainer share. Each of them uses a part of it.
#![allow(dead_code, reason = "every test binary compiles this file, and uses only some of it")]

use std::fs;
use std::process::{Command, Output as ProcessOutput};

use image::{GrayImage, imageops};
use tempfile::TempDir;
use tenfold_runtime::format::encode;
use tenfold_runtime::format::spec::{LayerSpec, ModelSpec, Output, Parameters};
use tenfold_trainer::data::{self, Dataset, Part};

/// One of the repository's data sets.
pub(crate) fn mnist(part: Part) -> Dataset {
    data::load(&data::default_directory().unwrap(), part).unwrap()
}

/// The first test digits, with their labels.
pub(crate) fn test_digits() -> [(u8, Vec<u8>); 4] {
    let test = mnist(Part::Test);
    core::array::from_fn(|index| (test.labels[index], test.image(index).to_vec()))
}

/// The bytes of a model of one dense layer whose largest logit is that of the class whose mean
/// picture is nearest: `|x - m|^2` is least where `m.x - m.m/2` is largest.
pub(crate) fn nearest_mean_model() -> Vec<u8> {
    let validation = mnist(Part::Validation);
    let area = validation.height * validation.width;
    let mut sums = vec![0u64; 10 * area];
    let mut counts = [0u64; 10];
    for (index, label) in validation.labels.iter().enumerate() {
        let label = usize::from(*label);
        counts[label] += 1;
        for (sum, pixel) in sums[label * area..].iter_mut().zip(validation.image(index)) {
            *sum += u64::from(*pixel);
        }
    }
    // Half the mean fits a weight.
    let weights: Vec<i8> = sums
        .chunks(area)
        .zip(counts)
        .flat_map(|(sums, count)| sums.iter().map(move |sum| (sum / (2 * count)) as i8))
        .collect();
    let bias = weights
        .chunks(area)
        .map(|mean| -mean.iter().map(|half| i32::from(*half) * i32::from(*half)).sum::<i32>())
        .collect();
    let parameters = Parameters { weight_bits: 8, weights, bias, shifts: Vec::new(), output: Output::Logits };
    encode(&ModelSpec {
        name: "means".to_owned(),
        input: [28, 28, 1],
        logit_exponent: 16,
        layers: vec![LayerSpec::Dense { parameters }],
    })
    .unwrap()
}

/// Runs the program.
pub(crate) fn trainer(arguments: &[&str]) -> ProcessOutput {
    Command::new(env!("CARGO_BIN_EXE_trainer")).args(arguments).env_remove("NO_COLOR").output().unwrap()
}

/// What it printed.
pub(crate) fn stdout(output: &ProcessOutput) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it printed on standard error.
pub(crate) fn stderr(output: &ProcessOutput) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs and expects exit code 1 and exactly one `error:` line, which it returns.
pub(crate) fn failure(arguments: &[&str]) -> String {
    let output = trainer(arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "{arguments:?}: {text}");
    assert!(!text.contains("panicked"), "{text}");
    lines[0].to_owned()
}

/// Runs and expects exit code 0; returns what was printed.
pub(crate) fn success(arguments: &[&str]) -> String {
    let output = trainer(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

/// A directory with `means.postcard`.
pub(crate) fn workplace() -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("means.postcard"), nearest_mean_model()).unwrap();
    directory
}

/// A path in a directory.
pub(crate) fn path(directory: &TempDir, name: &str) -> String {
    directory.path().join(name).to_str().unwrap().to_owned()
}

/// A test digit as a drawing of 168x168, dark on light.
pub(crate) fn drawing(pixels: &[u8]) -> GrayImage {
    let inverted = pixels.iter().map(|pixel| 255 - pixel).collect();
    let small = GrayImage::from_raw(28, 28, inverted).unwrap();
    imageops::resize(&small, 168, 168, imageops::FilterType::Nearest)
}

/// Sides of the images of [`write_set`].
const SIDE: usize = 6;

/// IDX files of `labels`, which are below 6; the pixels tell the classes apart.
pub(crate) fn write_set(directory: &TempDir, stem: &str, labels: &[u8]) {
    let header = |magic: u8, sides: &[u32]| {
        let mut bytes = vec![0, 0, 8, magic];
        bytes.extend([labels.len() as u32].iter().chain(sides).flat_map(|number| number.to_be_bytes()));
        bytes
    };
    let mut images = header(3, &[SIDE as u32; 2]);
    for label in labels {
        images
            .extend((0..SIDE * SIDE).map(|pixel| if pixel / SIDE == usize::from(*label) { 220 } else { 9 }));
    }
    fs::write(path(directory, &format!("{stem}-images-idx3-ubyte")), images).unwrap();
    let labels = [header(1, &[]), labels.to_vec()].concat();
    fs::write(path(directory, &format!("{stem}-labels-idx1-ubyte")), labels).unwrap();
}
