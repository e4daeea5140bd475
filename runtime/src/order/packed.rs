//! How the weights of a run in paired, planar or narrow order lie where they have 4 or 2 bits.
//!
//! The order gives each weight a place, as if it took a byte. Eight places (of 2 bits: sixteen) share
//! a word: of these the first four have the lowest bits of the word's four bytes, the next four the
//! bits above, and so on. So a mask yields four weights in order, and a shift the four after:
//!
//! ```text
//! byte           0           1           2           3
//! 4 bits     4 | 0       5 | 1       6 | 2       7 | 3        places, high bits first
//! ```
//!
//! A run is whole words. A kernel unpacks some runs to a byte a weight, and goes on as with 8 bits.

use crate::constant::at;
use crate::format::features::{self as f, any};

/// The places of a run, and the bits of a weight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packing {
    /// Bits a weight: 8 where nothing is packed, 4 or 2.
    pub(super) bits: u8,
    /// Planes of a run.
    pub(super) planes: usize,
    /// Places of a plane.
    pub(super) plane: usize,
    /// Whether the last pair of a plane is none: its places are the last but two and the last.
    pub(super) has_spare: bool,
}

/// What the codes of one run stand for.
pub(crate) struct PackedSums {
    /// The sum of the weights' magnitudes.
    pub(crate) magnitude: u32,
    /// The sum of the weights.
    pub(crate) sum: i32,
    /// Whether one is outside the symmetric range.
    pub(crate) is_forbidden: bool,
    /// Whether the bits beside the weights are zero.
    pub(crate) is_clean: bool,
}

/// Runs that are unpacked at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unpacked {
    /// How many.
    pub(crate) runs: usize,
    /// Bytes of each, a multiple of four.
    pub(crate) bytes: usize,
}

impl Unpacked {
    /// Words of all of them.
    pub(crate) const fn words(&self) -> usize {
        self.runs * self.bytes / 4
    }
}

/// Bytes that are unpacked at once, where they hold more than one run.
const UNPACKED: usize = 320;

impl Packing {
    /// Whether weights of some bits, over some channels, can be in such an order: with 8 bits, or with as
    /// few as `FEATURES` say, where the places of a run are whole words, and pairs are of channels.
    pub(super) const fn allows<const FEATURES: u32>(bits: u8, channels: u16) -> bool {
        let is_packed = any(FEATURES, f::WEIGHTS_4) && bits == 4 || any(FEATURES, f::WEIGHTS_2) && bits == 2;
        bits == 8 || is_packed && channels.is_multiple_of(4)
    }

    /// Whether a kernel has to unpack, with code for nothing but `FEATURES`.
    #[inline(always)]
    pub(crate) const fn is_packed<const FEATURES: u32>(&self) -> bool {
        any(FEATURES, f::WEIGHTS_4 | f::WEIGHTS_2) && self.bits != 8
    }

    /// Places of a run.
    pub(crate) const fn places(&self) -> usize {
        self.planes * self.plane
    }

    /// Words of a packed run.
    pub(crate) const fn words(&self) -> usize {
        match self.bits {
            4 => self.places().div_ceil(8),
            _ => self.places().div_ceil(16),
        }
    }

    /// The places that the words of a packed run have room for.
    pub(crate) const fn room(&self) -> usize {
        self.words() * if self.bits == 4 { 8 } else { 16 }
    }

    /// The runs of some `outputs` that a kernel unpacks at once, each to `bytes` bytes: at least `least`; none
    /// where nothing is packed.
    pub(super) const fn unpacked<const FEATURES: u32>(
        &self,
        bytes: usize,
        least: usize,
        outputs: usize,
    ) -> Unpacked {
        if !self.is_packed::<FEATURES>() {
            return Unpacked { runs: 0, bytes };
        }
        // Without a division, for which Cortex-M0 would link a function.
        let mut runs = least;
        while (runs + 1) * bytes <= UNPACKED && runs < outputs {
            runs += 1;
        }
        Unpacked { runs, bytes }
    }

    /// The byte of a run that holds a place, and how far up in it.
    const fn bits_of(&self, place: usize) -> (usize, usize) {
        let (byte, above) = match self.bits {
            4 => (place / 8 * 4, place % 8 / 4 * 4),
            _ => (place / 16 * 4, place % 16 / 4 * 2),
        };
        (byte + place % 4, above)
    }

    /// What the bits of a place are; 0 beyond the run.
    const fn code(&self, run: &[u8], place: usize) -> u8 {
        let (byte, above) = self.bits_of(place);
        match at(run, byte) {
            Some(byte) => byte >> above & if self.bits == 4 { 15 } else { 3 },
            None => 0,
        }
    }

    /// The weight that a code stands for.
    const fn weight_of(&self, code: u8) -> i8 {
        if self.bits == 4 { ((code ^ 8) as i8) - 8 } else { 2 * code as i8 - 3 }
    }

    /// The weight at a place.
    pub(crate) const fn weight(&self, run: &[u8], place: usize) -> i8 {
        self.weight_of(self.code(run, place))
    }

    /// Packs a weight.
    #[cfg(feature = "writer")]
    pub(crate) fn set(&self, run: &mut [u8], place: usize, weight: i8) {
        let (byte, above) = self.bits_of(place);
        if let Some(byte) = run.get_mut(byte) {
            let code =
                if self.bits == 4 { weight as u8 & 15 } else { ((i16::from(weight) + 3) / 2) as u8 & 3 };
            *byte |= code << above;
        }
    }

    /// Adds up the weights of a run, and looks at what is beside them.
    pub(crate) const fn sums(&self, run: &[u8]) -> PackedSums {
        let mut sums = PackedSums { magnitude: 0, sum: 0, is_forbidden: false, is_clean: true };
        let (mut place, mut in_plane) = (0, 0);
        while place < self.room() {
            let code = self.code(run, place);
            let is_spare = self.has_spare && (in_plane + 1 == self.plane || in_plane + 3 == self.plane);
            if place >= self.places() || is_spare {
                sums.is_clean &= code == 0;
            } else {
                let weight = self.weight_of(code);
                sums.magnitude += weight.unsigned_abs() as u32;
                sums.sum += weight as i32;
                sums.is_forbidden |= weight == -8;
            }
            place += 1;
            in_plane += 1;
            if in_plane == self.plane {
                in_plane = 0;
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_yields_four_weights_in_order() {
        let packing = Packing { bits: 4, planes: 4, plane: 9, has_spare: false };
        assert_eq!((packing.places(), packing.words(), packing.room()), (36, 5, 40));
        let run = [0x40, 0x51, 0x62, 0x73, 0x00];
        assert_eq!(
            [0, 1, 2, 3, 4, 5, 6, 7].map(|place| packing.weight(&run, place)),
            [0, 1, 2, 3, 4, 5, 6, 7]
        );
        let packing = Packing { bits: 2, ..packing };
        #[cfg(feature = "writer")]
        packing.set(&mut [0; 12], 0, i8::MAX);
        assert_eq!((packing.words(), packing.room()), (3, 48));
        let run = [0b11_10_01_00, 0, 0, 0b00_01_10_11];
        assert_eq!([0, 4, 8, 12].map(|place| packing.weight(&run, place)), [-3, -1, 1, 3]);
        assert_eq!([3, 7, 11, 15].map(|place| packing.weight(&run, place)), [3, 1, -1, -3]);
    }
}
