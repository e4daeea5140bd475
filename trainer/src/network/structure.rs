//! Where each parameter of a network lies in one flat vector.
//!
//! The optimizer, the averaging of gradients over threads and the checkpoints all see two vectors:
//! the parameters, and the running statistics of batch norm. Only the forward pass needs tensors
//! of their own shapes, and slices them out.

use core::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::model::{Activation, FloatNetwork, Operation};
use crate::quantize::LayerScheme;

use super::plan::{Normalization, Plan, Step};

/// A plan with the place of every parameter.
#[derive(Clone, Debug)]
pub struct Structure {
    /// What happens to the pixels first; nothing in the form that computes integers.
    pub normalization: Option<Normalization>,
    /// Whether learning computes products in half the precision, where the device does.
    pub mixed: bool,
    /// Steps and the places of their parameters.
    pub blocks: Vec<Placed>,
    /// Length of the parameter vector.
    pub parameters: usize,
    /// Length of the statistics vector.
    pub statistics: usize,
    /// Which part of the parameter vector is weights (and decays).
    pub weights: Vec<Range<usize>>,
}

/// A step and the places of its parameters; a range is empty where there is nothing.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The step.
    pub step: Step,
    /// How it is quantized, in the form that computes the board's integers.
    pub scheme: Option<LayerScheme>,
    /// Weights, `[channels][fan-in]`.
    pub weight: Range<usize>,
    /// Biases; of batch norm where there is one.
    pub bias: Range<usize>,
    /// Scales of batch norm.
    pub scale: Range<usize>,
    /// Running means and then running variances, in the statistics vector.
    pub statistics: Range<usize>,
}

/// The numbers of a network, on a device.
#[derive(Clone, Debug)]
pub struct Values {
    /// All parameters.
    pub parameters: Tensor<1>,
    /// All running statistics.
    pub statistics: Tensor<1>,
}

impl Values {
    /// Copies both vectors to a device.
    pub fn new(parameters: Vec<f32>, statistics: Vec<f32>, device: &Device) -> Self {
        let tensor = |values: Vec<f32>| {
            let length = values.len();
            Tensor::from_data(TensorData::new(values, [length]), device)
        };
        Self { parameters: tensor(parameters), statistics: tensor(statistics) }
    }
}

impl Structure {
    /// The float form of a plan.
    pub fn float(plan: &Plan) -> Self {
        let structure = Self::lay_out(plan.steps.iter().map(|step| (step.clone(), None)));
        Self { normalization: plan.normalization, mixed: plan.mixed, ..structure }
    }

    /// The form of a folded network that computes integers, for fine-tuning.
    pub fn integer(plan: &Plan, schemes: &[LayerScheme]) -> Self {
        let pairs = plan.steps.iter().zip(schemes);
        Self::lay_out(pairs.map(|(step, scheme)| {
            let step = Step { batch_norm: false, ..step.clone() };
            (step, Some(scheme.clone()))
        }))
    }

    fn lay_out(steps: impl Iterator<Item = (Step, Option<LayerScheme>)>) -> Self {
        let mut parameters = 0;
        let mut statistics = 0;
        let mut take = |length: usize| {
            parameters += length;
            parameters - length..parameters
        };
        let mut blocks = Vec::new();
        for (step, scheme) in steps {
            // Float training computes an average as such; integers need its weights.
            let fixed = step.average && scheme.is_none();
            let weights = if fixed { 0 } else { step.weights() };
            let channels = if weights == 0 { 0 } else { step.channels() };
            let normalized = if step.batch_norm { channels } else { 0 };
            blocks.push(Placed {
                weight: take(weights),
                bias: take(channels),
                scale: take(normalized),
                statistics: statistics..statistics + 2 * normalized,
                step,
                scheme,
            });
            statistics += 2 * normalized;
        }
        let weights = blocks.iter().map(|block| block.weight.clone()).collect();
        Self { normalization: None, mixed: false, blocks, parameters, statistics, weights }
    }

    /// Fresh parameters: uniform weights whose variance keeps that of the signal (He et al. 2015),
    /// no biases, unit scales; and statistics of a unit normal distribution.
    pub fn initial(&self, seed: u64) -> (Vec<f32>, Vec<f32>) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut parameters = vec![0.0; self.parameters];
        let mut statistics = vec![0.0; self.statistics];
        for block in &self.blocks {
            let gain = if block.step.activation == Activation::Relu { 6.0 } else { 3.0 };
            let bound = (gain / block.step.fan_in().max(1) as f32).sqrt();
            parameters[block.weight.clone()].fill_with(|| rng.random_range(-1.0f32..1.0) * bound);
            parameters[block.scale.clone()].fill(1.0);
            let half = block.statistics.len() / 2;
            statistics[block.statistics.clone()][half..].fill(1.0);
        }
        (parameters, statistics)
    }

    /// The parameters of a folded network, in this structure's order.
    pub fn parameters_of(&self, network: &FloatNetwork) -> Vec<f32> {
        let mut parameters = vec![0.0; self.parameters];
        for (block, layer) in self.blocks.iter().zip(&network.layers) {
            // The float form computes an average without the weights that the folded one has.
            if block.weight.is_empty() {
                continue;
            }
            parameters[block.weight.clone()].copy_from_slice(&layer.weights);
            parameters[block.bias.clone()].copy_from_slice(&layer.bias);
        }
        parameters
    }
}

impl Placed {
    /// Shape of the weights as a matrix: output channels, and products a channel.
    pub fn matrix(&self) -> [usize; 2] {
        [self.step.channels(), self.step.fan_in()]
    }

    /// Shape of the weights of a convolution as burn wants it.
    pub fn kernel(&self) -> [usize; 4] {
        match &self.step.operation {
            Operation::Convolution { window, groups, .. } => {
                [self.step.channels(), self.step.input.channels / groups, window.kernel[0], window.kernel[1]]
            }
            _ => [self.step.channels(), self.step.fan_in(), 1, 1],
        }
    }
}
