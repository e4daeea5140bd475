//! How many rows of its input a layer keeps, and how the scratch memory is divided.
//!
//! ```text
//! scratch: | ring of layer 0 | sums of layer 0 | ring of layer 1 | sums of layer 1 | ... | workspace |
//! ```
//!
//! A ring holds the last `ring_rows` input rows, padding columns included; the sums are the `i32`
//! accumulators of a dense layer that is fed row by row, or the logits. Both are multiples of four
//! bytes, so that every part is aligned for words when the whole is. The workspace is for whichever
//! layer is being computed: as much as the one that needs most of it. It follows from the order of
//! the weights and is there on every core, used or not, so that a file has one size of scratch.

use crate::format::features::{self as f, any};
use crate::model::{Layer, Operation};
use crate::order::{Arrangement, Interleaved};

/// How one layer uses its share of the scratch memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayerPlan {
    /// Rows in the ring: exactly the rows that one output row is computed from.
    pub(crate) ring_rows: u16,
    /// Number of `i32` sums.
    pub(crate) sums: u16,
    /// Bytes of one ring row, padding columns included.
    pub(crate) row_bytes: usize,
}

impl LayerPlan {
    /// That of no layer.
    pub(crate) const NONE: Self = Self { ring_rows: 0, sums: 0, row_bytes: 0 };

    /// The plan of a layer; a pure function of its shape, made where the layer is checked.
    pub(crate) const fn new(layer: &Layer<'_>) -> Self {
        let row_bytes = layer.padded_row();
        let (ring_rows, sums) = match &layer.operation {
            Operation::Convolution { window, pool, .. } => {
                let [kernel, _] = window.kernel;
                let [stride, _] = window.stride;
                ((pool.kernel[0] as u16 - 1) * stride as u16 + kernel as u16, 0)
            }
            Operation::MaxPool { window, .. } | Operation::AveragePool { window, .. } => {
                (window.kernel[0] as u16, 0)
            }
            Operation::Dense { rows_per_step } => {
                let accumulates = *rows_per_step < layer.input.height || layer.block.yields_logits();
                (*rows_per_step, if accumulates { layer.output.channels } else { 0 })
            }
        };
        Self { ring_rows, sums, row_bytes }
    }

    /// Input rows from one output row of a layer to the next.
    pub(crate) const fn step(layer: &Layer<'_>) -> u16 {
        match layer.operation {
            Operation::Convolution { window, pool, .. } => pool.stride[0] as u16 * window.stride[0] as u16,
            Operation::MaxPool { window, .. } | Operation::AveragePool { window, .. } => {
                window.stride[0] as u16
            }
            Operation::Dense { rows_per_step } => rows_per_step,
        }
    }

    /// Bytes of the ring, rounded up to whole words.
    pub(crate) const fn ring_bytes(&self) -> usize {
        (self.ring_rows as usize * self.row_bytes).next_multiple_of(4)
    }

    /// Bytes of the sums.
    pub(crate) const fn sum_bytes(&self) -> usize {
        self.sums as usize * 4
    }

    /// Bytes of workspace that a layer asks for.
    pub(crate) const fn workspace_bytes<const FEATURES: u32>(layer: &Layer<'_>) -> usize {
        if any(FEATURES, f::GROUPED_CONVOLUTION)
            && let Some(group) = &layer.group::<FEATURES>()
        {
            let room = group.plan.ring_bytes() + group.output.row().next_multiple_of(4);
            return room + Self::workspace_bytes_of_one::<FEATURES>(group);
        }
        Self::workspace_bytes_of_one::<FEATURES>(layer)
    }

    const fn workspace_bytes_of_one<const FEATURES: u32>(layer: &Layer<'_>) -> usize {
        let is_convolution = matches!(layer.operation, Operation::Convolution { .. });
        if is_convolution && Interleaved::of_layer::<FEATURES>(layer).is_some() {
            let values = layer.plan.ring_rows as usize * layer.plan.row_bytes;
            return Interleaved::workspace_words(values) * 4;
        }
        match Arrangement::of_layer::<FEATURES>(layer) {
            Some(arrangement) => arrangement.workspace_words::<FEATURES>(layer.output) * 4,
            None => 0,
        }
    }

    /// Bytes of scratch for this layer.
    pub(crate) const fn bytes(&self) -> usize {
        self.ring_bytes() + self.sum_bytes()
    }
}

/// Rows that a dense layer consumes at a step: all of them where holding the whole input takes no
/// more memory than one row and the sums do, one otherwise.
///
/// Holding a map of 4 x 4 x 16 for 120 outputs takes 256 bytes where the sums would take 480; for
/// 14 x 14 x 8 and 10 outputs it is the other way round.
#[cfg(feature = "writer")]
pub(crate) fn dense_rows_per_step(input: crate::Shape, outputs: u16) -> u16 {
    let gathered = usize::from(input.height) * input.row();
    let accumulated = input.row() + 4 * usize::from(outputs);
    if gathered <= accumulated { input.height } else { 1 }
}
