//! What a run tells while it trains: event files for TensorBoard, and lines of JSON.
//!
//! ```text
//! steps, epochs --> Log --+--> <directory>/log.jsonl
//!                         +--> <directory>/train/events.out.tfevents.*         loss, accuracy, learning rate,
//!                         |                                                    images/s, graph, sample images
//!                         +--> <directory>/validation/events.out.tfevents.*    loss, accuracy
//! ```
//!
//! A run that goes on removes what was logged after the checkpoint that it goes on from, so that no step is
//! told twice. Where the log cannot be begun, the run ends before it has cost anything; where it cannot be
//! continued, as on a full disk, a warning says so, and the training goes on without: its checkpoints are
//! what matters, and it fails when those cannot be written.

mod graph;
mod jsonl;
mod message;
mod record;
mod samples;
mod tensorboard;

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use self::jsonl::Lines;
pub(crate) use self::jsonl::epochs;
pub use self::jsonl::{Entry, Line, Phase, read};
use self::samples::Picture;
use self::tensorboard::Events;
use crate::config::Config;
use crate::data::Dataset;
use crate::network::Plan;
use crate::train::{Epoch, Tally};

/// Name of the JSON lines in the directory of a log.
pub const LINES: &str = "log.jsonl";

/// Largest log that is continued or read.
const MAX_BYTES: u64 = 1 << 30;
/// Steps of a phase that are told, about; TensorBoard shows no more.
const POINTS: usize = 1000;
/// What was written is handed to the system at the end of an epoch, and at least so often.
const FLUSH_INTERVAL: Duration = Duration::from_secs(10);
/// The log of a run.
#[derive(Debug)]
pub(crate) struct Log {
    directory: PathBuf,
    /// Steps that the checkpoint has; `None` for a run that begins.
    kept: Option<u64>,
    introduction: Introduction,
    files: Option<Files>,
    /// Why it ended early, until somebody has told.
    warning: Option<String>,
    ended: bool,
    meter: Meter,
}

/// What the log begins with.
#[derive(Debug)]
pub(crate) struct Introduction {
    start: Entry,
    graph: Vec<u8>,
    samples: Picture,
}

#[derive(Debug)]
struct Files {
    lines: Lines,
    train: Events,
    validation: Events,
    flushed: Instant,
}

/// What has been seen since the last point.
#[derive(Debug)]
struct Meter {
    phase: Phase,
    /// Steps between points.
    interval: usize,
    /// Steps of the phases before.
    offset: u64,
    since: Instant,
    loss: f64,
    correct: usize,
    images: usize,
    learning_rate: f64,
}

/// A step of training, after it was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Epoch within the phase, from 1.
    pub(crate) epoch: usize,
    /// Steps of the phase that are finished.
    pub(crate) step: usize,
    /// Whether it is the last of its epoch.
    pub(crate) last: bool,
    /// Sum of the losses of its images.
    pub(crate) loss: f64,
    /// Images that were recognised.
    pub(crate) correct: usize,
    /// All its images.
    pub(crate) images: usize,
    /// Learning rate.
    pub(crate) learning_rate: f64,
}

impl Step {
    /// The step `step` of its phase, which is in `epoch`, both from 1.
    pub(crate) fn new(epoch: usize, step: usize, last: bool, tally: Tally, learning_rate: f64) -> Step {
        let Tally { loss, correct, images } = tally;
        Step { epoch, step, last, loss, correct, images, learning_rate }
    }
}

impl Introduction {
    /// Describes a run; the sheet of samples shows images as its first epochs see them.
    pub(crate) fn new(
        plan: &Plan,
        config: &Config,
        train: &Dataset,
        validation: &Dataset,
        run: &Path,
    ) -> Result<Introduction> {
        let start = Entry::Start {
            name: plan.name.clone(),
            dataset: train.source.clone(),
            images: train.len(),
            validation_images: validation.len(),
            parameters: plan.parameters(),
            seed: config.seed,
            run: run.display().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Ok(Introduction { start, graph: graph::encode(plan), samples: samples::sheet(train, config)? })
    }
}

impl Log {
    /// The log of a run, in `directory`; nothing is touched before [`Log::begin`].
    pub(crate) fn new(directory: PathBuf, kept: Option<u64>, introduction: Introduction) -> Log {
        let meter = Meter {
            phase: Phase::Float,
            interval: 1,
            offset: 0,
            since: Instant::now(),
            loss: 0.0,
            correct: 0,
            images: 0,
            learning_rate: 0.0,
        };
        Log { directory, kept, introduction, files: None, warning: None, ended: false, meter }
    }

    /// An epoch of a phase of `steps` steps begins or goes on, after `offset` steps of the phases before.
    ///
    /// # Errors
    ///
    /// Where the files cannot be opened, the first time.
    pub(crate) fn begin(&mut self, phase: Phase, offset: u64, steps: usize) -> Result<()> {
        self.meter.clear();
        self.meter.phase = phase;
        self.meter.offset = offset;
        self.meter.interval = steps.div_ceil(POINTS).max(1);
        if self.files.is_none() && !self.ended {
            let files = self.open().with_context(|| {
                format!("{}: the log cannot be written; choose another --log-dir", self.directory.display())
            })?;
            self.files = Some(files);
        }
        Ok(())
    }

    fn open(&self) -> Result<Files> {
        self.expect_own()?;
        let folder = |name: &str| Events::open(&self.directory.join(name), self.kept);
        let (mut train, validation) = (folder("train")?, folder("validation")?);
        let mut lines = Lines::open(&self.directory.join(LINES), self.kept)?;
        let Introduction { start, graph, samples } = &self.introduction;
        lines.write(&Line { step: self.kept.unwrap_or(0), time: now(), entry: start.clone() })?;
        lines.flush()?;
        if train.first {
            train.graph(graph)?;
            train.image(0, "samples", samples)?;
        }
        train.flush()?;
        Ok(Files { lines, train, validation, flushed: Instant::now() })
    }

    /// A run that begins replaces its own log, and no other's.
    fn expect_own(&self) -> Result<()> {
        let path = self.directory.join(LINES);
        let owner = |line: &Line| match &line.entry {
            Entry::Start { run, .. } => Some(run.clone()),
            _ => None,
        };
        let found = if self.kept.is_none() { read(&path)?.iter().find_map(owner) } else { None };
        let own = match &self.introduction.start {
            Entry::Start { run, .. } => run,
            _ => "",
        };
        if let Some(found) = found.filter(|found| found != own) {
            bail!("{}: the log of another run, {found}, is there", path.display());
        }
        Ok(())
    }

    /// A step was taken.
    pub(crate) fn step(&mut self, step: &Step) {
        let meter = &mut self.meter;
        meter.loss += step.loss;
        meter.correct += step.correct;
        meter.images += step.images;
        meter.learning_rate = step.learning_rate;
        // Points do not reach over epochs, so that a run that goes on tells the same ones.
        if !step.step.is_multiple_of(meter.interval) && !step.last {
            return;
        }
        let images = meter.images.max(1) as f64;
        let (loss, accuracy) = (meter.loss / images, meter.correct as f64 / images);
        let (phase, epoch, learning_rate) = (meter.phase, step.epoch, step.learning_rate);
        let images_per_second = images / meter.since.elapsed().as_secs_f64().max(1e-9);
        let number = meter.offset + step.step as u64;
        meter.clear();
        self.attempt(|files| {
            let entry = Entry::Step { phase, epoch, loss, accuracy, learning_rate, images_per_second };
            files.lines.write(&Line { step: number, time: now(), entry })?;
            let scalars = [
                ("loss", loss),
                ("accuracy", accuracy),
                ("learning_rate", learning_rate),
                ("images_per_second", images_per_second),
            ];
            files.train.scalars(number, &scalars)?;
            if files.flushed.elapsed() >= FLUSH_INTERVAL { files.flush() } else { Ok(()) }
        });
    }

    /// An epoch has ended with these figures, after so many steps of its phase.
    pub(crate) fn epoch(&mut self, epoch: &Epoch, step: usize) {
        let number = self.meter.offset + step as u64;
        let entry = Entry::Epoch {
            phase: self.meter.phase,
            epoch: epoch.number,
            loss: epoch.loss,
            accuracy: epoch.accuracy,
            validation_loss: epoch.validation_loss,
            validation_accuracy: epoch.validation_accuracy,
            learning_rate: self.meter.learning_rate,
            seconds: epoch.seconds,
        };
        let scalars = [("loss", epoch.validation_loss), ("accuracy", epoch.validation_accuracy)];
        self.attempt(|files| {
            files.lines.write(&Line { step: number, time: now(), entry })?;
            files.validation.scalars(number, &scalars)?;
            files.flush()
        });
    }

    /// Hands to the system what was written.
    pub(crate) fn flush(&mut self) {
        self.attempt(Files::flush);
    }

    /// Why the log has ended early; once.
    pub(crate) fn take_warning(&mut self) -> Option<String> {
        self.warning.take()
    }

    fn attempt(&mut self, write: impl FnOnce(&mut Files) -> Result<()>) {
        let Some(files) = &mut self.files else { return };
        if let Err(error) = write(files) {
            self.warning = Some(format!("{error:#}; the log ends here, but the training goes on"));
            self.ended = true;
            self.files = None;
        }
    }
}

impl Files {
    fn flush(&mut self) -> Result<()> {
        self.flushed = Instant::now();
        self.lines.flush()?;
        self.train.flush()?;
        self.validation.flush()
    }
}

impl Meter {
    fn clear(&mut self) {
        (self.loss, self.correct, self.images, self.since) = (0.0, 0, 0, Instant::now());
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network;

    const CONFIG: &str = r#"
        name = "small"
        input = [6, 5, 1]
        layers = [{ type = "flatten" }, { type = "dense", units = 3 }]
    "#;

    fn log(directory: &Path, kept: Option<u64>) -> Log {
        let config = Config::parse(CONFIG, "small").unwrap();
        let data = Dataset {
            images: vec![200; 2 * 30],
            labels: vec![0, 1],
            height: 6,
            width: 5,
            classes: 3,
            source: "test".to_owned(),
        };
        let plan = network::plan(&config).unwrap();
        Log::new(
            directory.to_owned(),
            kept,
            Introduction::new(&plan, &config, &data, &data, directory).unwrap(),
        )
    }

    fn step(step: usize, last: bool) -> Step {
        Step { epoch: 1, step, last, loss: step as f64, correct: 1, images: 2, learning_rate: 0.1 }
    }

    fn epoch() -> Epoch {
        Epoch {
            integer: false,
            number: 1,
            loss: 0.5,
            accuracy: 0.5,
            validation_loss: 0.25,
            validation_accuracy: 0.75,
            seconds: 1.0,
        }
    }

    #[test]
    fn points_are_means_that_end_with_the_epoch() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(directory.path(), None);
        log.begin(Phase::Integers, 100, 3 * POINTS).unwrap();
        (1..=5).for_each(|number| log.step(&step(number, number == 5)));
        log.epoch(&epoch(), 5);
        let points =
            read(&directory.path().join(LINES)).unwrap().into_iter().filter_map(|line| match line.entry {
                Entry::Step { loss, accuracy, .. } => Some((line.step, loss, accuracy)),
                _ => None,
            });
        assert_eq!(points.collect::<Vec<_>>(), [(103, 1.0, 0.5), (105, 2.25, 0.5)]);
        assert_eq!(log.take_warning(), None);
    }

    #[test]
    fn nothing_is_written_before_there_is_something_to_tell() {
        let directory = tempfile::tempdir().unwrap();
        drop(log(directory.path(), Some(7)));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_ends_the_log_and_not_the_run() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(directory.path(), None);
        log.begin(Phase::Float, 0, 10).unwrap();
        log.files.as_mut().unwrap().lines = Lines::open(Path::new("/dev/full"), None).unwrap();
        log.step(&step(1, true));
        log.epoch(&epoch(), 1);
        let text = log.take_warning().unwrap();
        assert!(text.contains("/dev/full") && text.contains("the training goes on"), "{text}");
        log.epoch(&epoch(), 1);
        assert_eq!(log.take_warning(), None);
        log.begin(Phase::Integers, 10, 10).unwrap();

        let full = directory.path().join("full");
        std::fs::create_dir(&full).unwrap();
        std::os::unix::fs::symlink("/dev/full", full.join(LINES)).unwrap();
        let message = format!("{:#}", self::log(&full, Some(1)).begin(Phase::Float, 0, 10).unwrap_err());
        assert!(message.contains("--log-dir") && message.contains("device"), "{message}");
    }
}
