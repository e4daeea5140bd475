//! Finished runs that a run begins from or learns from: the sections `[distillation]` and `[ensemble]`.

use std::env::current_dir;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Config;
use crate::data::hexadecimal;
use crate::files::read;
use crate::train::TRAINED;

/// Largest file of a run's networks.
const MAX_BYTES: u64 = 1 << 30;

/// Most runs in a section.
const MAX_RUNS: usize = 64;
/// Largest temperature.
const MAX_TEMPERATURE: f64 = 100.0;

/// Teachers, whose answers a network learns beside the labels (Hinton et al. 2015).
///
/// The loss of an image is `(1 - share) * H(label, softmax(z)) + share * T^2 * H(p, softmax(z / T))`, where `H` is the
/// cross-entropy, `z` the logits, `T` the temperature, and `p` the mean of the teachers' `softmax(teacher / T)`, of
/// the same distorted image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distillation {
    /// Directories of the teachers: finished runs, of which the float networks teach.
    pub runs: Vec<PathBuf>,
    /// SHA-256 of what is in these directories; filled in before a run starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sha256: Vec<String>,
    /// Share of the teachers in the loss, 0 to 1.
    #[serde(default = "default_share")]
    pub share: f64,
    /// Temperature, 0.1 to 100: above 1, small probabilities count for more.
    #[serde(default = "default_temperature")]
    pub temperature: f64,
}

fn default_share() -> f64 {
    0.7
}

fn default_temperature() -> f64 {
    2.0
}

/// An ensemble: the mean of the logits of several trained networks, as one network whose convolutions are
/// grouped. It has no float epochs of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ensemble {
    /// Directories of the members: finished runs, whose float networks are joined.
    pub runs: Vec<PathBuf>,
    /// SHA-256 of what is in these directories; filled in before a run starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sha256: Vec<String>,
}

impl Distillation {
    /// The name of the section.
    const SECTION: &'static str = "distillation";

    /// By the runs in these directories.
    pub(crate) fn of(runs: Vec<PathBuf>) -> Self {
        Self { runs, sha256: Vec::new(), share: default_share(), temperature: default_temperature() }
    }

    pub(super) fn check(&self) -> Result<()> {
        check_count(Self::SECTION, &self.runs, &self.sha256, 1)?;
        ensure!(
            (0.0..=1.0).contains(&self.share),
            "[distillation] share = {:?}: expected 0 to 1",
            self.share
        );
        ensure!(
            (0.1..=MAX_TEMPERATURE).contains(&self.temperature),
            "[distillation] temperature = {:?}: expected 0.1 to {MAX_TEMPERATURE}",
            self.temperature
        );
        Ok(())
    }

    /// The SHA-256 of what is in the directories, which has to be what was noted.
    pub(super) fn digests(&self) -> Result<Vec<String>> {
        digests(Self::SECTION, &self.runs, &self.sha256)
    }
}

impl Ensemble {
    /// The name of the section.
    const SECTION: &'static str = "ensemble";

    pub(super) fn check(&self) -> Result<()> {
        check_count(Self::SECTION, &self.runs, &self.sha256, 2)
    }

    /// The SHA-256 of what is in the directories, which has to be what was noted.
    pub(super) fn digests(&self) -> Result<Vec<String>> {
        digests(Self::SECTION, &self.runs, &self.sha256)
    }
}

fn check_count(section: &str, runs: &[PathBuf], noted: &[String], least: usize) -> Result<()> {
    let (count, noted) = (runs.len(), noted.len());
    ensure!(
        (least..=MAX_RUNS).contains(&count),
        "[{section}] runs: expected {least} to {MAX_RUNS} directories of finished runs, found {count}"
    );
    ensure!(
        noted == 0 || noted == count,
        "[{section}] sha256: expected none, or one for each of the {count} runs; found {noted}"
    );
    Ok(())
}

/// What a run depends on has to stay what it was: runs are known by the SHA-256 of their networks, not by their
/// names alone.
fn digests(section: &str, runs: &[PathBuf], noted: &[String]) -> Result<Vec<String>> {
    let digest = |(index, run): (usize, &PathBuf)| -> Result<String> {
        let shown = run.display();
        let file = run.join(TRAINED);
        ensure!(
            file.is_file(),
            "[{section}] runs: {shown} holds no finished run ({TRAINED} is missing); train it first, or name another"
        );
        let found = hexadecimal(&Sha256::digest(read(&file, MAX_BYTES)?));
        if let Some(noted) = noted.get(index) {
            ensure!(
                *noted == found,
                "[{section}] runs: {shown} is not the run that it was: {TRAINED} has the SHA-256 {found}, expected \
                 {noted}; bring the old one back, or remove `sha256` to take this one"
            );
        }
        Ok(found)
    };
    runs.iter().enumerate().map(digest).collect()
}

impl Config {
    /// Notes which networks the run depends on, by their SHA-256; those that were noted before have to be the same. Their
    /// paths become absolute, so that the run goes on from any directory.
    ///
    /// # Errors
    ///
    /// Where a directory holds no finished run, or another one than was noted.
    pub fn pin(&mut self) -> Result<()> {
        if let Some(distillation) = &mut self.distillation {
            distillation.sha256 = distillation.digests()?;
            make_absolute(&mut distillation.runs);
        }
        if let Some(ensemble) = &mut self.ensemble {
            ensemble.sha256 = ensemble.digests()?;
            make_absolute(&mut ensemble.runs);
        }
        Ok(())
    }

    /// The configuration as it is published with a model: with the paths of the runs that it depends on from the
    /// working directory, or with their names alone, and not with where they lie on this machine. They are known by
    /// SHA-256.
    #[must_use]
    pub fn portable(&self) -> Self {
        let mut config = self.clone();
        let here = current_dir().unwrap_or_default();
        let teachers = config.distillation.iter_mut().flat_map(|distillation| &mut distillation.runs);
        for run in teachers.chain(config.ensemble.iter_mut().flat_map(|ensemble| &mut ensemble.runs)) {
            if run.is_absolute() {
                let name = || run.file_name().map_or_else(|| run.clone(), PathBuf::from);
                *run = run.strip_prefix(&here).map_or_else(|_| name(), Path::to_path_buf);
            }
        }
        config
    }

    /// The finished runs that the run depends on.
    pub fn dependencies(&self) -> impl Iterator<Item = &PathBuf> {
        let teachers = self.distillation.iter().flat_map(|distillation| &distillation.runs);
        teachers.chain(self.ensemble.iter().flat_map(|ensemble| &ensemble.runs))
    }
}

/// A path that is no Unicode has no place in a TOML file, and stays as it was given.
fn make_absolute(runs: &mut [PathBuf]) {
    for run in runs {
        if let Ok(whole) = absolute(&*run)
            && whole.to_str().is_some()
        {
            *run = whole;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use crate::config::Config;

    const NETWORK: &str = r#"
        name = "small"
        input = [28, 28, 1]
        layers = [{ type = "flatten" }, { type = "dense", units = 10 }]
    "#;

    fn parse(section: &str) -> anyhow::Result<Config> {
        Config::parse(&format!("{NETWORK}\n{section}"), "small")
    }

    #[test]
    fn sections_are_read_as_they_are_written() {
        let config = parse(
            "[distillation]\nruns = [\"runs/a\", \"b\"]\ntemperature = 3\n[ensemble]\nruns = [\"c\", \"d\"]",
        );
        let config = config.unwrap();
        let distillation = config.distillation.as_ref().unwrap();
        assert_eq!((distillation.share, distillation.temperature), (0.7, 3.0));
        assert_eq!(Config::parse(&config.to_toml().unwrap(), "again").unwrap(), config);
        let text = parse("").unwrap().to_toml().unwrap();
        assert!(!text.contains("distillation") && !text.contains("ensemble"), "{text}");
    }

    #[test]
    fn wrong_sections_are_named() {
        for (section, words) in [
            ("[distillation]\nruns = []", "[distillation] runs: expected 1 to 64"),
            ("[distillation]\nruns = [\"a\"]\nshare = 1.5", "share = 1.5: expected 0 to 1"),
            ("[distillation]\nruns = [\"a\"]\nshare = nan", "share = NaN"),
            ("[distillation]\nruns = [\"a\"]\ntemperature = 0", "temperature = 0.0"),
            (
                "[distillation]\nruns = [\"a\"]\nsha256 = [\"1\", \"2\"]",
                "one for each of the 1 runs; found 2",
            ),
            ("[distillation]\nteachers = [\"a\"]", "teachers"),
            ("[ensemble]\nruns = [\"a\"]", "[ensemble] runs: expected 2 to 64"),
        ] {
            let message = format!("{:#}", parse(section).unwrap_err());
            assert!(message.contains("small") && message.contains(words), "{message}\nexpected: {words}");
        }
    }

    #[test]
    fn what_a_run_depends_on_is_found_from_any_directory() {
        let directory = tempfile::tempdir_in(".").unwrap();
        let run = PathBuf::from(directory.path().file_name().unwrap());
        fs::write(run.join("trained.bin"), "one").unwrap();
        let mut config = parse("[distillation]\nruns = [\"a\"]\n[ensemble]\nruns = [\"b\", \"c\"]").unwrap();
        config.distillation.as_mut().unwrap().runs = vec![run.clone()];
        config.ensemble.as_mut().unwrap().runs = vec![run.clone(), run.clone()];
        config.pin().unwrap();
        let runs: Vec<_> = config.dependencies().collect();
        assert_eq!(runs.len(), 3);
        assert!(runs.iter().all(|path| path.is_absolute() && path.ends_with(&run)), "{runs:?}");
        assert_eq!(Config::parse(&config.to_toml().unwrap(), "again").unwrap(), config);
    }

    #[test]
    fn a_run_that_has_changed_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let run = directory.path().join("run");
        fs::create_dir(&run).unwrap();
        let mut config = parse("[distillation]\nruns = [\"a\"]").unwrap();
        config.distillation.as_mut().unwrap().runs = vec![run.clone()];
        let message = config.pin().unwrap_err().to_string();
        assert!(message.contains("no finished run"), "{message}");
        fs::write(run.join("trained.bin"), "one").unwrap();
        config.pin().unwrap();
        let noted = &config.distillation.as_ref().unwrap().sha256;
        assert_eq!(noted[0], "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
        config.pin().unwrap();
        fs::write(run.join("trained.bin"), "two").unwrap();
        let message = config.pin().unwrap_err().to_string();
        assert!(message.contains("7692c3ad") && message.contains("remove `sha256`"), "{message}");
    }
}
