//! What is known of a row: read from the directories of its runs.

use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::rows::{Kind, Recipe, Row};
use super::votes::Votes;
use crate::baseline::Baseline;
use crate::config::Config;
use crate::engine::MAX_MODEL_BYTES;
use crate::experiment::{Group, RunResult, Spread};
use crate::files::{read, write_whole};
use crate::summary::Summary;

/// Largest file that is read as a result.
const MAX_BYTES: u64 = 1 << 16;

/// A line of the document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Name of the row.
    pub row: String,
    /// How it was trained.
    pub recipe: Recipe,
    /// What the authors report, in per cent.
    pub reported: Option<String>,
    /// Our float networks, in per cent; none where nothing was run.
    pub float: Option<Spread>,
    /// Our quantized networks, in per cent.
    pub quantized: Option<Spread>,
    /// Points by which the float mean is above what is reported.
    pub difference: Option<f64>,
    /// What the network takes.
    pub size: Option<Size>,
    /// Seconds of an epoch with floats, validation included: the mean of all.
    pub epoch_seconds: Option<f64>,
    /// Cores of the machine that these seconds are of.
    pub cores: Option<usize>,
    /// Runs that are finished.
    pub runs: usize,
    /// Runs that are wanted.
    pub wanted: usize,
    /// Finished runs whose quantized network equals its ONNX file in every value of every layer on the whole
    /// test set.
    pub exact: Option<usize>,
    /// Test images that the figures are of.
    pub images: u64,
    /// What runs it.
    pub command: String,
    /// The configuration of the first run, as TOML; none of what is no network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Whether the runs are of another recipe than the row has now.
    #[serde(skip)]
    pub is_outdated: bool,
}

/// What a network takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// Weights and biases.
    pub parameters: u64,
    /// Bytes of packed weights; none of what has no board.
    pub weight_bytes: Option<u64>,
    /// Multiply-accumulates.
    pub macs: Option<u64>,
    /// Bytes of scratch.
    pub scratch_bytes: Option<u64>,
    /// The largest sum of the first finished run, as a share of that below which `f32` is exact.
    pub largest_sum: Option<f64>,
}

impl Line {
    /// What the runs in `out` say of a row, whose first run has the configuration `config` now.
    ///
    /// # Errors
    ///
    /// Where a file in there is damaged.
    pub(super) fn read(
        row: &Row,
        recipe: Recipe,
        out: &Path,
        wanted: usize,
        config: Option<&Config>,
    ) -> Result<Self> {
        let mut line = Self {
            row: row.name.to_owned(),
            recipe,
            reported: row.reported.map(str::to_owned),
            float: None,
            quantized: None,
            difference: None,
            size: None,
            epoch_seconds: None,
            cores: None,
            runs: 0,
            wanted,
            exact: None,
            images: 0,
            command: command(row, recipe, wanted),
            config: config.map(Config::to_toml).transpose()?,
            is_outdated: false,
        };
        let path = out.join(row.directory(recipe));
        match row.kind {
            Kind::Network(_) if Group::is_at(&path) => line.add_runs(&Group::open(&path)?)?,
            Kind::Network(_) => {}
            Kind::Baseline(..) => {
                if let Some(baseline) = load::<Baseline>(&path)? {
                    line.add_baseline(&baseline);
                }
            }
            Kind::Vote(_) => {
                if let Some(votes) = load::<Votes>(&path)? {
                    line.runs = 1;
                    line.images = votes.quantized.images;
                    line.float = Spread::of([votes.float.percent()]);
                    line.quantized = Spread::of([votes.quantized.percent()]);
                }
            }
        }
        line.command = command(row, recipe, wanted.max(line.runs));
        line.difference = difference(line.float, row);
        Ok(line)
    }

    /// This row with what was measured in `earlier` runs of it.
    pub(super) fn with_figures_of(self, earlier: &Self) -> Self {
        let row = Row::named(&self.row);
        Self {
            reported: self.reported,
            difference: row.and_then(|row| difference(earlier.float, row)),
            command: row
                .map_or(self.command, |row| command(row, self.recipe, earlier.wanted.max(earlier.runs))),
            ..earlier.clone()
        }
    }

    fn add_runs(&mut self, group: &Group) -> Result<()> {
        let results = group.results()?;
        let spread = |of: fn(&RunResult) -> f64| Spread::of(results.iter().map(of));
        self.float = spread(RunResult::float);
        self.quantized = spread(RunResult::quantized);
        self.runs = results.len();
        if results.is_empty() {
            return Ok(());
        }
        self.config = Some(group.config().to_toml()?);
        self.exact = Some(results.iter().filter(|result| result.is_exact()).count());
        self.images = results.first().map_or(0, |result| result.images);
        let epochs: usize = results.iter().map(|result| result.float_epochs).sum();
        let seconds: f64 = results.iter().map(|result| result.float_seconds).sum();
        self.epoch_seconds = (epochs > 0).then(|| seconds / epochs as f64);
        self.cores = available_parallelism().ok().map(usize::from);
        if let Some(first) = results.first() {
            let run = group.path().join(format!("seed-{}", first.seed));
            let file = model_file(&run, &group.config().name, "postcard");
            let summary = Summary::of_file(&read(&file, MAX_MODEL_BYTES)?)
                .with_context(|| file.display().to_string())?;
            let sums = summary.layers.iter().filter_map(|layer| layer.largest_sum);
            let largest = sums.max().map(|sum| sum as f64 / summary.exact_below as f64);
            self.size = Some(Size {
                parameters: summary.parameters,
                weight_bytes: Some(summary.weight_bytes),
                macs: Some(summary.macs),
                scratch_bytes: Some(summary.scratch_bytes),
                largest_sum: largest,
            });
        }
        Ok(())
    }

    fn add_baseline(&mut self, baseline: &Baseline) {
        self.runs = 1;
        self.images = baseline.images;
        self.float = Spread::of([baseline.percent()]);
        self.size = Some(Size {
            parameters: baseline.parameters,
            weight_bytes: None,
            macs: None,
            scratch_bytes: None,
            largest_sum: None,
        });
    }
}

/// Points by which an accuracy is above what is reported of a row.
fn difference(float: Option<Spread>, row: &Row) -> Option<f64> {
    float.zip(row.goal).map(|(float, goal)| float.mean - goal)
}

/// A file of the model in the directory of a run.
pub(super) fn model_file(run: &Path, name: &str, extension: &str) -> PathBuf {
    run.join(format!("{name}.{extension}"))
}

/// The command that runs a row, whatever else was run.
fn command(row: &Row, recipe: Recipe, runs: usize) -> String {
    match (row.kind, recipe) {
        (Kind::Network(preset), Recipe::Authors) => format!("trainer train {preset} --runs {runs}"),
        (Kind::Baseline(method, scaled), _) => {
            format!("trainer baseline {method}{}", if scaled { " --scale" } else { "" })
        }
        (_, Recipe::Authors) => format!("trainer reproduce --only {} --recipe authors", row.name),
        (_, Recipe::Ours) => format!("trainer reproduce --only {} --recipe ours", row.name),
    }
}

const RESULT: &str = "result.json";

/// The result of what is no network; none where it was not run.
pub(super) fn load<T: DeserializeOwned>(directory: &Path) -> Result<Option<T>> {
    let path = directory.join(RESULT);
    if !path.exists() {
        return Ok(None);
    }
    serde_json::from_slice(&read(&path, MAX_BYTES)?).map(Some).with_context(|| {
        format!("{}: not a result of this version; delete it, and it is computed again", path.display())
    })
}

/// Saves the result of what is no network.
pub(super) fn save(directory: &Path, value: &impl Serialize) -> Result<()> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot create the directory {}", directory.display()))?;
    let text = serde_json::to_string_pretty(value).context("writing a result")? + "\n";
    write_whole(&directory.join(RESULT), text.as_bytes())
}
