//! The sections that take measuring: runs, robustness, cores, mistakes.

use super::benchmarks::CoreFigures;
use super::record::{Record, RunFigures};
use super::{bytes, rows_of};
use crate::experiment::Spread;
use crate::files::MISCLASSIFIED;
use crate::report::{percent, thousands};
use crate::robustness::Distortion;

/// What `trainer card` knows beyond what an export does.
pub(in crate::export) struct Details<'a> {
    pub(super) record: &'a Record,
    /// Where the benchmark knows the model.
    pub(super) cores: &'a [CoreFigures],
    /// Misclassified test images, and how many of them are drawn.
    pub(super) mistakes: [usize; 2],
}

impl Details<'_> {
    /// Rows of the table of figures.
    pub(super) fn figures(&self) -> Vec<[String; 2]> {
        let Record { runs, parameters, weight_bytes, bias_bytes, .. } = self.record;
        let mut rows = Vec::new();
        if runs.len() > 1 {
            let [float, quantized] = self.record.spreads().map(text);
            let of = |form| format!("{form} on test, mean \u{b1} standard deviation of {} runs", runs.len());
            rows.push([of("accuracy, quantized,"), quantized]);
            rows.push([of("accuracy, float,"), float]);
        }
        rows.push(["parameters".to_owned(), thousands(*parameters)]);
        rows.push(["weights and biases".to_owned(), bytes((weight_bytes + bias_bytes) as usize)]);
        rows
    }

    /// The commands that made the model, where it was chosen from several runs.
    pub(super) fn commands(&self, data: &str) -> Option<String> {
        let first = self.record.runs.iter().map(|run| run.seed).min()?;
        let (name, runs) = (&self.record.model, self.record.runs.len());
        Some(format!(
            "$ cargo run --release -- train config.toml --seed {first} --runs {runs} --out runs/{name}{data}\n\
             $ cargo run --release -- export runs/{name} --out models/{name}{data}"
        ))
    }

    /// The sections, each with its heading.
    pub(super) fn sections(&self) -> Vec<String> {
        let mut sections = Vec::new();
        if !self.record.runs.is_empty() {
            sections.push(format!("## Runs\n\n{}", self.runs()));
        }
        sections.push(format!("## On a board\n\n{}", self.board()));
        sections.push(format!("## Robustness\n\n{}", self.robustness()));
        sections.push(format!("## Misclassified\n\n{}", self.misclassified()));
        sections
    }

    fn runs(&self) -> String {
        let record = self.record;
        let row = |run: &RunFigures| {
            let [float, quantized] =
                [run.float_correct, run.quantized_correct].map(|correct| percent(correct, run.images));
            [
                run.seed.to_string(),
                format!("{:.5}", run.validation_loss),
                format!("{:.2} %", 100.0 * run.validation_accuracy),
                float,
                quantized,
                if run.seed == record.seed { "shipped" } else { "" }.to_owned(),
            ]
        };
        let [float, quantized] = record.spreads().map(text);
        let mean =
            ["mean \u{b1} sd".to_owned(), String::new(), String::new(), float, quantized, String::new()];
        let several = (record.runs.len() > 1).then_some(mean);
        let header = ["seed", "validation loss", "validation accuracy", "float, test", "quantized, test", ""];
        let table = rows_of(header, record.runs.iter().map(row).chain(several));
        let losses = record.runs.iter().map(|run| run.validation_loss);
        let least = losses.fold(f64::INFINITY, f64::min);
        let own = record.runs.iter().find(|run| run.seed == record.seed);
        let why = if own.is_some_and(|run| run.validation_loss <= least) {
            format!("The run with seed {} is shipped: its validation loss is the least.", record.seed)
        } else {
            format!("The run with seed {} is shipped; its validation loss is not the least.", record.seed)
        };
        format!(
            "{table}\n\n{why} All figures are of the network that a run left; the test set chose nothing."
        )
    }

    fn board(&self) -> String {
        if self.cores.is_empty() {
            return "[docs/BENCHMARKS.md](../../docs/BENCHMARKS.md) has instructions, flash and RAM of the models in \
                    `models/` on every core; `cargo run --release -p tenfold-tests --bin benchmark` measures them."
                .to_owned();
        }
        let rows = self.cores.iter().map(|core| {
            [
                core.core.clone(),
                thousands(core.instructions),
                bytes(core.image as usize),
                bytes(core.ram as usize),
            ]
        });
        let table = rows_of(
            [
                "core",
                "instructions of one inference",
                "whole image: code and model",
                "RAM in all, with the stack",
            ],
            rows,
        );
        format!(
            "{table}\n\nInstructions, not cycles, counted in an emulator; the model is in the order of the core. From \
             [docs/BENCHMARKS.md](../../docs/BENCHMARKS.md), which says how."
        )
    }

    fn robustness(&self) -> String {
        let Record { images, robustness, robustness_seed, model, .. } = self.record;
        let rows = robustness.iter().map(|row| {
            let kind = Distortion::ALL.iter().find(|kind| kind.name() == row.distortion);
            [
                row.distortion.clone(),
                kind.map_or_else(String::new, |kind| kind.what()),
                percent(row.correct, *images),
                row.ink_correct.map_or_else(|| "-".to_owned(), |correct| percent(correct, *images)),
            ]
        });
        let table = rows_of(["test images", "what was done to each", "as they are", "through `ink`"], rows);
        format!(
            "{table}\n\nIn integers, by `cargo run --release -- robustness models/{model} --seed {robustness_seed}`; `ink` is \
             what a board uses on what its camera sees, and where it finds nothing, the answer counts as wrong."
        )
    }

    fn misclassified(&self) -> String {
        let [all, drawn] = self.mistakes;
        let images = self.record.images;
        if all == 0 {
            return format!("None of {} test images.", thousands(images));
        }
        let some = if drawn < all { format!(", the worst {drawn} of them") } else { String::new() };
        format!(
            "{} of {} test images{some}, the worst first; below each its label (green), the answer (red), and the \
             answer's probability in per cent.\n\n![Misclassified test images with label and answer]({MISCLASSIFIED})",
            thousands(all as u64),
            thousands(images)
        )
    }
}

fn text(spread: Option<Spread>) -> String {
    spread.map_or_else(|| "-".to_owned(), |spread| format!("{spread} %"))
}
