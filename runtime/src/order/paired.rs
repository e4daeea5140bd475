//! Where the weights of an output channel lie in [`Order::Paired`](super::Order::Paired).

use super::packed::{Packing, Unpacked};
use crate::constant::{at, magnitude, smaller};
use crate::format::features::{self as f, any};
use crate::model::{Shape, Window};

/// Most columns of a kernel whose pairs follow each other before the next row's.
const GROUP: usize = 3;

/// The geometry of a convolution whose weights are in pairs.
#[derive(Clone, Copy, Debug)]
pub struct Paired {
    height: usize,
    width: usize,
    channels: usize,
    stride: usize,
    is_pooled: bool,
    bits: u8,
}

/// Most words of workspace for a convolution without a pool, which can be computed in pieces.
const MOST_PIECE: usize = 256;

/// Most pixels of a row that are computed side by side where there is no pool.
const MOST_PIXELS: usize = 4;

impl Paired {
    /// The geometry for a convolution of one group, where the order is defined: weights of 8 bits, or of 4
    /// or 2 over a multiple of four channels, and a kernel of 3 x 3 without a pool at stride 1 or 2, or of
    /// 3 x 3 or 5 x 5 at stride 1 with a pool of 2 x 2 at stride 2; and nothing that is not in `FEATURES`, so
    /// that the compiler knows what they leave out.
    pub(super) const fn among<const FEATURES: u32>(
        window: Window,
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
        if !Packing::allows::<FEATURES>(weight_bits, channels) {
            return None;
        }
        let channels = channels as usize;
        Some(Self { height: side, width: side, channels, stride, is_pooled, bits: weight_bits })
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

    /// Bytes of one run whose weights take a byte each.
    #[must_use]
    pub const fn run_bytes(&self) -> usize {
        self.planes() * self.plane_bytes()
    }

    /// Where the weights of a run are. The pairs of a plane, 9 or 25, are one less than its words have room
    /// for.
    pub(crate) const fn packing(&self) -> Packing {
        Packing { bits: self.bits, planes: self.planes(), plane: self.plane_bytes(), has_spare: true }
    }

    /// The runs that a kernel unpacks at once, of some outputs.
    pub(crate) const fn unpacked<const FEATURES: u32>(&self, outputs: usize) -> Unpacked {
        self.packing().unpacked::<FEATURES>(self.run_bytes(), 1, outputs)
    }

    /// Place of a weight in its run, where each takes a byte.
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
        // Loops, and not iterators: a board and a compiler have them too.
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
}
