//! The postcard schema of the body. Serde derives the writer from these types; the reader takes field
//! after field ([`Layers`](super::Layers)), because a board has it too.

#[cfg(feature = "writer")]
use serde::Serialize;

use super::features::{self as f, any};
use super::read::Reader;

/// What stands before the layers.
#[cfg_attr(feature = "writer", derive(Serialize))]
pub(super) struct Header<'a> {
    /// Printable ASCII.
    pub(super) name: &'a [u8],
    /// Height, width, channels of the input.
    pub(super) input: [u16; 3],
    pub(super) logit_exponent: i8,
}

/// Kernel and stride, vertical first.
#[cfg(feature = "writer")]
#[derive(Clone, Copy, Serialize)]
pub(super) struct WindowRecord {
    pub(super) kernel: [u8; 2],
    pub(super) stride: [u8; 2],
}

/// One layer.
#[cfg(feature = "writer")]
#[derive(Serialize)]
pub(super) enum Record<'a> {
    Convolution {
        outputs: u16,
        window: WindowRecord,
        /// Top, left, bottom, right.
        padding: [u8; 4],
        groups: u16,
        pool: Option<WindowRecord>,
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
        parameters: ParametersRecord<'a>,
    },
}

/// Weights and what belongs to them.
#[cfg(feature = "writer")]
#[derive(Serialize)]
pub(super) struct ParametersRecord<'a> {
    pub(super) weight_bits: u8,
    pub(super) order: crate::order::Order,
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

impl<'a> Header<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let name = reader.bytes()?;
        let input = [reader.short()?, reader.short()?, reader.short()?];
        Some(Self { name, input, logit_exponent: reader.byte()? as i8 })
    }
}
