//! The directory of a run: its configuration, its checkpoint, and the trained network.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::export::Provenance;
use crate::files::{model_files, models_in, refuse_other_models, write_whole};
use crate::model::{FloatNetwork, QuantizedNetwork};

use super::checkpoint::{self, Checkpoint};
use super::origin::DATA;

const CONFIG: &str = "config.toml";
const CHECKPOINT: &str = "checkpoint.bin";
/// The networks of a finished run.
pub(crate) const TRAINED: &str = "trained.bin";
/// The figures of a finished run.
pub(crate) const RESULT: &str = "result.json";

/// A directory that belongs to one run.
#[derive(Clone, Debug)]
pub struct RunDirectory {
    path: PathBuf,
}

/// The directory of a run that has not begun: checked, but not touched before [`Destination::take`].
#[derive(Clone, Debug)]
pub struct Destination {
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    /// `runs/<name>-<n>`.
    Next(String),
    /// A directory of the user's choice, and the files that make room.
    Chosen(PathBuf, Vec<PathBuf>),
}

impl Destination {
    /// `runs/<name>-<n>` with the first `n` that is free.
    pub fn next(name: &str) -> Self {
        Self { place: Place::Next(name.to_owned()) }
    }

    /// A directory of the user's choice for a model called `name`; with `overwrite`, the run or the model
    /// of that name in it makes room.
    ///
    /// # Errors
    ///
    /// Where the directory holds a run or a model and `overwrite` is not set, or another model.
    pub fn chosen(path: &Path, name: &str, overwrite: bool) -> Result<Self> {
        let shown = path.display();
        ensure!(!path.exists() || path.is_dir(), "{shown}: expected a directory, found a file");
        let mut old = [CONFIG, CHECKPOINT, TRAINED, RESULT, DATA].map(|file| path.join(file)).to_vec();
        if let Ok((_, config)) = RunDirectory::open(path) {
            old.extend(model_files(path, &config.name));
        }
        // The card, and all of them where the name is the same, is twice among these.
        let own = model_files(path, name).into_iter().filter(|file| !old.contains(file)).collect::<Vec<_>>();
        old.extend(own);
        old.retain(|file| file.exists());
        if let (Some(file), false) = (old.first(), overwrite) {
            if holds_run(path)? {
                bail!(
                    "{}: a run is there already; continue it with --resume {shown}, replace it with --overwrite, or \
                     choose another --out",
                    file.display()
                );
            }
            bail!(
                "{}: a model is there already; choose another --out, or replace it with --overwrite",
                file.display()
            );
        }
        refuse_other_models(path, name, &old)?;
        Ok(Self { place: Place::Chosen(path.to_owned(), old) })
    }

    /// Removes what makes room, and makes the directory.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be made, or a file not be removed.
    pub fn take(self) -> Result<RunDirectory> {
        match self.place {
            Place::Next(name) => next(&name),
            Place::Chosen(path, old) => {
                fs::create_dir_all(&path)
                    .with_context(|| format!("cannot create the directory {}", path.display()))?;
                for file in &old {
                    fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
                }
                Ok(RunDirectory { path })
            }
        }
    }
}

fn next(name: &str) -> Result<RunDirectory> {
    fs::create_dir_all("runs").context("cannot create the directory runs")?;
    for number in 1.. {
        let path = Path::new("runs").join(format!("{name}-{number}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(RunDirectory { path }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot create {}", path.display()));
            }
        }
    }
    bail!("runs: no number is free")
}

/// Whether a run in this directory can be continued: it has a checkpoint, or ended within its first epoch
/// and so left nothing but its configuration.
fn holds_run(directory: &Path) -> Result<bool> {
    let has = |file: &str| directory.join(file).exists();
    Ok(has(CHECKPOINT) || (has(CONFIG) && !has(TRAINED) && models_in(directory)?.is_empty()))
}

impl RunDirectory {
    /// Whether a run was begun in `path`.
    pub fn is_at(path: &Path) -> bool {
        path.join(CONFIG).is_file()
    }

    /// A run that is to be continued, and its configuration.
    ///
    /// # Errors
    ///
    /// Where there is no run, or nothing of it to continue: to train on would replace its model.
    pub fn resume(path: &Path) -> Result<(Self, Config)> {
        let run = Self::open(path)?;
        let shown = path.display();
        ensure!(
            holds_run(path)?,
            "{shown} holds a model but no checkpoint to continue; start a new run with `trainer train \
             {shown}/{CONFIG}`"
        );
        refuse_other_models(path, &run.1.name, &[])?;
        Ok(run)
    }

    /// A run that was started earlier, and its configuration.
    ///
    /// # Errors
    ///
    /// Where there is no valid configuration.
    pub fn open(path: &Path) -> Result<(Self, Config)> {
        let file = path.join(CONFIG);
        let config = Config::read(&file)
            .with_context(|| format!("{}: expected the directory of a run", path.display()))?;
        Ok((Self { path: path.to_owned() }, config))
    }

    /// The directory at a path, whatever it holds.
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Saves the configuration, before any work.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn save_config(&self, config: &Config) -> Result<()> {
        write_whole(&self.path.join(CONFIG), config.to_toml()?.as_bytes())
    }

    pub(super) fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<()> {
        checkpoint::save(&self.path.join(CHECKPOINT), "checkpoint", checkpoint)
    }

    /// The last checkpoint; none where the run ended within its first epoch.
    pub(super) fn checkpoint(&self) -> Result<Option<Checkpoint>> {
        let path = self.path.join(CHECKPOINT);
        if !path.exists() {
            return Ok(None);
        }
        checkpoint::load(&path, "checkpoint").map(Some)
    }

    /// Saves the result of training, from which a model can be exported again.
    pub(super) fn save_trained(&self, trained: &Trained) -> Result<()> {
        checkpoint::save(&self.path.join(TRAINED), "network", trained)
    }
}

/// The result of training, as it is saved.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Trained {
    pub(super) float: FloatNetwork,
    pub(super) quantized: QuantizedNetwork,
    pub(super) config_toml: String,
    pub(super) seed: u64,
    pub(super) dataset: String,
    pub(super) tenfold_version: String,
}

/// The networks of a finished run, and where they come from.
///
/// # Errors
///
/// Where `directory` holds no finished run.
pub fn load_run(directory: &Path) -> Result<(FloatNetwork, QuantizedNetwork, Provenance)> {
    let path = directory.join(TRAINED);
    if !path.exists() && directory.join(CONFIG).exists() {
        let shown = directory.display();
        ensure!(
            holds_run(directory)?,
            "{shown} holds a model, but not the run that it comes from ({TRAINED})"
        );
        bail!("{shown}: the run is not finished; continue it with `trainer train --resume {shown}`");
    }
    let trained: Trained = checkpoint::load(&path, "network")
        .with_context(|| format!("{}: expected the directory of a run", directory.display()))?;
    let provenance = Provenance {
        config_toml: trained.config_toml,
        seed: trained.seed,
        dataset: trained.dataset,
        tenfold_version: trained.tenfold_version,
    };
    Ok((trained.float, trained.quantized, provenance))
}

/// Whether `out` is the directory of `run` itself.
///
/// # Errors
///
/// Where it is that of another run: an export into it would replace the configuration of that run.
pub fn is_own_directory(run: &Path, out: &Path) -> Result<bool> {
    if let (Ok(run), Ok(out)) = (run.canonicalize(), out.canonicalize())
        && run == out
    {
        return Ok(true);
    }
    let other = [CHECKPOINT, TRAINED].iter().map(|file| out.join(file)).find(|file| file.exists());
    if let Some(file) = other {
        bail!("{}: another run is there; choose another --out", file.display());
    }
    Ok(false)
}
