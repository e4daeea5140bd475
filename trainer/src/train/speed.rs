//! How fast a recipe trains on this machine, and on what the time is spent.

use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

use crate::network::Structure;
use crate::report::{self, Align, Look, table, thousands};

use super::Training;
use super::checkpoint::{Snapshot, State};
use super::learner::Learner;
use super::phase::Phase;
use super::workers::{Batch, Spent};

/// The time that this process had processors, where the system tells.
#[cfg(unix)]
use cpu_time::ProcessTime as ProcessClock;
#[cfg(not(unix))]
use std::time::Instant as ProcessClock;

/// Steps before the measured ones.
const WARMUP: usize = 20;

/// What [`Training::speed`] measured. Seconds of processors count less of what else runs on the machine.
#[derive(Clone, Debug, Serialize)]
pub struct TrainingSpeed {
    /// Name of the network.
    pub network: String,
    /// Its parameters.
    pub parameters: usize,
    /// Images a step.
    pub batch: usize,
    /// Parts of a batch, each on a core of its own.
    pub shards: usize,
    /// Images that were measured.
    pub images: usize,
    /// Seconds that passed.
    pub seconds: f64,
    /// Seconds of processors.
    pub processor_seconds: f64,
    /// Images a second that passed.
    pub images_per_second: f64,
    /// Images a second of a processor.
    pub images_per_processor_second: f64,
    /// Share of reading and distorting images in the time of processors, 0 to 1.
    pub loading: f64,
    /// Share of forward and backward passes, 0 to 1.
    pub gradients: f64,
    /// Share of adding up gradients and of the optimizer, 0 to 1.
    pub update: f64,
}

impl TrainingSpeed {
    /// Text for the terminal.
    pub fn render(&self, look: Look) -> String {
        let share = |share: f64| format!("{:.1} %", 100.0 * share);
        let row = |what: &str, value: String| vec![what.to_owned(), value];
        let rows = [
            row("parameters", thousands(self.parameters as u64)),
            row("batch", format!("{} images in {} shards", self.batch, self.shards)),
            row("images/s", thousands(self.images_per_second.round() as u64)),
            row("images/s of a processor", thousands(self.images_per_processor_second.round() as u64)),
            row("loading and distortion", share(self.loading)),
            row("forward and backward", share(self.gradients)),
            row("optimizer", share(self.update)),
        ];
        table(look, &[(self.network.as_str(), Align::Left), ("", Align::Left)], &rows) + "\n"
    }
}

impl Training {
    /// Takes `steps` steps of the float phase, at its first learning rate, and forgets them.
    ///
    /// # Errors
    ///
    /// Where a training thread fails.
    pub fn speed(&self, steps: usize) -> Result<TrainingSpeed> {
        let structure = Structure::float(&self.plan);
        let task = Phase::float(self).task(&structure);
        let (parameters, statistics) = structure.initial(self.config.seed);
        let state = State { last: Snapshot { parameters, statistics }, ..State::default() };
        let options = &self.config.training;
        let mut learner = Learner::new(&structure, &state, options, self.workers.device())?;
        let size = options.batch_size.min(self.train.len());
        let bar = report::progress((size * (WARMUP + steps)) as u64, "images");
        let mut spent = Spent::default();
        let (mut clock, mut processors) = (Instant::now(), ProcessClock::now());
        for step in 0..WARMUP + steps {
            if step == WARMUP {
                spent = Spent::default();
                (clock, processors) = (Instant::now(), ProcessClock::now());
            }
            let indices = (step * size..(step + 1) * size).map(|index| index % self.train.len()).collect();
            let batch = Batch { indices, seed: self.config.seed, epoch: 0, step: step as u64 };
            let rate = options.learning_rate;
            let (_, part) = self.workers.timed_step(&task, &mut learner, &batch, None, rate)?;
            spent.loading += part.loading;
            spent.gradients += part.gradients;
            spent.update += part.update;
            bar.inc(size as u64);
        }
        let (seconds, processor_seconds) =
            (clock.elapsed().as_secs_f64(), processors.elapsed().as_secs_f64());
        bar.finish_and_clear();
        let total = (spent.loading + spent.gradients + spent.update).max(f64::MIN_POSITIVE);
        Ok(TrainingSpeed {
            network: self.plan.name.clone(),
            parameters: self.plan.parameters(),
            batch: size,
            shards: options.shards,
            images: steps * size,
            seconds,
            processor_seconds,
            images_per_second: (steps * size) as f64 / seconds.max(f64::MIN_POSITIVE),
            images_per_processor_second: (steps * size) as f64 / processor_seconds.max(f64::MIN_POSITIVE),
            loading: spent.loading / total,
            gradients: spent.gradients / total,
            update: spent.update / total,
        })
    }
}
