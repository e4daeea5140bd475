//! Batch norm folded into the weights: the float form that leaves training.

use crate::model::{FloatLayer, FloatNetwork, Operation};

use super::module::EPSILON;
use super::plan::Plan;
use super::structure::Structure;

/// The folded network. `parameters` and `statistics` are in the order of `structure`, which is
/// either form of `plan`.
pub fn fold(plan: &Plan, structure: &Structure, parameters: &[f32], statistics: &[f32]) -> FloatNetwork {
    let layers = structure.blocks.iter().map(|block| {
        let step = &block.step;
        let channels = step.channels();
        let mut weights = parameters[block.weight.clone()].to_vec();
        let mut bias = parameters[block.bias.clone()].to_vec();
        if step.average && weights.is_empty() {
            // Each output is the mean of its window.
            weights = vec![1.0 / step.fan_in() as f32; step.weights()];
            bias = vec![0.0; channels];
        }
        let scale = &parameters[block.scale.clone()];
        let (mean, variance) = statistics[block.statistics.clone()].split_at(block.statistics.len() / 2);
        let fan_in = step.fan_in().max(1);
        for (channel, kernel) in weights.chunks_exact_mut(fan_in).enumerate() {
            let Some(scale) = scale.get(channel) else {
                break;
            };
            let factor = f64::from(*scale) / (f64::from(variance[channel]) + EPSILON).sqrt();
            for weight in kernel {
                *weight = (f64::from(*weight) * factor) as f32;
            }
            let shifted = f64::from(bias[channel]) - f64::from(mean[channel]) * factor;
            bias[channel] = shifted as f32;
        }
        debug_assert!(
            !weights.is_empty()
                || matches!(step.operation, Operation::MaxPool(_) | Operation::AveragePool(_))
        );
        FloatLayer {
            name: step.name.clone(),
            operation: step.operation.clone(),
            activation: step.activation,
            input: step.input,
            output: step.output,
            weights,
            bias,
        }
    });
    FloatNetwork { name: plan.name.clone(), input: plan.input, layers: layers.collect() }
}
