//! The two forms of a trained network that leave training, and that every exporter reads.
//!
//! ```text
//! preset layers --fold batch norm, fuse--> FloatNetwork --exponents, QAT--> QuantizedNetwork
//!                                              |                                 |
//!                                        <name>.float.onnx          <name>.onnx, <name>.postcard
//! ```
//!
//! A [`FloatNetwork`] and its [`QuantizedNetwork`] have the same layers in the same order, and each
//! layer is one step of the runtime: a convolution with its activation and the max-pool that
//! follows it, a pool that stands alone, or a dense layer with its activation. The last layer is
//! dense and yields the logits. Tensors are described in PyTorch order (channels first); the
//! postcard exporter turns them into the runtime's order (channels last).

use serde::{Deserialize, Serialize};

/// Height, width and channels of a feature map. A vector of `n` values is `1 x 1 x n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl Shape {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether the shape holds no value at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a window walks over a feature map; shared by convolutions and pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Vertical and horizontal step.
    pub stride: [usize; 2],
    /// Padding at the top, left, bottom and right. Zeros for a convolution, the smallest value
    /// for a max-pool, always `[0; 4]` for an average-pool.
    pub padding: [usize; 4],
}

/// What a layer computes, before its activation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation {
    /// 2-D convolution (cross-correlation). `groups == input.channels` is depthwise.
    /// Weights are `[output channel][input channel / groups][kernel row][kernel column]`.
    Convolution {
        /// Kernel, stride and zero padding.
        window: Window,
        /// Number of groups; divides input and output channels.
        groups: usize,
        /// Max-pool over the convolution's output, fused; never padded. The output shape of the
        /// layer is the pooled one.
        pool: Option<Window>,
    },
    /// Fully connected. Weights are `[output][input]`, where the input is flattened
    /// channels first (`[channel][row][column]`).
    Dense,
    /// Max-pool that could not be fused.
    MaxPool(Window),
    /// Average-pool over a power-of-two area, unpadded. (Any other average has become a depthwise
    /// convolution with quantized weights.)
    AveragePool(Window),
}

/// What is applied to the sum of products. Pools use [`Activation::Identity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// Nothing; the output is signed.
    Identity,
    /// `max(x, 0)`; the output is unsigned.
    Relu,
    /// Hyperbolic tangent, by a table of 256 entries; the output is signed.
    Tanh,
    /// Nothing, and no requantization either: the accumulators are the logits. Last layer only.
    Logits,
}

/// One layer with `f32` parameters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FloatLayer {
    /// Unique, readable name, for example `conv1`, `dense2`, `pool3`.
    pub name: String,
    /// What it computes.
    pub operation: Operation,
    /// What follows the sum.
    pub activation: Activation,
    /// Shape of the input (for a dense layer: before flattening).
    pub input: Shape,
    /// Shape of the output.
    pub output: Shape,
    /// Weights, in the order that [`Operation`] gives. Empty for pools.
    pub weights: Vec<f32>,
    /// One bias an output channel. Empty for pools.
    pub bias: Vec<f32>,
}

/// A network after batch-norm folding and fusion. The input pixel `p` (0..=255) enters as `p / 256`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FloatNetwork {
    /// Name of the model.
    pub name: String,
    /// Shape of the input image.
    pub input: Shape,
    /// Layers, first to last.
    pub layers: Vec<FloatLayer>,
}

/// How the integers of a tensor are read: value = `q * 2^-exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoding {
    /// Binary exponent; may be negative.
    pub exponent: i32,
    /// `i8` when set, else `u8`.
    pub signed: bool,
}

/// One layer in integers. See `docs/ARITHMETIC.md` for what it computes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QuantizedLayer {
    /// As in the [`FloatLayer`].
    pub name: String,
    /// As in the [`FloatLayer`].
    pub operation: Operation,
    /// As in the [`FloatLayer`].
    pub activation: Activation,
    /// As in the [`FloatLayer`].
    pub input: Shape,
    /// As in the [`FloatLayer`].
    pub output: Shape,
    /// Encoding of the input activations.
    pub input_encoding: Encoding,
    /// Encoding of the output activations. For logits: signed, and the exponent of the `i32`
    /// accumulators, which is the same for every channel.
    pub output_encoding: Encoding,
    /// Bits a weight: 8 (-127..=127), 4 (-7..=7) or 2 (-3, -1, 1, 3).
    pub weight_bits: u8,
    /// Weights in the order that [`Operation`] gives. Empty for pools.
    pub weights: Vec<i8>,
    /// One exponent an output channel: weight = `q * 2^-exponent`. All equal in the last layer.
    pub weight_exponents: Vec<i32>,
    /// One bias an output channel, at exponent `input_encoding.exponent + weight_exponents[c]`.
    pub bias: Vec<i32>,
    /// For [`Activation::Tanh`]: the exponent of the signed 8-bit value that indexes the table, and
    /// the table itself: entry `i` is the output for the value `i - 128`.
    pub table: Option<(i32, Vec<i8>)>,
}

impl QuantizedLayer {
    /// The exponent that the accumulator of every channel is requantized to: that of the table's
    /// index where there is a table, else that of the output.
    pub fn requantized_exponent(&self) -> i32 {
        self.table.as_ref().map_or(self.output_encoding.exponent, |(exponent, _)| *exponent)
    }

    /// Right shift of channel `c`'s accumulator: `e_in + e_w[c] - e_out`.
    /// 0..=31 in a network that the quantizer built; empty for the logits and for pools.
    pub fn shifts(&self) -> Vec<i32> {
        if self.activation == Activation::Logits {
            return Vec::new();
        }
        self.weight_exponents
            .iter()
            .map(|w| self.input_encoding.exponent + w - self.requantized_exponent())
            .collect()
    }
}

/// A network in integers, ready for export. The input is `u8` at exponent 8.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QuantizedNetwork {
    /// Name of the model.
    pub name: String,
    /// Shape of the input image.
    pub input: Shape,
    /// Layers, first to last; the last is dense with [`Activation::Logits`].
    pub layers: Vec<QuantizedLayer>,
}
