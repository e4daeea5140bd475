//! From a list of layers to the steps that the runtime knows, with every shape settled.
//!
//! ```text
//! conv batch_norm relu max_pool conv relu flatten dense        the layers of the configuration
//! \_________ step 1 ________/   \ step 2 /        \step 3/     one step of the runtime each
//! ```
//!
//! All mistakes of a configuration's network are found here, before any data is read.

mod builder;

use anyhow::{Context, Result, bail, ensure};
use tenfold_runtime::format::{MAX_CLASSES, MAX_LAYERS};

use self::builder::Builder;
use crate::config::{Config, Layer, Precision};
use crate::model::{Activation, Operation, Shape};

/// Most parameters of a network: far beyond any board's flash, and still within a machine's memory.
const MAX_PARAMETERS: usize = 1 << 26;

/// A network whose shapes fit, in steps of the runtime.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name of the model.
    pub name: String,
    /// Shape of the input image.
    pub input: Shape,
    /// What happens to the pixels before the first step: in float training as such, and afterwards within
    /// the weights of that step.
    pub normalization: Option<Normalization>,
    /// Whether learning computes products in half the precision, where the device does.
    pub mixed: bool,
    /// Steps, first to last; the last is dense and yields the logits.
    pub steps: Vec<Step>,
}

/// An affine map of pixels, `p / 256` in: `scale * x + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    /// Factor.
    pub scale: f64,
    /// What a black pixel becomes.
    pub offset: f64,
}

impl Normalization {
    /// `(p / 255 - mean) / sd`.
    fn new(mean: f64, sd: f64) -> Self {
        Self { scale: 256.0 / 255.0 / sd, offset: -mean / sd }
    }
}

/// One step of the runtime, made from one or more layers.
#[derive(Clone, Debug)]
pub struct Step {
    /// Unique name: the kind and the number of the step.
    pub name: String,
    /// What it computes. An average over an area that is no power of two is an
    /// [`Operation::Convolution`] with [`Step::average`] set.
    pub operation: Operation,
    /// What follows the sum.
    pub activation: Activation,
    /// Shape of the input (for a dense layer: before flattening).
    pub input: Shape,
    /// Shape of the output.
    pub output: Shape,
    /// Whether the sum is normalized per batch while training.
    pub batch_norm: bool,
    /// Share of the output that is zeroed while training.
    pub dropout: f64,
    /// Whether this is an average-pool in the form of a depthwise convolution: its weights are
    /// `1 / area`, and float training leaves them alone.
    pub average: bool,
    /// Bits a weight.
    pub bits: u8,
}

impl Step {
    /// Number of weights: 0 for a pool.
    pub fn weights(&self) -> usize {
        match &self.operation {
            Operation::Convolution { window, groups, .. } => {
                let [height, width] = window.kernel;
                self.channels() * (self.input.channels / groups) * height * width
            }
            Operation::Dense => self.channels() * self.input.len(),
            Operation::MaxPool(_) | Operation::AveragePool(_) => 0,
        }
    }

    /// Number of output channels.
    pub fn channels(&self) -> usize {
        self.output.channels
    }

    /// Number of products that make one output value, before pooling.
    pub fn fan_in(&self) -> usize {
        self.weights() / self.channels().max(1)
    }
}

impl Plan {
    /// Number of parameters after batch norm has been folded: weights and biases.
    pub fn parameters(&self) -> usize {
        let of = |step: &Step| match step.weights() {
            0 => 0,
            weights => weights + step.channels(),
        };
        self.steps.iter().map(of).sum()
    }

    /// The plan of the folded form: without batch norm and normalization, which are in its weights.
    pub fn folded(&self) -> Self {
        let fold = |step: &Step| Step { batch_norm: false, ..step.clone() };
        Self { normalization: None, steps: self.steps.iter().map(fold).collect(), ..self.clone() }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.steps.last().map_or(0, Step::channels)
    }
}

/// Settles shapes and fuses layers; the error names the layer by its place, kind and shapes.
///
/// # Errors
///
/// The first layer that does not fit the one before it, or the runtime.
pub fn plan(config: &Config) -> Result<Plan> {
    let [height, width, channels] = config.input;
    let input = Shape { height, width, channels };
    let mut builder = Builder::new(input, config.quantization.bits)?;
    ensure!(!config.layers.is_empty(), "layers: expected at least a flatten and a dense layer");
    for (index, layer) in config.layers.iter().enumerate() {
        let previous = index.checked_sub(1).and_then(|i| config.layers.get(i));
        builder.add(layer, previous).with_context(|| {
            format!("layer {} ({}), input {}", index + 1, layer.kind(), builder.describe())
        })?;
    }
    let normalization = builder.normalization;
    let mixed = config.training.precision == Precision::Mixed;
    let mut steps = builder.steps;
    if normalization.is_some() {
        steps.first().map_or(Ok(()), check_normalized).context("layer 1 (normalize)")?;
    }
    keep_averages_unsigned(&mut steps);
    let Some(last) = steps.last_mut() else {
        bail!("layers: none of them computes anything; the last must be dense");
    };
    let fits = last.operation == Operation::Dense
        && last.activation == Activation::Identity
        && !last.batch_norm
        && matches!(config.layers.last(), Some(Layer::Dense { .. }));
    let kind = config.layers.last().map_or("", Layer::kind);
    ensure!(
        fits,
        "layer {} ({kind}): the last layer must be dense, with nothing after it: its outputs are the logits",
        config.layers.len()
    );
    last.activation = Activation::Logits;
    ensure!(
        (2..=MAX_CLASSES).contains(&last.output.channels),
        "layer {} (dense): units = {}: expected 2 to {MAX_CLASSES} classes",
        config.layers.len(),
        last.output.channels
    );
    ensure!(
        steps.len() <= MAX_LAYERS,
        "layers: they make {} steps of the runtime, which has room for {MAX_LAYERS} \
         (a convolution with its batch norm, activation and max-pool is one step)",
        steps.len()
    );
    let plan = Plan { name: config.name.clone(), input, normalization, mixed, steps };
    ensure!(
        plan.parameters() <= MAX_PARAMETERS,
        "layers: they have {} parameters; expected at most {MAX_PARAMETERS}",
        plan.parameters()
    );
    Ok(plan)
}

/// Refuses a first step that cannot take a normalization into its weights without changing a result.
fn check_normalized(first: &Step) -> Result<()> {
    match &first.operation {
        Operation::Dense => Ok(()),
        Operation::Convolution { window, .. } if !first.average => {
            ensure!(
                window.padding == [0; 4],
                "the convolution after it pads with zeros, which stand for another grey there than on the board; \
                 expected padding = \"valid\" (or no normalize layer)"
            );
            Ok(())
        }
        _ => bail!(
            "expected a conv or a dense layer after it (or after a flatten), which takes it into its weights"
        ),
    }
}

/// An average of values that are never negative is not either. Saying so, by a ReLU that changes
/// nothing, keeps it in `u8`, one bit finer than `i8`.
fn keep_averages_unsigned(steps: &mut [Step]) {
    let mut unsigned = true; // the image
    for step in steps {
        if matches!(step.operation, Operation::MaxPool(_) | Operation::AveragePool(_)) {
            continue;
        }
        if step.average && unsigned && step.activation == Activation::Identity {
            step.activation = Activation::Relu;
        }
        unsigned = step.activation == Activation::Relu;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(layers: &str) -> Result<Plan> {
        let text = format!("name = \"t\"\ninput = [28, 28, 1]\nlayers = [{layers}]");
        plan(&Config::parse(&text, "t")?)
    }

    fn error(layers: &str) -> String {
        format!("{:#}", shapes(layers).unwrap_err())
    }

    const TAIL: &str = "{type=\"flatten\"},{type=\"dense\",units=10}";

    #[test]
    fn presets_have_the_published_sizes() {
        let sizes = [
            ("nano", 6, 9_992, 10_082),
            ("pico", 6, 9_992, 10_082),
            ("nano-4bit", 7, 23_552, 23_690),
            ("micro", 7, 60_240, 60_506),
            ("keras-cnn", 5, 130_592, 130_890),
            ("lenet5", 5, 44_190, 44_426),
            ("keras-cnn-rmsprop", 5, 130_592, 130_890),
            ("ultimate", 4, 1_668_672, 1_669_802),
            ("ultimate-v2", 4, 420_128, 420_698),
            ("baseline", 4, 108_432, 108_602),
            ("lenet-vanilla", 7, 44_190, 44_426),
            ("lenet-normalized", 7, 44_190, 44_426),
            ("lenet-batch64", 7, 44_190, 44_426),
            ("lenet-batch32", 7, 44_190, 44_426),
            ("lenet-lr5e-4", 7, 44_190, 44_426),
            ("deeper", 5, 158_984, 159_254),
            ("deeper-sgd", 5, 158_984, 159_254),
            ("mlp-128-32", 3, 104_768, 104_938),
            ("mlp-256", 2, 203_264, 203_530),
            ("mlp-128-128", 3, 118_016, 118_282),
        ];
        assert_eq!(sizes.len(), crate::preset::PRESETS.len());
        for (preset, (name, steps, weights, parameters)) in crate::preset::PRESETS.iter().zip(sizes) {
            let plan = plan(&Config::parse(preset.toml, preset.name).unwrap()).unwrap();
            let found: usize = plan.steps.iter().map(Step::weights).sum();
            let found = (preset.name, plan.steps.len(), found, plan.parameters());
            assert_eq!(found, (name, steps, weights, parameters));
        }
    }

    #[test]
    fn activations_and_pools_fuse_in_any_sensible_order() {
        let orders = [
            "{type=\"conv\",filters=4,kernel=3},{type=\"batch_norm\"},{type=\"relu\"},{type=\"max_pool\",size=2}",
            "{type=\"conv\",filters=4,kernel=3},{type=\"batch_norm\"},{type=\"max_pool\",size=2},{type=\"relu\"}",
            "{type=\"conv\",filters=4,kernel=3},{type=\"batch_norm\"},{type=\"relu\"},{type=\"dropout\",rate=0.1},{type=\"max_pool\",size=2}",
        ];
        for order in orders {
            let plan = shapes(&format!("{order},{TAIL}")).unwrap();
            assert_eq!(plan.steps.len(), 2);
            let step = &plan.steps[0];
            assert!(matches!(step.operation, Operation::Convolution { pool: Some(_), .. }));
            assert_eq!((step.activation, step.batch_norm), (Activation::Relu, true));
            assert_eq!((step.output.height, step.output.len()), (13, 13 * 13 * 4));
        }
        let plan = shapes(&format!(
            "{{type=\"conv\",filters=4,kernel=3}},{{type=\"max_pool\",size=3,stride=2,padding=\"same\"}},{{type=\"tanh\"}},{TAIL}"
        ))
        .unwrap();
        assert_eq!(plan.steps.len(), 3);
        assert_eq!(plan.steps[0].activation, Activation::Tanh);
        assert_eq!(plan.steps[1].output.height, 13);
    }

    #[test]
    fn averages_over_odd_areas_become_depthwise_convolutions() {
        let plan =
            shapes(&format!("{{type=\"average_pool\",size=2}},{{type=\"average_pool\",size=[2,3]}},{TAIL}"))
                .unwrap();
        assert!(matches!(plan.steps[0].operation, Operation::AveragePool(_)));
        assert!(matches!(plan.steps[1].operation, Operation::Convolution { groups: 1, .. }));
        assert!(plan.steps[1].average);
        let plan = shapes(
            "{type=\"conv\",filters=4,kernel=14,stride=3},{type=\"global_average_pool\"},{type=\"dense\",units=10}",
        )
        .unwrap();
        assert!(plan.steps[1].average);
    }

    #[test]
    fn mistakes_name_the_layer() {
        let conv = "{type=\"conv\",filters=4,kernel=3}";
        let cases = [
            (conv.to_owned(), "layer 1 (conv): the last layer must be dense"),
            (
                format!("{conv},{{type=\"dense\",units=10}}"),
                "layer 2 (dense), input 26x26x4: expected a flatten",
            ),
            (
                format!("{{type=\"conv\",filters=4,kernel=16}},{TAIL}"),
                "layer 1 (conv), input 28x28x1: window = 16x16",
            ),
            (
                format!("{{type=\"conv\",filters=4,kernel=15}},{{type=\"conv\",filters=4,kernel=15}},{TAIL}"),
                "layer 2 (conv), input 14x14x4: window 15x15: expected at most the padded input, 14x14",
            ),
            (format!("{{type=\"conv\",filters=4,kernel=3,groups=2}},{TAIL}"), "groups = 2"),
            (format!("{{type=\"conv\",filters=4,kernel=3,padding=[3,0,0,0]}},{TAIL}"), "padding"),
            (format!("{{type=\"conv\",filters=4,kernel=3,bits=3}},{TAIL}"), "bits = 3"),
            (format!("{{type=\"relu\"}},{TAIL}"), "layer 1 (relu)"),
            (format!("{conv},{{type=\"relu\"}},{{type=\"batch_norm\"}},{TAIL}"), "layer 3 (batch_norm)"),
            (format!("{conv},{{type=\"relu\"}},{{type=\"tanh\"}},{TAIL}"), "layer 3 (tanh)"),
            (format!("{{type=\"flatten\"}},{conv},{TAIL}"), "flattened"),
            (format!("{TAIL},{{type=\"relu\"}}"), "layer 3 (relu): the last layer must be dense"),
            ("{type=\"flatten\"},{type=\"dense\",units=17}".to_owned(), "17"),
            (format!("{}{TAIL}", format!("{conv},").repeat(16)), "layer 14 (conv), input 2x2x4"),
            (format!("{}{TAIL}", "{type=\"conv\",filters=1,kernel=1},".repeat(16)), "17 steps"),
            ("{type=\"flatten\"}".to_owned(), "none of them"),
            (
                format!("{conv},{{type=\"normalize\",mean=0,sd=1}},{TAIL}"),
                "layer 2 (normalize), input 26x26x4: expected it to be the first",
            ),
            (format!("{{type=\"normalize\",mean=0.5,sd=0}},{TAIL}"), "sd = 0.0: expected 0.001 to 100"),
            (format!("{{type=\"normalize\",mean=nan,sd=1}},{TAIL}"), "mean = NaN"),
            (
                format!(
                    "{{type=\"normalize\",mean=0.5,sd=1}},{{type=\"conv\",filters=4,kernel=3,padding=\"same\"}},{TAIL}"
                ),
                "layer 1 (normalize): the convolution after it pads with zeros, which stand for another grey there than \
                 on the board; expected padding = \"valid\" (or no normalize layer)",
            ),
            (
                format!("{{type=\"normalize\",mean=0.5,sd=1}},{{type=\"max_pool\",size=2}},{TAIL}"),
                "layer 1 (normalize): expected a conv or a dense layer after it",
            ),
            (
                format!(
                    "{{type=\"conv\",filters=2000,kernel=3}},{{type=\"flatten\"}},{{type=\"dense\",units=4096}},{TAIL}"
                ),
                "parameters",
            ),
        ];
        for (layers, expected) in cases {
            let message = error(&layers);
            assert!(message.contains(expected), "{message}\nexpected: {expected}");
        }
    }
}
