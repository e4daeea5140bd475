//! AVX-VNNI: the instruction of [`avx512`](super::avx512) on vectors half as long, for processors
//! that have it without AVX-512.
//!
//! Half a block of output channels at a time. Why results equal [`portable`](super::portable)'s is told
//! there.

use core::arch::x86_64::*;

use super::portable::Convolution;
use super::{Interleaved, Layer, Parameters, Patch, Rows, interleaved};
use crate::order::{GROUP_BYTES, INPUTS};

/// Output channels in a vector.
const LANES: usize = 8;
/// Bytes of the weights in a vector.
const VECTOR_BYTES: usize = LANES * INPUTS;

/// As [`interleaved::convolution`].
///
/// Eight sums are in the making at once, so that none waits for the one before.
#[target_feature(enable = "avx2,avxvnni")]
pub(super) fn convolution(
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    order: Interleaved,
    memory: (Rows<'_>, &mut [u32], &mut [u8]),
) {
    match (usize::from(layer.output.channels) <= LANES, layer.input_signed) {
        (true, false) => convolve::<false, 1, 8>(layer, job, order, memory),
        (true, true) => convolve::<true, 1, 8>(layer, job, order, memory),
        (false, false) => convolve::<false, 2, 4>(layer, job, order, memory),
        (false, true) => convolve::<true, 2, 4>(layer, job, order, memory),
    }
}

#[target_feature(enable = "avx2,avxvnni")]
fn convolve<const SIGNED: bool, const VECTORS: usize, const POSITIONS: usize>(
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    order: Interleaved,
    memory: (Rows<'_>, &mut [u32], &mut [u8]),
) {
    let flip = if SIGNED { 0x80 } else { 0 };
    let sums = |patch: Patch<'_, u8>, starts: &[usize; POSITIONS], weights: &_| {
        sums::<SIGNED, VECTORS, POSITIONS>(patch, starts, weights)
    };
    interleaved::convolution(layer, job, order, memory, |byte| byte ^ flip, sums);
}

/// As [`interleaved::dense_step`].
#[target_feature(enable = "avx2,avxvnni")]
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
#[target_feature(enable = "avx2,avxvnni")]
pub(super) fn dense(signed: bool, parameters: &Parameters<'_>, input: &[u8], out: &mut [u8]) {
    if signed {
        interleaved::dense(parameters, input, out, |x: &_, w: &_| dot::<true>(x, w));
    } else {
        interleaved::dense(parameters, input, out, |x: &_, w: &_| dot::<false>(x, w));
    }
}

#[target_feature(enable = "avx2,avxvnni")]
fn sums<const SIGNED: bool, const VECTORS: usize, const POSITIONS: usize>(
    patch: Patch<'_, u8>,
    starts: &[usize; POSITIONS],
    weights: &[u8],
) -> [[[i32; LANES]; VECTORS]; POSITIONS] {
    let mut all = [[[0; LANES]; VECTORS]; POSITIONS];
    if !patch.holds(starts, weights, VECTORS, VECTOR_BYTES) {
        return all;
    }
    let mut sums = [[_mm256_setzero_si256(); VECTORS]; POSITIONS];
    let mut excess = [_mm256_setzero_si256(); VECTORS];
    let (inputs, mut weights) = (patch.values.as_ptr(), weights.as_ptr());
    for row in 0..patch.rows {
        for group in 0..patch.groups {
            let place = row * patch.pitch + group * INPUTS;
            let mut vectors = [_mm256_setzero_si256(); VECTORS];
            for (index, vector) in vectors.iter_mut().enumerate() {
                // SAFETY: `holds` has compared: there are as many groups of weights of each vector.
                *vector = unsafe { _mm256_loadu_si256(weights.add(index * patch.vector_pitch).cast()) };
            }
            weights = weights.wrapping_add(GROUP_BYTES);
            for (sums, start) in sums.iter_mut().zip(starts) {
                // SAFETY: `holds` has compared: from each start on there are the values up to the last
                // group of the last row.
                let four = unsafe { inputs.add(start + place).cast::<i32>().read_unaligned() };
                for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                    *sum = _mm256_dpbusd_avx_epi32(*sum, _mm256_set1_epi32(four), vector);
                }
            }
            if SIGNED {
                for (excess, &vector) in excess.iter_mut().zip(&vectors) {
                    *excess = _mm256_dpbusd_avx_epi32(*excess, _mm256_set1_epi8(i8::MIN), vector);
                }
            }
        }
    }
    for (all, sums) in all.iter_mut().zip(&sums) {
        for ((lanes, &sum), &excess) in all.iter_mut().zip(sums).zip(&excess) {
            *lanes = self::lanes(_mm256_sub_epi32(sum, excess));
        }
    }
    all
}

#[target_feature(enable = "avx2,avxvnni")]
fn dot<const SIGNED: bool>(input: &[u8], weights: &[u8]) -> [i32; LANES] {
    let flip = if SIGNED { 0x8080_8080 } else { 0 };
    let mut excess = _mm256_setzero_si256();
    // Four sums, so that none waits for the one before. The last group is completed with zeros.
    let mut sums = [_mm256_setzero_si256(); 4];
    for (inputs, weights) in input.chunks(4 * INPUTS).zip(weights.chunks(4 * GROUP_BYTES)) {
        let groups = inputs.chunks(INPUTS).zip(weights.chunks(GROUP_BYTES));
        for (sum, (inputs, weights)) in sums.iter_mut().zip(groups) {
            let Some(weights) = weights.first_chunk::<VECTOR_BYTES>() else { continue };
            // SAFETY: the reference is to as many bytes as are read.
            let weights = unsafe { _mm256_loadu_si256(weights.as_ptr().cast()) };
            let inputs = _mm256_set1_epi32((interleaved::group(inputs) ^ flip) as i32);
            *sum = _mm256_dpbusd_avx_epi32(*sum, inputs, weights);
            if SIGNED {
                excess = _mm256_dpbusd_avx_epi32(excess, _mm256_set1_epi8(i8::MIN), weights);
            }
        }
    }
    let [first, second, third, fourth] = sums;
    let sum = _mm256_add_epi32(_mm256_add_epi32(first, second), _mm256_add_epi32(third, fourth));
    lanes(_mm256_sub_epi32(sum, excess))
}

#[target_feature(enable = "avx2")]
fn lanes(vector: __m256i) -> [i32; LANES] {
    let mut lanes = [0; LANES];
    // SAFETY: the array is as long as the vector.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), vector) };
    lanes
}
