//! `trainer predict`: the digit in a picture, or in every picture of a CSV file.
//!
//! ```text
//! PNG or JPEG -> upright -> over white or black -> grey -> ink::normalise -> model -> picture, digit, bars
//! test.csv of Kaggle ------------------------------------------------------> model -> submission.csv
//! ```

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::json;
use tenfold_runtime::ink;

use super::source::config_of;
use super::{Reported, model, print, report_error};
use crate::config::Pixels;
use crate::data::{Pictures, picture as file};
use crate::engine::{Engine, best_class, softmax};
use crate::files::Output;
use crate::report::{Look, bar, note, picture, progress, thousands};

/// Most rows or columns that a file may announce. Beyond the frame that `ink` takes, the picture
/// is shrunk first; beyond this it is refused.
const MAX_FILE_SIDE: u32 = 16_384;

/// Grounds that transparent parts are laid over.
const WHITE: u8 = 255;
const BLACK: u8 = 0;

/// Options of `trainer predict`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The picture shows one digit, dark on light or light on dark, of any size. It is normalised as MNIST
was made; what the network sees is printed.

Examples:
  trainer predict photo.jpg
  trainer predict --json scans/*.png
  trainer predict --model runs/mine/mine.onnx photo.jpg
  trainer predict --kaggle test.csv --out submission.csv

--kaggle takes the 784 pixels of each line as they are (docs/DATA.md), and writes what Kaggle's digit
recognizer takes: ImageId,Label, counted from 1.

--json prints one object a line for each image: file, digit, probabilities. An image that cannot be
read is reported on standard error; the others are still done, and the exit code is 1.")]
pub(super) struct Args {
    /// Pictures: PNG or JPEG files.
    #[arg(required_unless_present = "kaggle", value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// CSV file of Kaggle's digit recognizer, plain or .gz, instead of pictures.
    #[arg(long, value_name = "FILE", requires = "out", conflicts_with_all = ["images", "json"])]
    kaggle: Option<PathBuf>,

    /// Where the answers to --kaggle go.
    #[arg(long, value_name = "FILE", requires = "kaggle", conflicts_with = "images")]
    out: Option<PathBuf>,

    /// Model: a .postcard or .onnx file, or the directory of a model [default: the repository's nano].
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// Print one JSON object a line for each image.
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: Args) -> Result<()> {
    let path = args.model.map_or_else(model::default_path, Ok)?;
    let engine = model::open(&path)?;
    let pixels = config_of(&path)?.map_or(Pixels::default(), |config| config.pixels);
    if let (Some(table), Some(out)) = (&args.kaggle, &args.out) {
        return submit(&engine, pixels, table, out);
    }
    let input = engine.input();
    ensure!(
        (input.height, input.width) == (ink::SIDE, ink::SIDE),
        "{}: input: expected {side}x{side}, as pictures are normalised, found {}x{}; choose another model",
        path.display(),
        input.height,
        input.width,
        side = ink::SIDE,
    );
    let look = Look::of_stdout();
    let mut failed = false;
    for (index, image) in args.images.iter().enumerate() {
        match Outcome::new(&engine, pixels, image) {
            Ok(outcome) => {
                let gap = if index > 0 { "\n" } else { "" };
                print(&if args.json {
                    format!("{}\n", outcome.json(image))
                } else {
                    format!("{gap}{}", outcome.render(look, image))
                })?;
            }
            Err(error) => {
                report_error(&error);
                failed = true;
            }
        }
    }
    if failed {
        return Err(Reported.into());
    }
    Ok(())
}

/// Answers the pictures of a CSV file.
fn submit(engine: &Engine, pixels: Pixels, table: &Path, out: &Path) -> Result<()> {
    // Before the work: a mistyped path should not cost it.
    let mut output = Output::create(out)?;
    let mut pictures = Pictures::open(table)?;
    let (input, side) = (engine.input(), pictures.side);
    ensure!(
        (input.height, input.width) == (side, side),
        "{}: pixels: expected those of {}x{}, the network's input, found {side}x{side}; choose another model",
        table.display(),
        input.height,
        input.width,
    );
    pixels.prepare(&mut pictures.images, side * side);
    let bar = progress(pictures.count as u64, "images");
    bar.set_prefix("predict");
    let logits = engine.run(&pictures.images, &|done| bar.inc(done as u64))?;
    bar.finish_and_clear();
    write_submission(&mut output, &logits).with_context(|| format!("{}: cannot write", out.display()))?;
    output.finish()?;
    // Standard output may be where the answers went.
    note(&format!("{}: {} pictures", out.display(), thousands(pictures.count as u64)));
    Ok(())
}

/// The format of Kaggle's `sample_submission.csv`.
fn write_submission(file: &mut impl Write, logits: &[Vec<f64>]) -> std::io::Result<()> {
    let mut text = String::from("ImageId,Label\n");
    for (index, logits) in logits.iter().enumerate() {
        text.push_str(&format!("{},{}\n", index + 1, best_class(logits)));
    }
    file.write_all(text.as_bytes())?;
    file.flush()
}

/// What a model says about a picture.
struct Outcome {
    pixels: [u8; ink::AREA],
    digit: usize,
    probabilities: Vec<f64>,
}

impl Outcome {
    fn new(engine: &Engine, preparation: Pixels, path: &Path) -> Result<Outcome> {
        let pixels = read(path)?;
        let mut prepared = pixels;
        preparation.prepare(&mut prepared, ink::AREA);
        let logits = engine
            .run(&prepared, &|_| {})?
            .pop()
            .ok_or_else(|| anyhow!("{}: the model returned nothing", path.display()))?;
        Ok(Outcome {
            pixels,
            digit: best_class(&logits),
            probabilities: softmax(&logits, engine.logit_scale()),
        })
    }

    fn json(&self, path: &Path) -> serde_json::Value {
        json!({
            "file": path.to_string_lossy(),
            "digit": self.digit,
            "probabilities": self.probabilities,
        })
    }

    fn render(&self, look: Look, path: &Path) -> String {
        let (bold, reset) = if look.color { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        let mut text = format!("{}\n{}", path.display(), picture(look, &self.pixels, ink::SIDE));
        text.push_str(&format!("digit {bold}{}{reset}\n", self.digit));
        for (class, probability) in self.probabilities.iter().enumerate() {
            let (on, off) = if class == self.digit { (bold, reset) } else { ("", "") };
            let line = format!("{class:>3} {:>6.2} % {}", 100.0 * probability, bar(look, *probability, 30));
            text.push_str(&format!("{on}{}{off}\n", line.trim_end()));
        }
        text
    }
}

/// Reads a picture and normalises it.
fn read(path: &Path) -> Result<[u8; ink::AREA]> {
    let mut picture = file::decode(path, MAX_FILE_SIDE).with_context(|| path.display().to_string())?;
    if picture.width().max(picture.height()) > ink::MAX_SIDE as u32 {
        picture = picture.thumbnail(ink::MAX_SIDE as u32, ink::MAX_SIDE as u32);
    }
    let normalised = |ground| {
        let grey = file::grey(&picture, ground);
        let (width, height) = grey.dimensions();
        ink::normalise(grey.as_raw(), width as usize, height as usize)
    };
    // A digit drawn on nothing is dark on light, but for one that could not be seen so.
    let mut pixels = normalised(WHITE);
    if pixels.is_err() && picture.color().has_alpha() {
        pixels = normalised(BLACK).or(pixels);
    }
    pixels.map_err(|error| {
        anyhow!("{}: {error}; take a picture of one digit that fills most of it", path.display())
    })
}
