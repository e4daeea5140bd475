//! Golden vectors: a digit of each class of the test set with the logits that the runtime computes for it.
//!
//! Firmware and tests embed `<name>.golden.postcard` and require the same logits. The file is one
//! postcard value, `Vec<GoldenEntry>`: the first image of each class that the test set has, in the order of
//! the classes. On the wire:
//!
//! | field | postcard type | bytes |
//! |---|---|---|
//! | number of entries | varint | the number of classes in the test set, 10 for digits |
//! | then, for each entry: `label` | `u8` | 1 |
//! | `pixels` | byte string (a varint length and the bytes) | rows x columns, row by row, 0 is black |
//! | `logits` | sequence (a varint length, then zigzag varints) of `i32` | one a class |
//!
//! Postcard writes a byte string and a sequence of `u8` alike, so a reader without a heap borrows:
//!
//! ```ignore
//! #[derive(serde::Deserialize)]
//! struct Entry<'a> { label: u8, pixels: &'a [u8], logits: heapless::Vec<i32, 16> }
//! let entries: heapless::Vec<Entry<'_>, 16> = postcard::from_bytes(GOLDEN)?;
//! ```

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::engine::Engine;

/// An image with the logits that the runtime computes for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoldenEntry {
    /// The digit that it shows.
    pub label: u8,
    /// The image, row by row.
    pub pixels: Vec<u8>,
    /// The integer logits, exact.
    pub logits: Vec<i32>,
}

/// The bytes of `<name>.golden.postcard` for a `.postcard` model.
///
/// # Errors
///
/// Where [`entries`] fails.
pub fn encode(model: &Path, test: &Dataset) -> Result<Vec<u8>> {
    postcard::to_stdvec(&entries(model, test)?).context("the golden vectors")
}

/// Whether golden vectors can be made of a test set; to be asked before the work of training.
///
/// # Errors
///
/// Where the set has no image.
pub fn check(test: &Dataset) -> Result<()> {
    ensure!(!chosen(test).is_empty(), "{}: the test set has no image to make golden vectors of", test.source);
    Ok(())
}

/// The first test image of each class that has one, through the runtime.
///
/// # Errors
///
/// Where the model cannot be read, or takes other images.
pub fn entries(model: &Path, test: &Dataset) -> Result<Vec<GoldenEntry>> {
    check(test)?;
    let engine = Engine::open(model)?;
    test.expect_size(engine.input().height, engine.input().width)?;
    ensure!(engine.input().channels == 1, "golden vectors are of grey images, but the model takes colours");
    let chosen = chosen(test);
    let images: Vec<u8> = chosen.iter().flat_map(|index| test.image(*index)).copied().collect();
    let logits = engine.run(&images, &|_| {})?;
    let entries = chosen.into_iter().zip(logits).map(|(index, logits)| GoldenEntry {
        label: test.labels[index],
        pixels: test.image(index).to_vec(),
        // Integers, which the engine hands on as floats.
        logits: logits.into_iter().map(|logit| logit as i32).collect(),
    });
    Ok(entries.collect())
}

/// The index of the first image of each class that has one, in the order of the classes.
fn chosen(test: &Dataset) -> Vec<usize> {
    let first = |class| test.labels.iter().position(|label| usize::from(*label) == class);
    (0..test.classes).filter_map(first).collect()
}
