//! The oracle: a whole network in plain `i64` arithmetic, as `docs/ARITHMETIC.md` says it.
//!
//! Slow and obvious on purpose. It holds every feature map as a whole, walks it with nested loops,
//! and rounds, saturates, pads and pools by itself: it shares nothing with the runtime but the types
//! of the specification. It assumes a well-formed network and panics on any other.

use crate::spec::{LayerSpec, ModelSpec, Output, Parameters};

/// A feature map, channels last: value `(row, column, channel)` is at
/// `(row * width + column) * channels + channel`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
    /// Whether the values are `i8`; else `u8`. (The logits are `i32`, and count as signed.)
    pub signed: bool,
    /// The values.
    pub values: Vec<i64>,
}

impl Map {
    /// The value at a place that may lie outside the map, where it is `outside`.
    fn at(&self, row: i64, column: i64, channel: usize, outside: i64) -> i64 {
        let inside = (0..self.height as i64).contains(&row) && (0..self.width as i64).contains(&column);
        if !inside {
            return outside;
        }
        let place = (row as usize * self.width + column as usize) * self.channels + channel;
        self.values[place]
    }

    /// The stored bytes, two's complement where signed. Not for logits.
    pub fn bytes(&self) -> Vec<u8> {
        let range = if self.signed { -128..=127 } else { 0..=255 };
        assert!(self.values.iter().all(|value| range.contains(value)), "value out of range");
        self.values.iter().map(|&value| value as u8).collect()
    }
}

/// Runs the network over an image and returns the output of every layer; the last is the logits.
pub fn run(model: &ModelSpec, image: &[u8]) -> Vec<Map> {
    let [height, width, channels] = model.input.map(usize::from);
    assert_eq!(image.len(), height * width * channels, "image size");
    let values = image.iter().map(|&pixel| i64::from(pixel)).collect();
    let mut map = Map { height, width, channels, signed: false, values };
    let mut outputs = Vec::new();
    for layer in &model.layers {
        map = apply(layer, &map);
        outputs.push(map.clone());
    }
    outputs
}

/// What one layer makes of its input.
pub fn apply(layer: &LayerSpec, input: &Map) -> Map {
    match layer {
        LayerSpec::Convolution { kernel, stride, padding, groups, pool, parameters } => {
            let groups = usize::from(*groups);
            let mut sums = convolve(input, *kernel, *stride, *padding, groups, parameters);
            if let Some((kernel, stride)) = pool {
                // Over unpadded accumulators: no window ever sees the `outside` value.
                sums = max_pool(&sums, *kernel, *stride, [0; 4], i64::MIN);
            }
            activate(&sums, parameters)
        }
        LayerSpec::MaxPool { kernel, stride, padding } => {
            let smallest = if input.signed { -128 } else { 0 };
            max_pool(input, *kernel, *stride, *padding, smallest)
        }
        LayerSpec::AveragePool { kernel, stride } => average_pool(input, *kernel, *stride),
        LayerSpec::Dense { parameters } => activate(&dense(input, parameters), parameters),
    }
}

/// Positions of a window of `kernel` that steps by `stride` over `length` values and their padding.
pub fn output_length(length: usize, before: u8, after: u8, kernel: u8, stride: u8) -> usize {
    let padded = length + usize::from(before) + usize::from(after);
    assert!(usize::from(kernel) <= padded, "kernel {kernel} is larger than {padded} values");
    (padded - usize::from(kernel)) / usize::from(stride) + 1
}

/// Accumulators of a convolution (cross-correlation), zero outside the map.
fn convolve(
    input: &Map,
    kernel: [u8; 2],
    stride: [u8; 2],
    padding: [u8; 4],
    groups: usize,
    parameters: &Parameters,
) -> Map {
    let [top, left, bottom, right] = padding;
    let height = output_length(input.height, top, bottom, kernel[0], stride[0]);
    let width = output_length(input.width, left, right, kernel[1], stride[1]);
    let channels = parameters.bias.len();
    assert!(input.channels.is_multiple_of(groups) && channels.is_multiple_of(groups));
    let fan_in = input.channels / groups; // input channels that one output channel reads
    let fan_out = channels / groups; // output channels of a group
    let [kernel_height, kernel_width] = kernel.map(usize::from);
    assert_eq!(parameters.weights.len(), channels * kernel_height * kernel_width * fan_in);
    let mut values = Vec::new();
    for row in 0..height {
        for column in 0..width {
            for channel in 0..channels {
                let group = channel / fan_out;
                let mut sum = i64::from(parameters.bias[channel]);
                for kernel_row in 0..kernel_height {
                    for kernel_column in 0..kernel_width {
                        for i in 0..fan_in {
                            let y = (row * usize::from(stride[0]) + kernel_row) as i64;
                            let x = (column * usize::from(stride[1]) + kernel_column) as i64;
                            let y = y - i64::from(top);
                            let x = x - i64::from(left);
                            let weight = ((channel * kernel_height + kernel_row) * kernel_width
                                + kernel_column)
                                * fan_in
                                + i;
                            sum +=
                                i64::from(parameters.weights[weight]) * input.at(y, x, group * fan_in + i, 0);
                        }
                    }
                }
                values.push(accumulator(sum));
            }
        }
    }
    Map { height, width, channels, signed: true, values }
}

/// Accumulators of a fully connected layer.
fn dense(input: &Map, parameters: &Parameters) -> Map {
    let outputs = parameters.bias.len();
    let inputs = input.values.len();
    assert_eq!(parameters.weights.len(), outputs * inputs);
    let mut values = Vec::new();
    for output in 0..outputs {
        let mut sum = i64::from(parameters.bias[output]);
        for i in 0..inputs {
            sum += i64::from(parameters.weights[output * inputs + i]) * input.values[i];
        }
        values.push(accumulator(sum));
    }
    Map { height: 1, width: 1, channels: outputs, signed: true, values }
}

/// Largest value of each window; padding holds `outside`.
fn max_pool(input: &Map, kernel: [u8; 2], stride: [u8; 2], padding: [u8; 4], outside: i64) -> Map {
    let [top, left, bottom, right] = padding;
    let height = output_length(input.height, top, bottom, kernel[0], stride[0]);
    let width = output_length(input.width, left, right, kernel[1], stride[1]);
    let mut values = Vec::new();
    for row in 0..height {
        for column in 0..width {
            for channel in 0..input.channels {
                let mut largest = i64::MIN;
                for kernel_row in 0..usize::from(kernel[0]) {
                    for kernel_column in 0..usize::from(kernel[1]) {
                        let y = (row * usize::from(stride[0]) + kernel_row) as i64;
                        let x = (column * usize::from(stride[1]) + kernel_column) as i64;
                        let y = y - i64::from(top);
                        let x = x - i64::from(left);
                        largest = largest.max(input.at(y, x, channel, outside));
                    }
                }
                values.push(largest);
            }
        }
    }
    Map { height, width, values, ..input.clone() }
}

/// Rounded mean of each window.
fn average_pool(input: &Map, kernel: [u8; 2], stride: [u8; 2]) -> Map {
    let height = output_length(input.height, 0, 0, kernel[0], stride[0]);
    let width = output_length(input.width, 0, 0, kernel[1], stride[1]);
    let area = i64::from(kernel[0]) * i64::from(kernel[1]);
    let mut values = Vec::new();
    for row in 0..height {
        for column in 0..width {
            for channel in 0..input.channels {
                let mut sum = 0;
                for kernel_row in 0..usize::from(kernel[0]) {
                    for kernel_column in 0..usize::from(kernel[1]) {
                        let y = row * usize::from(stride[0]) + kernel_row;
                        let x = column * usize::from(stride[1]) + kernel_column;
                        sum += input.values[(y * input.width + x) * input.channels + channel];
                    }
                }
                values.push(divide_half_even(sum, area));
            }
        }
    }
    Map { height, width, values, ..input.clone() }
}

/// Turns accumulators into the layer's output.
fn activate(sums: &Map, parameters: &Parameters) -> Map {
    let requantized = |place: usize, low: i64, high: i64| {
        let shift = parameters.shifts[place % sums.channels];
        divide_half_even(sums.values[place], 1 << shift).clamp(low, high)
    };
    let all = 0..sums.values.len();
    let (signed, values) = match &parameters.output {
        Output::Logits => (true, sums.values.clone()),
        Output::Unsigned => (false, all.map(|place| requantized(place, 0, 255)).collect()),
        Output::Signed => (true, all.map(|place| requantized(place, -128, 127)).collect()),
        Output::Table { signed, entries } => {
            assert_eq!(entries.len(), 256);
            let look_up = |place| {
                let entry = entries[(requantized(place, -128, 127) + 128) as usize];
                if *signed { i64::from(entry as i8) } else { i64::from(entry) }
            };
            (*signed, all.map(look_up).collect())
        }
    };
    Map { signed, values, ..sums.clone() }
}

/// `numerator / denominator` for a positive denominator, rounded to the nearest integer, and to the
/// even one of two that are equally near.
pub fn divide_half_even(numerator: i64, denominator: i64) -> i64 {
    assert!(denominator > 0);
    let below = numerator.div_euclid(denominator);
    let above = below + 1;
    let from_below = numerator - below * denominator;
    let from_above = above * denominator - numerator;
    match from_below.cmp(&from_above) {
        core::cmp::Ordering::Less => below,
        core::cmp::Ordering::Greater => above,
        core::cmp::Ordering::Equal if below % 2 == 0 => below,
        core::cmp::Ordering::Equal => above,
    }
}

/// A sum, which a well-formed network keeps below 2^30 in magnitude.
fn accumulator(sum: i64) -> i64 {
    assert!(sum.abs() < 1 << 30, "accumulator {sum} is not below 2^30");
    sum
}

#[cfg(test)]
mod tests;
