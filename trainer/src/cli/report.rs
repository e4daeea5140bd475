//! `trainer report`: a run on one page.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::print;
use super::source::DataArgs;
use crate::data::Part;
use crate::files::Output;
use crate::page::{self, Subject};

/// Name of the page in the directory of a run.
const PAGE: &str = "report.html";

/// Options of `trainer report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The page is one file that needs no network: results, curves, confusion matrix, the images that were not recognised,
ranges and errors of every layer, filters, weights, t-SNE maps, and what the files are. docs/REPORT.md tells more.
Of a run that is not finished, it shows what there is, on validation images.

Examples:
  trainer report runs/nano-1
  trainer report models/nano --out nano.html     a model has no history of its training
  trainer report runs/nano-1 --log-dir logs      as given to `trainer train`")]
pub(super) struct Args {
    /// Directory of a run or of a model.
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// File to write [default: RUN/report.html].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Directory that the run logged into, as given to `trainer train`.
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,

    #[command(flatten)]
    data: DataArgs,

    /// Look at the first N images only.
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    limit: Option<usize>,
}

/// Runs the subcommand.
pub(super) fn run(args: Args) -> Result<()> {
    let log = args.log_dir.map(|logs| logs.join(name_of(&args.run)));
    let subject = Subject::open(&args.run, log.as_deref().unwrap_or(&args.run))?;
    args.data.refuse_other_split(&args.run, Part::Test)?;
    let source = args.data.open_for(&args.run)?;
    let path = args.out.unwrap_or_else(|| args.run.join(PAGE));
    // Before the work: a mistyped path should not cost it.
    let mut output = Output::create(&path)?;
    let text = page::render(&subject, &source, args.limit)?;
    output.write_all(text.as_bytes()).with_context(|| format!("{}: cannot write", path.display()))?;
    output.finish()?;
    print(&format!("{}\n", path.display()))
}

/// The name of a directory, also where it is given as `.`.
fn name_of(run: &Path) -> PathBuf {
    let run = run.canonicalize().unwrap_or_else(|_| run.to_owned());
    run.file_name().unwrap_or_default().into()
}
