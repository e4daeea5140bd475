//! The rule that turns gradients into steps, with its state: burn's optimizers over one flat vector.
//!
//! Weight decay is ours, because not every parameter decays. AdamW and SGD decay *decoupled* from the
//! gradient, by `w <- w * (1 - rate * weight_decay)` before the step; the others add `weight_decay * w`
//! to the gradient, so that it is divided like the gradient itself.

use core::ops::Range;
use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, ensure};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdaGradConfig, AdaGradState, AdamConfig, AdamWConfig, LrDecayState, Optimizer, RecordState,
    RmsPropConfig, SgdConfig, StateSink, StateSource,
};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::config::{self, Training};
use crate::network::is_cpu;

/// Parameters that the CPU takes a step of at a time: few enough for the cache that is a core's own to
/// hold them, their gradients and their state.
const PART: usize = 1 << 15;

/// An optimizer of all parameters of a network.
pub(super) struct Rule {
    /// On the CPU, parts of the vector that are computed on all cores; on a GPU one, all of it. Every
    /// parameter takes a step of its own, so that the result is the same.
    parts: Vec<Part>,
    weight_decay: f64,
    decoupled: bool,
}

/// An optimizer of some parameters that lie together.
struct Part {
    range: Range<usize>,
    stepper: Box<dyn Stepper>,
    /// 1 where a parameter decays.
    decay: Tensor<1>,
}

/// The state of an optimizer, by the names that burn gives its parts; empty before the first step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RuleState {
    vectors: Vec<(String, Vec<f32>)>,
    counters: Vec<(String, u64)>,
}

impl Rule {
    /// The optimizer of a recipe; `decay` is 1 where a parameter decays, else 0.
    pub(super) fn new(training: &Training, decay: Tensor<1>) -> Self {
        let length = decay.dims()[0];
        let part = if is_cpu(&decay.device()) { PART } else { length.max(1) };
        let parts = (0..length.div_ceil(part)).map(|index| {
            let range = index * part..length.min((index + 1) * part);
            let decay = decay.clone().slice([range.clone()]);
            Part { range, stepper: stepper_of(training, &decay), decay }
        });
        Self {
            parts: parts.collect(),
            weight_decay: training.weight_decay(),
            decoupled: matches!(training.optimizer, config::Optimizer::AdamW | config::Optimizer::Sgd),
        }
    }

    /// The parameters after a step.
    pub(super) fn step(
        &mut self,
        learning_rate: f64,
        parameters: Tensor<1>,
        gradient: Tensor<1>,
    ) -> Tensor<1> {
        let (weight_decay, decoupled) = (self.weight_decay, self.decoupled);
        if let [part] = &mut self.parts[..] {
            return part.step(learning_rate, parameters, gradient, weight_decay, decoupled);
        }
        let steps = self.parts.par_iter_mut().map(|part| {
            let of = |tensor: &Tensor<1>| tensor.clone().slice([part.range.clone()]);
            let (parameters, gradient) = (of(&parameters), of(&gradient));
            part.step(learning_rate, parameters, gradient, weight_decay, decoupled)
        });
        let parts: Vec<Tensor<1>> = steps.collect();
        if parts.is_empty() { parameters } else { Tensor::cat(parts, 0) }
    }

    /// The state that [`Rule::restore`] continues from.
    pub(super) fn save(&self) -> Result<RuleState> {
        let mut whole = RuleState::default();
        for (index, part) in self.parts.iter().enumerate() {
            let state = part.stepper.save()?;
            if index == 0 {
                whole = state;
                continue;
            }
            for ((_, whole), (_, part)) in whole.vectors.iter_mut().zip(state.vectors) {
                whole.extend(part);
            }
        }
        Ok(whole)
    }

    /// Continues from a checkpoint.
    ///
    /// # Errors
    ///
    /// Where the state is that of another optimizer, or of another number of parameters.
    pub(super) fn restore(&mut self, state: &RuleState) -> Result<()> {
        if state.vectors.is_empty() && state.counters.is_empty() {
            return Ok(());
        }
        let length = self.parts.last().map_or(0, |part| part.range.end);
        for (name, values) in &state.vectors {
            ensure!(
                values.len() == length,
                "the checkpoint's {name} is of {} parameters, but the network has {length}",
                values.len()
            );
        }
        for part in &mut self.parts {
            let of =
                |(name, values): &(String, Vec<f32>)| (name.clone(), values[part.range.clone()].to_vec());
            let vectors = state.vectors.iter().map(of).collect();
            let device = part.decay.device();
            part.stepper.restore(&RuleState { vectors, counters: state.counters.clone() }, &device)?;
        }
        Ok(())
    }
}

impl Part {
    /// The parameters after a step.
    fn step(
        &mut self,
        learning_rate: f64,
        mut parameters: Tensor<1>,
        mut gradient: Tensor<1>,
        weight_decay: f64,
        decoupled: bool,
    ) -> Tensor<1> {
        if weight_decay > 0.0 {
            if decoupled {
                let kept = self.decay.clone().mul_scalar(-learning_rate * weight_decay);
                parameters = parameters * kept.add_scalar(1.0);
            } else {
                let pull = parameters.clone() * self.decay.clone().mul_scalar(weight_decay);
                gradient = gradient + pull;
            }
        }
        self.stepper.step(learning_rate, parameters, gradient)
    }
}

/// The optimizer of a recipe, for as many parameters as `decay` has.
fn stepper_of(training: &Training, decay: &Tensor<1>) -> Box<dyn Stepper> {
    let epsilon = training.epsilon() as f32;
    let [beta1, beta2] = [training.beta1(), training.beta2()].map(|beta| beta as f32);
    match training.optimizer {
        config::Optimizer::AdamW => {
            let rule = AdamWConfig::new().with_beta_1(beta1).with_beta_2(beta2).with_epsilon(epsilon);
            stepper(rule.with_weight_decay(0.0).build())
        }
        config::Optimizer::Adam => {
            let rule = AdamConfig::new().with_beta_1(beta1).with_beta_2(beta2).with_epsilon(epsilon);
            stepper(rule.build())
        }
        config::Optimizer::Sgd => {
            let momentum = MomentumConfig {
                momentum: training.momentum(),
                dampening: 0.0,
                nesterov: training.nesterov.unwrap_or(false),
            };
            let momentum = (momentum.momentum > 0.0).then_some(momentum);
            stepper(SgdConfig::new().with_momentum(momentum).build())
        }
        config::Optimizer::RmsProp => {
            let rule = RmsPropConfig::new().with_alpha(training.alpha() as f32).with_epsilon(epsilon);
            stepper(rule.with_momentum(training.momentum() as f32).build())
        }
        config::Optimizer::AdaGrad => {
            let sum = decay.zeros_like().add_scalar(training.initial_accumulator());
            let rule = AdaGradConfig::new().with_lr_decay(0.0).with_epsilon(epsilon).build();
            Box::new(Stateful { rule, state: Some(AdaGradState::new(LrDecayState::new(0, sum))) })
        }
    }
}

/// An optimizer of burn with its state, whatever their types.
trait Stepper: Send {
    fn step(&mut self, learning_rate: f64, parameters: Tensor<1>, gradient: Tensor<1>) -> Tensor<1>;
    fn save(&self) -> Result<RuleState>;
    fn restore(&mut self, state: &RuleState, device: &Device) -> Result<()>;
}

struct Stateful<O: Optimizer> {
    rule: O,
    state: Option<O::State<1>>,
}

fn stepper<O: Optimizer>(rule: O) -> Box<dyn Stepper> {
    Box::new(Stateful { rule, state: None })
}

impl<O: Optimizer> Stepper for Stateful<O> {
    fn step(&mut self, learning_rate: f64, parameters: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        let (parameters, state) = self.rule.step(learning_rate, parameters, gradient, self.state.take());
        self.state = state;
        parameters
    }

    fn save(&self) -> Result<RuleState> {
        let mut sink = StateSink::default();
        if let Some(state) = &self.state {
            state.state_flatten("", &mut sink);
        }
        let vectors = sink.tensors.into_iter().map(|(name, data)| {
            let values = data.try_into_vec_as::<f32>();
            let values = values.map_err(|error| anyhow!("reading the optimizer's {name}: {error:?}"))?;
            Ok((name, values))
        });
        let counters = sink.scalars.into_iter().map(|(name, value)| {
            let value = u64::try_from(value);
            let value = value.map_err(|error| anyhow!("reading the optimizer's {name}: {error:?}"))?;
            Ok((name, value))
        });
        Ok(RuleState { vectors: vectors.collect::<Result<_>>()?, counters: counters.collect::<Result<_>>()? })
    }

    fn restore(&mut self, state: &RuleState, device: &Device) -> Result<()> {
        let counters = state.counters.iter().map(|(name, value)| (name.clone(), (*value).into()));
        let mut source = StateSource::new(counters.collect::<BTreeMap<_, _>>());
        for (name, values) in &state.vectors {
            source.insert_tensor(name.clone(), TensorData::new(values.clone(), [values.len()]));
        }
        let state = O::State::<1>::state_unflatten("", &mut source, device);
        self.state = Some(state.context("the checkpoint holds the state of another optimizer")?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 0.1;
    /// Gradients of two steps, of two parameters, the second of which does not decay.
    const GRADIENTS: [[f32; 2]; 2] = [[0.5, -2.0], [-0.25, -1.0]];
    const START: [f32; 2] = [1.0, -1.0];

    fn vector(values: [f32; 2]) -> Tensor<1> {
        Tensor::from_data(values, &Device::flex())
    }

    fn values(tensor: &Tensor<1>) -> Vec<f32> {
        tensor.clone().try_into_vec_as().unwrap()
    }

    fn rule(training: &str) -> Rule {
        let mut training: Training = toml::from_str(training).unwrap();
        training.resolve();
        training.check().unwrap();
        Rule::new(&training, vector([1.0, 0.0]))
    }

    /// The parameters after two steps.
    fn two_steps(training: &str) -> Vec<f32> {
        let mut rule = rule(training);
        let step = |parameters, gradient: [f32; 2]| rule.step(RATE, parameters, vector(gradient));
        values(&GRADIENTS.into_iter().fold(vector(START), step))
    }

    /// The same, by a formula for one parameter: (parameter, gradient, number of the step) to parameter.
    fn by_hand(mut formula: impl FnMut(usize, f64, f64, usize) -> f64) -> Vec<f32> {
        let mut parameter = |index: usize| {
            let gradients = GRADIENTS.iter().map(|gradient| f64::from(gradient[index])).enumerate();
            gradients.fold(f64::from(START[index]), |parameter, (step, gradient)| {
                formula(index, parameter, gradient, step + 1)
            }) as f32
        };
        vec![parameter(0), parameter(1)]
    }

    fn assert_close(found: &[f32], expected: &[f32], what: &str) {
        let close = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close, "{what}: {found:?}, expected {expected:?}");
    }

    /// Adam's step, with means that start anew at step 1.
    fn adam(beta1: f64, beta2: f64) -> impl FnMut(f64, usize) -> f64 {
        let (mut mean, mut square) = (0.0, 0.0);
        move |gradient, step| {
            if step == 1 {
                (mean, square) = (0.0, 0.0);
            }
            mean = beta1 * mean + (1.0 - beta1) * gradient;
            square = beta2 * square + (1.0 - beta2) * gradient * gradient;
            let unbiased = |value: f64, beta: f64| value / (1.0 - beta.powi(step as i32));
            RATE * unbiased(mean, beta1) / (unbiased(square, beta2).sqrt() + 1e-8)
        }
    }

    /// A vector of several parts takes the same steps, bit for bit, as its pieces alone do; and its state
    /// goes through a checkpoint.
    #[test]
    fn parts_of_a_vector_take_its_steps() {
        let length = 2 * PART + 5;
        let wave = |rate: f32| (0..length).map(|i| (i as f32 * rate).sin()).collect::<Vec<f32>>();
        let tensor = |values: &[f32]| {
            Tensor::<1>::from_data(TensorData::new(values.to_vec(), [values.len()]), &Device::flex())
        };
        let (start, gradient) = (wave(0.7), wave(1.3));
        for name in ["adamw", "adam", "sgd", "rmsprop", "adagrad"] {
            let mut training: Training =
                toml::from_str(&format!("optimizer = \"{name}\"\nweight_decay = 0.1")).unwrap();
            training.resolve();
            let new = |length: usize| Rule::new(&training, tensor(&vec![1.0; length]));
            let mut rule = new(length);
            let once = rule.step(RATE, tensor(&start), tensor(&gradient));
            let mut restored = new(length);
            restored.restore(&rule.save().unwrap()).unwrap();
            let twice = values(&restored.step(RATE, once, tensor(&gradient)));
            for range in [0..PART, PART..2 * PART, 2 * PART..length] {
                let mut piece = new(range.len());
                let gradient = &gradient[range.clone()];
                let once = piece.step(RATE, tensor(&start[range.clone()]), tensor(gradient));
                assert_eq!(values(&piece.step(RATE, once, tensor(gradient))), twice[range], "{name}");
            }
            match new(length - 1).restore(&rule.save().unwrap()) {
                Err(error) => assert!(error.to_string().contains("65541"), "{error:#}"),
                Ok(()) => assert_eq!(name, "sgd", "which has no state without momentum"),
            }
        }
    }

    #[test]
    fn every_optimizer_takes_the_step_of_its_formula() {
        let decays = [1.0, 0.0];
        let mut step = adam(0.8, 0.9);
        let expected = by_hand(|_, p, g, n| p - step(g, n));
        let options = "beta1 = 0.8\nbeta2 = 0.9\nweight_decay = 0.0";
        assert_close(&two_steps(&format!("optimizer = \"adam\"\n{options}")), &expected, "Adam");
        assert_close(&two_steps(&format!("optimizer = \"adamw\"\n{options}")), &expected, "AdamW");

        let mut step = adam(0.9, 0.99);
        let expected = by_hand(|i, p, g, n| p * (1.0 - RATE * 0.5 * decays[i]) - step(g, n));
        assert_close(&two_steps("weight_decay = 0.5"), &expected, "AdamW, decoupled");
        let mut step = adam(0.9, 0.999);
        let expected = by_hand(|i, p, g, n| p - step(g + 0.5 * decays[i] * p, n));
        assert_close(
            &two_steps("optimizer = \"adam\"\nweight_decay = 0.5"),
            &expected,
            "Adam, in the gradient",
        );

        let mut velocity = 0.0;
        let mut momentum = |g: f64, n: usize| {
            velocity = g + if n == 1 { 0.0 } else { 0.8 * velocity };
            velocity
        };
        let expected = by_hand(|_, p, g, n| p - RATE * momentum(g, n));
        assert_close(&two_steps("optimizer = \"sgd\"\nmomentum = 0.8"), &expected, "SGD");
        let expected = by_hand(|_, p, g, n| p - RATE * (g + 0.8 * momentum(g, n)));
        let nesterov = two_steps("optimizer = \"sgd\"\nmomentum = 0.8\nnesterov = true");
        assert_close(&nesterov, &expected, "Nesterov");
        let expected = by_hand(|i, p, g, _| p * (1.0 - RATE * 0.5 * decays[i]) - RATE * g);
        let plain = two_steps("optimizer = \"sgd\"\nmomentum = 0\nweight_decay = 0.5");
        assert_close(&plain, &expected, "SGD without momentum, decoupled");

        let mut square = 0.0;
        let mut normalized = |g: f64, n: usize| {
            square = 0.1 * g * g + if n == 1 { 0.0 } else { 0.9 * square };
            g / (square.sqrt() + 1e-3)
        };
        let expected = by_hand(|_, p, g, n| p - RATE * normalized(g, n));
        assert_close(&two_steps("optimizer = \"rmsprop\"\nepsilon = 1e-3"), &expected, "RMSProp");
        let mut buffer = 0.0;
        let expected = by_hand(|_, p, g, n| {
            buffer = normalized(g, n) + if n == 1 { 0.0 } else { 0.5 * buffer };
            p - RATE * buffer
        });
        let with = two_steps("optimizer = \"rmsprop\"\nepsilon = 1e-3\nmomentum = 0.5");
        assert_close(&with, &expected, "RMSProp with momentum");

        let mut sum = 0.0;
        let expected = by_hand(|_, p, g, n| {
            sum = g * g + if n == 1 { 0.1 } else { sum };
            p - RATE * g / (sum.sqrt() + 1e-7)
        });
        assert_close(&two_steps("optimizer = \"adagrad\""), &expected, "Adagrad");
    }

    #[test]
    fn a_restored_optimizer_goes_on_with_the_same_bits() {
        for training in [
            "optimizer = \"adamw\"",
            "optimizer = \"adam\"\nweight_decay = 0.1",
            "optimizer = \"sgd\"",
            "optimizer = \"sgd\"\nmomentum = 0.0",
            "optimizer = \"rmsprop\"\nmomentum = 0.5",
            "optimizer = \"rmsprop\"",
            "optimizer = \"adagrad\"",
        ] {
            let mut first = rule(training);
            let parameters = first.step(RATE, vector(START), vector(GRADIENTS[0]));
            let state = first.save().unwrap();
            let mut second = rule(training);
            second.restore(&state).unwrap();
            assert_eq!(second.save().unwrap(), state);
            let next = [&mut first, &mut second]
                .map(|rule| values(&rule.step(RATE, parameters.clone(), vector(GRADIENTS[1]))));
            assert_eq!(next[0], next[1], "{training}");
        }
        let state = rule("optimizer = \"adagrad\"").save().unwrap();
        let message = rule("optimizer = \"adam\"").restore(&state).unwrap_err().to_string();
        assert!(message.contains("another optimizer"), "{message}");
    }
}
