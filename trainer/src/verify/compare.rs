//! One batch through the three models, value by value.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use tenfold_runtime::Observer;
use tract_onnx::prelude::*;

use super::report::{Accuracy, LayerReport, LogitDifference, Mismatch, Report};
use crate::data::Dataset;
use crate::engine::onnx::OnnxModel;
use crate::engine::runtime::{LoadedModel, RuntimeModel};
use crate::engine::{BATCH, best_class};
use crate::export::onnx::layer_output;
use crate::model::Shape;

/// The three forms of one model.
pub(super) struct Models {
    runtime: RuntimeModel,
    integer: OnnxModel,
    float: OnnxModel,
    /// Yields the output of every layer of `integer`.
    layers: Arc<TypedRunnableModel>,
}

impl Models {
    pub(super) fn new(runtime: RuntimeModel, integer: OnnxModel, float: OnnxModel) -> Result<Models> {
        for onnx in [&integer, &float] {
            ensure!(
                (&onnx.name, onnx.input, onnx.classes) == (&runtime.name, runtime.input, runtime.classes),
                "`{}` for {:?}, {} classes, is not `{}` for {:?}, {} classes",
                onnx.name,
                onnx.input,
                onnx.classes,
                runtime.name,
                runtime.input,
                runtime.classes
            );
        }
        ensure!(float.logit_exponent.is_none(), "the file named .float.onnx holds the quantized form");
        let exponent = integer.logit_exponent.context("the file named .onnx holds the float form")?;
        ensure!(
            exponent == runtime.logit_exponent,
            "logits at exponent {exponent} in ONNX, {} in the runtime's file",
            runtime.logit_exponent
        );
        ensure!(
            integer.layers.len() == runtime.outputs.len(),
            "{} layers in ONNX, {} in the runtime's file",
            integer.layers.len(),
            runtime.outputs.len()
        );
        let layers = integer.layers_plan()?;
        let models = Models { runtime, integer, float, layers };
        for (index, name) in models.layers().iter().enumerate() {
            models.check_tensor(index).with_context(|| format!("layer `{name}`"))?;
        }
        Ok(models)
    }

    pub(super) fn input(&self) -> Shape {
        self.runtime.input
    }

    pub(super) fn classes(&self) -> usize {
        self.runtime.classes
    }

    pub(super) fn layers(&self) -> &[String] {
        &self.integer.layers
    }

    /// The runtime's model, ready to run.
    pub(super) fn load(&self) -> Result<LoadedModel<'_>> {
        self.runtime.load()
    }

    /// Compares a batch, whose first image is image `first` of the set; `loaded` is of [`load`](Self::load).
    pub(super) fn compare(
        &self,
        loaded: &LoadedModel<'_>,
        first: usize,
        images: &[u8],
        labels: &[u8],
    ) -> Result<Tally> {
        let outputs = self.integer.run_plan(&self.layers, images)?;
        let (logits, layers) = outputs.split_last().context("tract yielded nothing")?;
        let integer_logits = self.integer.logits(logits, labels.len())?;
        let float_logits = self.float.run(images)?;
        let tensors: Vec<&[u8]> = layers.iter().map(|tensor| integers(tensor)).collect::<Result<_>>()?;
        let outputs = &self.runtime.outputs;
        let observed = loaded.run_observed(images, |image| Comparison {
            outputs,
            tensors: &tensors,
            image,
            compared: vec![0; tensors.len()],
            differing: vec![0; tensors.len()],
            first: None,
        })?;

        let mut tally = Tally::new(self.layers().len());
        for (index, (comparison, prediction)) in observed.into_iter().enumerate() {
            let image = first + index;
            for (layer, (shape, _)) in
                self.runtime.outputs.split_last().map_or(&[][..], |(_, rest)| rest).iter().enumerate()
            {
                ensure!(
                    comparison.compared[layer] == shape.len() as u64,
                    "layer `{}`, image {image}: the runtime showed {} of {} values",
                    self.layers()[layer],
                    comparison.compared[layer],
                    shape.len()
                );
            }
            let logits: Vec<f64> = prediction.logits.iter().map(|logit| f64::from(*logit)).collect();
            tally.add_image(image, comparison, &logits, &integer_logits[index]);
            tally.add_quality(image, usize::from(labels[index]), &logits, &float_logits[index], self.scale());
        }
        Ok(tally)
    }

    fn scale(&self) -> f64 {
        f64::from(-self.runtime.logit_exponent).exp2()
    }

    /// The tensor in the ONNX file has the type and the shape of the runtime's output.
    fn check_tensor(&self, index: usize) -> Result<()> {
        let (shape, signed) = self.runtime.outputs[index];
        let fact = self.layers.model().output_fact(index)?;
        let is_last = index + 1 == self.runtime.outputs.len();
        let element = match signed {
            _ if is_last => f32::datum_type(),
            true => i8::datum_type(),
            false => u8::datum_type(),
        };
        let (map, vector) = ([BATCH, shape.channels, shape.height, shape.width], [BATCH, shape.len()]);
        let dimensions = fact.shape.as_concrete();
        if fact.datum_type != element || !(dimensions == Some(&map) || dimensions == Some(&vector)) {
            bail!(
                "`{}` is {:?} {:?}, but the runtime yields {element:?} {map:?}",
                layer_output(self.layers(), index),
                fact.datum_type,
                fact.shape
            );
        }
        Ok(())
    }
}

/// The bytes of an 8-bit tensor, signed or not.
fn integers(tensor: &TValue) -> Result<&[u8]> {
    let plain = tensor.try_as_plain_ram()?;
    Ok(if tensor.datum_type() == i8::datum_type() {
        bytemuck::cast_slice(plain.as_slice::<i8>()?)
    } else {
        plain.as_slice::<u8>()?
    })
}

/// Compares the rows of one image as the runtime emits them, channels last, with the tensors, channels
/// first.
struct Comparison<'a> {
    outputs: &'a [(Shape, bool)],
    tensors: &'a [&'a [u8]],
    /// Position in the batch.
    image: usize,
    compared: Vec<u64>,
    differing: Vec<u64>,
    first: Option<Difference>,
}

/// Ordered by layer, then by index: the first is the cause of those after it.
struct Difference {
    layer: usize,
    index: usize,
    position: [usize; 3],
    onnx: u8,
    runtime: u8,
}

impl Observer for Comparison<'_> {
    fn row(&mut self, layer: usize, row: usize, values: &[u8]) {
        let (Some((shape, _)), Some(tensor)) = (self.outputs.get(layer), self.tensors.get(layer)) else {
            return;
        };
        let Some(tensor) = tensor.get(self.image * shape.len()..(self.image + 1) * shape.len()) else {
            return;
        };
        for (column, pixel) in values.chunks_exact(shape.channels).enumerate() {
            for (channel, runtime) in pixel.iter().enumerate() {
                let index = (channel * shape.height + row) * shape.width + column;
                let Some(onnx) = tensor.get(index) else { return };
                self.compared[layer] += 1;
                if onnx == runtime {
                    continue;
                }
                self.differing[layer] += 1;
                let known = self.first.as_ref().map(|first| (first.layer, first.index));
                if known.is_none_or(|known| (layer, index) < known) {
                    let position = [channel, row, column];
                    self.first = Some(Difference { layer, index, position, onnx: *onnx, runtime: *runtime });
                }
            }
        }
    }
}

/// Counts of some images; those of batches add up.
pub(super) struct Tally {
    images: u64,
    values: Vec<u64>,
    differing: Vec<u64>,
    logits_equal: u64,
    /// Image, layer, and what differs.
    first: Option<(usize, usize, Found)>,
    float_correct: u64,
    quantized_correct: u64,
    predictions_differing: u64,
    largest: Option<LogitDifference>,
}

enum Found {
    Value(Difference),
    Logit { class: usize, onnx: f64, runtime: f64 },
}

impl Tally {
    pub(super) fn new(layers: usize) -> Tally {
        Tally {
            images: 0,
            values: vec![0; layers],
            differing: vec![0; layers],
            logits_equal: 0,
            first: None,
            float_correct: 0,
            quantized_correct: 0,
            predictions_differing: 0,
            largest: None,
        }
    }

    /// Adds the tally of later images.
    pub(super) fn add(&mut self, later: Tally) {
        self.images += later.images;
        for (total, count) in self.values.iter_mut().zip(&later.values) {
            *total += count;
        }
        for (total, count) in self.differing.iter_mut().zip(&later.differing) {
            *total += count;
        }
        self.logits_equal += later.logits_equal;
        self.first = self.first.take().or(later.first);
        self.float_correct += later.float_correct;
        self.quantized_correct += later.quantized_correct;
        self.predictions_differing += later.predictions_differing;
        if let Some(difference) = later.largest {
            self.add_difference(difference);
        }
    }

    fn add_image(&mut self, image: usize, comparison: Comparison<'_>, runtime: &[f64], onnx: &[f64]) {
        self.images += 1;
        let last = self.values.len() - 1;
        for layer in 0..last {
            self.values[layer] += comparison.compared[layer];
            self.differing[layer] += comparison.differing[layer];
        }
        self.values[last] += runtime.len() as u64;
        let unequal: Vec<usize> =
            (0..runtime.len()).filter(|class| onnx.get(*class) != Some(&runtime[*class])).collect();
        self.differing[last] += unequal.len() as u64;
        self.logits_equal += u64::from(unequal.is_empty());
        if self.first.is_none() {
            let logit = unequal.first().map(|class| {
                let onnx = onnx.get(*class).copied().unwrap_or(f64::NAN);
                (image, last, Found::Logit { class: *class, onnx, runtime: runtime[*class] })
            });
            let value = comparison.first.map(|found| (image, found.layer, Found::Value(found)));
            self.first = value.or(logit);
        }
    }

    fn add_quality(&mut self, image: usize, label: usize, quantized: &[f64], float: &[f64], scale: f64) {
        let (by_float, by_quantized) = (best_class(float), best_class(quantized));
        self.float_correct += u64::from(by_float == label);
        self.quantized_correct += u64::from(by_quantized == label);
        self.predictions_differing += u64::from(by_float != by_quantized);
        for (class, (float, quantized)) in float.iter().zip(quantized).enumerate() {
            self.add_difference(LogitDifference {
                image,
                class,
                float: *float,
                quantized: quantized * scale,
            });
        }
    }

    fn add_difference(&mut self, difference: LogitDifference) {
        if self.largest.as_ref().is_none_or(|largest| difference.amount() > largest.amount()) {
            self.largest = Some(difference);
        }
    }

    pub(super) fn report(self, models: &Models, test: &Dataset) -> Report {
        let layers = models.layers();
        let reports = layers.iter().enumerate().map(|(index, name)| LayerReport {
            layer: name.clone(),
            tensor: layer_output(layers, index),
            values: self.values[index],
            differing: self.differing[index],
        });
        let first_mismatch = self.first.map(|(image, layer, found)| {
            let place = |index, position, onnx, runtime| Mismatch {
                image,
                layer: layers[layer].clone(),
                index,
                position,
                onnx,
                runtime,
            };
            match found {
                Found::Logit { class, onnx, runtime } => place(class, [class, 0, 0], onnx, runtime),
                Found::Value(found) => {
                    let signed = models.runtime.outputs[layer].1;
                    let read = |byte: u8| {
                        f64::from(if signed { i16::from(byte.cast_signed()) } else { i16::from(byte) })
                    };
                    place(found.index, found.position, read(found.onnx), read(found.runtime))
                }
            }
        });
        Report {
            model: models.runtime.name.clone(),
            data: test.source.clone(),
            images: self.images,
            layers: reports.collect(),
            logits_equal: self.logits_equal,
            first_mismatch,
            float: Accuracy { correct: self.float_correct, images: self.images },
            quantized: Accuracy { correct: self.quantized_correct, images: self.images },
            predictions_differing: self.predictions_differing,
            largest_logit_difference: self.largest,
        }
    }
}
