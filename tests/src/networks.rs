//! Known networks with random weights, for figures that depend on the shapes alone.

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
