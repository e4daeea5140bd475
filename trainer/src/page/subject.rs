//! What a page is about: a finished run, one that is still training, or the directory of a model.
//!
//! ```text
//! trained.bin ------------------------------> networks, configuration    a finished run
//! checkpoint.bin ---------------------------> networks so far, history   any run
//! log.jsonl --------------------------------> learning rate, loss by step
//! <name>.float.onnx, <name>.onnx (metadata) -> networks, configuration    a model without its run
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::import;
use crate::config::Config;
use crate::data::Part;
use crate::experiment::Group;
use crate::export::Provenance;
use crate::log::{self, Line};
use crate::model::{FloatNetwork, QuantizedNetwork};
use crate::network::{Plan, plan};
use crate::train::{self, Epoch};
use crate::verify::ModelFiles;

/// How much there is of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// All of it.
    Finished,
    /// A checkpoint.
    Training,
    /// The model that came of it.
    Model,
}

/// A run or a model, as far as it is there.
#[derive(Debug)]
pub struct Subject {
    pub(super) directory: PathBuf,
    pub(super) state: State,
    pub(super) plan: Plan,
    pub(super) provenance: Provenance,
    /// After the float epochs, or as far as these are.
    pub(super) float: FloatNetwork,
    /// Where there is one yet.
    pub(super) quantized: Option<QuantizedNetwork>,
    /// Every finished epoch; empty for a model.
    pub(super) history: Vec<Epoch>,
    pub(super) lines: Vec<Line>,
}

impl Subject {
    /// Opens the directory of a run or of a model; the log of the run is in `log`.
    ///
    /// # Errors
    ///
    /// Where there is neither a run with a finished epoch nor a whole model.
    pub fn open(directory: &Path, log: &Path) -> Result<Subject> {
        let shown = directory.display();
        ensure!(
            directory.is_dir(),
            "{shown}: expected the directory of a run or of a model, found {}",
            if directory.exists() { "a file" } else { "nothing" }
        );
        ensure!(
            !Group::is_at(directory),
            "{shown}: several runs are there; name one of them, as in {}",
            directory.join("seed-1").display()
        );
        let lines = log::read(&log.join(log::LINES))?;
        let mut history = Vec::new();
        let (state, float, quantized, provenance) = if train::is_finished(directory) {
            let (float, quantized, provenance) = train::load_run(directory)?;
            // The history alone is not worth an error, and the log has it, too.
            let run = train::interim(directory).ok().flatten();
            history = run.map_or_else(|| log::epochs(&lines), |run| run.history);
            (State::Finished, float, Some(quantized), provenance)
        } else if let Some(run) = train::interim(directory)? {
            history = run.history;
            (State::Training, run.float, run.quantized, run.provenance)
        } else {
            let files = ModelFiles::find(directory).with_context(|| {
                format!(
                    "{shown}: expected a run with at least one finished epoch (checkpoint.bin), or a model \
                     (NAME.postcard, NAME.onnx and NAME.float.onnx)"
                )
            })?;
            let (float, quantized, provenance) = import::networks(&files)?;
            (State::Model, float, Some(quantized), provenance)
        };
        let config = Config::parse(&provenance.config_toml, &format!("{shown}: the configuration"))?;
        Ok(Subject {
            directory: directory.to_owned(),
            state,
            plan: plan(&config)?,
            provenance,
            float,
            quantized,
            history,
            lines,
        })
    }

    /// The images that its figures are of. A run that is not finished has no business with the test set.
    pub(super) fn part(&self) -> Part {
        if self.state == State::Training { Part::Validation } else { Part::Test }
    }

    /// Number of classes.
    pub(super) fn classes(&self) -> usize {
        self.plan.classes()
    }
}
