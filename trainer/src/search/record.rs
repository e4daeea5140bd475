//! The figures of the runs of a search, as they are kept in the directories of the runs.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::experiment::Validated;
use crate::files::{read, write_whole};

/// The figures of one run, in its directory.
const FIGURES: &str = "validation.json";

/// Largest file that is read as figures.
const MAX_BYTES: u64 = 1 << 16;

/// One finished run of a candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Seed of the run.
    pub seed: u64,
    /// Seconds that its epochs took.
    pub seconds: f64,
    /// The quantized network on the validation images; absent where training failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validated: Option<Validated>,
    /// Why training failed, and always will.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl Record {
    /// Writes the figures into the directory of their run, and returns them as they are read back: those of a
    /// search that was interrupted and those of one that was not are the same to the last bit.
    pub(super) fn save(&self, run: &Path) -> Result<Self> {
        let text = serde_json::to_string_pretty(self).context("writing the figures of a run")? + "\n";
        write_whole(&run.join(FIGURES), text.as_bytes())?;
        serde_json::from_str(&text).context("reading the figures of a run")
    }

    /// Reads what [`save`](Self::save) wrote; none where the run is not finished.
    pub(super) fn load(run: &Path) -> Result<Option<Self>> {
        let path = run.join(FIGURES);
        if !path.exists() {
            return Ok(None);
        }
        serde_json::from_slice(&read(&path, MAX_BYTES)?).map(Some).with_context(|| {
            format!("{}: not the figures of a run; delete it, and they are computed again", path.display())
        })
    }
}

/// Means over the runs of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Means {
    /// Validation images that are recognised, in per cent.
    pub accuracy: f64,
    /// Loss on them.
    pub loss: f64,
    /// Distorted copies that are recognised, in per cent.
    pub distorted_accuracy: f64,
    /// Loss on them, by which candidates are ranked.
    pub distorted_loss: f64,
}

impl Means {
    /// Of these runs; none where there are none, or one failed.
    pub(super) fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Option<Self> {
        let validated: Vec<Validated> =
            records.into_iter().map(|record| record.validated).collect::<Option<_>>()?;
        let count = validated.len() as f64;
        let mean = |of: fn(&Validated) -> f64| validated.iter().map(of).sum::<f64>() / count;
        (count > 0.0).then(|| Self {
            accuracy: mean(|v| v.plain.percent()),
            loss: mean(|v| v.plain.loss),
            distorted_accuracy: mean(|v| v.distorted.percent()),
            distorted_loss: mean(|v| v.distorted.loss),
        })
    }
}

/// All runs that are finished: by rung, candidate and seed.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    rungs: Vec<Vec<Vec<Option<Record>>>>,
}

impl Records {
    /// Room for rungs with so many seeds, and so many candidates.
    pub(super) fn new(seeds: impl IntoIterator<Item = usize>, candidates: usize) -> Self {
        Self { rungs: seeds.into_iter().map(|seeds| vec![vec![None; seeds]; candidates]).collect() }
    }

    pub(super) fn set(&mut self, rung: usize, candidate: usize, seed: usize, record: Option<Record>) {
        self.rungs[rung][candidate][seed] = record;
    }

    pub(super) fn get(&self, rung: usize, candidate: usize, seed: usize) -> Option<&Record> {
        self.rungs[rung][candidate][seed].as_ref()
    }

    /// The finished runs of a candidate in a rung.
    pub(super) fn of(&self, rung: usize, candidate: usize) -> impl Iterator<Item = &Record> {
        self.rungs[rung][candidate].iter().flatten()
    }

    /// All finished runs of a candidate.
    pub(super) fn all_of(&self, candidate: usize) -> impl Iterator<Item = &Record> {
        (0..self.rungs.len()).flat_map(move |rung| self.of(rung, candidate))
    }

    /// Why a run of a candidate failed, if one did.
    pub(super) fn failure(&self, candidate: usize) -> Option<&str> {
        self.all_of(candidate).find_map(|record| record.failed.as_deref())
    }

    /// The means of a candidate that has finished all of its runs in a rung.
    pub(super) fn means(&self, rung: usize, candidate: usize) -> Option<Means> {
        let records = &self.rungs[rung][candidate];
        if records.iter().any(Option::is_none) {
            return None;
        }
        Means::of(records.iter().flatten())
    }

    /// Candidates with means in a rung, the best first.
    pub(super) fn ranked(&self, rung: usize) -> Vec<(usize, Means)> {
        let all = 0..self.rungs[rung].len();
        let mut ranked: Vec<(usize, Means)> =
            all.filter_map(|candidate| Some((candidate, self.means(rung, candidate)?))).collect();
        ranked.sort_by(|(a, first), (b, second)| {
            first.distorted_loss.total_cmp(&second.distorted_loss).then(a.cmp(b))
        });
        ranked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Score;

    fn record(seed: u64, loss: f64) -> Record {
        let score = |loss| Score { images: 200, correct: 199, loss };
        let validated = Some(Validated { plain: score(loss / 3.0), distorted: score(loss) });
        Record { seed, seconds: 1.0, validated, failed: None }
    }

    #[test]
    fn a_record_is_read_back_or_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Record::load(directory.path()).unwrap(), None);
        let failed = Record {
            seed: 1,
            seconds: 0.5,
            validated: None,
            failed: Some("the loss is no number".to_owned()),
        };
        for record in [record(3, 0.1 + 0.2), failed] {
            let saved = record.save(directory.path()).unwrap();
            assert_eq!(Record::load(directory.path()).unwrap(), Some(saved));
        }
        std::fs::write(directory.path().join(FIGURES), "{").unwrap();
        let message = format!("{:#}", Record::load(directory.path()).unwrap_err());
        assert!(message.contains("validation.json") && message.contains("delete it"), "{message}");
    }

    #[test]
    fn candidates_are_ranked_by_their_mean_loss_when_all_runs_are_there() {
        let mut records = Records::new([1, 2], 3);
        for (candidate, loss) in [0.3, 0.1, 0.2].into_iter().enumerate() {
            records.set(0, candidate, 0, Some(record(1, loss)));
        }
        let order = |rung| -> Vec<usize> { records.ranked(rung).iter().map(|(index, _)| *index).collect() };
        assert_eq!((order(0), order(1)), (vec![1, 2, 0], vec![]));
        records.set(1, 1, 0, Some(record(1, 0.1)));
        assert_eq!(records.means(1, 1), None);
        records.set(1, 1, 1, Some(record(2, 0.5)));
        let means = records.means(1, 1).unwrap();
        assert!((means.distorted_loss - 0.3).abs() < 1e-12 && means.accuracy == 99.5);
        assert_eq!(records.all_of(1).count(), 3);
        let failed = Record { validated: None, failed: Some("why".to_owned()), ..record(2, 0.0) };
        records.set(1, 1, 1, Some(failed));
        assert_eq!((records.means(1, 1), records.failure(1)), (None, Some("why")));
    }
}
