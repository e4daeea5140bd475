//! The command line: one file a subcommand, each with its `Args` and its `run`.
//!
//! Exit codes: 0 done, 1 failed (one `error:` line with the causes on standard error), 2 wrong
//! usage (clap's message), 130 interrupted (Ctrl-C). A reader that closes the pipe early, like `head`, ends the program
//! quietly.

mod accuracy;
mod baseline;
mod bench;
mod card;
mod data;
mod ensemble;
mod evaluate;
mod export;
mod interrupt;
mod model;
mod predict;
mod recipe;
mod report;
mod reproduce;
mod robustness;
mod runs;
mod search;
mod source;
mod summary;
mod train;
mod verify;
mod vote;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::report::{note, warn};
use crate::reproduce::Stopped;
use crate::train::Interrupted;

/// Learns handwritten digits, and puts them on a board.
#[derive(Parser)]
#[command(
    name = "trainer",
    version,
    arg_required_else_help = true,
    after_help = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
`trainer help COMMAND` shows a command's options with examples."
)]
struct Cli {
    /// When to colour the output.
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    color: ColorChoice,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a network, quantize it, export it, and verify the files.
    Train(Box<train::Args>),
    /// Measure how good a model file is on a data set.
    Evaluate(evaluate::Args),
    /// Measure how good a model is on shifted, rotated, noisy, ... images, with and without `ink`.
    Robustness(robustness::Args),
    /// Write the files of a model from a finished training run, and verify them.
    Export(export::ExportArgs),
    /// Write the card of a model: accuracy, runs, robustness, mistakes.
    Card(card::Args),
    /// Prove that the files of a model are one model: every layer, bit for bit.
    Verify(verify::VerifyArgs),
    /// Measure how fast this machine runs a model, beside tract.
    Bench(bench::BenchArgs),
    /// Show the layers of a network: shapes, parameters, MACs, bytes, and how far its sums are from inexact.
    Summary(summary::Args),
    /// Print the configuration of an ensemble: several trained networks as one.
    Ensemble(ensemble::Args),
    /// Show everything about a run on one page of HTML.
    Report(report::Args),
    /// Fit a classic classifier to compare networks with: naive Bayes, or a linear one.
    Baseline(baseline::Args),
    /// Train what others report of MNIST, and write the table of results.
    Reproduce(reproduce::Args),
    /// Compare the shipped models with published networks, and write docs/ACCURACY.md.
    Accuracy(accuracy::Args),
    /// Search architectures and recipes within a budget of bytes, by validation.
    Search(search::Args),
    /// Recognise the digit in a picture.
    Predict(predict::Args),
    /// Look at a data set.
    Data(data::Args),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
}

#[derive(clap::Args)]
#[command(after_help = "\
Example:
  trainer completions bash > ~/.local/share/bash-completion/completions/trainer")]
struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // Rust ignores SIGPIPE, so `trainer ... | head` would end in a panic of `println!`.
    sigpipe::reset();

    let arguments: Vec<OsString> = std::env::args_os().collect();
    let color = requested_color(&arguments);
    match color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();

    let parsed = Cli::command()
        .color(color)
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() || error.is::<Stopped>() => {
            note(&format!("{:#}; {error}", error.root_cause()));
            ExitCode::from(interrupt::EXIT_CODE)
        }
        Err(error) => {
            if !error.is::<Reported>() {
                report_error(&error);
            }
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Train(args) => train::run(*args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Robustness(args) => robustness::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Card(args) => card::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Summary(args) => summary::run(&args),
        Command::Ensemble(args) => ensemble::run(&args),
        Command::Report(args) => report::run(args),
        Command::Baseline(args) => baseline::run(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Accuracy(args) => accuracy::run(&args),
        Command::Search(args) => search::run(&args),
        Command::Predict(args) => predict::run(args),
        Command::Data(args) => data::run(args),
        Command::Completions(args) => {
            // `generate` panics when it cannot write; into memory it always can.
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "trainer", &mut script);
            print(&String::from_utf8(script)?)
        }
    }
}

/// Writes a result to standard output, colours as the user wants them. Other than `print!`, which panics,
/// it fails where nothing can be written, as onto a full disk.
fn print(text: &str) -> Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")
}

/// The value of `--color`, found before clap parses: its help and errors are coloured as well.
fn requested_color(arguments: &[OsString]) -> ColorChoice {
    let mut arguments = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    while let Some(argument) = arguments.next() {
        let value = match argument.split_once('=') {
            _ if argument == "--" => break,
            _ if argument == "--color" => arguments.next(),
            Some(("--color", value)) => Some(value),
            _ => continue,
        };
        return value.and_then(|value| value.parse().ok()).unwrap_or_default();
    }
    ColorChoice::Auto
}

/// A failure whose `error:` lines are printed already: only the exit code is left to set.
#[derive(Debug)]
struct Reported;

impl core::fmt::Display for Reported {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("some of the work failed")
    }
}

impl core::error::Error for Reported {}

/// One line on standard error: `error: what: cause: cause`.
fn report_error(error: &anyhow::Error) {
    let style = anstyle::AnsiColor::Red.on_default().bold();
    // Some libraries' messages have several lines.
    let text = format!("{error:#}");
    let line: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    note(&format!("{style}error:{style:#} {}", line.join(" ")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn color_is_found_before_parsing() {
        let choice = |line: &str| requested_color(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(choice("trainer train --color never"), ColorChoice::Never);
        assert_eq!(choice("trainer --color=always train"), ColorChoice::Always);
        assert_eq!(choice("trainer train"), ColorChoice::Auto);
        assert_eq!(choice("trainer predict -- --color=always"), ColorChoice::Auto);
        assert_eq!(choice("trainer --color purple"), ColorChoice::Auto);
    }
}
