//! Several runs of one configuration, each with a seed of its own, in a directory of their own.
//!
//! ```text
//! <group>/runs.toml            how many, and the configuration with the first seed
//!         seed-1/, seed-2/     a run each; finished when it has its result.json
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::{Place, RunResult, Sets, conduct};
use crate::config::Config;
use crate::files::{read, write_whole};
use crate::report::note;
use crate::train::{Destination, RunDirectory};

/// Most runs of a group.
pub const MAX_RUNS: usize = 1000;

const GROUP: &str = "runs.toml";

/// Largest file that is read as a group.
const MAX_BYTES: u64 = 1 << 20;

/// Runs that differ in nothing but their seed.
#[derive(Clone, Debug)]
pub struct Group {
    path: PathBuf,
    config: Config,
    runs: usize,
}

/// The line of the file that is not of the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    runs: usize,
}

impl Group {
    /// Begins a group in `path`, else in `runs/<name>-<n>` with the first `n` that is free.
    ///
    /// # Errors
    ///
    /// Where the directory holds anything already, cannot be made, or there is no seed for every run.
    pub fn create(path: Option<&Path>, config: Config, runs: usize) -> Result<Self> {
        ensure!((1..=MAX_RUNS).contains(&runs), "runs = {runs}: expected 1 to {MAX_RUNS}");
        let group = Self { path: PathBuf::new(), config, runs };
        group.config_of(runs - 1)?;
        let path = match path {
            None => Destination::next(&group.config.name).take()?.path().to_owned(),
            Some(path) => {
                let shown = path.display();
                ensure!(
                    !Self::is_at(path),
                    "{shown}: a group of runs is there already; continue it with --resume {shown}, or choose another \
                     --out"
                );
                let occupied =
                    path.exists() && !fs::read_dir(path).is_ok_and(|mut files| files.next().is_none());
                ensure!(
                    !occupied,
                    "{shown}: expected an empty directory, or none, for several runs; choose another --out"
                );
                fs::create_dir_all(path).with_context(|| format!("cannot create the directory {shown}"))?;
                path.to_owned()
            }
        };
        let group = Self { path, ..group };
        group.save()?;
        Ok(group)
    }

    /// The group with another number of runs: of fewer, the first ones; of more, the group grows.
    ///
    /// # Errors
    ///
    /// Where there is no seed for every run, or the group cannot be saved.
    pub fn with_runs(self, runs: usize) -> Result<Self> {
        ensure!((1..=MAX_RUNS).contains(&runs), "runs = {runs}: expected 1 to {MAX_RUNS}");
        let grows = runs > self.runs;
        let group = Self { runs, ..self };
        group.config_of(runs - 1)?;
        if grows {
            group.save()?;
        }
        Ok(group)
    }

    fn save(&self) -> Result<()> {
        let text = format!("runs = {}\n{}", self.runs, self.config.to_toml()?);
        write_whole(&self.path.join(GROUP), text.as_bytes())
    }

    /// Whether a group of runs is in `path`.
    pub fn is_at(path: &Path) -> bool {
        path.join(GROUP).is_file()
    }

    /// The group in `path`.
    ///
    /// # Errors
    ///
    /// Where there is none, or its file is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let file = path.join(GROUP);
        let shown = file.display().to_string();
        let text = String::from_utf8(read(&file, MAX_BYTES)?)
            .with_context(|| format!("{shown}: expected the file of a group of runs, found no text"))?;
        // The rest is a configuration as any other.
        let (head, config) = text.split_once('\n').unwrap_or((&text, ""));
        let Ok(Head { runs }) = toml::from_str(head) else {
            bail!("{shown}: expected `runs = N` in the first line, found {head:?}");
        };
        ensure!((1..=MAX_RUNS).contains(&runs), "{shown}: runs = {runs}: expected 1 to {MAX_RUNS}");
        Ok(Self { path: path.to_owned(), config: Config::parse(config, &shown)?, runs })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration of the first run.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How many runs it has, finished or not.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// The configuration of run `index`, from 0.
    fn config_of(&self, index: usize) -> Result<Config> {
        let seed = self.config.seed.saturating_add(index as u64);
        let config = Config { seed, ..self.config.clone() };
        config.check().context("a seed for every run")?;
        Ok(config)
    }

    /// The directory of run `index`, from 0.
    pub fn run_path(&self, index: usize) -> PathBuf {
        self.path.join(format!("seed-{}", self.config.seed.saturating_add(index as u64)))
    }

    /// The figures of the runs that are finished, in the order of their seeds.
    ///
    /// # Errors
    ///
    /// Where a result cannot be read, or is of another configuration.
    pub fn results(&self) -> Result<Vec<RunResult>> {
        let mut results = Vec::new();
        for index in 0..self.runs {
            results.extend(self.result(index)?);
        }
        Ok(results)
    }

    fn result(&self, index: usize) -> Result<Option<RunResult>> {
        let path = self.run_path(index);
        let result = RunResult::load(&path)?;
        if result.is_some() {
            self.expect_config(index, &RunDirectory::open(&path)?.1)?;
        }
        Ok(result)
    }

    /// Runs with different recipes have no mean.
    fn expect_config(&self, index: usize, found: &Config) -> Result<()> {
        match self.config_of(index)?.difference(found)? {
            None => Ok(()),
            Some(difference) => bail!(
                "{}: not of this group any more: {difference}; undo the change, or start a new group",
                self.run_path(index).display()
            ),
        }
    }

    /// Trains what is not finished, one run after the other, each from its last checkpoint. `after` sees
    /// the figures of all runs whenever one more is finished.
    ///
    /// # Errors
    ///
    /// Those of [`conduct`], and where a run is of another configuration.
    pub fn run(
        &self,
        place: &Place,
        sets: &Sets,
        after: &mut dyn FnMut(&[RunResult]) -> Result<()>,
    ) -> Result<Vec<RunResult>> {
        let mut results = Vec::new();
        for index in 0..self.runs {
            if let Some(finished) = self.result(index)? {
                results.push(finished);
                continue;
            }
            results.push(self.run_one(index, place, sets)?);
            after(&results)?;
        }
        Ok(results)
    }

    fn run_one(&self, index: usize, place: &Place, sets: &Sets) -> Result<RunResult> {
        let (path, config) = (self.run_path(index), self.config_of(index)?);
        let directory = if RunDirectory::is_at(&path) {
            let (directory, found) = RunDirectory::open(&path)?;
            self.expect_config(index, &found)?;
            directory
        } else {
            Destination::chosen(&path, &config.name, false)?.take()?
        };
        note(&format!(
            "run {} of {}, seed {}: {}",
            index + 1,
            self.runs,
            config.seed,
            directory.path().display()
        ));
        // A group is a folder among the logs, too.
        let logs = place.logs.as_ref().map(|logs| logs.join(self.path.file_name().unwrap_or_default()));
        let training = Place { logs, ..place.clone() }.training(config, sets)?;
        Ok(conduct(&training, &directory, sets)?.result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        crate::preset::resolve("nano").unwrap()
    }

    #[test]
    fn a_group_is_read_back_and_has_a_seed_for_every_run() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("group");
        assert!(!Group::is_at(&path));
        let group = Group::create(Some(&path), Config { seed: 7, ..config() }, 3).unwrap();
        let again = Group::open(&path).unwrap();
        assert_eq!((again.runs(), again.config()), (3, group.config()));
        assert_eq!(again.run_path(2), path.join("seed-9"));
        assert_eq!(again.config_of(2).unwrap().seed, 9);
        assert_eq!(again.results().unwrap(), []);
        // It grows, and does not forget.
        assert_eq!(again.with_runs(5).unwrap().runs(), 5);
        assert_eq!(Group::open(&path).unwrap().with_runs(2).unwrap().runs(), 2);
        assert_eq!(Group::open(&path).unwrap().runs(), 5);
        let message = format!("{:#}", Group::create(Some(&path), config(), 3).unwrap_err());
        assert!(message.contains("--resume"), "{message}");
        let message = format!("{:#}", Group::create(Some(directory.path()), config(), 3).unwrap_err());
        assert!(message.contains("empty directory"), "{message}");
    }

    #[test]
    fn what_is_no_group_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("group");
        for (runs, seed) in [(0, 1), (MAX_RUNS + 1, 1), (2, i64::MAX as u64)] {
            assert!(Group::create(Some(&path), Config { seed, ..config() }, runs).is_err());
            assert!(!path.exists());
        }
        fs::create_dir(&path).unwrap();
        let text = config().to_toml().unwrap();
        for (head, word) in [("", "first line"), ("runs = 0", "1 to"), ("runs = -1", "first line")] {
            fs::write(path.join(GROUP), format!("{head}\n{text}")).unwrap();
            let message = format!("{:#}", Group::open(&path).unwrap_err());
            assert!(message.contains("runs.toml") && message.contains(word), "{message}");
        }
    }
}
