//! The borrowed view of a model file that has been checked. Whoever holds one of these values need
//! not check anything again: the loader is the only one that makes them, when a program runs
//! ([`Model::load`](crate::Model::load)) or while it is compiled ([`embedded_model!`](crate::embedded_model)).

use crate::constant::attempt;
use crate::format::OutputRecord;
use crate::format::features::{self as f, ALL, any};
use crate::order::Order;
use crate::plan::LayerPlan;

/// Height, width and channels of a feature map; a vector of `n` values is `1 x 1 x n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
    /// Channels.
    pub channels: u16,
}

impl Shape {
    /// Values in one row: `width * channels`. The loader bounds it by
    /// [`MAX_ROW`](crate::format::MAX_ROW).
    #[must_use]
    pub const fn row(&self) -> usize {
        self.width as usize * self.channels as usize
    }
}

/// Size and step of a window, in rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "writer", derive(serde::Serialize))]
pub struct Window {
    /// Height and width.
    pub kernel: [u8; 2],
    /// Vertical and horizontal step.
    pub stride: [u8; 2],
}

impl Window {
    /// Whether it is as high as wide, and goes as far down as across.
    pub(crate) const fn is(&self, side: u8, step: u8) -> bool {
        let ([height, width], [down, across]) = (self.kernel, self.stride);
        height == side && width == side && down == step && across == step
    }

    /// How many positions the window takes along one axis (0 vertical, 1 horizontal) of `length`
    /// values with `before` and `after` values of padding: `floor((padded - kernel) / stride) + 1`,
    /// or 0 where the kernel does not fit.
    pub(crate) const fn positions(&self, axis: usize, length: u16, before: u8, after: u8) -> u16 {
        let ([vertical, horizontal], [down, across]) = (self.kernel, self.stride);
        let (kernel, stride) = if axis == 0 { (vertical, down) } else { (horizontal, across) };
        let padded = length.saturating_add(before as u16).saturating_add(after as u16);
        let Some(mut room) = padded.checked_sub(kernel as u16) else { return 0 };
        if stride == 0 {
            return 0;
        }
        // Without a division, for which Cortex-M0 would link a function.
        let mut positions = 1;
        while room >= stride as u16 {
            room -= stride as u16;
            positions += 1;
        }
        positions
    }
}

/// Rows and columns added around a feature map before a window walks over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "writer", derive(serde::Serialize))]
pub struct Padding {
    /// Rows above.
    pub top: u8,
    /// Columns to the left.
    pub left: u8,
    /// Rows below.
    pub bottom: u8,
    /// Columns to the right.
    pub right: u8,
}

impl Padding {
    /// None.
    pub(crate) const NONE: Self = Self { top: 0, left: 0, bottom: 0, right: 0 };

    /// Whether there is none.
    pub(crate) const fn is_none(&self) -> bool {
        self.top | self.left | self.bottom | self.right == 0
    }
}

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

/// A verified model of at most `LAYERS` layers that use nothing but `FEATURES`, borrowed from the bytes
/// it was loaded from.
///
/// A model that a program embeds is best verified while the program is compiled, by
/// [`embedded_model!`](crate::embedded_model): then it lies in flash like the file, and the loader is not linked.
///
/// `LAYERS` bounds its size, about 60 bytes a layer on a 32-bit core, and that of a
/// [`Recognizer`](crate::Recognizer), about 20; `FEATURES` ([`features`](crate::format::features)) bounds the
/// code: checks and kernels for anything else are not linked. The defaults load any model;
/// [`exact_model!`](crate::exact_model) is the type for a certain one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model<'a, const LAYERS: usize = { crate::format::MAX_LAYERS }, const FEATURES: u32 = ALL> {
    /// Printable ASCII.
    pub(crate) name: &'a [u8],
    pub(crate) input: Shape,
    pub(crate) logit_exponent: i8,
    pub(crate) scratch_bytes: usize,
    pub(crate) file: &'a [u8],
    /// `count` of them, and then such as are none.
    pub(crate) layers: [Layer<'a>; LAYERS],
    pub(crate) count: u8,
}

/// The type of [`Model`] that a certain file is loaded to: with room for as many layers as it has, and
/// with code for nothing but what it uses.
///
/// A board saves kilobytes of flash with it. The argument is a constant, as
/// [`include_model!`](crate::include_model) makes one:
///
/// ```
/// use tenfold_runtime::{LoadError, exact_model, include_model};
///
/// const MODEL: &[u8] =
///     include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/nano/nano.postcard"));
/// type Digits = exact_model!(MODEL);
///
/// let model = Digits::load_exact(MODEL)?;
/// assert_eq!(model.classes(), 10);
/// # Ok::<(), LoadError>(())
/// ```
#[macro_export]
macro_rules! exact_model {
    ($model:expr) => {
        $crate::Model::<'static, { $crate::layer_count($model) }, { $crate::declared_features($model) }>
    };
}

impl<'a, const LAYERS: usize, const FEATURES: u32> Model<'a, LAYERS, FEATURES> {
    /// Name of the model.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        // ASCII, as the loader has seen. Whoever does not ask for the name does not link this.
        match str::from_utf8(self.name) {
            Ok(name) => name,
            Err(_) => "",
        }
    }

    /// Shape of the input image; its pixels are `u8` and stand for `pixel / 256`.
    #[must_use]
    pub const fn input(&self) -> Shape {
        self.input
    }

    /// Number of classes, `1..=16`.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.used_layers().last().map_or(0, |layer| usize::from(layer.output.channels))
    }

    /// Binary exponent of the logits: real value = `logit * 2^-exponent`.
    #[must_use]
    pub const fn logit_exponent(&self) -> i8 {
        self.logit_exponent
    }

    /// Bytes of scratch that a [`Recognizer`](crate::Recognizer) needs.
    #[must_use]
    pub const fn scratch_bytes(&self) -> usize {
        self.scratch_bytes
    }

    /// The layers, first to last.
    #[must_use]
    pub fn layers(&self) -> impl ExactSizeIterator<Item = Layer<'a>> + DoubleEndedIterator + Clone {
        self.used_layers().iter().copied()
    }

    /// The layers that there are.
    pub(crate) fn used_layers(&self) -> &[Layer<'a>] {
        self.layers.get(..self.count.into()).unwrap_or_default()
    }

    /// Bytes of packed weights, without biases and shifts.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        let parameters = self.used_layers().iter().filter_map(|layer| layer.parameters_of::<FEATURES>());
        parameters.map(|parameters| parameters.weights.len()).sum()
    }

    /// Multiply-accumulates of one inference.
    #[must_use]
    pub fn macs(&self) -> u64 {
        self.used_layers().iter().map(Layer::macs).sum()
    }
}
