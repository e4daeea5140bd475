//! [`Order::Interleaved`]: the order of a vector unit that adds four products to each of its lanes.
//!
//! Sixteen output channels make a block, four inputs a group. The weights of a group are side by
//! side for all channels of the block, so that a vector of weights meets four inputs that are the
//! same in every lane, and no sum ever crosses lanes:
//!
//! ```text
//! channel      0         1               15
//!           w w w w | w w w w | ... | w w w w      64 bytes: a group
//! inputs    x x x x | x x x x | ... | x x x x      the same four
//! ```
//!
//! A kernel row starts a new group. What is missing (the last inputs of a kernel row, the last
//! channels of a block) is zero, and the loader requires it. A weight takes a byte, whatever its bits.

use super::Order;
use crate::constant::{attempt, larger};
use crate::format::features::{self as f, ALL, any};
use crate::model::{Layer, Operation, Window};

/// Output channels of a block.
pub(crate) const CHANNELS: usize = 16;
/// Inputs of a group.
pub(crate) const INPUTS: usize = 4;
/// Bytes of the weights of a group.
pub(crate) const GROUP_BYTES: usize = CHANNELS * INPUTS;

/// Whether this runtime is for a host: one for a board refuses the order, whose zeros cost flash and
/// which no board's core is fast with, and does without the code.
const IS_HOST: bool = cfg!(not(target_os = "none"));

/// Where the weights of a layer, or of one step of a dense layer, lie in [`Order::Interleaved`].
#[derive(Clone, Copy, Debug)]
pub struct Interleaved {
    /// Rows of the kernel; 1 in a dense layer.
    rows: usize,
    /// Weights of an output in a row of the kernel; all of a step in a dense layer.
    row: usize,
    outputs: usize,
}

impl Interleaved {
    /// The geometry for a convolution in which each of `groups` groups has `depth` channels: for one group, or for groups of
    /// two channels or more whose outputs fill blocks.
    #[must_use]
    pub const fn convolution(window: Window, groups: u16, depth: u16, outputs: u16) -> Option<Self> {
        let [rows, columns] = window.kernel;
        let fills = depth > 1 && (outputs as usize).is_multiple_of(groups as usize * CHANNELS);
        if !IS_HOST || groups != 1 && !fills {
            return None;
        }
        let row = columns as usize * depth as usize;
        Some(Self { rows: rows as usize, row, outputs: outputs as usize })
    }

    /// The geometry for a dense layer that consumes `inputs` values in a step.
    #[must_use]
    pub const fn dense(inputs: usize, outputs: u16) -> Option<Self> {
        if IS_HOST { Some(Self { rows: 1, row: inputs, outputs: outputs as usize }) } else { None }
    }

    /// The geometry of a layer whose weights are in this order.
    #[must_use]
    pub const fn of(layer: &Layer<'_>) -> Option<Self> {
        Self::of_layer::<ALL>(layer)
    }

    /// As [`of`](Self::of), where the order is in `FEATURES`.
    pub(crate) const fn of_layer<const FEATURES: u32>(layer: &Layer<'_>) -> Option<Self> {
        if !IS_HOST || !any(FEATURES, f::INTERLEAVED) {
            return None;
        }
        if !matches!(layer.block.order, Order::Interleaved) {
            return None;
        }
        match layer.operation {
            Operation::Convolution { window, groups, .. } => {
                let depth = attempt!(layer.input.channels.checked_div(groups));
                Self::convolution(window, groups, depth, layer.output.channels)
            }
            Operation::Dense { rows_per_step } => {
                Self::dense(rows_per_step as usize * layer.input.row(), layer.output.channels)
            }
            Operation::MaxPool { .. } | Operation::AveragePool { .. } => None,
        }
    }

    /// Weights of an output, in a step of a dense layer.
    #[must_use]
    pub const fn weights(&self) -> usize {
        self.rows * self.row
    }

    /// Rows of the kernel.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// Groups of a kernel row.
    pub(crate) const fn groups(&self) -> usize {
        self.row.div_ceil(INPUTS)
    }

    /// Blocks of output channels.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.outputs.div_ceil(CHANNELS)
    }

    /// Bytes of the weights of a block, or nothing where that is more than a `usize` holds.
    #[must_use]
    pub const fn block_bytes(&self) -> Option<usize> {
        attempt!(self.groups().checked_mul(self.rows)).checked_mul(GROUP_BYTES)
    }

    /// Words of workspace for a convolution over `values` input values: each in 16 bits, and a group
    /// more, as the last one of a kernel row may reach beyond the row.
    pub(crate) const fn workspace_words(values: usize) -> usize {
        values.div_ceil(2) + INPUTS / 2
    }

    /// The places of an output's weights in a step, in plain order.
    pub fn places(&self, output: usize) -> impl Iterator<Item = usize> + use<> {
        let order = *self;
        (0..self.weights()).map(move |weight| order.place(output, weight))
    }

    /// The place of an output's weight in a step: its number in plain order is `weight`.
    pub(crate) const fn place(&self, output: usize, weight: usize) -> usize {
        // A row has a weight at least.
        let row = larger(self.row, 1);
        let (kernel_row, index) = (weight / row, weight % row);
        let groups = self.groups();
        let start = output / CHANNELS * self.rows * groups * GROUP_BYTES + output % CHANNELS * INPUTS;
        start + (kernel_row * groups + index / INPUTS) * GROUP_BYTES + index % INPUTS
    }
}
