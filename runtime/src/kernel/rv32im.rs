//! RV32 with multiplication (RV32IMC and up): one product an instruction.
//!
//! The core has no instruction that multiplies and adds, and 31 registers. What can be saved are loads:
//! a block of four pixels and three outputs loads seven values for its twelve products, and all of
//! its sums stay in registers. In a dense layer eight outputs share an input.
//!
//! Results equal [`portable`]'s: the products are exact, and an accumulator that a loaded model
//! cannot bring to overflow may be summed up in any order.
//!
//! Pools of another size than 2 x 2 are [`portable`]'s, and in plain order convolutions in groups and
//! weights of 4 and 2 bits.

#![allow(unsafe_code, reason = "the loops are in assembly language")]

mod narrow;

use core::arch::global_asm;

use super::{Rows, portable, requantize};
use crate::format::features::{self as f, any};
use crate::model::{Layer, Parameters};
use crate::order::{Arrangement, Order};

pub(crate) use portable::{Convolution, average_pool, copy_row, finish, max_pool};

// What the target has is not passed on to assembly outside of functions.
global_asm!(
    ".option push",
    ".option arch, +m",
    #[cfg(target_feature = "c")]
    ".option arch, +c",
    include_str!("rv32im/loops.s"),
    include_str!("rv32im/narrow.s"),
    ".option pop",
    options(raw)
);

/// Pixels that are computed side by side, and outputs.
const PIXELS: usize = 4;
const OUTPUTS: usize = 3;

/// Outputs of a dense layer that are computed side by side.
const DENSE_OUTPUTS: usize = 8;

/// Most rows of a kernel.
const MOST_ROWS: usize = crate::format::MAX_KERNEL as usize;

/// What the loop over a block needs; its fields are read in this order.
#[repr(C)]
struct Block {
    sums: [[i32; PIXELS]; OUTPUTS],
    weights: [*const u8; OUTPUTS],
    inputs: *const [*const u8; PIXELS],
    inputs_end: *const [*const u8; PIXELS],
    /// The length of a run, up to a multiple of four, and what is left of it.
    whole: usize,
    rest: usize,
}

/// What the loop over outputs of a dense layer needs; its fields are read in this order.
#[repr(C)]
struct Dense {
    sums: [i32; DENSE_OUTPUTS],
    weights: [*const u8; DENSE_OUTPUTS],
    inputs: *const u8,
    /// Up to a multiple of eight inputs.
    whole_end: *const u8,
    inputs_end: *const u8,
}

unsafe extern "C" {
    fn tenfold_block_unsigned(job: *mut Block);
    fn tenfold_block_signed(job: *mut Block);
    fn tenfold_dense_unsigned(job: *mut Dense);
    fn tenfold_dense_signed(job: *mut Dense);
}

/// As [`portable::convolution`].
pub(crate) fn convolution<const FEATURES: u32>(
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    rows: Rows<'_>,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    let Convolution { groups, pool, parameters, .. } = job;
    if any(FEATURES, f::NARROW_CONVOLUTION)
        && let Some(Arrangement::Narrow(order)) = Arrangement::of_layer::<FEATURES>(layer)
    {
        return narrow::convolution::<FEATURES>(layer, parameters, order, rows, workspace, out);
    }
    let is_plain = any(FEATURES, f::PLAIN_CONVOLUTION) && parameters.order == Order::Plain;
    let has_blocks = groups == 1 && parameters.weight_bits == 8 && matches!(pool.kernel, [1, 1] | [2, 2]);
    if is_plain && has_blocks {
        blocks::<FEATURES>(layer, job, rows, out);
    } else {
        portable::convolution::<FEATURES>(layer, job, rows, workspace, out);
    }
}

/// Four pixels at a time: those under a pool of 2 x 2, or neighbours.
#[inline(never)]
fn blocks<const FEATURES: u32>(layer: &Layer<'_>, job: Convolution<'_, '_>, rows: Rows<'_>, out: &mut [u8]) {
    let Convolution { window, pool, parameters, .. } = job;
    let Parameters { weights, run_bytes, bias, shifts, output, .. } = *parameters;
    let (channels, outputs) = (usize::from(layer.input.channels), bias.len());
    let [kernel_height, kernel_width] = window.kernel.map(usize::from);
    let [stride_down, stride_across] = window.stride.map(usize::from);
    let is_pooled = pool.kernel == [2, 2];
    let pool_across = usize::from(pool.stride[1]);
    let pixels = if is_pooled { 1 } else { PIXELS };
    let run = kernel_width * channels;
    let columns = out.len().checked_div(outputs).unwrap_or(0);
    let mut inputs = [[core::ptr::null(); PIXELS]; MOST_ROWS];
    let Some(inputs) = inputs.get_mut(..kernel_height) else { return };
    if outputs == 0 || kernel_height == 0 || run_bytes != kernel_height * run {
        return;
    }
    for (block, values) in out.chunks_mut((pixels * outputs).max(1)).enumerate() {
        for (row, inputs) in inputs.iter_mut().enumerate() {
            for (index, input) in inputs.iter_mut().enumerate() {
                let (down, column) = if is_pooled {
                    (index / 2, block * pool_across + index % 2)
                } else {
                    // Beyond the row the last pixel is repeated.
                    (0, (block * PIXELS + index).min(columns - 1) * pool_across)
                };
                let found = rows.run(down * stride_down + row, column * stride_across * channels, run);
                if found.len() != run {
                    return;
                }
                *input = found.as_ptr();
            }
        }
        for first in (0..outputs).step_by(OUTPUTS) {
            let mut job = Block {
                sums: [[0; PIXELS]; OUTPUTS],
                weights: [core::ptr::null(); OUTPUTS],
                inputs: inputs.as_ptr(),
                inputs_end: inputs.as_ptr_range().end,
                whole: run & !3,
                rest: run & 3,
            };
            for (index, (sums, address)) in job.sums.iter_mut().zip(&mut job.weights).enumerate() {
                // Beyond the outputs the last one is repeated.
                let output = (first + index).min(outputs - 1);
                let start = output * run_bytes;
                let Some(weights) = weights.get(start..start + run_bytes) else { return };
                *address = weights.as_ptr();
                *sums = [bias.get(output).copied().unwrap_or(0); PIXELS];
            }
            let multiply = if any(FEATURES, f::SIGNED_INPUT) && layer.input_signed {
                tenfold_block_signed
            } else {
                tenfold_block_unsigned
            };
            // SAFETY: each address of inputs is that of `run` bytes, as was compared above, there are
            // four for each of `kernel_height` rows, and each address of weights is that of
            // `kernel_height * run` bytes. That is what the loop reads; it writes to the job alone.
            unsafe { multiply(&raw mut job) };
            let each = job.sums.iter().zip(shifts.iter().skip(first)).enumerate();
            for (index, (sums, &shift)) in each {
                let mut values = values.iter_mut().skip(first + index).step_by(outputs);
                if is_pooled {
                    let [a, b, c, d] = *sums;
                    if let Some(value) = values.next() {
                        *value = requantize::<FEATURES>(a.max(b).max(c.max(d)), shift, output);
                    }
                } else {
                    for (value, &sum) in values.zip(sums) {
                        *value = requantize::<FEATURES>(sum, shift, output);
                    }
                }
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
    if parameters.weight_bits != 8 || parameters.order != Order::Plain {
        return portable::dense_step::<FEATURES>(layer, parameters, step, input, sums);
    }
    let mut run = step * sums.len();
    for sums in sums.chunks_mut(DENSE_OUTPUTS) {
        let mut totals = [0; DENSE_OUTPUTS];
        totals.iter_mut().zip(&*sums).for_each(|(to, &from)| *to = from);
        let totals = multiply_dense::<FEATURES>(layer, parameters, run, sums.len(), input, totals);
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
    if parameters.weight_bits != 8 || parameters.order != Order::Plain {
        return portable::dense::<FEATURES>(layer, parameters, input, out);
    }
    let Parameters { bias, shifts, .. } = *parameters;
    let each =
        out.chunks_mut(DENSE_OUTPUTS).zip(bias.chunks(DENSE_OUTPUTS)).zip(shifts.chunks(DENSE_OUTPUTS));
    for (index, ((values, bias), shifts)) in each.enumerate() {
        let mut totals = [0; DENSE_OUTPUTS];
        totals.iter_mut().zip(bias).for_each(|(to, &from)| *to = from);
        let first = index * DENSE_OUTPUTS;
        let totals = multiply_dense::<FEATURES>(layer, parameters, first, values.len(), input, totals);
        for ((value, total), &shift) in values.iter_mut().zip(totals).zip(shifts) {
            *value = requantize::<FEATURES>(total, shift, parameters.output);
        }
    }
}

/// Adds the products of `input` with each of `count` runs of weights, from number `run` on, to `sums`;
/// where there are fewer than eight, the last one is repeated and its sum not used.
fn multiply_dense<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    run: usize,
    count: usize,
    input: &[u8],
    sums: [i32; DENSE_OUTPUTS],
) -> [i32; DENSE_OUTPUTS] {
    let range = input.as_ptr_range();
    let mut job = Dense {
        sums,
        weights: [range.start; DENSE_OUTPUTS],
        inputs: range.start,
        whole_end: input.get(..input.len() & !7).unwrap_or_default().as_ptr_range().end,
        inputs_end: range.end,
    };
    for (index, address) in job.weights.iter_mut().enumerate() {
        let start = (run + index.min(count.saturating_sub(1))) * parameters.run_bytes;
        let weights = parameters.weights.get(start..start + parameters.run_bytes).unwrap_or_default();
        if weights.len() != input.len() {
            return sums;
        }
        *address = weights.as_ptr();
    }
    // SAFETY: each address of weights is that of as many bytes as there are inputs, as was compared
    // above. That is what the loop reads; it writes to the job alone.
    unsafe {
        if any(FEATURES, f::SIGNED_INPUT) && layer.input_signed {
            tenfold_dense_signed(&raw mut job);
        } else {
            tenfold_dense_unsigned(&raw mut job);
        }
    }
    job.sums
}
