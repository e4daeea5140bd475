//! `trainer bench`: how fast this machine runs a model.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::source::DataArgs;
use crate::bench::bench;
use crate::data::Part;
use crate::engine::{BATCH, Engine};
use crate::report::Look;
use crate::verify::ModelFiles;

/// Options of `trainer bench`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Runs images through NAME.postcard, with each back end of the runtime that this processor can run, and
through NAME.onnx and NAME.float.onnx in tract, in turn. Prints images per second on one thread, and how
many times faster than tract on NAME.onnx that is. Fails where the runtime's logits are not those of
NAME.onnx.

A figure is of the fastest tenth of the batches; other work on the machine still lowers it.

Examples:
  trainer bench models/nano
  trainer bench runs/mine --seconds 10 --json")]
pub(crate) struct BenchArgs {
    /// Directory with NAME.postcard, NAME.onnx and NAME.float.onnx.
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    #[command(flatten)]
    data: DataArgs,

    /// Validation images to run over and over: whole batches of 32.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u64).range(BATCH as u64..))]
    images: u64,

    /// Time for each engine.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    seconds: f64,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    ensure!((0.0..=3600.0).contains(&args.seconds), "--seconds {}: expected 0 to 3600", args.seconds);
    let classes = Engine::open(&ModelFiles::find(&args.directory)?.postcard)?.classes();
    let mut images = args.data.open_for(&args.directory)?.load(Part::Validation, classes)?;
    images.truncate(usize::try_from(args.images).unwrap_or(usize::MAX));
    let speeds = bench(&args.directory, &images, args.seconds)?;
    if args.json {
        println!("{}", serde_json::to_string(&speeds)?);
    } else {
        print!("{}", speeds.render(Look::of_stdout()));
    }
    Ok(())
}
