//! What a network makes of images: its answers, the ranges of its activations, and its last hidden features.

use core::ops::Range;

use anyhow::{Context, Result};
use tenfold_runtime::Observer;
use tract_onnx::prelude::*;

use super::subject::Subject;
use crate::data::Dataset;
use crate::engine::onnx::OnnxModel;
use crate::engine::runtime::RuntimeModel;
use crate::engine::{BATCH, best_class, run_batches};
use crate::export::{onnx, postcard};
use crate::model::{FloatNetwork, QuantizedNetwork, Shape};
use crate::network::{Structure, fold};

/// Images whose activations are measured.
const RANGE_IMAGES: usize = 500;
/// Values of a layer that percentiles are taken of, at most, a batch.
const SAMPLES: usize = 4096;

/// Everything that was measured.
#[derive(Debug)]
pub(super) struct Measured {
    /// One answer an image: of the integers where there are some, else of the floats.
    pub(super) answers: Vec<Answer>,
    /// Right answers of the float network.
    pub(super) float_correct: usize,
    /// One a layer but the last, whose output is logits.
    pub(super) layers: Vec<Activations>,
    /// Where there are integers.
    pub(super) board: Option<Board>,
}

/// What the network said to an image.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) label: usize,
    pub(super) class: usize,
    /// One a class.
    pub(super) probabilities: Vec<f64>,
}

/// What the integers take on a board.
#[derive(Clone, Copy, Debug)]
pub(super) struct Board {
    pub(super) correct: usize,
    pub(super) weight_bytes: usize,
    pub(super) scratch_bytes: usize,
    pub(super) macs: u64,
}

/// The float values of a layer's output, and how far the integers are from them.
#[derive(Clone, Debug, Default)]
pub(super) struct Activations {
    pub(super) least: f32,
    pub(super) most: f32,
    /// Median, 99 % and 99.9 % of the magnitudes.
    pub(super) percentiles: [f32; 3],
    /// Mean of the squares.
    pub(super) power: f64,
    /// Mean of the squared differences of the integers, where there are some.
    pub(super) error: Option<f64>,
    /// Share of the values beyond what the integers can represent.
    pub(super) clipped: f64,
}

/// Runs both forms of the network; `progress` counts images.
pub(super) fn measure(subject: &Subject, images: &Dataset, progress: &dyn Fn(usize)) -> Result<Measured> {
    let float = tract_model(subject, &subject.float)?;
    let length = images.height * images.width;
    let pixels = |range: Range<usize>| &images.images[range.start * length..range.end * length];
    let logits = run_batches(images.len(), BATCH, progress, |range| float.run(pixels(range)))?;
    let logits = logits.into_iter().flatten();
    let by_float: Vec<Answer> =
        logits.zip(&images.labels).map(|(logits, label)| Answer::new(*label, &logits, 1.0)).collect();
    let float_correct = right(&by_float);
    let Some(quantized) = &subject.quantized else {
        let layers = activations(&float, None, images)?;
        return Ok(Measured { answers: by_float, float_correct, layers, board: None });
    };
    let runtime = RuntimeModel::new(&postcard::encode(quantized)?)?;
    let scale = f64::from(-runtime.logit_exponent).exp2();
    let loaded = runtime.load()?;
    let logits = run_batches(images.len(), BATCH, progress, |range| loaded.run(pixels(range)))?;
    let logits = logits.into_iter().flatten();
    let answers: Vec<Answer> =
        logits.zip(&images.labels).map(|(logits, label)| Answer::new(*label, &logits, scale)).collect();
    let board = Board {
        correct: right(&answers),
        weight_bytes: runtime.weight_bytes,
        scratch_bytes: runtime.scratch_bytes,
        macs: runtime.macs,
    };
    let layers = activations(&float, Some((quantized, &runtime)), images)?;
    Ok(Measured { answers, float_correct, layers, board: Some(board) })
}

fn right(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.class == answer.label).count()
}

impl Answer {
    fn new(label: u8, logits: &[f64], scale: f64) -> Answer {
        let class = best_class(logits);
        let most = logits[class] * scale;
        let powers: Vec<f64> = logits.iter().map(|logit| (logit * scale - most).exp()).collect();
        let sum: f64 = powers.iter().sum();
        let probabilities = powers.iter().map(|power| power / sum).collect();
        Answer { label: usize::from(label), class, probabilities }
    }

    /// Probability of the right class.
    pub(super) fn of_label(&self) -> f64 {
        self.probabilities.get(self.label).copied().unwrap_or(0.0)
    }

    /// Probability of the answer.
    pub(super) fn of_answer(&self) -> f64 {
        self.probabilities[self.class]
    }
}

/// The last hidden features of `count` images: one row an image, of the network as it is and as it was before
/// training. `None` for a network without a hidden layer.
pub(super) fn features(subject: &Subject, images: &Dataset) -> Result<Option<[Vec<Vec<f32>>; 2]>> {
    if subject.plan.steps.len() < 2 {
        return Ok(None);
    }
    let structure = Structure::float(&subject.plan);
    let (parameters, statistics) = structure.initial(subject.provenance.seed);
    let untrained = fold(&subject.plan, &structure, &parameters, &statistics);
    Ok(Some([hidden(subject, &untrained, images)?, hidden(subject, &subject.float, images)?]))
}

fn hidden(subject: &Subject, network: &FloatNetwork, images: &Dataset) -> Result<Vec<Vec<f32>>> {
    let model = tract_model(subject, network)?;
    let plan = model.layers_plan()?;
    let length = images.height * images.width;
    let batches = run_batches(images.len(), BATCH, &|_| (), |range| {
        let outputs = model.run_plan(&plan, &images.images[range.start * length..range.end * length])?;
        let hidden = outputs.len().checked_sub(2).and_then(|index| outputs.get(index));
        let values = floats(hidden.context("tract yielded no hidden layer")?)?;
        let width = values.len() / BATCH;
        Ok(values.chunks_exact(width.max(1)).take(range.len()).map(<[f32]>::to_vec).collect::<Vec<_>>())
    })?;
    Ok(batches.into_iter().flatten().collect())
}

fn tract_model(subject: &Subject, network: &FloatNetwork) -> Result<OnnxModel> {
    OnnxModel::new(&onnx::encode_float(network, &subject.provenance)?)
}

fn floats(tensor: &TValue) -> Result<&[f32]> {
    tensor.try_as_plain_ram()?.as_slice::<f32>()
}

/// Sums over the values of a layer; those of batches add up.
#[derive(Clone, Debug, Default)]
struct Sums {
    values: u64,
    least: f32,
    most: f32,
    squares: f64,
    errors: f64,
    clipped: u64,
    magnitudes: Vec<f32>,
}

fn activations(
    float: &OnnxModel,
    integers: Option<(&QuantizedNetwork, &RuntimeModel)>,
    images: &Dataset,
) -> Result<Vec<Activations>> {
    let plan = float.layers_plan()?;
    let loaded = integers.map(|(_, runtime)| runtime.load()).transpose()?;
    let length = images.height * images.width;
    let batches = run_batches(images.len().min(RANGE_IMAGES), BATCH, &|_| (), |range| {
        let pixels = &images.images[range.start * length..range.end * length];
        let outputs = float.run_plan(&plan, pixels)?;
        let hidden = outputs.len().saturating_sub(1);
        let maps = outputs.iter().take(hidden).map(floats).collect::<Result<Vec<_>>>()?;
        let mut sums = vec![Sums::default(); hidden];
        for (sums, map) in sums.iter_mut().zip(&maps) {
            // What is missing from the batch is black images at its end.
            sums.add(&map[..map.len() / BATCH * range.len()]);
        }
        if let (Some((network, runtime)), Some(loaded)) = (integers, &loaded) {
            let seen = loaded.run_observed(pixels, |image| Difference {
                network,
                outputs: &runtime.outputs,
                maps: &maps,
                image,
                sums: vec![(0.0, 0); hidden],
            })?;
            for (difference, _) in seen {
                for (sums, (errors, clipped)) in sums.iter_mut().zip(difference.sums) {
                    sums.errors += errors;
                    sums.clipped += clipped;
                }
            }
        }
        Ok(sums)
    })?;
    let mut batches = batches.into_iter();
    let mut total = batches.next().unwrap_or_default();
    for batch in batches {
        total.iter_mut().zip(batch).for_each(|(total, sums)| total.merge(sums));
    }
    Ok(total.into_iter().map(|sums| sums.finish(integers.is_some())).collect())
}

impl Sums {
    fn add(&mut self, values: &[f32]) {
        self.values += values.len() as u64;
        for value in values {
            self.least = self.least.min(*value);
            self.most = self.most.max(*value);
            self.squares += f64::from(*value).powi(2);
        }
        let stride = values.len().div_ceil(SAMPLES).max(1);
        self.magnitudes.extend(values.iter().step_by(stride).map(|value| value.abs()));
    }

    fn merge(&mut self, other: Sums) {
        self.values += other.values;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
        self.squares += other.squares;
        self.errors += other.errors;
        self.clipped += other.clipped;
        self.magnitudes.extend(other.magnitudes);
    }

    fn finish(mut self, integers: bool) -> Activations {
        self.magnitudes.sort_by(f32::total_cmp);
        let last = self.magnitudes.len().saturating_sub(1);
        let at = |share: f64| self.magnitudes.get((last as f64 * share).round() as usize).copied();
        let values = self.values.max(1) as f64;
        Activations {
            least: self.least,
            most: self.most,
            percentiles: [0.5, 0.99, 0.999].map(|share| at(share).unwrap_or(0.0)),
            power: self.squares / values,
            error: integers.then_some(self.errors / values),
            clipped: self.clipped as f64 / values,
        }
    }
}

/// Compares the rows of one image as the runtime emits them, channels last, with float maps, channels first.
struct Difference<'a> {
    network: &'a QuantizedNetwork,
    outputs: &'a [(Shape, bool)],
    maps: &'a [&'a [f32]],
    /// Position in the batch.
    image: usize,
    /// Squared differences, and values beyond the range, of each layer.
    sums: Vec<(f64, u64)>,
}

impl Observer for Difference<'_> {
    fn row(&mut self, layer: usize, row: usize, values: &[u8]) {
        let (Some((shape, signed)), Some(map)) = (self.outputs.get(layer), self.maps.get(layer)) else {
            return;
        };
        let Some(map) = map.get(self.image * shape.len()..(self.image + 1) * shape.len()) else { return };
        let (Some(quantized), Some(sums)) = (self.network.layers.get(layer), self.sums.get_mut(layer)) else {
            return;
        };
        let step = f64::from(-quantized.output_encoding.exponent).exp2();
        let (least, most) = if *signed { (-128.0, 127.0) } else { (0.0, 255.0) };
        for (column, pixel) in values.chunks_exact(shape.channels).enumerate() {
            for (channel, byte) in pixel.iter().enumerate() {
                let Some(float) = map.get((channel * shape.height + row) * shape.width + column) else {
                    return;
                };
                let float = f64::from(*float);
                let integer = if *signed { f64::from(byte.cast_signed()) } else { f64::from(*byte) };
                sums.0 += (integer * step - float).powi(2);
                // Half a step beyond the range still rounds into it.
                let place = float / step;
                sums.1 += u64::from(place < least - 0.5 || place > most + 0.5);
            }
        }
    }
}
