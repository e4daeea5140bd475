//! `card.json`: the figures of a card, for programs, and for the next card of the same model.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::engine::MAX_MODEL_BYTES;
use crate::experiment::{Candidate, Spread};
use crate::files::{self, CARD_FIGURES, read, write_whole};
use crate::robustness::Robustness;

/// Largest file that is read as one.
const MAX_BYTES: u64 = 1 << 22;

/// The figures of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its name.
    pub model: String,
    /// SHA-256 of `<name>.postcard`: the figures are of this file and no other.
    pub sha256: String,
    /// Test images.
    pub images: u64,
    /// How many of them the float network gets right.
    pub float_correct: u64,
    /// How many of them the quantized network gets right.
    pub quantized_correct: u64,
    /// Weights and biases.
    pub parameters: u64,
    /// Bytes of packed weights.
    pub weight_bytes: u64,
    /// Bytes of biases.
    pub bias_bytes: u64,
    /// Multiply-accumulates of one inference.
    pub macs: u64,
    /// Bytes of scratch.
    pub scratch_bytes: u64,
    /// The runs that it was chosen from, itself included; empty where it is not known.
    pub runs: Vec<RunFigures>,
    /// Seed of the run that it is.
    pub seed: u64,
    /// Seed of the distortions.
    pub robustness_seed: u64,
    /// One for every kind of distortion.
    pub robustness: Vec<RobustnessFigures>,
}

/// A run among those that a model was chosen from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFigures {
    /// Its seed.
    pub seed: u64,
    /// Mean cross-entropy of the network that it left on the validation images, in nats.
    pub validation_loss: f64,
    /// Share of them that are right.
    pub validation_accuracy: f64,
    /// Test images.
    pub images: u64,
    /// How many of them the float network gets right.
    pub float_correct: u64,
    /// How many of them the quantized network gets right.
    pub quantized_correct: u64,
}

/// A kind of distortion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobustnessFigures {
    /// Its name.
    pub distortion: String,
    /// Right answers to the images as they are.
    pub correct: u64,
    /// Right answers through `ink`, where the model takes what it makes.
    pub ink_correct: Option<u64>,
}

impl RunFigures {
    /// What a card tells of a run.
    pub fn of(candidate: &Candidate) -> Self {
        let Candidate { result, validation_loss, validation_accuracy, .. } = candidate;
        Self {
            seed: result.seed,
            validation_loss: *validation_loss,
            validation_accuracy: *validation_accuracy,
            images: result.images,
            float_correct: result.float_correct,
            quantized_correct: result.quantized_correct,
        }
    }
}

impl RobustnessFigures {
    /// All rows.
    pub(super) fn of(robustness: &Robustness) -> Vec<Self> {
        let rows = robustness.rows.iter();
        rows.map(|row| Self {
            distortion: row.distortion.to_owned(),
            correct: row.correct,
            ink_correct: row.ink_correct,
        })
        .collect()
    }
}

impl Record {
    /// The record of the model in a directory; none where there is none, or one of another model file.
    ///
    /// # Errors
    ///
    /// Where there is no model, or the record is damaged.
    pub fn load(directory: &Path) -> Result<Option<Record>> {
        let path = directory.join(CARD_FIGURES);
        let model = directory.join(format!("{}.postcard", files::model_of(directory)?));
        if !path.exists() {
            return Ok(None);
        }
        let record: Record = serde_json::from_slice(&read(&path, MAX_BYTES)?).with_context(|| {
            format!(
                "{}: not the figures of a card; delete it, and `trainer card {}` writes it anew",
                path.display(),
                directory.display()
            )
        })?;
        Ok((record.sha256 == checksum(&model)?).then_some(record))
    }

    pub(super) fn save(&self, directory: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("writing the figures of a card")?;
        write_whole(&directory.join(CARD_FIGURES), (text + "\n").as_bytes())
    }

    /// Mean and deviation of the runs' accuracies on the test set in per cent, float and quantized; of the
    /// model alone where its runs are not known.
    pub fn spreads(&self) -> [Option<Spread>; 2] {
        let percent = |correct: u64, images: u64| 100.0 * correct as f64 / images.max(1) as f64;
        if self.runs.is_empty() {
            return [self.float_correct, self.quantized_correct]
                .map(|correct| Spread::of([percent(correct, self.images)]));
        }
        let of = |correct: fn(&RunFigures) -> u64| {
            Spread::of(self.runs.iter().map(|run| percent(correct(run), run.images)))
        };
        [of(|run| run.float_correct), of(|run| run.quantized_correct)]
    }
}

/// The SHA-256 of a model file.
pub(super) fn checksum(model: &Path) -> Result<String> {
    let digest = Sha256::digest(read(model, MAX_MODEL_BYTES)?);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sha256: String) -> Record {
        let run = |seed, float_correct, quantized_correct| RunFigures {
            seed,
            validation_loss: 0.02,
            validation_accuracy: 0.995,
            images: 1000,
            float_correct,
            quantized_correct,
        };
        Record {
            model: "a".to_owned(),
            sha256,
            images: 1000,
            float_correct: 990,
            quantized_correct: 991,
            parameters: 5,
            weight_bytes: 4,
            bias_bytes: 4,
            macs: 10,
            scratch_bytes: 20,
            runs: vec![run(1, 990, 991), run(2, 994, 993)],
            seed: 1,
            robustness_seed: 1,
            robustness: Vec::new(),
        }
    }

    #[test]
    fn a_record_is_of_one_model_file() {
        let directory = tempfile::tempdir().unwrap();
        let model = directory.path().join("a.postcard");
        std::fs::write(&model, "model").unwrap();
        assert_eq!(Record::load(directory.path()).unwrap(), None);
        let whole = record(checksum(&model).unwrap());
        whole.save(directory.path()).unwrap();
        assert_eq!(Record::load(directory.path()).unwrap(), Some(whole.clone()));
        std::fs::write(&model, "another").unwrap();
        assert_eq!(Record::load(directory.path()).unwrap(), None);
        std::fs::write(directory.path().join(CARD_FIGURES), "{}").unwrap();
        let message = format!("{:#}", Record::load(directory.path()).unwrap_err());
        assert!(message.contains("card.json") && message.contains("delete it"), "{message}");
    }

    #[test]
    fn spreads_are_of_the_runs_or_of_the_model() {
        let whole = record(String::new());
        let texts = whole.spreads().map(|spread| spread.unwrap().to_string());
        assert_eq!(texts, ["99.20 \u{b1} 0.28", "99.20 \u{b1} 0.14"]);
        let alone = Record { runs: Vec::new(), ..whole };
        assert_eq!(alone.spreads().map(|spread| spread.unwrap().to_string()), ["99.00", "99.10"]);
    }
}
