//! What a run has come to, finished or not, for those who only look.

use std::path::Path;

use anyhow::Result;

use crate::config::Config;
use crate::export::Provenance;
use crate::model::{FloatNetwork, QuantizedNetwork};
use crate::network::{Structure, fold, plan};
use crate::quantize::convert;

use super::checkpoint::{Epoch, Snapshot};
use super::directory::{RunDirectory, TRAINED};

/// The networks as of the last checkpoint of a run.
#[derive(Clone, Debug)]
pub struct Interim {
    /// Every finished epoch.
    pub history: Vec<Epoch>,
    /// As far as the float epochs are.
    pub float: FloatNetwork,
    /// As far as the epochs with integers are; absent before the first.
    pub quantized: Option<QuantizedNetwork>,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// Whether the directory holds the result of a run.
pub fn is_finished(directory: &Path) -> bool {
    directory.join(TRAINED).is_file()
}

/// What the checkpoint in a directory holds; nothing where there is none.
///
/// # Errors
///
/// Where it is damaged, or of another version of the trainer.
pub fn interim(directory: &Path) -> Result<Option<Interim>> {
    let Some(checkpoint) = RunDirectory::at(directory).checkpoint()? else { return Ok(None) };
    let origin = format!("{}: the checkpoint", directory.display());
    let config = Config::parse(&checkpoint.config_toml, &origin)?;
    let plan = plan(&config)?;
    let structure = Structure::float(&plan);
    let Snapshot { parameters, statistics } = checkpoint.float.result();
    let float = fold(&plan, &structure, parameters, statistics);
    let quantized = match &checkpoint.integer {
        Some((schemes, state)) => {
            let structure = Structure::integer(&plan, schemes);
            Some(convert(&fold(&plan, &structure, &state.result().parameters, &[]), schemes)?)
        }
        None => None,
    };
    Ok(Some(Interim {
        history: checkpoint.history,
        float,
        quantized,
        provenance: Provenance {
            config_toml: checkpoint.config_toml,
            seed: config.seed,
            dataset: checkpoint.dataset,
            tenfold_version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    }))
}
