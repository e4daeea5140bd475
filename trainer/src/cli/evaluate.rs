//! `trainer evaluate`: how good a model file is on a data set.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use image::ImageFormat;
use serde_json::{Value, json};

use super::source::DataArgs;
use super::{model, print, vote};
use crate::data::{Dataset, Part};
use crate::engine::{Candidate, Engine, best_class};
use crate::evaluation::{Evaluation, Listing, sheet};
use crate::files::Output;
use crate::report::{Look, note, progress, thousands};

/// Mistakes on a sheet where --worst does not say.
const SHEET: usize = 100;

/// Options of `trainer evaluate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A .postcard runs in the runtime, as on a board; an .onnx runs in tract.

Examples:
  trainer evaluate models/nano/nano.postcard
  trainer evaluate models/nano/nano.onnx --set validation --limit 1000
  trainer evaluate models/nano --worst 10 --pictures --worst-png worst.png
  trainer evaluate models/nano --data my-digits/ --set all
  trainer evaluate models/nano/nano.postcard --logits logits.csv --json
  trainer evaluate models/nano models/lenet5 models/keras-cnn       each one, and the majority of their votes

--logits writes one row an image: index,label,prediction,l0,l1,... The logits of a .postcard and of a
quantized .onnx are integers; `loss` in the JSON is the mean cross-entropy of the scaled logits, and
probabilities are their softmax. `mistakes` in the JSON is all of them unless --worst says how many.")]
pub(super) struct Args {
    /// Model: a .postcard or .onnx file, or the directory of a model. Several models vote.
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<PathBuf>,

    /// Of a model's directory, evaluate the network before quantization.
    #[arg(long)]
    float: bool,

    /// Images to evaluate on.
    #[arg(long, value_enum, default_value_t = Part::Test, value_name = "SET")]
    set: Part,

    #[command(flatten)]
    data: DataArgs,

    /// Evaluate the first N images only.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// List the N worst mistakes: those that left the least probability to the label.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    worst: Option<u64>,

    /// Draw the listed mistakes.
    #[arg(long, requires = "worst", conflicts_with = "json")]
    pictures: bool,

    /// Write the worst mistakes (100, or as many as --worst says) as one picture: label, answer, probability.
    #[arg(long, value_name = "FILE")]
    worst_png: Option<PathBuf>,

    /// Write the logits of every image to a CSV file.
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,

    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: Args) -> Result<()> {
    let open = |path: &PathBuf| if args.float { model::open_float(path) } else { model::open(path) };
    let engines = args.models.iter().map(open).collect::<Result<Vec<_>>>()?;
    let engine = engines.first().context("there is no model")?;
    if engines.len() > 1 {
        for (flag, given) in [
            ("--logits", args.logits.is_some()),
            ("--worst", args.worst.is_some()),
            ("--worst-png", args.worst_png.is_some()),
        ] {
            ensure!(!given, "{flag}: expected one model, found {}", engines.len());
        }
    }
    // Before the work: a mistyped path should not cost it.
    let output = |path: &Option<PathBuf>| path.as_deref().map(Output::create).transpose();
    let (table, picture) = (output(&args.logits)?, output(&args.worst_png)?);
    let (source, pixels) = args.data.open_for_all(&args.models, args.set)?;
    let mut dataset = source.load(args.set, engine.classes())?;
    dataset.expect_size(engine.input().height, engine.input().width)?;
    if let Some(limit) = args.limit {
        dataset.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    if engines.len() > 1 {
        let candidates: Vec<Candidate> =
            engines.into_iter().zip(pixels).map(|(engine, pixels)| Candidate { engine, pixels }).collect();
        return print(&vote::evaluate(&candidates, &dataset, args.set, args.json)?);
    }
    let dataset = dataset.with_pixels(pixels.first().copied().unwrap_or_default());

    let bar = progress(dataset.len() as u64, "images");
    bar.set_prefix("evaluate");
    let logits = engine.run(&dataset.images, &|done| bar.inc(done as u64))?;
    bar.finish_and_clear();

    if let Some(table) = table {
        write_table(table, engine, &dataset, &logits)?;
    }
    let mut evaluation = Evaluation::new(&dataset.labels, dataset.classes, &logits, engine.logit_scale());
    let worst = args.worst.map(|count| count as usize);
    if let (Some(picture), Some(path)) = (picture, &args.worst_png) {
        write_sheet(picture, path, &dataset, &evaluation, worst.unwrap_or(SHEET))?;
    }
    if args.json {
        if let Some(worst) = worst {
            evaluation.mistakes.truncate(worst);
        }
        let figures = json(&evaluation, engine, &dataset, args.set, source.class_names())?;
        return print(&format!("{figures}\n"));
    }
    let arithmetic = if engine.is_integer() { "integers" } else { "float" };
    let mut text = format!(
        "model     {} ({arithmetic})\ndata      {}, {}, {} images\n",
        engine.name(),
        dataset.source,
        args.set,
        thousands(dataset.len() as u64)
    );
    if let Some(names) = source.class_names() {
        let names: Vec<String> =
            (0..).zip(names).map(|(label, name): (u8, _)| format!("{label} {name}")).collect();
        text.push_str(&format!("classes   {}\n", names.join(", ")));
    }
    text.push_str(&evaluation.render(Look::of_stdout()));
    if let Some(count) = worst {
        let files = source.files(args.set)?;
        let (pictures, files, names) = (args.pictures, files.as_deref(), source.class_names());
        let listing = Listing { count, pictures, files, names };
        text.push('\n');
        text.push_str(&evaluation.render_mistakes(Look::of_stdout(), &dataset, &listing));
    }
    if let Some(path) = &args.logits {
        text.push_str(&format!("\nlogits    {}\n", path.display()));
    }
    print(&text)
}

/// The evaluation, and of what it is.
fn json(
    evaluation: &Evaluation,
    engine: &Engine,
    dataset: &Dataset,
    part: Part,
    names: Option<&[String]>,
) -> Result<Value> {
    let mut whole = json!({
        "model": engine.name(),
        "integer": engine.is_integer(),
        "data": dataset.source,
        "set": part.to_string(),
        "class_names": names,
    });
    let (Value::Object(head), Value::Object(figures)) = (&mut whole, evaluation.json()) else {
        anyhow::bail!("writing the figures: no object");
    };
    head.extend(figures);
    Ok(whole)
}

fn write_sheet(
    mut output: Output,
    path: &Path,
    dataset: &Dataset,
    evaluation: &Evaluation,
    count: usize,
) -> Result<()> {
    let mistakes = &evaluation.mistakes[..count.min(evaluation.mistakes.len())];
    let Some(picture) = sheet(dataset, mistakes) else {
        note(&format!("{}: not written, there are no mistakes", path.display()));
        return Ok(());
    };
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).context("cannot encode the picture")?;
    output.write_all(png.get_ref()).with_context(|| format!("{}: cannot write", path.display()))?;
    output.finish()
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

    #[test]
    fn logit_table_has_a_row_an_image() {
        let two_images = Dataset {
            images: vec![0; 2],
            labels: vec![1, 0],
            height: 1,
            width: 1,
            classes: 2,
            source: "test".to_owned(),
        };
        let mut table = Vec::new();
        write_rows(&mut table, true, &two_images, &[vec![-7.0, 8.0], vec![5.0, 5.0]]).unwrap();
        assert_eq!(table, b"index,label,prediction,l0,l1\n0,1,1,-7,8\n1,0,0,5,5\n");
    }
}
