//! The forward pass of a quantized layer in burn tensors, with gradients.
//!
//! Tensors hold the board's integers as floats. Weights and biases are rounded to integers and
//! scaled by `2^-shift`, so that the convolution yields `accumulator / 2^shift` at once: the same
//! bits as integer arithmetic, because everything is a multiple of one power of two and below
//! `2^24` of it. Rounding passes gradients straight through (Bengio et al. 2013); saturation stops
//! them.

use burn::tensor::{Int, Tensor, TensorData};

use crate::model::{Activation, Operation};
use crate::network::Placed;
use crate::network::layout::{Layout, round_through};

use super::scheme::{LayerScheme, largest_weight, power};

/// Integers in, integers out (for logits: accumulators).
pub(crate) fn forward(
    layout: Layout,
    placed: &Placed,
    scheme: &LayerScheme,
    parameters: Option<(Tensor<2>, Tensor<1>)>,
    x: Tensor<4>,
) -> Tensor<4> {
    let activation = placed.step.activation;
    let scaled = match (&placed.step.operation, parameters) {
        (Operation::MaxPool(window), _) => return layout.max_pool(x, window, false),
        (Operation::AveragePool(window), _) => {
            return round_through(layout.average_pool(x, window));
        }
        (_, None) => return x,
        (operation, Some((weight, bias))) => {
            let (weight, bias) = integers(scheme, activation, weight, bias);
            match operation {
                Operation::Convolution { window, groups, pool } => {
                    let sum = layout.convolve(x, weight, Some(bias), window, *groups, false);
                    pool.iter().fold(sum, |x, pool| layout.max_pool(x, pool, false))
                }
                _ => layout.multiply(x, weight, Some(bias), false),
            }
        }
    };
    if activation == Activation::Logits {
        return scaled;
    }
    let requantized = layout.requantize(scaled, scheme.range(activation));
    match &scheme.table {
        Some((exponent, entries)) => look_up(requantized, *exponent, entries),
        None => requantized,
    }
}

/// Weights and biases as the integers of the board, divided by `2^shift`.
fn integers(
    scheme: &LayerScheme,
    activation: Activation,
    weight: Tensor<2>,
    bias: Tensor<1>,
) -> (Tensor<2>, Tensor<1>) {
    let device = weight.device();
    let channels = scheme.weight_exponents.len();
    let column = |exponent: &dyn Fn(usize) -> i32| {
        let values: Vec<f32> = (0..channels).map(|c| power(exponent(c))).collect();
        Tensor::<1>::from_data(TensorData::new(values, [channels]), &device)
    };
    let shifts = scheme.shifts(activation);
    let weights = &scheme.weight_exponents;
    let unshift = column(&|c| -shifts[c]);
    let most = largest_weight(scheme.bits);
    let grid = weight * column(&|c| weights[c]).unsqueeze_dim(1);
    let grid = grid.clamp(-most, most);
    let grid = if scheme.bits == 2 {
        round_through(grid.sub_scalar(1.0).mul_scalar(0.5)).mul_scalar(2.0).add_scalar(1.0)
    } else {
        round_through(grid)
    };
    let bias = round_through(bias * column(&|c| scheme.input.exponent + weights[c]));
    (grid * unshift.clone().unsqueeze_dim(1), bias * unshift)
}

/// The table's entry for each index; its gradient is that of tanh.
fn look_up(index: Tensor<4>, exponent: i32, entries: &[i8]) -> Tensor<4> {
    let value = index.clone().inner();
    let shape = value.dims();
    let device = value.device();
    let table: Vec<f32> = entries.iter().map(|&entry| f32::from(entry)).collect();
    let length = table.len();
    let table = Tensor::<1>::from_data(TensorData::new(table, [length]), &device);
    let places: Tensor<1, Int> = value.add_scalar(128.0).flatten::<1>(0, 3).int();
    let exact = table.select(0, places).reshape(shape);
    if !index.is_autodiff() {
        return exact;
    }
    let smooth = index.mul_scalar(power(-exponent)).tanh().mul_scalar(128.0);
    // Exact: the entry is the integer nearest to the smooth value.
    let distance = exact - smooth.clone().inner();
    smooth + distance.autodiff()
}
