//! Golden vectors of the shipped model: the logits that it gave when it was trained, for ever.
//!
//! `models/nano/nano.golden.postcard` is written by the trainer: a postcard sequence of label,
//! pixels and logits.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tenfold_runtime::{Model, Recognizer};
use tenfold_tests::buffer::Buffer;
use tenfold_tests::{reference, view};

/// One image and what the model makes of it.
#[derive(Deserialize)]
struct Golden<'a> {
    label: u8,
    pixels: &'a [u8],
    logits: Vec<i32>,
}

fn read(name: &str) -> Vec<u8> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/nano").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn nano_gives_the_golden_logits() {
    let file = Buffer::aligned(&read("nano.postcard"));
    let model = Model::load(file.bytes()).unwrap_or_else(|error| panic!("nano.postcard: {error}"));
    let vectors = read("nano.golden.postcard");
    let (vectors, rest) = postcard::take_from_bytes::<Vec<Golden<'_>>>(&vectors)
        .unwrap_or_else(|error| panic!("nano.golden.postcard: {error}"));
    assert!(rest.is_empty(), "nano.golden.postcard: {} trailing bytes", rest.len());
    assert!(!vectors.is_empty(), "nano.golden.postcard holds no vector");

    let spec = view::specification(&model);
    let mut scratch = Buffer::aligned(&vec![0xa5; model.scratch_bytes()]);
    let mut recognizer = Recognizer::new(&model, scratch.bytes_mut()).expect("scratch of the asked size");
    let mut right = 0;
    for (index, golden) in vectors.iter().enumerate() {
        let prediction = recognizer.recognize(golden.pixels);
        assert_eq!(prediction.logits.as_slice(), golden.logits, "vector {index}, label {}", golden.label);
        right += usize::from(prediction.digit == golden.label);
        // The oracle walks whole maps: a few images are enough.
        if index < 10 {
            let outputs = reference::run(&spec, golden.pixels);
            let logits: Vec<i64> = golden.logits.iter().map(|&logit| logit.into()).collect();
            assert_eq!(outputs.last().map(|map| &map.values), Some(&logits), "oracle, vector {index}");
        }
    }
    // The vectors are test images, so that nearly all are recognised; a shuffled file is not golden.
    assert!(right * 10 >= vectors.len() * 9, "{right} of {} labels are right", vectors.len());
    drop(recognizer);
    scratch.check_guards();
}
