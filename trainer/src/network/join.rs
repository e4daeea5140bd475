//! Several networks of one form as one: an ensemble that the runtime knows as any other network.
//!
//! ```text
//! image -> conv -> conv -> dense    member 1           image -> conv -> conv -> dense
//! image -> conv -> conv -> dense    member 2     =              (2 x the channels,
//!          the mean of the logits                                in groups)
//! ```

use anyhow::{Result, bail, ensure};
use tenfold_runtime::format::MAX_KERNEL;

use crate::config::{Config, Layer, Padding, Pair};
use crate::model::{FloatLayer, FloatNetwork, Operation};

use super::plan::{Plan, Step, plan};

/// The layers of an ensemble of `members` networks of one configuration. Batch norm and the normalization of pixels
/// are gone: the members' are in their weights. A dense layer before the last becomes a convolution as large as its
/// input, which can have groups.
///
/// # Errors
///
/// Where the configuration describes no network, or one whose first layer with weights is dense or has groups.
pub fn joined_layers(config: &Config, members: usize) -> Result<Vec<Layer>> {
    let plan = plan(config)?;
    let mut steps = plan.steps.iter().filter(|step| step.weights() > 0 && !step.average);
    let is_average = |step: &&Step| step.average || matches!(step.operation, Operation::AveragePool(_));
    let mut averages = plan.steps.iter().filter(is_average);
    let hidden_dense = |from: usize| {
        let hidden = config.layers.iter().take(config.layers.len().saturating_sub(1));
        hidden.skip(from).any(|layer| matches!(layer, Layer::Dense { .. }))
    };
    let mut joined = Vec::new();
    let mut apart = false;
    for (index, layer) in config.layers.iter().enumerate() {
        let last = index + 1 == config.layers.len();
        let groups = if apart { members } else { 1 };
        let layer = match layer.clone() {
            Layer::BatchNorm {} | Layer::Normalize { .. } | Layer::Flatten {} => continue,
            Layer::Conv { filters, kernel, stride, padding, groups: own, bits } => {
                ensure!(
                    apart || own == 1,
                    "layer {} (conv): members share the image, but this first layer has {own} groups",
                    index + 1
                );
                (apart, _) = (true, steps.next());
                Layer::Conv {
                    filters: filters * members,
                    kernel,
                    stride,
                    padding,
                    groups: groups * own,
                    bits,
                }
            }
            Layer::Dense { units, bits } if last => {
                ensure!(
                    apart,
                    "layer {} (dense): an ensemble has a layer with weights before its last",
                    index + 1
                );
                joined.push(Layer::Flatten {});
                Layer::Dense { units, bits }
            }
            Layer::Dense { units, bits } => {
                let input = steps.next().map_or([1, 1], |step| [step.input.height, step.input.width]);
                let most = usize::from(MAX_KERNEL);
                ensure!(
                    input.iter().all(|side| *side <= most),
                    "layer {} (dense): it would become a convolution with a window of {}x{}, as large as its input, and \
                     the runtime has windows of up to {most}x{most}; expected a conv or a pool before it",
                    index + 1,
                    input[0],
                    input[1]
                );
                apart = true;
                Layer::Conv {
                    filters: units * members,
                    kernel: Pair(input),
                    stride: Pair([1, 1]),
                    padding: Padding::default(),
                    groups,
                    bits,
                }
            }
            Layer::AveragePool { size, stride } => {
                averages.next();
                Layer::AveragePool { size, stride }
            }
            // The rows and columns, of which one each is left, stay for the convolution that a dense layer becomes.
            Layer::GlobalAveragePool {} => match averages.next() {
                Some(step) if hidden_dense(index) => {
                    let size = Pair([step.input.height, step.input.width]);
                    Layer::AveragePool { size, stride: None }
                }
                _ => Layer::GlobalAveragePool {},
            },
            other => other,
        };
        joined.push(layer);
    }
    Ok(joined)
}

/// The network of `plan`, whose layers are [`joined_layers`]: its logits are the mean of those of `members`.
///
/// # Errors
///
/// Where the members do not make this network.
pub fn join(plan: &Plan, members: &[FloatNetwork]) -> Result<FloatNetwork> {
    let mut layers = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let mut parts = Vec::new();
        for member in members {
            match member.layers.get(index) {
                Some(layer) if member.layers.len() == plan.steps.len() => parts.push(layer),
                _ => bail!(
                    "{} has {} layers, where the ensemble has {}",
                    member.name,
                    member.layers.len(),
                    plan.steps.len()
                ),
            }
        }
        layers.push(join_layers(step, &parts)?);
    }
    Ok(FloatNetwork { name: plan.name.clone(), input: plan.input, layers })
}

fn join_layers(step: &Step, parts: &[&FloatLayer]) -> Result<FloatLayer> {
    let share = 1.0 / parts.len().max(1) as f32;
    // The last layer is the only one that sees all members; its rows are channels first, as those of a convolution.
    let dense = step.operation == Operation::Dense;
    let concatenated = |of: fn(&FloatLayer) -> &Vec<f32>| -> Vec<f32> {
        parts.iter().flat_map(|part| of(part).iter().copied()).collect()
    };
    let whole = parts.first().filter(|part| step.average && part.weights.len() == step.weights());
    let (weights, bias) = if let Some(part) = whole {
        // An average of the image itself, before the members part: they have it in common.
        (part.weights.clone(), part.bias.clone())
    } else if dense {
        // A row of weights for each class: those of all members side by side, since theirs are the channels.
        let rows = (0..step.channels()).flat_map(|class| {
            parts.iter().flat_map(move |part| {
                let row = part.weights.len() / part.output.channels.max(1);
                part.weights.iter().skip(class * row).take(row).map(move |weight| weight * share)
            })
        });
        let biases = (0..step.channels())
            .map(|class| parts.iter().map(|part| part.bias.get(class).copied().unwrap_or(0.0) * share).sum());
        (rows.collect(), biases.collect())
    } else {
        (concatenated(|part| &part.weights), concatenated(|part| &part.bias))
    };
    let biases = if step.weights() == 0 { 0 } else { step.channels() };
    let fits = weights.len() == step.weights()
        && bias.len() == biases
        && parts.iter().all(|part| part.activation == step.activation);
    ensure!(
        fits,
        "the layer {} of the members does not make that of the ensemble: they have {} weights and {} biases, it has \
         {} and {biases}",
        step.name,
        weights.len(),
        bias.len(),
        step.weights()
    );
    Ok(FloatLayer {
        name: step.name.clone(),
        operation: step.operation.clone(),
        activation: step.activation,
        input: step.input,
        output: step.output,
        weights,
        bias,
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;
    use crate::config::Config;
    use crate::network::{Mode, Network, Structure, Values, fold, plan};

    const LAYERS: &str = r#"
        { type = "normalize", mean = 0.3, sd = 0.25 },
        { type = "conv", filters = 4, kernel = 3 }, { type = "batch_norm" }, { type = "relu" },
        { type = "max_pool", size = 2 },
        { type = "conv", filters = 6, kernel = 3, groups = 2 }, { type = "tanh" },
        { type = "average_pool", size = [3, 1] },
        { type = "flatten" }, { type = "dense", units = 7 }, { type = "batch_norm" }, { type = "relu" },
        { type = "dense", units = 5 }, { type = "tanh" }, { type = "dense", units = 10 }"#;

    /// The members have the first average in common, and a map of one place before a dense layer.
    const AVERAGES: &str = r#"
        { type = "average_pool", size = 3 },
        { type = "conv", filters = 4, kernel = 2 }, { type = "batch_norm" }, { type = "relu" },
        { type = "global_average_pool" }, { type = "dense", units = 6 }, { type = "tanh" },
        { type = "dense", units = 10 }"#;

    fn config(layers: &str) -> Config {
        Config::parse(&format!("name = \"t\"\ninput = [12, 12, 1]\nlayers = [{layers}]"), "t").unwrap()
    }

    /// Logits of the float form of a network, folded or not.
    fn logits(plan: &Plan, parameters: Vec<f32>, statistics: Vec<f32>) -> Vec<f32> {
        let mut rng = StdRng::seed_from_u64(5);
        let pixels: Vec<f32> = (0..3 * 144).map(|_| f32::from(rng.random::<u8>()) / 256.0).collect();
        let values = Values::new(parameters, statistics, &Device::flex());
        let images = Tensor::<4>::from_data(TensorData::new(pixels, [3, 1, 12, 12]), &Device::flex());
        let network = Network::new(&Structure::float(plan), &values, false);
        network.forward(images, &mut Mode::Inference).try_into_vec_as().unwrap()
    }

    #[test]
    fn the_logits_of_an_ensemble_are_the_mean_of_its_members() {
        let (joined_plan, members) = joined(LAYERS);
        joined(AVERAGES);

        // Of other members, it says what does not fit.
        let message = join(&joined_plan, &members[..2]).unwrap_err().to_string();
        assert!(message.contains("conv1") && message.contains("weights"), "{message}");
        let shorter = FloatNetwork { layers: members[0].layers[1..].to_vec(), ..members[0].clone() };
        let message = join(&joined_plan, &[shorter, members[1].clone(), members[2].clone()]).unwrap_err();
        assert!(message.to_string().contains("layers, where the ensemble has"), "{message}");
    }

    /// The ensemble of three networks of these layers, whose logits were found to be the mean of theirs, and the three.
    fn joined(layers: &str) -> (Plan, Vec<FloatNetwork>) {
        let of_member = config(layers);
        let member_plan = plan(&of_member).unwrap();
        let structure = Structure::float(&member_plan);
        let mut mean = vec![0.0; 30];
        let members: Vec<FloatNetwork> = (0..3)
            .map(|seed| {
                let (mut parameters, mut statistics) = structure.initial(seed);
                let mut rng = StdRng::seed_from_u64(seed + 10);
                parameters.iter_mut().for_each(|value| *value += rng.random_range(-0.1..0.1));
                statistics.iter_mut().for_each(|value| *value += rng.random_range(0.0..0.5));
                let found = logits(&member_plan, parameters.clone(), statistics.clone());
                mean.iter_mut().zip(found).for_each(|(mean, value)| *mean += value / 3.0);
                fold(&member_plan, &structure, &parameters, &statistics)
            })
            .collect();
        let joined_plan =
            plan(&Config { layers: joined_layers(&of_member, 3).unwrap(), ..of_member }).unwrap();
        let joined = join(&joined_plan, &members).unwrap();
        let found = logits(&joined_plan, Structure::float(&joined_plan).parameters_of(&joined), Vec::new());
        let close = found.iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-4 * (1.0 + b.abs()));
        assert!(close, "{layers}: {found:?}, expected {mean:?}");
        (joined_plan, members)
    }

    #[test]
    fn what_has_no_form_with_groups_is_refused() {
        let tail = "{ type = \"flatten\" }, { type = \"dense\", units = 10 }";
        let message = joined_layers(&config(tail), 2).unwrap_err().to_string();
        assert!(
            message.contains("layer 2 (dense): an ensemble has a layer with weights before"),
            "{message}"
        );
        let conv = "{ type = \"conv\", filters = 4, kernel = 3, groups = 2 }";
        let mut config = config(&format!("{conv}, {tail}").replace(", groups = 2", ""));
        config.input[2] = 2;
        if let Layer::Conv { groups, .. } = &mut config.layers[0] {
            *groups = 2;
        }
        let message = joined_layers(&config, 2).unwrap_err().to_string();
        assert!(message.contains("layer 1 (conv)") && message.contains("2 groups"), "{message}");

        // A dense layer over a whole image is beyond the largest window.
        let layers = format!(
            "{{ type = \"flatten\" }}, {{ type = \"dense\", units = 8 }}, {{ type = \"relu\" }}, {tail}"
        );
        let mut mlp = self::config(&layers);
        joined_layers(&mlp, 2).unwrap();
        (mlp.input[0], mlp.input[1]) = (16, 15);
        let message = joined_layers(&mlp, 2).unwrap_err().to_string();
        assert!(message.contains("layer 2 (dense)") && message.contains("window of 16x15"), "{message}");
        assert!(message.contains("up to 15x15"), "{message}");
    }
}
