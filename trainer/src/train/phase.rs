//! One phase of training: float, or with the board's integers.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::augment::{Augmenter, mix};
use crate::config;
use crate::network::{Structure, Values};
use crate::report;

use super::Training;
use super::checkpoint::{Checkpoint, Epoch, State};
use super::learner::{Batch, Learner, Tally, Task};
use super::schedule::Schedule;

/// The settings of a phase.
pub(super) struct Phase<'a> {
    training: &'a Training,
    integer: bool,
    epochs: usize,
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
}

impl<'a> Phase<'a> {
    /// Training with floats.
    pub(super) fn float(training: &'a Training) -> Self {
        let options = training.config.training.clone();
        Self { training, integer: false, epochs: options.epochs, options }
    }

    /// Fine-tuning with integers: no weight decay, which would only shrink weights below the grid
    /// that their exponents fix.
    pub(super) fn integer(training: &'a Training) -> Self {
        let quantization = &training.config.quantization;
        let options = config::Training {
            learning_rate: quantization.qat_learning_rate,
            weight_decay: 0.0,
            ..training.config.training.clone()
        };
        Self { training, integer: true, epochs: quantization.qat_epochs, options }
    }

    fn extent(&self) -> Extent {
        let images = self.training.train.len();
        let batch = self.options.batch_size.min(images);
        // What does not fill a batch waits for the next epoch, which shuffles anew.
        let per_epoch = images / batch;
        let steps = self.epochs.saturating_mul(per_epoch);
        Extent { steps: self.options.max_steps.unwrap_or(steps).min(steps), per_epoch, batch }
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
        let values =
            Values::new(state.parameters.clone(), state.statistics.clone(), self.training.workers.device());
        let mut learner = Learner::new(structure, values, &self.options);
        learner.restore(&state);
        let task = Arc::new(Task {
            structure: structure.clone(),
            images: self.training.train.clone(),
            augmenter: Augmenter::new(
                &self.training.config.augmentation,
                self.training.train.height,
                self.training.train.width,
            ),
            classes: self.training.plan.classes(),
            label_smoothing: self.options.label_smoothing,
        });
        let schedule = Schedule {
            peak: self.options.learning_rate,
            warmup: self.options.warmup_steps,
            steps: extent.steps,
        };
        for epoch in state.epochs..extent.epochs() {
            let started = Instant::now();
            progress.begin(self.integer, epoch, extent.epochs());
            let tally = self.epoch(&task, &mut learner, &schedule, extent, epoch, progress)?;
            let workers = &self.training.workers;
            let validation = workers.evaluate(structure, &learner.values, &self.training.validation)?;
            let figures = Epoch {
                integer: self.integer,
                number: epoch + 1,
                loss: tally.mean_loss(),
                accuracy: tally.accuracy(),
                validation_loss: validation.mean_loss(),
                validation_accuracy: validation.accuracy(),
                seconds: started.elapsed().as_secs_f64(),
            };
            progress.end(&figures, extent.epochs(), tally.images);
            checkpoint.history.push(figures);
            store(checkpoint, learner.save(epoch + 1)?)?;
        }
        Ok(())
    }

    fn epoch(
        &self,
        task: &Arc<Task>,
        learner: &mut Learner,
        schedule: &Schedule,
        extent: Extent,
        epoch: usize,
        progress: &Progress,
    ) -> Result<Tally> {
        // The phases see different distortions in epochs of the same number.
        let seed = mix(self.training.config.seed ^ (u64::from(self.integer) << 63));
        let mut order: Vec<usize> = (0..task.images.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(mix(seed ^ epoch as u64)));
        let mut total = Tally::default();
        let first = epoch * extent.per_epoch;
        let batches = order.chunks_exact(extent.batch).zip(first..extent.steps);
        for (indices, step) in batches {
            let batch = Batch { indices: indices.to_vec(), seed, epoch: epoch as u64, step: step as u64 };
            let rate = schedule.rate(step);
            let tally = self.training.workers.step(task, learner, &batch, rate)?;
            ensure!(
                tally.loss.is_finite(),
                "the loss is no longer a number in step {} of epoch {}; a smaller learning rate \
                 (now {:?}) usually helps",
                step + 1,
                epoch + 1,
                self.options.learning_rate
            );
            total.add(tally);
            progress.step(tally.images, &total);
        }
        Ok(total)
    }
}

/// The progress bar of a run, and one line an epoch.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Counts the images of all epochs that are still to come.
    pub(super) fn new(training: &Training, checkpoint: &Checkpoint) -> Self {
        let (float, integer) = (Phase::float(training).extent(), Phase::integer(training).extent());
        let tuned = checkpoint.integer.as_ref().map_or(0, |(_, state)| state.epochs);
        let done =
            |extent: Extent, epochs: usize| (epochs * extent.per_epoch).min(extent.steps) * extent.batch;
        let left = (float.images() - done(float, checkpoint.float.epochs))
            + (integer.images() - done(integer, tuned));
        Self { bar: report::progress(left as u64, "images") }
    }

    fn begin(&self, integer: bool, epoch: usize, epochs: usize) {
        let phase = if integer { "integers" } else { "float" };
        self.bar.set_prefix(format!("{phase} {}/{epochs}", epoch + 1));
    }

    fn step(&self, images: usize, total: &Tally) {
        let accuracy = total.accuracy() * 100.0;
        self.bar.set_message(format!("loss {:.4}, accuracy {accuracy:.2} %", total.mean_loss()));
        self.bar.inc(images as u64);
    }

    fn end(&self, epoch: &Epoch, epochs: usize, images: usize) {
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
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
