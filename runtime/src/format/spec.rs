//! The owned description that [`encode`](super::encode) turns into a model file. Host only.

use alloc::string::String;
use alloc::vec::Vec;

/// A whole network, in the runtime's order (channels last), before packing.
#[derive(Clone, Debug)]
pub struct ModelSpec {
    /// Name, at most [`MAX_NAME`](super::MAX_NAME) bytes.
    pub name: String,
    /// Rows, columns and channels of the input image, `u8` at exponent 8.
    pub input: [u16; 3],
    /// Binary exponent of the logits: real value = `logit * 2^-logit_exponent`.
    pub logit_exponent: i8,
    /// Layers, first to last; the last is dense with [`Output::Logits`].
    pub layers: Vec<LayerSpec>,
}

/// One layer.
#[derive(Clone, Debug)]
pub enum LayerSpec {
    /// 2-D convolution, with the max-pool that follows it fused.
    Convolution {
        /// Kernel height and width, 1..=15.
        kernel: [u8; 2],
        /// Vertical and horizontal stride.
        stride: [u8; 2],
        /// Zeros added at the top, left, bottom, right.
        padding: [u8; 4],
        /// Groups; `input channels` for a depthwise convolution.
        groups: u16,
        /// Max-pool over the accumulators: kernel and stride.
        pool: Option<([u8; 2], [u8; 2])>,
        /// Weights `[output channel][kernel row][kernel column][input channel / groups]`.
        parameters: Parameters,
    },
    /// Max-pool on its own.
    MaxPool {
        /// Window height and width.
        kernel: [u8; 2],
        /// Vertical and horizontal stride.
        stride: [u8; 2],
        /// Padding with the smallest value at the top, left, bottom, right.
        padding: [u8; 4],
    },
    /// Average over a window whose area is a power of two; never padded.
    AveragePool {
        /// Window height and width.
        kernel: [u8; 2],
        /// Vertical and horizontal stride.
        stride: [u8; 2],
    },
    /// Fully connected over the whole input map, flattened row by row, channels last.
    Dense {
        /// Weights `[output][row][column][channel]`.
        parameters: Parameters,
    },
}

/// Weights, biases, shifts and activation of a convolution or a dense layer.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// Bits a weight: 8, 4 or 2.
    pub weight_bits: u8,
    /// Weights; the order is given at the layer.
    pub weights: Vec<i8>,
    /// One bias an output channel.
    pub bias: Vec<i32>,
    /// One right shift (0..=31) an output channel; empty for logits.
    pub shifts: Vec<u8>,
    /// What becomes of the accumulator.
    pub output: Output,
}

/// What becomes of an accumulator after the shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Saturated to 0..=255 (this is ReLU).
    Unsigned,
    /// Saturated to -128..=127.
    Signed,
    /// Saturated to -128..=127, then looked up: entry `i` is for the value `i - 128`.
    Table {
        /// Whether the entries are `i8` (else `u8`).
        signed: bool,
        /// The 256 entries, as bytes.
        entries: Vec<u8>,
    },
    /// The `i32` accumulators themselves.
    Logits,
}
