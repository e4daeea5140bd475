//! Which run of a group is shipped: the one with the least validation loss. The test set has no say.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{Group, RunResult};
use crate::log;
use crate::train::{self, Epoch};

/// A finished run of a group.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its directory.
    pub path: PathBuf,
    /// Its figures on the test set, which choose nothing.
    pub result: RunResult,
    /// Its last epoch.
    pub validation: Epoch,
}

/// All runs of a group, in the order of their seeds.
///
/// # Errors
///
/// Where one is not finished, cannot be read, or says nothing of its epochs.
pub fn candidates(group: &Group) -> Result<Vec<Candidate>> {
    let results = group.results()?;
    let shown = group.path().display();
    ensure!(
        results.len() == group.runs(),
        "{shown}: {} of {} runs are finished; continue them with `trainer train --resume {shown}`",
        results.len(),
        group.runs()
    );
    let candidate = |(index, result)| {
        let path = group.run_path(index);
        let validation = last_epoch(&path)?;
        Ok(Candidate { path, result, validation })
    };
    results.into_iter().enumerate().map(candidate).collect()
}

/// The one with the least validation loss; of several, the first.
///
/// # Errors
///
/// Where there is none.
pub fn best(candidates: &[Candidate]) -> Result<&Candidate> {
    let loss = |candidate: &&Candidate| candidate.validation.validation_loss;
    candidates.iter().min_by(|a, b| loss(a).total_cmp(&loss(b))).context("there is no run to choose from")
}

/// The last epoch of a run, from its checkpoint or its log.
fn last_epoch(run: &Path) -> Result<Epoch> {
    let history = match train::interim(run).ok().flatten() {
        Some(interim) => interim.history,
        None => log::epochs(&log::read(&run.join(log::LINES))?),
    };
    history.last().cloned().with_context(|| {
        format!(
            "{}: neither checkpoint.bin nor {} tells its validation loss; was it trained with --log-dir, and its \
             checkpoint removed?",
            run.display(),
            log::LINES
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_validation_loss_is_chosen() {
        let candidate = |seed, validation_loss| Candidate {
            path: PathBuf::from(format!("seed-{seed}")),
            result: RunResult {
                seed,
                images: 10,
                // The best on test is not the best on validation.
                float_correct: seed,
                quantized_correct: seed,
                logits_equal: 10,
                values: 10,
                differing: 0,
                float_epochs: 1,
                float_seconds: 1.0,
                integer_epochs: 0,
                integer_seconds: 0.0,
                validation: None,
            },
            validation: Epoch {
                integer: false,
                number: 1,
                loss: 0.1,
                accuracy: 0.9,
                validation_loss,
                validation_accuracy: 0.9,
                seconds: 1.0,
            },
        };
        let all = [candidate(1, 0.03), candidate(2, 0.02), candidate(3, 0.02), candidate(4, f64::NAN)];
        assert_eq!(best(&all).unwrap().result.seed, 2);
        assert!(best(&[]).is_err());
    }

    #[test]
    fn a_run_without_history_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let message = format!("{:#}", last_epoch(directory.path()).unwrap_err());
        assert!(message.contains("log.jsonl") && message.contains("validation loss"), "{message}");
    }
}
