//! `CARD.md`: what a model is, how it was made, how good it is, and under which terms.
//!
//! ```text
//! export: network, files, verification ----------------------------+
//! trainer card: the same, from the files of the model;             +--> CARD.md
//!               runs, robustness, mistakes, cores: details --------+
//!                 |      |           |
//!                 +------+-----------+--> card.json, misclassified.png
//! ```

mod benchmarks;
mod complete;
mod details;
mod record;

use core::fmt::{self, Display};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

pub use self::complete::{Sources, expect_config, write_card};
use self::details::Details;
pub use self::record::{Record, RobustnessFigures, RunFigures};
use super::{Exported, Provenance};
use crate::engine::runtime::RuntimeModel;
use crate::model::{Activation, Operation, QuantizedLayer, QuantizedNetwork, Window};
use crate::report::{percent, thousands};
use crate::verify::Report;

/// What a card is made of.
pub(super) struct Card<'a> {
    pub(super) network: &'a QuantizedNetwork,
    pub(super) exported: &'a Exported,
    pub(super) report: &'a Report,
    pub(super) provenance: &'a Provenance,
    /// What `trainer card` adds.
    pub(super) details: Option<Details<'a>>,
}

impl Card<'_> {
    /// The text of `CARD.md`.
    pub(super) fn render(&self) -> Result<String> {
        let sizes = Sizes::of(self.exported)?;
        let Card { network, report, provenance, .. } = self;
        let input = network.input;
        let own_data = if is_mnist(&provenance.dataset) { "" } else { " --data PATH" };
        let commands = self.details.as_ref().and_then(|details| details.commands(own_data));
        let commands =
            commands.unwrap_or_else(|| format!("$ cargo run --release -- train config.toml{own_data}"));
        let mut sections = vec![
            format!(
                "# {}\n\n{}: {} x {} grey pixels in, {} logits out. Runs in integers on a microcontroller, and as ONNX \
                 on a desktop with the same bits.",
                network.name,
                if is_mnist(&provenance.dataset) {
                    "Recognises handwritten digits"
                } else {
                    "Classifies pictures"
                },
                input.height,
                input.width,
                sizes.runtime.classes
            ),
            self.figures(&sizes),
            format!("## Layers\n\n{}", self.layers()),
        ];
        sections.extend(self.details.as_ref().map(Details::sections).unwrap_or_default());
        sections.extend([
            format!("## Files\n\n{}", self.files(&sizes)),
            format!(
                "## Data\n\nTrained on {}, seed {}; the figures above are of {} images of its test set, which \
                 training never saw.{}",
                provenance.dataset,
                provenance.seed,
                thousands(report.images),
                attribution(&provenance.dataset)
            ),
            format!(
                "## Recipe\n\nTenfold {}, beside this card:\n\n```console\n{commands}\n```\n\n\
                 where `config.toml` says:\n\n```toml\n{}\n```",
                provenance.tenfold_version,
                provenance.config_toml.trim_end()
            ),
            "## Licence\n\nThe weights are under the terms that who trained them chooses, within those of the data. \
             Where Tenfold ships this model: MIT OR Apache-2.0, at your choice."
                .to_owned(),
        ]);
        Ok(sections.join("\n\n") + "\n")
    }

    fn figures(&self, sizes: &Sizes) -> String {
        let Card { report, exported, .. } = self;
        let accuracy = |accuracy: crate::verify::Accuracy| {
            let (correct, images) = (thousands(accuracy.correct), thousands(accuracy.images));
            format!("{} ({correct} of {images})", percent(accuracy.correct, accuracy.images))
        };
        let inexact = exported.exactness.inexact.len();
        let exact = if inexact == 0 {
            format!(
                "yes: no sum exceeds {} (2^24 is {})",
                thousands(exported.exactness.largest_bound),
                thousands(1 << 24)
            )
        } else {
            format!(
                "**no**: {inexact} output channels may leave 2^24, so an ONNX engine may differ from the board"
            )
        };
        let difference = report.largest_logit_difference.as_ref().map_or_else(
            || "none".to_owned(),
            |largest| format!("{:.4} (image {}, class {})", largest.amount(), largest.image, largest.class),
        );
        let details = self.details.as_ref().map(Details::figures).unwrap_or_default();
        let rows = [
            ("accuracy on test, quantized (every file but the float one)", accuracy(report.quantized)),
            ("accuracy on test, float", accuracy(report.float)),
            ("largest logit difference, float to quantized", difference),
            ("weights", bytes(sizes.runtime.weight_bytes)),
            ("scratch memory", bytes(sizes.runtime.scratch_bytes)),
            ("multiply-accumulates an inference", thousands(sizes.runtime.macs)),
            (
                "board == ONNX (tract)",
                format!(
                    "{} of {} logits equal; {} of {} values of all layers equal",
                    thousands(report.logits_equal),
                    thousands(report.images),
                    thousands(report.values() - report.mismatches()),
                    thousands(report.values())
                ),
            ),
            ("exact in f32", exact),
        ];
        let rows = rows.map(|(name, value)| [name.to_owned(), value]);
        // Behind the accuracies of this model.
        rows_of(["figure", ""], rows[..3].iter().cloned().chain(details).chain(rows[3..].iter().cloned()))
    }

    fn layers(&self) -> String {
        let rows = self.network.layers.iter().map(|layer| {
            let output = layer.output;
            [
                layer.name.clone(),
                Describe(layer).to_string(),
                format!("{} x {} x {}", output.height, output.width, output.channels),
                if layer.weights.is_empty() { "-".to_owned() } else { thousands(layer.weights.len() as u64) },
                if layer.weights.is_empty() { "-".to_owned() } else { layer.weight_bits.to_string() },
            ]
        });
        rows_of(["layer", "what", "output", "weights", "bits"], rows)
    }

    fn files(&self, sizes: &Sizes) -> String {
        let name = &self.network.name;
        let rows = [
            (format!("{name}.postcard"), bytes(sizes.postcard), "for the board"),
            (
                format!("{name}.onnx"),
                bytes(sizes.onnx),
                "quantized (QDQ), the same bits: verified with tract",
            ),
            (format!("{name}.float.onnx"), bytes(sizes.float_onnx), "before quantization"),
            (format!("{name}.golden.postcard"), "-".to_owned(), "one test image a class, with its logits"),
            ("config.toml".to_owned(), "-".to_owned(), "the whole configuration of the training"),
        ];
        let rows = rows.map(|(file, size, what)| [format!("`{file}`"), size, what.to_owned()]);
        rows_of(["file", "size", "what"], rows)
    }
}

struct Sizes {
    runtime: RuntimeModel,
    postcard: usize,
    onnx: usize,
    float_onnx: usize,
}

impl Sizes {
    fn of(exported: &Exported) -> Result<Sizes> {
        let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let postcard = read(&exported.postcard)?;
        Ok(Sizes {
            runtime: RuntimeModel::new(&postcard)?,
            postcard: postcard.len(),
            onnx: read(&exported.onnx)?.len(),
            float_onnx: read(&exported.float_onnx)?.len(),
        })
    }
}

/// A layer in a few words, as in `conv 3x3, stride 2, relu, max-pool 2x2`.
struct Describe<'a>(&'a QuantizedLayer);

impl Display for Describe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = self.0;
        match &layer.operation {
            Operation::Convolution { window, groups, .. } => {
                let depthwise = *groups > 1 && *groups == layer.input.channels;
                f.write_str(if depthwise { "depthwise conv " } else { "conv " })?;
                describe_window(f, window, [1, 1])?;
                if *groups > 1 && !depthwise {
                    write!(f, ", {groups} groups")?;
                }
            }
            Operation::Dense => f.write_str("dense")?,
            Operation::MaxPool(window) => {
                f.write_str("max-pool ")?;
                describe_window(f, window, window.kernel)?;
            }
            Operation::AveragePool(window) => {
                f.write_str("average-pool ")?;
                describe_window(f, window, window.kernel)?;
            }
        }
        match layer.activation {
            Activation::Relu => f.write_str(", relu")?,
            Activation::Tanh => f.write_str(", tanh")?,
            Activation::Identity | Activation::Logits => {}
        }
        if let Operation::Convolution { pool: Some(pool), .. } = &layer.operation {
            f.write_str(", max-pool ")?;
            describe_window(f, pool, pool.kernel)?;
        }
        Ok(())
    }
}

fn describe_window(f: &mut fmt::Formatter<'_>, window: &Window, usual_stride: [usize; 2]) -> fmt::Result {
    write!(f, "{}x{}", window.kernel[0], window.kernel[1])?;
    if window.stride != usual_stride {
        match window.stride {
            [rows, columns] if rows == columns => write!(f, ", stride {rows}")?,
            [rows, columns] => write!(f, ", stride {rows}x{columns}")?,
        }
    }
    match window.padding {
        [0, 0, 0, 0] => Ok(()),
        [top, left, bottom, right] if [left, bottom, right] == [top; 3] => write!(f, ", padding {top}"),
        [top, left, bottom, right] => write!(f, ", padding {top}/{left}/{bottom}/{right}"),
    }
}

fn attribution(dataset: &str) -> &'static str {
    if is_mnist(dataset) {
        "\n\nMNIST is by Yann LeCun, Corinna Cortes and Christopher J. C. Burges, from data of NIST; licensed under \
         [CC BY-SA 3.0](https://creativecommons.org/licenses/by-sa/3.0/)."
    } else {
        ""
    }
}

/// Whether it is the data set that the repository carries; `Dataset::source` says so.
fn is_mnist(dataset: &str) -> bool {
    dataset == "MNIST" || dataset.starts_with("MNIST, split ")
}

fn bytes(count: usize) -> String {
    format!("{} bytes", thousands(count as u64))
}

/// A Markdown table.
fn rows_of<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut text = format!("| {} |\n|{}", header.join(" | "), "---|".repeat(N));
    for row in rows {
        text.push_str(&format!("\n| {} |", row.join(" | ")));
    }
    text
}
