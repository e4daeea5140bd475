//! `trainer export`: the files of a model from a finished training run, and model files with the
//! weights in the order of a core.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::builder::PossibleValuesParser;
use tenfold_runtime::format::{self, Core};
use tenfold_runtime::scratch_bytes;

use super::print;
use super::source::{DataArgs, expect_own_set};
use crate::data::Part;
use crate::experiment::{Group, best, candidates};
use crate::export::card::{RunFigures, Sources, write_card};
use crate::export::{ExportOptions, Release, release, write_whole};
use crate::report::{Look, note, thousands};
use crate::train::{is_own_directory, load_run};
use crate::verify::DEFAULT_TOLERANCE_POINTS;

/// Options of `trainer export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes NAME.postcard, NAME.onnx and NAME.float.onnx, verifies them with the test set as
`trainer verify` does, and writes NAME.golden.postcard, CARD.md and config.toml.

NAME.postcard runs on every core. With --for CORE there is NAME.CORE.postcard as well: the same
network with the same results, its weights in the order that this core is fastest with. It may need
more scratch memory. The boards in firmware/ do this by themselves when they are built.

Of a group of runs (`trainer train --runs N`), the run with the least validation loss is exported, and its
card tells of all of them, as `trainer card` does.

Examples:
  trainer export runs/nano-1
  trainer export runs/nano-2 --out models/nano          the best of several runs
  trainer export runs/nano-1 --out models/nano --for cortex-m4
  trainer export models/nano/nano.postcard --for cortex-m4")]
pub(crate) struct ExportArgs {
    /// Directory of a finished training run, or of several; or, with --for, a model file.
    #[arg(value_name = "RUN_DIR|GROUP_DIR|MODEL")]
    run: PathBuf,

    /// Directory to write to [default: where the run or the model is].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Write NAME.CORE.postcard too, for this core; more than once for several.
    #[arg(long = "for", value_name = "CORE", value_parser = PossibleValuesParser::new(Core::ALL.map(|(name, _)| name)))]
    cores: Vec<String>,

    #[command(flatten)]
    data: DataArgs,

    /// Export even if sums may leave the range in which f32 is exact; the card will say so.
    #[arg(long)]
    allow_inexact: bool,
}

pub(crate) fn run(args: &ExportArgs) -> Result<()> {
    if args.run.is_file() {
        return export_file(args);
    }
    let (run, runs) = if Group::is_at(&args.run) {
        let (run, runs) = choose(args)?;
        (run, Some(runs))
    } else {
        (args.run.clone(), None)
    };
    let (float, quantized, provenance) = load_run(&run)?;
    let out = args.out.as_ref().unwrap_or(&run);
    let own_directory = is_own_directory(&run, out)?;
    let classes = quantized.layers.last().map_or(0, |layer| layer.output.channels);
    let (source, preparation) = args.data.open_raw_for(&run)?;
    expect_own_set(&run, &source, classes, &provenance.dataset)?;
    let raw = source.load(Part::Test, classes)?;
    let test = raw.clone().with_pixels(preparation);

    let model = Release { float: &float, quantized: &quantized, provenance: &provenance };
    let options = ExportOptions { allow_inexact: args.allow_inexact, own_directory };
    let released = release(out, &model, &options, &test, true)?;
    let mut text = released.report.render(Look::of_stdout());
    let exactness = &released.exported.exactness;
    if let Some(first) = exactness.inexact.first() {
        text.push_str(&format!(
            "inexact: {} output channels may leave 2^24, the first is channel {} of `{}` with {}\n",
            exactness.inexact.len(),
            first.channel,
            first.layer,
            thousands(first.bound)
        ));
    }
    let exported = &released.exported;
    for path in [&exported.postcard, &exported.onnx, &exported.float_onnx, &released.golden, &released.card] {
        text.push_str(&format!("{}\n", path.display()));
    }
    print(&text)?;
    for core in &args.cores {
        export_for(core, &exported.postcard, out)?;
    }
    if runs.is_some() {
        let report = Some(released.report.clone());
        let sources = Sources { directory: out, test: &raw, preparation, runs, report };
        write_card(sources)?;
    }
    released.report.check(DEFAULT_TOLERANCE_POINTS)
}

/// The directory of the run of a group that is exported, and the figures of all of them.
fn choose(args: &ExportArgs) -> Result<(PathBuf, Vec<RunFigures>)> {
    let shown = args.run.display();
    ensure!(
        args.out.is_some(),
        "{shown}: several runs are there; say with --out where the best of them goes, or name one of them"
    );
    let group = Group::open(&args.run)?;
    let all = candidates(&group)?;
    let chosen = best(&all)?;
    note(&format!(
        "{}: the least validation loss of {} runs, {:.5}",
        chosen.path.display(),
        all.len(),
        chosen.validation_loss
    ));
    Ok((chosen.path.clone(), all.iter().map(RunFigures::of).collect()))
}

/// Only another order for a file that is there.
fn export_file(args: &ExportArgs) -> Result<()> {
    let file = args.run.display();
    ensure!(!args.cores.is_empty(), "{file} is a model file: say with --for which core to order it for");
    if args.data.data.is_some() || args.allow_inexact {
        bail!("{file} is a model file: --data and --allow-inexact are for the directory of a run");
    }
    let parent = args.run.parent().unwrap_or(Path::new(""));
    let out = args.out.as_deref().unwrap_or(parent);
    args.cores.iter().try_for_each(|core| export_for(core, &args.run, out))
}

/// Writes NAME.CORE.postcard into `out`.
fn export_for(name: &str, model: &Path, out: &Path) -> Result<()> {
    let core = Core::named(name).with_context(|| format!("there is no core {name}"))?;
    let file = std::fs::read(model).with_context(|| format!("cannot read {}", model.display()))?;
    let ordered = format::reorder_for(&file, Some(core))
        .with_context(|| format!("{} is not a model file", model.display()))?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let stem = model.file_stem().unwrap_or_default().to_string_lossy();
    let path = out.join(format!("{stem}.{name}.postcard"));
    write_whole(&path, &ordered)?;
    print(&format!(
        "{} ({} bytes, {} of scratch)\n",
        path.display(),
        thousands(ordered.len() as u64),
        thousands(scratch_bytes(&ordered) as u64)
    ))
}
