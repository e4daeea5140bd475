//! What a verification found, and how it reads.

use anyhow::{Result, bail};
use serde::Serialize;

use crate::report::{Align, Look, percent, table, thousands};

/// What [`verify`](super::verify) found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the model.
    pub model: String,
    /// What the images are.
    pub data: String,
    /// Images that went through all three files.
    pub images: u64,
    /// The layers, first to last; the last yields the logits.
    pub layers: Vec<LayerReport>,
    /// Images all of whose logits are equal in the runtime and in the quantized ONNX file.
    pub logits_equal: u64,
    /// The first differing value of the first image that has one.
    pub first_mismatch: Option<Mismatch>,
    /// Of the float ONNX file.
    pub float: Accuracy,
    /// Of the runtime.
    pub quantized: Accuracy,
    /// Images that the float and the quantized model see differently.
    pub predictions_differing: u64,
    /// The largest difference between a logit of the float and of the quantized model.
    pub largest_logit_difference: Option<LogitDifference>,
}

/// One layer, runtime against ONNX.
#[derive(Clone, Debug, Serialize)]
pub struct LayerReport {
    /// Name of the layer.
    pub layer: String,
    /// Name of the tensor in the ONNX file.
    pub tensor: String,
    /// Values compared.
    pub values: u64,
    /// Values that differ.
    pub differing: u64,
}

/// A value that differs between the runtime and the ONNX file.
#[derive(Clone, Debug, Serialize)]
pub struct Mismatch {
    /// Index of the image in the set.
    pub image: usize,
    /// Name of the layer.
    pub layer: String,
    /// Index in the layer's output, channels first.
    pub index: usize,
    /// The same as channel, row and column.
    pub position: [usize; 3],
    /// The integer in the ONNX file.
    pub onnx: f64,
    /// The integer in the runtime.
    pub runtime: f64,
}

/// Right predictions.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Accuracy {
    /// How many are right.
    pub correct: u64,
    /// Of how many.
    pub images: u64,
}

/// A logit of the float model and the same logit, in real numbers, of the quantized one.
#[derive(Clone, Debug, Serialize)]
pub struct LogitDifference {
    /// Index of the image in the set.
    pub image: usize,
    /// Class.
    pub class: usize,
    /// By the float model.
    pub float: f64,
    /// By the quantized model.
    pub quantized: f64,
}

impl LogitDifference {
    /// The absolute difference; a logit that is no number differs infinitely.
    pub fn amount(&self) -> f64 {
        let amount = (self.float - self.quantized).abs();
        if amount.is_nan() { f64::INFINITY } else { amount }
    }
}

impl Accuracy {
    /// In percent.
    pub fn percent(&self) -> f64 {
        100.0 * self.correct as f64 / self.images.max(1) as f64
    }
}

impl Report {
    /// Values compared, runtime against ONNX.
    pub fn values(&self) -> u64 {
        self.layers.iter().map(|layer| layer.values).sum()
    }

    /// Values that differ.
    pub fn mismatches(&self) -> u64 {
        self.layers.iter().map(|layer| layer.differing).sum()
    }

    /// Points of accuracy that quantization gained; negative where it lost.
    pub fn accuracy_difference(&self) -> f64 {
        self.quantized.percent() - self.float.percent()
    }

    /// Fails when a value differs, or when quantization lost more than `tolerance_points` of
    /// accuracy. Of few images a whole image is always tolerated.
    ///
    /// # Errors
    ///
    /// What is wrong, and what helps.
    pub fn check(&self, tolerance_points: f64) -> Result<()> {
        if let Some(first) = &self.first_mismatch {
            bail!(
                "{} of {} values differ between the runtime and ONNX; first: image {}, layer `{}`, index {} (channel \
                 {}, row {}, column {}): {} in ONNX, {} in the runtime",
                thousands(self.mismatches()),
                thousands(self.values()),
                first.image,
                first.layer,
                first.index,
                first.position[0],
                first.position[1],
                first.position[2],
                first.onnx,
                first.runtime
            );
        }
        let tolerated = (tolerance_points / 100.0 * self.images as f64).ceil();
        let lost = self.float.correct as f64 - self.quantized.correct as f64;
        if lost > tolerated {
            bail!(
                "quantization loses {:.2} points of accuracy, more than the {tolerance_points} tolerated; train with \
                 more bits or more --qat-epochs, or raise --tolerance-points",
                -self.accuracy_difference()
            );
        }
        Ok(())
    }

    /// The report as text, for people.
    pub fn render(&self, look: Look) -> String {
        let header = [
            ("layer", Align::Left),
            ("tensor", Align::Left),
            ("values", Align::Right),
            ("differing", Align::Right),
        ];
        let rows: Vec<Vec<String>> = self
            .layers
            .iter()
            .map(|layer| {
                vec![
                    layer.layer.clone(),
                    layer.tensor.clone(),
                    thousands(layer.values),
                    thousands(layer.differing),
                ]
            })
            .collect();
        let mut text = table(look, &header, &rows);
        let (images, values) = (thousands(self.images), thousands(self.values()));
        text.push_str(&format!(
            "\n\nboard == ONNX: {} of {images} logits equal; {} of {values} values of all layers equal\n",
            thousands(self.logits_equal),
            thousands(self.values() - self.mismatches()),
        ));
        text.push_str(&format!(
            "accuracy: float {}, quantized {}, difference {:+.2} points; {} of {images} predictions differ\n",
            percent(self.float.correct, self.float.images),
            percent(self.quantized.correct, self.quantized.images),
            self.accuracy_difference(),
            thousands(self.predictions_differing),
        ));
        if let Some(largest) = &self.largest_logit_difference {
            text.push_str(&format!(
                "largest logit difference: {:.4} (image {}, class {}: float {:.4}, quantized {:.4})\n",
                largest.amount(),
                largest.image,
                largest.class,
                largest.float,
                largest.quantized
            ));
        }
        text
    }
}
