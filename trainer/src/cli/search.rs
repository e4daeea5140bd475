//! `trainer search`: architectures and recipes by their figures on the validation images.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;

use super::interrupt::Interrupts;
use super::print;
use super::source::DataArgs;
use crate::experiment::Place;
use crate::report::{Align, Look, count, duration, table, thousands};
use crate::search::{Candidate, Findings, MAX_TRIALS, Options, Row, SHIPPED, Space, draw, search};
use crate::train::{Backend, Interrupted};

/// Rows of the table for the terminal.
const BEST: usize = 10;
/// Most characters of what a candidate changes, in a table for the terminal.
const MAX_CHANGES: usize = 120;

/// Options of `trainer search`.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(super) struct Args {
    /// A search that ships, or a TOML file: base, budget, choices (docs/SEARCH.md).
    #[arg(value_name = "SPACE")]
    space: String,

    /// Draw the candidates, print them with their sizes, and stop.
    #[arg(long)]
    show: bool,

    /// Directory of the search [default: runs/search-NAME].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Candidates to train [default: the file's]; a search that is there already is given more.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MAX_TRIALS as u64))]
    trials: Option<usize>,

    /// Seed by which candidates are drawn [default: the file's, else 1].
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,

    #[command(flatten)]
    data: DataArgs,

    /// Where to compute.
    #[arg(long, value_enum, default_value_t = Backend::Cpu)]
    backend: Backend,

    /// Print the table as one JSON object.
    #[arg(long)]
    json: bool,
}

fn after_help() -> String {
    let shipped: String =
        SHIPPED.iter().map(|(name, summary, _)| format!("  {name:<18} {summary}\n")).collect();
    format!(
        "\
Searches that ship (trainer/searches):
{shipped}
A search of your own is a TOML file:
  base = \"nano\"                                  # a preset, or a file beside this one
  trials = 32
  [budget]
  weight_bytes = 12_000                          # biases included; macs and scratch_bytes as well
  [halving]
  epochs = [3, 9]                                # all for 3 epochs, the best third for 9
  [choices]
  layers.4.filters = [8, 10, 12]                 # a key of a layer, counted from 1
  layers.7-9.repeat = [0, 1, 2]                  # how often these layers stand there
  training.learning_rate = [0.003, 0.006]        # any other key

Run it in as many pieces as you like: after Ctrl-C, a crash or a power cut the same command goes on where it was.
SEARCH.md and search.json in --out are written after every run. Candidates are ranked by their loss on distorted
copies of the validation images; no test image is read.

Examples:
  trainer search nano --show                     what would be trained
  trainer search nano
  trainer search my.toml --trials 8 --out runs/trial
  trainer train runs/search-nano/0007/config.toml    then: a candidate with its whole recipe"
    )
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<()> {
    let mut space = Space::resolve(&args.space)?;
    space.trials = args.trials.unwrap_or(space.trials);
    space.seed = args.seed.unwrap_or(space.seed);
    space.base.data = args.data.over(space.base.data);
    space.base.check().with_context(|| args.space.clone())?;
    let look = Look::of_stdout();
    if args.show {
        let (candidates, counts) = draw(&space, space.trials)?;
        return print(&format!("{}\n\n{}.\n", drawn(&candidates, look), counts.text()));
    }
    let source = args.data.open_divided(&space.base.data)?;
    let place = Place {
        backend: args.backend,
        devices: args.backend.devices(1)?,
        interrupted: Interrupts::came,
        logs: None,
    };
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("runs/search-{}", space.name)));
    let options = Options { resumption: args.command(), data: args.data.data.clone(), out };
    let _interrupts = Interrupts::catch()?;
    let findings =
        search(&space, &options, &place, &source).map_err(|error| match error.is::<Interrupted>() {
            true => error.context(format!("continue with `{}`", args.command())),
            false => error,
        })?;
    print(&if args.json {
        serde_json::to_string(&findings).context("writing the table as JSON")? + "\n"
    } else {
        render(&findings, &options, look)
    })
}

impl Args {
    /// The command itself, by which a search goes on.
    fn command(&self) -> String {
        let mut command = format!("trainer search {}", self.space);
        if let Some(out) = &self.out {
            command.push_str(&format!(" --out {}", out.display()));
        }
        if let Some(trials) = self.trials {
            command.push_str(&format!(" --trials {trials}"));
        }
        if let Some(seed) = self.seed {
            command.push_str(&format!(" --seed {seed}"));
        }
        if let Some(data) = &self.data.data {
            command.push_str(&format!(" --data {}", data.display()));
        }
        if let Some(split) = &self.data.split {
            command.push_str(&format!(" --split {split}"));
        }
        if let Some(seed) = self.data.split_seed {
            command.push_str(&format!(" --split-seed {seed}"));
        }
        if let Some(backend) = self.backend.to_possible_value().filter(|_| self.backend != Backend::default())
        {
            command.push_str(&format!(" --backend {}", backend.get_name()));
        }
        command
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= MAX_CHANGES {
        return text.to_owned();
    }
    text.chars().take(MAX_CHANGES - 3).chain("...".chars()).collect()
}

/// The candidates that would be trained.
fn drawn(candidates: &[Candidate], look: Look) -> String {
    let right = Align::Right;
    let header = [
        ("candidate", right),
        ("weights + biases", right),
        ("MACs", right),
        ("scratch", right),
        ("changes", Align::Left),
    ];
    let rows = candidates.iter().map(|candidate| {
        vec![
            candidate.directory(),
            thousands(candidate.footprint.weight_bytes),
            thousands(candidate.footprint.macs),
            thousands(candidate.footprint.scratch_bytes),
            candidate.in_words(),
        ]
    });
    table(look, &header, &rows.collect::<Vec<_>>())
}

fn render(findings: &Findings, options: &Options, look: Look) -> String {
    let right = Align::Right;
    let header = [
        ("rank", right),
        ("candidate", right),
        ("weights + biases", right),
        ("MACs", right),
        ("epochs", right),
        ("accuracy", right),
        ("distorted", right),
        ("loss", right),
        ("training", right),
        ("changes", Align::Left),
    ];
    let cells = |row: &Row| {
        let epochs = row.rung.and_then(|rung| findings.rungs.get(rung)?.epochs);
        let figure = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        vec![
            figure(row.rank.map(|rank| rank.to_string())),
            format!("{:04}", row.candidate),
            thousands(row.footprint.weight_bytes),
            thousands(row.footprint.macs),
            epochs.map_or_else(|| "all".to_owned(), |epochs| epochs.to_string()),
            figure(row.means.map(|means| format!("{:.2} %", means.accuracy))),
            figure(row.means.map(|means| format!("{:.2} %", means.distorted_accuracy))),
            figure(row.means.map(|means| format!("{:.4}", means.distorted_loss))),
            duration(row.seconds),
            shorten(&row.in_words),
        ]
    };
    let best = findings.rows.iter().filter(|row| row.rank.is_some()).take(BEST);
    let mut text = table(look, &header, &best.map(cells).collect::<Vec<_>>());
    text.push_str("\n\nRanked by the loss on distorted copies of the validation images.\n");
    if let Some(rung) = findings.furthest().and_then(|rung| findings.rungs.get(rung)) {
        let front = rung.front.iter().filter_map(|candidate| findings.row(*candidate));
        let rows: Vec<Vec<String>> = front.map(cells).collect();
        text.push_str(&format!(
            "\nBest for their bytes: nothing smaller has a lower loss.\n\n{}\n",
            table(look, &header, &rows)
        ));
    }
    let failed = findings.rows.iter().filter(|row| row.failed.is_some()).count();
    if failed > 0 {
        text.push_str(&format!("\n{} failed; the table says why.\n", count(failed, "candidate")));
    }
    let out = &options.out;
    text.push_str(&format!("\n{}.\n", findings.counts.text()));
    text.push_str(&format!("{}\n{}\n", out.join("SEARCH.md").display(), out.join("search.json").display()));
    if let Some(best) = findings.rows.first().filter(|row| row.rank.is_some()) {
        text.push_str(&format!("The best with its whole recipe: {}\n", best.command));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_command_goes_on_with_the_same_search() {
        let line = "search my.toml --out runs/a --trials 3 --seed 2 --data d --split 6/1 --split-seed 4";
        let words: Vec<&str> = line.split(' ').collect();
        let args = <Line as clap::Parser>::try_parse_from(&words).unwrap().args;
        assert_eq!(
            args.command(),
            "trainer search my.toml --out runs/a --trials 3 --seed 2 --data d --split 6/1 --split-seed 4"
        );
        assert_eq!(shorten(&"x".repeat(200)).len(), MAX_CHANGES);
    }
}
