//! Convolutions whose weights are in pairs ([`Order::Paired`](crate::Order::Paired)).
//!
//! The input under a window is widened once, into the workspace, and then multiplied with the
//! weights of one output channel after the other. A word of the workspace holds the two values that
//! meet in one `SMLAD`, and the words lie in the order in which the loops of `loops.s` load them,
//! several at a time.
//!
//! [`convolution`] compares all lengths, once a row; what follows only walks.

mod pooled;
mod single;
mod widen;

use self::widen::{Input, MOST_ROWS};
use super::super::Rows;
use super::super::packed;
use crate::format::features::{self as f, any};
use crate::model::{Layer, Parameters};
use crate::order::Paired;

/// Weights that are packed.
type Packed<'a, 'w, const FEATURES: u32> = packed::Packed<'a, 'w, FEATURES, 0x8080_8080>;

/// As [`portable::convolution`](super::portable::convolution).
#[inline(never)]
pub(super) fn convolution<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    order: Paired,
    rows: Rows<'_>,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    let (row_bytes, channels) = (layer.plan.row_bytes, usize::from(layer.input.channels));
    let (width, outputs) = (usize::from(layer.output.width), parameters.bias.len());
    let is_pooled = any(FEATURES, f::FUSED_POOL) && (order.is_pooled() || !any(FEATURES, f::UNPOOLED));
    let count = if is_pooled { order.side() + 1 } else { order.side() };
    let mut is_whole = true;
    let addresses: [*const u8; MOST_ROWS + 1] = core::array::from_fn(|index| {
        if index >= count {
            return core::ptr::null();
        }
        let row = rows.run(index, 0, row_bytes);
        is_whole &= row.len() == row_bytes;
        row.as_ptr()
    });
    let unpacked = order.unpacked::<FEATURES>(outputs);
    let (mut packed, workspace) = Packed::<FEATURES>::split(parameters, order.packing(), unpacked, workspace);
    let pixels = if is_pooled { 2 * width } else { width };
    // The last column under the last window is in the row, and there are parameters for all outputs.
    let last = pixels.saturating_sub(1) * order.stride() + order.side();
    if !is_whole
        || width == 0
        || outputs == 0
        || last * channels > row_bytes
        || parameters.shifts.len() < outputs
        || packed.is_none() && parameters.weights.len() < outputs * order.run_bytes()
        || out.len() != width * outputs
    {
        return;
    }
    let input = Input { rows: addresses, count, channels, signed: layer.input_signed };
    // SAFETY: all that the two ask for was compared above.
    unsafe {
        if is_pooled {
            pooled::pooled::<FEATURES>(&input, parameters, &mut packed, order, workspace, out);
        } else if any(FEATURES, f::UNPOOLED) {
            single::single::<FEATURES>(&input, parameters, &mut packed, order, width, workspace, out);
        }
    }
}
