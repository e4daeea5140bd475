//! `trainer bench`: how fast this machine runs a model, or trains one.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::print;
use super::source::DataArgs;
use crate::bench::bench;
use crate::data::Part;
use crate::engine::{BATCH, Engine};
use crate::network::plan;
use crate::preset;
use crate::report::Look;
use crate::train::{Backend, Training};
use crate::verify::ModelFiles;

/// Options of `trainer bench`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Runs images through NAME.postcard, with each back end of the runtime that this processor can run, and
through NAME.onnx and NAME.float.onnx in tract, in turn. Prints images per second on one thread, and how
many times faster than tract on NAME.onnx that is. Fails where the runtime's logits are not those of
NAME.onnx.

A figure is of the fastest tenth of the batches; other work on the machine still lowers it.

With --training, takes steps of training instead, writes nothing, and prints images per second, of time that
passed and of processor time, and what share of it went into loading and distorting images.

Examples:
  trainer bench models/nano
  trainer bench runs/mine --seconds 10 --json
  trainer bench --training keras-cnn --steps 200")]
pub(crate) struct BenchArgs {
    /// Directory with NAME.postcard, NAME.onnx and NAME.float.onnx.
    #[arg(value_name = "DIR", required_unless_present = "training", conflicts_with = "training")]
    directory: Option<PathBuf>,

    /// Preset, or TOML file of the same form, to train.
    #[arg(long, value_name = "CONFIG", conflicts_with_all = ["images", "seconds"])]
    training: Option<String>,

    /// Steps of training to measure, after 20 that are not.
    #[arg(long, value_name = "N", default_value_t = 200, requires = "training",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    steps: u32,

    /// Images a step of training [default: the recipe's].
    #[arg(long, value_name = "N", requires = "training")]
    batch_size: Option<usize>,

    /// Where to train.
    #[arg(long, value_enum, default_value_t, requires = "training")]
    backend: Backend,

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
    let Some(model) = &args.directory else {
        return training(args);
    };
    let classes = Engine::open(&ModelFiles::find(model)?.postcard)?.classes();
    let mut images = args.data.open_for(model)?.load(Part::Validation, classes)?;
    images.truncate(usize::try_from(args.images).unwrap_or(usize::MAX));
    let speeds = bench(model, &images, args.seconds)?;
    if args.json {
        print(&(serde_json::to_string(&speeds)? + "\n"))
    } else {
        print(&speeds.render(Look::of_stdout()))
    }
}

/// Measures steps of training.
fn training(args: &BenchArgs) -> Result<()> {
    let mut config = preset::resolve(args.training.as_deref().unwrap_or_default())?;
    if let Some(size) = args.batch_size {
        config.training.batch_size = size;
        config.check()?;
    }
    let plan = plan(&config)?;
    let source = args.data.open_divided(&args.data.over(config.data.clone()))?.with_pixels(config.pixels);
    let parts = source.load_parts(plan.classes())?;
    let (devices, backend) = (args.backend.devices(1)?, args.backend);
    let training = Training::new(config, parts.train, parts.validation, &devices, backend)?;
    let speed = training.speed(args.steps as usize)?;
    if args.json {
        print(&(serde_json::to_string(&speed)? + "\n"))
    } else {
        print(&speed.render(Look::of_stdout()))
    }
}
