//! AVX-VNNI: 32 products an instruction, for processors that have it without AVX-512. Half a block of
//! output channels at a time.

use core::arch::x86_64::*;

use super::portable::Convolution;
use super::vnni::{self, Vnni};
use super::{Interleaved, Layer, Parameters, Rows};

/// Output channels in a vector.
const LANES: usize = 8;

/// The instructions; made only where they may be executed.
#[derive(Clone, Copy)]
struct AvxVnni(());

/// As [`vnni::convolution`].
///
/// Eight sums are in the making at once, so that none waits for the one before.
#[target_feature(enable = "avx2,avxvnni")]
pub(super) fn convolution(
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    order: Interleaved,
    memory: (Rows<'_>, &mut [u32], &mut [u8]),
) {
    let isa = AvxVnni(());
    match (usize::from(layer.output.channels) <= LANES, layer.input_signed) {
        (true, false) => vnni::convolution::<_, LANES, false, 1, 8>(isa, layer, job, order, memory),
        (true, true) => vnni::convolution::<_, LANES, true, 1, 8>(isa, layer, job, order, memory),
        (false, false) => vnni::convolution::<_, LANES, false, 2, 4>(isa, layer, job, order, memory),
        (false, true) => vnni::convolution::<_, LANES, true, 2, 4>(isa, layer, job, order, memory),
    }
}

/// As [`vnni::dense_step`].
#[target_feature(enable = "avx2,avxvnni")]
pub(super) fn dense_step(
    signed: bool,
    parameters: &Parameters<'_>,
    order: Interleaved,
    step: usize,
    input: &[u8],
    sums: &mut [i32],
) {
    vnni::dense_step(AvxVnni(()), signed, parameters, order, step, input, sums);
}

/// As [`vnni::dense`].
#[target_feature(enable = "avx2,avxvnni")]
pub(super) fn dense(signed: bool, parameters: &Parameters<'_>, input: &[u8], out: &mut [u8]) {
    vnni::dense(AvxVnni(()), signed, parameters, input, out);
}

impl Vnni<LANES> for AvxVnni {
    type Vector = __m256i;

    #[inline(always)]
    fn splat(self, word: i32) -> __m256i {
        // SAFETY: the processor has the instruction, or there were no `self`.
        unsafe { _mm256_set1_epi32(word) }
    }

    #[inline(always)]
    unsafe fn load(self, words: *const u8) -> __m256i {
        // SAFETY: as above, and the caller's promise.
        unsafe { _mm256_loadu_si256(words.cast()) }
    }

    #[inline(always)]
    fn multiply(self, sum: __m256i, inputs: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_dpbusd_avx_epi32(sum, inputs, weights) }
    }

    #[inline(always)]
    fn add(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_add_epi32(a, b) }
    }

    #[inline(always)]
    fn subtract(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_sub_epi32(a, b) }
    }

    #[inline(always)]
    fn lanes(self, vector: __m256i) -> [i32; LANES] {
        let mut lanes = [0; LANES];
        // SAFETY: as above, and the array is as long as the vector.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), vector) };
        lanes
    }
}
