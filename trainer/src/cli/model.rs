//! What `evaluate` and `predict` do with a model file in the same way.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::data;
use crate::engine::Engine;
use crate::files;

/// Opens a model file, or the `.postcard` of a model's directory. One grey channel is required: there is no other
/// data to feed.
pub(super) fn open(path: &Path) -> Result<Engine> {
    let file = if path.is_dir() {
        path.join(format!("{}.postcard", files::model_of(path)?))
    } else {
        path.to_owned()
    };
    let engine = Engine::open(&file)?;
    let input = engine.input();
    ensure!(
        input.channels == 1,
        "{}: input channels: expected 1 (grey), found {}; train a network for grey images",
        file.display(),
        input.channels
    );
    Ok(engine)
}

/// The model that the repository carries.
pub(super) fn default_path() -> Result<PathBuf> {
    data::repository_path("models/nano/nano.postcard")
        .context("the default model: run inside the Tenfold repository, or name a model with --model FILE")
}

/// Natural logarithm of the sum of `exp(logit * scale)`, without overflow.
pub(super) fn log_sum_exp(logits: &[f64], scale: f64) -> f64 {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max) * scale;
    largest + logits.iter().map(|logit| (logit * scale - largest).exp()).sum::<f64>().ln()
}

/// Probabilities of the classes; they add up to 1.
pub(super) fn softmax(logits: &[f64], scale: f64) -> Vec<f64> {
    let total = log_sum_exp(logits, scale);
    logits.iter().map(|logit| (logit * scale - total).exp()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_of_known_logits() {
        let probabilities = softmax(&[0.0, 3.0_f64.ln() * 256.0], 1.0 / 256.0);
        assert!((probabilities[0] - 0.25).abs() < 1e-12 && (probabilities[1] - 0.75).abs() < 1e-12);
        assert_eq!(softmax(&[1e9, 0.0], 1.0), [1.0, 0.0]);
    }
}
