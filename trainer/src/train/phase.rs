//! One phase of training: float, or with the board's integers.

use core::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::augment::{Augmenter, mix};
use crate::config;
use crate::log::{self, Log};
use crate::network::Structure;
use crate::report;

use super::checkpoint::{Best, Checkpoint, Epoch, Running, State};
use super::learner::{Learner, snapshot};
use super::schedule::Schedule;
use super::workers::{Batch, Tally, Task};
use super::{Diverged, Interrupted, Training};

/// The settings of a phase.
pub(super) struct Phase<'a> {
    training: &'a Training,
    integer: bool,
    options: config::Training,
}

/// How the steps of a phase fall into epochs.
#[derive(Clone, Copy)]
struct Extent {
    steps: usize,
    per_epoch: usize,
    batch: usize,
}

impl Extent {
    fn epochs(&self) -> usize {
        self.steps.div_ceil(self.per_epoch)
    }

    fn images(&self) -> usize {
        self.steps * self.batch
    }

    /// Steps that a state has had.
    fn done(&self, state: &State) -> usize {
        let running = state.running.map_or(0, |running| running.steps);
        (state.epochs * self.per_epoch + running).min(self.steps)
    }
}

impl<'a> Phase<'a> {
    /// Training with floats.
    pub(super) fn float(training: &'a Training) -> Self {
        let mut options = training.config.training.clone();
        if training.members.is_some() {
            // An ensemble begins with what its members have learned.
            (options.epochs, options.steps) = (Some(0), None);
        }
        Self { training, integer: false, options }
    }

    /// Fine-tuning with integers, always along a cosine, and without weight decay, which would only shrink
    /// weights below the grid that their exponents fix.
    pub(super) fn integer(training: &'a Training) -> Self {
        let quantization = &training.config.quantization;
        let options = config::Training {
            epochs: Some(quantization.qat_epochs),
            steps: None,
            learning_rate: quantization.qat_learning_rate,
            weight_decay: Some(0.0),
            schedule: config::Schedule::Cosine,
            ..training.config.training.clone()
        };
        Self { training, integer: true, options }
    }

    /// What all steps share.
    pub(super) fn task(&self, structure: &Structure) -> Arc<Task> {
        Arc::new(Task {
            structure: structure.clone(),
            images: self.training.train.clone(),
            augmenter: Augmenter::new(
                &self.training.config.augmentation,
                self.training.train.height,
                self.training.train.width,
            ),
            classes: self.training.plan.classes(),
            label_smoothing: self.options.label_smoothing,
            teachers: self.training.teachers.clone(),
        })
    }

    fn extent(&self) -> Extent {
        let images = self.training.train.len();
        let batch = self.options.batch_size.min(images);
        // What does not fill a batch waits for the next epoch, which shuffles anew.
        let per_epoch = images / batch;
        let of_epochs = self.options.epochs.unwrap_or(0).saturating_mul(per_epoch);
        let steps = self.options.steps.unwrap_or(of_epochs);
        Extent { steps: self.options.max_steps.unwrap_or(steps).min(steps), per_epoch, batch }
    }

    /// Steps that are finished in a state of this phase.
    pub(super) fn done(&self, state: &State) -> usize {
        self.extent().done(state)
    }

    /// Whether the phase has had its epochs without a better validation.
    fn is_exhausted(&self, best: Option<&Best>, epochs: usize) -> bool {
        let patience = self.options.early_stopping;
        patience > 0 && best.is_some_and(|best| epochs >= best.epoch + patience)
    }

    /// Runs the epochs that `checkpoint` does not have yet; `store` puts the state
    /// after each into it, and saves it.
    pub(super) fn run(
        &self,
        structure: &Structure,
        progress: &Progress,
        checkpoint: &mut Checkpoint,
        store: &mut dyn FnMut(&mut Checkpoint, State) -> Result<()>,
    ) -> Result<()> {
        let extent = self.extent();
        let state = match &checkpoint.integer {
            Some((_, state)) if self.integer => state.clone(),
            _ => checkpoint.float.clone(),
        };
        let workers = &self.training.workers;
        let mut learner = Learner::new(structure, &state, &self.options, workers.device())?;
        let task = self.task(structure);
        let schedule = Schedule::new(&self.options, extent.steps);
        let State { epochs, running, mut best, .. } = state;
        let mut running = running.unwrap_or_default();
        let before = if self.integer { Phase::float(self.training).done(&checkpoint.float) } else { 0 };
        for epoch in epochs..extent.epochs() {
            if let (true, Some(best)) = (self.is_exhausted(best.as_ref(), epoch), &best) {
                progress.stop(best, extent, epoch);
                break;
            }
            let started = Instant::now();
            progress.begin(self.integer, epoch, extent, before)?;
            let whole = self.epoch(&task, &mut learner, &schedule, extent, epoch, &mut running, progress)?;
            if !whole {
                running.seconds += started.elapsed().as_secs_f64();
                progress.log.borrow_mut().flush();
                store(checkpoint, State { epochs: epoch, running: Some(running), best, ..learner.save()? })?;
                let left = extent.per_epoch.min(extent.steps - epoch * extent.per_epoch) - running.steps;
                return Err(Interrupted { integer: self.integer, epoch: epoch + 1, left }.into());
            }
            let validation = workers.evaluate(structure, learner.result(), &self.training.validation)?;
            let Running { tally, seconds, .. } = core::mem::take(&mut running);
            let figures = Epoch {
                integer: self.integer,
                number: epoch + 1,
                loss: tally.mean_loss(),
                accuracy: tally.accuracy(),
                validation_loss: validation.mean_loss(),
                validation_accuracy: validation.accuracy(),
                seconds: seconds + started.elapsed().as_secs_f64(),
            };
            progress.end(&figures, extent, tally.images);
            let (accuracy, loss) = (validation.accuracy(), validation.mean_loss());
            if self.options.early_stopping > 0
                && best.as_ref().is_none_or(|best| best.is_worse_than(accuracy, loss))
            {
                let snapshot = snapshot(learner.result())?;
                best = Some(Best { epoch: epoch + 1, accuracy, loss, snapshot });
            }
            checkpoint.history.push(figures);
            store(checkpoint, State { epochs: epoch + 1, best: best.clone(), ..learner.save()? })?;
        }
        Ok(())
    }

    /// Takes the steps of an epoch that are not in `running` yet; whether all of them, or until the run was
    /// interrupted.
    #[expect(clippy::too_many_arguments, reason = "what the steps of a phase share, and no more")]
    fn epoch(
        &self,
        task: &Arc<Task>,
        learner: &mut Learner,
        schedule: &Schedule,
        extent: Extent,
        epoch: usize,
        running: &mut Running,
        progress: &Progress,
    ) -> Result<bool> {
        // The phases see different distortions in epochs of the same number.
        let seed = mix(self.training.config.seed ^ (u64::from(self.integer) << 63));
        let mut order: Vec<usize> = (0..task.images.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(mix(seed ^ epoch as u64)));
        let first = epoch * extent.per_epoch;
        let last = (first + extent.per_epoch).min(extent.steps);
        let batches = order.chunks_exact(extent.batch).zip(first..last).skip(running.steps);
        let batch = |(indices, step): (&[usize], usize)| Batch {
            indices: indices.to_vec(),
            seed,
            epoch: epoch as u64,
            step: step as u64,
        };
        let batches: Vec<Batch> = batches.map(batch).collect();
        let loader = self.training.workers.loader(task, &batches);
        for (step, batch) in (first + running.steps..).zip(&batches) {
            if (self.training.interrupted)() {
                return Ok(false);
            }
            let rate = schedule.rate(step);
            let tally = self.training.workers.step(task, learner, batch, loader.next()?, rate)?;
            if !tally.loss.is_finite() {
                let learning_rate = self.options.learning_rate;
                return Err(Diverged { step: step + 1, epoch: epoch + 1, learning_rate }.into());
            }
            running.steps += 1;
            running.tally.add(tally);
            let (epoch, step) = (epoch + 1, step + 1);
            progress.step(&running.tally, &log::Step::new(epoch, step, step == last, tally, rate));
        }
        Ok(true)
    }
}

/// The progress bar of a run, one line an epoch, and the log.
pub(super) struct Progress {
    bar: ProgressBar,
    log: RefCell<Log>,
}

impl Progress {
    /// Counts the images of all epochs that are still to come.
    pub(super) fn new(training: &Training, checkpoint: &Checkpoint, log: Log) -> Self {
        let (float, integer) = (Phase::float(training).extent(), Phase::integer(training).extent());
        let done = |extent: Extent, state: &State| extent.done(state) * extent.batch;
        let tuned = checkpoint.integer.as_ref().map_or(0, |(_, state)| done(integer, state));
        let left = (float.images() - done(float, &checkpoint.float)) + (integer.images() - tuned);
        Self { bar: report::progress(left as u64, "images"), log: RefCell::new(log) }
    }

    /// An epoch begins or goes on, `before` steps after the run did, but for those of its phase.
    fn begin(&self, integer: bool, epoch: usize, extent: Extent, before: usize) -> Result<()> {
        let phase = if integer { "integers" } else { "float" };
        self.bar.set_prefix(format!("{phase} {}/{}", epoch + 1, extent.epochs()));
        self.log.borrow_mut().begin(log::Phase::of(integer), before as u64, extent.steps)
    }

    fn step(&self, total: &Tally, step: &log::Step) {
        let accuracy = total.accuracy() * 100.0;
        self.bar.set_message(format!("loss {:.4}, accuracy {accuracy:.2} %", total.mean_loss()));
        self.bar.inc(step.images as u64);
        self.log.borrow_mut().step(step);
    }

    fn end(&self, epoch: &Epoch, extent: Extent, images: usize) {
        let epochs = extent.epochs();
        let phase = if epoch.integer { "integers" } else { "float" };
        let line = format!(
            "{phase:>8} epoch {:>2}/{epochs}: loss {:.4}, accuracy {:.2} %; validation loss {:.4}, \
             accuracy {:.2} %; {:.1} s, {:.0} images/s",
            epoch.number,
            epoch.loss,
            epoch.accuracy * 100.0,
            epoch.validation_loss,
            epoch.validation_accuracy * 100.0,
            epoch.seconds,
            images as f64 / epoch.seconds.max(1e-9)
        );
        self.bar.suspend(|| report::note(&line));
        let mut log = self.log.borrow_mut();
        log.epoch(epoch, (epoch.number * extent.per_epoch).min(extent.steps));
        if let Some(text) = log.take_warning() {
            self.bar.suspend(|| report::warn(&text));
        }
    }

    /// Tells that a phase ended before its time.
    fn stop(&self, best: &Best, extent: Extent, epochs: usize) {
        let left = (extent.steps - (epochs * extent.per_epoch).min(extent.steps)) * extent.batch;
        self.bar.dec_length(left as u64);
        let line = format!(
            "         no better validation than in epoch {}, {:.2} %, which is kept",
            best.epoch,
            best.accuracy * 100.0
        );
        self.bar.suspend(|| report::note(&line));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
