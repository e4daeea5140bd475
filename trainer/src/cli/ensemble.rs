//! `trainer ensemble`: the configuration of a network that is several trained ones.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::print;
use crate::config::{Config, Ensemble};
use crate::data::is_same_source;
use crate::network::{joined_layers, plan};
use crate::train::{RunDirectory, load_run};

/// Options of `trainer ensemble`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints a configuration. `trainer train` makes a model of it as of any other: the mean of the members' logits, in one
network whose convolutions are grouped, quantized and exported for a board. Members differ in nothing but their
seed, as the runs of `train --runs`, or in their recipes; their layers have to be the same.

Examples:
  trainer train micro --runs 3 --out runs/micro
  trainer ensemble runs/micro/seed-1 runs/micro/seed-2 runs/micro/seed-3 --name max > max.toml
  trainer train max.toml")]
pub(super) struct Args {
    /// Directories of finished runs.
    #[arg(value_name = "RUN_DIR", num_args = 2.., required = true)]
    runs: Vec<PathBuf>,

    /// Name of the model [default: that of the first run with `-ensemble`].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<()> {
    print(&configuration(args)?.to_toml()?)
}

fn configuration(args: &Args) -> Result<Config> {
    let members = args.runs.iter().map(|run| member(run)).collect::<Result<Vec<_>>>()?;
    let ((first, dataset), run) = (&members[0], args.runs[0].display());
    for ((other, images), path) in members.iter().zip(&args.runs).skip(1) {
        let shown = path.display();
        ensure!(
            other.layers == first.layers,
            "{shown}: its layers are not those of {run}; see `trainer summary {shown}`"
        );
        ensure!(
            (&other.data, other.pixels, other.input) == (&first.data, first.pixels, first.input),
            "{shown}: its images are prepared or divided in another way than those of {run}"
        );
        ensure!(
            is_same_source(images, dataset),
            "{shown}: it was trained on another data set ({images}) than {run} ({dataset})"
        );
    }
    let layers = joined_layers(first, members.len()).with_context(|| run.to_string())?;
    let mut config = Config {
        name: args.name.clone().unwrap_or_else(|| format!("{}-ensemble", first.name)),
        layers,
        distillation: None,
        ensemble: Some(Ensemble { runs: args.runs.clone(), sha256: Vec::new() }),
        ..first.clone()
    };
    config.pin()?;
    config.check()?;
    plan(&config).context("the ensemble")?;
    Ok(config)
}

/// The configuration of a finished run, and what it was trained on.
fn member(run: &Path) -> Result<(Config, String)> {
    let (_, _, provenance) = load_run(run)?;
    Ok((RunDirectory::open(run)?.1, provenance.dataset))
}
