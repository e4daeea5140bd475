//! Training on the CPU: convolutions, dense layers, pools and batch norm as operations of burn,
//! with gradients, on feature maps whose last axis is the images.
//!
//! ```text
//! [channels][rows][columns][images]      16 images fill a vector of AVX-512, two of AVX2
//!                          ~~~~~~~~
//! ```
//!
//! Any number of channels, any kernel, any stride and any map, however small, then fill the
//! vectors; and what burn computes value by value needs no change. The number of images is rounded
//! up to a multiple of [`LANES`]. The lanes without an image hold a blank one, whose gradient is
//! zero throughout.
//!
//! The order of all additions is fixed, and does not depend on the width of vectors: processors
//! with AVX2 or AVX-512 compute the same bits.

mod convolution;
mod dense;
mod geometry;
mod norm;
mod operation;
mod pool;
mod simd;
#[cfg(test)]
mod tests;
mod weight_gradient;

use burn::backend::Flex;
use burn::tensor::Tensor;

use crate::model::Window;

use self::dense::{Product, transpose};
use self::geometry::Geometry;
use self::norm::{ChannelSums, Mask, Normalize, NormalizeGradient, Requantize, RequantizeGradient};
use self::operation::{Gradient, Input, Operation, Pass, apply, plain};
use self::pool::{AveragePool, AveragePoolGradient, MaxPool, MaxPoolGradient};
use self::simd::{LANES, run};
use self::weight_gradient::WeightGradient;

/// Images `[images, channels, rows, columns]` as a feature map; without gradient.
pub(super) fn feature_map(images: Tensor<4>) -> Tensor<4> {
    let followed = images.is_autodiff();
    let [count, channels, rows, columns] = images.dims();
    let images = operation::take(images);
    let area = channels * rows * columns;
    let lanes = count.next_multiple_of(LANES);
    let mut pixels = operation::values(&images).to_vec();
    pixels.resize(lanes * area, 0.0);
    let shape = [channels, rows, columns, lanes];
    let map = Tensor::from_primitive::<Flex>(plain(transpose(&pixels, lanes, area), shape));
    if followed { map.autodiff() } else { map }
}

/// Convolution with `weight`, `[output channels][fan-in]`; then, with `relu`, the positive part.
/// `x` is `[channels, rows, columns, images]`.
pub(super) fn convolve(
    x: Tensor<4>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    window: &Window,
    groups: usize,
    relu: bool,
) -> Tensor<4> {
    let [outputs, _] = weight.dims();
    let geometry = Geometry::convolution(x.dims(), outputs, groups, window);
    weigh(Convolution { geometry, relu }, x, weight, bias)
}

/// Dense layer with `weight`, `[outputs][inputs]`; then, with `relu`, the positive part.
/// From `[channels, rows, columns, images]` to `[outputs, 1, 1, images]`.
pub(super) fn multiply(x: Tensor<4>, weight: Tensor<2>, bias: Option<Tensor<1>>, relu: bool) -> Tensor<4> {
    let [.., images] = x.dims();
    let [outputs, inputs] = weight.dims();
    weigh(Dense { inputs, outputs, images, relu }, x, weight, bias)
}

fn weigh<O: Operation<2> + Operation<3>>(
    operation: O,
    x: Tensor<4>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<4> {
    let (x, weight) = (Input::new(x), Input::new(weight));
    match bias {
        Some(bias) => apply(operation, [x, weight, Input::new(bias)]).0,
        None => apply(operation, [x, weight]).0,
    }
}

/// Batch norm by the statistics of the first `count` images; then, with `relu`, the positive part.
/// Returns the means and the variances as well.
pub(super) fn normalize(
    x: Tensor<4>,
    scale: Tensor<1>,
    bias: Tensor<1>,
    count: usize,
    epsilon: f64,
    relu: bool,
) -> (Tensor<4>, [Tensor<1>; 2]) {
    let shape = x.dims();
    let operation = BatchNorm { shape, count, epsilon: epsilon as f32, relu };
    let (output, saved) = apply(operation, [Input::new(x), Input::new(scale), Input::new(bias)]);
    let statistics = [&saved.mean, &saved.variance]
        .map(|values| Tensor::from_primitive::<Flex>(plain(values.clone(), [shape[0]])));
    (output, statistics)
}

/// Max-pool whose padding never wins; then, with `relu`, the positive part.
pub(super) fn max_pool(x: Tensor<4>, window: &Window, relu: bool) -> Tensor<4> {
    let geometry = Geometry::pool(x.dims(), window);
    apply(Pool { geometry, kind: Kind::Max { relu } }, [Input::new(x)]).0
}

/// Average-pool without padding.
pub(super) fn average_pool(x: Tensor<4>, window: &Window) -> Tensor<4> {
    let geometry = Geometry::pool(x.dims(), window);
    apply(Pool { geometry, kind: Kind::Average }, [Input::new(x)]).0
}

/// Saturates to `range`, which stops gradients, and rounds half to even, which passes them through.
pub(super) fn requantize(x: Tensor<4>, range: (f32, f32)) -> Tensor<4> {
    apply(Rounding { shape: x.dims(), range }, [Input::new(x)]).0
}

#[derive(Clone, Copy, Debug)]
struct Convolution {
    geometry: Geometry,
    relu: bool,
}

/// Of a map, the weights and, where there is one, the bias.
impl<const N: usize> Operation<N> for Convolution {
    type Saved = ();

    fn shape(self) -> [usize; 4] {
        self.geometry.output_shape()
    }

    fn forward(self, inputs: [&[f32]; N]) -> (Vec<f32>, ()) {
        let mut output = vec![0.0; self.geometry.output_len()];
        let bias = inputs.get(2).copied();
        run(self.geometry.forward(inputs[0], inputs[1], bias, self.relu, &mut output));
        (output, ())
    }

    fn backward(self, pass: Pass<'_, N, ()>) -> [Gradient; N] {
        let geometry = self.geometry;
        let of_input = |gradient: &[f32], weights: &[f32]| {
            let mut result = vec![0.0; geometry.input_len()];
            run(geometry.input_gradient(gradient, weights, &mut result));
            result
        };
        let of_weights = |gradient: &[f32], input: &[f32]| {
            let mut result = vec![0.0; geometry.weights()];
            run(WeightGradient { geometry, input, gradient, output: &mut result });
            result
        };
        unweigh(pass, self.relu, geometry.channels[1], of_input, of_weights)
    }
}

#[derive(Clone, Copy, Debug)]
struct Dense {
    inputs: usize,
    outputs: usize,
    images: usize,
    relu: bool,
}

/// Of a map, the weights and, where there is one, the bias.
impl<const N: usize> Operation<N> for Dense {
    type Saved = ();

    fn shape(self) -> [usize; 4] {
        [self.outputs, 1, 1, self.images]
    }

    fn forward(self, inputs: [&[f32]; N]) -> (Vec<f32>, ()) {
        let mut output = vec![0.0; self.outputs * self.images];
        run(Product {
            rows: self.outputs,
            depth: self.inputs,
            columns: self.images,
            left: inputs[1],
            right: inputs[0],
            bias: inputs.get(2).copied(),
            relu: self.relu,
            output: &mut output,
        });
        (output, ())
    }

    fn backward(self, pass: Pass<'_, N, ()>) -> [Gradient; N] {
        let product = |rows: usize, depth: usize, left: &[f32], right: &[f32]| {
            let mut output = vec![0.0; rows * self.inputs];
            let columns = self.inputs;
            run(Product { rows, depth, columns, left, right, bias: None, relu: false, output: &mut output });
            output
        };
        let of_input = |gradient: &[f32], weights: &[f32]| {
            let gradient = transpose(gradient, self.outputs, self.images);
            let result = product(self.images, self.outputs, &gradient, weights);
            transpose(&result, self.images, self.inputs)
        };
        let of_weights = |gradient: &[f32], input: &[f32]| {
            let input = transpose(input, self.inputs, self.images);
            product(self.outputs, self.images, gradient, &input)
        };
        unweigh(pass, self.relu, self.outputs, of_input, of_weights)
    }
}

/// The gradients of [`weigh`]: of the map by the weights, of the weights by the map, and of the bias of each of the
/// `outputs`.
fn unweigh<const N: usize>(
    pass: Pass<'_, N, ()>,
    relu: bool,
    outputs: usize,
    of_input: impl Fn(&[f32], &[f32]) -> Vec<f32>,
    of_weights: impl Fn(&[f32], &[f32]) -> Vec<f32>,
) -> [Gradient; N] {
    let Pass { inputs, output, gradient, wanted, .. } = pass;
    if relu {
        run(Mask { output, gradient });
    }
    let gradient: &[f32] = gradient;
    core::array::from_fn(|index| {
        Gradient::when(wanted[index], || match index {
            0 => of_input(gradient, inputs[1]),
            1 => of_weights(gradient, inputs[0]),
            _ => sums(gradient, outputs),
        })
    })
}

/// The sum of each channel.
fn sums(values: &[f32], channels: usize) -> Vec<f32> {
    let mut sums = vec![0.0; channels];
    run(ChannelSums { values, sums: &mut sums });
    sums
}

#[derive(Clone, Copy, Debug)]
struct BatchNorm {
    shape: [usize; 4],
    count: usize,
    epsilon: f32,
    relu: bool,
}

/// Of each channel of a batch.
#[derive(Debug)]
struct Statistics {
    mean: Vec<f32>,
    variance: Vec<f32>,
}

/// Of a map, the scales and the biases.
impl Operation<3> for BatchNorm {
    type Saved = Statistics;

    fn shape(self) -> [usize; 4] {
        self.shape
    }

    fn forward(self, [input, scale, bias]: [&[f32]; 3]) -> (Vec<f32>, Statistics) {
        let mut output = vec![0.0; input.len()];
        let (mut mean, mut variance) = (vec![0.0; scale.len()], vec![0.0; scale.len()]);
        run(Normalize {
            input,
            scale,
            bias,
            images: self.shape[3],
            count: self.count,
            epsilon: self.epsilon,
            relu: self.relu,
            output: &mut output,
            mean: &mut mean,
            variance: &mut variance,
        });
        (output, Statistics { mean, variance })
    }

    fn backward(self, pass: Pass<'_, 3, Statistics>) -> [Gradient; 3] {
        let Pass { inputs: [input, scale, _], output, saved, gradient, .. } = pass;
        if self.relu {
            run(Mask { output, gradient });
        }
        let (mut scale_gradient, mut bias_gradient) = (vec![0.0; scale.len()], vec![0.0; scale.len()]);
        run(NormalizeGradient {
            input,
            scale,
            mean: &saved.mean,
            variance: &saved.variance,
            images: self.shape[3],
            count: self.count,
            epsilon: self.epsilon,
            gradient,
            scale_gradient: &mut scale_gradient,
            bias_gradient: &mut bias_gradient,
        });
        [Gradient::InPlace, Gradient::New(scale_gradient), Gradient::New(bias_gradient)]
    }
}

#[derive(Clone, Copy, Debug)]
struct Pool {
    geometry: Geometry,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Max { relu: bool },
    Average,
}

impl Operation<1> for Pool {
    /// Which value was the largest.
    type Saved = Vec<f32>;

    fn shape(self) -> [usize; 4] {
        self.geometry.output_shape()
    }

    fn forward(self, [input]: [&[f32]; 1]) -> (Vec<f32>, Vec<f32>) {
        let geometry = self.geometry;
        let mut output = vec![0.0; geometry.output_len()];
        let mut winners = Vec::new();
        match self.kind {
            Kind::Max { relu } => {
                winners = vec![0.0; output.len()];
                run(MaxPool { geometry, input, relu, output: &mut output, winners: &mut winners });
            }
            Kind::Average => run(AveragePool { geometry, input, output: &mut output }),
        }
        (output, winners)
    }

    fn backward(self, pass: Pass<'_, 1, Vec<f32>>) -> [Gradient; 1] {
        let Pass { saved, gradient, .. } = pass;
        let geometry = self.geometry;
        let mut output = vec![0.0; geometry.input_len()];
        match self.kind {
            Kind::Max { .. } => {
                run(MaxPoolGradient { geometry, gradient, winners: saved, output: &mut output })
            }
            Kind::Average => run(AveragePoolGradient { geometry, gradient, output: &mut output }),
        }
        [Gradient::New(output)]
    }
}

#[derive(Clone, Copy, Debug)]
struct Rounding {
    shape: [usize; 4],
    range: (f32, f32),
}

impl Operation<1> for Rounding {
    type Saved = ();

    fn shape(self) -> [usize; 4] {
        self.shape
    }

    fn forward(self, [input]: [&[f32]; 1]) -> (Vec<f32>, ()) {
        let mut output = vec![0.0; input.len()];
        run(Requantize { input, range: self.range, output: &mut output });
        (output, ())
    }

    fn backward(self, pass: Pass<'_, 1, ()>) -> [Gradient; 1] {
        let Pass { inputs: [input], gradient, .. } = pass;
        run(RequantizeGradient { input, range: self.range, gradient });
        [Gradient::InPlace]
    }
}
