//! The borrowed view of a model file that has been checked. Whoever holds one of these values need
//! not check anything again: the loader is the only one that makes them, when a program runs
//! ([`Model::load`](crate::Model::load)) or while it is compiled ([`embedded_model!`](crate::embedded_model)).

mod layer;

pub(crate) use layer::{Block, BlockParts};
pub use layer::{Layer, Operation, Output, Parameters};

use crate::format::features::ALL;

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
