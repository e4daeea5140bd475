//! Choice of all exponents by the mean square error that they cause.
//!
//! Activations: of the values that calibration images bring about. Weights: per output channel.
//! An exponent higher than the largest value allows clips a few outliers, and represents all
//! others twice as finely; the error tells whether that pays.

use anyhow::{Result, anyhow};
use burn::tensor::{Device, Tensor, TensorData};

use crate::model::{Activation, Encoding, FloatLayer, FloatNetwork, Operation, Shape};
use crate::network::{Mode, Network, Plan, Structure, Values};

use super::scheme::{
    ACCUMULATOR_LIMIT, LayerScheme, MAX_SHIFT, accumulator_bound, largest_weight, limits, power,
    quantize_weight, tanh_table,
};

/// Values of one layer that are looked at, at most.
const SAMPLES: usize = 1 << 20;
/// Images that run through the network at a time.
const BATCH: usize = 64;
/// Most clipping that is tried: the largest value is cut to 1/64.
const CLIPPING: i32 = 6;
/// Room that fine-tuning has to grow weights, below [`ACCUMULATOR_LIMIT`].
const HEADROOM: i64 = ACCUMULATOR_LIMIT / 8;
/// Largest exponent of a weight; enough for weights of a millionth.
const MAX_WEIGHT_EXPONENT: i32 = 24;

/// The exponents of every layer of `folded`, the float form of `plan`.
///
/// # Errors
///
/// Where the device does not yield the values of a layer.
pub fn calibrate(plan: &Plan, folded: &FloatNetwork, images: &[&[u8]]) -> Result<Vec<LayerScheme>> {
    let samples = sums(plan, folded, images)?;
    let mut encoding = Encoding { exponent: 8, signed: false };
    let mut schemes = Vec::new();
    for ((step, layer), samples) in plan.steps.iter().zip(&folded.layers).zip(&samples) {
        let scheme = scheme(layer, step.bits, encoding, samples);
        encoding = scheme.output;
        schemes.push(scheme);
    }
    Ok(schemes)
}

/// What arrives at every layer's activation, its pool included.
fn sums(plan: &Plan, folded: &FloatNetwork, images: &[&[u8]]) -> Result<Vec<Vec<f32>>> {
    let device = Device::flex();
    let mut plain = plan.clone();
    plain.normalization = None;
    plain.steps.iter_mut().for_each(|step| step.batch_norm = false);
    let structure = Structure::float(&plain);
    let values = Values::new(structure.parameters_of(folded), Vec::new(), &device);
    let network = Network::new(&structure, &values, false);
    let Shape { height, width, channels } = plan.input;
    let mut samples = vec![Vec::new(); plan.steps.len()];
    let mut failure = None;
    for batch in images.chunks(BATCH) {
        let pixels = batch.concat().iter().map(|pixel| f32::from(*pixel) / 256.0).collect();
        let shape = [batch.len(), channels, height, width];
        let input = Tensor::<4>::from_data(TensorData::new(pixels, shape), &device);
        network.forward_observed(input, &mut Mode::Inference, &mut |index, sum| {
            let share = SAMPLES * batch.len() / images.len();
            match sum.clone().try_into_vec_as::<f32>() {
                Ok(sums) => {
                    let stride = sums.len().div_ceil(share.max(1)).max(1);
                    samples[index].extend(sums.into_iter().step_by(stride));
                }
                Err(error) => failure = Some(anyhow!("reading activations: {error:?}")),
            }
        });
    }
    match failure {
        Some(error) => Err(error),
        None => Ok(samples),
    }
}

fn scheme(layer: &FloatLayer, bits: u8, input: Encoding, samples: &[f32]) -> LayerScheme {
    if matches!(layer.operation, Operation::MaxPool(_) | Operation::AveragePool(_)) {
        return LayerScheme { input, output: input, bits, weight_exponents: Vec::new(), table: None };
    }
    let mut exponent = match layer.activation {
        Activation::Tanh => tanh_exponent(samples),
        activation => activation_exponent(samples, activation != Activation::Relu),
    };
    let fan_in = (layer.weights.len() / layer.bias.len().max(1)).max(1);
    let mut weight_exponents: Vec<i32> = if layer.activation == Activation::Logits {
        // Logits are compared with each other, so they share one scale.
        vec![weight_exponent(&layer.weights, bits); layer.bias.len()]
    } else {
        layer.weights.chunks_exact(fan_in).map(|channel| weight_exponent(channel, bits)).collect()
    };
    fit(layer, input, bits, &mut weight_exponents, ACCUMULATOR_LIMIT - HEADROOM);
    if layer.activation == Activation::Logits {
        let exponent = input.exponent + weight_exponents.first().copied().unwrap_or(0);
        let output = Encoding { exponent, signed: true };
        return LayerScheme { input, output, bits, weight_exponents, table: None };
    }
    // Shifts only go right: the accumulator of every channel is at least as fine as the output.
    let finest = weight_exponents.iter().map(|weight| input.exponent + weight).min();
    exponent = finest.map_or(exponent, |finest| exponent.min(finest));
    for weight in &mut weight_exponents {
        *weight = (*weight).min(MAX_SHIFT + exponent - input.exponent);
    }
    let (output, table) = match layer.activation {
        Activation::Tanh => (Encoding { exponent: 7, signed: true }, Some((exponent, tanh_table(exponent)))),
        activation => (Encoding { exponent, signed: activation != Activation::Relu }, None),
    };
    LayerScheme { input, output, bits, weight_exponents, table }
}

/// Lowers the exponents of channels whose accumulator could reach `limit`; of all, for logits.
pub(super) fn fit(layer: &FloatLayer, input: Encoding, bits: u8, weight_exponents: &mut [i32], limit: i64) {
    let fan_in = (layer.weights.len() / layer.bias.len().max(1)).max(1);
    let channels = layer.weights.chunks_exact(fan_in).zip(&layer.bias);
    for (exponent, (weights, bias)) in weight_exponents.iter_mut().zip(channels) {
        while accumulator_bound(weights, *bias, input, *exponent, bits) >= limit
            && *exponent > -MAX_WEIGHT_EXPONENT
        {
            *exponent -= 1;
        }
    }
    if layer.activation == Activation::Logits
        && let Some(least) = weight_exponents.iter().copied().min()
    {
        weight_exponents.fill(least);
    }
}

/// The exponent of 8-bit activations; negative samples are zero after ReLU.
fn activation_exponent(samples: &[f32], signed: bool) -> i32 {
    let (least, most) = limits(signed);
    let largest =
        samples.iter().map(|&value| if signed { value.abs() } else { value.max(0.0) }).fold(0.0, f32::max);
    best(first_exponent(largest, most as f32, 7), |exponent| {
        let scale = f64::from(power(exponent));
        let error = |value: &f32| {
            let value = f64::from(if signed { *value } else { value.max(0.0) });
            let stored = (value * scale).round_ties_even().clamp(least, most) / scale;
            (stored - value).powi(2)
        };
        samples.iter().map(error).sum()
    })
}

/// The exponent of the index into a tanh table.
fn tanh_exponent(samples: &[f32]) -> i32 {
    // Beyond 4, tanh is 127/128 or more; finer steps than 1/256 change no entry.
    let errors = (2..=8).map(|exponent| {
        let table = tanh_table(exponent);
        let scale = f64::from(power(exponent));
        let error = |value: &f32| {
            let index = (f64::from(*value) * scale).round_ties_even().clamp(-128.0, 127.0);
            let entry = f64::from(table[(index + 128.0) as usize]) / 128.0;
            (entry - f64::from(*value).tanh()).powi(2)
        };
        (exponent, samples.iter().map(error).sum())
    });
    smallest(errors, 5)
}

/// The exponent of a channel's weights.
fn weight_exponent(weights: &[f32], bits: u8) -> i32 {
    let largest = weights.iter().map(|weight| weight.abs()).fold(0.0, f32::max);
    let first = first_exponent(largest, largest_weight(bits), 7).min(MAX_WEIGHT_EXPONENT);
    let chosen = best(first, |exponent| {
        let scale = power(exponent);
        let error = |weight: &f32| f64::from(quantize_weight(weight * scale, bits) / scale - weight).powi(2);
        weights.iter().map(error).sum()
    });
    chosen.min(MAX_WEIGHT_EXPONENT)
}

/// The highest exponent at which `largest` still fits into `most`; `otherwise` for nothing but zero.
fn first_exponent(largest: f32, most: f32, otherwise: i32) -> i32 {
    if largest > f32::MIN_POSITIVE { (most / largest).log2().floor() as i32 } else { otherwise }
}

/// The exponent with the smallest error, from one below `first` to the most clipping.
fn best(first: i32, error: impl Fn(i32) -> f64) -> i32 {
    smallest((first - 1..=first + CLIPPING).map(|exponent| (exponent, error(exponent))), first)
}

fn smallest(errors: impl Iterator<Item = (i32, f64)>, otherwise: i32) -> i32 {
    errors.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(otherwise, |(exponent, _)| exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_is_clipped_when_that_pays() {
        let mut samples: Vec<f32> = (0..10_000).map(|i| i as f32 / 10_000.0).collect();
        assert_eq!(activation_exponent(&samples, false), 8);
        samples.push(1.1);
        assert_eq!(activation_exponent(&samples, false), 8);
        samples.extend([1.9; 5_000]);
        assert_eq!(activation_exponent(&samples, false), 7);
        assert_eq!(activation_exponent(&samples, true), 6);
        assert_eq!(activation_exponent(&[0.0; 4], false), 6);
    }

    #[test]
    fn weights_use_their_range() {
        assert_eq!(weight_exponent(&[0.9, -0.5, 0.1], 8), 7);
        assert_eq!(weight_exponent(&[3.0, -1.0, 1.0, -3.0], 2), 0);
        assert_eq!(weight_exponent(&[0.75, -0.25, 0.25, -0.75], 2), 2);
        assert!(weight_exponent(&[1e-20], 8) <= MAX_WEIGHT_EXPONENT);
    }
}
