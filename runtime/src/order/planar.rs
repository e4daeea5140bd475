//! Where the weights of an output channel lie in [`Order::Planar`](super::Order::Planar).

use super::packed::{Packing, Unpacked};
use crate::constant::{larger, magnitude, smaller};
use crate::format::features::{self as f, any};
use crate::model::{Shape, Window};

/// The geometry of a convolution whose weights are plane after plane, `[channel][kernel row][kernel
/// column]`, those of 8 bits in offset binary: what is stored is the weight plus 128.
///
/// A byte is then no less than 1, and two pixels in the halves of a word times one weight are two
/// products that do not touch: 255 * 255 is less than 2^16. What a sum has too much is 128 times
/// the sum of its inputs, which is the same for all output channels.
#[derive(Clone, Copy, Debug)]
pub struct Planar {
    side: usize,
    channels: usize,
    stride: usize,
    is_pooled: bool,
    bits: u8,
}

/// Most words of workspace for a kernel of 3 x 3, and of 5 x 5.
const MOST_WORDS: [usize; 2] = [256, 128];

/// The largest sum of the magnitudes of a row that is not wide: times 128 it is less than 2^15.
const MOST_NARROW: u64 = 255;

/// Words of workspace that hold the sums of one output channel between two pieces of the input.
pub(crate) const SUM_WORDS: usize = 4;

/// How many output channels, and how many input channels, a kernel computes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pieces {
    pub(crate) outputs: usize,
    pub(crate) channels: usize,
    /// Whether sums are kept in the workspace, since the channels come in more than one piece.
    pub(crate) keeps_sums: bool,
    /// Words of workspace: the sums, where they are kept, and a piece of the channels.
    pub(crate) words: usize,
}

impl Planar {
    /// The geometry for a convolution of one group, where the order is defined: weights of 8 bits, or of 4 or
    /// 2 over a multiple of four channels, unsigned input, and a kernel of 3 x 3 or 5 x 5, either without a pool
    /// at stride 1 or 2, or at stride 1 with a pool of 2 x 2 at stride 2; and nothing that is not in `FEATURES`,
    /// so that the compiler knows what they leave out.
    pub(crate) const fn among<const FEATURES: u32>(
        window: Window,
        pool: Window,
        (weight_bits, channels, signed): (u8, u16, bool),
    ) -> Option<Self> {
        let (has_pools, has_none) = (any(FEATURES, f::FUSED_POOL), any(FEATURES, f::UNPOOLED));
        let (is_pooled, is_single) = (has_pools && pool.is(2, 2), has_none && pool.is(1, 1));
        let side = match window.kernel {
            [3, 3] if any(FEATURES, f::KERNEL_3) => 3,
            [5, 5] if any(FEATURES, f::KERNEL_5) => 5,
            _ => return None,
        };
        let stride = match window.stride {
            [1, 1] if is_pooled || is_single => 1,
            [2, 2] if any(FEATURES, f::STRIDE) && is_single => 2,
            _ => return None,
        };
        if signed || !Packing::allows::<FEATURES>(weight_bits, channels) {
            return None;
        }
        Some(Self { side, channels: channels as usize, stride, is_pooled, bits: weight_bits })
    }

    /// Bytes of one run whose weights take a byte each.
    #[must_use]
    pub const fn run_bytes(&self) -> usize {
        self.channels * self.side * self.side
    }

    /// Where the weights of a run are.
    pub(crate) const fn packing(&self) -> Packing {
        let plane = self.side * self.side;
        Packing { bits: self.bits, planes: self.channels, plane, has_spare: false }
    }

    /// The runs that a kernel unpacks at once, of some outputs.
    pub(crate) const fn unpacked<const FEATURES: u32>(&self, outputs: usize) -> Unpacked {
        self.packing().unpacked::<FEATURES>(self.run_bytes(), 1, outputs)
    }

    /// As [`unpacked`](Self::unpacked), for [`Order::Narrow`](super::Order::Narrow), whose kernels compute two
    /// outputs at once: a word follows the weights, which says that no row is wide. Seven times five
    /// is less than 255.
    pub(crate) const fn narrow_unpacked<const FEATURES: u32>(&self, outputs: usize) -> Unpacked {
        self.packing().unpacked::<FEATURES>(self.run_bytes() + 4, 2, outputs)
    }

    /// Bytes of one run in [`Order::Narrow`](super::Order::Narrow): the weights, and whether a row is wide.
    pub(crate) const fn narrow_run_bytes(&self) -> usize {
        self.run_bytes() + 1
    }

    /// Whether the products of any kernel row of these weights, in two's complement, with inputs of
    /// -128..=127 may add up to 2^15.
    pub(crate) const fn is_wide(&self, weights: &[u8]) -> bool {
        let mut rest = weights;
        while !rest.is_empty() {
            let (row, tail) = rest.split_at(smaller(larger(self.side, 1), rest.len()));
            if magnitude(row) > MOST_NARROW {
                return true;
            }
            rest = tail;
        }
        false
    }

    /// Place of a weight in its run, where each takes a byte.
    #[must_use]
    pub const fn position(&self, row: usize, column: usize, channel: usize) -> usize {
        (channel * self.side + row) * self.side + column
    }

    /// Whether a pool of 2 x 2 follows.
    #[allow(dead_code, reason = "for the back ends that have loops for this order")]
    pub(crate) const fn is_pooled(&self) -> bool {
        self.is_pooled
    }

    /// Rows, and columns, of the kernel.
    #[allow(dead_code, reason = "for the back ends that have loops for this order")]
    pub(crate) const fn side(&self) -> usize {
        self.side
    }

    /// Columns of the input from a pixel to the next.
    #[allow(dead_code, reason = "for the back ends that have loops for this order")]
    pub(crate) const fn stride(&self) -> usize {
        self.stride
    }

    /// Pixels of a row that are computed at once where `left` are left of a row without a pool: four
    /// or three, as two overlapping pairs of pixels, or else one pair, which may be one pixel twice.
    pub(crate) const fn pixels(&self, left: usize) -> usize {
        let most = if self.side == 5 && self.stride == 2 { 2 } else { 4 };
        if left < most { left } else { most }
    }

    /// Words of the workspace that a row of the kernel meets in one channel: the columns under a
    /// pair of pixels, or under two pairs, of which one is a stride to the right of the other.
    pub(crate) const fn row_words(&self, pixels: usize) -> usize {
        let pairs_overlap = self.is_pooled || pixels > 2;
        self.side + if pairs_overlap { self.stride } else { 0 }
    }

    /// What fits into the workspace at once. The channels of a piece are so few that the sum of a
    /// window's inputs is less than 2^16: 28 of 3 x 3, 5 of 5 x 5.
    pub(crate) const fn pieces(&self, output: Shape) -> Pieces {
        self.pieces_of(output, self.plane_words(output))
    }

    /// As [`pieces`](Self::pieces), for [`Order::Narrow`](super::Order::Narrow).
    pub(crate) const fn narrow_pieces(&self, output: Shape) -> Pieces {
        self.pieces_of(output, self.narrow_plane_words())
    }

    /// Words of one channel in [`Order::Narrow`](super::Order::Narrow): two overlapping pairs of pixels.
    const fn narrow_plane_words(&self) -> usize {
        self.side * (self.side + self.stride)
    }

    const fn pieces_of(&self, output: Shape, plane: usize) -> Pieces {
        let outputs = output.channels as usize;
        let most = if self.side == 3 { MOST_WORDS[0] } else { MOST_WORDS[1] };
        let words = self.channels * plane;
        if words <= most {
            return Pieces { outputs, channels: self.channels, keeps_sums: false, words };
        }
        let outputs = smaller(outputs, most / 2 / SUM_WORDS);
        let sums = outputs * SUM_WORDS;
        // Without a division, for which Cortex-M0 would link a function; there are few at most.
        let mut channels = 1;
        while (channels + 1) * plane <= most - sums {
            channels += 1;
        }
        Pieces { outputs, channels, keeps_sums: true, words: sums + channels * plane }
    }

    /// Words of workspace for a row of outputs.
    pub(crate) const fn workspace_words(&self, output: Shape) -> usize {
        self.pieces(output).words
    }

    /// As [`workspace_words`](Self::workspace_words), for [`Order::Narrow`](super::Order::Narrow).
    pub(crate) const fn narrow_words(&self, output: Shape) -> usize {
        self.narrow_pieces(output).words
    }

    /// Words of one channel, at most: one for the kernel's use, and those that the kernel meets.
    const fn plane_words(&self, output: Shape) -> usize {
        1 + self.side * self.row_words(self.pixels(output.width as usize))
    }
}
