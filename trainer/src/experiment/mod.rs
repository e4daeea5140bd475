//! Runs as experiments: a configuration in, figures out, once or with several seeds.
//!
//! ```text
//! configuration, seed ----> train -> export -> verify -> result.json      one run
//! configuration, seeds ---> seed-1/, seed-2/, ...  -> mean and deviation  a group of runs
//! ```
//!
//! The figures of a run are those of its last epoch, or with early stopping of its best, on the whole test set; of a
//! group, those of all of its runs. Nothing is chosen.

mod candidate;
mod group;
mod result;
mod statistics;
mod validation;

pub use candidate::{Candidate, best, candidates};
pub use group::{Group, MAX_RUNS};
pub use result::RunResult;
pub use statistics::Spread;
pub use validation::{Probe, Score, Validated, validate};

use std::path::PathBuf;

use anyhow::Result;
use burn::tensor::Device;

use crate::config::{Config, Pixels};
use crate::data::{Dataset, Parts, Source};
use crate::export::{ExportOptions, Release, Released, golden, release};
use crate::network::Plan;
use crate::train::{Backend, Outcome, RunDirectory, Training};

/// The three sets of images of an experiment.
#[derive(Clone, Debug)]
pub struct Sets {
    /// What is learned.
    pub train: Dataset,
    /// What decisions are made on.
    pub validation: Dataset,
    /// The same as it is in the files, for those who distort it before it is prepared.
    pub raw_validation: Dataset,
    /// What the final figures are of.
    pub test: Dataset,
}

impl Sets {
    /// Loads all three, divided and prepared as the configuration says; the test set too, because a missing file should not cost a run.
    ///
    /// # Errors
    ///
    /// Where a file is missing or damaged, or images and network do not fit.
    pub fn load(source: &Source, config: &Config, plan: &Plan) -> Result<Self> {
        let source = source.clone().divided(config.data.division()).with_pixels(Pixels::Raw);
        let Parts { train, validation, test } = source.load_parts(plan.classes())?;
        let prepared = |set: Dataset| set.with_pixels(config.pixels);
        let sets = Self {
            train: prepared(train),
            raw_validation: validation.clone(),
            validation: prepared(validation),
            test: prepared(test),
        };
        sets.test.expect_size(plan.input.height, plan.input.width)?;
        golden::check(&sets.test)?;
        Ok(sets)
    }
}

/// Where to compute.
#[derive(Clone, Debug)]
pub struct Place {
    /// The kind of device.
    pub backend: Backend,
    /// The device itself, or several that share every batch.
    pub devices: Vec<Device>,
    /// Asked before every step of a run; where it says so, the run is saved and ends there
    /// ([`Training::interrupt_when`]).
    pub interrupted: fn() -> bool,
    /// Where each run logs, in a folder of its name; into its own directory where absent.
    pub logs: Option<PathBuf>,
}

impl Place {
    /// A run of `config` that is ready to start; nothing is written.
    ///
    /// # Errors
    ///
    /// Where network and data do not fit each other.
    pub fn training(&self, config: Config, sets: &Sets) -> Result<Training> {
        let (train, validation) = (sets.train.clone(), sets.validation.clone());
        let mut training = Training::new(config, train, validation, &self.devices, self.backend)?;
        training.interrupt_when(self.interrupted);
        if let Some(logs) = &self.logs {
            training.log_into(logs.clone());
        }
        Ok(training)
    }
}

/// What a run left.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The files of the model, and their verification.
    pub released: Released,
    /// The figures.
    pub result: RunResult,
}

/// Trains in `directory` from where its checkpoint is, exports, verifies with all test images of `sets`, and saves
/// the figures as `result.json`.
///
/// # Errors
///
/// Where training diverges, the network breaks a rule of the export, or a file cannot be written. A difference
/// between the files of the model is no error, but in the figures.
pub fn conduct(training: &Training, directory: &RunDirectory, sets: &Sets) -> Result<Finished> {
    let outcome = training.run(directory)?;
    let Outcome { float, quantized, provenance, history } = &outcome;
    let model = Release { float, quantized, provenance };
    let options = ExportOptions { own_directory: true, ..ExportOptions::default() };
    let released = release(directory.path(), &model, &options, &sets.test, true)?;
    let mut images = sets.raw_validation.clone();
    images.truncate(training.validation().len());
    let validation = validate(quantized, &images, training.config().pixels, &Probe::default())?;
    let result = RunResult::new(provenance.seed, history, &released.report, validation);
    result.save(directory.path())?;
    Ok(Finished { released, result })
}
