//! AVX2: 16 products an instruction.
//!
//! `VPMADDWD` multiplies 16 signed halves of words and adds neighbouring products, exactly; an input is
//! widened to 16 bits when it is copied, a weight when it is loaded. (`VPMADDUBSW` would multiply
//! bytes, but saturates where two products exceed 16 bits.) A vector holds four weights each of
//! four output channels; the two sums of a channel are added at the end.
//!
//! Results equal [`portable`](super::portable)'s: the products are exact, and an accumulator that a
//! loaded model cannot bring to overflow may be summed up in any order.

use core::arch::x86_64::*;

use super::portable::Convolution;
use super::{Interleaved, Layer, Parameters, Patch, Rows, interleaved};
use crate::order::{GROUP_BYTES, INPUTS};

/// Output channels in a vector.
const LANES: usize = 8;
/// Bytes of the weights in a vector.
const VECTOR_BYTES: usize = LANES * INPUTS;

/// Windows whose sums are computed side by side: two registers each, of sixteen.
const POSITIONS: usize = 4;

/// As [`interleaved::convolution`].
#[target_feature(enable = "avx2")]
pub(super) fn convolution(
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    order: Interleaved,
    memory: (Rows<'_>, &mut [u32], &mut [u8]),
) {
    let sums = |patch: Patch<'_, i16>, starts: &_, weights: &_| sums(patch, starts, weights);
    if layer.input_signed {
        interleaved::convolution(layer, job, order, memory, |byte| i16::from(byte as i8), sums);
    } else {
        interleaved::convolution(layer, job, order, memory, i16::from, sums);
    }
}

/// As [`interleaved::dense_step`].
#[target_feature(enable = "avx2")]
pub(super) fn dense_step(
    signed: bool,
    parameters: &Parameters<'_>,
    order: Interleaved,
    step: usize,
    input: &[u8],
    sums: &mut [i32],
) {
    if signed {
        interleaved::dense_step(parameters, order, step, input, sums, |x: &_, w: &_| dot::<true>(x, w));
    } else {
        interleaved::dense_step(parameters, order, step, input, sums, |x: &_, w: &_| dot::<false>(x, w));
    }
}

/// As [`interleaved::dense`].
#[target_feature(enable = "avx2")]
pub(super) fn dense(signed: bool, parameters: &Parameters<'_>, input: &[u8], out: &mut [u8]) {
    if signed {
        interleaved::dense(parameters, input, out, |x: &_, w: &_| dot::<true>(x, w));
    } else {
        interleaved::dense(parameters, input, out, |x: &_, w: &_| dot::<false>(x, w));
    }
}

#[target_feature(enable = "avx2")]
fn sums(
    patch: Patch<'_, i16>,
    starts: &[usize; POSITIONS],
    weights: &[u8],
) -> [[[i32; LANES]; 1]; POSITIONS] {
    let mut all = [[[0; LANES]]; POSITIONS];
    if !patch.holds(starts, weights, 1, VECTOR_BYTES) {
        return all;
    }
    let mut sums = [[_mm256_setzero_si256(); 2]; POSITIONS];
    let (inputs, mut weights) = (patch.values.as_ptr(), weights.as_ptr());
    for row in 0..patch.rows {
        for group in 0..patch.groups {
            let place = row * patch.pitch + group * INPUTS;
            // SAFETY: `holds` has compared: from each start on there are the values up to the last
            // group of the last row, and of as many groups of weights the bytes that are read.
            let vectors = unsafe { widen(weights) };
            weights = weights.wrapping_add(GROUP_BYTES);
            for (sums, start) in sums.iter_mut().zip(starts) {
                // SAFETY: as above.
                let four = unsafe { inputs.add(start + place).cast::<i64>().read_unaligned() };
                multiply(sums, _mm256_set1_epi64x(four), vectors);
            }
        }
    }
    for ([lanes], sum) in all.iter_mut().zip(&sums) {
        *lanes = self::lanes(*sum);
    }
    all
}

#[target_feature(enable = "avx2")]
fn dot<const SIGNED: bool>(input: &[u8], weights: &[u8]) -> [i32; LANES] {
    // Two sums, so that none waits for the one before. The last group is completed with zeros.
    let mut sums = [[_mm256_setzero_si256(); 2]; 2];
    for (inputs, weights) in input.chunks(2 * INPUTS).zip(weights.chunks(2 * GROUP_BYTES)) {
        let groups = inputs.chunks(INPUTS).zip(weights.chunks(GROUP_BYTES));
        for (sum, (inputs, weights)) in sums.iter_mut().zip(groups) {
            let Some(weights) = weights.first_chunk::<VECTOR_BYTES>() else { continue };
            // SAFETY: the reference is to as many bytes as are read.
            let vectors = unsafe { widen(weights.as_ptr()) };
            let four = _mm_set1_epi32(interleaved::group(inputs) as i32);
            let four = if SIGNED { _mm256_cvtepi8_epi16(four) } else { _mm256_cvtepu8_epi16(four) };
            multiply(sum, four, vectors);
        }
    }
    let [[first, second], [third, fourth]] = sums;
    lanes([_mm256_add_epi32(first, third), _mm256_add_epi32(second, fourth)])
}

/// The weights of `LANES` output channels in a group, widened to 16 bits.
///
/// # Safety
///
/// There are `VECTOR_BYTES` bytes at `weights`.
#[target_feature(enable = "avx2")]
unsafe fn widen(weights: *const u8) -> [__m256i; 2] {
    // SAFETY: the caller's promise.
    let (low, high) = unsafe { (_mm_loadu_si128(weights.cast()), _mm_loadu_si128(weights.add(16).cast())) };
    [_mm256_cvtepi8_epi16(low), _mm256_cvtepi8_epi16(high)]
}

#[target_feature(enable = "avx2")]
fn multiply(sums: &mut [__m256i; 2], four: __m256i, weights: [__m256i; 2]) {
    for (sum, weights) in sums.iter_mut().zip(weights) {
        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(four, weights));
    }
}

/// The sums of the output channels, in order, from two halves of each.
#[target_feature(enable = "avx2")]
fn lanes([low, high]: [__m256i; 2]) -> [i32; LANES] {
    // Channels 0 1 4 5, 2 3 6 7: then the middle pairs change places.
    let vector = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(low, high));
    let mut lanes = [0; LANES];
    // SAFETY: the array is as long as the vector.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), vector) };
    lanes
}
