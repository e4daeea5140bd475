//! `VPDPBUSD`, on vectors of either length.
//!
//! It multiplies each of four unsigned bytes with its signed byte and adds the four products to a lane of
//! 32 bits, without saturation (Intel Software Developer's Manual, volume 2). Unsigned are the inputs,
//! broadcast; signed the weights, of as many output channels as the vector has lanes.
//!
//! Results equal [`portable`](super::portable)'s: sums wrap, and what they wrap to is right once all
//! products are added, as no accumulator of a loaded model overflows. A signed input enters with 128
//! added, which is a flipped sign bit; 128 times the sum of the weights is taken off again.
//!
//! All of it is inlined into functions that are compiled with the instructions.

use super::portable::Convolution;
use super::{Interleaved, Layer, Parameters, Patch, Rows, interleaved};
use crate::order::{GROUP_BYTES, INPUTS};

/// The instructions for vectors of `LANES` lanes; a value proves that the processor has them.
pub(super) trait Vnni<const LANES: usize>: Copy {
    /// `LANES` words.
    type Vector: Copy;

    /// The same word in every lane.
    fn splat(self, word: i32) -> Self::Vector;

    /// # Safety
    ///
    /// There are `LANES` words at `words`, which need no alignment.
    unsafe fn load(self, words: *const u8) -> Self::Vector;

    /// `sum` plus, in each lane, four products of unsigned `inputs` and signed `weights`.
    fn multiply(self, sum: Self::Vector, inputs: Self::Vector, weights: Self::Vector) -> Self::Vector;

    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    fn subtract(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    fn lanes(self, vector: Self::Vector) -> [i32; LANES];
}

/// As [`interleaved::convolution`].
#[inline(always)]
pub(super) fn convolution<
    I: Vnni<LANES>,
    const LANES: usize,
    const SIGNED: bool,
    const VECTORS: usize,
    const POSITIONS: usize,
>(
    isa: I,
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    order: Interleaved,
    memory: (Rows<'_>, &mut [u32], &mut [u8]),
) {
    let flip = if SIGNED { 0x80 } else { 0 };
    let sums = |patch: Patch<'_, u8>, starts: &[usize; POSITIONS], weights: &_| {
        sums::<I, LANES, SIGNED, VECTORS, POSITIONS>(isa, patch, starts, weights)
    };
    interleaved::convolution(layer, job, order, memory, |byte| byte ^ flip, sums);
}

/// As [`interleaved::dense_step`].
#[inline(always)]
pub(super) fn dense_step<const LANES: usize>(
    isa: impl Vnni<LANES>,
    signed: bool,
    parameters: &Parameters<'_>,
    order: Interleaved,
    step: usize,
    input: &[u8],
    sums: &mut [i32],
) {
    if signed {
        interleaved::dense_step(parameters, order, step, input, sums, |x: &_, w: &_| {
            dot::<LANES, true>(isa, x, w)
        });
    } else {
        interleaved::dense_step(parameters, order, step, input, sums, |x: &_, w: &_| {
            dot::<LANES, false>(isa, x, w)
        });
    }
}

/// As [`interleaved::dense`].
#[inline(always)]
pub(super) fn dense<const LANES: usize>(
    isa: impl Vnni<LANES>,
    signed: bool,
    parameters: &Parameters<'_>,
    input: &[u8],
    out: &mut [u8],
) {
    if signed {
        interleaved::dense(parameters, input, out, |x: &_, w: &_| dot::<LANES, true>(isa, x, w));
    } else {
        interleaved::dense(parameters, input, out, |x: &_, w: &_| dot::<LANES, false>(isa, x, w));
    }
}

#[inline(always)]
fn sums<
    I: Vnni<LANES>,
    const LANES: usize,
    const SIGNED: bool,
    const VECTORS: usize,
    const POSITIONS: usize,
>(
    isa: I,
    patch: Patch<'_, u8>,
    starts: &[usize; POSITIONS],
    weights: &[u8],
) -> [[[i32; LANES]; VECTORS]; POSITIONS] {
    let mut all = [[[0; LANES]; VECTORS]; POSITIONS];
    if !patch.holds(starts, weights, VECTORS, LANES * INPUTS) {
        return all;
    }
    let mut sums = [[isa.splat(0); VECTORS]; POSITIONS];
    let mut excess = [isa.splat(0); VECTORS];
    let (inputs, mut weights) = (patch.values.as_ptr(), weights.as_ptr());
    for row in 0..patch.rows {
        for group in 0..patch.groups {
            let place = row * patch.pitch + group * INPUTS;
            let mut vectors = [isa.splat(0); VECTORS];
            for (index, vector) in vectors.iter_mut().enumerate() {
                // SAFETY: `holds` has compared: there are as many groups of weights of each vector.
                *vector = unsafe { isa.load(weights.add(index * patch.vector_pitch)) };
            }
            weights = weights.wrapping_add(GROUP_BYTES);
            for (sums, start) in sums.iter_mut().zip(starts) {
                // SAFETY: `holds` has compared: from each start on there are the values up to the last
                // group of the last row.
                let four = unsafe { inputs.add(start + place).cast::<i32>().read_unaligned() };
                for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                    *sum = isa.multiply(*sum, isa.splat(four), vector);
                }
            }
            if SIGNED {
                for (excess, &vector) in excess.iter_mut().zip(&vectors) {
                    *excess = isa.multiply(*excess, isa.splat(FLIPPED), vector);
                }
            }
        }
    }
    for (all, sums) in all.iter_mut().zip(&sums) {
        for ((lanes, &sum), &excess) in all.iter_mut().zip(sums).zip(&excess) {
            *lanes = isa.lanes(isa.subtract(sum, excess));
        }
    }
    all
}

#[inline(always)]
fn dot<const LANES: usize, const SIGNED: bool>(
    isa: impl Vnni<LANES>,
    input: &[u8],
    weights: &[u8],
) -> [i32; LANES] {
    let flip = if SIGNED { FLIPPED as u32 } else { 0 };
    let mut excess = isa.splat(0);
    // Four sums, so that none waits for the one before. The last group is completed with zeros.
    let mut sums = [isa.splat(0); 4];
    for (inputs, weights) in input.chunks(4 * INPUTS).zip(weights.chunks(4 * GROUP_BYTES)) {
        let groups = inputs.chunks(INPUTS).zip(weights.chunks(GROUP_BYTES));
        for (sum, (inputs, weights)) in sums.iter_mut().zip(groups) {
            let Some(weights) = weights.get(..LANES * INPUTS) else { continue };
            // SAFETY: the slice has as many bytes as are read.
            let weights = unsafe { isa.load(weights.as_ptr()) };
            let inputs = isa.splat((interleaved::group(inputs) ^ flip) as i32);
            *sum = isa.multiply(*sum, inputs, weights);
            if SIGNED {
                excess = isa.multiply(excess, isa.splat(FLIPPED), weights);
            }
        }
    }
    let [first, second, third, fourth] = sums;
    let sum = isa.add(isa.add(first, second), isa.add(third, fourth));
    isa.lanes(isa.subtract(sum, excess))
}

/// The sign bits of four bytes.
const FLIPPED: i32 = 0x8080_8080_u32 as i32;
