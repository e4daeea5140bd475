//! The postcard schema of the body. Serde derives the writer from these types; the reader takes field
//! after field, because a board has it too ([`Reader`]).

#[cfg(feature = "writer")]
use serde::Serialize;

use super::features::{self as f, any};
use super::read::Reader;
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

/// Kernel and stride, vertical first.
#[derive(Clone, Copy)]
#[cfg_attr(feature = "writer", derive(Serialize))]
pub(super) struct WindowRecord {
    pub(super) kernel: [u8; 2],
    pub(super) stride: [u8; 2],
}

/// One layer.
#[cfg_attr(feature = "writer", derive(Serialize))]
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
#[cfg_attr(feature = "writer", derive(Serialize))]
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
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "writer", derive(Serialize))]
pub(super) enum OutputRecord {
    Unsigned,
    Signed,
    UnsignedTable,
    SignedTable,
    Logits,
}

impl<'a> Header<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let name = reader.bytes()?;
        let input = [reader.short()?, reader.short()?, reader.short()?];
        Some(Self { name, input, logit_exponent: reader.byte()? as i8 })
    }
}

impl WindowRecord {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let [height, width, down, across] = reader.four()?;
        Some(Self { kernel: [height, width], stride: [down, across] })
    }
}

impl<'a> Record<'a> {
    /// Kinds that `FEATURES` does not name are none.
    pub(super) fn read<const FEATURES: u32>(reader: &mut Reader<'a>) -> Option<Self> {
        let kind = reader.variant()?;
        Some(match kind {
            0 if any(FEATURES, f::CONVOLUTION | f::GROUPED_CONVOLUTION) => Self::Convolution {
                outputs: reader.short()?,
                window: WindowRecord::read(reader)?,
                padding: reader.four()?,
                groups: reader.short()?,
                pool: match reader.byte()? {
                    0 => None,
                    1 => Some(WindowRecord::read(reader)?),
                    _ => return None,
                },
                parameters: ParametersRecord::read(reader)?,
            },
            1 if any(FEATURES, f::MAX_POOL) => {
                Self::MaxPool { window: WindowRecord::read(reader)?, padding: reader.four()? }
            }
            2 if any(FEATURES, f::AVERAGE_POOL) => Self::AveragePool { window: WindowRecord::read(reader)? },
            3 => Self::Dense {
                outputs: reader.short()?,
                rows_per_step: reader.short()?,
                parameters: ParametersRecord::read(reader)?,
            },
            _ => return None,
        })
    }
}

impl<'a> ParametersRecord<'a> {
    #[inline(never)]
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        Some(Self {
            weight_bits: reader.byte()?,
            order: match reader.variant()? {
                0 => Order::Plain,
                1 => Order::Paired,
                2 => Order::Planar,
                3 => Order::Narrow,
                4 => Order::Interleaved,
                _ => return None,
            },
            output: match reader.variant()? {
                0 => OutputRecord::Unsigned,
                1 => OutputRecord::Signed,
                2 => OutputRecord::UnsignedTable,
                3 => OutputRecord::SignedTable,
                4 => OutputRecord::Logits,
                _ => return None,
            },
            alignment: reader.bytes()?,
            block: reader.bytes()?,
        })
    }
}
