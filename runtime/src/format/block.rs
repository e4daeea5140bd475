//! What a parameter block holds: how many runs of weights, and how long it must be.

use super::features::{self as f, ALL, any};
use super::uses::convolution_order;
use crate::model::{Block, Layer, Operation};
use crate::order::{Arrangement, Interleaved, Order};

/// How many runs of weights a block holds: `steps * outputs` runs of `length` weights.
#[derive(Clone, Copy)]
pub(super) struct Runs {
    pub(super) outputs: u16,
    pub(super) steps: u16,
    pub(super) length: usize,
    /// Where a run is a block of several outputs.
    pub(super) interleaved: Option<Interleaved>,
    /// Where its weights are in another order than plain, and what is beside them in a run.
    pub(super) arrangement: Option<Arrangement>,
}

/// The orders whose runs have something beside the weights.
pub(super) const HAS_MORE: u32 = f::PAIRED_CONVOLUTION | f::NARROW_CONVOLUTION;

impl Runs {
    /// Those of a layer; none where the order of its weights is not defined for it.
    #[inline(never)]
    pub(super) fn of<const FEATURES: u32>(layer: &Layer<'_>) -> Option<Self> {
        let outputs = layer.output.channels;
        let order = layer.block.order;
        let interleaved = Interleaved::of_layer::<FEATURES>(layer);
        let (steps, length, arrangement) = match layer.operation {
            Operation::Dense { rows_per_step } => {
                let is_known = order == Order::Plain || interleaved.is_some();
                let steps = if rows_per_step == layer.input.height { 1 } else { layer.input.height };
                is_known.then_some((steps, usize::from(rows_per_step) * layer.input.row(), None))?
            }
            Operation::Convolution { window, groups, .. } => {
                let arrangement = Arrangement::of_layer::<FEATURES>(layer);
                let is_known = arrangement.is_some() || interleaved.is_some() || order == Order::Plain;
                if !is_known && any(FEATURES, convolution_order(order)) {
                    return None;
                }
                let channels = layer.input.channels;
                let is_grouped = any(FEATURES, f::GROUPED_CONVOLUTION);
                let depth = if is_grouped { channels.checked_div(groups)? } else { channels };
                let length = match arrangement {
                    Some(arrangement) if any(FEATURES, HAS_MORE) => arrangement.run_bytes(),
                    // Nothing but weights, in whichever order.
                    _ => usize::from(window.kernel[0]) * usize::from(window.kernel[1]) * usize::from(depth),
                };
                (1, length, arrangement)
            }
            Operation::MaxPool { .. } | Operation::AveragePool { .. } => return None,
        };
        Some(Self { outputs, steps, length, interleaved, arrangement })
    }

    /// Bytes of a parameter block, of the weights in it, and of a run; none where that is more than a
    /// `usize` holds.
    pub(super) fn block_bytes<const FEATURES: u32>(
        &self,
        block: &Block<'_>,
    ) -> Option<(usize, usize, usize)> {
        let outputs = usize::from(self.outputs);
        // None there can be, which the compiler does not see by itself.
        let interleaved = self.interleaved.filter(|_| any(FEATURES, f::INTERLEAVED));
        let (run_bytes, count) = match interleaved {
            None => (product(self.length, block.weight_bits.into())?.div_ceil(8), self.outputs),
            Some(interleaved) => (interleaved.block_bytes()?, interleaved.blocks() as u16),
        };
        let weight_bytes = product(product(run_bytes, count)?, self.steps)?;
        let padded = weight_bytes.checked_next_multiple_of(4)?;
        let others = outputs * 4 + block.output.shifts(outputs) + block.output.table_bytes::<ALL>();
        Some((padded.checked_add(others)?, weight_bytes, run_bytes))
    }
}

/// A product of less than 2^32. In two halves: Cortex-M0 would link a function for one of 64 bits.
fn product(a: usize, b: u16) -> Option<usize> {
    let (a, b) = (u32::try_from(a).ok()? as usize, usize::from(b));
    let low = (a & 0xffff) * b;
    let high = (a >> 16) * b + (low >> 16);
    if high >> 16 != 0 { None } else { Some(high << 16 | low & 0xffff) }
}
