//! Measures what networks take on every core, in the emulator: instructions, flash and RAM.
//!
//! ```text
//! models/, or random weights --> firmware/bench, built for a core --> QEMU --> figures
//!                                  count: instructions, by a plugin      |
//!                                  bare: flash, static RAM, by its ELF file       +--> tables, docs/BENCHMARKS.md
//!                                  loading: the same, with the loader             +--> tests/budget.toml, as a test
//!                                  stack: by painting
//! ```
//!
//! Four programs, so that nothing that is measured is disturbed by how something else is.

mod budget;
mod counter;
mod document;
mod image;
mod measure;
mod network;
mod peers;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Parser;
use tenfold_tests::emulator::{CORES, Core, root};

use crate::budget::Budget;
use crate::counter::Counter;
use crate::document::Frame;
use crate::measure::{Depth, Figures, Setup, measure};
use crate::network::Network;
use crate::peers::Peers;

/// Measures what networks take on every core, in the emulator: instructions, flash, RAM.
///
/// Builds the programs of firmware/bench around each network, runs them in QEMU on MNIST test images, checks every logit
/// against the host's, prints tables and writes them to docs/BENCHMARKS.md. Instructions are counted exactly and are the
/// same in every run; they are not cycles: loads, taken branches and flash wait states cost more than one.
#[derive(Parser)]
#[command(name = "benchmark", after_long_help = EXAMPLES)]
struct Options {
    /// Measure this core only; may be repeated.
    #[arg(long, value_name = "CORE", value_parser = core)]
    core: Vec<&'static Core>,

    /// Measure this network only: a folder of models/, the preset keras-cnn or lenet5 (with random weights where
    /// models/ has none), or a .postcard file; may be repeated.
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,

    /// How many of the MNIST test images to run [default: 100; with --check or --bless, what the budget says].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    images: Option<u16>,

    /// Kernels of this back end in place of the core's own, such as `portable`.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["check", "bless"])]
    back_end: Option<String>,

    /// Leave the weights in the order of the model file, which may be another core's.
    #[arg(long, conflicts_with_all = ["check", "bless"])]
    file_order: bool,

    /// Leave out the layer by layer tables, which take another run, a slow one.
    #[arg(long)]
    no_layers: bool,

    /// Print JSON in place of tables.
    #[arg(long)]
    json: bool,

    /// Write the tables to this file, between its two comments [default: docs/BENCHMARKS.md, if all is as usual].
    #[arg(long, value_name = "FILE", conflicts_with_all = ["check", "bless"])]
    out: Option<PathBuf>,

    /// Compare with tests/budget.toml; fail if a figure is more than 1 % above.
    #[arg(long)]
    check: bool,

    /// Write the figures to tests/budget.toml.
    #[arg(long, conflicts_with = "check")]
    bless: bool,
}

const EXAMPLES: &str = "\
Examples (cargo run --release -p tenfold-tests --bin benchmark -- ...):
  benchmark                                     everything; writes docs/BENCHMARKS.md
  benchmark --core cortex-m4 --model nano --images 3 --no-layers
  benchmark --model runs/nano-1/nano.postcard   a model of your own
  benchmark --core cortex-m4 --back-end portable --file-order
  benchmark --check                             as the test does it, with few images
  benchmark --bless                             after a change that is meant";

fn core(name: &str) -> Result<&'static Core, String> {
    let known = CORES.iter().map(|core| core.name).collect::<Vec<_>>().join(", ");
    Core::named(name).ok_or_else(|| format!("expected one of: {known}"))
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(cause) => {
            eprintln!("benchmark: {cause:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all figures are within the budget, where that is asked for.
fn run(options: &Options) -> Result<bool> {
    let directory = tempfile::tempdir()?;
    let is_budgeted = options.check || options.bless;
    let mut budget = if is_budgeted { Some(Budget::read()?) } else { None };
    let images = match (&budget, options.images) {
        (Some(budget), None) => budget.images,
        (Some(budget), Some(images)) if usize::from(images) != budget.images => {
            bail!("the budget is of {} images, not of {images}", budget.images)
        }
        (_, images) => images.map_or(100, usize::from),
    };
    let cores = if options.core.is_empty() { CORES.iter().collect() } else { options.core.clone() };
    let networks = network::choose(&options.model, directory.path())?;
    let setup = Setup {
        counter: Counter::new(directory.path())?,
        images,
        depth: if is_budgeted || options.no_layers { Depth::Whole } else { Depth::Layers },
        back_end: options.back_end.clone(),
        keeps_order: options.file_order,
    };
    let is_complete = options.core.is_empty() && options.model.is_empty();
    let is_usual = options.back_end.is_none() && !options.file_order && images == 100;
    let is_whole = is_complete && is_usual && setup.depth == Depth::Layers;
    let place = options.out.clone().or_else(|| is_whole.then(|| root().join("docs/BENCHMARKS.md")));
    let frame = place.map(Frame::read).transpose()?;
    let figures = measure_all(&cores, &networks, &setup)?;

    let compiler = &figures.first().context("nothing to measure")?.compiler;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    }
    if let Some(budget) = &mut budget {
        if options.bless {
            budget.bless(&figures, compiler, is_complete);
            budget.write()?;
            eprintln!("wrote tests/budget.toml");
            return Ok(true);
        }
        let verdict = budget.check(&figures, is_complete);
        eprint!("{}", verdict.text(compiler, budget));
        eprintln!("{} programs checked, {} figures over budget", figures.len(), verdict.over.len());
        return Ok(verdict.over.is_empty());
    }
    let tables = document::tables(&figures, &Peers::read()?, images, compiler, &setup.counter.emulator);
    if !options.json {
        print!("{tables}");
    }
    if let Some(frame) = frame {
        frame.write(&tables)?;
    }
    Ok(true)
}

fn measure_all(cores: &[&Core], networks: &[Network], setup: &Setup) -> Result<Vec<Figures>> {
    let mut all = Vec::new();
    for core in cores {
        for network in networks {
            let (start, number) = (Instant::now(), all.len() + 1);
            eprint!("[{number}/{}] {} on {} ... ", cores.len() * networks.len(), network.name, core.name);
            let figures = measure(core, network, setup)
                .with_context(|| format!("{} on {}", network.name, core.name))?;
            let seconds = start.elapsed().as_secs_f32();
            eprintln!("{} instructions ({seconds:.0} s)", table::number(figures.instructions.mean));
            all.push(figures);
        }
    }
    Ok(all)
}
