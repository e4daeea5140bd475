//! One record after the other, checked, to a [`Layer`] that inference can trust.
//!
//! Nothing here reads bytes: records come from whichever reader, at run time or while a program is compiled.

use super::block::Runs;
use super::features::{self as f, any};
use super::record::{OutputRecord, ParametersRecord, Record};
use super::{LoadError, MAX_CHANNELS, MAX_CLASSES, MAX_KERNEL, MAX_ROW, MAX_SIDE};
use crate::constant::{attempt, is_zero};
use crate::model::{Block, Layer, Operation, Padding, Shape, Window};
use crate::plan::LayerPlan;

/// What the records so far have come to.
pub(super) struct Checker<const FEATURES: u32> {
    /// Why the layer that is being checked is refused. In one place, as an error a result would be
    /// moved in each of them.
    pub(super) error: LoadError,
    /// What reaches the next layer.
    pub(super) input: Shape,
    pub(super) signed: bool,
    /// Number of the next layer, and of all.
    pub(super) index: u8,
    pub(super) count: u8,
}

impl<const FEATURES: u32> Checker<FEATURES> {
    /// For `count` layers, over an image of shape `input`.
    pub(super) const fn new(input: Shape, count: u8) -> Self {
        Self { error: LoadError::Record { layer: 0 }, input, signed: false, index: 0, count }
    }

    /// The layer of the next record; of its weights nothing but their length is checked, which
    /// [`weights`](super::weights) does. None where `error` says why. Where it uses
    /// what is not in `FEATURES`, some checks are left out: [`uses`](super::uses) tells.
    #[inline(never)]
    pub(super) const fn layer<'a>(&mut self, record: &Record<'a>) -> Option<Layer<'a>> {
        let is_last = self.index + 1 == self.count;
        let (input, input_signed) = (self.input, self.signed);
        let (operation, output, parameters) = match *record {
            Record::Convolution { outputs, window, padding, groups, pool, ref parameters }
                if any(FEATURES, f::CONVOLUTION | f::GROUPED_CONVOLUTION) =>
            {
                let pool = match pool {
                    Some(pool) => pool,
                    None => Window { kernel: [1, 1], stride: [1, 1] },
                };
                attempt!(self.within("outputs", outputs as u32, 1, MAX_CHANNELS as u32));
                attempt!(self.window(window));
                attempt!(self.padding(window, padding));
                attempt!(self.groups(groups, outputs));
                let shape = attempt!(self.windowed(input, window, padding));
                attempt!(self.window(pool));
                let shape = Shape { channels: outputs, ..shape };
                let shape = attempt!(self.windowed(shape, pool, Padding::NONE));
                (Operation::Convolution { window, padding, groups, pool }, shape, Some(parameters))
            }
            Record::MaxPool { window, padding } if any(FEATURES, f::MAX_POOL) => {
                attempt!(self.window(window));
                attempt!(self.padding(window, padding));
                let shape = attempt!(self.windowed(input, window, padding));
                (Operation::MaxPool { window, padding }, shape, None)
            }
            Record::AveragePool { window } if any(FEATURES, f::AVERAGE_POOL) => {
                attempt!(self.window(window));
                let area = window.kernel[0] as u16 * window.kernel[1] as u16;
                if !area.is_power_of_two() {
                    return self.fail(LoadError::PoolArea { layer: self.index });
                }
                let log2_area = area.trailing_zeros() as u8;
                let shape = attempt!(self.windowed(input, window, Padding::NONE));
                (Operation::AveragePool { window, log2_area }, shape, None)
            }
            Record::Dense { outputs, rows_per_step, ref parameters } => {
                let most = if is_last { MAX_CLASSES as u32 } else { MAX_CHANNELS as u32 };
                attempt!(self.within("outputs", outputs as u32, 1, most));
                // As for a window: the products of lengths must fit 32 bits.
                attempt!(self.within("values in a row", input.row() as u32, 1, MAX_ROW as u32));
                if rows_per_step != 1 && rows_per_step != input.height {
                    return self.fail(LoadError::RowsPerStep { layer: self.index });
                }
                let shape = Shape { height: 1, width: 1, channels: outputs };
                (Operation::Dense { rows_per_step }, shape, Some(parameters))
            }
            _ => return self.fail(LoadError::Record { layer: self.index }),
        };
        let mut layer = Layer { operation, input, output, input_signed, ..Layer::NONE };
        if let Some(parameters) = parameters {
            layer.block = attempt!(self.block(&layer, parameters));
            let stored = layer.block.output;
            layer.output_signed = matches!(stored, OutputRecord::Signed | OutputRecord::SignedTable);
        } else {
            // A pool passes its input on.
            layer.output_signed = input_signed;
        }
        let is_dense = matches!(operation, Operation::Dense { .. });
        if layer.block.yields_logits() != is_last || (is_last && !is_dense) {
            return self.fail(LoadError::Logits { layer: self.index });
        }
        layer.plan = LayerPlan::new(&layer);
        self.index += 1;
        (self.input, self.signed) = (layer.output, layer.output_signed);
        Some(layer)
    }

    /// Weights and what belongs to them, of a layer that is complete but for these.
    const fn block<'a>(&mut self, layer: &Layer<'a>, record: &ParametersRecord<'a>) -> Option<Block<'a>> {
        let ParametersRecord { weight_bits, order, output, alignment, block: bytes } = *record;
        let block = Block { weight_bits, order, output, ..Block::NONE };
        let Some(runs) = Runs::of::<FEATURES>(&Layer { block, ..*layer }) else {
            return self.fail(LoadError::Order { layer: self.index });
        };
        if !matches!(weight_bits, 2 | 4 | 8) {
            let (layer, found) = (self.index, weight_bits as u32);
            let field = "weight bits (2, 4 or 8)";
            return self.fail(LoadError::Limit { layer, field, found, minimum: 2, maximum: 8 });
        }
        let (expected, weight_bytes, run_bytes) = match runs.block_bytes::<FEATURES>(&block) {
            Some(lengths) => lengths,
            None => (usize::MAX, 0, 0),
        };
        if bytes.len() != expected {
            let (layer, found) = (self.index, bytes.len());
            return self.fail(LoadError::BlockLength { layer, expected, found });
        }
        if alignment.len() > 3 || !is_zero(alignment) {
            return self.fail(LoadError::BlockAlignment { layer: self.index });
        }
        let filler = (weight_bytes.wrapping_neg() & 3) as u8;
        Some(Block { bytes, run_bytes, filler, ..block })
    }

    const fn window(&mut self, window: Window) -> Option<()> {
        let ([height, width], [down, across]) = (window.kernel, window.stride);
        attempt!(self.within("kernel", height as u32, 1, MAX_KERNEL as u32));
        attempt!(self.within("kernel", width as u32, 1, MAX_KERNEL as u32));
        attempt!(self.within("stride", down as u32, 1, MAX_KERNEL as u32));
        self.within("stride", across as u32, 1, MAX_KERNEL as u32)
    }

    /// Padding is smaller than the kernel, so that no window lies in the padding alone.
    const fn padding(&mut self, window: Window, padding: Padding) -> Option<()> {
        let Padding { top, left, bottom, right } = padding;
        let [height, width] = window.kernel;
        let (height, width) = (height.saturating_sub(1) as u32, width.saturating_sub(1) as u32);
        attempt!(self.within("padding", top as u32, 0, height));
        attempt!(self.within("padding", left as u32, 0, width));
        attempt!(self.within("padding", bottom as u32, 0, height));
        self.within("padding", right as u32, 0, width)
    }

    const fn groups(&mut self, groups: u16, outputs: u16) -> Option<()> {
        let channels = self.input.channels;
        attempt!(self.within("groups", groups as u32, 1, channels as u32));
        let divides = any(FEATURES, f::GROUPED_CONVOLUTION)
            && channels.is_multiple_of(groups)
            && outputs.is_multiple_of(groups);
        if groups != 1 && !divides {
            return self.fail(LoadError::Groups { layer: self.index });
        }
        Some(())
    }

    /// The shape after a window has walked over another one, channels unchanged.
    #[inline(never)]
    const fn windowed(&mut self, shape: Shape, window: Window, padding: Padding) -> Option<Shape> {
        let Padding { top, left, bottom, right } = padding;
        let padded = shape.width as usize + left as usize + right as usize;
        let row = padded * shape.channels as usize;
        attempt!(self.within("values in a row", row as u32, 1, MAX_ROW as u32));
        let height = window.positions(0, shape.height, top, bottom);
        let width = window.positions(1, shape.width, left, right);
        if height == 0 || width == 0 {
            return self.fail(LoadError::WindowTooLarge { layer: self.index });
        }
        attempt!(self.within("output height", height as u32, 1, MAX_SIDE as u32));
        attempt!(self.within("output width", width as u32, 1, MAX_SIDE as u32));
        Some(Shape { height, width, ..shape })
    }

    /// `minimum..=maximum`, or [`LoadError::Limit`].
    #[inline(never)]
    const fn within(&mut self, field: &'static str, found: u32, minimum: u32, maximum: u32) -> Option<()> {
        if minimum <= found && found <= maximum {
            return Some(());
        }
        self.fail(LoadError::Limit { layer: self.index, field, found, minimum, maximum })
    }

    const fn fail<T>(&mut self, error: LoadError) -> Option<T> {
        self.error = error;
        None
    }
}
