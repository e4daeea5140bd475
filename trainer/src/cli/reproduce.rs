//! `trainer reproduce`: everything that others report of MNIST, trained again.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::builder::RangedU64ValueParser;

use super::interrupt::Interrupts;
use super::print;
use crate::data;
use crate::experiment::{MAX_RUNS, Place};
use crate::report::{Align, Look, table};
use crate::reproduce::{Line, Options, ROWS, Recipe, Stopped, reproduce};
use crate::train::{Backend, Interrupted};

/// Options of `trainer reproduce`.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(super) struct Args {
    /// A minute's trial of every row: three steps of training, few images, figures that mean nothing.
    #[arg(long)]
    quick: bool,

    /// Run this row only; more than once for several.
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,

    /// Train with this recipe only [default: both].
    #[arg(long, value_enum)]
    recipe: Option<Recipe>,

    /// Runs of every network, with seeds 1, 2, ... [default: 5; 1 of those that take hours].
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MAX_RUNS as u64))]
    runs: Option<usize>,

    /// Directory of all runs [default: runs/reproduce, or runs/reproduce-quick].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Where the table is written [default: models/RESULTS.md; of a trial, RESULTS.md in --out]. Its figures,
    /// from which rows that are not run here are kept, are in models/results.json; with this option and of a
    /// trial, in --out.
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,

    /// Run nothing; write the table of the runs that are here and of those that are recorded.
    #[arg(long)]
    table: bool,

    /// Where to compute.
    #[arg(long, value_enum, default_value_t = Backend::Cpu)]
    backend: Backend,

    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
}

fn after_help() -> String {
    let names = ROWS.map(|row| row.name).join(", ");
    format!(
        "\
Rows: {names}.

Run it in as many pieces as you like: what is finished is not run again, and after Ctrl-C, a crash or a
power cut the same command goes on: at the next step after Ctrl-C, else after the last whole epoch.
Cheap rows come first. The table is written after every run; it says which rows were not run. A row
without runs here, or with fewer than are recorded in models/results.json, keeps its recorded line: to
add the runs of another machine, run their rows there, and bring the file here.

Examples:
  trainer reproduce --quick                                a minute: does everything work?
  trainer reproduce --only mlp-256 --only lenet-vanilla
  trainer reproduce --runs 1                               every row once, then all of it:
  nice trainer reproduce"
    )
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<()> {
    let source = data::default_directory()?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(if args.quick { "runs/reproduce-quick" } else { "runs/reproduce" }));
    let (document, record) = match &args.document {
        Some(document) => (document.clone(), out.join(RECORD)),
        None if args.quick => (out.join(DOCUMENT), out.join(RECORD)),
        None => {
            let models = data::repository_path("models").context("name the table with --document FILE")?;
            (models.join(DOCUMENT), models.join(RECORD))
        }
    };
    if args.quick {
        refuse_committed(&document)?;
    }
    let options = Options {
        only: args.only.clone(),
        recipes: args.recipe.map_or_else(|| Recipe::ALL.to_vec(), |recipe| vec![recipe]),
        runs: args.runs,
        quick: args.quick,
        out,
        document,
        record,
        table: args.table,
    };
    let place = Place {
        backend: args.backend,
        devices: args.backend.devices(1)?,
        interrupted: Interrupts::came,
        logs: None,
    };
    let _interrupts = Interrupts::catch()?;
    let lines = reproduce(&options, &place, &source).map_err(|error| {
        match error.is::<Interrupted>() || error.is::<Stopped>() {
            true => error.context("continue with the same command"),
            false => error,
        }
    })?;
    print(&if args.json {
        serde_json::to_string(&lines).context("writing the table as JSON")? + "\n"
    } else {
        render(&lines, &options, Look::of_stdout())
    })?;
    let differing = lines.iter().filter(|line| line.exact.is_some_and(|exact| exact < line.runs)).count();
    ensure!(differing == 0, "{differing} rows: the runtime and ONNX differ in some values");
    Ok(())
}

const DOCUMENT: &str = "RESULTS.md";
const RECORD: &str = "results.json";

/// The figures of a trial mean nothing, and do not belong into the repository.
fn refuse_committed(document: &Path) -> Result<()> {
    let real = |path: &Path| path.canonicalize().ok();
    let committed = data::repository_path("models").ok().and_then(|models| real(&models.join(DOCUMENT)));
    ensure!(
        committed.is_none() || real(document) != committed,
        "--document {}: a trial (--quick) would replace the table of the repository; name another file",
        document.display()
    );
    Ok(())
}

fn render(lines: &[Line], options: &Options, look: Look) -> String {
    let header = [
        ("row", Align::Left),
        ("recipe", Align::Left),
        ("reported", Align::Right),
        ("float", Align::Right),
        ("quantized", Align::Right),
        ("runs", Align::Right),
    ];
    let rows = lines.iter().map(|line| {
        let accuracy = |spread: Option<crate::experiment::Spread>| {
            spread.map_or_else(|| "-".to_owned(), |spread| format!("{spread}"))
        };
        let recipe = match line.recipe {
            Recipe::Authors => "authors",
            Recipe::Ours => "ours",
        };
        vec![
            line.row.clone(),
            recipe.to_owned(),
            line.reported.clone().unwrap_or_else(|| "-".to_owned()),
            accuracy(line.float),
            accuracy(line.quantized),
            if line.runs == 0 { "not run".to_owned() } else { line.runs.to_string() },
        ]
    });
    let text = table(look, &header, &rows.collect::<Vec<_>>());
    let text = if look.unicode { text } else { text.replace('\u{b1}', "+-") };
    format!("{text}\n\n{}\n{}\n", options.document.display(), options.record.display())
}
