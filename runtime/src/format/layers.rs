//! One layer after the other from the records of a body: each is read field by field, and checked on the
//! way, to a [`Layer`] that inference can trust.

use super::block::Runs;
use super::features::{self as f, ALL, any};
use super::read::Reader;
use super::{LoadError, MAX_CHANNELS, MAX_CLASSES, MAX_KERNEL, MAX_ROW, MAX_SIDE, OutputRecord};
use crate::model::{Block, Layer, Operation, Padding, Shape, Window};
use crate::order::Order;

/// The layers of a loaded model, first to last: each is read anew from its record.
#[derive(Clone, Debug)]
pub struct Layers<'a, const FEATURES: u32 = ALL> {
    pub(super) reader: Reader<'a>,
    /// Why the layer that is being read is refused. In one place, as an error a result would be
    /// moved in each of them.
    pub(super) error: LoadError,
    /// What reaches the next layer.
    input: Shape,
    signed: bool,
    /// Number of the next layer, and of all.
    pub(super) index: u8,
    count: u8,
}

impl<'a, const FEATURES: u32> Layers<'a, FEATURES> {
    /// The layers of `count` records, over an image of shape `input`.
    pub(crate) const fn new(records: &'a [u8], input: Shape, count: u8) -> Self {
        let error = LoadError::Record { layer: 0 };
        Self { reader: Reader(records), error, input, signed: false, index: 0, count }
    }

    /// One layer on its own: number `index` of `count`, of which `reached` is the shape and sign of its input.
    #[cfg(feature = "writer")]
    pub(super) const fn at(record: &'a [u8], index: u8, count: u8, (input, signed): (Shape, bool)) -> Self {
        Self { input, signed, index, ..Self::new(record, input, count) }
    }

    /// The next layer; of its weights nothing but their length is checked, which
    /// [`weights`](super::weights) does. None after the last, and where `error` says why. Where it uses
    /// what is not in `FEATURES`, some checks are left out: [`uses`](super::uses) tells.
    #[inline(never)]
    pub(super) fn read(&mut self) -> Option<Layer<'a>> {
        if self.index >= self.count {
            return None;
        }
        self.error = LoadError::Record { layer: self.index };
        let is_last = self.index + 1 == self.count;
        let (input, input_signed) = (self.input, self.signed);
        let kind = self.reader.variant()?;
        let (operation, output) = match kind {
            0 if any(FEATURES, f::CONVOLUTION | f::GROUPED_CONVOLUTION) => self.convolution()?,
            1 if any(FEATURES, f::MAX_POOL) => {
                let window = self.window()?;
                let padding = self.padding(window)?;
                (Operation::MaxPool { window, padding }, self.windowed(input, window, padding)?)
            }
            2 if any(FEATURES, f::AVERAGE_POOL) => {
                let window = self.window()?;
                let area = u16::from(window.kernel[0]) * u16::from(window.kernel[1]);
                if !area.is_power_of_two() {
                    return self.fail(LoadError::PoolArea { layer: self.index });
                }
                let log2_area = area.trailing_zeros() as u8;
                let output = self.windowed(input, window, Padding::default())?;
                (Operation::AveragePool { window, log2_area }, output)
            }
            3 => self.dense(is_last)?,
            _ => return None,
        };
        let mut layer =
            Layer { input, output, input_signed, output_signed: false, operation, block: Block::NONE };
        if matches!(operation, Operation::Convolution { .. } | Operation::Dense { .. }) {
            layer.block = self.block(&layer)?;
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
        self.index += 1;
        (self.input, self.signed) = (layer.output, layer.output_signed);
        Some(layer)
    }

    fn convolution(&mut self) -> Option<(Operation, Shape)> {
        let outputs = self.reader.short()?;
        self.within("outputs", outputs.into(), 1, MAX_CHANNELS.into())?;
        let window = self.window()?;
        let padding = self.padding(window)?;
        let groups = self.reader.short()?;
        let channels = self.input.channels;
        self.within("groups", groups.into(), 1, channels.into())?;
        let divides = any(FEATURES, f::GROUPED_CONVOLUTION)
            && channels.is_multiple_of(groups)
            && outputs.is_multiple_of(groups);
        if groups != 1 && !divides {
            return self.fail(LoadError::Groups { layer: self.index });
        }
        let shape = self.windowed(self.input, window, padding)?;
        let pool = match self.reader.byte()? {
            0 => Window { kernel: [1, 1], stride: [1, 1] },
            1 => self.window()?,
            _ => return None,
        };
        let shape = self.windowed(Shape { channels: outputs, ..shape }, pool, Padding::default())?;
        Some((Operation::Convolution { window, padding, groups, pool }, shape))
    }

    fn dense(&mut self, is_last: bool) -> Option<(Operation, Shape)> {
        let most = if is_last { MAX_CLASSES as u16 } else { MAX_CHANNELS };
        let outputs = self.reader.short()?;
        self.within("outputs", outputs.into(), 1, most.into())?;
        // As for a window: the products of lengths must fit 32 bits.
        self.within("values in a row", self.input.row() as u32, 1, MAX_ROW as u32)?;
        let rows_per_step = self.reader.short()?;
        if rows_per_step != 1 && rows_per_step != self.input.height {
            return self.fail(LoadError::RowsPerStep { layer: self.index });
        }
        Some((Operation::Dense { rows_per_step }, Shape { height: 1, width: 1, channels: outputs }))
    }

    /// Weights and what belongs to them, of a layer that is complete but for these.
    fn block(&mut self, layer: &Layer<'a>) -> Option<Block<'a>> {
        let weight_bits = self.reader.byte()?;
        let order = match self.reader.variant()? {
            0 => Order::Plain,
            1 => Order::Paired,
            2 => Order::Planar,
            3 => Order::Narrow,
            4 => Order::Interleaved,
            _ => return None,
        };
        let output = match self.reader.variant()? {
            0 => OutputRecord::Unsigned,
            1 => OutputRecord::Signed,
            2 => OutputRecord::UnsignedTable,
            3 => OutputRecord::SignedTable,
            4 => OutputRecord::Logits,
            _ => return None,
        };
        let alignment = self.reader.bytes()?;
        let bytes = self.reader.bytes()?;
        let block = Block { weight_bits, order, output, ..Block::NONE };
        let Some(runs) = Runs::of::<FEATURES>(&Layer { block, ..*layer }) else {
            return self.fail(LoadError::Order { layer: self.index });
        };
        if !matches!(weight_bits, 2 | 4 | 8) {
            let (layer, found) = (self.index, weight_bits.into());
            let field = "weight bits (2, 4 or 8)";
            return self.fail(LoadError::Limit { layer, field, found, minimum: 2, maximum: 8 });
        }
        let length = runs.block_bytes::<FEATURES>(&block);
        let (expected, weight_bytes, run_bytes) = length.unwrap_or((usize::MAX, 0, 0));
        if bytes.len() != expected {
            let (layer, found) = (self.index, bytes.len());
            return self.fail(LoadError::BlockLength { layer, expected, found });
        }
        if alignment.len() > 3 || alignment.iter().fold(0, |all, byte| all | byte) != 0 {
            return self.fail(LoadError::BlockAlignment { layer: self.index });
        }
        let filler = (weight_bytes.wrapping_neg() & 3) as u8;
        Some(Block { bytes, run_bytes, filler, ..block })
    }

    fn window(&mut self) -> Option<Window> {
        let all = self.reader.four()?;
        for (side, field) in all.into_iter().zip(["kernel", "kernel", "stride", "stride"]) {
            self.within(field, side.into(), 1, MAX_KERNEL.into())?;
        }
        let [height, width, down, across] = all;
        Some(Window { kernel: [height, width], stride: [down, across] })
    }

    /// Padding is smaller than the kernel, so that no window lies in the padding alone.
    fn padding(&mut self, window: Window) -> Option<Padding> {
        let all = self.reader.four()?;
        let [height, width] = window.kernel;
        for (side, kernel) in all.into_iter().zip([height, width, height, width]) {
            self.within("padding", side.into(), 0, kernel.saturating_sub(1).into())?;
        }
        let [top, left, bottom, right] = all;
        Some(Padding { top, left, bottom, right })
    }

    /// The shape after a window has walked over another one, channels unchanged.
    #[inline(never)]
    fn windowed(&mut self, shape: Shape, window: Window, padding: Padding) -> Option<Shape> {
        let Padding { top, left, bottom, right } = padding;
        let padded = usize::from(shape.width) + usize::from(left) + usize::from(right);
        let row = padded * usize::from(shape.channels);
        self.within("values in a row", row as u32, 1, MAX_ROW as u32)?;
        let height = window.positions(0, shape.height, top, bottom);
        let width = window.positions(1, shape.width, left, right);
        if height == 0 || width == 0 {
            return self.fail(LoadError::WindowTooLarge { layer: self.index });
        }
        self.within("output height", height.into(), 1, MAX_SIDE.into())?;
        self.within("output width", width.into(), 1, MAX_SIDE.into())?;
        Some(Shape { height, width, ..shape })
    }

    /// `minimum..=maximum`, or [`LoadError::Limit`].
    #[inline(never)]
    fn within(&mut self, field: &'static str, found: u32, minimum: u32, maximum: u32) -> Option<()> {
        if (minimum..=maximum).contains(&found) {
            return Some(());
        }
        self.fail(LoadError::Limit { layer: self.index, field, found, minimum, maximum })
    }

    fn fail<T>(&mut self, error: LoadError) -> Option<T> {
        self.error = error;
        None
    }
}

impl<'a, const FEATURES: u32> Iterator for Layers<'a, FEATURES> {
    type Item = Layer<'a>;

    fn next(&mut self) -> Option<Layer<'a>> {
        // They were read before, when the model was loaded.
        self.read()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::from(self.count.saturating_sub(self.index));
        (left, Some(left))
    }
}

impl<const FEATURES: u32> ExactSizeIterator for Layers<'_, FEATURES> {}
