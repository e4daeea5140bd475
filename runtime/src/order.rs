//! The orders in which a file may hold the weights of a run.
//!
//! [`Order::Plain`] is the order of the mathematics. [`Order::Paired`] is that of an instruction
//! that multiplies two 16-bit halves at once: weights that meet in one instruction form a pair, and
//! two pairs make a word, interleaved, so that extending bytes 0 and 2 to 16 bits gives the first
//! pair and bytes 1 and 3 the second:
//!
//! ```text
//! byte      0         1         2         3
//!        first A  | second A | first B | second B      (pairs AB, AB)
//! ```
//!
//! Two neighbouring channels form a pair; where the input has a single channel, two neighbouring
//! columns of the kernel do. The last pair or the second of a pair may be missing: zeros.
//!
//! [`Order::Planar`] and [`Order::Narrow`] are for cores that multiply 32 bits only, and put two pixels
//! into one factor.

mod interleaved;
mod planar;

pub use interleaved::Interleaved;
pub(crate) use interleaved::{CHANNELS, GROUP_BYTES, INPUTS};
pub use planar::Planar;
#[allow(unused_imports, reason = "for the back ends that have loops for the order")]
pub(crate) use planar::{Pieces, SUM_WORDS};

use crate::constant::{at, magnitude, smaller};
use crate::format::features::{self as f, ALL, any};
use crate::model::{Layer, Operation, Parameters, Shape, Window};

/// How the weights of a run lie in the file. A file ordered for one core runs on every other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "writer", derive(serde::Serialize))]
pub enum Order {
    /// `[kernel row][kernel column][channel]`, packed.
    #[default]
    Plain,
    /// Pairs of 8-bit weights, for cores that multiply 16-bit halves; see `docs/FORMAT.md`.
    Paired,
    /// `[channel][kernel row][kernel column]`, 8 bits in offset binary, for cores without such an
    /// instruction; see `docs/FORMAT.md`.
    Planar,
    /// As planar, but in two's complement, and with a byte that says whether the products of a kernel
    /// row with inputs of -128..=127 may add up to more than 16 bits; see `docs/FORMAT.md`.
    Narrow,
    /// Sixteen outputs side by side, for the vectors of a host; see [`Interleaved`].
    Interleaved,
}

/// The geometry of a convolution whose weights are in another order than [`Order::Plain`].
#[derive(Clone, Copy, Debug)]
pub enum Arrangement {
    /// In [`Order::Paired`].
    Paired(Paired),
    /// In [`Order::Planar`].
    Planar(Planar),
    /// In [`Order::Narrow`].
    Narrow(Planar),
}

impl Arrangement {
    /// The geometry of a layer's weights; none where they are in plain order.
    #[must_use]
    pub const fn of(layer: &Layer<'_>) -> Option<Self> {
        Self::of_layer::<ALL>(layer)
    }

    /// As [`of`](Self::of), for an order that is in `FEATURES`.
    pub(crate) const fn of_layer<const FEATURES: u32>(layer: &Layer<'_>) -> Option<Self> {
        let Operation::Convolution { window, groups, pool, .. } = layer.operation else {
            return None;
        };
        let weights = (layer.block.weight_bits, layer.input.channels, layer.input_signed);
        Self::among::<FEATURES>(layer.block.order, window, groups, pool, weights)
    }

    /// The geometry for a convolution, where `order` is in `FEATURES` and defined for it: a convolution
    /// with weights of a number of bits, over a number of channels, which may be signed.
    pub(crate) const fn among<const FEATURES: u32>(
        order: Order,
        window: Window,
        groups: u16,
        pool: Window,
        (bits, channels, signed): (u8, u16, bool),
    ) -> Option<Self> {
        match order {
            Order::Paired if any(FEATURES, f::PAIRED_CONVOLUTION) => {
                match Paired::among::<FEATURES>(window, groups, pool, bits, channels) {
                    Some(paired) => Some(Self::Paired(paired)),
                    None => None,
                }
            }
            Order::Planar if any(FEATURES, f::PLANAR_CONVOLUTION) => {
                match Planar::among::<FEATURES>(window, groups, pool, (bits, channels, signed)) {
                    Some(planar) => Some(Self::Planar(planar)),
                    None => None,
                }
            }
            Order::Narrow if any(FEATURES, f::NARROW_CONVOLUTION) => {
                match Planar::among::<FEATURES>(window, groups, pool, (bits, channels, signed)) {
                    Some(planar) if planar.side() != 5 || planar.stride() != 2 => Some(Self::Narrow(planar)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Bytes of one run.
    #[must_use]
    pub const fn run_bytes(&self) -> usize {
        match self {
            Self::Paired(paired) => paired.run_bytes(),
            Self::Planar(planar) => planar.run_bytes(),
            Self::Narrow(planar) => planar.narrow_run_bytes(),
        }
    }

    /// Place of a weight in its run.
    #[must_use]
    pub const fn position(&self, row: usize, column: usize, channel: usize) -> usize {
        match self {
            Self::Paired(paired) => paired.position(row, column, channel),
            Self::Planar(planar) | Self::Narrow(planar) => planar.position(row, column, channel),
        }
    }

    /// The weight that a byte of a run stands for.
    #[must_use]
    pub const fn weight(&self, byte: u8) -> i8 {
        match self {
            Self::Paired(_) | Self::Narrow(_) => byte as i8,
            Self::Planar(_) => (byte ^ 0x80) as i8,
        }
    }

    /// The byte that stands for a weight.
    #[must_use]
    pub const fn byte(&self, weight: i8) -> u8 {
        match self {
            Self::Paired(_) | Self::Narrow(_) => weight as u8,
            Self::Planar(_) => weight as u8 ^ 0x80,
        }
    }

    /// The places of the weights of a run, in plain order, for a kernel of a number of rows and
    /// columns over an input of a number of channels.
    pub fn positions(self, kernel: [u8; 2], channels: u16) -> impl Iterator<Item = usize> {
        let [height, width] = kernel.map(usize::from);
        let columns = move |row| (0..width).map(move |column| (row, column));
        (0..height).flat_map(columns).flat_map(move |(row, column)| {
            (0..usize::from(channels)).map(move |channel| self.position(row, column, channel))
        })
    }

    /// Whether a run holds nothing beside its weights that would change a sum.
    pub(crate) const fn is_well_formed<const FEATURES: u32>(&self, run: &[u8]) -> bool {
        match self {
            Self::Paired(paired) if any(FEATURES, f::PAIRED_CONVOLUTION) => paired.is_well_formed(run),
            Self::Narrow(planar) if any(FEATURES, f::NARROW_CONVOLUTION) => match run.split_last() {
                Some((flag, weights)) => *flag == planar.is_wide(weights) as u8,
                None => false,
            },
            // There is nothing beside the weights in planar order.
            _ => true,
        }
    }

    /// Completes a run that has all its weights.
    #[cfg(feature = "writer")]
    pub(crate) fn complete(self, run: &mut [u8]) {
        if let (Self::Narrow(planar), Some((flag, weights))) = (self, run.split_last_mut()) {
            *flag = u8::from(planar.is_wide(weights));
        }
    }

    /// What is taken from each input before it is multiplied, and from the bias as many times the sum
    /// of a run's weights.
    pub(crate) const fn input_offset(&self) -> i32 {
        match self {
            Self::Paired(_) | Self::Planar(_) => 0,
            Self::Narrow(_) => 128,
        }
    }

    /// What to add to the bias of an output channel with these weights to get the bias in the file.
    #[must_use]
    pub fn bias_offset(&self, run: &[u8]) -> i32 {
        match (self, run.split_last()) {
            (Self::Narrow(_), Some((_, weights))) => {
                self.input_offset() * weights.iter().map(|&byte| i32::from(byte as i8)).sum::<i32>()
            }
            _ => 0,
        }
    }

    /// Words of workspace for a row of outputs.
    pub(crate) const fn workspace_words<const FEATURES: u32>(&self, output: Shape) -> usize {
        match self {
            Self::Paired(paired) if any(FEATURES, f::PAIRED_CONVOLUTION) => paired.workspace_words(output),
            Self::Planar(planar) if any(FEATURES, f::PLANAR_CONVOLUTION) => planar.workspace_words(output),
            Self::Narrow(planar) if any(FEATURES, f::NARROW_CONVOLUTION) => planar.narrow_words(output),
            _ => 0,
        }
    }
}

/// Most columns of a kernel whose pairs follow each other before the next row's.
const GROUP: usize = 3;

/// Where the weights of an output channel lie in [`Order::Paired`].
#[derive(Clone, Copy, Debug)]
pub struct Paired {
    height: usize,
    width: usize,
    channels: usize,
    stride: usize,
    is_pooled: bool,
}

/// Most words of workspace for a convolution without a pool, which can be computed in pieces.
const MOST_PIECE: usize = 256;

/// Most pixels of a row that are computed side by side where there is no pool.
const MOST_PIXELS: usize = 4;

impl Paired {
    /// The geometry for a convolution, where the order is defined: 8-bit weights, one group, and a
    /// kernel of 3 x 3 without a pool at stride 1 or 2, or of 3 x 3 or 5 x 5 at stride 1 with a pool of
    /// 2 x 2 at stride 2.
    #[must_use]
    pub const fn new(
        window: Window,
        groups: u16,
        pool: Window,
        weight_bits: u8,
        channels: u16,
    ) -> Option<Self> {
        Self::among::<ALL>(window, groups, pool, weight_bits, channels)
    }

    /// As [`new`](Self::new), for a convolution that uses nothing but `FEATURES`: what these leave out is
    /// known to the compiler then.
    const fn among<const FEATURES: u32>(
        window: Window,
        groups: u16,
        pool: Window,
        weight_bits: u8,
        channels: u16,
    ) -> Option<Self> {
        let (has_pools, has_none) = (any(FEATURES, f::FUSED_POOL), any(FEATURES, f::UNPOOLED));
        let (is_pooled, is_single) = (has_pools && pool.is(2, 2), has_none && pool.is(1, 1));
        let side = match window.kernel {
            [3, 3] if any(FEATURES, f::KERNEL_3) && (is_pooled || is_single) => 3,
            [5, 5] if any(FEATURES, f::KERNEL_5) && is_pooled => 5,
            _ => return None,
        };
        let stride = match window.stride {
            [1, 1] => 1,
            [2, 2] if any(FEATURES, f::STRIDE) && is_single => 2,
            _ => return None,
        };
        if groups != 1 || weight_bits != 8 {
            return None;
        }
        let channels = channels as usize;
        Some(Self { height: side, width: side, channels, stride, is_pooled })
    }

    /// As [`new`](Self::new), where the weights are in this order.
    #[must_use]
    pub fn of(
        parameters: &Parameters<'_>,
        window: Window,
        groups: u16,
        pool: Window,
        channels: u16,
    ) -> Option<Self> {
        match parameters.order {
            Order::Paired => Self::new(window, groups, pool, parameters.weight_bits, channels),
            _ => None,
        }
    }

    /// Channel pairs; 1 where columns are paired.
    #[must_use]
    pub const fn planes(&self) -> usize {
        self.channels.div_ceil(2)
    }

    /// Bytes of the weights of one channel pair.
    #[must_use]
    pub const fn plane_bytes(&self) -> usize {
        let across = if self.channels == 1 { self.width.div_ceil(2) } else { self.width };
        (self.height * across).div_ceil(2) * 4
    }

    /// Whether a pool of 2 x 2 follows.
    #[cfg(back_end = "armv7em")]
    pub(crate) const fn is_pooled(&self) -> bool {
        self.is_pooled
    }

    /// Rows, and columns, of the kernel.
    #[cfg(back_end = "armv7em")]
    pub(crate) const fn side(&self) -> usize {
        self.height
    }

    /// Columns from a pixel to the next.
    #[cfg(back_end = "armv7em")]
    pub(crate) const fn stride(&self) -> usize {
        self.stride
    }

    /// Whether the pairs are of columns, not of channels.
    #[cfg(back_end = "armv7em")]
    pub(crate) const fn pairs_columns(&self) -> bool {
        self.channels == 1
    }

    /// Pixels of a row of `width` that are computed side by side from `column` on.
    pub(crate) const fn pixels(width: usize, column: usize) -> usize {
        match width.saturating_sub(column) {
            0 => 1,
            left => smaller(left, MOST_PIXELS),
        }
    }

    /// Words that one plane of the input takes in the workspace, widened to 16 bits, for
    /// `pixels` pixels side by side, or for the four under a pool.
    pub(crate) const fn plane_words(&self, pixels: usize) -> usize {
        let pairs_columns = self.channels == 1;
        match (self.is_pooled, self.width) {
            // Rows of 2 words, for each pair of columns.
            (true, _) if pairs_columns => self.width.div_ceil(2) * 2 * (self.height + 1),
            (false, _) if pairs_columns => self.width.div_ceil(2) * self.height * pixels,
            (true, 5) => 6 * (4 + 3),
            (true, _) => (self.height + 1) * (self.width + 1),
            (false, _) => self.height * (self.width + self.stride * (pixels - 1)),
        }
    }

    /// Words of workspace: the widened input of one window of the pool; or, of a block of pixels, the
    /// planes and the four sums of an output, as far as they fit: more of them are kept in pieces.
    pub(crate) const fn workspace_words(&self, output: Shape) -> usize {
        let pixels = Self::pixels(output.width as usize, 0);
        let planes = self.planes() * self.plane_words(pixels);
        if self.is_pooled {
            return planes;
        }
        smaller(planes + 4, MOST_PIECE)
    }

    /// Bytes of one run.
    #[must_use]
    pub const fn run_bytes(&self) -> usize {
        self.planes() * self.plane_bytes()
    }

    /// Place of a weight in its run.
    #[must_use]
    pub const fn position(&self, row: usize, column: usize, channel: usize) -> usize {
        let (plane, half, pair) = if self.channels == 1 {
            (0, column % 2, column / 2 * self.height + row)
        } else {
            let first = column / GROUP * GROUP;
            let room = self.width - first;
            let group = if room < GROUP { room } else { GROUP };
            (channel / 2, channel % 2, first * self.height + row * group + column % GROUP)
        };
        plane * self.plane_bytes() + pair / 2 * 4 + pair % 2 + 2 * half
    }

    /// Whether what the run holds beside its weights is zero, so that a kernel may multiply it.
    pub(crate) const fn is_well_formed(&self, run: &[u8]) -> bool {
        // Loops, and not `positions`: a board and a compiler have them too.
        let mut weights = 0;
        let mut row = 0;
        while row < self.height {
            let mut column = 0;
            while column < self.width {
                let mut channel = 0;
                while channel < self.channels {
                    if let Some(byte) = at(run, self.position(row, column, channel)) {
                        weights += (byte as i8).unsigned_abs() as u64;
                    }
                    channel += 1;
                }
                column += 1;
            }
            row += 1;
        }
        magnitude(run) == weights
    }

    /// The places of a run's weights, in plain order.
    pub fn positions(self) -> impl Iterator<Item = usize> {
        let Self { height, width, channels, .. } = self;
        let columns = move |row| (0..width).map(move |column| (row, column));
        (0..height).flat_map(columns).flat_map(move |(row, column)| {
            (0..channels).map(move |channel| self.position(row, column, channel))
        })
    }
}
