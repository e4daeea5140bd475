//! The runtime's file: permutes the network to channels last and hands it to the format's writer.
//!
//! ```text
//! convolution  [output][channel][row][column]  ->  [output][row][column][channel]
//! dense        [output][channel][row][column]  ->  [output][row][column][channel]
//! ```
//!
//! Nothing is computed here; [`check_quantized`](super::check::check_quantized) has seen the network
//! before.

use anyhow::{Context, Result, anyhow};
use tenfold_runtime::format;
use tenfold_runtime::format::spec::{LayerSpec, ModelSpec, Output, Parameters};

use crate::model::{Activation, Operation, QuantizedLayer, QuantizedNetwork, Shape, Window};

/// The bytes of `<name>.postcard`.
///
/// # Errors
///
/// Where the network does not fit the format.
pub fn encode(network: &QuantizedNetwork) -> Result<Vec<u8>> {
    format::encode(&specification(network)?)
        .map_err(|error| anyhow!("network `{}` does not fit the runtime's format: {error}", network.name))
}

/// The network as the runtime's format describes it.
///
/// # Errors
///
/// Where a number does not fit its field of the format.
pub fn specification(network: &QuantizedNetwork) -> Result<ModelSpec> {
    let logits = network.layers.last().context("the network has no layer")?;
    let side = |size: usize| u16::try_from(size).context("the input is larger than 65,535");
    Ok(ModelSpec {
        name: network.name.clone(),
        input: [side(network.input.height)?, side(network.input.width)?, side(network.input.channels)?],
        logit_exponent: i8::try_from(logits.output_encoding.exponent)
            .context("the exponent of the logits")?,
        layers: network
            .layers
            .iter()
            .map(|layer| layer_specification(layer).with_context(|| format!("layer `{}`", layer.name)))
            .collect::<Result<_>>()?,
    })
}

fn layer_specification(layer: &QuantizedLayer) -> Result<LayerSpec> {
    Ok(match &layer.operation {
        Operation::Convolution { window, groups, pool } => {
            let map = Shape {
                height: window.kernel[0],
                width: window.kernel[1],
                channels: layer.input.channels / groups,
            };
            let pool = pool
                .as_ref()
                .map(|pool| Ok::<_, anyhow::Error>((kernel(pool)?, stride(pool)?)))
                .transpose()?;
            LayerSpec::Convolution {
                kernel: kernel(window)?,
                stride: stride(window)?,
                padding: padding(window)?,
                groups: u16::try_from(*groups).context("more than 65,535 groups")?,
                pool,
                parameters: parameters(layer, map)?,
            }
        }
        Operation::Dense => LayerSpec::Dense { parameters: parameters(layer, layer.input)? },
        Operation::MaxPool(window) => {
            LayerSpec::MaxPool { kernel: kernel(window)?, stride: stride(window)?, padding: padding(window)? }
        }
        Operation::AveragePool(window) => {
            LayerSpec::AveragePool { kernel: kernel(window)?, stride: stride(window)? }
        }
    })
}

fn parameters(layer: &QuantizedLayer, map: Shape) -> Result<Parameters> {
    let shifts = layer
        .shifts()
        .into_iter()
        .map(|shift| u8::try_from(shift).with_context(|| format!("a shift of {shift}")))
        .collect::<Result<_>>()?;
    let output = match (layer.activation, &layer.table) {
        (Activation::Logits, _) => Output::Logits,
        (_, Some((_, entries))) => Output::Table {
            signed: layer.output_encoding.signed,
            entries: entries.iter().map(|entry| entry.cast_unsigned()).collect(),
        },
        (Activation::Relu, None) => Output::Unsigned,
        (_, None) => Output::Signed,
    };
    Ok(Parameters {
        weight_bits: layer.weight_bits,
        weights: channels_last(&layer.weights, map),
        bias: layer.bias.clone(),
        shifts,
        output,
    })
}

/// Turns consecutive maps of the given shape from `[channel][row][column]` to
/// `[row][column][channel]`.
pub(crate) fn channels_last<T: Copy>(values: &[T], map: Shape) -> Vec<T> {
    let area = map.height * map.width;
    let mut turned = Vec::with_capacity(values.len());
    for one in values.chunks_exact(map.len().max(1)) {
        for position in 0..area {
            turned.extend((0..map.channels).map(|channel| one[channel * area + position]));
        }
    }
    turned
}

fn kernel(window: &Window) -> Result<[u8; 2]> {
    bytes(window.kernel).context("kernel")
}

fn stride(window: &Window) -> Result<[u8; 2]> {
    bytes(window.stride).context("stride")
}

fn padding(window: &Window) -> Result<[u8; 4]> {
    bytes(window.padding).context("padding")
}

fn bytes<const N: usize>(values: [usize; N]) -> Result<[u8; N]> {
    let mut narrow = [0; N];
    for (target, value) in narrow.iter_mut().zip(values) {
        *target = u8::try_from(value).with_context(|| format!("{value} is more than 255"))?;
    }
    Ok(narrow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutes_maps_to_channels_last() {
        let map = Shape { height: 1, width: 3, channels: 2 };
        let values = [0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112];
        assert_eq!(channels_last(&values, map), [0, 10, 1, 11, 2, 12, 100, 110, 101, 111, 102, 112]);
    }
}
