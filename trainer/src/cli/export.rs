//! `trainer export`: the files of a model from a finished training run.

use std::path::PathBuf;

use anyhow::Result;

use crate::data::{self, Part};
use crate::export::{ExportOptions, Release, release};
use crate::report::{Look, thousands};
use crate::train::load_run;
use crate::verify::DEFAULT_TOLERANCE_POINTS;

/// Options of `trainer export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes NAME.postcard, NAME.onnx and NAME.float.onnx, verifies them with the test set as
`trainer verify` does, and writes NAME.golden.postcard, CARD.md and config.toml.

Examples:
  trainer export runs/nano-1
  trainer export runs/nano-1 --out models/nano")]
pub(crate) struct ExportArgs {
    /// Directory of a finished training run.
    #[arg(value_name = "RUN_DIR")]
    run: PathBuf,

    /// Directory to write to [default: RUN_DIR].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Directory with the IDX files of the data set [default: the MNIST of the repository].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Export even if sums may leave the range in which f32 is exact; the card will say so.
    #[arg(long)]
    allow_inexact: bool,
}

pub(crate) fn run(args: &ExportArgs) -> Result<()> {
    let (float, quantized, provenance) = load_run(&args.run)?;
    let classes = quantized.layers.last().map_or(0, |layer| layer.output.channels);
    let data = args.data.clone().map_or_else(data::default_directory, Ok)?;
    let test = data::load_classes(&data, Part::Test, classes)?;

    let model = Release { float: &float, quantized: &quantized, provenance: &provenance };
    let options = ExportOptions { allow_inexact: args.allow_inexact };
    let out = args.out.as_ref().unwrap_or(&args.run);
    let released = release(out, &model, &options, &test, true)?;
    print!("{}", released.report.render(Look::of_stdout()));
    let exactness = &released.exported.exactness;
    if let Some(first) = exactness.inexact.first() {
        println!(
            "inexact: {} output channels may leave 2^24, the first is channel {} of `{}` with {}",
            exactness.inexact.len(),
            first.channel,
            first.layer,
            thousands(first.bound)
        );
    }
    let exported = &released.exported;
    for path in [&exported.postcard, &exported.onnx, &exported.float_onnx, &released.golden, &released.card] {
        println!("{}", path.display());
    }
    released.report.check(DEFAULT_TOLERANCE_POINTS)
}
