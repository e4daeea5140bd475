//! The two ONNX files of a model: floats, and integers in QDQ form.
//!
//! ```text
//! <name>.float.onnx   image ---------> Conv -> Relu -> MaxPool ... Flatten -> Gemm -> logits
//! <name>.onnx         image -> Q -> DQ -> Conv -> Relu -> Q -> DQ -> MaxPool -> Q ... -> Gemm -> logits
//!                                      ^    ^             |
//!                             i8 weights    i32 bias      `conv1.output`, u8: the runtime's bits
//! ```
//!
//! Both take `image`, `f32[N, channels, height, width]`, a pixel `p` (0..=255) as `p / 256`, and yield
//! `logits`, `f32[N, classes]`. The batch dimension `N` is free. Opset 17: tract, onnxruntime and
//! Netron read it, and so do importers that lag behind.
//!
//! In the QDQ file (`Q` is `QuantizeLinear`, `DQ` is `DequantizeLinear`) every scale is a power of two
//! and every zero point 0, so that every engine computes the runtime's integers, bit for bit:
//! - the first `Q` has the scale `2^-8` and gives back the pixel;
//! - weights are `i8` with one scale an output channel (4- and 2-bit weights too: ONNX has no
//!   smaller type that every engine reads), biases `i32` with the scale of the accumulator. A bias
//!   in `f32` would be quantized anew by the optimizer of onnxruntime;
//! - a table activation is the table: `Q` to `i8`, `Cast`, `Add` 128, `Gather`;
//! - logits are the accumulators times `2^-tenfold.logit_exponent`, exactly.
//!
//! The output of each layer is a tensor `<layer>.output`, in integers in the QDQ file; that of the last
//! layer is `logits`. The metadata ([`key`]) names the layers in order.

mod float;
mod graph;
mod integer;
pub mod key;

use anyhow::{Context, Result};
use prost::Message;
use tract_onnx::pb::{GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto};

use super::Provenance;
use crate::model::{FloatNetwork, QuantizedNetwork, Shape};

/// Name of the input tensor.
pub const INPUT: &str = "image";

/// Name of the output tensor.
pub const OUTPUT: &str = "logits";

/// What follows the name of a layer in the name of its output tensor.
pub const LAYER_OUTPUT: &str = ".output";

const OPSET: i64 = 17;
/// The version of the file format that came with the opset.
const IR_VERSION: i64 = 8;
const INPUT_ABOUT: &str = "Grey levels 0..=255, divided by 256; bright ink on black, channels first";

/// The bytes of `<name>.float.onnx`.
///
/// # Errors
///
/// Where the metadata cannot be written.
pub fn encode_float(network: &FloatNetwork, provenance: &Provenance) -> Result<Vec<u8>> {
    let layers = network.layers.iter().map(|layer| layer.name.as_str()).collect();
    let identity = Identity { name: &network.name, kind: key::KIND_FLOAT, input: network.input, layers };
    let classes = network.layers.last().map_or(0, |layer| layer.output.channels);
    let metadata = metadata(&identity, classes, None, provenance)?;
    Ok(model(float::graph(network), metadata, "in 32-bit floats, before quantization").encode_to_vec())
}

/// The bytes of `<name>.onnx`, the QDQ form.
///
/// # Errors
///
/// Where there is no layer, or the metadata cannot be written.
pub fn encode_quantized(network: &QuantizedNetwork, provenance: &Provenance) -> Result<Vec<u8>> {
    let layers = network.layers.iter().map(|layer| layer.name.as_str()).collect();
    let identity = Identity { name: &network.name, kind: key::KIND_QUANTIZED, input: network.input, layers };
    let last = network.layers.last().context("the network has no layer")?;
    let exponent = Some(last.output_encoding.exponent);
    let metadata = metadata(&identity, last.output.channels, exponent, provenance)?;
    Ok(model(integer::graph(network), metadata, "in integers, bit for bit what the runtime computes")
        .encode_to_vec())
}

/// Name of the tensor that a layer yields.
pub fn layer_output(layers: &[String], index: usize) -> String {
    if index + 1 == layers.len() { OUTPUT.to_owned() } else { format!("{}{LAYER_OUTPUT}", layers[index]) }
}

struct Identity<'a> {
    name: &'a str,
    kind: &'a str,
    input: Shape,
    layers: Vec<&'a str>,
}

fn metadata(
    identity: &Identity<'_>,
    classes: usize,
    logit_exponent: Option<i32>,
    provenance: &Provenance,
) -> Result<Vec<StringStringEntryProto>> {
    let classes: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
    let Shape { height, width, channels } = identity.input;
    let mut entries = vec![
        (key::NAME, identity.name.to_owned()),
        (key::KIND, identity.kind.to_owned()),
        (key::CLASSES, serde_json::to_string(&classes)?),
        (key::INPUT, serde_json::to_string(&[height, width, channels])?),
        (key::LAYERS, serde_json::to_string(&identity.layers)?),
    ];
    if let Some(exponent) = logit_exponent {
        entries.push((key::LOGIT_EXPONENT, exponent.to_string()));
    }
    entries.extend([
        (key::SEED, provenance.seed.to_string()),
        (key::DATASET, provenance.dataset.clone()),
        (key::CONFIG, provenance.config_toml.clone()),
        (key::VERSION, provenance.tenfold_version.clone()),
    ]);
    Ok(entries
        .into_iter()
        .map(|(key, value)| StringStringEntryProto { key: key.to_owned(), value })
        .collect())
}

fn model(graph: GraphProto, metadata_props: Vec<StringStringEntryProto>, about: &str) -> ModelProto {
    let version = metadata_props.iter().find(|entry| entry.key == key::VERSION);
    ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        producer_name: "tenfold".to_owned(),
        producer_version: version.map(|entry| entry.value.clone()).unwrap_or_default(),
        doc_string: format!("Digit recognizer `{}`, {about}.", graph.name),
        graph: Some(graph),
        metadata_props,
        ..ModelProto::default()
    }
}

#[cfg(test)]
mod tests;
