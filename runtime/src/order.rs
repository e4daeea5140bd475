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
//!
//! Weights of 4 and 2 bits are [packed](Packing) in these three orders, for a kernel to unpack.

mod interleaved;
mod packed;
mod paired;
mod planar;

pub use interleaved::Interleaved;
pub(crate) use interleaved::{CHANNELS, GROUP_BYTES, INPUTS};
#[allow(unused_imports, reason = "for the back ends that have loops for the orders")]
pub(crate) use packed::Unpacked;
pub(crate) use packed::{PackedSums, Packing};
pub(crate) use paired::Paired;
pub(crate) use planar::Planar;
#[allow(unused_imports, reason = "for the back ends that have loops for the order")]
pub(crate) use planar::{Pieces, SUM_WORDS};

use crate::constant::{at, attempt};
use crate::format::features::{self as f, ALL, any};
use crate::model::{Layer, Operation, Shape, Window};

/// How the weights of a run lie in the file. A file ordered for one core runs on every other, but for
/// [`Order::Interleaved`], which a target without an operating system refuses
/// ([`LoadError::Order`](crate::LoadError::Order)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "writer", derive(serde::Serialize))]
pub enum Order {
    /// `[kernel row][kernel column][channel]`, packed.
    #[default]
    Plain,
    /// Pairs of weights, for cores that multiply 16-bit halves; see `docs/FORMAT.md`.
    Paired,
    /// `[channel][kernel row][kernel column]`, those of 8 bits in offset binary, for cores without such an
    /// instruction; see `docs/FORMAT.md`.
    Planar,
    /// As planar, but in two's complement, and with a byte that says whether the products of a kernel
    /// row with inputs of -128..=127 may add up to more than 16 bits; see `docs/FORMAT.md`.
    Narrow,
    /// Sixteen outputs side by side, for the vectors of a host, and for nothing else; see [`Interleaved`].
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
        let channels = layer.input.channels;
        let is_grouped = any(FEATURES, f::GROUPED_CONVOLUTION);
        let depth = if is_grouped { attempt!(channels.checked_div(groups)) } else { channels };
        let weights = (layer.block.weight_bits, depth, layer.input_signed);
        Self::among::<FEATURES>(layer.block.order, window, groups, pool, weights)
    }

    /// The geometry for a convolution, where `order` is in `FEATURES` and defined for it: a convolution
    /// with weights of a number of bits, over a number of channels in a group, which may be signed. Of several groups, each is a
    /// convolution of its own, over two channels at least.
    pub(crate) const fn among<const FEATURES: u32>(
        order: Order,
        window: Window,
        groups: u16,
        pool: Window,
        (bits, channels, signed): (u8, u16, bool),
    ) -> Option<Self> {
        if groups != 1 && (channels < 2 || !any(FEATURES, f::GROUPED_CONVOLUTION)) {
            return None;
        }
        match order {
            Order::Paired if any(FEATURES, f::PAIRED_CONVOLUTION) => {
                match Paired::among::<FEATURES>(window, pool, bits, channels) {
                    Some(paired) => Some(Self::Paired(paired)),
                    None => None,
                }
            }
            Order::Planar if any(FEATURES, f::PLANAR_CONVOLUTION) => {
                match Planar::among::<FEATURES>(window, pool, (bits, channels, signed)) {
                    Some(planar) => Some(Self::Planar(planar)),
                    None => None,
                }
            }
            Order::Narrow if any(FEATURES, f::NARROW_CONVOLUTION) => {
                match Planar::among::<FEATURES>(window, pool, (bits, channels, signed)) {
                    Some(planar) if planar.side() != 5 || planar.stride() != 2 => Some(Self::Narrow(planar)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Where the weights of a run are.
    pub(crate) const fn packing(&self) -> Packing {
        match self {
            Self::Paired(paired) => paired.packing(),
            Self::Planar(planar) | Self::Narrow(planar) => planar.packing(),
        }
    }

    /// Bytes of one run.
    #[must_use]
    pub const fn run_bytes(&self) -> usize {
        let packing = self.packing();
        match self {
            _ if packing.is_packed::<ALL>() => packing.words() * 4,
            Self::Paired(paired) => paired.run_bytes(),
            Self::Planar(planar) => planar.run_bytes(),
            Self::Narrow(planar) => planar.narrow_run_bytes(),
        }
    }

    /// Place of a weight in its run, where each takes a byte.
    #[must_use]
    pub const fn position(&self, row: usize, column: usize, channel: usize) -> usize {
        match self {
            Self::Paired(paired) => paired.position(row, column, channel),
            Self::Planar(planar) | Self::Narrow(planar) => planar.position(row, column, channel),
        }
    }

    /// The weight at a place of a run; 0 beyond it.
    #[must_use]
    pub const fn weight(&self, run: &[u8], place: usize) -> i8 {
        let packing = self.packing();
        if packing.is_packed::<ALL>() {
            return packing.weight(run, place);
        }
        match (self, at(run, place)) {
            (Self::Paired(_) | Self::Narrow(_), Some(byte)) => byte as i8,
            (Self::Planar(_), Some(byte)) => (byte ^ 0x80) as i8,
            (_, None) => 0,
        }
    }

    /// Puts a weight at a place of a run that has none there yet.
    #[cfg(feature = "writer")]
    pub(crate) fn set_weight(&self, run: &mut [u8], place: usize, weight: i8) {
        let packing = self.packing();
        if packing.is_packed::<ALL>() {
            packing.set(run, place, weight);
        } else if let Some(byte) = run.get_mut(place) {
            *byte = weight as u8 ^ if matches!(self, Self::Planar(_)) { 0x80 } else { 0 };
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

    /// Whether a run of 8-bit weights holds nothing beside them that would change a sum.
    pub(crate) const fn is_well_formed<const FEATURES: u32>(&self, run: &[u8]) -> bool {
        match self {
            _ if self.packing().is_packed::<FEATURES>() => true,
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
        if let (Self::Narrow(planar), Some((flag, weights))) = (self, run.split_last_mut())
            && !self.packing().is_packed::<ALL>()
        {
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
        match self {
            Self::Narrow(_) => {
                let weights = (0..self.packing().places()).map(|place| self.weight(run, place));
                self.input_offset() * weights.map(i32::from).sum::<i32>()
            }
            _ => 0,
        }
    }

    /// Words of workspace for a row of outputs: of a kernel's own, and for the runs that it unpacks.
    pub(crate) const fn workspace_words<const FEATURES: u32>(&self, output: Shape) -> usize {
        let outputs = output.channels as usize;
        match self {
            Self::Paired(paired) if any(FEATURES, f::PAIRED_CONVOLUTION) => {
                paired.workspace_words(output) + paired.unpacked::<FEATURES>(outputs).words()
            }
            Self::Planar(planar) if any(FEATURES, f::PLANAR_CONVOLUTION) => {
                planar.workspace_words(output) + planar.unpacked::<FEATURES>(outputs).words()
            }
            Self::Narrow(planar) if any(FEATURES, f::NARROW_CONVOLUTION) => {
                planar.narrow_words(output) + planar.narrow_unpacked::<FEATURES>(outputs).words()
            }
            _ => 0,
        }
    }
}
