//! `trainer summary`: the layers of a network, trained or not.

use std::path::Path;

use anyhow::{Context, Result, bail};
use tenfold_runtime::format::MAGIC;

use super::print;
use crate::engine::MAX_MODEL_BYTES;
use crate::files;
use crate::network::plan;
use crate::preset::{self, PRESETS};
use crate::report::Look;
use crate::summary::Summary;
use crate::train::{RunDirectory, load_run};

/// Options of `trainer summary`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A row is a layer as the runtime computes it: with its activation, and the max-pool that is fused into it.
The worst sum is what inputs and weights of so many bits could add up to; of a trained model, the largest
sum is what its own weights can. Both are in per cent of 2^24, below which f32 is exact.

Examples:
  trainer summary keras-cnn
  trainer summary my.toml --json
  trainer summary models/nano                    or a .postcard, or the directory of a run")]
pub(super) struct Args {
    /// Preset, TOML file, directory of a run or of a model, or .postcard file.
    #[arg(value_name = "PRESET|FILE|MODEL", default_value = PRESETS[0].name)]
    network: String,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<()> {
    let summary = summary(&args.network)?;
    print(&if args.json {
        serde_json::to_string(&summary)? + "\n"
    } else {
        summary.render(Look::of_stdout())
    })
}

fn summary(network: &str) -> Result<Summary> {
    let path = Path::new(network);
    if preset::find(network).is_some() {
        return of_config(network);
    }
    if path.is_dir() {
        return of_directory(path);
    }
    if path.extension().is_some_and(|extension| extension == "onnx") {
        bail!("an ONNX file does not say what a board needs; name the .postcard beside it");
    }
    if path.extension().is_some_and(|extension| extension == "postcard") || is_model(path) {
        return of_file(path);
    }
    of_config(network)
}

fn of_config(network: &str) -> Result<Summary> {
    let config = preset::resolve(network)?;
    plan(&config).and_then(|plan| Summary::of_plan(&plan)).with_context(|| network.to_owned())
}

fn of_file(path: &Path) -> Result<Summary> {
    Summary::of_file(&files::read(path, MAX_MODEL_BYTES)?).with_context(|| path.display().to_string())
}

/// A finished run, a model, or a run that is not finished: what is known of it.
fn of_directory(path: &Path) -> Result<Summary> {
    if let Ok((_, network, _)) = load_run(path) {
        return Summary::of_network(&network);
    }
    match files::model_of(path) {
        Ok(name) => of_file(&path.join(format!("{name}.postcard"))),
        Err(error) => match RunDirectory::open(path) {
            Ok((_, config)) => Summary::of_plan(&plan(&config)?),
            Err(_) => Err(error),
        },
    }
}

fn is_model(path: &Path) -> bool {
    path.is_file() && files::read(path, MAX_MODEL_BYTES).is_ok_and(|bytes| bytes.starts_with(&MAGIC))
}
