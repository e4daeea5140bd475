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
//! Here is what runs any layer; [`paired`] is faster, for weights in [`Order::Paired`]. Weights of 4
//! and 2 bits are multiplied one at a time.
//!
//! [`Order::Paired`]: crate::Order::Paired

#![allow(unsafe_code, reason = "the loops are in assembly language")]

mod paired;

use core::arch::global_asm;

use super::{Rows, portable, requantize};
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

unsafe extern "C" {
    fn tenfold_dot_unsigned(job: *mut Dot);
    fn tenfold_dot_signed(job: *mut Dot);
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
    let mut all = [0; 4];
    let values = values.get(first..).unwrap_or_default();
    all.iter_mut().zip(values).for_each(|(to, &from)| *to = from);
    all
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
    let mut run = step * sums.len();
    let mut rest = sums;
    if let Some(mut groups) = Groups::new::<FEATURES>(layer, parameters, run, rest.len() / 4, input) {
        let (fours, others) = rest.as_chunks_mut::<4>();
        run += 4 * fours.len();
        for sums in fours {
            groups.next(sums);
        }
        rest = others;
    }
    for sums in rest.chunks_mut(4) {
        let mut totals = four_of(sums, 0);
        let four = Four::new::<FEATURES>(parameters, layer.input_signed, run, sums.len());
        four.dot::<FEATURES>(0, input, &mut totals);
        sums.iter_mut().zip(totals).for_each(|(to, from)| *to = from);
        run += sums.len();
    }
}

/// As [`portable::dense`].
#[inline(never)]
pub(crate) fn dense<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    input: &[u8],
    out: &mut [u8],
) {
    let mut first = 0;
    let whole = out.len() / 4;
    if let Some(mut groups) = Groups::new::<FEATURES>(layer, parameters, 0, whole, input) {
        let (fours, _) = out.as_chunks_mut::<4>();
        let each = parameters.bias.as_chunks::<4>().0.iter().zip(parameters.shifts.as_chunks::<4>().0);
        for (values, (bias, shifts)) in fours.iter_mut().zip(each) {
            let mut sums = *bias;
            groups.next(&mut sums);
            for ((value, sum), &shift) in values.iter_mut().zip(sums).zip(shifts) {
                *value = requantize::<FEATURES>(sum, shift, parameters.output);
            }
        }
        first = 4 * whole;
    }
    while first < out.len() {
        let count = 4.min(out.len() - first);
        let mut sums = four_of(parameters.bias, first);
        let four = Four::new::<FEATURES>(parameters, layer.input_signed, first, count);
        four.dot::<FEATURES>(0, input, &mut sums);
        finish_four::<FEATURES>(parameters, &sums, first, count, out);
        first += count;
    }
}

/// Groups of four runs of 8-bit weights, one after the other, that are multiplied with the same inputs.
struct Groups {
    job: Dot,
    left: usize,
    step: usize,
    dot: unsafe extern "C" fn(*mut Dot),
}

impl Groups {
    /// `count` groups from run number `first` on; `None` where the loop is not for such weights.
    #[inline(always)]
    fn new<const FEATURES: u32>(
        layer: &Layer<'_>,
        parameters: &Parameters<'_>,
        first: usize,
        count: usize,
        input: &[u8],
    ) -> Option<Self> {
        let length = input.len();
        let weights = parameters.weights.get(first * length..(first + 4 * count) * length)?;
        let is_8 = !any(FEATURES, f::WEIGHTS_4 | f::WEIGHTS_2) || parameters.weight_bits == 8;
        if !is_8 || length == 0 || length % 4 != 0 || parameters.run_bytes != length {
            return None;
        }
        let run = |index: usize| weights.as_ptr().wrapping_add(index * length);
        let inputs = input.as_ptr_range();
        let weights = [run(0), run(1), run(2), run(3)];
        let job = Dot { inputs: inputs.start, weights, inputs_end: inputs.end, sums: [0; 4] };
        let dot = if any(FEATURES, f::SIGNED_INPUT) && layer.input_signed {
            tenfold_dot_signed
        } else {
            tenfold_dot_unsigned
        };
        Some(Self { job, left: count, step: 4 * length, dot })
    }

    /// The products of the next group, added to `sums`.
    #[inline(always)]
    fn next(&mut self, sums: &mut [i32; 4]) {
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        self.job.sums = *sums;
        // SAFETY: the loop reads the inputs, a multiple of four bytes other than 0, and as many of each of
        // four runs; `new` has compared the lengths of all groups, of which `left` were left. It writes to
        // the job alone.
        unsafe { (self.dot)(&raw mut self.job) };
        for weights in &mut self.job.weights {
            *weights = weights.wrapping_add(self.step);
        }
        *sums = self.job.sums;
    }
}
