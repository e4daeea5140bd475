//! The postcard schema of the body. Serde derives both directions from these types.

use crate::order::Order;
use serde::Deserialize;
#[cfg(feature = "writer")]
use serde::Serialize;

/// What stands before the layers.
#[derive(Deserialize)]
#[cfg_attr(feature = "writer", derive(Serialize))]
pub(super) struct Header<'a> {
    pub(super) name: &'a str,
    /// Height, width, channels of the input.
    pub(super) input: [u16; 3],
    pub(super) logit_exponent: i8,
}

/// Kernel and stride, vertical first.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(feature = "writer", derive(Serialize))]
pub(super) struct WindowRecord {
    pub(super) kernel: [u8; 2],
    pub(super) stride: [u8; 2],
}

/// One layer.
#[derive(Deserialize)]
#[cfg_attr(feature = "writer", derive(Serialize))]
pub(super) enum Record<'a> {
    Convolution {
        outputs: u16,
        window: WindowRecord,
        /// Top, left, bottom, right.
        padding: [u8; 4],
        groups: u16,
        pool: Option<WindowRecord>,
        #[serde(borrow)]
        parameters: ParametersRecord<'a>,
    },
    MaxPool {
        window: WindowRecord,
        padding: [u8; 4],
    },
    AveragePool {
        window: WindowRecord,
    },
    Dense {
        outputs: u16,
        rows_per_step: u16,
        #[serde(borrow)]
        parameters: ParametersRecord<'a>,
    },
}

/// Weights and what belongs to them.
#[derive(Deserialize)]
#[cfg_attr(feature = "writer", derive(Serialize))]
pub(super) struct ParametersRecord<'a> {
    pub(super) weight_bits: u8,
    pub(super) order: Order,
    pub(super) output: OutputRecord,
    /// 0 to 3 zero bytes that put `block` at a multiple of four from the start of the file.
    #[serde(borrow)]
    pub(super) alignment: &'a [u8],
    /// Biases (`i32`, little endian), weights (then zeros up to a multiple of four), shifts (one
    /// byte a channel), table (256 bytes), each only where the layer has it. Nothing else.
    #[serde(borrow)]
    pub(super) block: &'a [u8],
}

/// What becomes of an accumulator.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "writer", derive(Serialize))]
pub(super) enum OutputRecord {
    Unsigned,
    Signed,
    UnsignedTable,
    SignedTable,
    Logits,
}
