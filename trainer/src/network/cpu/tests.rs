//! Our operations against burn's, against finite differences, and against themselves on narrower
//! vectors.

use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::simd::{Level, run_at};
use super::*;
use crate::config::Config;
use crate::network::layout::Layout;
use crate::network::{Mode, Network, Structure, Values, plan};

fn random(rng: &mut StdRng, count: usize) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-1.0f32..1.0)).collect()
}

fn vector<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    within(2e-5, found, expected, what);
}

/// Equal but for a share of the largest value.
fn within(share: f32, found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1.0f32, |most, value| most.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= share * largest,
            "{what}: {found} at {index}, expected {expected}"
        );
    }
}

/// What an operation is tried with.
#[derive(Clone, Debug)]
struct Case {
    /// Images, channels, rows and columns.
    input: [usize; 4],
    outputs: usize,
    groups: usize,
    window: Window,
}

impl Case {
    fn random(rng: &mut StdRng, images: usize) -> Self {
        let groups = [1, 1, 1, 2, 3, 6][rng.random_range(0..6)];
        let kernel = [rng.random_range(1..6), rng.random_range(1..6)];
        let stride = [rng.random_range(1..4), rng.random_range(1..4)];
        let padding = if rng.random() {
            [0; 4]
        } else {
            [kernel[0], kernel[1], kernel[0], kernel[1]].map(|size| rng.random_range(0..size))
        };
        let channels = groups * [1, 1, 2, 3, 5, 9][rng.random_range(0..6)];
        let input = [images, channels, rng.random_range(5..9), rng.random_range(5..9)];
        Self {
            input,
            outputs: groups * rng.random_range(1..16),
            groups,
            window: Window { kernel, stride, padding },
        }
    }
}

type Apply = dyn Fn(Layout, Tensor<4>, Tensor<2>, Tensor<1>, Tensor<1>) -> Tensor<4>;

/// The output, and the gradients of a map, weights and two vectors, as burn has it and as we do.
fn compare(case: &Case, shape: [usize; 2], rng: &mut StdRng, apply: &Apply, what: &str) {
    let device = Device::flex().autodiff();
    let [images, channels, rows, columns] = case.input;
    let map = random(rng, images * channels * rows * columns);
    let weight = random(rng, shape[0] * shape[1]);
    let vectors = [random(rng, shape[0]), random(rng, shape[0])];
    let mut loss_weights = Vec::new();
    let mut results = Vec::new();
    for layout in [Layout::ImagesFirst, Layout::ImagesLast { images }] {
        let x = Tensor::<4>::from_data(TensorData::new(map.clone(), case.input), &device);
        let x = layout.enter(x).require_grad();
        let weight = Tensor::<2>::from_data(TensorData::new(weight.clone(), shape), &device).require_grad();
        let [first, second] = vectors.clone().map(|values| {
            Tensor::<1>::from_data(TensorData::new(values, [shape[0]]), &device).require_grad()
        });
        let y = layout.leave(apply(layout, x.clone(), weight.clone(), first.clone(), second.clone()));
        if loss_weights.is_empty() {
            loss_weights = random(rng, y.dims().iter().product());
        }
        let factors = Tensor::<4>::from_data(TensorData::new(loss_weights.clone(), y.dims()), &device);
        let gradients = (y.clone() * factors).sum().backward();
        let mut found = vec![vector(y.inner())];
        found.push(vector(layout.leave(x.grad(&gradients).unwrap())));
        found.extend(weight.grad(&gradients).map(vector));
        found.extend([first, second].iter().filter_map(|tensor| tensor.grad(&gradients)).map(vector));
        results.push(found);
    }
    let (expected, found) = (&results[0], &results[1]);
    assert_eq!(found.len(), expected.len(), "{what}, {case:?}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        close(found, expected, &format!("{what}, {case:?}, result {index}"));
    }
}

/// Random cases, and some that matter.
fn cases(rng: &mut StdRng) -> Vec<Case> {
    let mut cases: Vec<Case> =
        [1, 7, 16, 33, 64].iter().flat_map(|&n| [n; 5]).map(|n| Case::random(rng, n)).collect();
    let window = |kernel: usize, stride: usize, padding: usize| Window {
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [padding; 4],
    };
    for (images, channels, outputs, groups, window) in [
        (7, 1, 8, 1, window(3, 1, 0)),
        (32, 8, 8, 1, window(3, 2, 0)),
        (64, 1, 6, 1, window(5, 1, 2)),
        (32, 9, 20, 1, window(5, 1, 2)),
        (7, 12, 12, 12, window(3, 1, 1)),
        (1, 16, 7, 1, window(1, 1, 0)),
        (32, 5, 3, 1, window(2, 3, 0)),
    ] {
        cases.push(Case { input: [images, channels, 9, 8], outputs, groups, window });
    }
    cases
}

#[test]
fn convolutions_are_burns() {
    let mut rng = StdRng::seed_from_u64(1);
    for case in cases(&mut rng) {
        let Case { input, outputs, groups, window, .. } = case.clone();
        let shape = [outputs, input[1] / groups * window.kernel[0] * window.kernel[1]];
        for relu in [false, true] {
            let biased = move |layout: Layout, x, weight, bias, _| {
                layout.convolve(x, weight, Some(bias), &window, groups, relu)
            };
            compare(&case, shape, &mut rng, &biased, "convolution");
        }
        let plain =
            move |layout: Layout, x, weight, _, _| layout.convolve(x, weight, None, &window, groups, false);
        compare(&case, shape, &mut rng, &plain, "convolution without bias");
    }
}

#[test]
fn dense_layers_are_burns() {
    let mut rng = StdRng::seed_from_u64(2);
    for case in cases(&mut rng) {
        let shape = [case.outputs, case.input[1..].iter().product()];
        for relu in [false, true] {
            let biased =
                move |layout: Layout, x, weight, bias, _| layout.multiply(x, weight, Some(bias), relu);
            compare(&case, shape, &mut rng, &biased, "dense");
        }
        let plain = |layout: Layout, x, weight, _, _| layout.multiply(x, weight, None, false);
        compare(&case, shape, &mut rng, &plain, "dense without bias");
    }
}

#[test]
fn pools_are_burns() {
    let mut rng = StdRng::seed_from_u64(3);
    for mut case in cases(&mut rng) {
        // burn has no window that lies in the padding altogether.
        case.window.padding = case.window.padding.map(|side| side / 2);
        let window = case.window;
        for relu in [false, true] {
            let max = move |layout: Layout, x, _, _, _| layout.max_pool(x, &window, relu);
            compare(&case, [1, 1], &mut rng, &max, "max-pool");
        }
        let window = Window { padding: [0; 4], ..window };
        let average = move |layout: Layout, x, _, _, _| layout.average_pool(x, &window);
        compare(&case, [1, 1], &mut rng, &average, "average-pool");
    }
}

#[test]
fn batch_norm_is_burns() {
    let mut rng = StdRng::seed_from_u64(4);
    for case in cases(&mut rng) {
        let channels = case.input[1];
        for relu in [false, true] {
            let train = move |layout: Layout, x, _, scale, bias| {
                let (y, [mean, variance]) = layout.batch_norm_train(x, scale, bias, 1e-3, relu);
                // The statistics take part in the comparison.
                let statistics = (mean + variance).unsqueeze_dims::<4>(&[1, 2, 3]);
                match layout {
                    Layout::ImagesFirst | Layout::Mixed => y + statistics.swap_dims(0, 1).autodiff(),
                    Layout::ImagesLast { .. } => y + statistics.autodiff(),
                }
            };
            compare(&case, [channels, 1], &mut rng, &train, "batch norm");
            let device = Device::flex();
            let statistics = [0.3, 1.7].map(|value| Tensor::<1>::full([channels], value, &device).autodiff());
            let inference = move |layout: Layout, x, _, scale, bias| {
                layout.batch_norm(x, scale, bias, statistics.clone(), 1e-3, relu)
            };
            compare(&case, [channels, 1], &mut rng, &inference, "batch norm by running statistics");
        }
    }
}

#[test]
fn requantization_is_burns() {
    let mut rng = StdRng::seed_from_u64(5);
    for case in cases(&mut rng) {
        for range in [(0.0, 255.0), (-128.0, 127.0)] {
            let round =
                move |layout: Layout, x: Tensor<4>, _, _, _| layout.requantize(x.mul_scalar(300.0), range);
            compare(&case, [1, 1], &mut rng, &round, "requantization");
        }
    }
}

#[test]
fn gradients_are_finite_differences() {
    let mut rng = StdRng::seed_from_u64(6);
    let window = Window { kernel: [3, 2], stride: [2, 1], padding: [1, 0, 1, 1] };
    let shape = [5, 3 * 6];
    let (map, weight) = (random(&mut rng, 3 * 7 * 6 * 16), random(&mut rng, shape[0] * shape[1]));
    let device = Device::flex().autodiff();
    let tensors = |map: &[f32], weight: &[f32]| {
        let map = Tensor::<4>::from_data(TensorData::new(map.to_vec(), [3, 7, 6, 16]), &device);
        let weight = Tensor::<2>::from_data(TensorData::new(weight.to_vec(), shape), &device);
        (map.require_grad(), weight.require_grad())
    };
    let output = |x: Tensor<4>, weight: Tensor<2>| convolve(x, weight, None, &window, 1, false);
    let loss = |map: &[f32], weight: &[f32]| {
        let (x, weight) = tensors(map, weight);
        let values = vector(output(x, weight).inner());
        values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>()
    };
    let (x, w) = tensors(&map, &weight);
    let gradients = output(x.clone(), w.clone()).powi_scalar(2).sum().backward();
    let (x, w) = (vector(x.grad(&gradients).unwrap()), vector(w.grad(&gradients).unwrap()));
    for _ in 0..40 {
        let step = 0.01f32;
        let index = rng.random_range(0..map.len());
        let moved = |by: f32| {
            let mut map = map.clone();
            map[index] += by;
            loss(&map, &weight)
        };
        let slope = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
        assert!((slope - f64::from(x[index])).abs() < 1e-2, "{slope} {}", x[index]);
        let index = rng.random_range(0..weight.len());
        let moved = |by: f32| {
            let mut weight = weight.clone();
            weight[index] += by;
            loss(&map, &weight)
        };
        let slope = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
        assert!((slope - f64::from(w[index])).abs() < 1e-2 * slope.abs().max(1.0), "{slope} {}", w[index]);
    }
}

/// Results on every instruction set of this processor: close to each other, and those with a fused
/// product equal.
fn agree(what: &str, compute: impl Fn(Level) -> Vec<f32>) {
    let results: Vec<_> = Level::available().iter().map(|level| compute(*level)).collect();
    for found in &results[1..] {
        close(found, &results[0], what);
        assert_eq!(found, &results[1], "{what}: another width of vectors, other bits");
    }
}

#[test]
fn the_width_of_vectors_does_not_change_a_bit() {
    let mut rng = StdRng::seed_from_u64(7);
    for case in cases(&mut rng) {
        let [count, channels, rows, columns] = case.input;
        let images = count.next_multiple_of(LANES);
        let map = [channels, rows, columns, images];
        let geometry = Geometry::convolution(map, case.outputs, case.groups, &case.window);
        let input = random(&mut rng, geometry.input_len());
        let gradient = random(&mut rng, geometry.output_len());
        let weights = random(&mut rng, geometry.weights());
        let bias = random(&mut rng, case.outputs.max(channels));
        agree("convolution", |level| {
            let mut output = vec![0.0; geometry.output_len()];
            run_at(level, geometry.forward(&input, &weights, Some(&bias), true, &mut output));
            output
        });
        agree("gradient of the input", |level| {
            let mut output = vec![0.0; geometry.input_len()];
            run_at(level, geometry.input_gradient(&gradient, &weights, &mut output));
            output
        });
        agree("gradient of the weights", |level| {
            let mut output = vec![0.0; weights.len()];
            run_at(
                level,
                WeightGradient { geometry, input: &input, gradient: &gradient, output: &mut output },
            );
            output
        });
        let (depth, columns) = (rows * columns, images);
        agree("product", |level| {
            let mut output = vec![0.0; channels * (columns + 3)];
            let left = &input[..channels * depth];
            let right: Vec<f32> = (0..depth * (columns + 3)).map(|i| input[i % input.len()]).collect();
            run_at(
                level,
                Product {
                    rows: channels,
                    depth,
                    columns: columns + 3,
                    left,
                    right: &right,
                    bias: Some(&bias),
                    relu: false,
                    output: &mut output,
                },
            );
            output
        });
        agree("batch norm", |level| {
            let mut output = vec![0.0; input.len()];
            let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
            run_at(
                level,
                Normalize {
                    input: &input,
                    scale: &bias[..channels],
                    bias: &bias[..channels],
                    images,
                    count,
                    epsilon: 1e-5,
                    relu: true,
                    output: &mut output,
                    mean: &mut mean,
                    variance: &mut variance,
                },
            );
            [output, mean, variance].concat()
        });
        agree("gradient of batch norm", |level| {
            let mut gradient = input.clone();
            let (mut scale_gradient, mut bias_gradient) = (vec![0.0; channels], vec![0.0; channels]);
            let (mean, variance) = (vec![0.1; channels], vec![0.4; channels]);
            run_at(
                level,
                NormalizeGradient {
                    input: &input,
                    scale: &bias[..channels],
                    mean: &mean,
                    variance: &variance,
                    images,
                    count,
                    epsilon: 1e-5,
                    gradient: &mut gradient,
                    scale_gradient: &mut scale_gradient,
                    bias_gradient: &mut bias_gradient,
                },
            );
            [gradient, scale_gradient, bias_gradient].concat()
        });
    }
}

const LAYERS: &str = "{type=\"conv\",filters=6,kernel=3,padding=\"same\"},{type=\"batch_norm\"},{type=\"relu\"},
    {type=\"max_pool\",size=2},{type=\"conv\",filters=10,kernel=3,stride=2},{type=\"tanh\"},
    {type=\"conv\",filters=10,kernel=2,groups=5},{type=\"relu\"},{type=\"average_pool\",size=2,stride=1},
    {type=\"flatten\"},{type=\"dense\",units=20},{type=\"batch_norm\"},{type=\"relu\"},{type=\"dense\",units=10}";

#[test]
fn a_network_is_the_same_in_both_layouts() {
    let config =
        Config::parse(&format!("name = \"t\"\ninput = [16, 14, 1]\nlayers = [{LAYERS}]"), "t").unwrap();
    let structure = Structure::float(&plan(&config).unwrap());
    let (parameters, statistics) = structure.initial(3);
    let mut rng = StdRng::seed_from_u64(8);
    for images in [7, 20, 32] {
        let pixels = random(&mut rng, images * 16 * 14);
        for learn in [false, true] {
            let device = if learn { Device::flex().autodiff() } else { Device::flex() };
            let values = Values::new(parameters.clone(), statistics.clone(), &Device::flex());
            let network = Network::new(&structure, &values, learn);
            let mut results = Vec::new();
            for layout in [Layout::ImagesFirst, Layout::ImagesLast { images }] {
                let input =
                    Tensor::<4>::from_data(TensorData::new(pixels.clone(), [images, 1, 16, 14]), &device);
                let (mut random, mut collected) = (StdRng::seed_from_u64(0), Vec::new());
                let mut mode =
                    if learn { Mode::Training(&mut random, &mut collected) } else { Mode::Inference };
                let logits = network.forward_in(layout, input, &mut mode, None);
                let mut found = vec![vector(logits.clone().inner())];
                found.extend(collected.into_iter().map(vector));
                if learn {
                    found.push(vector(network.gradients(logits.powi_scalar(2).sum().backward())));
                }
                results.push(found);
            }
            for (found, expected) in results[1].iter().zip(&results[0]) {
                // Batch norm after a dense layer divides by the spread of a few values.
                within(1e-3, found, expected, &format!("{images} images, learning: {learn}"));
            }
        }
    }
}

#[test]
fn what_is_not_a_number_stays_so() {
    let device = Device::flex();
    let window = Window { kernel: [2, 2], stride: [2, 2], padding: [0; 4] };
    let map = || {
        let mut values = vec![-1.0; 2 * 4 * 4 * LANES];
        values[5 * LANES + 3] = f32::NAN;
        Tensor::<4>::from_data(TensorData::new(values, [2, 4, 4, LANES]), &device)
    };
    let ones = |count: usize| Tensor::<1>::ones([count], &device);
    let weight = |shape: [usize; 2]| Tensor::<2>::ones(shape, &device);
    let results = [
        convolve(map(), weight([3, 8]), Some(ones(3)), &window, 1, true),
        multiply(map(), weight([3, 32]), Some(ones(3)), true),
        max_pool(map(), &window, true),
        average_pool(map(), &window),
        normalize(map(), ones(2), ones(2), 16, 1e-5, true).0,
        requantize(map(), (0.0, 255.0)),
    ];
    for (index, result) in results.into_iter().enumerate() {
        assert!(vector(result).iter().any(|value| value.is_nan()), "operation {index}");
    }
}
