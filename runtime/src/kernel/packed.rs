//! Weights of 4 and 2 bits, unpacked to a byte each, some runs at a time, for the loops for 8 bits.
//!
//! Four weights are unpacked by a mask and two or three more operations on a word ([`crate::order`]), and
//! then meet all pixels of a block: with four of these that is half an instruction a product.

use crate::format::features::{self as f, any};
use crate::model::Parameters;
use crate::order::{Packing, Unpacked};

/// All runs of a layer, and memory to unpack some of them.
///
/// `FLIP` is added to every byte, without a carry to the next: 0 for offset binary, 0x80808080 for
/// two's complement.
pub(super) struct Packed<'a, 'w, const FEATURES: u32, const FLIP: u32> {
    weights: &'a [u32],
    run_words: usize,
    place_words: usize,
    is_4: bool,
    unpacked: Unpacked,
    memory: &'w mut [u32],
}

impl<'a, 'w, const FEATURES: u32, const FLIP: u32> Packed<'a, 'w, FEATURES, FLIP> {
    /// The weights of a layer, and the end of the workspace; with what is left of that. None where the weights
    /// are not packed.
    #[inline(always)]
    pub(super) fn split(
        parameters: &Parameters<'a>,
        packing: Packing,
        unpacked: Unpacked,
        workspace: &'w mut [u32],
    ) -> (Option<Self>, &'w mut [u32]) {
        if !packing.is_packed::<FEATURES>() {
            return (None, workspace);
        }
        let start = workspace.len().saturating_sub(unpacked.words());
        let (workspace, memory) = workspace.split_at_mut_checked(start).unwrap_or_default();
        let packed = Self {
            // Behind the biases they are aligned.
            weights: bytemuck::try_cast_slice(parameters.weights).unwrap_or_default(),
            run_words: packing.words(),
            place_words: packing.places() / 4,
            is_4: !any(FEATURES, f::WEIGHTS_2) || any(FEATURES, f::WEIGHTS_4) && parameters.weight_bits == 4,
            unpacked,
            memory,
        };
        (Some(packed), workspace)
    }

    /// How many of `left` runs are unpacked at once.
    pub(super) fn at_once(&self, left: usize) -> usize {
        left.min(self.unpacked.runs)
    }

    /// Bytes from a run to the next.
    #[cfg_attr(not(back_end = "rv32im"), allow(dead_code, reason = "for two runs at once"))]
    pub(super) const fn run_bytes(&self) -> usize {
        self.unpacked.bytes
    }

    /// Unpacks `count` runs, as many at most as [`at_once`](Self::at_once) says; none where they are not there.
    #[inline(never)]
    pub(super) fn unpack(&mut self, first: usize, count: usize) -> Option<&[u8]> {
        let run_words = self.unpacked.bytes / 4;
        let (mut from, mut to) = (self.weights.get(first * self.run_words..)?, &mut *self.memory);
        for _ in 0..count {
            let (run, rest) = from.split_at_checked(self.run_words)?;
            let (unpacked, others) = core::mem::take(&mut to).split_at_mut_checked(run_words)?;
            (from, to) = (rest, others);
            let (places, behind) = unpacked.split_at_mut_checked(self.place_words)?;
            if any(FEATURES, f::WEIGHTS_4) && self.is_4 {
                unpack_4::<FLIP>(run, places);
            } else {
                unpack_2::<FLIP>(run, places);
            }
            if let Some(none) = behind.first_mut() {
                *none = 0;
            }
        }
        Some(bytemuck::cast_slice(self.memory))
    }
}

/// Four bits in two's complement, four at a time: the sign bit flipped is 8 more.
fn unpack_4<const FLIP: u32>(run: &[u32], places: &mut [u32]) {
    let four = |word: u32| ((word & 0x0f0f_0f0f) ^ 0x0808_0808).wrapping_add(0x7878_7878) ^ FLIP;
    // Whole words first: a loop over pieces of any length takes three times the instructions.
    let (pairs, rest) = places.as_chunks_mut::<2>();
    let mut words = run.iter();
    for (pair, &word) in pairs.iter_mut().zip(&mut words) {
        *pair = [four(word), four(word >> 4)];
    }
    if let (Some(last), Some(&word)) = (rest.first_mut(), words.next()) {
        *last = four(word);
    }
}

/// Codes of two bits: twice a code is 3 more than the weight.
fn unpack_2<const FLIP: u32>(run: &[u32], places: &mut [u32]) {
    let four = |word: u32| ((word & 0x0303_0303) * 2 + 0x7d7d_7d7d) ^ FLIP;
    let (fours, rest) = places.as_chunks_mut::<4>();
    let mut words = run.iter();
    for (places, &word) in fours.iter_mut().zip(&mut words) {
        *places = [four(word), four(word >> 2), four(word >> 4), four(word >> 6)];
    }
    if let Some(&word) = words.next() {
        let mut word = word;
        for last in rest {
            *last = four(word);
            word >>= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_unpack_to_bytes() {
        let mut places = [0; 4];
        unpack_4::<0x8080_8080>(&[0x7f_89_01_00, 0x9], &mut places);
        assert_eq!(
            places.map(u32::to_le_bytes).as_flattened(),
            [0, 1, 0xf9, 0xff, 0, 0, 0xf8, 7, 0xf9, 0, 0, 0, 0, 0, 0, 0]
        );
        unpack_4::<0>(&[0x7f_89_01_00], &mut places[..1]);
        assert_eq!(places[0].to_le_bytes(), [128, 129, 121, 127]);
        unpack_2::<0x8080_8080>(&[0b11_10_01_00], &mut places);
        assert_eq!(places.map(|four| four as u8 as i8), [-3, -1, 1, 3]);
        unpack_2::<0>(&[0b11_10_01_00], &mut places);
        assert_eq!(places.map(|four| four as u8), [125, 127, 129, 131]);
    }
}
