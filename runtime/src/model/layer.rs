//! One layer of a model: what it does, and the weights it does it with.

use super::{Padding, Shape, Window};
use crate::constant::attempt;
use crate::format::OutputRecord;
use crate::format::features::{self as f, ALL, any};
use crate::order::{Arrangement, Interleaved, Order};
use crate::plan::LayerPlan;

/// What becomes of an accumulator after the shift.
#[derive(Clone, Copy, Debug)]
pub enum Output<'a> {
    /// Saturated to `u8`: ReLU.
    Unsigned,
    /// Saturated to `i8`.
    Signed,
    /// Saturated to `i8`, then looked up; entry `i` belongs to the value `i - 128`.
    Table(&'a [u8; 256]),
    /// Kept as `i32`.
    Logits,
}

/// Weights, biases and shifts, straight from the file.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    /// Bits a weight: 8, 4 or 2.
    pub weight_bits: u8,
    /// How the weights of a run lie.
    pub order: Order,
    /// Packed weights. Each run (an output channel of a convolution, a step of an output of a
    /// dense layer) starts at a byte boundary and is [`run_bytes`](Self::run_bytes) long.
    pub weights: &'a [u8],
    /// Bytes of one run of weights.
    pub run_bytes: usize,
    /// One bias an output channel.
    pub bias: &'a [i32],
    /// One right shift an output channel, `0..=31`; empty when the output is logits.
    pub shifts: &'a [u8],
    /// What follows the shift.
    pub output: Output<'a>,
}

/// Where a layer's weights, biases and shifts are, in few bytes: a model keeps one of these a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block<'a> {
    /// Biases, weights and zeros up to a multiple of four, shifts, table; empty where there are none.
    pub(crate) bytes: &'a [u8],
    pub(crate) run_bytes: usize,
    pub(crate) weight_bits: u8,
    pub(crate) order: Order,
    pub(crate) output: OutputRecord,
    /// Zeros behind the weights: 0 to 3.
    pub(crate) filler: u8,
}

/// What a [`Block`] consists of.
#[derive(Clone, Copy)]
pub(crate) struct BlockParts<'a> {
    /// Little-endian `i32`.
    pub(crate) bias: &'a [u8],
    pub(crate) weights: &'a [u8],
    pub(crate) filler: &'a [u8],
    pub(crate) shifts: &'a [u8],
    pub(crate) table: &'a [u8],
}

impl<'a> Block<'a> {
    /// That of a layer without weights.
    pub(crate) const NONE: Self = Self {
        bytes: &[],
        run_bytes: 0,
        weight_bits: 8,
        order: Order::Plain,
        output: OutputRecord::Unsigned,
        filler: 0,
    };

    /// Its parts, for a number of outputs; with a table only where one is in `FEATURES`. There are, if the
    /// loader has seen to it.
    #[inline(always)]
    pub(crate) const fn parts<const FEATURES: u32>(&self, outputs: usize) -> Option<BlockParts<'a>> {
        let shifts = self.output.shifts(outputs);
        let behind = self.output.table_bytes::<FEATURES>() + shifts;
        let (bias, rest) = attempt!(self.bytes.split_at_checked(4 * outputs));
        let (padded, rest) = attempt!(rest.split_at_checked(attempt!(rest.len().checked_sub(behind))));
        let (weights, filler) =
            attempt!(padded.split_at_checked(attempt!(padded.len().checked_sub(self.filler as usize))));
        let (shifts, table) = attempt!(rest.split_at_checked(shifts));
        Some(BlockParts { bias, weights, filler, shifts, table })
    }

    /// Whether the accumulators are the layer's output.
    pub(crate) const fn yields_logits(&self) -> bool {
        matches!(self.output, OutputRecord::Logits)
    }
}

/// What a layer does. Its weights, where it has any, are its [`parameters`](Layer::parameters).
///
/// Aligned so that it is copied in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(4))]
pub enum Operation {
    /// 2-D convolution with fused max-pool (a pool of 1 x 1 where there is none), weights
    /// `[output channel][kernel row][kernel column][input channel / groups]`.
    Convolution {
        /// Kernel and stride of the convolution.
        window: Window,
        /// Zero padding.
        padding: Padding,
        /// Groups; 1 for an ordinary convolution, the input channels for a depthwise one.
        groups: u16,
        /// Max-pool over the accumulators.
        pool: Window,
    },
    /// Max-pool on its own, over stored activations.
    MaxPool {
        /// Size and step.
        window: Window,
        /// Padding with the smallest value of the type.
        padding: Padding,
    },
    /// Average-pool over `2^log2_area` values.
    AveragePool {
        /// Size and step.
        window: Window,
        /// Binary logarithm of the area of the window.
        log2_area: u8,
    },
    /// Fully connected, weights `[step][output][row in step][column][channel]`.
    Dense {
        /// Input rows that one step consumes: 1 (accumulated row by row) or all of them.
        rows_per_step: u16,
    },
}

/// One layer, with the shapes and signs that follow from the layers before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Layer<'a> {
    pub(crate) block: Block<'a>,
    pub(crate) plan: LayerPlan,
    /// What it does.
    pub operation: Operation,
    /// Shape of the input, without padding.
    pub input: Shape,
    /// Shape of the output.
    pub output: Shape,
    /// Whether the input bytes are `i8`.
    pub input_signed: bool,
    /// Whether the output bytes are `i8`.
    pub output_signed: bool,
}

impl<'a> Layer<'a> {
    /// In place of a layer that is not there.
    pub(crate) const NONE: Self = Self {
        block: Block::NONE,
        plan: LayerPlan::NONE,
        operation: Operation::Dense { rows_per_step: 0 },
        input: Shape { height: 0, width: 0, channels: 0 },
        output: Shape { height: 0, width: 0, channels: 0 },
        input_signed: false,
        output_signed: false,
    };

    /// Weights, biases and shifts, where the layer has them.
    #[must_use]
    pub fn parameters(&self) -> Option<Parameters<'a>> {
        self.parameters_of::<ALL>()
    }

    /// As [`parameters`](Self::parameters), with a table only where one is in `FEATURES`.
    #[inline(never)]
    pub(crate) fn parameters_of<const FEATURES: u32>(&self) -> Option<Parameters<'a>> {
        let Block { run_bytes, weight_bits, order, output, .. } = self.block;
        let outputs = usize::from(self.output.channels);
        let BlockParts { bias, weights, shifts, table, .. } = self.block.parts::<FEATURES>(outputs)?;
        let bias = bytemuck::try_cast_slice(bias).ok()?;
        let output = match output {
            OutputRecord::Signed => Output::Signed,
            OutputRecord::Logits => Output::Logits,
            OutputRecord::UnsignedTable | OutputRecord::SignedTable if any(FEATURES, f::TABLE) => {
                Output::Table(table.try_into().ok()?)
            }
            _ => Output::Unsigned,
        };
        Some(Parameters { weight_bits, order, weights, run_bytes, bias, shifts, output })
    }

    /// One group of a convolution in several, as a convolution of its own, where the order of the weights is one that is
    /// defined for it. Its block is that of the whole.
    pub(crate) const fn group<const FEATURES: u32>(&self) -> Option<Self> {
        let Operation::Convolution { window, padding, groups, pool } = self.operation else { return None };
        let has_order = Arrangement::of_layer::<FEATURES>(self).is_some()
            || Interleaved::of_layer::<FEATURES>(self).is_some();
        if groups < 2 || !has_order {
            return None;
        }
        let mut group = *self;
        group.operation = Operation::Convolution { window, padding, groups: 1, pool };
        group.input.channels /= groups;
        group.output.channels /= groups;
        group.plan.row_bytes /= groups as usize;
        Some(group)
    }

    /// Padding of the input.
    #[must_use]
    pub const fn padding(&self) -> Padding {
        match self.operation {
            Operation::Convolution { padding, .. } | Operation::MaxPool { padding, .. } => padding,
            Operation::AveragePool { .. } | Operation::Dense { .. } => Padding::NONE,
        }
    }

    /// As [`padding`](Self::padding), where any is in `FEATURES`.
    #[inline(always)]
    pub(crate) const fn padding_of<const FEATURES: u32>(&self) -> Padding {
        if any(FEATURES, f::PADDING) { self.padding() } else { Padding::NONE }
    }

    /// Values in one row of its input, padding included.
    pub(crate) const fn padded_row(&self) -> usize {
        let padding = self.padding();
        let width = self.input.width as usize + padding.left as usize + padding.right as usize;
        width * self.input.channels as usize
    }

    /// Bytes of scratch that hold the rows of its input, and bytes that hold sums of its outputs: the
    /// scratch memory starts with these two of every layer, first to last.
    #[must_use]
    pub const fn scratch_bytes(&self) -> [usize; 2] {
        [self.plan.ring_bytes(), self.plan.sum_bytes()]
    }

    /// The byte that padding is filled with: the smallest `i8` for a max-pool over signed values,
    /// else 0, which is the smallest `u8` and adds nothing to a sum.
    pub(crate) const fn padding_value(&self) -> u8 {
        match self.operation {
            Operation::MaxPool { .. } if self.input_signed => i8::MIN as u8,
            _ => 0,
        }
    }

    /// Multiply-accumulates of one inference, counted as is usual: at every position of the
    /// convolution's output, those that a pool drops (which the runtime never computes) included.
    #[must_use]
    pub fn macs(&self) -> u64 {
        let channels = u64::from(self.output.channels);
        match self.operation {
            Operation::Convolution { window, padding, groups, .. } => {
                let height = window.positions(0, self.input.height, padding.top, padding.bottom);
                let width = window.positions(1, self.input.width, padding.left, padding.right);
                let fan_in = u64::from(window.kernel[0])
                    * u64::from(window.kernel[1])
                    * (u64::from(self.input.channels) / u64::from(groups.max(1)));
                u64::from(height) * u64::from(width) * channels * fan_in
            }
            Operation::Dense { .. } => channels * u64::from(self.input.height) * self.input.row() as u64,
            Operation::MaxPool { .. } | Operation::AveragePool { .. } => 0,
        }
    }
}
