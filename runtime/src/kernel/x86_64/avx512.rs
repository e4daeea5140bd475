//! AVX-512 with VNNI: 64 products an instruction, those of a whole block of output channels.

use core::arch::x86_64::*;

use super::portable::Convolution;
use super::vnni::{self, Vnni};
use super::{Interleaved, Layer, Parameters, Rows};
use crate::order::CHANNELS;

/// The instructions; made only where they may be executed.
#[derive(Clone, Copy)]
struct Avx512(());

/// As [`vnni::convolution`].
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
    let isa = Avx512(());
    match (order.blocks() % 4, layer.input_signed) {
        (0, false) => vnni::convolution::<_, CHANNELS, false, 4, 4>(isa, layer, job, order, memory),
        (0, true) => vnni::convolution::<_, CHANNELS, true, 4, 4>(isa, layer, job, order, memory),
        (2, false) => vnni::convolution::<_, CHANNELS, false, 2, 4>(isa, layer, job, order, memory),
        (2, true) => vnni::convolution::<_, CHANNELS, true, 2, 4>(isa, layer, job, order, memory),
        (_, false) => vnni::convolution::<_, CHANNELS, false, 1, 8>(isa, layer, job, order, memory),
        (_, true) => vnni::convolution::<_, CHANNELS, true, 1, 8>(isa, layer, job, order, memory),
    }
}

/// As [`vnni::dense_step`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn dense_step(
    signed: bool,
    parameters: &Parameters<'_>,
    order: Interleaved,
    step: usize,
    input: &[u8],
    sums: &mut [i32],
) {
    vnni::dense_step(Avx512(()), signed, parameters, order, step, input, sums);
}

/// As [`vnni::dense`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn dense(signed: bool, parameters: &Parameters<'_>, input: &[u8], out: &mut [u8]) {
    vnni::dense(Avx512(()), signed, parameters, input, out);
}

impl Vnni<CHANNELS> for Avx512 {
    type Vector = __m512i;

    #[inline(always)]
    fn splat(self, word: i32) -> __m512i {
        // SAFETY: the processor has the instruction, or there were no `self`.
        unsafe { _mm512_set1_epi32(word) }
    }

    #[inline(always)]
    unsafe fn load(self, words: *const u8) -> __m512i {
        // SAFETY: as above, and the caller's promise.
        unsafe { _mm512_loadu_si512(words.cast()) }
    }

    #[inline(always)]
    fn multiply(self, sum: __m512i, inputs: __m512i, weights: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_dpbusd_epi32(sum, inputs, weights) }
    }

    #[inline(always)]
    fn add(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_add_epi32(a, b) }
    }

    #[inline(always)]
    fn subtract(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_sub_epi32(a, b) }
    }

    #[inline(always)]
    fn lanes(self, vector: __m512i) -> [i32; CHANNELS] {
        let mut lanes = [0; CHANNELS];
        // SAFETY: as above, and the array is as long as the vector.
        unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), vector) };
        lanes
    }
}
