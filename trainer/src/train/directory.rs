//! The directory of a run: its configuration, its checkpoint, and the trained network.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::export::{Provenance, write_whole};
use crate::model::{FloatNetwork, QuantizedNetwork};

use super::checkpoint::{self, Checkpoint};

const CONFIG: &str = "config.toml";
const CHECKPOINT: &str = "checkpoint.bin";
const TRAINED: &str = "trained.bin";

/// A directory that belongs to one run.
#[derive(Clone, Debug)]
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// `runs/<name>-<n>` with the first `n` that is free.
    pub fn next(name: &str) -> Result<Self> {
        fs::create_dir_all("runs").context("cannot create the directory runs")?;
        for number in 1.. {
            let path = Path::new("runs").join(format!("{name}-{number}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot create {}", path.display()));
                }
            }
        }
        bail!("runs: no number is free")
    }

    /// A directory of the user's choice for a model called `name`. One that holds a run or another
    /// model is refused; `overwrite` removes the run, its model included.
    pub fn create(path: &Path, name: &str, overwrite: bool) -> Result<Self> {
        let shown = path.display();
        fs::create_dir_all(path).with_context(|| format!("cannot create the directory {shown}"))?;
        let old: Vec<PathBuf> = [CONFIG, CHECKPOINT, TRAINED]
            .iter()
            .map(|file| path.join(file))
            .filter(|file| file.exists())
            .collect();
        if let Some(file) = old.first() {
            ensure!(
                overwrite,
                "{}: a run is there already; continue it with --resume {shown}, replace it with --overwrite, or \
                 choose another --out",
                file.display()
            );
        }
        let model = Self::open(path).map(|(_, config)| model_files(path, &config.name)).unwrap_or_default();
        for file in model.iter().filter(|file| file.exists()).chain(&old) {
            fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        // Two models in one directory would be found out only when the new one is verified.
        let entries = fs::read_dir(path).with_context(|| format!("cannot read the directory {shown}"))?;
        let own = model_files(path, name);
        for entry in entries {
            let file = entry.with_context(|| format!("cannot read the directory {shown}"))?.path();
            let foreign =
                file.extension().is_some_and(|extension| extension == "postcard") && !own.contains(&file);
            ensure!(!foreign, "{}: another model is there already; choose another --out", file.display());
        }
        Ok(Self { path: path.to_owned() })
    }

    /// A run that was started earlier, and its configuration.
    pub fn open(path: &Path) -> Result<(Self, Config)> {
        let file = path.join(CONFIG);
        let text = fs::read_to_string(&file).with_context(|| {
            format!("{}: expected the directory of a run; cannot read {CONFIG}", path.display())
        })?;
        let config = Config::parse(&text, &file.display().to_string())?;
        Ok((Self { path: path.to_owned() }, config))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Saves the configuration, before any work.
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

/// The files of a model that a finished run has in its directory.
fn model_files(directory: &Path, name: &str) -> Vec<PathBuf> {
    let files = ["postcard", "golden.postcard", "onnx", "float.onnx"];
    let files = files.iter().map(|extension| directory.join(format!("{name}.{extension}")));
    files.chain([directory.join("CARD.md")]).collect()
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
pub fn load_run(directory: &Path) -> Result<(FloatNetwork, QuantizedNetwork, Provenance)> {
    let path = directory.join(TRAINED);
    if !path.exists() && directory.join(CONFIG).exists() {
        let directory = directory.display();
        bail!("{directory}: the run is not finished; continue it with `trainer train --resume {directory}`");
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
