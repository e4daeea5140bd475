//! Random networks of every layer kind at edge shapes and extreme values, from a seed.
//!
//! One seed is one network: a failing test prints the seed, and [`network`] rebuilds the case.
//! [`features`] says, from the specification alone, what a network contains, so that a test can
//! require that the seeds it ran have met everything in [`FEATURES`].

mod features;
mod parameters;

pub use features::{FEATURES, features};
use parameters::{Fan, Temper, parameters};

use crate::random::Random;
use crate::reference::output_length;
use crate::spec::{LayerSpec, ModelSpec};

/// Multiply-accumulates that a generated network may take, so that the oracle stays fast.
pub const MAX_MACS: usize = 500_000;

/// Largest number of layers, classes, and the largest image dimension and channel count.
const MAX_LAYERS: usize = 16;
const MAX_CLASSES: usize = 16;
const MAX_DIMENSION: usize = 40;
const MAX_KERNEL: usize = 15;

/// Shape and sign of the values that flow into the next layer.
#[derive(Clone, Copy, Debug)]
struct Flow {
    height: usize,
    width: usize,
    channels: usize,
    signed: bool,
}

impl Flow {
    fn len(&self) -> usize {
        self.height * self.width * self.channels
    }
}

/// A layer to append, what flows out of it, and its cost.
struct Step {
    layer: LayerSpec,
    output: Flow,
    macs: usize,
}

/// The network of a seed.
pub fn network(seed: u64) -> ModelSpec {
    let mut random = Random::new(seed);
    let temper = if random.one_in(3) { Temper::Wild } else { Temper::Tame };
    let mut flow = image_shape(&mut random);
    let input = [flow.height as u16, flow.width as u16, flow.channels as u16];
    let mut budget = MAX_MACS;
    let wanted = random.mostly_up_to(5, MAX_LAYERS);
    let mut layers = Vec::new();
    while layers.len() + 1 < wanted {
        // A candidate that costs too much is thrown away; a few tries find a cheaper one.
        let step = (0..8).map(|_| step(&mut random, temper, flow)).find(|step| step.macs <= budget / 2);
        let Some(step) = step else { break };
        budget -= step.macs;
        flow = step.output;
        layers.push(step.layer);
    }
    // A map too big for the budget is pooled until the last layer can be paid for.
    while flow.len() > budget {
        let step = (0..).map(|_| max_pool(&mut random, flow)).find(|step| step.output.len() < flow.len());
        let step = step.expect("an endless iterator");
        flow = step.output;
        layers.push(step.layer);
    }
    let classes = random.length(1, MAX_CLASSES.min(budget / flow.len()).max(1));
    let fan = Fan { inputs: flow.len(), outputs: classes, signed_input: flow.signed };
    layers.push(LayerSpec::Dense { parameters: parameters(&mut random, temper, fan, true).0 });
    ModelSpec { name: format!("seed-{seed}"), input, logit_exponent: random.between(-8, 24) as i8, layers }
}

/// An image for `model`: random pixels, or one of the extremes.
pub fn image(random: &mut Random, model: &ModelSpec) -> Vec<u8> {
    let [height, width, channels] = model.input.map(usize::from);
    let count = height * width * channels;
    match random.length(0, 7) {
        0 => vec![0; count],
        1 => vec![255; count],
        // Strokes on black, like a digit.
        2 => (0..count).map(|_| if random.one_in(5) { random.bits() as u8 } else { 0 }).collect(),
        // Nothing but extremes.
        3 => (0..count).map(|_| if random.one_in(2) { 255 } else { 0 }).collect(),
        _ => random.bytes(count),
    }
}

fn image_shape(random: &mut Random) -> Flow {
    let dimension = |random: &mut Random| match random.length(0, 9) {
        0 => 1,
        1 => MAX_DIMENSION,
        2..=5 => random.length(1, 12),
        _ => random.length(2, MAX_DIMENSION),
    };
    let channels = if random.one_in(3) { random.length(2, 5) } else { 1 };
    Flow { height: dimension(random), width: dimension(random), channels, signed: false }
}

fn step(random: &mut Random, temper: Temper, flow: Flow) -> Step {
    match random.length(0, 11) {
        0..=4 => convolution(random, temper, flow, false),
        5..=6 => convolution(random, temper, flow, true),
        7..=8 => max_pool(random, flow),
        9 => average_pool(random, flow),
        // Dense layers end the map, so they are rarer while it is big.
        10 if flow.height * flow.width > 1 => dense(random, temper, flow),
        11 if flow.height * flow.width == 1 => dense(random, temper, flow),
        _ => convolution(random, temper, flow, false),
    }
}

fn convolution(random: &mut Random, temper: Temper, flow: Flow, depthwise: bool) -> Step {
    let kernel = [kernel(random, flow.height), kernel(random, flow.width)];
    let kernel = if random.one_in(3) { kernel } else { [kernel[0]; 2] };
    let stride = strides(random);
    let (kernel, padding) = fit(random, flow, kernel, stride);
    let (groups, channels) = groups(random, flow, depthwise);
    let [top, left, bottom, right] = padding;
    let height = output_length(flow.height, top, bottom, kernel[0], stride[0]);
    let width = output_length(flow.width, left, right, kernel[1], stride[1]);
    let pool = if random.one_in(2) { fused_pool(random, height, width) } else { None };
    let fan_in = usize::from(kernel[0]) * usize::from(kernel[1]) * (flow.channels / groups);
    let fan = Fan { inputs: fan_in, outputs: channels, signed_input: flow.signed };
    let (parameters, signed) = parameters(random, temper, fan, false);
    let macs = height * width * channels * fan_in;
    let (height, width) = match pool {
        None => (height, width),
        Some((kernel, stride)) => (
            output_length(height, 0, 0, kernel[0], stride[0]),
            output_length(width, 0, 0, kernel[1], stride[1]),
        ),
    };
    Step {
        layer: LayerSpec::Convolution { kernel, stride, padding, groups: groups as u16, pool, parameters },
        output: Flow { height, width, channels, signed },
        macs,
    }
}

/// Groups and output channels.
fn groups(random: &mut Random, flow: Flow, depthwise: bool) -> (usize, usize) {
    if depthwise {
        let multiplier = if random.one_in(3) { random.length(2, 4) } else { 1 };
        return (flow.channels, flow.channels * multiplier);
    }
    let divisors: Vec<usize> = (1..=flow.channels).filter(|&n| flow.channels.is_multiple_of(n)).collect();
    let groups = if random.one_in(3) { random.choose(&divisors) } else { 1 };
    let most = if random.one_in(6) { MAX_DIMENSION } else { 9 };
    (groups, groups * random.length(1, (most / groups).max(1)))
}

fn fused_pool(random: &mut Random, height: usize, width: usize) -> Option<([u8; 2], [u8; 2])> {
    let window = |random: &mut Random, length: usize| random.length(1, length.min(4)) as u8;
    let kernel = [window(random, height), window(random, width)];
    let stride = match random.length(0, 3) {
        0 | 1 => kernel,
        _ => strides(random),
    };
    (kernel != [1, 1] || stride != [1, 1]).then_some((kernel, stride))
}

fn max_pool(random: &mut Random, flow: Flow) -> Step {
    let window = |random: &mut Random| random.mostly_up_to(4, MAX_KERNEL) as u8;
    let kernel = [window(random), window(random)];
    let stride = if random.one_in(2) { kernel } else { strides(random) };
    let (kernel, padding) = fit(random, flow, kernel, stride);
    let [top, left, bottom, right] = padding;
    let height = output_length(flow.height, top, bottom, kernel[0], stride[0]);
    let width = output_length(flow.width, left, right, kernel[1], stride[1]);
    Step {
        layer: LayerSpec::MaxPool { kernel, stride, padding },
        output: Flow { height, width, ..flow },
        macs: pool_cost(height * width * flow.channels, kernel),
    }
}

fn average_pool(random: &mut Random, flow: Flow) -> Step {
    let window = |random: &mut Random, length: usize| {
        let fitting: Vec<u8> = [1, 2, 2, 4, 8].into_iter().filter(|&n| usize::from(n) <= length).collect();
        random.choose(&fitting)
    };
    let kernel = [window(random, flow.height), window(random, flow.width)];
    let stride = if random.one_in(2) { kernel } else { strides(random) };
    let height = output_length(flow.height, 0, 0, kernel[0], stride[0]);
    let width = output_length(flow.width, 0, 0, kernel[1], stride[1]);
    Step {
        layer: LayerSpec::AveragePool { kernel, stride },
        output: Flow { height, width, ..flow },
        macs: pool_cost(height * width * flow.channels, kernel),
    }
}

fn dense(random: &mut Random, temper: Temper, flow: Flow) -> Step {
    let outputs = random.mostly_up_to(12, MAX_DIMENSION);
    let fan = Fan { inputs: flow.len(), outputs, signed_input: flow.signed };
    let (parameters, signed) = parameters(random, temper, fan, false);
    Step {
        layer: LayerSpec::Dense { parameters },
        output: Flow { height: 1, width: 1, channels: outputs, signed },
        macs: flow.len() * outputs,
    }
}

fn pool_cost(outputs: usize, kernel: [u8; 2]) -> usize {
    outputs * usize::from(kernel[0]) * usize::from(kernel[1])
}

/// Big kernels are for big maps, mostly, so that there is something left to look at after them.
fn kernel(random: &mut Random, length: usize) -> u8 {
    let big = length >= 20 || random.one_in(6);
    match random.length(0, 9) {
        0 if big => random.length(6, MAX_KERNEL) as u8,
        1 => 1,
        2 if big => MAX_KERNEL as u8,
        3..=6 => 3,
        _ => random.length(1, 5) as u8,
    }
}

fn strides(random: &mut Random) -> [u8; 2] {
    match random.length(0, 9) {
        0 | 1 => [random.length(1, 3) as u8, random.length(1, 3) as u8],
        2 => [2, 2],
        3 => [random.length(1, MAX_KERNEL) as u8; 2],
        _ => [1, 1],
    }
}

/// Chooses VALID, SAME or any explicit padding, and shrinks the kernel to the padded map.
fn fit(random: &mut Random, flow: Flow, kernel: [u8; 2], stride: [u8; 2]) -> ([u8; 2], [u8; 4]) {
    let lengths = [flow.height, flow.width];
    let shrunk = [0, 1].map(|axis| usize::from(kernel[axis]).min(lengths[axis]) as u8);
    match random.length(0, 3) {
        0 | 1 => (shrunk, [0; 4]),
        // As TensorFlow and ONNX's SAME_UPPER: as many outputs as strides, the odd zero at the end.
        2 => {
            let pads = [0, 1].map(|axis| {
                let (kernel, stride) = (usize::from(kernel[axis]), usize::from(stride[axis]));
                let outputs = lengths[axis].div_ceil(stride);
                let total = ((outputs - 1) * stride + kernel).saturating_sub(lengths[axis]);
                [(total / 2) as u8, (total - total / 2) as u8]
            });
            (kernel, [pads[0][0], pads[1][0], pads[0][1], pads[1][1]])
        }
        _ => {
            let mut pad = |axis: usize| random.length(0, usize::from(kernel[axis]) - 1) as u8;
            let padding = [pad(0), pad(1), pad(0), pad(1)];
            let kernel = [0, 1].map(|axis| {
                let padded = lengths[axis] + usize::from(padding[axis]) + usize::from(padding[axis + 2]);
                usize::from(kernel[axis]).min(padded) as u8
            });
            // Shrinking may have made the kernel no larger than the padding it was drawn for.
            let padding = [0, 1, 2, 3].map(|side| padding[side].min(kernel[side % 2] - 1));
            let fits = [0, 1].map(|axis| {
                let padded = lengths[axis] + usize::from(padding[axis]) + usize::from(padding[axis + 2]);
                usize::from(kernel[axis]) <= padded
            });
            if fits == [true; 2] { (kernel, padding) } else { (shrunk, [0; 4]) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    #[test]
    fn is_well_formed_and_repeatable() {
        for seed in 0..200 {
            let model = network(seed);
            let image = image(&mut Random::new(seed), &model);
            let outputs = reference::run(&model, &image);
            assert_eq!(outputs.len(), model.layers.len());
            assert!(outputs.iter().all(|map| !map.values.is_empty()), "seed {seed}");
            assert_eq!(format!("{model:?}"), format!("{:?}", network(seed)));
        }
    }
}
