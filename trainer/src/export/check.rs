//! What must hold of a network before any file is written.
//!
//! The three files of a model are only as good as the promise that they compute the same bits, so
//! everything that the promise rests on is checked here, once, for all writers: shapes and
//! encodings that chain, parameters of the right length and range, shifts that the runtime has, and
//! the bound below which `f32` arithmetic is exact.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};

use crate::model::{
    Activation, Encoding, FloatNetwork, Operation, QuantizedLayer, QuantizedNetwork, Shape, Window,
};

/// Sums of products below this are exact in `f32`, in any order of summation.
pub const EXACT_BOUND: u64 = 1 << 24;

/// How the input image is encoded: the pixel itself, `u8`, read as `p / 256`.
pub const INPUT_ENCODING: Encoding = Encoding { exponent: 8, signed: false };

/// The largest shift that a requantization has.
const MAX_SHIFT: i32 = 31;

/// Exponents outside of this range would leave the normal numbers of `f32`.
const MAX_EXPONENT: u32 = 100;

/// An output channel whose accumulator may leave the range in which `f32` is exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InexactChannel {
    /// Name of the layer.
    pub layer: String,
    /// Output channel.
    pub channel: usize,
    /// `sum |w| * max|x| + |b|`, at least [`EXACT_BOUND`].
    pub bound: u64,
}

/// What [`check_quantized`] measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exactness {
    /// Channels beyond [`EXACT_BOUND`]; empty unless the caller allowed them.
    pub inexact: Vec<InexactChannel>,
    /// The largest bound of all channels of all layers.
    pub largest_bound: u64,
}

/// Checks everything that the writers rely on. Channels beyond [`EXACT_BOUND`] are an error unless
/// `allow_inexact`.
///
/// # Errors
///
/// The first broken rule, with the name of its layer.
pub fn check_quantized(network: &QuantizedNetwork, allow_inexact: bool) -> Result<Exactness> {
    check_names(&network.name, network.layers.iter().map(|layer| layer.name.as_str()))?;
    ensure!(!network.layers.is_empty(), "network `{}` has no layer", network.name);
    let mut shape = network.input;
    let mut encoding = INPUT_ENCODING;
    let last = network.layers.len() - 1;
    for (index, layer) in network.layers.iter().enumerate() {
        let name = &layer.name;
        ensure!(
            layer.input_encoding == encoding,
            "layer `{name}`: input encoding is {:?}, but what comes in has {encoding:?}",
            layer.input_encoding
        );
        check_geometry(name, &layer.operation, layer.input, layer.output, shape)?;
        check_activation(layer, index == last)?;
        check_parameters(layer)?;
        check_shifts(layer)?;
        shape = layer.output;
        encoding = layer.output_encoding;
    }
    check_logits(&network.layers[last])?;
    let exactness = measure(network);
    if let (Some(worst), false) = (exactness.inexact.first(), allow_inexact) {
        bail!(
            "layer `{}`, output channel {}: sum |w| * max|x| + |b| is {}, but sums are exact in f32 (and so in every \
             ONNX engine) only below 2^24 = {EXACT_BOUND}; {} channel(s) are beyond. Train with smaller weights \
             or fewer bits, split the layer, or export with --allow-inexact (the model card will say so)",
            worst.layer,
            worst.channel,
            worst.bound,
            exactness.inexact.len()
        );
    }
    Ok(exactness)
}

/// Checks the float twin: names, shapes that chain, and parameters of the right length.
///
/// # Errors
///
/// The first broken rule, with the name of its layer.
pub fn check_float(network: &FloatNetwork) -> Result<()> {
    check_names(&network.name, network.layers.iter().map(|layer| layer.name.as_str()))?;
    ensure!(!network.layers.is_empty(), "network `{}` has no layer", network.name);
    let mut shape = network.input;
    let last = network.layers.len() - 1;
    for (index, layer) in network.layers.iter().enumerate() {
        let name = &layer.name;
        check_geometry(name, &layer.operation, layer.input, layer.output, shape)?;
        check_ends_in_logits(name, &layer.operation, layer.activation, index == last)?;
        let (weights, channels) = parameter_counts(&layer.operation, layer.input, layer.output);
        check_length(name, "weights", layer.weights.len(), weights)?;
        check_length(name, "biases", layer.bias.len(), channels)?;
        let finite = layer.weights.iter().chain(&layer.bias).all(|value| value.is_finite());
        ensure!(finite, "layer `{name}`: a weight or bias is not a finite number; did training diverge?");
        shape = layer.output;
    }
    Ok(())
}

/// Number of weights, and of output channels that have a bias, of an operation.
pub fn parameter_counts(operation: &Operation, input: Shape, output: Shape) -> (usize, usize) {
    match operation {
        Operation::Convolution { window, groups, .. } => {
            let per_channel = input.channels / groups * window.kernel[0] * window.kernel[1];
            (output.channels * per_channel, output.channels)
        }
        Operation::Dense => (output.channels * input.len(), output.channels),
        Operation::MaxPool(_) | Operation::AveragePool(_) => (0, 0),
    }
}

/// Height and width after a window has walked over `height x width`.
/// `None` when the window is larger than the padded input, or not a window at all.
pub fn window_output(height: usize, width: usize, window: &Window) -> Option<[usize; 2]> {
    let [top, left, bottom, right] = window.padding;
    let along = |size: usize, before: usize, after: usize, axis: usize| {
        let (kernel, stride) = (window.kernel[axis], window.stride[axis]);
        let room = (size + before + after).checked_sub(kernel)?;
        (kernel > 0 && stride > 0).then(|| room / stride + 1)
    };
    Some([along(height, top, bottom, 0)?, along(width, left, right, 1)?])
}

fn check_names<'a>(network: &str, layers: impl Iterator<Item = &'a str>) -> Result<()> {
    let usable =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    ensure!(
        usable(network) && !network.starts_with('.'),
        "`{network}` cannot be the name of a model: it names files, so use letters, digits, `_`, `-` and `.`"
    );
    let mut seen = BTreeSet::new();
    for name in layers {
        ensure!(
            usable(name),
            "`{name}` cannot be the name of a layer: use letters, digits, `_`, `-` and `.`"
        );
        ensure!(seen.insert(name), "two layers are named `{name}`: names must be unique");
    }
    Ok(())
}

fn check_geometry(
    name: &str,
    operation: &Operation,
    input: Shape,
    output: Shape,
    incoming: Shape,
) -> Result<()> {
    ensure!(
        input == incoming,
        "layer `{name}`: expects {}, but {} comes in",
        describe(input),
        describe(incoming)
    );
    ensure!(!input.is_empty(), "layer `{name}`: its input {} holds nothing", describe(input));
    let walked = |size: [usize; 2], window: &Window| {
        window_output(size[0], size[1], window).ok_or_else(|| {
            anyhow::anyhow!("layer `{name}`: {window:?} does not fit into {} x {}", size[0], size[1])
        })
    };
    let size = [input.height, input.width];
    let (size, channels) = match operation {
        Operation::Convolution { window, groups, pool } => {
            ensure!(
                *groups > 0
                    && input.channels.is_multiple_of(*groups)
                    && output.channels.is_multiple_of(*groups),
                "layer `{name}`: {groups} groups do not divide {} input and {} output channels",
                input.channels,
                output.channels
            );
            let mut size = walked(size, window)?;
            if let Some(pool) = pool {
                ensure!(pool.padding == [0; 4], "layer `{name}`: a fused max-pool cannot be padded");
                size = walked(size, pool)?;
            }
            (size, output.channels)
        }
        Operation::Dense => ([1, 1], output.channels),
        Operation::MaxPool(window) => {
            let [top, left, bottom, right] = window.padding;
            ensure!(
                top.max(bottom) < window.kernel[0] && left.max(right) < window.kernel[1],
                "layer `{name}`: the padding of a max-pool must be smaller than its kernel, not {window:?}"
            );
            (walked(size, window)?, input.channels)
        }
        Operation::AveragePool(window) => {
            let area = window.kernel[0] * window.kernel[1];
            ensure!(
                area.is_power_of_two() && window.padding == [0; 4],
                "layer `{name}`: an average-pool must be unpadded and over a power-of-two area, not {window:?}"
            );
            (walked(size, window)?, input.channels)
        }
    };
    let computed = Shape { height: size[0], width: size[1], channels };
    ensure!(
        computed == output && !output.is_empty(),
        "layer `{name}`: yields {}, but says {}",
        describe(computed),
        describe(output)
    );
    Ok(())
}

fn check_activation(layer: &QuantizedLayer, is_last: bool) -> Result<()> {
    let name = &layer.name;
    check_ends_in_logits(name, &layer.operation, layer.activation, is_last)?;
    let pools = matches!(layer.operation, Operation::MaxPool(_) | Operation::AveragePool(_));
    if pools {
        ensure!(
            layer.activation == Activation::Identity && layer.output_encoding == layer.input_encoding,
            "layer `{name}`: a pool keeps its encoding and has no activation"
        );
        return Ok(());
    }
    let signed = layer.activation != Activation::Relu;
    ensure!(
        layer.output_encoding.signed == signed,
        "layer `{name}`: the output of {:?} must be {}",
        layer.activation,
        if signed { "signed" } else { "unsigned" }
    );
    match (&layer.table, layer.activation) {
        (Some((_, entries)), Activation::Tanh) => {
            check_length(name, "table entries", entries.len(), 256)?;
        }
        (None, Activation::Tanh) => bail!("layer `{name}`: tanh needs a table"),
        (Some(_), other) => bail!("layer `{name}`: {other:?} has no table"),
        (None, _) => {}
    }
    Ok(())
}

fn check_ends_in_logits(
    name: &str,
    operation: &Operation,
    activation: Activation,
    is_last: bool,
) -> Result<()> {
    let logits = activation == Activation::Logits;
    ensure!(
        logits == is_last && (!is_last || *operation == Operation::Dense),
        "layer `{name}`: the last layer, and no other, is dense and yields the logits"
    );
    Ok(())
}

fn check_parameters(layer: &QuantizedLayer) -> Result<()> {
    let name = &layer.name;
    let (weights, channels) = parameter_counts(&layer.operation, layer.input, layer.output);
    check_length(name, "weights", layer.weights.len(), weights)?;
    check_length(name, "biases", layer.bias.len(), channels)?;
    check_length(name, "weight exponents", layer.weight_exponents.len(), channels)?;
    let levels: &dyn Fn(i8) -> bool = match layer.weight_bits {
        _ if weights == 0 => return Ok(()),
        8 => &|w| w >= -127,
        4 => &|w| (-7..=7).contains(&w),
        2 => &|w| matches!(w, -3 | -1 | 1 | 3),
        other => bail!("layer `{name}`: weights of {other} bits; there are 8, 4 and 2"),
    };
    if let Some(index) = layer.weights.iter().position(|w| !levels(*w)) {
        bail!(
            "layer `{name}`: weight {index} is {}, which {} bits do not hold",
            layer.weights[index],
            layer.weight_bits
        );
    }
    Ok(())
}

fn check_shifts(layer: &QuantizedLayer) -> Result<()> {
    let name = &layer.name;
    let (before, after) = (layer.input_encoding.exponent, layer.output_encoding.exponent);
    let accumulators = layer.weight_exponents.iter().map(|weight| before.saturating_add(*weight));
    let exponents = [before, after, layer.requantized_exponent()];
    for exponent in accumulators.chain(exponents).chain(layer.weight_exponents.iter().copied()) {
        ensure!(
            exponent.unsigned_abs() <= MAX_EXPONENT,
            "layer `{name}`: exponent {exponent} is not in -{MAX_EXPONENT}..={MAX_EXPONENT}"
        );
    }
    for (channel, shift) in layer.shifts().into_iter().enumerate() {
        ensure!(
            (0..=MAX_SHIFT).contains(&shift),
            "layer `{name}`, output channel {channel}: the shift is {shift}, but the runtime has 0..={MAX_SHIFT} \
             (input exponent {}, weight exponent {}, output exponent {})",
            layer.input_encoding.exponent,
            layer.weight_exponents[channel],
            layer.requantized_exponent()
        );
    }
    Ok(())
}

fn check_logits(layer: &QuantizedLayer) -> Result<()> {
    let name = &layer.name;
    for (channel, exponent) in layer.weight_exponents.iter().enumerate() {
        let logit = layer.input_encoding.exponent + exponent;
        ensure!(
            logit == layer.output_encoding.exponent,
            "layer `{name}`, class {channel}: the logit's exponent is {logit}, but that of the layer is {}; \
             logits are compared with each other, so their exponents must be equal",
            layer.output_encoding.exponent
        );
    }
    Ok(())
}

fn check_length(layer: &str, what: &str, found: usize, expected: usize) -> Result<()> {
    ensure!(found == expected, "layer `{layer}`: {found} {what}, expected {expected}");
    Ok(())
}

fn measure(network: &QuantizedNetwork) -> Exactness {
    let mut exactness = Exactness::default();
    for layer in &network.layers {
        let largest_input: u64 = if layer.input_encoding.signed { 128 } else { 255 };
        let per_channel = layer.weights.len() / layer.bias.len().max(1);
        for (channel, bias) in layer.bias.iter().enumerate() {
            let weights = &layer.weights[channel * per_channel..][..per_channel];
            let sum: u64 = weights.iter().map(|w| u64::from(w.unsigned_abs())).sum();
            let bound = sum * largest_input + u64::from(bias.unsigned_abs());
            exactness.largest_bound = exactness.largest_bound.max(bound);
            if bound >= EXACT_BOUND {
                exactness.inexact.push(InexactChannel { layer: layer.name.clone(), channel, bound });
            }
        }
    }
    exactness
}

fn describe(shape: Shape) -> String {
    format!("{} x {} x {}", shape.height, shape.width, shape.channels)
}
