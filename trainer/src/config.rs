//! What a training run is told: a network and how to train, augment and quantize it, as TOML.
//!
//! A configuration comes from a preset or from a file of the same form ([`crate::preset`]); flags
//! of the command line override it; the result is saved beside the run before training starts,
//! so that `train runs/nano-1/config.toml` repeats it.

mod check;
mod data;
mod difference;
mod layer;
mod teacher;
mod training;
mod words;

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

pub(crate) use check::check_bits;
pub use data::Data;
pub use difference::Difference;
pub use layer::{Layer, Padding, Pair};
pub use teacher::{Distillation, Ensemble};
pub use training::{Optimizer, Precision, Schedule, Training};
pub(crate) use words::{explain, in_words};

use crate::files;

/// Largest file that is read as a configuration.
const MAX_BYTES: u64 = 1 << 20;

/// A whole configuration. Every section but the network has defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the model, of its run directory and of its files.
    pub name: String,
    /// Rows, columns and channels of the input image.
    pub input: [usize; 3],
    /// Seed of weights, shuffling, augmentation, dropout and calibration.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// What is done to an image before the network sees it, here and on the board.
    #[serde(default)]
    pub pixels: Pixels,
    /// How to divide the images.
    #[serde(default, skip_serializing_if = "Data::is_empty")]
    pub data: Data,
    /// How to train.
    #[serde(default)]
    pub training: Training,
    /// How to distort the training images, anew in each epoch.
    #[serde(default)]
    pub augmentation: Augmentation,
    /// Whom to learn from, beside the labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distillation: Option<Distillation>,
    /// Which trained networks to join, in place of training with floats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensemble: Option<Ensemble>,
    /// How to turn the network into integers.
    #[serde(default)]
    pub quantization: Quantization,
    /// The network, first layer to last.
    pub layers: Vec<Layer>,
}

fn default_seed() -> u64 {
    1
}

/// What is done to an image before the network sees it; [`crate::data::Dataset::with_pixels`] does it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pixels {
    /// Nothing.
    #[default]
    Raw,
    /// Each image is divided by its Euclidean norm: `min(255, floor((1024 p + n / 2) / n))`, where `n`
    /// is the integer part of the root of the sum of all `p * p`; 0 where that is 0.
    L2,
}

impl Pixels {
    fn is_raw(&self) -> bool {
        *self == Self::Raw
    }
}

/// Bounds of the random distortion of a training image; all zero switches it off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Degrees, to either side.
    pub rotation: f64,
    /// Pixels, along each axis.
    pub shift: f64,
    /// Share by which each axis is stretched or squeezed.
    pub scale: f64,
    /// Horizontal shear, in pixels a row.
    pub shear: f64,
    /// Pixels by which the points of the elastic grid move, along each axis.
    pub elastic: f64,
    /// Pixels between the points of the elastic grid.
    pub elastic_grid: f64,
    /// Pixels by which strokes become thicker or thinner on every side.
    pub thickness: f64,
    /// Largest standard deviation of the noise, in grey levels of 255.
    pub noise: f64,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            rotation: 7.0,
            shift: 1.2,
            scale: 0.06,
            shear: 0.09,
            elastic: 1.5,
            elastic_grid: 5.0,
            thickness: 0.0,
            noise: 0.0,
        }
    }
}

/// How to turn the network into integers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quantization {
    /// Bits a weight, where a layer does not say: 8, 4 or 2.
    pub bits: u8,
    /// Training images (not distorted) from which exponents are chosen.
    pub calibration_images: usize,
    /// Epochs of training with the integers of the board, after the float epochs.
    pub qat_epochs: usize,
    /// Learning rate of these epochs.
    pub qat_learning_rate: f64,
}

impl Default for Quantization {
    fn default() -> Self {
        Self { bits: 8, calibration_images: 1024, qat_epochs: 1, qat_learning_rate: 5e-4 }
    }
}

impl Config {
    /// Reads a configuration; `origin` (a path or a preset) opens the error message.
    ///
    /// # Errors
    ///
    /// Where the text is no configuration, or a value is out of range.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        let mut config: Self =
            toml::from_str(text).map_err(|error| anyhow!("{origin}: {}", explain(text, &error)))?;
        config.training.resolve();
        config.check().with_context(|| origin.to_owned())?;
        Ok(config)
    }

    /// Reads the configuration in a file.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, or is no valid configuration.
    pub fn read(file: &Path) -> Result<Self> {
        let origin = file.display().to_string();
        let text = String::from_utf8(files::read(file, MAX_BYTES)?)
            .with_context(|| format!("{origin}: expected a configuration, found no text"))?;
        Self::parse(&text, &origin)
    }

    /// The configuration as TOML that [`Config::parse`] reads back.
    ///
    /// # Errors
    ///
    /// Where a value has no form in TOML; none that [`Config::check`] accepts.
    pub fn to_toml(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Head<'a> {
            name: &'a str,
            input: [usize; 3],
            seed: u64,
            #[serde(skip_serializing_if = "Pixels::is_raw")]
            pixels: Pixels,
        }
        #[derive(Serialize)]
        struct Sections<'a> {
            #[serde(skip_serializing_if = "Data::is_empty")]
            data: &'a Data,
            training: &'a Training,
            augmentation: &'a Augmentation,
            #[serde(skip_serializing_if = "Option::is_none")]
            distillation: &'a Option<Distillation>,
            #[serde(skip_serializing_if = "Option::is_none")]
            ensemble: &'a Option<Ensemble>,
            quantization: &'a Quantization,
        }
        let head = Head { name: &self.name, input: self.input, seed: self.seed, pixels: self.pixels };
        let mut text = toml::to_string(&head).context("writing the configuration")?;
        // One layer a line, as in the presets; serde would spend a table on each.
        text.push_str("layers = [\n");
        for layer in &self.layers {
            let value = toml::Value::try_from(layer).context("writing the configuration")?;
            let toml::Value::Table(mut fields) = value else {
                bail!("writing the configuration: a layer did not become a table");
            };
            fields.remove("type");
            text.push_str(&format!("    {{ type = \"{}\"", layer.kind()));
            for (key, value) in &fields {
                text.push_str(&format!(", {key} = {value}"));
            }
            text.push_str(" },\n");
        }
        text.push_str("]\n\n");
        let sections = Sections {
            data: &self.data,
            training: &self.training,
            augmentation: &self.augmentation,
            distillation: &self.distillation,
            ensemble: &self.ensemble,
            quantization: &self.quantization,
        };
        text.push_str(&toml::to_string(&sections).context("writing the configuration")?);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        name = "small"
        input = [28, 28, 1]
        layers = [
            { type = "conv", filters = 4, kernel = [5, 3], stride = 2, padding = [1, 0, 2, 0] },
            { type = "relu" },
            { type = "flatten" },
            { type = "dense", units = 10, bits = 4 },
        ]
    "#;

    #[test]
    fn reads_what_it_writes() {
        let config = Config::parse(SMALL, "small").unwrap();
        let again = Config::parse(&config.to_toml().unwrap(), "again").unwrap();
        assert_eq!(config, again);
        assert_eq!(config.training.shards, 2);
    }

    #[test]
    fn unknown_fields_and_bad_values_are_named() {
        let cases = [
            (SMALL.replace("filters = 4", "filter = 4"), "filter"),
            (SMALL.replace("\"relu\"", "\"relu\", slope = 1"), "slope"),
            (SMALL.replace("\"relu\"", "\"gelu\""), "gelu"),
            (SMALL.replace("kernel = [5, 3]", "kernel = [5, 3, 1]"), "pair"),
            (SMALL.replace("kernel = [5, 3]", "kernel = -1"), "whole number"),
            (SMALL.replace("[1, 0, 2, 0]", "\"full\""), "same"),
            (SMALL.replace("\"small\"", "\"../small\""), "name"),
            (format!("{SMALL}\n[training]\nbatch_size = 0"), "batch_size"),
            (format!("{SMALL}\n[training]\nepoch = 3"), "epoch"),
            (format!("{SMALL}\n[quantization]\nbits = 3"), "bits"),
            (format!("{SMALL}\n[augmentation]\nscale = 2.0"), "scale"),
        ];
        for (text, word) in cases {
            let error = Config::parse(&text, "small.toml").unwrap_err();
            let message = format!("{error:#}");
            assert!(message.contains("small.toml") && message.contains(word), "{message}");
        }
    }
}
