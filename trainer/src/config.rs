//! What a training run is told: a network and how to train, augment and quantize it, as TOML.
//!
//! A configuration comes from a preset or from a file of the same form ([`crate::preset`]); flags
//! of the command line override it; the result is saved beside the run before training starts,
//! so that `train runs/nano-1/config.toml` repeats it.

mod difference;

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use difference::Difference;

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
    /// How to train.
    #[serde(default)]
    pub training: Training,
    /// How to distort the training images, anew in each epoch.
    #[serde(default)]
    pub augmentation: Augmentation,
    /// How to turn the network into integers.
    #[serde(default)]
    pub quantization: Quantization,
    /// The network, first layer to last.
    pub layers: Vec<Layer>,
}

fn default_seed() -> u64 {
    1
}

/// One layer, as a user writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// 2-D convolution.
    Conv {
        /// Output channels.
        filters: usize,
        /// Side of the window, or `[height, width]`.
        kernel: Pair,
        /// Step, or `[vertical, horizontal]`.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        stride: Pair,
        /// Zeros around the input.
        #[serde(default, skip_serializing_if = "Padding::is_valid")]
        padding: Padding,
        /// Groups; the number of input channels makes the convolution depthwise.
        #[serde(default = "one_group", skip_serializing_if = "is_one_group")]
        groups: usize,
        /// Bits a weight (8, 4 or 2) where they differ from `[quantization] bits`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bits: Option<u8>,
    },
    /// Batch normalization of the conv or dense layer right before it.
    BatchNorm {},
    /// `max(x, 0)`.
    Relu {},
    /// Hyperbolic tangent.
    Tanh {},
    /// Largest value of a window.
    MaxPool {
        /// Side of the window, or `[height, width]`.
        size: Pair,
        /// Step; the size of the window unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<Pair>,
        /// Padding that never wins.
        #[serde(default, skip_serializing_if = "Padding::is_valid")]
        padding: Padding,
    },
    /// Mean of a window.
    AveragePool {
        /// Side of the window, or `[height, width]`.
        size: Pair,
        /// Step; the size of the window unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<Pair>,
    },
    /// Mean of each channel's whole map.
    GlobalAveragePool {},
    /// Feature map to vector.
    Flatten {},
    /// Fully connected.
    Dense {
        /// Outputs.
        units: usize,
        /// Bits a weight (8, 4 or 2) where they differ from `[quantization] bits`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bits: Option<u8>,
    },
    /// Zeroes a share of the values while training; nothing afterwards.
    Dropout {
        /// Share of the values that is zeroed, 0 <= rate < 1.
        rate: f64,
    },
}

impl Layer {
    /// The word after `type =`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Conv { .. } => "conv",
            Self::BatchNorm {} => "batch_norm",
            Self::Relu {} => "relu",
            Self::Tanh {} => "tanh",
            Self::MaxPool { .. } => "max_pool",
            Self::AveragePool { .. } => "average_pool",
            Self::GlobalAveragePool {} => "global_average_pool",
            Self::Flatten {} => "flatten",
            Self::Dense { .. } => "dense",
            Self::Dropout { .. } => "dropout",
        }
    }
}

/// A height and a width: `3` or `[5, 3]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair(pub [usize; 2]);

fn one() -> Pair {
    Pair([1, 1])
}

fn is_one(pair: &Pair) -> bool {
    *pair == one()
}

fn one_group() -> usize {
    1
}

fn is_one_group(groups: &usize) -> bool {
    *groups == 1
}

impl Serialize for Pair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self([height, width]) = *self;
        if height == width { height.serialize(serializer) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairVisitor;
        impl<'de> Visitor<'de> for PairVisitor {
            type Value = Pair;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number such as 3, or a pair such as [5, 3]")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Pair, E> {
                let side = usize::try_from(value).map_err(E::custom)?;
                Ok(Pair([side, side]))
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Pair, E> {
                let side = usize::try_from(value)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(value), &self))?;
                Ok(Pair([side, side]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Pair, A::Error> {
                let mut sides = Vec::new();
                while let Some(side) = sequence.next_element::<usize>()? {
                    sides.push(side);
                }
                <[usize; 2]>::try_from(sides)
                    .map(Pair)
                    .map_err(|sides| A::Error::invalid_length(sides.len(), &self))
            }
        }
        deserializer.deserialize_any(PairVisitor)
    }
}

/// Padding of a convolution or a max-pool: `"valid"`, `"same"`, or `[top, left, bottom, right]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// None.
    #[default]
    Valid,
    /// As much as makes the output `ceil(input / stride)` long; the odd one goes to the bottom
    /// and to the right, as in TensorFlow.
    Same,
    /// Top, left, bottom, right.
    Explicit([usize; 4]),
}

impl Padding {
    fn is_valid(&self) -> bool {
        *self == Self::Valid
    }
}

impl Serialize for Padding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Valid => "valid".serialize(serializer),
            Self::Same => "same".serialize(serializer),
            Self::Explicit(sides) => sides.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Padding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PaddingVisitor;
        impl<'de> Visitor<'de> for PaddingVisitor {
            type Value = Padding;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("\"valid\", \"same\" or [top, left, bottom, right]")
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Padding, E> {
                match value {
                    "valid" => Ok(Padding::Valid),
                    "same" => Ok(Padding::Same),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(value), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Padding, A::Error> {
                let mut sides = Vec::new();
                while let Some(side) = sequence.next_element::<usize>()? {
                    sides.push(side);
                }
                <[usize; 4]>::try_from(sides)
                    .map(Padding::Explicit)
                    .map_err(|sides| A::Error::invalid_length(sides.len(), &self))
            }
        }
        deserializer.deserialize_any(PaddingVisitor)
    }
}

/// How to train: AdamW, a linear warm-up and then half a cosine down to zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images a step.
    pub batch_size: usize,
    /// Parts that a batch is split into, trained on one thread each, whose gradients are averaged.
    /// Part of the recipe, not of the machine: the same number gives the same bits on any CPU.
    /// Batch norm takes its statistics within a part. A GPU takes the batch whole.
    pub shards: usize,
    /// Rule that turns gradients into steps.
    pub optimizer: Optimizer,
    /// Learning rate after the warm-up.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises from zero.
    pub warmup_steps: usize,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Pull towards zero, of weights only (biases and batch norm are free).
    pub weight_decay: f64,
    /// Share of the target that is spread over all classes.
    pub label_smoothing: f64,
    /// Uses the first so many training images only; all where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// Ends each of the two phases (float, integers) after so many steps, for a trial, and validates
    /// on no more images than were trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<usize>,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch_size: 64,
            shards: 2,
            optimizer: Optimizer::Adamw,
            learning_rate: 2e-3,
            warmup_steps: 200,
            beta1: 0.9,
            beta2: 0.99,
            weight_decay: 0.02,
            label_smoothing: 0.05,
            images: None,
            max_steps: None,
        }
    }
}

/// Rule that turns gradients into steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    Adamw,
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
}

impl Default for Augmentation {
    fn default() -> Self {
        Self { rotation: 7.0, shift: 1.2, scale: 0.06, shear: 0.09, elastic: 1.5, elastic_grid: 5.0 }
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
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        let config: Self =
            toml::from_str(text).with_context(|| format!("{origin}: this is not a valid configuration"))?;
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
    pub fn to_toml(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Head<'a> {
            name: &'a str,
            input: [usize; 3],
            seed: u64,
        }
        #[derive(Serialize)]
        struct Sections<'a> {
            training: &'a Training,
            augmentation: &'a Augmentation,
            quantization: &'a Quantization,
        }
        let head = Head { name: &self.name, input: self.input, seed: self.seed };
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
            training: &self.training,
            augmentation: &self.augmentation,
            quantization: &self.quantization,
        };
        text.push_str(&toml::to_string(&sections).context("writing the configuration")?);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }

    /// Checks every value that does not need the shapes of the network.
    pub fn check(&self) -> Result<()> {
        let name_fits = !self.name.is_empty()
            && self.name.len() <= 64
            && self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && !self.name.starts_with(['.', '-']);
        ensure!(
            name_fits,
            "name = {:?}: expected 1 to 64 letters, digits, '-', '_' or '.', not starting with '.' or '-' (it names files)",
            self.name
        );
        let training = &self.training;
        ensure!(training.batch_size > 0, "[training] batch_size = 0: expected at least 1");
        ensure!(
            (1..=training.batch_size.min(64)).contains(&training.shards),
            "[training] shards = {}: expected 1 to {} (batch_size, at most 64)",
            training.shards,
            training.batch_size.min(64)
        );
        ensure!(training.images != Some(0), "[training] images = 0: expected at least 1");
        ensure!(training.max_steps != Some(0), "[training] max_steps = 0: expected at least 1");
        positive("[training] learning_rate", training.learning_rate)?;
        positive("[quantization] qat_learning_rate", self.quantization.qat_learning_rate)?;
        fraction("[training] beta1", training.beta1)?;
        fraction("[training] beta2", training.beta2)?;
        fraction("[training] weight_decay", training.weight_decay)?;
        fraction("[training] label_smoothing", training.label_smoothing)?;
        let augmentation = &self.augmentation;
        for (key, value, most) in [
            ("rotation", augmentation.rotation, 180.0),
            ("shift", augmentation.shift, 1000.0),
            ("scale", augmentation.scale, 0.9),
            ("shear", augmentation.shear, 10.0),
            ("elastic", augmentation.elastic, 1000.0),
        ] {
            ensure!((0.0..=most).contains(&value), "[augmentation] {key} = {value}: expected 0 to {most}");
        }
        ensure!(
            (1.0..=1000.0).contains(&augmentation.elastic_grid),
            "[augmentation] elastic_grid = {}: expected 1 to 1000 pixels",
            augmentation.elastic_grid
        );
        check_bits("[quantization] bits", self.quantization.bits)?;
        ensure!(
            self.quantization.calibration_images > 0,
            "[quantization] calibration_images = 0: expected at least 1"
        );
        Ok(())
    }
}

/// Refuses a number of bits that the runtime has no kernel for.
pub(crate) fn check_bits(key: &str, bits: u8) -> Result<()> {
    ensure!(matches!(bits, 8 | 4 | 2), "{key} = {bits}: expected 8, 4 or 2");
    Ok(())
}

fn positive(key: &str, value: f64) -> Result<()> {
    ensure!(value.is_finite() && value > 0.0, "{key} = {value}: expected a number above 0");
    Ok(())
}

fn fraction(key: &str, value: f64) -> Result<()> {
    ensure!((0.0..1.0).contains(&value), "{key} = {value}: expected 0 <= {key} < 1");
    Ok(())
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
