//! Everything that others report of MNIST, trained again: one command, one table.
//!
//! ```text
//! rows x recipes --cheapest first--> group of runs in <out>/<row>[-ours]/ --after every run--> RESULTS.md
//!                                                                 results.json, the record <--+
//! ```
//!
//! What is finished is in the directories of the runs: a run that has its `result.json` is not run again, and
//! one that was interrupted goes on where it was saved. The table is read from what is there; of rows whose
//! runs are on another machine, or deleted, the record of earlier lines keeps the figures. So the work can be
//! done in pieces, and on several machines.

mod document;
mod line;
mod record;
mod rows;
mod votes;

pub use line::{Line, Size};
pub use rows::{Kind, ROWS, Recipe, Row};

use core::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};

use self::line::{load, save};
use self::rows::VOTERS;
use self::votes::Votes;
use crate::baseline::{self, Baseline};
use crate::config::Config;
use crate::data::{self, Part, Source};
use crate::experiment::{Group, Place, Sets};
use crate::files::write_whole;
use crate::network::plan;
use crate::report::note;
use crate::summary::Summary;
use crate::train::Interrupted;

/// What is to be run, and where its results go.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names of rows; all where it is empty.
    pub only: Vec<String>,
    /// The recipes.
    pub recipes: Vec<Recipe>,
    /// Runs of every row; those of the row where absent.
    pub runs: Option<usize>,
    /// A trial: three steps of training, and few images.
    pub quick: bool,
    /// Directory of all runs.
    pub out: PathBuf,
    /// The document.
    pub document: PathBuf,
    /// The lines of the document with all their figures, from which those of earlier runs are kept; of a
    /// trial, nothing is kept.
    pub record: PathBuf,
    /// Run nothing: only write the document.
    pub table: bool,
}

impl Options {
    fn wants(&self, row: &Row, recipe: Recipe) -> bool {
        (self.only.is_empty() || self.only.iter().any(|name| name == row.name))
            && self.recipes.contains(&recipe)
    }
}

/// The work was interrupted between two rows; what is finished is saved.
#[derive(Clone, Copy, Debug)]
pub struct Stopped {
    /// Rows that were not begun.
    pub left: usize,
}

impl fmt::Display for Stopped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "interrupted between two rows, {} of them left; the others are saved", self.left)
    }
}

impl core::error::Error for Stopped {}

/// Digits.
const CLASSES: usize = 10;
/// Steps of each phase in a trial.
const QUICK_STEPS: usize = 3;
/// Training images of a trial.
const QUICK_IMAGES: usize = 1_000;
/// Test images of a trial.
const QUICK_TEST_IMAGES: usize = 100;

/// A row with a recipe.
struct Job {
    row: &'static Row,
    recipe: Recipe,
    runs: usize,
    /// Of the first run; none of what is no network.
    config: Option<Config>,
    /// Multiply-accumulates of all training: what it takes, roughly.
    cost: f64,
}

/// Runs what is not finished, the cheapest first, and writes the document after every run. A row that fails is
/// told, and the others go on.
///
/// # Errors
///
/// Where a row is unknown or its runs are of another recipe, before anything is run; where a file cannot be
/// written; where the work is interrupted ([`Interrupted`], or [`Stopped`] between two rows); and at the end where a row
/// failed.
pub fn reproduce(options: &Options, place: &Place, source: &Path) -> Result<Vec<Line>> {
    for name in &options.only {
        let names = || ROWS.map(|row| row.name).join(", ");
        ensure!(
            Row::named(name).is_some(),
            "--only {name}: there is no such row; expected one of {}",
            names()
        );
    }
    let all = jobs(options)?;
    std::fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot create the directory {}", options.out.display()))?;
    let chosen = |job: &&Job| !options.table && options.wants(job.row, job.recipe);
    let mut wanted: Vec<&Job> = all.iter().filter(chosen).collect();
    wanted.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    // Before the work: a document that cannot be written should not cost it.
    write_document(&all, options)?;
    let mut failures = Vec::new();
    // Only a network looks for an interrupt while it works.
    let go_on = |left: usize| match (place.interrupted)() {
        true => Err(anyhow!(Stopped { left })),
        false => Ok(()),
    };
    for (number, job) in wanted.iter().enumerate() {
        go_on(wanted.len() - number)?;
        note(&format!("{} ({} of {})", job.row.directory(job.recipe), number + 1, wanted.len()));
        let done = job.run(options, place, source, &mut || write_document(&all, options));
        if let Err(error) = done {
            if error.is::<Interrupted>() {
                return Err(error);
            }
            let error = error.context(job.row.directory(job.recipe));
            note(&format!("failed: {error:#}"));
            failures.push(error);
        }
    }
    if !wanted.is_empty() {
        go_on(0)?;
    }
    let lines = write_document(&all, options)?;
    match failures.len() {
        0 => Ok(lines),
        1 => Err(failures.remove(0)),
        count => bail!(
            "{count} rows failed: {}",
            failures.iter().map(|e| format!("{e:#}")).collect::<Vec<_>>().join("; ")
        ),
    }
}

/// All rows with all of their recipes, in the order of the table.
fn jobs(options: &Options) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for row in &ROWS {
        for recipe in row.recipes() {
            let mut config = row.config(*recipe)?;
            if let (Some(config), true) = (&mut config, options.quick) {
                shorten(config);
            }
            // What the user says holds for what is run.
            let said = options.runs.filter(|_| options.wants(row, *recipe));
            let runs = match row.kind {
                Kind::Network(_) if options.quick => said.unwrap_or(if is_voter(row) { VOTERS } else { 1 }),
                Kind::Network(_) => said.unwrap_or(row.runs),
                Kind::Baseline(..) | Kind::Vote(_) => 1,
            };
            let cost = match (&config, row.kind) {
                (Some(config), _) => cost(config)? * runs as f64,
                // A vote waits for those who vote.
                (None, Kind::Vote(_)) => f64::INFINITY,
                (None, _) => 0.0,
            };
            jobs.push(Job { row, recipe: *recipe, runs, config, cost });
        }
    }
    Ok(jobs)
}

/// Whether runs of the row vote in another.
fn is_voter(row: &Row) -> bool {
    ROWS.iter().any(|other| other.kind == Kind::Vote(row.name))
}

fn shorten(config: &mut Config) {
    config.training.max_steps = Some(QUICK_STEPS);
    config.training.images = Some(QUICK_IMAGES);
    config.quantization.calibration_images = 32;
}

/// Multiply-accumulates of the training of a configuration.
fn cost(config: &Config) -> Result<f64> {
    const TRAINING_IMAGES: usize = 55_000;
    let macs = Summary::of_plan(&plan(config)?)?.macs as f64;
    let training = &config.training;
    let epoch = training.images.unwrap_or(TRAINING_IMAGES) as f64;
    let images = match (training.steps, training.epochs) {
        (Some(steps), _) => steps as f64 * training.batch_size as f64,
        (None, epochs) => epochs.unwrap_or(1) as f64 * epoch,
    };
    Ok(macs * images)
}

impl Job {
    fn run(
        &self,
        options: &Options,
        place: &Place,
        source: &Path,
        after: &mut dyn FnMut() -> Result<Vec<Line>>,
    ) -> Result<()> {
        let path = options.out.join(self.row.directory(self.recipe));
        match (self.row.kind, &self.config) {
            (Kind::Network(_), Some(config)) => {
                self.run_network(&path, config, options, place, source, after)?
            }
            (Kind::Network(preset), None) => bail!("preset {preset}: no configuration"),
            (Kind::Baseline(method, scale), _) => {
                if load::<Baseline>(&path)?.is_none() {
                    let set = |part| data::load(source, part);
                    let (mut train, validation) = (set(Part::Train)?, set(Part::Validation)?);
                    let mut test = set(Part::Test)?;
                    let mut settings = baseline::Options { scale, ..baseline::Options::default() };
                    if options.quick {
                        train.truncate(QUICK_IMAGES);
                        test.truncate(QUICK_TEST_IMAGES);
                        settings.epochs = 1;
                    }
                    save(&path, &baseline::fit(method, &settings, &train, &validation, &test)?)?;
                }
            }
            (Kind::Vote(of), _) => {
                let of = Row::named(of).ok_or_else(|| anyhow!("{of}: no such row"))?;
                self.run_vote(&path, of, options, source)?;
            }
        }
        after().map(drop)
    }

    /// Has runs of the row `of` vote, unless they have voted already. Who asks for this row gets it or is told why not;
    /// among all rows, it may be early.
    fn run_vote(&self, path: &Path, of: &Row, options: &Options, source: &Path) -> Result<()> {
        let known = load::<Votes>(path)?;
        let directory = options.out.join(of.directory(self.recipe));
        let group = Group::is_at(&directory).then(|| Group::open(&directory)).transpose()?;
        let voters = group.as_ref().map(votes::voters).transpose()?.flatten();
        let (Some(group), Some(voters)) = (group, voters) else {
            let few = format!("{}: too few finished runs of {} to vote, of {VOTERS}", self.row.name, of.name);
            ensure!(
                known.is_some() || options.only.is_empty(),
                "{few}; run them too, with `--only {} --runs {VOTERS}`",
                of.name
            );
            if known.is_none() {
                note(&few);
            }
            return Ok(());
        };
        if known.is_some_and(|votes| votes.sha256 == voters.sha256) {
            return Ok(());
        }
        let source = Source::open(source, group.config().data.division())?;
        let mut test = source.load(Part::Test, CLASSES)?;
        if options.quick {
            test.truncate(QUICK_TEST_IMAGES);
        }
        save(path, &votes::votes(&group, voters, &test)?)
    }

    fn run_network(
        &self,
        path: &Path,
        config: &Config,
        options: &Options,
        place: &Place,
        source: &Path,
        after: &mut dyn FnMut() -> Result<Vec<Line>>,
    ) -> Result<()> {
        let group = if Group::is_at(path) {
            let group = Group::open(path)?;
            if let Some(difference) = group.config().difference(config)? {
                bail!(
                    "{}: its runs are of another recipe: {difference}; delete it, or choose another --out",
                    path.display()
                );
            }
            group.with_runs(self.runs)?
        } else {
            Group::create(Some(path), config.clone(), self.runs)?
        };
        if group.results()?.len() == group.runs() {
            return Ok(());
        }
        let source = Source::open(source, config.data.division())?;
        let mut sets = Sets::load(&source, config, &plan(config)?)?;
        if options.quick {
            sets.test.truncate(QUICK_TEST_IMAGES);
        }
        group.run(place, &sets, &mut |_| after().map(drop)).map(drop)
    }
}

/// The lines of all rows, in the document and in the record; which is read each time, since others may have
/// added to it.
fn write_document(jobs: &[Job], options: &Options) -> Result<Vec<Line>> {
    let recorded = if options.quick { Vec::new() } else { record::load(&options.record)? };
    let lines = jobs
        .iter()
        .map(|job| {
            let config = job.config.as_ref();
            let here = Line::read(job.row, job.recipe, &options.out, job.runs, config)?;
            Ok(record::choose(here, &recorded, config))
        })
        .collect::<Result<Vec<_>>>()?;
    record::save(&options.record, &lines)?;
    write_whole(&options.document, document::render(&lines, options.quick).as_bytes())?;
    Ok(lines)
}
