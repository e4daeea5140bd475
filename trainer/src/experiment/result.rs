//! The figures of a finished run, in a file beside its model.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Validated;
use crate::files::{read, write_whole};
use crate::train::{Epoch, RESULT};
use crate::verify::Report;

/// Largest file that is read as a result.
const MAX_BYTES: u64 = 1 << 16;

/// The figures of a finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunResult {
    /// Seed of the run.
    pub seed: u64,
    /// Test images.
    pub images: u64,
    /// How many of them the float network gets right.
    pub float_correct: u64,
    /// How many of them the quantized network gets right.
    pub quantized_correct: u64,
    /// Images all of whose logits are equal in the runtime and in the ONNX file.
    pub logits_equal: u64,
    /// Values of all layers that were compared, runtime against ONNX.
    pub values: u64,
    /// Values that differ.
    pub differing: u64,
    /// Epochs with floats.
    pub float_epochs: usize,
    /// Seconds that they took, validation included.
    pub float_seconds: f64,
    /// Epochs with integers.
    pub integer_epochs: usize,
    /// Seconds that they took, validation included.
    pub integer_seconds: f64,
    /// The quantized network on the validation images, plain and distorted; absent in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validated>,
}

impl RunResult {
    /// The figures of a run from its epochs, its verification and its validation.
    pub fn new(seed: u64, history: &[Epoch], report: &Report, validation: Validated) -> Self {
        let seconds = |integer| -> (usize, f64) {
            let epochs = history.iter().filter(|epoch| epoch.integer == integer);
            epochs.fold((0, 0.0), |(count, seconds), epoch| (count + 1, seconds + epoch.seconds))
        };
        let ((float_epochs, float_seconds), (integer_epochs, integer_seconds)) =
            (seconds(false), seconds(true));
        Self {
            seed,
            images: report.images,
            float_correct: report.float.correct,
            quantized_correct: report.quantized.correct,
            logits_equal: report.logits_equal,
            values: report.values(),
            differing: report.mismatches(),
            float_epochs,
            float_seconds,
            integer_epochs,
            integer_seconds,
            validation: Some(validation),
        }
    }

    /// Accuracy of the float network on the test set, in per cent.
    pub fn float(&self) -> f64 {
        100.0 * self.float_correct as f64 / self.images.max(1) as f64
    }

    /// Accuracy of the quantized network on the test set, in per cent.
    pub fn quantized(&self) -> f64 {
        100.0 * self.quantized_correct as f64 / self.images.max(1) as f64
    }

    /// Whether every value of every layer is equal in the runtime and in the ONNX file.
    pub fn is_exact(&self) -> bool {
        self.differing == 0 && self.logits_equal == self.images
    }

    /// Seconds of training, all epochs.
    pub fn seconds(&self) -> f64 {
        self.float_seconds + self.integer_seconds
    }

    /// Writes `result.json` into the directory of the run.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn save(&self, run: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("writing the result of a run")?;
        write_whole(&run.join(RESULT), (text + "\n").as_bytes())
    }

    /// Reads what [`save`](Self::save) wrote; none where the run is not finished.
    ///
    /// # Errors
    ///
    /// Where there is a file, but not of this form.
    pub fn load(run: &Path) -> Result<Option<Self>> {
        let path = run.join(RESULT);
        if !path.exists() {
            return Ok(None);
        }
        serde_json::from_slice(&read(&path, MAX_BYTES)?).map(Some).with_context(|| {
            format!("{}: not the result of a run; delete it, and the run is verified again", path.display())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_read_back_or_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(RunResult::load(directory.path()).unwrap(), None);
        let result = RunResult {
            seed: 3,
            images: 200,
            float_correct: 199,
            quantized_correct: 198,
            logits_equal: 200,
            values: 4_000,
            differing: 0,
            float_epochs: 2,
            float_seconds: 0.1 + 0.2,
            integer_epochs: 1,
            integer_seconds: 1.5,
            validation: None,
        };
        assert_eq!((result.float(), result.quantized()), (99.5, 99.0));
        assert!(result.is_exact() && !RunResult { differing: 1, ..result.clone() }.is_exact());
        result.save(directory.path()).unwrap();
        assert_eq!(RunResult::load(directory.path()).unwrap(), Some(result));
        std::fs::write(directory.path().join(RESULT), "{\"seed\": 3}").unwrap();
        let message = format!("{:#}", RunResult::load(directory.path()).unwrap_err());
        assert!(message.contains("result.json") && message.contains("delete it"), "{message}");
    }
}
