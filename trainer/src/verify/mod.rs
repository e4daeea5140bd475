//! Proves that the three files of a model are one model.
//!
//! ```text
//! test images --+--> <name>.postcard, runtime -----> every layer, logits --+
//!               +--> <name>.onnx, tract -----------> every layer, logits --+--> equal, bit for bit
//!               |                                        |
//!               +--> <name>.float.onnx, tract -> logits -+--> accuracies, largest difference
//! ```
//!
//! The first claim is exact: one differing value in one layer of one image is a failure. The second is
//! bounded: quantization may lose at most so many points of accuracy.

mod compare;
mod report;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use self::compare::{Models, Tally};
pub use self::report::{Accuracy, LayerReport, LogitDifference, Mismatch, Report};
use crate::data::Dataset;
use crate::engine::onnx::OnnxModel;
use crate::engine::runtime::RuntimeModel;
use crate::engine::{BATCH, MAX_MODEL_BYTES, run_batches};
use crate::files;
use crate::report::progress;

/// Points of accuracy that quantization may lose, where the user says nothing else.
pub const DEFAULT_TOLERANCE_POINTS: f64 = 0.3;

/// The three files of a model in its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFiles {
    /// `<name>`, as the files are named.
    pub name: String,
    /// `<name>.postcard`.
    pub postcard: PathBuf,
    /// `<name>.onnx`.
    pub onnx: PathBuf,
    /// `<name>.float.onnx`.
    pub float_onnx: PathBuf,
}

impl ModelFiles {
    /// Finds the model in a directory; there must be exactly one, and whole.
    ///
    /// # Errors
    ///
    /// Where there is none or more than one, or a file of it is missing.
    pub fn find(directory: &Path) -> Result<ModelFiles> {
        let name = files::model_of(directory)?;
        let file = |extension: &str| directory.join(format!("{name}.{extension}"));
        let (postcard, onnx, float_onnx) = (file("postcard"), file("onnx"), file("float.onnx"));
        let files = ModelFiles { name, postcard, onnx, float_onnx };
        for path in [&files.onnx, &files.float_onnx] {
            ensure!(path.is_file(), "{} is missing; `trainer export` writes all three files", path.display());
        }
        Ok(files)
    }
}

/// Runs all images of `test` through the three files of the model in `directory` and compares. An error
/// means that no comparison was possible; a difference is in the [`Report`].
///
/// # Errors
///
/// Where no comparison is possible: a file is missing, or images and model do not fit.
pub fn verify(directory: &Path, test: &Dataset, show_progress: bool) -> Result<Report> {
    let files = ModelFiles::find(directory)?;
    let models = Models::new(
        open(&files.postcard, RuntimeModel::new)?,
        open(&files.onnx, OnnxModel::new)?,
        open(&files.float_onnx, OnnxModel::new)?,
    )
    .with_context(|| format!("the files in {} do not belong together", directory.display()))?;
    ensure!(!test.is_empty(), "{}: there is no image to verify with", test.source);
    test.expect_size(models.input().height, models.input().width)?;
    ensure!(
        models.input().channels == 1 && models.classes() == test.classes,
        "{}: grey images of {} classes, but the model takes {} channels and knows {} classes",
        test.source,
        test.classes,
        models.input().channels,
        models.classes()
    );

    let bar = show_progress.then(|| progress(test.len() as u64, "images"));
    let advance = |count: usize| {
        if let Some(bar) = &bar {
            bar.inc(count as u64);
        }
    };
    let length = models.input().len();
    let loaded = models.load()?;
    let tallies = run_batches(test.len(), BATCH, &advance, |range| {
        let images = &test.images[range.start * length..range.end * length];
        models.compare(&loaded, range.start, images, &test.labels[range])
    })?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let mut total = Tally::new(models.layers().len());
    for tally in tallies {
        total.add(tally);
    }
    Ok(total.report(&models, test))
}

pub(crate) fn open<T>(path: &Path, parse: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
    let bytes = files::read(path, MAX_MODEL_BYTES)?;
    parse(&bytes).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests;
