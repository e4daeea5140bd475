//! The state of a training run after an epoch, in one file that is either whole or absent.
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
    /// All parameters.
    pub(super) parameters: Vec<f32>,
    /// Running statistics of batch norm.
    pub(super) statistics: Vec<f32>,
    /// Steps taken by the optimizer.
    pub(super) steps: usize,
    /// Its mean of gradients; empty before the first step.
    pub(super) moment_1: Vec<f32>,
    /// Its mean of squared gradients.
    pub(super) moment_2: Vec<f32>,
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
    let parts = bytes.strip_prefix(header(kind).as_bytes()).and_then(|rest| rest.split_at_checked(32));
    let (digest, body) = parts.with_context(|| {
        format!("{}: expected a {kind} of this version, found something else", path.display())
    })?;
    ensure!(
        Sha256::digest(body).as_slice() == digest,
        "{}: damaged: its checksum differs; delete it to start over",
        path.display()
    );
    postcard::from_bytes(body)
        .with_context(|| format!("{}: not a {kind} of this version of the trainer", path.display()))
}

fn header(kind: &str) -> String {
    format!("tenfold {kind} 1\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let state = State { epochs: 3, parameters: vec![1.0, -2.5], ..State::default() };
        save(&path, "checkpoint", &state).unwrap();
        let again: State = load(&path, "checkpoint").unwrap();
        assert_eq!((again.epochs, again.parameters), (3, vec![1.0, -2.5]));

        let whole = fs::read(&path).unwrap();
        for length in [0, 5, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            let message = load::<State>(&path, "checkpoint").unwrap_err().to_string();
            assert!(message.contains("state"), "{message}");
        }
        assert!(load::<State>(&path, "network").is_err());
    }
}
