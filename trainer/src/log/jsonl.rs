//! The log in JSON: a line an object, for people and for programs without a reader of event files.
//!
//! Its fields are in `docs/REPORT.md`. Every object has `kind`, `step` (steps finished) and `time` (seconds
//! since 1970).

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::MAX_BYTES;
use crate::files;
use crate::train::Epoch;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Steps finished since the run began.
    pub step: u64,
    /// Seconds since 1970.
    pub time: f64,
    /// What it tells.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Entry {
    /// Training begins, or goes on after an interruption.
    Start {
        /// Name of the model.
        name: String,
        /// What the training images are.
        dataset: String,
        /// Number of training images.
        images: usize,
        /// Number of validation images.
        validation_images: usize,
        /// Number of parameters.
        parameters: usize,
        /// Seed of the run.
        seed: u64,
        /// Directory of the run.
        run: String,
        /// Version of the trainer.
        version: String,
    },
    /// Means over the training steps since the line before.
    Step {
        /// `float` or `integers`.
        phase: Phase,
        /// Epoch within the phase, from 1.
        epoch: usize,
        /// Cross-entropy in nats, without label smoothing.
        loss: f64,
        /// Share of right answers, 0 to 1.
        accuracy: f64,
        /// Of the last step.
        learning_rate: f64,
        /// Training speed.
        images_per_second: f64,
    },
    /// A whole epoch.
    Epoch {
        /// `float` or `integers`.
        phase: Phase,
        /// Epoch within the phase, from 1.
        epoch: usize,
        /// Mean over the training images, in nats.
        loss: f64,
        /// Share of right answers on them, 0 to 1.
        accuracy: f64,
        /// Mean over the validation images, in nats.
        validation_loss: f64,
        /// Share of right answers on them, 0 to 1.
        validation_accuracy: f64,
        /// Of the last step.
        learning_rate: f64,
        /// Wall-clock seconds, validation included.
        seconds: f64,
    },
}

/// One of the two phases of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// With floats.
    Float,
    /// With the board's integers.
    Integers,
}

impl Phase {
    /// The phase that trains integers or does not.
    pub(crate) fn of(integer: bool) -> Phase {
        if integer { Phase::Integers } else { Phase::Float }
    }
}

/// The log that is being written.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Lines {
    /// Continues the file after step `kept`, removing what lies after it; begins a new one where that is `None`.
    pub(super) fn open(path: &Path, kept: Option<u64>) -> Result<Lines> {
        let mut options = OpenOptions::new();
        match kept {
            Some(step) => {
                purge(path, step)?;
                options.append(true)
            }
            None => options.write(true).truncate(true),
        };
        let file = options.create(true).open(path).with_context(|| cannot_write(path))?;
        Ok(Lines { path: path.to_owned(), file: BufWriter::new(file) })
    }

    pub(super) fn write(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_string(line).context("writing JSON")?;
        text.push('\n');
        self.file.write_all(text.as_bytes()).with_context(|| cannot_write(&self.path))
    }

    /// Hands to the system what was written.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.file.flush().with_context(|| cannot_write(&self.path))
    }
}

/// The lines of a log; nothing where there is none. A last line that was cut off is left out.
///
/// # Errors
///
/// Where the file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Line>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bytes = files::read(path, MAX_BYTES)?;
    Ok(whole_lines(&bytes).map_while(|text| serde_json::from_slice(text).ok()).collect())
}

/// The figures of the epochs that a log tells of.
pub(crate) fn epochs(lines: &[Line]) -> Vec<Epoch> {
    let epoch = |line: &Line| match line.entry {
        Entry::Epoch {
            phase, epoch, loss, accuracy, validation_loss, validation_accuracy, seconds, ..
        } => Some(Epoch {
            integer: phase == Phase::Integers,
            number: epoch,
            loss,
            accuracy,
            validation_loss,
            validation_accuracy,
            seconds,
        }),
        _ => None,
    };
    lines.iter().filter_map(epoch).collect()
}

fn purge(path: &Path, kept: u64) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let bytes = files::read(path, MAX_BYTES)?;
    // Of a line of another version, the step is enough.
    #[derive(Deserialize)]
    struct Step {
        step: u64,
    }
    let is_kept = |text: &&[u8]| serde_json::from_slice::<Step>(text).is_ok_and(|line| line.step <= kept);
    let whole: Vec<u8> = whole_lines(&bytes).filter(is_kept).flatten().copied().collect();
    if whole != bytes {
        files::write_whole(path, &whole)?;
    }
    Ok(())
}

/// Lines that end, each with its end.
fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"))
}

fn cannot_write(path: &Path) -> String {
    format!("{}: cannot write", path.display())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn line(step: u64) -> Line {
        let entry = Entry::Step {
            phase: Phase::Float,
            epoch: 1,
            loss: 0.5,
            accuracy: 0.25,
            learning_rate: 1e-3,
            images_per_second: 100.0,
        };
        Line { step, time: 1e9, entry }
    }

    #[test]
    fn a_log_that_was_cut_off_is_continued() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.jsonl");
        assert_eq!(read(&path).unwrap(), []);
        let write = |kept: Option<u64>, steps: core::ops::RangeInclusive<u64>| {
            let mut lines = Lines::open(&path, kept).unwrap();
            steps.for_each(|step| lines.write(&line(step)).unwrap());
            lines.flush().unwrap();
        };
        write(None, 1..=5);
        let text = fs::read_to_string(&path).unwrap();
        let first = r#"{"step":1,"time":1000000000.0,"kind":"step","phase":"float","epoch":1,"loss":0.5,"#;
        assert!(text.starts_with(first), "{text}");
        fs::write(&path, &text[..text.len() - 9]).unwrap();
        assert_eq!(read(&path).unwrap().len(), 4);
        write(Some(3), 4..=6);
        assert_eq!(read(&path).unwrap(), (1..=6).map(line).collect::<Vec<_>>());
        write(None, 1..=1);
        assert_eq!(read(&path).unwrap(), [line(1)]);
    }
}
