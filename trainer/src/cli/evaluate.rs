//! `trainer evaluate`: how good a model file is on a data set.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{model, print, vote};
use crate::data::{self, Dataset, Part};
use crate::engine::{Engine, best_class};
use crate::files::Output;
use crate::report::{Confusion, Look, percent, progress, thousands};

/// Options of `trainer evaluate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A .postcard runs in the runtime, as on a board; an .onnx runs in tract.

Examples:
  trainer evaluate models/nano/nano.postcard
  trainer evaluate models/nano/nano.onnx --set validation --limit 1000
  trainer evaluate models/nano/nano.postcard --logits logits.csv --json
  trainer evaluate models/nano models/lenet5 models/keras-cnn       each one, and the majority of their votes

--logits writes one row an image: index,label,prediction,l0,l1,... The logits of a .postcard and of a
quantized .onnx are integers; `loss` in the JSON is the mean cross-entropy of the scaled logits.")]
pub(super) struct Args {
    /// Model: a .postcard or .onnx file, or the directory of a model. Several models vote.
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<PathBuf>,

    /// Images to evaluate on.
    #[arg(long, value_enum, default_value_t = Part::Test, value_name = "SET")]
    set: Part,

    /// Directory with the IDX files of the data set [default: the MNIST of the repository].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Evaluate the first N images only.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// Write the logits of every image to a CSV file.
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,

    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: Args) -> Result<()> {
    let engines = args.models.iter().map(|path| model::open(path)).collect::<Result<Vec<_>>>()?;
    let engine = engines.first().context("there is no model")?;
    let directory = args.data.map_or_else(data::default_directory, Ok)?;
    let mut dataset = data::load_classes(&directory, args.set, engine.classes())?;
    dataset.expect_size(engine.input().height, engine.input().width)?;
    if let Some(limit) = args.limit {
        dataset.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    if engines.len() > 1 {
        ensure!(args.logits.is_none(), "--logits: expected one model, found {}", engines.len());
        return print(&vote::evaluate(&engines, &dataset, args.set, args.json)?);
    }
    // Before the work: a mistyped path should not cost it.
    let table = args.logits.as_deref().map(Output::create).transpose()?;

    let bar = progress(dataset.len() as u64, "images");
    bar.set_prefix("evaluate");
    let logits = engine.run(&dataset.images, &|done| bar.inc(done as u64))?;
    bar.finish_and_clear();

    if let Some(table) = table {
        write_table(table, engine, &dataset, &logits)?;
    }
    let result = Evaluation::new(&dataset, &logits, engine.logit_scale());
    if args.json {
        return print(&format!("{}\n", result.json(engine, &dataset, args.set)));
    }
    let mut text = result.render(engine, &dataset, args.set);
    if let Some(path) = &args.logits {
        text.push_str(&format!("\nlogits    {}\n", path.display()));
    }
    print(&text)
}

/// Figures over all images.
struct Evaluation {
    confusion: Confusion,
    /// Mean cross-entropy in nats.
    loss: f64,
}

impl Evaluation {
    fn new(dataset: &Dataset, logits: &[Vec<f64>], scale: f64) -> Evaluation {
        let mut confusion = Confusion::new(dataset.classes);
        let mut loss = 0.0;
        for (logits, label) in logits.iter().zip(&dataset.labels) {
            let label = usize::from(*label);
            confusion.add(label, best_class(logits));
            loss += model::log_sum_exp(logits, scale) - logits[label] * scale;
        }
        Evaluation { confusion, loss: loss / dataset.len().max(1) as f64 }
    }

    fn render(&self, engine: &Engine, dataset: &Dataset, part: Part) -> String {
        let (correct, total) = (self.confusion.correct(), self.confusion.total());
        let arithmetic = if engine.is_integer() { "integers" } else { "float" };
        format!(
            "model     {} ({arithmetic})\ndata      {}, {part}, {} images\n\
             accuracy  {} ({} wrong)\nloss      {:.4}\n\n{}",
            engine.name(),
            dataset.source,
            thousands(total),
            percent(correct, total),
            thousands(total - correct),
            self.loss,
            self.confusion.render(Look::of_stdout())
        )
    }

    fn json(&self, engine: &Engine, dataset: &Dataset, part: Part) -> serde_json::Value {
        let (correct, total) = (self.confusion.correct(), self.confusion.total());
        let recall: Vec<Option<f64>> = (0..dataset.classes)
            .map(|class| match self.confusion.recall(class) {
                (_, 0) => None,
                (correct, all) => Some(correct as f64 / all as f64),
            })
            .collect();
        json!({
            "model": engine.name(),
            "integer": engine.is_integer(),
            "data": dataset.source,
            "set": part.to_string(),
            "images": total,
            "correct": correct,
            "accuracy": correct as f64 / total.max(1) as f64,
            "loss": self.loss,
            "recall": recall,
            "confusion": self.confusion.rows(),
        })
    }
}

fn write_table(mut table: Output, engine: &Engine, dataset: &Dataset, logits: &[Vec<f64>]) -> Result<()> {
    write_rows(&mut table, engine.is_integer(), dataset, logits).context("cannot write the logits")?;
    table.finish()
}

fn write_rows(
    file: &mut impl Write,
    integer: bool,
    dataset: &Dataset,
    logits: &[Vec<f64>],
) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(file);
    let head = ["index", "label", "prediction"].map(str::to_owned);
    writer.write_record(head.into_iter().chain((0..dataset.classes).map(|class| format!("l{class}"))))?;
    for (index, (logits, label)) in logits.iter().zip(&dataset.labels).enumerate() {
        let head = [index.to_string(), label.to_string(), best_class(logits).to_string()];
        // Whole numbers far below 2^53: exact in a f64.
        let shown =
            |logit: &f64| if integer { format!("{}", *logit as i64) } else { format!("{}", *logit as f32) };
        writer.write_record(head.into_iter().chain(logits.iter().map(shown)))?;
    }
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_images() -> Dataset {
        Dataset {
            images: vec![0; 2],
            labels: vec![1, 0],
            height: 1,
            width: 1,
            classes: 2,
            source: "test".to_owned(),
        }
    }

    #[test]
    fn loss_is_the_mean_cross_entropy() {
        let logits = [vec![0.0, 3.0_f64.ln() * 4.0], vec![0.0, 0.0]];
        let result = Evaluation::new(&two_images(), &logits, 0.25);
        assert!((result.loss - ((4.0_f64 / 3.0).ln() + 2.0_f64.ln()) / 2.0).abs() < 1e-12);
        assert_eq!((result.confusion.correct(), result.confusion.total()), (2, 2));
    }

    #[test]
    fn logit_table_has_a_row_an_image() {
        let mut table = Vec::new();
        write_rows(&mut table, true, &two_images(), &[vec![-7.0, 8.0], vec![5.0, 5.0]]).unwrap();
        assert_eq!(table, b"index,label,prediction,l0,l1\n0,1,1,-7,8\n1,0,0,5,5\n");
    }
}
