//! Training, from a configuration to the two networks that are exported.
//!
//! ```text
//! float epochs -> fold batch norm -> choose exponents -> epochs with integers -> FloatNetwork,
//!      |                                                        |              QuantizedNetwork
//!      +----------- checkpoint after every epoch, --------------+
//!                   and where the run is interrupted
//! ```

mod backend;
mod checkpoint;
mod directory;
mod interim;
mod learner;
mod loader;
mod optimizer;
mod origin;
mod phase;
mod schedule;
mod speed;
mod teacher;
#[cfg(test)]
mod tests;
mod workers;

pub use backend::Backend;
pub use checkpoint::Epoch;
pub use directory::{Destination, RunDirectory, is_own_directory, load_run};
pub(crate) use directory::{RESULT, TRAINED};
pub use interim::{Interim, interim, is_finished};
pub use origin::{data_path, save_data_path};
pub use speed::TrainingSpeed;
pub(crate) use workers::Tally;

use core::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use burn::tensor::{Device, FloatDType};

use crate::config::{Config, Precision};
use crate::data::Dataset;
use crate::export::Provenance;
use crate::log::{Introduction, Log};
use crate::model::{FloatNetwork, QuantizedNetwork};
use crate::network::{Plan, Structure, fold, plan};
use crate::quantize::{calibrate, convert};

use checkpoint::{Checkpoint, Snapshot, State};
use directory::Trained;
use phase::{Phase, Progress};
use teacher::Teachers;
use workers::Workers;

/// A run that is about to start or to continue.
pub struct Training {
    config: Config,
    plan: Plan,
    train: Arc<Dataset>,
    validation: Arc<Dataset>,
    teachers: Option<Arc<Teachers>>,
    /// The members of an ensemble as one network, with which it begins.
    members: Option<FloatNetwork>,
    workers: Workers,
    /// Asked before every step; where it says so, the run ends there.
    interrupted: Box<dyn Fn() -> bool + Send + Sync>,
    logs: Option<PathBuf>,
}

/// A run was interrupted, and saved where it was.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted {
    /// Whether it was training the integer form.
    pub integer: bool,
    /// The epoch within its phase, from 1.
    pub epoch: usize,
    /// Steps of this epoch that are left.
    pub left: usize,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { integer, epoch, left } = self;
        let phase = if *integer { "integers" } else { "float" };
        write!(
            formatter,
            "interrupted {left} steps before the end of epoch {epoch} ({phase}), and saved there"
        )
    }
}

impl core::error::Error for Interrupted {}

/// A run went where there are no numbers, and always will.
#[derive(Clone, Copy, Debug)]
pub struct Diverged {
    /// The step within its phase, from 1.
    pub step: usize,
    /// The epoch within its phase, from 1.
    pub epoch: usize,
    /// The peak of the learning rate.
    pub learning_rate: f64,
}

impl fmt::Display for Diverged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, epoch, learning_rate } = self;
        write!(
            formatter,
            "the loss is no longer a number in step {step} of epoch {epoch}; a smaller learning rate \
             (now {learning_rate:?}) usually helps"
        )
    }
}

impl core::error::Error for Diverged {}

/// What a run leaves.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The network after the float epochs.
    pub float: FloatNetwork,
    /// The network in integers.
    pub quantized: QuantizedNetwork,
    /// Where it comes from.
    pub provenance: Provenance,
    /// The figures of all epochs.
    pub history: Vec<Epoch>,
}

impl Training {
    /// Checks that network and data fit each other, and loads the runs that it learns from or begins with; nothing
    /// is written. Each of several `devices` takes a
    /// part of every batch.
    ///
    /// # Errors
    ///
    /// Where they do not.
    pub fn new(
        mut config: Config,
        mut train: Dataset,
        mut validation: Dataset,
        devices: &[Device],
        backend: Backend,
    ) -> Result<Self> {
        let plan = plan(&config)?;
        config.pin()?;
        let teachers = match &config.distillation {
            Some(distillation) => {
                let teachers = Teachers::load(distillation, &config, &train.source, &plan, devices)?;
                Some(Arc::new(teachers))
            }
            None => None,
        };
        let members = config
            .ensemble
            .as_ref()
            .map(|ensemble| teacher::members(ensemble, &config, &train.source, &plan));
        let members = members.transpose()?;
        if config.training.precision == Precision::Mixed {
            check_mixed(devices, backend)?;
        }
        check_data(&plan, &train)?;
        check_data(&plan, &validation)?;
        if let Some(images) = config.training.images {
            train.truncate(images);
        }
        if let Some(steps) = config.training.max_steps {
            // A trial should not spend its time on validation.
            validation.truncate(steps.saturating_mul(config.training.batch_size));
        }
        ensure!(!train.is_empty() && !validation.is_empty(), "{}: no images", train.source);
        let workers = Workers::new(devices, config.training.shards, backend == Backend::Cpu)?;
        let (train, validation) = (Arc::new(train), Arc::new(validation));
        Ok(Self {
            config,
            plan,
            train,
            validation,
            teachers,
            members,
            workers,
            interrupted: Box::new(|| false),
            logs: None,
        })
    }

    /// Lets `interrupted` end the run: it is asked before every step, and where it says so, the run is saved
    /// and ends with [`Interrupted`]. Continued, it ends with the same bits as if nothing had happened.
    pub fn interrupt_when(&mut self, interrupted: impl Fn() -> bool + Send + Sync + 'static) {
        self.interrupted = Box::new(interrupted);
    }

    /// What the run is told.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What the images that are learned are, for provenance.
    pub fn dataset(&self) -> &str {
        &self.train.source
    }

    /// The images that decisions are made on, as far as they are used.
    pub fn validation(&self) -> &Dataset {
        &self.validation
    }

    /// Lets the run log into a folder of its name in `logs`, and not into its own directory.
    pub fn log_into(&mut self, logs: PathBuf) {
        self.logs = Some(logs);
    }

    /// Trains, from the last checkpoint of the directory if there is one, and saves the result there.
    ///
    /// # Errors
    ///
    /// Where the checkpoint is of another run, training diverges, a file cannot be written, or the run is
    /// interrupted ([`Interrupted`]).
    pub fn run(&self, directory: &RunDirectory) -> Result<Outcome> {
        self.run_observed(directory, &mut |_| Ok(()))
    }

    /// The same; `after` sees each checkpoint after it has been saved, and may end the run.
    fn run_observed(
        &self,
        directory: &RunDirectory,
        after: &mut dyn FnMut(&Checkpoint) -> Result<()>,
    ) -> Result<Outcome> {
        let mut checkpoint = self.start(directory)?;
        let progress = Progress::new(self, &checkpoint, self.log(directory, &checkpoint)?);

        let structure = Structure::float(&self.plan);
        let float = Phase::float(self);
        float.run(&structure, &progress, &mut checkpoint, &mut |checkpoint, state| {
            checkpoint.float = state;
            directory.save_checkpoint(checkpoint)?;
            after(checkpoint)
        })?;

        let Snapshot { parameters, statistics } = checkpoint.float.result();
        let folded = fold(&self.plan, &structure, parameters, statistics);
        let schemes = match &checkpoint.integer {
            Some((schemes, _)) => schemes.clone(),
            None => calibrate(&self.plan, &folded, &self.calibration_images())?,
        };
        let structure = Structure::integer(&self.plan, &schemes);
        if checkpoint.integer.is_none() {
            let parameters = structure.parameters_of(&folded);
            checkpoint.integer = Some((schemes.clone(), State::new(parameters, Vec::new())));
        }
        let integer = Phase::integer(self);
        integer.run(&structure, &progress, &mut checkpoint, &mut |checkpoint, state| {
            checkpoint.integer = Some((schemes.clone(), state));
            directory.save_checkpoint(checkpoint)?;
            after(checkpoint)
        })?;
        drop(progress);

        let tuned = match &checkpoint.integer {
            Some((_, state)) => fold(&self.plan, &structure, &state.result().parameters, &[]),
            None => folded.clone(),
        };
        let quantized = convert(&tuned, &schemes)?;
        let outcome = Outcome {
            float: folded,
            quantized,
            provenance: Provenance {
                config_toml: self.config.portable().to_toml()?,
                seed: self.config.seed,
                dataset: self.train.source.clone(),
                tenfold_version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            history: checkpoint.history,
        };
        save(directory, &outcome)?;
        Ok(outcome)
    }

    /// The log, which goes on where the checkpoint does.
    fn log(&self, directory: &RunDirectory, checkpoint: &Checkpoint) -> Result<Log> {
        let integer = checkpoint.integer.as_ref().map_or(0, |(_, state)| Phase::integer(self).done(state));
        let steps = Phase::float(self).done(&checkpoint.float) + integer;
        let kept = (steps > 0).then_some(steps as u64);
        // `.` has a name only where it is.
        let run = directory.path().canonicalize().unwrap_or_else(|_| directory.path().to_owned());
        let introduction = Introduction::new(&self.plan, &self.config, &self.train, &self.validation, &run)?;
        let place = match &self.logs {
            Some(logs) => logs.join(run.file_name().unwrap_or_default()),
            None => directory.path().to_owned(),
        };
        Ok(Log::new(place, kept, introduction))
    }

    /// The last checkpoint, or fresh parameters.
    fn start(&self, directory: &RunDirectory) -> Result<Checkpoint> {
        if let Some(checkpoint) = directory.checkpoint()? {
            ensure!(
                checkpoint.dataset == self.train.source,
                "{}: the run was started on {}, and cannot be continued on {}",
                directory.path().display(),
                checkpoint.dataset,
                self.train.source
            );
            self.check_config(directory, &checkpoint)?;
            // Of one configuration; another version of the trainer may still build it differently.
            let structure = Structure::float(&self.plan);
            ensure!(
                checkpoint.float.last.parameters.len() == structure.parameters
                    && checkpoint.float.last.statistics.len() == structure.statistics,
                "{}: the checkpoint has {} parameters, but the network of this version has {}; start a new run",
                directory.path().display(),
                checkpoint.float.last.parameters.len(),
                structure.parameters
            );
            return Ok(checkpoint);
        }
        directory.save_config(&self.config)?;
        let structure = Structure::float(&self.plan);
        let (parameters, statistics) = match &self.members {
            Some(members) => (structure.parameters_of(members), Vec::new()),
            None => structure.initial(self.config.seed),
        };
        Ok(Checkpoint {
            dataset: self.train.source.clone(),
            float: State::new(parameters, statistics),
            integer: None,
            history: Vec::new(),
            config_toml: self.config.to_toml()?,
        })
    }

    /// Half of a run with one recipe and half with another is neither, and its card would name
    /// only the second.
    fn check_config(&self, directory: &RunDirectory, checkpoint: &Checkpoint) -> Result<()> {
        let directory = directory.path().display();
        let begun = Config::parse(&checkpoint.config_toml, &format!("{directory}: the checkpoint"))?;
        if let Some(difference) = begun.difference(&self.config)? {
            bail!(
                "{directory}/config.toml was changed after the run was started: {difference}; undo the change, or \
                 start a new run with `trainer train {directory}/config.toml`"
            );
        }
        Ok(())
    }
}

impl Training {
    /// Some training images, spread over the whole set; not distorted.
    fn calibration_images(&self) -> Vec<&[u8]> {
        let wanted = self.config.quantization.calibration_images.min(self.train.len());
        (0..wanted).map(|i| self.train.image(i * self.train.len() / wanted)).collect()
    }
}

fn save(directory: &RunDirectory, outcome: &Outcome) -> Result<()> {
    let provenance = outcome.provenance.clone();
    directory.save_trained(&Trained {
        float: outcome.float.clone(),
        quantized: outcome.quantized.clone(),
        config_toml: provenance.config_toml,
        seed: provenance.seed,
        dataset: provenance.dataset,
        tenfold_version: provenance.tenfold_version,
    })
}

/// Refuses mixed precision where it would be full precision after all, or none.
fn check_mixed(devices: &[Device], backend: Backend) -> Result<()> {
    let able = |device: &Device| device.supports_dtype(FloatDType::BF16);
    ensure!(
        backend != Backend::Cpu && devices.iter().all(able),
        "[training] precision = \"mixed\": expected \"full\" where {}",
        if backend == Backend::Cpu {
            "the CPU computes (--backend cpu)"
        } else {
            "a device does not compute in bf16"
        }
    );
    Ok(())
}

/// Refuses data that the network has no input or no output for.
fn check_data(plan: &Plan, data: &Dataset) -> Result<()> {
    ensure!(
        plan.input.channels == 1,
        "input = [{}, {}, {}]: expected 1 channel, the grey levels of {}",
        plan.input.height,
        plan.input.width,
        plan.input.channels,
        data.source
    );
    data.expect_size(plan.input.height, plan.input.width)?;
    ensure!(
        data.classes <= plan.classes(),
        "{}: labels of {} classes, but the last dense layer has {} units",
        data.source,
        data.classes,
        plan.classes()
    );
    Ok(())
}
