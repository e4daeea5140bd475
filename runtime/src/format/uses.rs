//! What a layer asks of the runtime.

use super::OutputRecord;
use super::features as f;
use crate::model::{Block, Layer, Operation};
use crate::order::Order;

/// The [`features`](super::features) that a layer uses.
pub(super) const fn uses(layer: &Layer<'_>, is_last: bool) -> u32 {
    let Block { bytes, weight_bits, order, output, .. } = layer.block;
    let mut features = match layer.operation {
        Operation::Convolution { window, groups, pool, .. } => {
            let kind = if groups == 1 { f::CONVOLUTION } else { f::GROUPED_CONVOLUTION };
            let kernel = match window.kernel {
                [3, 3] => f::KERNEL_3,
                [5, 5] => f::KERNEL_5,
                _ => f::KERNEL_OTHER,
            };
            let channels = if layer.input.channels == 1 { f::ONE_CHANNEL } else { f::CHANNELS };
            let stride = if matches!(window.stride, [1, 1]) { 0 } else { f::STRIDE };
            let unpooled = pool.is(1, 1);
            let pool = match (unpooled, layer.input.channels) {
                (true, _) if layer.output.width % 2 == 1 => f::UNPOOLED | f::ODD_WIDTH,
                (true, _) => f::UNPOOLED,
                (false, 1) => f::FUSED_POOL | f::POOLED_IMAGE,
                (false, _) => f::FUSED_POOL,
            };
            kind | kernel | channels | stride | pool | convolution_order(order)
        }
        Operation::MaxPool { .. } => f::MAX_POOL,
        Operation::AveragePool { .. } => f::AVERAGE_POOL,
        Operation::Dense { .. } => {
            let hidden = if is_last { 0 } else { f::HIDDEN_DENSE };
            let is_interleaved = matches!(order, Order::Interleaved);
            f::DENSE | hidden | if is_interleaved { f::INTERLEAVED } else { f::PLAIN_DENSE }
        }
    };
    if !bytes.is_empty() {
        features |= match weight_bits {
            8 => f::WEIGHTS_8,
            4 => f::WEIGHTS_4,
            _ => f::WEIGHTS_2,
        };
        features |= match output {
            OutputRecord::UnsignedTable | OutputRecord::SignedTable => f::TABLE,
            OutputRecord::Signed => f::SIGNED_OUTPUT,
            OutputRecord::Unsigned | OutputRecord::Logits => 0,
        };
    }
    if layer.input_signed {
        features |= f::SIGNED_INPUT;
    }
    if !layer.padding().is_none() {
        features |= f::PADDING;
    }
    features
}

/// The feature of a convolution with weights in an order.
pub(super) const fn convolution_order(order: Order) -> u32 {
    match order {
        Order::Interleaved => f::INTERLEAVED,
        _ => f::PLAIN_CONVOLUTION << order as u32,
    }
}
