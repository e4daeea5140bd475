//! Parameters and exponents to the integers that are exported.

use anyhow::{Result, ensure};

use crate::model::{Activation, Encoding, FloatLayer, FloatNetwork, QuantizedLayer, QuantizedNetwork};

use super::calibrate::fit;
use super::scheme::{ACCUMULATOR_LIMIT, LayerScheme, power, quantize_weight};

/// The integers of `network`, a folded network (fine-tuned or not), under the exponents of `schemes`.
///
/// Fine-tuning may have grown a channel beyond the bound below which sums are exact; its weights
/// are then rounded more coarsely.
///
/// # Errors
///
/// Where there is not one scheme a layer.
pub fn convert(network: &FloatNetwork, schemes: &[LayerScheme]) -> Result<QuantizedNetwork> {
    ensure!(
        network.layers.len() == schemes.len(),
        "{}: {} layers, but exponents of {}",
        network.name,
        network.layers.len(),
        schemes.len()
    );
    let layers = network.layers.iter().zip(schemes).map(|(layer, scheme)| quantize(layer, scheme));
    Ok(QuantizedNetwork { name: network.name.clone(), input: network.input, layers: layers.collect() })
}

fn quantize(layer: &FloatLayer, scheme: &LayerScheme) -> QuantizedLayer {
    let mut exponents = scheme.weight_exponents.clone();
    fit(layer, scheme.input, scheme.bits, &mut exponents, ACCUMULATOR_LIMIT);
    let fan_in = (layer.weights.len() / layer.bias.len().max(1)).max(1);
    let mut weights = Vec::with_capacity(layer.weights.len());
    for (channel, exponent) in layer.weights.chunks_exact(fan_in).zip(&exponents) {
        let scale = power(*exponent);
        weights.extend(channel.iter().map(|w| quantize_weight(w * scale, scheme.bits) as i8));
    }
    let bias = layer.bias.iter().zip(&exponents);
    let bias = bias
        .map(|(bias, exponent)| (bias * power(scheme.input.exponent + exponent)).round_ties_even() as i32);
    let output = match (layer.activation, exponents.first()) {
        (Activation::Logits, Some(exponent)) => {
            Encoding { exponent: scheme.input.exponent + exponent, signed: true }
        }
        _ => scheme.output,
    };
    QuantizedLayer {
        name: layer.name.clone(),
        operation: layer.operation.clone(),
        activation: layer.activation,
        input: layer.input,
        output: layer.output,
        input_encoding: scheme.input,
        output_encoding: output,
        weight_bits: scheme.bits,
        weights,
        bias: bias.collect(),
        weight_exponents: exponents,
        table: scheme.table.clone(),
    }
}
