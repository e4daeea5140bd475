//! `trainer verify`: the runtime against ONNX, bit for bit, and the quantized model against the float one.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::print;
use super::source::DataArgs;
use crate::data::Part;
use crate::engine::Engine;
use crate::report::Look;
use crate::verify::{DEFAULT_TOLERANCE_POINTS, ModelFiles, verify};

/// Options of `trainer verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Runs the whole test set through NAME.postcard (the runtime), NAME.onnx and NAME.float.onnx (tract).
Exit code 0 only if every value of every layer is equal, and the accuracy is within the tolerance.

Examples:
  trainer verify models/nano
  trainer verify runs/mine --limit 1000 --json")]
pub(crate) struct VerifyArgs {
    /// Directory with NAME.postcard, NAME.onnx and NAME.float.onnx.
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    #[command(flatten)]
    data: DataArgs,

    /// Verify with the first N test images only.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// Points of accuracy that quantization may lose.
    #[arg(long, value_name = "POINTS", default_value_t = DEFAULT_TOLERANCE_POINTS)]
    tolerance_points: f64,

    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &VerifyArgs) -> Result<()> {
    ensure!(
        (0.0..=100.0).contains(&args.tolerance_points),
        "--tolerance-points {}: expected 0 to 100",
        args.tolerance_points
    );
    let classes = Engine::open(&ModelFiles::find(&args.directory)?.postcard)?.classes();
    args.data.refuse_other_split(&args.directory, Part::Test)?;
    let mut test = args.data.open_for(&args.directory)?.load(Part::Test, classes)?;
    if let Some(limit) = args.limit {
        test.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let report = verify(&args.directory, &test, true)?;
    print(&if args.json {
        serde_json::to_string(&report)? + "\n"
    } else {
        report.render(Look::of_stdout())
    })?;
    report.check(args.tolerance_points)
}
