//! Random networks of every layer kind, and a slow forward pass to compare engines with. Tests only.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::check::{self, INPUT_ENCODING};
use crate::model::{
    Activation, Encoding, FloatLayer, FloatNetwork, Operation, QuantizedLayer, QuantizedNetwork, Shape,
    Window,
};

/// A random network: shapes, kinds, strides, padding, groups, pools, bits and activations all vary.
pub(crate) fn network(seed: u64) -> QuantizedNetwork {
    let mut random = StdRng::seed_from_u64(seed);
    let input = Shape {
        height: random.random_range(8..=14),
        width: random.random_range(8..=14),
        channels: if random.random_ratio(1, 4) { 3 } else { 1 },
    };
    let mut builder = Builder { random, layers: Vec::new(), shape: input, encoding: INPUT_ENCODING };
    for _ in 0..builder.random.random_range(1..=4) {
        match builder.random.random_range(0..8) {
            0 => builder.max_pool(),
            1 => builder.average_pool(),
            kind => builder.convolution(kind == 2, kind == 3),
        }
    }
    for _ in 0..builder.random.random_range(0..=2) {
        let outputs = builder.random.random_range(3..=20);
        builder.dense(outputs, false);
    }
    builder.dense(10, true);
    QuantizedNetwork { name: format!("sample-{seed}"), input, layers: builder.layers }
}

/// The shapes of the preset `nano` with random parameters.
pub(crate) fn nano() -> QuantizedNetwork {
    let shape = Shape { height: 28, width: 28, channels: 1 };
    let random = StdRng::seed_from_u64(0);
    let mut builder = Builder { random, layers: Vec::new(), shape, encoding: INPUT_ENCODING };
    for (channels, stride, pooled) in
        [(8, 1, false), (8, 2, false), (16, 1, false), (16, 1, true), (32, 1, false)]
    {
        let window = Window { kernel: [3, 3], stride: [stride; 2], padding: [0; 4] };
        let pool = pooled.then_some(Window { kernel: [2, 2], stride: [2, 2], padding: [0; 4] });
        let shape = builder.shape;
        let size = [&window].into_iter().chain(&pool).fold([shape.height, shape.width], |size, window| {
            check::window_output(size[0], size[1], window).unwrap()
        });
        let output = Shape { height: size[0], width: size[1], channels };
        let operation = Operation::Convolution { window, groups: 1, pool };
        builder.weighted(
            format!("conv{}", builder.layers.len() + 1),
            operation,
            output,
            shape.channels * 9,
            false,
        );
    }
    builder.dense(10, true);
    QuantizedNetwork { name: "nano".to_owned(), input: shape, layers: builder.layers }
}

/// A random image of `len` pixels, with more black and more white than chance.
pub(crate) fn image(random: &mut StdRng, len: usize) -> Vec<u8> {
    (0..len)
        .map(|_| match random.random_range(0..4) {
            0 => 0,
            1 => 255,
            _ => random.random(),
        })
        .collect()
}

/// The network in floats, with the weights that the integers stand for.
pub(crate) fn float_twin(network: &QuantizedNetwork) -> FloatNetwork {
    let layers = network.layers.iter().map(|layer| {
        let channels = layer.bias.len().max(1);
        let per_channel = layer.weights.len() / channels;
        let real = |value: f32, exponent: i32| value * (-exponent as f32).exp2();
        let weights = layer.weights.iter().enumerate();
        let bias = layer.bias.iter().zip(&layer.weight_exponents);
        FloatLayer {
            name: layer.name.clone(),
            operation: layer.operation.clone(),
            activation: layer.activation,
            input: layer.input,
            output: layer.output,
            weights: weights
                .map(|(index, w)| real(f32::from(*w), layer.weight_exponents[index / per_channel]))
                .collect(),
            bias: bias.map(|(b, e)| real(*b as f32, e + layer.input_encoding.exponent)).collect(),
        }
    });
    FloatNetwork { name: network.name.clone(), input: network.input, layers: layers.collect() }
}

/// Outputs of every layer, channels first, by the definition: `i64` sums, one value at a time.
pub(crate) fn forward(network: &QuantizedNetwork, image: &[u8]) -> Vec<Vec<i64>> {
    let mut values: Vec<i64> = image.iter().map(|pixel| i64::from(*pixel)).collect();
    let mut outputs = Vec::new();
    for layer in &network.layers {
        values = layer_forward(layer, &values);
        outputs.push(values.clone());
    }
    outputs
}

fn layer_forward(layer: &QuantizedLayer, input: &[i64]) -> Vec<i64> {
    match &layer.operation {
        Operation::Dense => {
            let fan_in = layer.input.len();
            let sums = layer.bias.iter().enumerate().map(|(output, bias)| {
                let row = &layer.weights[output * fan_in..][..fan_in];
                i64::from(*bias) + row.iter().zip(input).map(|(w, x)| i64::from(*w) * x).sum::<i64>()
            });
            sums.enumerate().map(|(output, sum)| finish(layer, output, sum)).collect()
        }
        Operation::Convolution { window, groups, pool } => {
            let (per_group, out_per_group) = (layer.input.channels / groups, layer.output.channels / groups);
            let area = window.kernel[0] * window.kernel[1];
            let mut maps = Vec::new();
            for output in 0..layer.output.channels {
                let first = output / out_per_group * per_group;
                let weights = &layer.weights[output * per_group * area..][..per_group * area];
                let (sums, shape) = walk(layer.input, window, |positions| {
                    let mut sum = i64::from(layer.bias[output]);
                    for (tap, position) in positions.iter().enumerate() {
                        let Some(position) = position else { continue };
                        for channel in 0..per_group {
                            let x =
                                input[(first + channel) * layer.input.height * layer.input.width + position];
                            sum += i64::from(weights[channel * area + tap]) * x;
                        }
                    }
                    sum
                });
                let sums = match pool {
                    None => sums,
                    Some(pool) => {
                        walk(shape, pool, |p| p.iter().flatten().map(|p| sums[*p]).max().unwrap()).0
                    }
                };
                maps.extend(sums.into_iter().map(|sum| finish(layer, output, sum)));
            }
            maps
        }
        Operation::MaxPool(window) => each_map(layer, input, window, |values| values.max().unwrap()),
        Operation::AveragePool(window) => {
            let area = (window.kernel[0] * window.kernel[1]) as i64;
            each_map(layer, input, window, |values| round_half_even(values.sum(), area))
        }
    }
}

fn each_map(
    layer: &QuantizedLayer,
    input: &[i64],
    window: &Window,
    combine: impl Fn(&mut dyn Iterator<Item = i64>) -> i64,
) -> Vec<i64> {
    let area = layer.input.height * layer.input.width;
    let maps = input.chunks_exact(area);
    maps.flat_map(|map| walk(layer.input, window, |p| combine(&mut p.iter().flatten().map(|p| map[*p]))).0)
        .collect()
}

/// Calls `at` with the positions under the window (`None` in the padding), window by window.
fn walk<T>(shape: Shape, window: &Window, at: impl Fn(&[Option<usize>]) -> T) -> (Vec<T>, Shape) {
    let [height, width] = check::window_output(shape.height, shape.width, window).unwrap();
    let mut values = Vec::new();
    for row in 0..height {
        for column in 0..width {
            let mut positions = Vec::new();
            for y in 0..window.kernel[0] {
                for x in 0..window.kernel[1] {
                    let y = (row * window.stride[0] + y).checked_sub(window.padding[0]);
                    let x = (column * window.stride[1] + x).checked_sub(window.padding[1]);
                    positions.push(match (y, x) {
                        (Some(y), Some(x)) if y < shape.height && x < shape.width => {
                            Some(y * shape.width + x)
                        }
                        _ => None,
                    });
                }
            }
            values.push(at(&positions));
        }
    }
    (values, Shape { height, width, channels: 1 })
}

fn finish(layer: &QuantizedLayer, channel: usize, sum: i64) -> i64 {
    if layer.activation == Activation::Logits {
        return sum;
    }
    let value = round_half_even(sum, 1 << layer.shifts()[channel]);
    match &layer.table {
        Some((_, entries)) => i64::from(entries[(value.clamp(-128, 127) + 128) as usize]),
        None if layer.output_encoding.signed => value.clamp(-128, 127),
        None => value.clamp(0, 255),
    }
}

fn round_half_even(sum: i64, divisor: i64) -> i64 {
    let (floor, twice) = (sum.div_euclid(divisor), 2 * sum.rem_euclid(divisor));
    floor + i64::from(twice > divisor || (twice == divisor && floor % 2 != 0))
}

/// Logits of the float network, by the definition in `f64`. The image is given as values, channels first.
pub(crate) fn forward_float(network: &FloatNetwork, image: &[f64]) -> Vec<f64> {
    let mut values = image.to_vec();
    for layer in &network.layers {
        let input = layer.input;
        let area = input.height * input.width;
        let activate = |sum: f64| match layer.activation {
            Activation::Relu => sum.max(0.0),
            Activation::Tanh => sum.tanh(),
            Activation::Identity | Activation::Logits => sum,
        };
        let per_channel = layer.weights.len() / layer.bias.len().max(1);
        let weights = |output: usize| &layer.weights[output * per_channel..][..per_channel];
        let maximum = |values: &[f64], positions: &[Option<usize>]| {
            positions.iter().flatten().map(|p| values[*p]).fold(f64::MIN, f64::max)
        };
        values = match &layer.operation {
            Operation::Dense => (0..layer.bias.len())
                .map(|output| {
                    let products = weights(output).iter().zip(&values).map(|(w, x)| f64::from(*w) * x);
                    activate(f64::from(layer.bias[output]) + products.sum::<f64>())
                })
                .collect(),
            Operation::Convolution { window, groups, pool } => (0..layer.output.channels)
                .flat_map(|output| {
                    let per_group = input.channels / groups;
                    let first = output / (layer.output.channels / groups) * per_group;
                    let taps = window.kernel[0] * window.kernel[1];
                    let (sums, shape) = walk(input, window, |positions| {
                        let mut sum = f64::from(layer.bias[output]);
                        for (tap, position) in positions.iter().enumerate() {
                            let Some(position) = position else { continue };
                            for channel in 0..per_group {
                                let weight = f64::from(weights(output)[channel * taps + tap]);
                                sum += weight * values[(first + channel) * area + position];
                            }
                        }
                        activate(sum)
                    });
                    match pool {
                        None => sums,
                        Some(pool) => walk(shape, pool, |p| maximum(&sums, p)).0,
                    }
                })
                .collect(),
            Operation::MaxPool(window) => values
                .chunks_exact(area)
                .flat_map(|map| walk(input, window, |positions| maximum(map, positions)).0)
                .collect(),
            Operation::AveragePool(window) => values
                .chunks_exact(area)
                .flat_map(|map| {
                    let average = |p: &[Option<usize>]| {
                        p.iter().flatten().map(|p| map[*p]).sum::<f64>() / p.len() as f64
                    };
                    walk(input, window, average).0
                })
                .collect(),
        };
    }
    values
}

struct Builder {
    random: StdRng,
    layers: Vec<QuantizedLayer>,
    shape: Shape,
    encoding: Encoding,
}

impl Builder {
    fn max_pool(&mut self) {
        let mut window = self.window(3, true);
        for (side, padding) in window.padding.iter_mut().enumerate() {
            *padding = (*padding).min(window.kernel[side % 2] - 1);
        }
        self.pool(Operation::MaxPool(window), window);
    }

    fn average_pool(&mut self) {
        let sizes = [1, 2, 4].map(|size: usize| size.min(if self.smallest() >= 4 { 4 } else { 1 }));
        let kernel = [sizes[self.random.random_range(0..3)], sizes[self.random.random_range(0..3)]];
        let window = Window { kernel, stride: self.stride(), padding: [0; 4] };
        self.pool(Operation::AveragePool(window), window);
    }

    fn pool(&mut self, operation: Operation, window: Window) {
        let Some([height, width]) = check::window_output(self.shape.height, self.shape.width, &window) else {
            return;
        };
        let output = Shape { height, width, channels: self.shape.channels };
        let layer = QuantizedLayer {
            name: format!("pool{}", self.layers.len()),
            operation,
            activation: Activation::Identity,
            input: self.shape,
            output,
            input_encoding: self.encoding,
            output_encoding: self.encoding,
            weight_bits: 8,
            weights: Vec::new(),
            weight_exponents: Vec::new(),
            bias: Vec::new(),
            table: None,
        };
        self.push(layer);
    }

    fn convolution(&mut self, depthwise: bool, grouped: bool) {
        let channels = self.shape.channels;
        let mut output_channels = self.random.random_range(1..=6);
        let mut groups = 1;
        if depthwise {
            groups = channels;
            output_channels = channels * self.random.random_range(1..=2);
        } else if grouped && channels.is_multiple_of(2) {
            groups = 2;
            output_channels = 2 * self.random.random_range(1..=4);
        }
        let window = self.window(5, true);
        let Some(full) = check::window_output(self.shape.height, self.shape.width, &window) else { return };
        let mut size = full;
        let mut pool = None;
        if self.random.random_bool(0.5) && size[0] >= 3 && size[1] >= 3 {
            let chosen = Window { padding: [0; 4], ..self.window(3, false) };
            pool = check::window_output(size[0], size[1], &chosen).map(|pooled| {
                size = pooled;
                chosen
            });
        }
        let output = Shape { height: size[0], width: size[1], channels: output_channels };
        let fan_in = channels / groups * window.kernel[0] * window.kernel[1];
        let operation = Operation::Convolution { window, groups, pool };
        self.weighted(format!("conv{}", self.layers.len()), operation, output, fan_in, false);
    }

    fn dense(&mut self, outputs: usize, logits: bool) {
        let output = Shape { height: 1, width: 1, channels: outputs };
        let name = format!("dense{}", self.layers.len());
        self.weighted(name, Operation::Dense, output, self.shape.len(), logits);
    }

    fn weighted(&mut self, name: String, operation: Operation, output: Shape, fan_in: usize, logits: bool) {
        let weight_bits = [8, 8, 4, 2][self.random.random_range(0..4)];
        // Keeps sum |w| * 255 below 2^24 with room for the bias.
        let limit = (((1 << 23) / 255 / fan_in) as i8 as i32).clamp(1, 127).min(127);
        let limit = if fan_in * 255 * 127 < (1 << 23) { 127 } else { limit };
        let weights: Vec<i8> = (0..fan_in * output.channels)
            .map(|_| match weight_bits {
                8 => self.random.random_range(-limit..=limit) as i8,
                4 => self.random.random_range(-7..=7),
                _ => [-3, -1, 1, 3][self.random.random_range(0..4)],
            })
            .collect();
        let bias: Vec<i32> = (0..output.channels)
            .map(|_| match self.random.random_range(0..10) {
                0 => 1 << 21,
                1 => -(1 << 21),
                _ => self.random.random_range(-3000..=3000),
            })
            .collect();
        let activation = match self.random.random_range(0..6) {
            _ if logits => Activation::Logits,
            0 => Activation::Tanh,
            1 => Activation::Identity,
            _ => Activation::Relu,
        };
        let base = self.random.random_range(3..=9);
        let spread = if logits { 0 } else { 2 };
        let weight_exponents: Vec<i32> =
            (0..output.channels).map(|_| base + self.random.random_range(0..=spread)).collect();
        // The usual sum has about this many bits; the shift leaves seven of them.
        let level = f64::from(weights.iter().map(|w| i32::from(w.unsigned_abs())).max().unwrap_or(1)) / 2.0;
        let bits = ((fan_in as f64).sqrt() * level * 100.0).log2() as i32;
        let shift = (bits - 7).max(0);
        let requantized = self.encoding.exponent + base - shift;
        let table = (activation == Activation::Tanh).then(|| {
            let entry = |index: i32| {
                let x = f64::from(index - 128) * f64::from(-requantized).exp2();
                (x.tanh() * 128.0).round_ties_even().clamp(-128.0, 127.0) as i8
            };
            (requantized, (0..256).map(entry).collect())
        });
        let exponent = match activation {
            Activation::Logits => self.encoding.exponent + base,
            Activation::Tanh => 7,
            _ => requantized,
        };
        let layer = QuantizedLayer {
            name,
            operation,
            activation,
            input: self.shape,
            output,
            input_encoding: self.encoding,
            output_encoding: Encoding { exponent, signed: activation != Activation::Relu },
            weight_bits,
            weights,
            weight_exponents,
            bias,
            table,
        };
        self.push(layer);
    }

    fn push(&mut self, layer: QuantizedLayer) {
        self.shape = layer.output;
        self.encoding = layer.output_encoding;
        self.layers.push(layer);
    }

    fn window(&mut self, largest: usize, padded: bool) -> Window {
        let largest = largest.min(self.smallest());
        let kernel = [self.random.random_range(1..=largest), self.random.random_range(1..=largest)];
        let mut padding = [0; 4];
        if padded && self.random.random_bool(0.5) {
            for (side, pad) in padding.iter_mut().enumerate() {
                *pad = self.random.random_range(0..kernel[side % 2]);
            }
        }
        Window { kernel, stride: self.stride(), padding }
    }

    fn stride(&mut self) -> [usize; 2] {
        [self.random.random_range(1..=2), self.random.random_range(1..=2)]
    }

    fn smallest(&self) -> usize {
        self.shape.height.min(self.shape.width)
    }
}
