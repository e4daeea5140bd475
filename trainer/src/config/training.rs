//! How to train: the section `[training]`.
//!
//! Optimizers and schedules have options of their own. One that the chosen rule has no use for is refused
//! rather than ignored; those that are absent take the default that belongs to the rule, so that a resolved
//! configuration names everything that the run depends on.

mod check;

pub(super) use check::{MAX_EPOCHS, learning_rate};

use serde::{Deserialize, Serialize};

/// Epochs where neither `epochs` nor `steps` is given.
const DEFAULT_EPOCHS: usize = 10;

/// How to train: an optimizer, a schedule of its learning rate, and what keeps it from learning by heart.
///
/// The fields that are `Option` belong to some optimizers or schedules only; [`Training::resolve`] fills in
/// the defaults of those that are chosen, [`Training::check`] refuses the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// Passes over the training images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Steps, in place of `epochs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Images a step.
    pub batch_size: usize,
    /// Parts that a batch is split into, trained on one thread each, whose gradients are averaged.
    /// Part of the recipe, not of the machine: the same number gives the same bits on any CPU.
    /// Batch norm takes its statistics within a part. A GPU takes the batch whole.
    pub shards: usize,
    /// Precision of the products of training with floats.
    #[serde(skip_serializing_if = "Precision::is_full")]
    pub precision: Precision,
    /// Rule that turns gradients into steps.
    pub optimizer: Optimizer,
    /// Learning rate: the peak of the schedule.
    pub learning_rate: f64,
    /// Share of the last step that is taken again (SGD, RMSProp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// Whether the gradient is looked at where the momentum leads (SGD).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nesterov: Option<bool>,
    /// Decay of the mean of gradients (Adam, AdamW).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta1: Option<f64>,
    /// Decay of the mean of squared gradients (Adam, AdamW).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta2: Option<f64>,
    /// Decay of the mean of squared gradients (RMSProp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Added to the root that a gradient is divided by (all but SGD).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// What the sum of squared gradients starts from (Adagrad).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_accumulator: Option<f64>,
    /// Pull towards zero, of weights only (biases and batch norm are free).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// Course of the learning rate after the warm-up.
    pub schedule: Schedule,
    /// Steps over which the learning rate rises linearly from zero to the schedule's first.
    pub warmup_steps: usize,
    /// Factor of the learning rate each `decay_steps` (exponential, step).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay_rate: Option<f64>,
    /// Steps in which the learning rate falls by `decay_rate` (exponential, step).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay_steps: Option<usize>,
    /// Share of the target that is spread over all classes.
    pub label_smoothing: f64,
    /// Decay of the mean of all parameters, step by step; the means are what is validated, folded and
    /// quantized. 0 for none.
    pub ema: f64,
    /// Ends a phase after so many epochs without a better validation, and keeps the best epoch. 0 for never.
    pub early_stopping: usize,
    /// Uses the first so many training images only; all where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// Ends each of the two phases (float, integers) after so many steps, for a trial, and validates
    /// on no more images than were trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<usize>,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            epochs: None,
            steps: None,
            batch_size: 64,
            shards: 2,
            precision: Precision::Full,
            optimizer: Optimizer::AdamW,
            learning_rate: 2e-3,
            momentum: None,
            nesterov: None,
            beta1: None,
            beta2: None,
            alpha: None,
            epsilon: None,
            initial_accumulator: None,
            weight_decay: None,
            schedule: Schedule::Cosine,
            warmup_steps: 200,
            decay_rate: None,
            decay_steps: None,
            label_smoothing: 0.05,
            ema: 0.0,
            early_stopping: 0,
            images: None,
            max_steps: None,
        }
    }
}

/// Precision of the products of training with floats. Parameters, sums over images and steps are `f32` in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// `f32`.
    Full,
    /// The operands of convolutions and dense layers in `bf16`, on a GPU that computes so.
    Mixed,
}

impl Precision {
    fn is_full(&self) -> bool {
        *self == Self::Full
    }
}

/// Rule that turns gradients into steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum Optimizer {
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    AdamW,
    /// Adaptive moments (Kingma and Ba 2015).
    Adam,
    /// Stochastic gradient descent, with momentum.
    Sgd,
    /// Gradients divided by the root of their mean square (Tieleman and Hinton 2012).
    RmsProp,
    /// Gradients divided by the root of the sum of their squares (Duchi et al. 2011).
    AdaGrad,
}

impl Optimizer {
    /// The word in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::AdamW => "adamw",
            Self::Adam => "adam",
            Self::Sgd => "sgd",
            Self::RmsProp => "rmsprop",
            Self::AdaGrad => "adagrad",
        }
    }

    /// The default of an option; none where this optimizer has no use for it.
    fn default_of(self, option: &str) -> Option<f64> {
        Some(match (option, self) {
            ("weight_decay", Self::AdamW) => 0.02,
            ("weight_decay", _) => 0.0,
            ("momentum", Self::Sgd) => 0.9,
            ("momentum", Self::RmsProp) => 0.0,
            ("beta1", Self::AdamW | Self::Adam) => 0.9,
            ("beta2", Self::AdamW) => 0.99,
            ("beta2", Self::Adam) => 0.999,
            ("alpha", Self::RmsProp) => 0.9,
            ("epsilon", Self::AdamW | Self::Adam) => 1e-8,
            ("epsilon", Self::RmsProp | Self::AdaGrad) => 1e-7,
            ("initial_accumulator", Self::AdaGrad) => 0.1,
            _ => return None,
        })
    }
}

/// Course of the learning rate after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Half a cosine, down to zero at the last step (Loshchilov and Hutter 2017).
    Cosine,
    /// Always the same.
    Constant,
    /// Smoothly by `decay_rate` in each `decay_steps`.
    Exponential,
    /// At once by `decay_rate` after each `decay_steps`.
    Step,
    /// Up from a 25th in 30 % of the steps, then down to nearly zero (Smith 2018).
    OneCycle,
}

impl Schedule {
    /// The word in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Constant => "constant",
            Self::Exponential => "exponential",
            Self::Step => "step",
            Self::OneCycle => "one-cycle",
        }
    }

    fn decays(self) -> bool {
        matches!(self, Self::Exponential | Self::Step)
    }
}

impl Training {
    /// Takes another optimizer; the options of the old one, weight decay included, go with it.
    pub fn set_optimizer(&mut self, optimizer: Optimizer) {
        if optimizer != self.optimizer {
            self.optimizer = optimizer;
            self.nesterov = None;
            for (_, value) in self.options_mut() {
                *value = None;
            }
        }
    }

    /// Takes another schedule; the options of the old one go with it.
    pub fn set_schedule(&mut self, schedule: Schedule) {
        if schedule.decays() != self.schedule.decays() {
            (self.decay_rate, self.decay_steps) = (None, None);
        }
        self.schedule = schedule;
    }

    /// Fills in what is absent, by the optimizer's defaults. Does nothing the second time.
    pub fn resolve(&mut self) {
        if self.epochs.is_none() && self.steps.is_none() {
            self.epochs = Some(DEFAULT_EPOCHS);
        }
        let optimizer = self.optimizer;
        if optimizer == Optimizer::Sgd {
            self.nesterov.get_or_insert(false);
        }
        for (key, value) in self.options_mut() {
            *value = value.or(optimizer.default_of(key));
        }
    }

    /// The value of an option of the optimizer, as `resolve` would set it; 0 where it has no use for it.
    fn option(&self, key: &str) -> f64 {
        let given = self.options().into_iter().find(|(name, _)| *name == key).and_then(|(_, value)| value);
        given.or(self.optimizer.default_of(key)).unwrap_or(0.0)
    }

    /// Share of the last step that is taken again.
    pub fn momentum(&self) -> f64 {
        self.option("momentum")
    }

    /// Decay of the mean of gradients.
    pub fn beta1(&self) -> f64 {
        self.option("beta1")
    }

    /// Decay of the mean of squared gradients, of Adam and AdamW.
    pub fn beta2(&self) -> f64 {
        self.option("beta2")
    }

    /// Decay of the mean of squared gradients, of RMSProp.
    pub fn alpha(&self) -> f64 {
        self.option("alpha")
    }

    /// Added to the root that a gradient is divided by.
    pub fn epsilon(&self) -> f64 {
        self.option("epsilon")
    }

    /// What Adagrad's sum of squared gradients starts from.
    pub fn initial_accumulator(&self) -> f64 {
        self.option("initial_accumulator")
    }

    /// Pull of weights towards zero.
    pub fn weight_decay(&self) -> f64 {
        self.option("weight_decay")
    }

    /// The options of optimizers that are numbers.
    fn options(&self) -> [(&'static str, Option<f64>); 7] {
        [
            ("momentum", self.momentum),
            ("beta1", self.beta1),
            ("beta2", self.beta2),
            ("alpha", self.alpha),
            ("epsilon", self.epsilon),
            ("initial_accumulator", self.initial_accumulator),
            ("weight_decay", self.weight_decay),
        ]
    }

    fn options_mut(&mut self) -> [(&'static str, &mut Option<f64>); 7] {
        [
            ("momentum", &mut self.momentum),
            ("beta1", &mut self.beta1),
            ("beta2", &mut self.beta2),
            ("alpha", &mut self.alpha),
            ("epsilon", &mut self.epsilon),
            ("initial_accumulator", &mut self.initial_accumulator),
            ("weight_decay", &mut self.weight_decay),
        ]
    }
}
