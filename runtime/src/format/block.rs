//! What a parameter block holds: how many runs of weights, and how long it must be.

use super::features::{self as f, ALL, any};
use super::uses::convolution_order;
use crate::constant::attempt;
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
    pub(super) const fn of<const FEATURES: u32>(layer: &Layer<'_>) -> Option<Self> {
        let outputs = layer.output.channels;
        let order = layer.block.order;
        let interleaved = Interleaved::of_layer::<FEATURES>(layer);
        let (steps, length, arrangement) = match layer.operation {
            Operation::Dense { rows_per_step } => {
                if !matches!(order, Order::Plain) && interleaved.is_none() {
                    return None;
                }
                let steps = if rows_per_step == layer.input.height { 1 } else { layer.input.height };
                (steps, rows_per_step as usize * layer.input.row(), None)
            }
            Operation::Convolution { window, groups, .. } => {
                let arrangement = Arrangement::of_layer::<FEATURES>(layer);
                let is_plain = matches!(order, Order::Plain);
                let is_known = arrangement.is_some() || interleaved.is_some() || is_plain;
                if !is_known && any(FEATURES, convolution_order(order)) {
                    return None;
                }
                let channels = layer.input.channels;
                let is_grouped = any(FEATURES, f::GROUPED_CONVOLUTION);
                let depth = if is_grouped { attempt!(channels.checked_div(groups)) } else { channels };
                let length = match arrangement {
                    Some(arrangement) if arrangement.packing().is_packed::<FEATURES>() => {
                        arrangement.packing().room()
                    }
                    Some(arrangement) if any(FEATURES, HAS_MORE) => arrangement.run_bytes(),
                    // Nothing but weights, in whichever order.
                    _ => window.kernel[0] as usize * window.kernel[1] as usize * depth as usize,
                };
                (1, length, arrangement)
            }
            Operation::MaxPool { .. } | Operation::AveragePool { .. } => return None,
        };
        Some(Self { outputs, steps, length, interleaved, arrangement })
    }

    /// Bytes of a parameter block, of the weights in it, and of a run; none where that is more than a
    /// `usize` holds.
    pub(super) const fn block_bytes<const FEATURES: u32>(
        &self,
        block: &Block<'_>,
    ) -> Option<(usize, usize, usize)> {
        let outputs = self.outputs as usize;
        let (run_bytes, count) = match self.interleaved {
            // There can be none else, which the compiler does not see by itself.
            Some(interleaved) if any(FEATURES, f::INTERLEAVED) => {
                (attempt!(interleaved.block_bytes()), interleaved.blocks() as u16)
            }
            _ => (attempt!(product(self.length, block.weight_bits as u16)).div_ceil(8), self.outputs),
        };
        let weight_bytes = attempt!(product(attempt!(product(run_bytes, count)), self.steps));
        let padded = attempt!(weight_bytes.checked_next_multiple_of(4));
        let others = outputs * 4 + block.output.shifts(outputs) + block.output.table_bytes::<ALL>();
        Some((attempt!(padded.checked_add(others)), weight_bytes, run_bytes))
    }
}

/// A product of less than 2^32. In two halves: Cortex-M0 would link a function for one of 64 bits.
const fn product(a: usize, b: u16) -> Option<usize> {
    if a as u64 > u32::MAX as u64 {
        return None;
    }
    let b = b as usize;
    let low = (a & 0xffff) * b;
    let high = (a >> 16) * b + (low >> 16);
    if high >> 16 != 0 { None } else { Some(high << 16 | low & 0xffff) }
}
