//! Batch norm and the normalization of pixels folded into the weights: the float form that leaves training.

use crate::model::{FloatLayer, FloatNetwork, Operation};

use super::module::EPSILON;
use super::plan::Plan;
use super::structure::Structure;

/// The folded network. `parameters` and `statistics` are in the order of `structure`, which is
/// either form of `plan`.
pub fn fold(plan: &Plan, structure: &Structure, parameters: &[f32], statistics: &[f32]) -> FloatNetwork {
    let layers = structure.blocks.iter().enumerate().map(|(index, block)| {
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
        if let (0, Some(normalization)) = (index, &structure.normalization) {
            // w * (scale * x + offset) = (w * scale) * x + w * offset
            for (kernel, bias) in weights.chunks_exact_mut(fan_in).zip(&mut bias) {
                let sum: f64 = kernel.iter().map(|weight| f64::from(*weight)).sum();
                *bias = (f64::from(*bias) + sum * normalization.offset) as f32;
                for weight in kernel {
                    *weight = (f64::from(*weight) * normalization.scale) as f32;
                }
            }
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

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;
    use crate::config::Config;
    use crate::network::{Mode, Network, Values, plan};

    /// Logits of a network with these numbers for pixels that are drawn from a fixed seed.
    fn logits(plan: &Plan, structure: &Structure, parameters: &[f32], statistics: &[f32]) -> Vec<f32> {
        let mut rng = StdRng::seed_from_u64(5);
        let pixels: Vec<f32> = (0..3 * 36).map(|_| f32::from(rng.random::<u8>()) / 256.0).collect();
        let values = Values::new(parameters.to_vec(), statistics.to_vec(), &Device::flex());
        let shape = [3, 1, plan.input.height, plan.input.width];
        let images = Tensor::<4>::from_data(TensorData::new(pixels, shape), &Device::flex());
        let logits = Network::new(structure, &values, false).forward(images, &mut Mode::Inference);
        logits.try_into_vec_as().unwrap()
    }

    #[test]
    fn a_folded_network_computes_the_same() {
        let normalize = "{ type = \"normalize\", mean = 0.3, sd = 0.25 }";
        let conv = "{ type = \"conv\", filters = 5, kernel = 3, stride = 2 }, { type = \"batch_norm\" }, { type = \"tanh\" }";
        let tail = "{ type = \"flatten\" }, { type = \"dense\", units = 10 }";
        for layers in [
            format!("{normalize}, {conv}, {tail}"),
            format!("{normalize}, {tail}"),
            format!("{conv}, {tail}"),
        ] {
            let text = format!("name = \"t\"\ninput = [6, 6, 1]\nlayers = [{layers}]");
            let plan = plan(&Config::parse(&text, "t").unwrap()).unwrap();
            let structure = Structure::float(&plan);
            let (mut parameters, mut statistics) = structure.initial(3);
            let mut rng = StdRng::seed_from_u64(4);
            parameters.iter_mut().for_each(|value| *value += rng.random_range(-0.1..0.1));
            statistics.iter_mut().for_each(|value| *value += rng.random_range(0.0..0.5));
            let expected = logits(&plan, &structure, &parameters, &statistics);

            let folded = fold(&plan, &structure, &parameters, &statistics);
            let plain = plan.folded();
            let structure = Structure::float(&plain);
            let found = logits(&plain, &structure, &structure.parameters_of(&folded), &[]);
            let close = found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4 * (1.0 + b.abs()));
            assert!(close, "{layers}: {found:?}, expected {expected:?}");
        }
    }
}
