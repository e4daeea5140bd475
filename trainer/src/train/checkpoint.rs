//! The state of a training run after an epoch, or within one, in one file that is either whole or absent.
//!
//! The file is a line of text, the SHA-256 of the rest, and the rest in postcard. A new one is
//! written beside the old one and takes its name when it is complete. The random state needs no
//! place in it: everything random is drawn from the seed, the epoch and the step.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::export::write_whole;
use crate::quantize::LayerScheme;

use super::optimizer::RuleState;
use super::workers::Tally;

/// Everything that the next epoch depends on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// The training data; a run is continued on the same.
    pub(super) dataset: String,
    /// Finished float epochs.
    pub(super) float: State,
    /// Finished epochs with integers, and the exponents; absent before the first.
    pub(super) integer: Option<(Vec<LayerScheme>, State)>,
    /// What the epochs were like.
    pub(super) history: Vec<Epoch>,
    /// The configuration that they were trained with, as TOML; a run is continued with the same.
    pub(super) config_toml: String,
}

/// Parameters and optimizer of one phase.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// Finished epochs.
    pub(super) epochs: usize,
    /// The epoch that was stopped within.
    pub(super) running: Option<Running>,
    /// What the last step left.
    pub(super) last: Snapshot,
    /// Means over the steps, where the recipe wants them (`ema`).
    pub(super) average: Option<Snapshot>,
    /// State of the optimizer.
    pub(super) rule: RuleState,
    /// The best epoch so far, where the recipe wants it (`early_stopping`).
    pub(super) best: Option<Best>,
}

/// All numbers of a network.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Snapshot {
    /// All parameters.
    pub(super) parameters: Vec<f32>,
    /// Running statistics of batch norm.
    pub(super) statistics: Vec<f32>,
}

/// A part of an epoch.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Running {
    /// Finished steps of it.
    pub(super) steps: usize,
    /// What they were like.
    pub(super) tally: Tally,
    /// Wall-clock seconds that they took.
    pub(super) seconds: f64,
}

/// The epoch with the best validation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Best {
    /// Its number, from 1.
    pub(super) epoch: usize,
    /// Accuracy on the validation images.
    pub(super) accuracy: f64,
    /// Mean loss on them.
    pub(super) loss: f64,
    /// The numbers that were validated.
    pub(super) snapshot: Snapshot,
}

impl State {
    /// The beginning of a phase.
    pub(super) fn new(parameters: Vec<f32>, statistics: Vec<f32>) -> Self {
        Self { last: Snapshot { parameters, statistics }, ..Self::default() }
    }

    /// The numbers that the phase leaves: of the best epoch, else the means, else the last.
    pub(super) fn result(&self) -> &Snapshot {
        let best = self.best.as_ref().map(|best| &best.snapshot);
        best.or(self.average.as_ref()).unwrap_or(&self.last)
    }
}

impl Best {
    /// Whether an epoch with this validation is better: more images right, or as many at a lower loss.
    pub(super) fn is_worse_than(&self, accuracy: f64, loss: f64) -> bool {
        accuracy > self.accuracy || (accuracy == self.accuracy && loss < self.loss)
    }
}

/// The figures of one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Whether it trained the integer form.
    pub integer: bool,
    /// Number within its phase, from 1.
    pub number: usize,
    /// Mean loss on the distorted training images, without label smoothing.
    pub loss: f64,
    /// Accuracy on them.
    pub accuracy: f64,
    /// Mean loss on the validation images.
    pub validation_loss: f64,
    /// Accuracy on the validation images.
    pub validation_accuracy: f64,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// Writes `value` so that [`load`] can tell whether it is whole.
pub(super) fn save(path: &Path, kind: &str, value: &impl Serialize) -> Result<()> {
    let body = postcard::to_stdvec(value).with_context(|| format!("encoding {}", path.display()))?;
    let mut bytes = header(kind).into_bytes();
    bytes.extend_from_slice(&Sha256::digest(&body));
    bytes.extend_from_slice(&body);
    write_whole(path, &bytes)
}

/// Reads what [`save`] wrote.
pub(super) fn load<T: DeserializeOwned>(path: &Path, kind: &str) -> Result<T> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let shown = path.display();
    ensure!(
        !(1..version(kind)).any(|version| bytes.starts_with(header_of(kind, version).as_bytes())),
        "{shown}: a {kind} of an earlier version of the trainer; continue with that version, or start a new run"
    );
    let parts = bytes.strip_prefix(header(kind).as_bytes()).and_then(|rest| rest.split_at_checked(32));
    let (digest, body) =
        parts.with_context(|| format!("{shown}: expected a {kind} of this version, found something else"))?;
    ensure!(
        Sha256::digest(body).as_slice() == digest,
        "{shown}: damaged: its checksum differs; delete it to start over"
    );
    postcard::from_bytes(body)
        .with_context(|| format!("{shown}: not a {kind} of this version of the trainer"))
}

/// Versions of the kinds of files whose form has changed; 1 for all others.
const VERSIONS: [(&str, u32); 1] = [("checkpoint", 2)];

fn version(kind: &str) -> u32 {
    VERSIONS.iter().find(|(name, _)| *name == kind).map_or(1, |(_, version)| *version)
}

fn header(kind: &str) -> String {
    header_of(kind, version(kind))
}

fn header_of(kind: &str, version: u32) -> String {
    format!("tenfold {kind} {version}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let state = State { epochs: 3, ..State::new(vec![1.0, -2.5], Vec::new()) };
        save(&path, "checkpoint", &state).unwrap();
        let again: State = load(&path, "checkpoint").unwrap();
        assert_eq!((again.epochs, again.last.parameters), (3, vec![1.0, -2.5]));

        let whole = fs::read(&path).unwrap();
        for length in [0, 5, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            let message = load::<State>(&path, "checkpoint").unwrap_err().to_string();
            assert!(message.contains("state"), "{message}");
        }
        assert!(load::<State>(&path, "network").is_err());
    }

    #[test]
    fn a_checkpoint_of_the_old_form_is_told_from_damage() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoint.bin");
        let body = [1u8, 2, 3];
        let file = [b"tenfold checkpoint 1\n".as_slice(), &Sha256::digest(body), &body].concat();
        fs::write(&path, file).unwrap();
        let message = load::<State>(&path, "checkpoint").unwrap_err().to_string();
        assert!(message.contains("earlier version") && message.contains("start a new run"), "{message}");
    }

    #[test]
    fn better_is_more_right_or_surer() {
        let best = Best { epoch: 1, accuracy: 0.9, loss: 0.5, snapshot: Snapshot::default() };
        assert!(best.is_worse_than(0.91, 0.9) && best.is_worse_than(0.9, 0.4));
        assert!(!best.is_worse_than(0.9, 0.5) && !best.is_worse_than(0.89, 0.1));
        assert!(!best.is_worse_than(f64::NAN, f64::NAN));
    }
}
