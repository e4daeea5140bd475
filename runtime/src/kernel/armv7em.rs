//! Cortex-M4, M7 and, with the DSP extension, M33: two multiply-accumulates an instruction.
//!
//! `SMLAD` multiplies the two 16-bit halves of one register with those of another and adds both
//! products to a third. `SXTB16` and `UXTB16` make such halves of bytes 0 and 2 of a word, or of
//! bytes 1 and 3 when the word is rotated by 8 (Armv7-M Architecture Reference Manual, A4.4.3
//! and A4.4.7). Applied to four weights and to four inputs alike they pair each weight with its
//! input, in the order of the file.
//!
//! Results equal [`portable`]'s: the products are exact, and an accumulator that a loaded model
//! cannot bring to overflow may be summed up in any order.
//!
//! Weights of 4 and 2 bits, and grouped convolutions, are left to [`portable`].

#![allow(unsafe_code, reason = "the DSP instructions, which have no stable intrinsics")]

mod paired;

use core::arch::asm;

use super::portable;
use super::{Rows, requantize};
use crate::arithmetic::activation;
use crate::model::{Layer, Parameters};
use crate::order::Paired;

pub(crate) use portable::{Convolution, average_pool, finish, max_pool};

/// `sum + a.low * b.low + a.high * b.high`.
#[inline(always)]
fn smlad(a: u32, b: u32, sum: i32) -> i32 {
    let result;
    // SAFETY: arithmetic on registers. An overflow would set the Q flag, which nothing reads.
    unsafe {
        asm!("smlad {}, {}, {}, {}", lateout(reg) result, in(reg) a, in(reg) b, in(reg) sum,
             options(pure, nomem, nostack, preserves_flags));
    }
    result
}

/// Bytes 0 and 2, then 1 and 3, each pair extended with its sign to 16 bits.
#[inline(always)]
fn sign_extend(word: u32) -> [u32; 2] {
    let (even, odd);
    // SAFETY: arithmetic on registers.
    unsafe {
        asm!("sxtb16 {}, {}", lateout(reg) even, in(reg) word,
             options(pure, nomem, nostack, preserves_flags));
        asm!("sxtb16 {}, {}, ror #8", lateout(reg) odd, in(reg) word,
             options(pure, nomem, nostack, preserves_flags));
    }
    [even, odd]
}

/// As [`sign_extend`], for `u8` unless `SIGNED`.
#[inline(always)]
fn extend<const SIGNED: bool>(word: u32) -> [u32; 2] {
    // The compiler makes UXTB16 of these.
    if SIGNED { sign_extend(word) } else { [word & 0x00ff_00ff, word >> 8 & 0x00ff_00ff] }
}

/// As [`portable::convolution`].
pub(crate) fn convolution(
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    rows: Rows<'_>,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    let Convolution { window, groups, pool, parameters } = job;
    if let Some(order) = Paired::of(parameters, window, groups, pool, layer.input.channels) {
        return match layer.input_signed {
            false => paired::convolution::<false>(layer, parameters, order, rows, workspace, out),
            true => paired::convolution::<true>(layer, parameters, order, rows, workspace, out),
        };
    }
    match (job.groups, job.parameters.weight_bits, layer.input_signed) {
        (1, 8, false) => convolve::<false>(layer, job, rows, out),
        (1, 8, true) => convolve::<true>(layer, job, rows, out),
        _ => portable::convolution(layer, job, rows, workspace, out),
    }
}

fn convolve<const SIGNED: bool>(layer: &Layer<'_>, job: Convolution<'_, '_>, rows: Rows<'_>, out: &mut [u8]) {
    let Convolution { window, pool, parameters, .. } = job;
    let channels = usize::from(layer.input.channels);
    let outputs = usize::from(layer.output.channels).max(1);
    let [kernel_height, kernel_width] = window.kernel.map(usize::from);
    let [stride_down, stride_across] = window.stride.map(usize::from);
    let [pool_height, pool_width] = pool.kernel.map(usize::from);
    let pool_across = usize::from(pool.stride[1]);
    let run = kernel_width * channels;

    for (column, pixel) in out.chunks_exact_mut(outputs).enumerate() {
        let weights = parameters.weights.chunks(4 * parameters.run_bytes.max(1));
        let each = weights.zip(parameters.bias.chunks(4)).zip(parameters.shifts.chunks(4));
        for (((weights, bias), shifts), values) in each.zip(pixel.chunks_mut(4)) {
            let weights = Four::new(weights, parameters.run_bytes);
            let bias = four(bias);
            let mut largest = [i32::MIN; 4];
            for down in 0..pool_height {
                for across in 0..pool_width {
                    let left = (column * pool_across + across) * stride_across * channels;
                    let mut sums = bias;
                    let mut rest = weights;
                    for row in 0..kernel_height {
                        let patch = rows.run(down * stride_down + row, left, run);
                        rest = rest.dot::<SIGNED>(patch, &mut sums);
                    }
                    for (largest, sum) in largest.iter_mut().zip(sums) {
                        *largest = sum.max(*largest);
                    }
                }
            }
            for ((value, largest), &shift) in values.iter_mut().zip(largest).zip(shifts) {
                *value = requantize(largest, shift, parameters.output);
            }
        }
    }
}

/// Up to four biases or sums, completed with zeros.
#[inline(always)]
fn four(values: &[i32]) -> [i32; 4] {
    let mut all = [0; 4];
    all.iter_mut().zip(values).for_each(|(to, &from)| *to = from);
    all
}

/// The weights of four outputs that are computed side by side, so that every input is widened once
/// for the four. Where fewer are left, the last one is repeated and its result ignored.
#[derive(Clone, Copy)]
struct Four<'a>([&'a [u8]; 4]);

impl<'a> Four<'a> {
    #[inline(always)]
    fn new(weights: &'a [u8], run_bytes: usize) -> Self {
        let last = weights.len().saturating_sub(run_bytes);
        let run = |index: usize| weights.get((index * run_bytes).min(last)..).unwrap_or(&[]);
        Self([run(0), run(1), run(2), run(3)])
    }

    /// Adds the products of the first weights with `patch` to `sums`; the weights that follow.
    #[inline(always)]
    fn dot<const SIGNED: bool>(self, patch: &[u8], sums: &mut [i32; 4]) -> Self {
        let Self([a, b, c, d]) = self;
        let split = |weights: &'a [u8]| weights.split_at_checked(patch.len()).unwrap_or((&[], &[]));
        let ((a, a_rest), (b, b_rest), (c, c_rest), (d, d_rest)) = (split(a), split(b), split(c), split(d));
        let ((x, x_tail), (a, a_tail), (b, b_tail)) = (patch.as_chunks(), a.as_chunks(), b.as_chunks());
        let ((c, c_tail), (d, d_tail)) = (c.as_chunks(), d.as_chunks());
        let [mut sum_a, mut sum_b, mut sum_c, mut sum_d] = *sums;
        for ((((x, a), b), c), d) in x.iter().zip(a).zip(b).zip(c).zip(d) {
            let [x_even, x_odd] = extend::<SIGNED>(u32::from_le_bytes(*x));
            let dot = |weights: &[u8; 4], sum| {
                let [even, odd] = sign_extend(u32::from_le_bytes(*weights));
                smlad(odd, x_odd, smlad(even, x_even, sum))
            };
            (sum_a, sum_b, sum_c, sum_d) = (dot(a, sum_a), dot(b, sum_b), dot(c, sum_c), dot(d, sum_d));
        }
        let tails = x_tail.iter().zip(a_tail).zip(b_tail).zip(c_tail).zip(d_tail);
        for ((((&x, &a), &b), &c), &d) in tails {
            let x = activation::<SIGNED>(x);
            sum_a += x * i32::from(a as i8);
            sum_b += x * i32::from(b as i8);
            sum_c += x * i32::from(c as i8);
            sum_d += x * i32::from(d as i8);
        }
        *sums = [sum_a, sum_b, sum_c, sum_d];
        Self([a_rest, b_rest, c_rest, d_rest])
    }
}

/// As [`portable::dense_step`].
pub(crate) fn dense_step(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    step: usize,
    input: &[u8],
    sums: &mut [i32],
) {
    match (parameters.weight_bits, layer.input_signed) {
        (8, false) => accumulate::<false>(parameters, step, input, sums),
        (8, true) => accumulate::<true>(parameters, step, input, sums),
        _ => portable::dense_step(layer, parameters, step, input, sums),
    }
}

fn accumulate<const SIGNED: bool>(parameters: &Parameters<'_>, step: usize, input: &[u8], sums: &mut [i32]) {
    let run_bytes = parameters.run_bytes.max(1);
    let weights = parameters.weights.get(step * sums.len() * run_bytes..).unwrap_or(&[]);
    for (weights, sums) in weights.chunks(4 * run_bytes).zip(sums.chunks_mut(4)) {
        let mut totals = four(sums);
        let own = weights.get(..sums.len() * run_bytes).unwrap_or(weights);
        Four::new(own, run_bytes).dot::<SIGNED>(input, &mut totals);
        sums.iter_mut().zip(totals).for_each(|(to, from)| *to = from);
    }
}

/// As [`portable::dense`].
pub(crate) fn dense(layer: &Layer<'_>, parameters: &Parameters<'_>, input: &[u8], out: &mut [u8]) {
    match (parameters.weight_bits, layer.input_signed) {
        (8, false) => fully_connect::<false>(parameters, input, out),
        (8, true) => fully_connect::<true>(parameters, input, out),
        _ => portable::dense(layer, parameters, input, out),
    }
}

fn fully_connect<const SIGNED: bool>(parameters: &Parameters<'_>, input: &[u8], out: &mut [u8]) {
    let weights = parameters.weights.chunks(4 * parameters.run_bytes.max(1));
    let each = weights.zip(parameters.bias.chunks(4)).zip(parameters.shifts.chunks(4));
    for (((weights, bias), shifts), values) in each.zip(out.chunks_mut(4)) {
        let mut sums = four(bias);
        Four::new(weights, parameters.run_bytes).dot::<SIGNED>(input, &mut sums);
        for ((value, sum), &shift) in values.iter_mut().zip(sums).zip(shifts) {
            *value = requantize(sum, shift, parameters.output);
        }
    }
}
