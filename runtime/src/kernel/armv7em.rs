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
//! Inputs and weights are loaded by words that start anywhere: `CCR.UNALIGN_TRP` must be 0, as it is
//! after a reset (A3.2.1), and they must not lie in memory of type Device. `LDR`, `LDRH` and their like allow
//! it; `LDM` and `LDRD`, which do not, load aligned words alone.
//!
//! Here is what runs any layer; [`paired`] is faster, for weights in [`Order::Paired`]. Weights of 4
//! and 2 bits are multiplied one at a time there.
//!
//! [`Order::Paired`]: crate::Order::Paired

#![allow(unsafe_code, reason = "the loops are in assembly language")]

mod paired;

use core::arch::global_asm;

use super::{Rows, clear, portable, requantize};
use crate::arithmetic::{activation, unpack_weight};
use crate::format::features::{self as f, any};
use crate::model::{Layer, Parameters};
use crate::order::Arrangement;

pub(crate) use portable::{Convolution, average_pool, finish, max_pool};

// The assembler is not told the core's name: for Armv8-M it would leave out the DSP extension.
#[cfg(armv8m)]
global_asm!(".cpu cortex-m33", include_str!("armv7em/loops.s"), options(raw));
#[cfg(not(armv8m))]
global_asm!(include_str!("armv7em/loops.s"), options(raw));

/// What the loop needs; its fields are read in this order.
#[repr(C)]
struct Dot {
    inputs: *const u8,
    weights: [*const u8; 4],
    inputs_end: *const u8,
    sums: [i32; 4],
}

/// What the loop of a dense layer needs; its fields are read in this order.
#[repr(C)]
struct Dense {
    inputs: *const u8,
    /// After the last whole word of inputs.
    whole_end: *const u8,
    inputs_end: *const u8,
    run_bytes: usize,
    /// Moved on by the loop, as are those that follow.
    weights: *const u8,
    sums: *mut i32,
    count: usize,
}

/// Most sums of a dense layer that are on the stack at a time.
const BLOCK: usize = 16;

unsafe extern "C" {
    fn tenfold_dense_unsigned(job: *mut Dense);
    fn tenfold_dense_signed(job: *mut Dense);
    fn tenfold_dot_unsigned(job: *mut Dot);
    fn tenfold_dot_signed(job: *mut Dot);
    fn tenfold_copy(to: *mut u8, from: *const u8, count: usize);
}

/// As [`portable::copy_row`]. Not by `memcpy`, which takes a kilobyte of flash where nothing else links it.
pub(crate) fn copy_row(row: &[u8], to: &mut [u8]) {
    let (filled, missing) = to.split_at_mut(row.len().min(to.len()));
    // SAFETY: `row` has as many bytes as `filled`, at least. They do not overlap, as one is borrowed mutably.
    unsafe { tenfold_copy(filled.as_mut_ptr(), row.as_ptr(), filled.len()) };
    clear(missing);
}

/// As [`portable::convolution`].
pub(crate) fn convolution<const FEATURES: u32>(
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    rows: Rows<'_>,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    match Arrangement::of_layer::<FEATURES>(layer) {
        Some(Arrangement::Paired(order)) if any(FEATURES, f::PAIRED_CONVOLUTION) => {
            paired::convolution::<FEATURES>(layer, job.parameters, order, rows, workspace, out);
        }
        Some(_) if any(FEATURES, f::PLANAR_CONVOLUTION | f::NARROW_CONVOLUTION) => {
            portable::convolution::<FEATURES>(layer, job, rows, workspace, out);
        }
        None if any(FEATURES, f::PLAIN_CONVOLUTION) => plain::<FEATURES>(layer, job, rows, out),
        _ => {}
    }
}

#[inline(never)]
fn plain<const FEATURES: u32>(layer: &Layer<'_>, job: Convolution<'_, '_>, rows: Rows<'_>, out: &mut [u8]) {
    let Convolution { window, groups, pool, parameters } = job;
    let channels = usize::from(layer.input.channels);
    let outputs = usize::from(layer.output.channels).max(1);
    let groups = if any(FEATURES, f::GROUPED_CONVOLUTION) { usize::from(groups).max(1) } else { 1 };
    let (depth, per_group) = (channels / groups, (outputs / groups).max(1));
    let [kernel_height, kernel_width] = window.kernel.map(usize::from);
    let [stride_down, stride_across] = window.stride.map(usize::from);
    let [pool_height, pool_width] = pool.kernel.map(usize::from);
    let pool_across = usize::from(pool.stride[1]);
    let (runs, run) = if groups == 1 { (1, kernel_width * depth) } else { (kernel_width, depth) };

    for (column, pixel) in out.chunks_exact_mut(outputs).enumerate() {
        let mut first = 0;
        while first < outputs {
            // Four outputs of one group, or those that are left of it.
            let group = first / per_group;
            let count = 4.min(per_group - first % per_group);
            let four = Four::new::<FEATURES>(parameters, layer.input_signed, first, count);
            let mut largest = [i32::MIN; 4];
            for down in 0..pool_height {
                for across in 0..pool_width {
                    let left = (column * pool_across + across) * stride_across * channels + group * depth;
                    let mut sums = four_of(parameters.bias, first);
                    let mut position = 0;
                    for row in 0..kernel_height {
                        for pixel in 0..runs {
                            let patch = rows.run(down * stride_down + row, left + pixel * channels, run);
                            four.dot::<FEATURES>(position, patch, &mut sums);
                            position += run;
                        }
                    }
                    for (largest, sum) in largest.iter_mut().zip(sums) {
                        *largest = sum.max(*largest);
                    }
                }
            }
            finish_four::<FEATURES>(parameters, &largest, first, count, pixel);
            first += count;
        }
    }
}

/// Four biases or sums from number `first` on, completed with zeros.
#[inline(always)]
fn four_of(values: &[i32], first: usize) -> [i32; 4] {
    core::array::from_fn(|index| values.get(first + index).copied().unwrap_or(0))
}

/// Requantizes the sums of `count` outputs from number `first` on.
#[inline(never)]
fn finish_four<const FEATURES: u32>(
    parameters: &Parameters<'_>,
    sums: &[i32; 4],
    first: usize,
    count: usize,
    out: &mut [u8],
) {
    let (values, shifts) = (out.get_mut(first..), parameters.shifts.get(first..));
    let (values, shifts) = (values.unwrap_or_default(), shifts.unwrap_or_default());
    for ((value, &sum), &shift) in values.iter_mut().zip(sums).zip(shifts).take(count) {
        *value = requantize::<FEATURES>(sum, shift, parameters.output);
    }
}

/// The weights of four outputs that are computed side by side, so that every input is widened once
/// for the four. Where there are fewer, the last one is repeated and its result not used.
#[derive(Clone, Copy)]
struct Four<'a> {
    weights: [&'a [u8]; 4],
    bits: u8,
    signed: bool,
}

impl<'a> Four<'a> {
    /// The weights of `count` runs, from number `first` on.
    fn new<const FEATURES: u32>(
        parameters: &Parameters<'a>,
        signed: bool,
        first: usize,
        count: usize,
    ) -> Self {
        let run = |index: usize| {
            let start = (first + index.min(count - 1)) * parameters.run_bytes;
            parameters.weights.get(start..start + parameters.run_bytes).unwrap_or_default()
        };
        Self { weights: [run(0), run(1), run(2), run(3)], bits: parameters.weight_bits, signed }
    }

    /// Adds the products of `patch` with the weights from number `position` on to `sums`.
    #[inline(never)]
    fn dot<const FEATURES: u32>(&self, position: usize, patch: &[u8], sums: &mut [i32; 4]) {
        let only_8 = !any(FEATURES, f::WEIGHTS_4 | f::WEIGHTS_2);
        let signed = any(FEATURES, f::SIGNED_INPUT) && self.signed;
        let whole = if only_8 || self.bits == 8 { patch.len() & !3 } else { 0 };
        let runs = self.weights.map(|run| run.get(position..position + whole));
        if let ([Some(a), Some(b), Some(c), Some(d)], Some(inputs)) = (runs, patch.get(..whole))
            && whole != 0
        {
            let weights = [a, b, c, d].map(<[u8]>::as_ptr);
            let range = inputs.as_ptr_range();
            let mut job = Dot { inputs: range.start, weights, inputs_end: range.end, sums: *sums };
            let dot = if signed { tenfold_dot_signed } else { tenfold_dot_unsigned };
            // SAFETY: `inputs` and each run of weights are slices of `whole` bytes, a multiple of four
            // other than 0, and that is what the loop reads; it writes to the job alone.
            unsafe {
                dot(&raw mut job);
            }
            *sums = job.sums;
        }
        for (index, &byte) in patch.iter().enumerate().skip(whole) {
            let input = if signed { activation::<true>(byte) } else { activation::<false>(byte) };
            for (sum, weights) in sums.iter_mut().zip(self.weights) {
                let weight = match self.bits {
                    4 if any(FEATURES, f::WEIGHTS_4) => unpack_weight::<4>(weights, position + index),
                    2 if any(FEATURES, f::WEIGHTS_2) => unpack_weight::<2>(weights, position + index),
                    _ => unpack_weight::<8>(weights, position + index),
                };
                *sum += input * weight;
            }
        }
    }
}

/// As [`portable::dense_step`].
#[inline(never)]
pub(crate) fn dense_step<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    step: usize,
    input: &[u8],
    sums: &mut [i32],
) {
    accumulate::<FEATURES>(layer, parameters, step * sums.len(), input, sums);
}

/// As [`portable::dense`].
#[inline(never)]
pub(crate) fn dense<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    input: &[u8],
    out: &mut [u8],
) {
    let each = out.chunks_mut(BLOCK).zip(parameters.bias.chunks(BLOCK)).zip(parameters.shifts.chunks(BLOCK));
    for (index, ((values, bias), shifts)) in each.enumerate() {
        let mut sums: [i32; BLOCK] = core::array::from_fn(|index| bias.get(index).copied().unwrap_or(0));
        let sums = sums.get_mut(..values.len()).unwrap_or_default();
        accumulate::<FEATURES>(layer, parameters, index * BLOCK, input, sums);
        for ((value, &mut sum), &shift) in values.iter_mut().zip(sums).zip(shifts) {
            *value = requantize::<FEATURES>(sum, shift, parameters.output);
        }
    }
}

/// Adds the products of `input` with the runs of weights from number `first` on to `sums`.
#[inline(always)]
fn accumulate<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    first: usize,
    input: &[u8],
    sums: &mut [i32],
) {
    let (length, count) = (input.len(), sums.len());
    let signed = any(FEATURES, f::SIGNED_INPUT) && layer.input_signed;
    if any(FEATURES, f::WEIGHTS_4 | f::WEIGHTS_2) && parameters.weight_bits != 8 {
        for (index, sums) in sums.chunks_mut(4).enumerate() {
            let four = Four::new::<FEATURES>(parameters, signed, first + 4 * index, sums.len());
            let mut totals = four_of(sums, 0);
            four.dot::<FEATURES>(0, input, &mut totals);
            sums.iter_mut().zip(&totals).for_each(|(to, &from)| *to = from);
        }
        return;
    }
    let weights = parameters.weights.get(first * length..).unwrap_or_default();
    if count == 0 || weights.len() < count * length || parameters.run_bytes != length {
        return;
    }
    let inputs = input.as_ptr();
    let (whole_end, inputs_end) = (inputs.wrapping_add(length & !3), inputs.wrapping_add(length));
    let (weights, sums) = (weights.as_ptr(), sums.as_mut_ptr());
    let mut job = Dense { inputs, whole_end, inputs_end, run_bytes: length, weights, sums, count };
    // SAFETY: the loop reads the inputs and as many bytes of each of `count` runs of weights, whose length was
    // compared above, and reads and writes `count` sums. It writes to the job and to the sums alone.
    unsafe {
        if signed {
            tenfold_dense_signed(&raw mut job);
        } else {
            tenfold_dense_unsigned(&raw mut job);
        }
    }
}
