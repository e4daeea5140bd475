//! Known networks with random weights, for figures that depend on the shapes alone.

mod every_kind;
mod grouped;

pub use every_kind::every_kind;
pub use grouped::{GROUPED, grouped};

use crate::random::Random;
use crate::spec::{LayerSpec, ModelSpec, Output, Parameters};

/// The Keras example CNN of 130,890 parameters: two convolutions with pools, one more convolution,
/// and two dense layers.
pub fn keras_cnn() -> ModelSpec {
    let mut random = Random::new(1);
    let layers = vec![
        convolution(&mut random, [3, 3], 1, 32, 1, true),
        convolution(&mut random, [3, 3], 32, 64, 1, true),
        convolution(&mut random, [3, 3], 64, 64, 1, false),
        dense(&mut random, 3 * 3 * 64, 128, false),
        dense(&mut random, 128, 10, true),
    ];
    ModelSpec { name: String::from("keras-cnn"), input: [28, 28, 1], logit_exponent: 8, layers }
}

/// LeNet-5 with ReLU and max-pools, VALID padding.
pub fn lenet5() -> ModelSpec {
    let mut random = Random::new(2);
    let layers = vec![
        convolution(&mut random, [5, 5], 1, 6, 1, true),
        convolution(&mut random, [5, 5], 6, 16, 1, true),
        dense(&mut random, 4 * 4 * 16, 120, false),
        dense(&mut random, 120, 84, false),
        dense(&mut random, 84, 10, true),
    ];
    ModelSpec { name: String::from("lenet5"), input: [28, 28, 1], logit_exponent: 8, layers }
}

/// The shape of the shipped `nano`: a deep and narrow stack without padding.
pub fn nano() -> ModelSpec {
    let mut random = Random::new(3);
    let layers = vec![
        convolution(&mut random, [3, 3], 1, 8, 1, false),
        convolution(&mut random, [3, 3], 8, 8, 2, false),
        convolution(&mut random, [3, 3], 8, 16, 1, false),
        convolution(&mut random, [3, 3], 16, 16, 1, true),
        convolution(&mut random, [3, 3], 16, 32, 1, false),
        dense(&mut random, 2 * 2 * 32, 10, true),
    ];
    ModelSpec { name: String::from("nano"), input: [28, 28, 1], logit_exponent: 8, layers }
}

/// Ordinary convolutions of the shapes that back ends compute in ways of their own, with every
/// remainder of width and channels: square kernels, mostly of 3 or 5 and stride 1, with and
/// without a pool of 2 x 2, of 8-bit weights, after an image or after each other.
pub fn convolutional(seed: u64) -> ModelSpec {
    let mut random = Random::new(seed);
    let side =
        |random: &mut Random| if random.one_in(2) { random.length(3, 7) } else { random.length(5, 24) };
    let input = [side(&mut random), side(&mut random), random.choose(&[1, 1, 1, 2, 3])];
    let [mut height, mut width, mut channels] = input;
    let mut signed = false;
    let mut layers = Vec::new();
    for _ in 0..random.length(1, 3) {
        let kernel = random.choose(&[3, 3, 3, 5, 5, 1, 2, 4, 7]);
        let stride = random.choose(&[1, 1, 1, 2]);
        let padding = [(); 4].map(|()| random.choose(&[0, 0, 1]).min(kernel - 1));
        let [top, left, bottom, right] = padding;
        let (down, across) = (height + top + bottom, width + left + right);
        if down < kernel || across < kernel {
            break;
        }
        (height, width) = ((down - kernel) / stride + 1, (across - kernel) / stride + 1);
        let pooled = height > 1 && width > 1 && random.one_in(2);
        if pooled {
            (height, width) = (height / 2, width / 2);
        }
        let outputs = random.mostly_up_to(7, 24);
        let fan_in = kernel * kernel * channels;
        let output = random.choose(&[0, 0, 0, 1, 2, 3]);
        let output = match output {
            0 => Output::Unsigned,
            1 => Output::Signed,
            kind => Output::Table { signed: kind == 2, entries: random.bytes(256) },
        };
        channels = outputs;
        let (pad, size, step) = (padding.map(|side| side as u8), kernel as u8, stride as u8);
        layers.push(LayerSpec::Convolution {
            kernel: [size; 2],
            stride: [step; 2],
            padding: pad,
            groups: 1,
            pool: pooled.then_some(([2, 2], [2, 2])),
            parameters: spread_parameters(&mut random, fan_in, outputs, output.clone(), signed),
        });
        signed = !matches!(output, Output::Unsigned | Output::Table { signed: false, .. });
    }
    let classes = random.length(1, 16);
    let fan_in = height * width * channels;
    let parameters = spread_parameters(&mut random, fan_in, classes, Output::Logits, signed);
    layers.push(LayerSpec::Dense { parameters });
    let name = format!("convolutional-{seed}");
    ModelSpec { name, input: input.map(|length| length as u16), logit_exponent: 8, layers }
}

/// One convolution of a square kernel, for 1 to 8 columns; where there are up to four of them, over
/// so many channels that a back end with little memory takes them, and the outputs, in pieces.
pub fn deep(seed: u64) -> ModelSpec {
    let mut random = Random::new(!seed);
    let kernel = [3, 5][seed as usize % 2];
    let (stride, is_pooled) = [(1, true), (1, false), (2, false)][seed as usize / 2 % 3];
    let columns = seed as usize / 6 % 8 + 1;
    let (height, width) =
        (kernel + stride, if is_pooled { kernel + columns } else { kernel + (columns - 1) * stride });
    let channels = if columns > 4 { 1 } else { random.length(20, 44) / (kernel - 2) };
    let outputs = random.length(15, 40) / (kernel - 2) + 4;
    let pool = is_pooled.then_some(([2, 2], [2, 2]));
    let (down, across) = ((height - kernel) / stride + 1, (width - kernel) / stride + 1);
    let (down, across) = if is_pooled { (down / 2, across / 2) } else { (down, across) };
    let fan_in = kernel * kernel * channels;
    let layers = vec![
        LayerSpec::Convolution {
            kernel: [kernel as u8; 2],
            stride: [stride as u8; 2],
            padding: [0; 4],
            groups: 1,
            pool,
            parameters: spread_parameters(&mut random, fan_in, outputs, Output::Unsigned, false),
        },
        LayerSpec::Dense {
            parameters: spread_parameters(&mut random, down * across * outputs, 3, Output::Logits, false),
        },
    ];
    let input = [height, width, channels].map(|length| length as u16);
    ModelSpec { name: format!("deep-{seed}"), input, logit_exponent: 8, layers }
}

/// Seeds of [`sixteens`] that make every shape.
pub const SIXTEENS: u64 = 48;

/// One convolution of 3 x 3 over 16, 32 or 64 channels, which vector units take sixteen at a time: two rows
/// of 1 to 8 columns, or of 1 or 2 under a pool.
pub fn sixteens(seed: u64) -> ModelSpec {
    let mut random = Random::new(seed);
    let shape = seed as usize;
    let (channels, is_pooled, columns) =
        ([16, 32, 64][shape % 3], (shape / 3).is_multiple_of(2), shape / 6 % 8 + 1);
    let (rows, columns, scale) = if is_pooled { (2, columns.min(2), 2) } else { (2, columns, 1) };
    let outputs = random.length(1, 9);
    let output = match random.length(0, 3) {
        0 => Output::Signed,
        1 => Output::Table { signed: true, entries: random.bytes(256) },
        _ => Output::Unsigned,
    };
    let signed = output != Output::Unsigned;
    let layers = vec![
        LayerSpec::Convolution {
            kernel: [3; 2],
            stride: [1; 2],
            padding: [0; 4],
            groups: 1,
            pool: is_pooled.then_some(([2, 2], [2, 2])),
            parameters: spread_parameters(&mut random, 9 * channels, outputs, output, false),
        },
        LayerSpec::Dense {
            parameters: spread_parameters(&mut random, rows * columns * outputs, 3, Output::Logits, signed),
        },
    ];
    let input = [rows * scale + 2, columns * scale + 2, channels].map(|length| length as u16);
    ModelSpec { name: format!("sixteens-{seed}"), input, logit_exponent: 8, layers }
}

/// Seeds of [`packed`] that make every shape twice.
pub const PACKED: u64 = 288;

/// One convolution of 4- or 2-bit weights over a multiple of four channels, which orders for boards pack, for 1 to 8
/// columns, after one that makes the channels, in the second half of the seeds signed now and then; some are over so many channels that a
/// back end takes them in pieces.
pub fn packed(seed: u64) -> ModelSpec {
    let mut random = Random::new(seed);
    let shape = seed as usize;
    let (bits, kernel) = ([4, 2][shape % 2], [3, 3, 5][shape / 2 % 3]);
    let (stride, is_pooled) = [(1, true), (1, false), (2, false)][shape / 6 % 3];
    let columns = shape / 18 % 8 + 1;
    let columns = if is_pooled { columns.min(3) } else { columns };
    let channels = 4 * random.mostly_up_to(4, if kernel == 3 { 11 } else { 4 });
    let outputs = random.length(1, 20);
    let scale = if is_pooled { 2 } else { 1 };
    let (height, width) = (kernel + stride * (scale - 1), kernel + stride * (scale * columns - 1));
    let some_output = |random: &mut Random| match random.length(0, 5) {
        0 => Output::Signed,
        1 => Output::Table { signed: true, entries: random.bytes(256) },
        _ => Output::Unsigned,
    };
    let [first, second] = [(); 2].map(|()| some_output(&mut random));
    let first = if seed < PACKED / 2 { Output::Unsigned } else { first };
    let [is_signed, ends_signed] = [&first, &second].map(|output| *output != Output::Unsigned);
    let convolution = |side: usize, step: usize, pool, parameters| LayerSpec::Convolution {
        kernel: [side as u8; 2],
        stride: [step as u8; 2],
        padding: [0; 4],
        groups: 1,
        pool,
        parameters,
    };
    let image = spread_parameters(&mut random, 1, channels, first, false);
    let fan_in = kernel * kernel * channels;
    let few = with_bits(spread_parameters(&mut random, fan_in, outputs, second, is_signed), bits);
    let layers = vec![
        convolution(1, 1, None, image),
        convolution(kernel, stride, is_pooled.then_some(([2, 2], [2, 2])), few),
        LayerSpec::Dense {
            parameters: spread_parameters(&mut random, columns * outputs, 3, Output::Logits, ends_signed),
        },
    ];
    let input = [height, width, 1].map(|length| length as u16);
    ModelSpec { name: format!("packed-{seed}"), input, logit_exponent: 8, layers }
}

/// The parameters with 4 or 2 bits a weight.
fn with_bits(mut parameters: Parameters, bits: u8) -> Parameters {
    let (one, less): (fn(i8) -> i8, u8) = match bits {
        4 => (|weight| weight / 18, 4),
        _ => {
            (|weight| if weight.unsigned_abs() > 64 { 3 * weight.signum() } else { 2 * (weight & 1) - 1 }, 5)
        }
    };
    parameters.weights.iter_mut().for_each(|weight| *weight = one(*weight));
    parameters.shifts.iter_mut().for_each(|shift| *shift = shift.saturating_sub(less));
    Parameters { weight_bits: bits, ..parameters }
}

/// The network with the weights of two of three output channels of every convolution made so small that in
/// narrow order they are not wide, and no smaller: those of a kernel row have magnitudes of 255 in
/// all, or a little less. Every fifth row has one sign.
pub fn narrowed(mut spec: ModelSpec) -> ModelSpec {
    let mut channels = usize::from(spec.input[2]);
    for layer in &mut spec.layers {
        let LayerSpec::Convolution { kernel, groups, parameters, .. } = layer else { continue };
        let [height, width] = kernel.map(usize::from);
        let depth = channels / usize::from(*groups);
        channels = parameters.bias.len();
        let runs = parameters.weights.chunks_mut(height * width * depth);
        for run in runs.enumerate().filter(|(output, _)| output % 3 != 2).map(|(_, run)| run) {
            for (index, row) in run.chunks_mut(width * depth).enumerate() {
                for channel in 0..depth {
                    let places = || (0..width).map(|column| column * depth + channel);
                    let magnitude: i32 = places().map(|place| i32::from(row[place]).abs()).sum();
                    for place in places() {
                        let mut weight = i32::from(row[place]);
                        if magnitude > 255 {
                            weight = weight * 255 / magnitude;
                        }
                        if (index + channel) % 5 == 0 {
                            weight = weight.abs() * i32::from(row[channel]).signum();
                        }
                        row[place] = weight as i8;
                    }
                }
            }
        }
    }
    spec
}

/// Convolutions of many output channels, for back ends that compute several vectors of them at once:
/// with and without a pool, of any input and of one pixel.
pub fn wide(outputs: usize, signed: bool) -> ModelSpec {
    let mut random = Random::new(outputs as u64);
    let mut layer = |size: [u8; 2], channels: usize, outputs: usize, pooled: bool| {
        let output = if signed { Output::Signed } else { Output::Unsigned };
        let fan_in = usize::from(size[0]) * usize::from(size[1]) * channels;
        let of_image = channels == 1;
        LayerSpec::Convolution {
            kernel: size,
            stride: [1, 1],
            padding: [0, 1, 1, 0],
            groups: 1,
            pool: pooled.then_some(([2, 2], [2, 2])),
            parameters: spread_parameters(&mut random, fan_in, outputs, output, signed && !of_image),
        }
    };
    // 8 x 9, 8 x 9, 4 x 4 after the pool, 4 x 4.
    let mut layers = vec![
        layer([2, 2], 1, 5, false),
        layer([2, 2], 5, outputs, true),
        layer([2, 2], outputs, outputs, false),
    ];
    let parameters = spread_parameters(&mut random, 16 * outputs, outputs, Output::Unsigned, signed);
    layers.push(LayerSpec::Dense { parameters });
    layers.push(LayerSpec::Dense {
        parameters: spread_parameters(&mut random, outputs, 10, Output::Logits, false),
    });
    ModelSpec { name: format!("wide-{outputs}"), input: [8, 9, 1], logit_exponent: 8, layers }
}

/// 8-bit weights of the whole range, and shifts that spread the sums over the output's; now and
/// then 0, where every sum saturates but the smallest.
fn spread_parameters(
    random: &mut Random,
    fan_in: usize,
    outputs: usize,
    output: Output,
    signed: bool,
) -> Parameters {
    // The standard deviations of weights and inputs, multiplied and rounded to bits.
    let bits = if signed { 12 } else { 13 } + fan_in.ilog2() as i64 / 2;
    let one =
        |random: &mut Random| if random.one_in(16) { 0 } else { (bits - 7 + random.between(0, 1)) as u8 };
    let shifts =
        if output == Output::Logits { Vec::new() } else { (0..outputs).map(|_| one(random)).collect() };
    let bias = if random.one_in(4) { 1 << bits } else { 300 };
    Parameters {
        weight_bits: 8,
        weights: (0..fan_in * outputs).map(|_| random.between(-127, 127) as i8).collect(),
        bias: (0..outputs).map(|_| random.between(-bias, bias) as i32).collect(),
        shifts,
        output,
    }
}

/// Weights and biases of a model.
pub fn parameter_count(model: &ModelSpec) -> usize {
    let count = |layer: &LayerSpec| match layer {
        LayerSpec::Convolution { parameters, .. } | LayerSpec::Dense { parameters } => {
            parameters.weights.len() + parameters.bias.len()
        }
        LayerSpec::MaxPool { .. } | LayerSpec::AveragePool { .. } => 0,
    };
    model.layers.iter().map(count).sum()
}

/// A square convolution with ReLU, 8-bit weights and, if asked for, a 2x2 max-pool.
fn convolution(
    random: &mut Random,
    kernel: [u8; 2],
    inputs: usize,
    outputs: usize,
    stride: u8,
    pooled: bool,
) -> LayerSpec {
    let fan_in = usize::from(kernel[0]) * usize::from(kernel[1]) * inputs;
    LayerSpec::Convolution {
        kernel,
        stride: [stride; 2],
        padding: [0; 4],
        groups: 1,
        pool: pooled.then_some(([2, 2], [2, 2])),
        parameters: parameters(random, fan_in, outputs, Output::Unsigned),
    }
}

fn dense(random: &mut Random, inputs: usize, outputs: usize, last: bool) -> LayerSpec {
    let output = if last { Output::Logits } else { Output::Unsigned };
    LayerSpec::Dense { parameters: parameters(random, inputs, outputs, output) }
}

fn parameters(random: &mut Random, fan_in: usize, outputs: usize, output: Output) -> Parameters {
    let shifts = if output == Output::Logits { Vec::new() } else { vec![10; outputs] };
    Parameters {
        weight_bits: 8,
        weights: (0..fan_in * outputs).map(|_| random.between(-40, 42) as i8).collect(),
        bias: (0..outputs).map(|_| random.between(-2000, 2000) as i32).collect(),
        shifts,
        output,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn have_the_known_sizes() {
        assert_eq!(parameter_count(&keras_cnn()), 130_890);
        assert_eq!(parameter_count(&lenet5()), 44_426);
    }
}
