//! `trainer robustness`: how good a model is on distorted test images, with and without `ink`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;

use super::source::DataArgs;
use super::{model, print};
use crate::data::Part;
use crate::report::{Look, progress, thousands};
use crate::robustness::{Distortion, measure, work};

/// Options of `trainer robustness`.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(super) struct Args {
    /// Model: a .postcard or .onnx file, or the directory of a model.
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// Images to distort.
    #[arg(long, value_enum, default_value_t = Part::Test, value_name = "SET")]
    set: Part,

    #[command(flatten)]
    data: DataArgs,

    /// Distort the first N images only.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// Only this kind of image; more than once for several [default: all].
    #[arg(long, value_enum, value_name = "KIND")]
    only: Vec<Distortion>,

    /// What is drawn comes from this seed and the image's number.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

fn after_help() -> String {
    let kinds: String =
        Distortion::ALL.iter().map(|kind| format!("  {kind:<13} {}\n", kind.what())).collect();
    format!(
        "\
Every image is distorted in each of these ways, and shown to the model as it is, and through `ink`,
which a board uses on what its camera sees (28x28 only). Pixels are 0 (ground) to 255 (ink):
{kinds}
A .postcard runs in the runtime, as on a board; an .onnx runs in tract.

Examples:
  trainer robustness models/nano
  trainer robustness models/nano --set validation --seed 2
  trainer robustness models/nano --only plain --only low-contrast
  trainer robustness runs/mine/mine.onnx --limit 1000 --json"
    )
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<()> {
    let engine = model::open(&args.model)?;
    args.data.refuse_other_split(&args.model, args.set)?;
    let (source, preparation) = args.data.open_raw_for(&args.model)?;
    let mut dataset = source.load(args.set, engine.classes())?;
    dataset.expect_size(engine.input().height, engine.input().width)?;
    if let Some(limit) = args.limit {
        dataset.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let kinds: Vec<Distortion> =
        Distortion::ALL.into_iter().filter(|kind| args.only.is_empty() || args.only.contains(kind)).collect();
    let bar = progress(work(&engine, &dataset, &kinds) as u64, "steps");
    bar.set_prefix("robustness");
    let robustness =
        measure(&engine, &dataset, preparation, &kinds, args.seed, &|done| bar.inc(done as u64))?;
    bar.finish_and_clear();
    if args.json {
        let value = json!({
            "model": engine.name(),
            "integer": engine.is_integer(),
            "data": dataset.source,
            "set": args.set.to_string(),
            "images": robustness.images,
            "seed": robustness.seed,
            "rows": robustness.json(),
        });
        return print(&(serde_json::to_string(&value).context("writing the figures as JSON")? + "\n"));
    }
    print(&format!(
        "model     {} ({})\ndata      {}, {}, {} images, seed {}\n\n{}",
        engine.name(),
        if engine.is_integer() { "integers" } else { "float" },
        dataset.source,
        args.set,
        thousands(dataset.len() as u64),
        args.seed,
        robustness.render(Look::of_stdout())
    ))
}
