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
    /// Mean cross-entropy of its quantized network on the validation images, in nats.
    pub validation_loss: f64,
    /// Share of them that it recognises.
    pub validation_accuracy: f64,
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
        Candidate::new(path, result, group.config().training.early_stopping > 0)
    };
    results.into_iter().enumerate().map(candidate).collect()
}

impl Candidate {
    /// With the figures of what is exported. The result of an earlier version lacks them: then those of the epoch that
    /// was kept.
    fn new(path: PathBuf, result: RunResult, early_stopping: bool) -> Result<Self> {
        let (validation_loss, validation_accuracy) = match &result.validation {
            Some(validated) => (validated.plain.loss, validated.plain.percent() / 100.0),
            None => {
                let epoch = kept_epoch(&path, early_stopping)?;
                (epoch.validation_loss, epoch.validation_accuracy)
            }
        };
        Ok(Self { path, result, validation_loss, validation_accuracy })
    }
}

/// The one with the least validation loss; of several, the first.
///
/// # Errors
///
/// Where there is none.
pub fn best(candidates: &[Candidate]) -> Result<&Candidate> {
    let better = |a: &&Candidate, b: &&Candidate| a.validation_loss.total_cmp(&b.validation_loss);
    candidates.iter().min_by(better).context("there is no run to choose from")
}

/// The epoch whose network a run left, from its checkpoint or its log: the last, or with early stopping the best of the
/// phase that came last.
fn kept_epoch(run: &Path, early_stopping: bool) -> Result<Epoch> {
    let history = match train::interim(run).ok().flatten() {
        Some(interim) => interim.history,
        None => log::epochs(&log::read(&run.join(log::LINES))?),
    };
    kept(&history, early_stopping).cloned().with_context(|| {
        format!(
            "{}: neither checkpoint.bin nor {} tells its validation loss; was it trained with --log-dir, and its \
             checkpoint removed?",
            run.display(),
            log::LINES
        )
    })
}

fn kept(history: &[Epoch], early_stopping: bool) -> Option<&Epoch> {
    let last = history.last()?;
    if !early_stopping {
        return Some(last);
    }
    let mut phase = history.iter().filter(|epoch| epoch.integer == last.integer);
    let first = phase.next()?;
    let best = phase.fold(first, |best, epoch| {
        let (accuracy, loss) = (epoch.validation_accuracy, epoch.validation_loss);
        let better = accuracy > best.validation_accuracy
            || (accuracy == best.validation_accuracy && loss < best.validation_loss);
        if better { epoch } else { best }
    });
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::experiment::{Score, Validated};

    fn result(seed: u64, validation: Option<Validated>) -> RunResult {
        RunResult {
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
            validation,
        }
    }

    fn epoch(integer: bool, number: usize, validation_accuracy: f64, validation_loss: f64) -> Epoch {
        Epoch {
            integer,
            number,
            loss: 0.1,
            accuracy: 0.9,
            validation_loss,
            validation_accuracy,
            seconds: 1.0,
        }
    }

    #[test]
    fn the_least_validation_loss_is_chosen() {
        let candidate = |seed, loss| {
            let plain = Score { images: 10, correct: 9, loss };
            let validated = Validated { plain, distorted: Score { loss: 1.0 - loss, ..plain } };
            // Without checkpoint or log: what is exported was measured.
            Candidate::new(PathBuf::from("absent"), result(seed, Some(validated)), true).unwrap()
        };
        let all = [candidate(1, 0.03), candidate(2, 0.02), candidate(3, 0.02), candidate(4, f64::NAN)];
        assert_eq!(best(&all).unwrap().result.seed, 2);
        assert!((all[0].validation_accuracy - 0.9).abs() < 1e-12);
        assert!(best(&[]).is_err());
    }

    #[test]
    fn of_an_earlier_result_the_epoch_counts_that_was_kept() {
        let history = [
            epoch(false, 1, 0.99, 0.01),
            epoch(true, 1, 0.8, 0.05),
            epoch(true, 2, 0.9, 0.04),
            epoch(true, 3, 0.9, 0.03),
            epoch(true, 4, 0.9, 0.06),
        ];
        let number =
            |early_stopping| kept(&history, early_stopping).map(|epoch| (epoch.integer, epoch.number));
        assert_eq!(number(false), Some((true, 4)));
        assert_eq!(number(true), Some((true, 3)));
        assert_eq!(kept(&[], true), None);
    }

    #[test]
    fn a_run_without_history_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let message =
            format!("{:#}", Candidate::new(directory.path().into(), result(1, None), false).unwrap_err());
        assert!(message.contains("log.jsonl") && message.contains("validation loss"), "{message}");
    }
}
