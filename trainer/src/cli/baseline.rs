//! `trainer baseline`: classic classifiers to compare networks with.

use anyhow::{Context, Result};
use clap::builder::RangedU64ValueParser;

use super::print;
use super::source::DataArgs;
use crate::baseline::{Baseline, Method, Options, fit};
use crate::data::Parts;
use crate::report::{Align, Look, duration, percent, table, thousands};

/// Digits.
const CLASSES: usize = 10;

/// Options of `trainer baseline`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
naive-bayes is Gaussian naive Bayes; sgd-linear is logistic regression, one class against all others, by
stochastic gradient descent with a falling rate for each weight. They compute in f32 on the host: there
is no model file, and no export to a board.

Examples:
  trainer baseline naive-bayes
  trainer baseline sgd-linear --scale --epochs 10 --json")]
pub(super) struct Args {
    /// The classifier.
    #[arg(value_enum)]
    method: Method,

    /// Bring each pixel to mean 0 and standard deviation 1 over the training images.
    #[arg(long)]
    scale: bool,

    /// Passes over the training images, of sgd-linear.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    epochs: usize,

    /// Seed of the order of the images, of sgd-linear.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    data: DataArgs,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<()> {
    let Parts { train, validation, test } = args.data.open()?.load_parts(CLASSES)?;
    let options = Options { scale: args.scale, epochs: args.epochs, seed: args.seed };
    let baseline = fit(args.method, &options, &train, &validation, &test)?;
    print(&if args.json {
        serde_json::to_string(&baseline).context("writing the figures as JSON")? + "\n"
    } else {
        render(&baseline, Look::of_stdout())
    })
}

fn render(baseline: &Baseline, look: Look) -> String {
    let row = |what: &str, value: String| vec![what.to_owned(), value];
    let accuracy = |correct, images, set: &str| {
        format!("{} on {} {set} images", percent(correct, images), thousands(images))
    };
    let mut rows = vec![
        row("test accuracy", accuracy(baseline.correct, baseline.images, "test")),
        row(
            "validation accuracy",
            accuracy(baseline.validation_correct, baseline.validation_images, "validation"),
        ),
        row("pixels", if baseline.scaled { "mean 0, deviation 1" } else { "0 to 1" }.to_owned()),
        row("parameters", thousands(baseline.parameters)),
        row("fitting", duration(baseline.seconds)),
        row("for the board", "nothing: it computes in f32".to_owned()),
    ];
    if let Some(chosen) = &baseline.chosen {
        rows.insert(2, row("chosen on validation", chosen.clone()));
    }
    let name = baseline.method.to_string();
    table(look, &[(name.as_str(), Align::Left), ("", Align::Left)], &rows) + "\n"
}
