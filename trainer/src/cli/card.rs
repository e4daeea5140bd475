//! `trainer card`: the card of a model, with everything that is to be said about it.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::print;
use super::source::{DataArgs, expect_own_set};
use crate::data::Part;
use crate::engine::Engine;
use crate::experiment::{Group, candidates};
use crate::export::card::{RunFigures, Sources, expect_config, write_card};
use crate::page::import;
use crate::verify::{DEFAULT_TOLERANCE_POINTS, ModelFiles};

/// Options of `trainer card`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Verifies the model with the test set, distorts the test set as `trainer robustness` does, and writes
CARD.md, card.json (the same figures, for programs) and misclassified.png beside the model. Instructions,
flash and RAM are those of docs/BENCHMARKS.md.

With --runs, the card has mean and standard deviation of the runs that the model was chosen from; a later
card of the same model file keeps them. `trainer export GROUP --out DIR` does all this by itself.

Examples:
  trainer card models/nano
  trainer card models/nano --runs runs/nano-7     as `trainer train nano --runs 5` left them")]
pub(super) struct Args {
    /// Directory of a model.
    #[arg(value_name = "MODEL_DIR")]
    model: PathBuf,

    /// Directory of the runs that the model was chosen from.
    #[arg(long, value_name = "GROUP_DIR")]
    runs: Option<PathBuf>,

    #[command(flatten)]
    data: DataArgs,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<()> {
    let shown = args.model.display();
    ensure!(
        args.model.is_dir(),
        "{shown}: expected the directory of a model, found {}",
        if args.model.exists() { "a file" } else { "nothing" }
    );
    let files = ModelFiles::find(&args.model)?;
    let engine = Engine::open(&files.postcard)?;
    let (_, _, provenance) = import::networks(&files)?;
    let runs = match &args.runs {
        Some(path) => {
            let group = Group::open(path)?;
            expect_config(&args.model, group.config())?;
            Some(candidates(&group)?.iter().map(RunFigures::of).collect())
        }
        None => None,
    };
    let (source, preparation) = args.data.open_raw_for(&args.model)?;
    expect_own_set(&args.model, &source, engine.classes(), &provenance.dataset)?;
    let test = source.load(Part::Test, engine.classes())?;
    let sources = Sources { directory: &args.model, test: &test, preparation, runs, report: None };
    let (written, report) = write_card(sources)?;
    let lines: String = written.iter().map(|path| format!("{}\n", path.display())).collect();
    print(&lines)?;
    report.check(DEFAULT_TOLERANCE_POINTS)
}
