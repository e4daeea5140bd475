//! `trainer predict`: the digit in a picture.
//!
//! ```text
//! PNG or JPEG -> limits -> upright -> over white or black -> grey -> ink::normalise -> model -> picture, digit, bars
//! ```

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use serde_json::json;
use tenfold_runtime::ink;

use super::{Reported, model, print, report_error};
use crate::engine::{Engine, best_class};
use crate::report::{Look, bar, picture};

/// Most rows or columns that a file may announce. Beyond the frame that `ink` takes, the picture
/// is shrunk first; beyond this it is refused.
const MAX_FILE_SIDE: u32 = 16_384;

/// Most memory that decoding a file may take.
const MAX_DECODE_BYTES: u64 = 1 << 30;

/// Grounds that transparent parts are laid over.
const WHITE: u32 = 255;
const BLACK: u32 = 0;

/// Options of `trainer predict`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The picture shows one digit, dark on light or light on dark, of any size. It is normalised as MNIST
was made; what the network sees is printed.

Examples:
  trainer predict photo.jpg
  trainer predict --json scans/*.png
  trainer predict --model runs/mine/mine.onnx photo.jpg

--json prints one object a line for each image: file, digit, probabilities. An image that cannot be
read is reported on standard error; the others are still done, and the exit code is 1.")]
pub(super) struct Args {
    /// Pictures: PNG or JPEG files.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,

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
        match Outcome::new(&engine, image) {
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

/// What a model says about a picture.
struct Outcome {
    pixels: [u8; ink::AREA],
    digit: usize,
    probabilities: Vec<f64>,
}

impl Outcome {
    fn new(engine: &Engine, path: &Path) -> Result<Outcome> {
        let pixels = read(path)?;
        let logits = engine
            .run(&pixels, &|_| {})?
            .pop()
            .ok_or_else(|| anyhow!("{}: the model returned nothing", path.display()))?;
        Ok(Outcome {
            pixels,
            digit: best_class(&logits),
            probabilities: model::softmax(&logits, engine.logit_scale()),
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
    let picture = decode(path).with_context(|| path.display().to_string())?;
    let normalised = |ground| {
        let grey = over(&picture, ground);
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

/// Decodes a PNG or JPEG of any colour type, upright.
fn decode(path: &Path) -> Result<DynamicImage> {
    // Before opening: a pipe would wait for a writer.
    ensure!(
        std::fs::metadata(path).context("cannot open")?.is_file(),
        "expected a PNG or JPEG file, found a directory, pipe or device"
    );
    let file = File::open(path).context("cannot open")?;
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().context("cannot read")?;
    let Some(format) = reader.format() else {
        bail!("expected a PNG or JPEG picture, found something else (the first bytes decide)");
    };
    ensure!(
        format.reading_enabled(),
        "expected a PNG or JPEG picture, found {}; convert it first",
        format.extensions_str().first().unwrap_or(&"another format")
    );
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_FILE_SIDE);
    limits.max_image_height = Some(MAX_FILE_SIDE);
    limits.max_alloc = Some(MAX_DECODE_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().context("cannot decode the header")?;
    // A picture without or with unreadable orientation is taken as it is.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut decoded =
        DynamicImage::from_decoder(decoder).context("cannot decode; the file may be damaged")?;
    decoded.apply_orientation(orientation);
    if decoded.width().max(decoded.height()) > ink::MAX_SIDE as u32 {
        decoded = decoded.thumbnail(ink::MAX_SIDE as u32, ink::MAX_SIDE as u32);
    }
    Ok(decoded)
}

/// Grey levels, with transparent parts over a ground of one level.
fn over(picture: &DynamicImage, ground: u32) -> image::GrayImage {
    if !picture.color().has_alpha() {
        return picture.to_luma8();
    }
    let with_alpha = picture.to_luma_alpha8();
    image::GrayImage::from_fn(with_alpha.width(), with_alpha.height(), |x, y| {
        let [value, alpha] = with_alpha.get_pixel(x, y).0.map(u32::from);
        image::Luma([((value * alpha + ground * (255 - alpha) + 127) / 255) as u8])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparent_parts_show_the_ground() {
        let picture = image::RgbaImage::from_raw(3, 1, vec![0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 51]).unwrap();
        let picture = picture.into();
        assert_eq!(over(&picture, WHITE).into_raw(), [255, 0, 204]);
        assert_eq!(over(&picture, BLACK).into_raw(), [0, 0, 0]);
    }
}
