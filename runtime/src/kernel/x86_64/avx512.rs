//! AVX-512 with VNNI: 64 products an instruction.
//!
//! `VPDPBUSD` multiplies each of four unsigned bytes with its signed byte and adds the four products to
//! a lane of 32 bits, without saturation (Intel Software Developer's Manual, volume 2). Unsigned are
//! the inputs, broadcast; signed the weights, of sixteen output channels.
//!
//! Results equal [`portable`](super::portable)'s: sums wrap, and what they wrap to is right once all
//! products are added, as no accumulator of a loaded model overflows. A signed input enters with 128
//! added, which is a flipped sign bit; 128 times the sum of the weights is taken off again.

use core::arch::x86_64::*;

use super::portable::Convolution;
use super::{Interleaved, Layer, Parameters, Patch, Rows, interleaved};
use crate::order::{CHANNELS, GROUP_BYTES, INPUTS};

/// As [`interleaved::convolution`].
///
/// Eight or sixteen sums are in the making at once, so that none waits for the one before; more
/// vectors of weights side by side take fewer loads for a product.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn convolution(
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    order: Interleaved,
    memory: (Rows<'_>, &mut [u32], &mut [u8]),
) {
    match (order.blocks() % 4, layer.input_signed) {
        (0, false) => convolve::<false, 4, 4>(layer, job, order, memory),
        (0, true) => convolve::<true, 4, 4>(layer, job, order, memory),
        (2, false) => convolve::<false, 2, 4>(layer, job, order, memory),
        (2, true) => convolve::<true, 2, 4>(layer, job, order, memory),
        (_, false) => convolve::<false, 1, 8>(layer, job, order, memory),
        (_, true) => convolve::<true, 1, 8>(layer, job, order, memory),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
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
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
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
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn dense(signed: bool, parameters: &Parameters<'_>, input: &[u8], out: &mut [u8]) {
    if signed {
        interleaved::dense(parameters, input, out, |x: &_, w: &_| dot::<true>(x, w));
    } else {
        interleaved::dense(parameters, input, out, |x: &_, w: &_| dot::<false>(x, w));
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn sums<const SIGNED: bool, const VECTORS: usize, const POSITIONS: usize>(
    patch: Patch<'_, u8>,
    starts: &[usize; POSITIONS],
    weights: &[u8],
) -> [[[i32; CHANNELS]; VECTORS]; POSITIONS] {
    let mut all = [[[0; CHANNELS]; VECTORS]; POSITIONS];
    if !patch.holds(starts, weights, VECTORS, GROUP_BYTES) {
        return all;
    }
    let mut sums = [[_mm512_setzero_si512(); VECTORS]; POSITIONS];
    let mut excess = [_mm512_setzero_si512(); VECTORS];
    let (inputs, mut weights) = (patch.values.as_ptr(), weights.as_ptr());
    for row in 0..patch.rows {
        for group in 0..patch.groups {
            let place = row * patch.pitch + group * INPUTS;
            let mut vectors = [_mm512_setzero_si512(); VECTORS];
            for (index, vector) in vectors.iter_mut().enumerate() {
                // SAFETY: `holds` has compared: there are as many groups of weights of each vector.
                *vector = unsafe { _mm512_loadu_si512(weights.add(index * patch.vector_pitch).cast()) };
            }
            weights = weights.wrapping_add(GROUP_BYTES);
            for (sums, start) in sums.iter_mut().zip(starts) {
                // SAFETY: `holds` has compared: from each start on there are the values up to the last
                // group of the last row.
                let four = unsafe { inputs.add(start + place).cast::<i32>().read_unaligned() };
                for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                    *sum = _mm512_dpbusd_epi32(*sum, _mm512_set1_epi32(four), vector);
                }
            }
            if SIGNED {
                for (excess, &vector) in excess.iter_mut().zip(&vectors) {
                    *excess = _mm512_dpbusd_epi32(*excess, _mm512_set1_epi8(i8::MIN), vector);
                }
            }
        }
    }
    for (all, sums) in all.iter_mut().zip(&sums) {
        for ((lanes, &sum), &excess) in all.iter_mut().zip(sums).zip(&excess) {
            *lanes = self::lanes(_mm512_sub_epi32(sum, excess));
        }
    }
    all
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn dot<const SIGNED: bool>(input: &[u8], weights: &[u8]) -> [i32; CHANNELS] {
    let flip = if SIGNED { 0x8080_8080 } else { 0 };
    let mut excess = _mm512_setzero_si512();
    // Four sums, so that none waits for the one before. The last group is completed with zeros.
    let mut sums = [_mm512_setzero_si512(); 4];
    for (inputs, weights) in input.chunks(4 * INPUTS).zip(weights.chunks(4 * GROUP_BYTES)) {
        let groups = inputs.chunks(INPUTS).zip(weights.chunks(GROUP_BYTES));
        for (sum, (inputs, weights)) in sums.iter_mut().zip(groups) {
            let Some(weights) = weights.first_chunk::<GROUP_BYTES>() else { continue };
            // SAFETY: the reference is to as many bytes as are read.
            let weights = unsafe { _mm512_loadu_si512(weights.as_ptr().cast()) };
            let inputs = _mm512_set1_epi32((interleaved::group(inputs) ^ flip) as i32);
            *sum = _mm512_dpbusd_epi32(*sum, inputs, weights);
            if SIGNED {
                excess = _mm512_dpbusd_epi32(excess, _mm512_set1_epi8(i8::MIN), weights);
            }
        }
    }
    let [first, second, third, fourth] = sums;
    let sum = _mm512_add_epi32(_mm512_add_epi32(first, second), _mm512_add_epi32(third, fourth));
    lanes(_mm512_sub_epi32(sum, excess))
}

#[target_feature(enable = "avx512f")]
fn lanes(vector: __m512i) -> [i32; CHANNELS] {
    let mut lanes = [0; CHANNELS];
    // SAFETY: the array is as long as the vector.
    unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), vector) };
    lanes
}
