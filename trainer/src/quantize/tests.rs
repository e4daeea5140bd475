//! The fine-tuning forward pass against plain integer loops, bit for bit.

use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::config::Config;
use crate::model::{Activation, Operation, QuantizedLayer, QuantizedNetwork, Shape, Window};
use crate::network::{Mode, Network, Structure, Values, fold, plan};

use super::{calibrate, convert};

/// A feature map, `[channel][row][column]`.
type Map = Vec<i64>;

fn at(map: &Map, shape: Shape, channel: usize, row: isize, column: isize) -> Option<i64> {
    let (row, column) = (usize::try_from(row).ok()?, usize::try_from(column).ok()?);
    (row < shape.height && column < shape.width)
        .then(|| map[(channel * shape.height + row) * shape.width + column])
}

/// Visits the places of a window over output position (`row`, `column`).
fn places(window: &Window, row: usize, column: usize) -> impl Iterator<Item = [isize; 2]> + '_ {
    let top = (row * window.stride[0]) as isize - window.padding[0] as isize;
    let left = (column * window.stride[1]) as isize - window.padding[1] as isize;
    (0..window.kernel[0] as isize)
        .flat_map(move |y| (0..window.kernel[1] as isize).map(move |x| [top + y, left + x]))
}

fn swept(size: usize, before: usize, after: usize, kernel: usize, stride: usize) -> usize {
    (size + before + after - kernel) / stride + 1
}

fn slide(shape: Shape, window: &Window, mut value: impl FnMut(usize, &[[isize; 2]]) -> i64) -> (Map, Shape) {
    let [top, left, bottom, right] = window.padding;
    let height = swept(shape.height, top, bottom, window.kernel[0], window.stride[0]);
    let width = swept(shape.width, left, right, window.kernel[1], window.stride[1]);
    let mut map = Map::new();
    for channel in 0..shape.channels {
        for row in 0..height {
            for column in 0..width {
                let places: Vec<_> = places(window, row, column).collect();
                map.push(value(channel, &places));
            }
        }
    }
    (map, Shape { height, width, channels: shape.channels })
}

fn max_pool(map: &Map, shape: Shape, window: &Window) -> (Map, Shape) {
    slide(shape, window, |channel, places| {
        let values = places.iter().filter_map(|[y, x]| at(map, shape, channel, *y, *x));
        values.max().unwrap_or(i64::MIN)
    })
}

fn half_even(value: i64, shift: u32) -> i64 {
    let quotient = value >> shift;
    let twice = (value - (quotient << shift)) * 2;
    let whole = 1i64 << shift;
    quotient + i64::from(twice > whole || (twice == whole && quotient & 1 == 1))
}

fn run(layer: &QuantizedLayer, input: &Map) -> Map {
    let accumulators = match &layer.operation {
        Operation::MaxPool(window) => return max_pool(input, layer.input, window).0,
        Operation::AveragePool(window) => {
            let shift = (window.kernel[0] * window.kernel[1]).trailing_zeros();
            let average = |channel, places: &[[isize; 2]]| {
                let values = places.iter().filter_map(|[y, x]| at(input, layer.input, channel, *y, *x));
                half_even(values.sum(), shift)
            };
            return slide(layer.input, window, average).0;
        }
        Operation::Dense => {
            let sums = layer.weights.chunks_exact(input.len()).zip(&layer.bias);
            sums.map(|(weights, bias)| {
                let products = weights.iter().zip(input).map(|(w, x)| i64::from(*w) * x);
                i64::from(*bias) + products.sum::<i64>()
            })
            .collect()
        }
        Operation::Convolution { window, groups, pool } => {
            let inputs = layer.input.channels / groups;
            let outputs = layer.output.channels / groups;
            let area = window.kernel[0] * window.kernel[1];
            let shape = Shape { channels: layer.output.channels, ..layer.input };
            let (sums, shape) = slide(shape, window, |channel, places| {
                let first = channel / outputs * inputs;
                let mut sum = i64::from(layer.bias[channel]);
                for source in 0..inputs {
                    let weights = &layer.weights[(channel * inputs + source) * area..][..area];
                    for (weight, [y, x]) in weights.iter().zip(places) {
                        let value = at(input, layer.input, first + source, *y, *x).unwrap_or(0);
                        sum += i64::from(*weight) * value;
                    }
                }
                sum
            });
            pool.iter().fold((sums, shape), |(map, shape), window| max_pool(&map, shape, window)).0
        }
    };
    if layer.activation == Activation::Logits {
        return accumulators;
    }
    let area = accumulators.len() / layer.bias.len();
    let shifts = layer.shifts();
    let stored = accumulators.iter().enumerate().map(|(index, sum)| {
        let value = half_even(*sum, u32::try_from(shifts[index / area]).unwrap());
        match (&layer.table, layer.activation) {
            (Some((_, entries)), _) => i64::from(entries[(value.clamp(-128, 127) + 128) as usize]),
            (None, Activation::Relu) => value.clamp(0, 255),
            (None, _) => value.clamp(-128, 127),
        }
    });
    stored.collect()
}

fn integer_logits(network: &QuantizedNetwork, image: &[u8]) -> Map {
    let image: Map = image.iter().map(|pixel| i64::from(*pixel)).collect();
    network.layers.iter().fold(image, |map, layer| run(layer, &map))
}

/// Calibrates a network with random parameters, and compares fake-quantized logits with integers.
fn check(layers: &str, bits: u8) {
    let text =
        format!("name = \"t\"\ninput = [12, 11, 1]\nlayers = [{layers}]\n[quantization]\nbits = {bits}");
    let config = Config::parse(&text, layers).unwrap();
    let plan = plan(&config).unwrap();
    let mut rng = StdRng::seed_from_u64(u64::from(bits));
    let images: Vec<Vec<u8>> = (0..8).map(|_| (0..12 * 11).map(|_| rng.random()).collect()).collect();
    let views: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();

    let float = Structure::float(&plan);
    let (mut parameters, mut statistics) = float.initial(7);
    for block in &float.blocks {
        parameters[block.bias.clone()].fill_with(|| rng.random_range(-0.2..0.2));
        parameters[block.scale.clone()].fill_with(|| rng.random_range(-0.5..2.0));
    }
    statistics.iter_mut().for_each(|value| *value += rng.random_range(0.0..0.5));
    let folded = fold(&plan, &float, &parameters, &statistics);
    let schemes = calibrate(&plan, &folded, &views).unwrap();
    let quantized = convert(&folded, &schemes).unwrap();

    let structure = Structure::integer(&plan, &schemes);
    let pixels = images.concat().iter().map(|pixel| f32::from(*pixel) / 256.0).collect();
    let pixels = TensorData::new(pixels, [images.len(), 1, 12, 11]);
    let parameters = structure.parameters_of(&folded);
    for learn in [false, true] {
        let device = if learn { Device::flex().autodiff() } else { Device::flex() };
        let values = Values::new(parameters.clone(), Vec::new(), &Device::flex());
        let network = Network::new(&structure, &values, learn);
        let input = Tensor::<4>::from_data(pixels.clone(), &device);
        let (mut rng, mut unused) = (StdRng::seed_from_u64(0), Vec::new());
        let mut mode = if learn { Mode::Training(&mut rng, &mut unused) } else { Mode::Inference };
        let logits = network.forward(input, &mut mode);
        let scale = 2f64.powi(quantized.layers.last().unwrap().output_encoding.exponent);
        let found: Vec<f32> = logits.clone().try_into_vec_as().unwrap();
        let classes = plan.classes();
        for (image, found) in images.iter().zip(found.chunks_exact(classes)) {
            let expected = integer_logits(&quantized, image);
            let found: Vec<f64> = found.iter().map(|logit| f64::from(*logit) * scale).collect();
            let expected: Vec<f64> = expected.iter().map(|logit| *logit as f64).collect();
            assert_eq!(found, expected, "{layers} at {bits} bits, learning: {learn}");
        }
        if learn {
            let gradient = network.gradients(logits.powi_scalar(2).sum().backward());
            let gradient: Vec<f32> = gradient.try_into_vec_as().unwrap();
            assert_eq!(gradient.len(), structure.parameters);
            assert!(gradient.iter().any(|value| *value != 0.0), "{layers}: no gradient");
        }
    }
}

const CONV: &str = "{type=\"conv\",filters=6,kernel=3},{type=\"batch_norm\"},{type=\"relu\"}";
const TAIL: &str = "{type=\"flatten\"},{type=\"dense\",units=10}";

#[test]
fn fake_quantization_is_integer_arithmetic() {
    let networks = [
        TAIL.to_owned(),
        format!("{{type=\"normalize\",mean=0.5,sd=0.5}},{CONV},{TAIL}"),
        format!("{CONV},{{type=\"max_pool\",size=2}},{TAIL}"),
        format!("{CONV},{{type=\"conv\",filters=4,kernel=[3,2],stride=[2,1],padding=\"same\"}},{TAIL}"),
        format!("{CONV},{{type=\"conv\",filters=6,kernel=3,groups=6}},{{type=\"tanh\"}},{TAIL}"),
        format!(
            "{CONV},{{type=\"conv\",filters=4,kernel=3,groups=2,padding=[2,0,1,1]}},{{type=\"max_pool\",size=3,stride=2,padding=\"same\"}},{TAIL}"
        ),
        format!("{CONV},{{type=\"average_pool\",size=2}},{TAIL}"),
        format!("{CONV},{{type=\"average_pool\",size=3}},{TAIL}"),
        format!(
            "{CONV},{{type=\"conv\",filters=5,kernel=1}},{{type=\"global_average_pool\"}},{{type=\"dense\",units=10}}"
        ),
        format!(
            "{CONV},{{type=\"flatten\"}},{{type=\"dense\",units=20}},{{type=\"batch_norm\"}},{{type=\"tanh\"}},{{type=\"dense\",units=12}},{{type=\"relu\"}},{{type=\"dense\",units=10}}"
        ),
    ];
    for network in networks {
        for bits in [8, 4, 2] {
            check(&network, bits);
        }
    }
}
