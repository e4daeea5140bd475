//! The postcard schema of the body. Serde derives the writer from these types; the readers take field after
//! field ([`read`](super::read)), because a board has them too.

#[cfg(feature = "writer")]
use serde::Serialize;

use super::features::{self as f, any};
use crate::model::{Padding, Window};
use crate::order::Order;

/// What stands before the layers.
#[cfg_attr(feature = "writer", derive(Serialize))]
pub(super) struct Header<'a> {
    /// Printable ASCII.
    pub(super) name: &'a [u8],
    /// Height, width, channels of the input.
    pub(super) input: [u16; 3],
    pub(super) logit_exponent: i8,
}

/// One layer.
#[cfg_attr(feature = "writer", derive(Serialize))]
#[derive(Clone, Copy)]
pub(super) enum Record<'a> {
    Convolution {
        outputs: u16,
        window: Window,
        padding: Padding,
        groups: u16,
        pool: Option<Window>,
        parameters: ParametersRecord<'a>,
    },
    MaxPool {
        window: Window,
        padding: Padding,
    },
    AveragePool {
        window: Window,
    },
    Dense {
        outputs: u16,
        rows_per_step: u16,
        parameters: ParametersRecord<'a>,
    },
}

/// Weights and what belongs to them.
#[cfg_attr(feature = "writer", derive(Serialize))]
#[derive(Clone, Copy)]
pub(super) struct ParametersRecord<'a> {
    pub(super) weight_bits: u8,
    pub(super) order: Order,
    pub(super) output: OutputRecord,
    /// 0 to 3 zero bytes that put `block` at a multiple of four from the start of the file.
    pub(super) alignment: &'a [u8],
    /// Biases (`i32`, little endian), weights (then zeros up to a multiple of four), shifts (one
    /// byte a channel), table (256 bytes), each only where the layer has it. Nothing else.
    pub(super) block: &'a [u8],
}

/// What becomes of an accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "writer", derive(Serialize))]
pub(crate) enum OutputRecord {
    Unsigned,
    Signed,
    UnsignedTable,
    SignedTable,
    Logits,
}

impl OutputRecord {
    /// Shifts of a layer with this number of outputs.
    pub(crate) const fn shifts(self, outputs: usize) -> usize {
        if matches!(self, Self::Logits) { 0 } else { outputs }
    }

    /// Bytes of the table, where a table is in `FEATURES`.
    pub(crate) const fn table_bytes<const FEATURES: u32>(self) -> usize {
        let has_table = any(FEATURES, f::TABLE) && matches!(self, Self::UnsignedTable | Self::SignedTable);
        if has_table { 256 } else { 0 }
    }
}
