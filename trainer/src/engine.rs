//! Runs a model file, whichever of the three it is: `.postcard` through the runtime, `.onnx` through
//! tract.
//!
//! ```text
//! pixels u8, channels last --+--> runtime, as on a board ---------------------+--> logits
//!                            +--> p / 256, channels first --> tract, batches --+
//! ```
//!
//! Any bytes may be in the file: what is not a model of ours is an error that says why. tract
//! panics on some malformed graphs; such a panic is caught and becomes an error as well.

pub(crate) mod onnx;
mod parallel;
mod probability;
pub(crate) mod runtime;
mod vote;

use core::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use tenfold_runtime::format::MAGIC;

use self::onnx::OnnxModel;
pub(crate) use self::parallel::run_batches;
pub(crate) use self::probability::{log_sum_exp, softmax};
use self::runtime::RuntimeModel;
pub use self::vote::{Candidate, Vote, Voter, vote};
use crate::files;
use crate::model::Shape;

/// Images that go through an engine at once: enough to keep it busy, few enough that a progress bar
/// moves.
pub(crate) const BATCH: usize = 32;

/// Largest model file that is read: twice the float ONNX file of the largest network that can be trained.
pub(crate) const MAX_MODEL_BYTES: u64 = 1 << 29;

/// A model file, ready to run.
#[derive(Debug)]
pub struct Engine {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Runtime(RuntimeModel),
    Onnx(Box<OnnxModel>),
}

impl Engine {
    /// Opens a model file. What it is shows in its first bytes and its extension.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, or is no model.
    pub fn open(path: &Path) -> Result<Engine> {
        let bytes = files::read(path, MAX_MODEL_BYTES)?;
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let kind = if bytes.starts_with(&MAGIC) || extension == "postcard" {
            RuntimeModel::new(&bytes).map(Kind::Runtime)
        } else if extension == "onnx" {
            OnnxModel::new(&bytes).map(|model| Kind::Onnx(Box::new(model)))
        } else {
            bail!("{} is no model: expected a .postcard or an .onnx file", path.display());
        };
        Ok(Engine { kind: kind.with_context(|| path.display().to_string())? })
    }

    /// Name of the model.
    pub fn name(&self) -> &str {
        match &self.kind {
            Kind::Runtime(model) => &model.name,
            Kind::Onnx(model) => &model.name,
        }
    }

    /// Number of logits.
    pub fn classes(&self) -> usize {
        match &self.kind {
            Kind::Runtime(model) => model.classes,
            Kind::Onnx(model) => model.classes,
        }
    }

    /// Shape of an image.
    pub fn input(&self) -> Shape {
        match &self.kind {
            Kind::Runtime(model) => model.input,
            Kind::Onnx(model) => model.input,
        }
    }

    /// Whether the logits are integers: so in a `.postcard` and in the quantized `.onnx`.
    pub fn is_integer(&self) -> bool {
        self.logit_exponent().is_some()
    }

    /// What a logit of [`run`](Self::run) is to be multiplied by to get its real value.
    pub fn logit_scale(&self) -> f64 {
        self.logit_exponent().map_or(1.0, |exponent| f64::from(-exponent).exp2())
    }

    /// Runs images that lie back to back, each row by row, channels last. Returns the logits of each
    /// image: integers where [`is_integer`](Self::is_integer).
    ///
    /// All cores work. `progress` is called on this thread, with the number of images finished since
    /// its last call.
    ///
    /// # Errors
    ///
    /// Where the bytes are no whole number of images, or tract fails.
    pub fn run(&self, images: &[u8], progress: &dyn Fn(usize)) -> Result<Vec<Vec<f64>>> {
        let length = self.input().len();
        let count = images.len() / length;
        ensure!(
            count * length == images.len(),
            "{} bytes are not a whole number of images of {length} bytes",
            images.len()
        );
        let batch = |range: Range<usize>| &images[range.start * length..range.end * length];
        let batches = match &self.kind {
            Kind::Runtime(model) => {
                let model = model.load()?;
                run_batches(count, BATCH, progress, |range| model.run(batch(range)))
            }
            Kind::Onnx(model) => run_batches(count, BATCH, progress, |range| model.run(batch(range))),
        }?;
        Ok(batches.into_iter().flatten().collect())
    }

    fn logit_exponent(&self) -> Option<i32> {
        match &self.kind {
            Kind::Runtime(model) => Some(model.logit_exponent),
            Kind::Onnx(model) => model.logit_exponent,
        }
    }
}

/// The class of the largest logit, the first of them where several are equal, as in the runtime.
pub(crate) fn best_class(logits: &[f64]) -> usize {
    let mut best = 0;
    for (class, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = class;
        }
    }
    best
}

#[cfg(test)]
mod tests;
