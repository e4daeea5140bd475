//! What a network is made of: a table like that of Keras, with what a board and `f32` have to say of it.
//!
//! ```text
//! preset, configuration --plan--> network without weights --+
//! run ----------------------------> QuantizedNetwork -------+--> model file --> Model --> Summary
//! model file -----------------------------------------------+
//! ```
//!
//! Whatever the source, the figures are those of the file that the runtime loads, so that they are what a
//! board needs.

mod blank;

use core::fmt::{self, Display};

use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use tenfold_runtime::format;
use tenfold_runtime::format::spec::{LayerSpec, Parameters};
use tenfold_runtime::{Layer, Model, Operation, Output, Padding, Window};

use crate::engine::runtime::AlignedFile;
use crate::export::check::EXACT_BOUND;
use crate::export::postcard;
use crate::model::QuantizedNetwork;
use crate::network::{Plan, Structure};
use crate::quantize::scheme::largest_weight;
use crate::report::{Align, Look, table, thousands};

/// The layers of a network and what they add up to.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Name of the model.
    pub name: String,
    /// Rows, columns and channels of the input image.
    pub input: [usize; 3],
    /// The layers as the runtime computes them, first to last.
    pub layers: Vec<LayerSummary>,
    /// Weights and biases, batch norm folded.
    pub parameters: u64,
    /// Parameters while training, batch norm and its statistics included; unknown of a model file.
    pub training_parameters: Option<u64>,
    /// Multiply-accumulates of one inference.
    pub macs: u64,
    /// Bytes of packed weights, without biases and shifts.
    pub weight_bytes: u64,
    /// Bytes of scratch that an inference needs.
    pub scratch_bytes: u64,
    /// Sums below this are exact in `f32`.
    pub exact_below: u64,
}

/// One layer as the runtime computes it: with its activation, and the max-pool that is fused into it.
#[derive(Clone, Debug, Serialize)]
pub struct LayerSummary {
    /// Name, as in the ONNX file.
    pub name: String,
    /// What it computes, in a few words.
    pub what: String,
    /// Rows, columns and channels of the output.
    pub output: [usize; 3],
    /// Weights and biases.
    pub parameters: u64,
    /// Bits a weight; none of a pool.
    pub bits: Option<u8>,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Bytes of packed weights.
    pub weight_bytes: u64,
    /// Bytes of scratch: the rows that its window spans, and its sums.
    pub scratch_bytes: u64,
    /// Largest sum of products that so many inputs and weights of so many bits could reach, without the
    /// bias; none of a pool.
    pub worst_sum: Option<u64>,
    /// Largest sum that these very weights and biases can reach; unknown before they are trained.
    pub largest_sum: Option<u64>,
}

impl Summary {
    /// Of a network that is not trained.
    ///
    /// # Errors
    ///
    /// Where the network does not fit the runtime's format.
    pub fn of_plan(plan: &Plan) -> Result<Self> {
        let structure = Structure::float(plan);
        let file = postcard::encode(&blank::network(plan))?;
        let mut summary = Self::of_file(&file)?;
        summary.training_parameters = Some((structure.parameters + structure.statistics) as u64);
        for (layer, step) in summary.layers.iter_mut().zip(&plan.steps) {
            layer.name.clone_from(&step.name);
            layer.largest_sum = None;
        }
        Ok(summary)
    }

    /// Of a trained network.
    ///
    /// # Errors
    ///
    /// Where the network does not fit the runtime's format.
    pub fn of_network(network: &QuantizedNetwork) -> Result<Self> {
        let mut summary = Self::of_file(&postcard::encode(network)?)?;
        for (row, layer) in summary.layers.iter_mut().zip(&network.layers) {
            row.name.clone_from(&layer.name);
        }
        Ok(summary)
    }

    /// Of the bytes of a model file. Layers are named by their kind and number, as the trainer names them.
    ///
    /// # Errors
    ///
    /// Where the bytes are no model file.
    pub fn of_file(bytes: &[u8]) -> Result<Self> {
        let file = AlignedFile::new(bytes);
        let model: Model<'_> = Model::load(file.bytes())
            .map_err(|error| anyhow!("{error}"))
            .context("not a model that the runtime can run")?;
        let specification = format::specification(&model);
        let rows = model.layers().zip(&specification.layers).enumerate();
        let layers: Vec<LayerSummary> =
            rows.map(|(index, (layer, specification))| row(index + 1, &layer, specification)).collect();
        let input = model.input();
        Ok(Self {
            name: model.name().to_owned(),
            input: [input.height, input.width, input.channels].map(usize::from),
            parameters: layers.iter().map(|layer| layer.parameters).sum(),
            training_parameters: None,
            macs: model.macs(),
            weight_bytes: model.weight_bytes() as u64,
            scratch_bytes: model.scratch_bytes() as u64,
            exact_below: EXACT_BOUND,
            layers,
        })
    }

    /// Text for the terminal.
    pub fn render(&self, look: Look) -> String {
        let trained = self.layers.iter().any(|layer| layer.largest_sum.is_some());
        let right = Align::Right;
        let mut header = vec![
            ("layer", Align::Left),
            ("what", Align::Left),
            ("output", right),
            ("parameters", right),
            ("MACs", right),
            ("weights", right),
            ("scratch", right),
            ("worst sum", right),
        ];
        if trained {
            header.push(("largest sum", right));
        }
        let mut rows: Vec<Vec<String>> = self.layers.iter().map(|layer| layer.cells(trained)).collect();
        rows.push(vec![
            "total".to_owned(),
            String::new(),
            String::new(),
            thousands(self.parameters),
            thousands(self.macs),
            thousands(self.weight_bytes),
            thousands(self.scratch_bytes),
        ]);
        let [height, width, channels] = self.input;
        let mut text = format!(
            "{}: input {height}x{width}x{channels}; weights and scratch in bytes\n\n{}\n\n",
            self.name,
            table(look, &header, &rows)
        );
        if let Some(training) = self.training_parameters
            && training != self.parameters
        {
            text.push_str(&format!(
                "{} numbers while training, with those of batch norm, which is folded into the weights.\n",
                thousands(training)
            ));
        }
        text.push_str(&self.exactness());
        text
    }

    /// The meaning of the sums, and what becomes of those that are too large.
    fn exactness(&self) -> String {
        let limit = format!("2^24 = {}", thousands(self.exact_below));
        let beyond = |sum: &dyn Fn(&LayerSummary) -> Option<u64>| {
            let layers =
                self.layers.iter().filter(|layer| sum(layer).is_some_and(|sum| sum >= self.exact_below));
            layers.map(|layer| layer.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let known = self.layers.iter().any(|layer| layer.largest_sum.is_some());
        let (worst, largest) = (beyond(&|layer| layer.worst_sum), beyond(&|layer| layer.largest_sum));
        let verdict = match (known, worst.is_empty(), largest.is_empty()) {
            (false, true, _) => "Every sum of this network is below, whatever its weights.".to_owned(),
            (false, false, _) => format!(
                "Not every weight of {worst} can be at its limit: where the weights of a channel could reach it, \
                 quantization rounds them more coarsely."
            ),
            (true, _, true) => "Every sum of this network is below.".to_owned(),
            (true, _, false) => {
                format!("Those of {largest} are not, so that an ONNX engine may differ from a board.")
            }
        };
        format!("Sums are in % of {limit}, below which f32, and so every ONNX engine, is exact.\n{verdict}\n")
    }
}

impl LayerSummary {
    fn cells(&self, trained: bool) -> Vec<String> {
        let some = |number: u64| if number == 0 { "-".to_owned() } else { thousands(number) };
        let share = |sum: Option<u64>| {
            sum.map_or_else(
                || "-".to_owned(),
                |sum| format!("{:.1} %", 100.0 * sum as f64 / EXACT_BOUND as f64),
            )
        };
        let [height, width, channels] = self.output;
        let output = if [height, width] == [1, 1] {
            channels.to_string()
        } else {
            format!("{height}x{width}x{channels}")
        };
        let mut cells = vec![
            self.name.clone(),
            self.what.clone(),
            output,
            some(self.parameters),
            some(self.macs),
            some(self.weight_bytes),
            some(self.scratch_bytes),
            share(self.worst_sum),
        ];
        if trained {
            cells.push(share(self.largest_sum));
        }
        cells
    }
}

fn row(number: usize, layer: &Layer<'_>, specification: &LayerSpec) -> LayerSummary {
    let (kind, parameters) = match specification {
        LayerSpec::Convolution { parameters, .. } => ("conv", Some(parameters)),
        LayerSpec::Dense { parameters } => ("dense", Some(parameters)),
        LayerSpec::MaxPool { .. } => ("pool", None),
        LayerSpec::AveragePool { .. } => ("average", None),
    };
    let largest_input: u64 = if layer.input_signed { 128 } else { 255 };
    let worst = |parameters: &Parameters| {
        let fan_in = parameters.weights.len() / parameters.bias.len().max(1);
        fan_in as u64 * largest_weight(parameters.weight_bits) as u64 * largest_input
    };
    let largest = |parameters: &Parameters| {
        let fan_in = (parameters.weights.len() / parameters.bias.len().max(1)).max(1);
        let channels = parameters.weights.chunks_exact(fan_in).zip(&parameters.bias);
        let sums = channels.map(|(weights, bias)| {
            let weights: u64 = weights.iter().map(|weight| u64::from(weight.unsigned_abs())).sum();
            weights * largest_input + u64::from(bias.unsigned_abs())
        });
        sums.max().unwrap_or(0)
    };
    LayerSummary {
        name: format!("{kind}{number}"),
        what: Words(layer).to_string(),
        output: [layer.output.height, layer.output.width, layer.output.channels].map(usize::from),
        parameters: parameters.map_or(0, |parameters| parameters.weights.len() + parameters.bias.len())
            as u64,
        bits: parameters.map(|parameters| parameters.weight_bits),
        macs: layer.macs(),
        weight_bytes: layer.parameters().map_or(0, |parameters| parameters.weights.len()) as u64,
        scratch_bytes: layer.scratch_bytes().iter().sum::<usize>() as u64,
        worst_sum: parameters.map(worst),
        largest_sum: parameters.map(largest),
    }
}

/// A layer in a few words, as in `conv 3x3, stride 2, relu, max-pool 2x2`.
struct Words<'a>(&'a Layer<'a>);

impl Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = self.0;
        let padding = layer.padding();
        match &layer.operation {
            Operation::Convolution { window, groups, .. } => {
                let depthwise = *groups > 1 && *groups == layer.input.channels;
                f.write_str(if depthwise { "depthwise conv " } else { "conv " })?;
                describe(f, *window, [1, 1], padding)?;
                if *groups > 1 && !depthwise {
                    write!(f, ", {groups} groups")?;
                }
            }
            Operation::Dense { .. } => f.write_str("dense")?,
            Operation::MaxPool { window, .. } => {
                f.write_str("max-pool ")?;
                describe(f, *window, window.kernel, padding)?;
            }
            Operation::AveragePool { window, .. } => {
                f.write_str("average-pool ")?;
                describe(f, *window, window.kernel, padding)?;
            }
        }
        if let Some(parameters) = layer.parameters() {
            if parameters.weight_bits < 8 {
                write!(f, ", {} bits", parameters.weight_bits)?;
            }
            f.write_str(match parameters.output {
                Output::Unsigned => ", relu",
                Output::Table(_) => ", tanh",
                Output::Signed | Output::Logits => "",
            })?;
        }
        if let Operation::Convolution { pool, .. } = &layer.operation
            && (pool.kernel != [1, 1] || pool.stride != [1, 1])
        {
            f.write_str(", max-pool ")?;
            describe(f, *pool, pool.kernel, Padding::default())?;
        }
        Ok(())
    }
}

fn describe(f: &mut fmt::Formatter<'_>, window: Window, usual: [u8; 2], padding: Padding) -> fmt::Result {
    write!(f, "{}x{}", window.kernel[0], window.kernel[1])?;
    if window.stride != usual {
        match window.stride {
            [rows, columns] if rows == columns => write!(f, ", stride {rows}")?,
            [rows, columns] => write!(f, ", stride {rows}x{columns}")?,
        }
    }
    let Padding { top, left, bottom, right } = padding;
    match [top, left, bottom, right] {
        [0, 0, 0, 0] => Ok(()),
        [_, left, bottom, right] if [left, bottom, right] == [top; 3] => write!(f, ", padding {top}"),
        [..] => write!(f, ", padding {top}/{left}/{bottom}/{right}"),
    }
}

#[cfg(test)]
mod tests;
