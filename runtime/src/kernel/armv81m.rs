//! Cortex-M55 and M85 with Helium (MVE): sixteen multiply-accumulates an instruction.
//!
//! `VMLADAVA` multiplies the sixteen bytes of one vector with those of another and adds all
//! products to a register (Armv8-M Architecture Reference Manual, C2.4.338). Both vectors must have
//! the same sign. Where inputs are unsigned, weights are made unsigned on the way: flipping
//! the highest bit of `w` gives `w + 128`, and with the sum of the inputs, which all output channels
//! share, `sum w * x = sum (w + 128) * x - 128 * sum x`. These sums stay within 32 bits, or wrap there
//! and back.
//!
//! Results equal [`portable`]'s: the products are exact, and an accumulator that a loaded model
//! cannot bring to overflow may be summed up in any order.
//!
//! Weights are used in plain order, as the file has them, and inputs straight from the ring: there is
//! no workspace. What does not suit it (weights of 4 and 2 bits or in another order, groups of less than eight
//! channels or with more than nine places, pools of another size than 2 x 2, very large kernels) goes to [`armv7em`], which these cores
//! run as well.

#![allow(unsafe_code, reason = "the loops are in assembly language")]

mod window;

use core::arch::global_asm;

use super::{Rows, armv7em, portable};
use crate::format::features::{self as f, any};
use crate::model::{Layer, Output, Parameters};
use crate::order::Order;

pub(crate) use armv7em::copy_row;
pub(crate) use portable::{Convolution, average_pool, max_pool};

global_asm!(include_str!("armv81m/loops.s"), options(raw));

/// What the loop of a dense layer needs; its fields are read in this order.
#[repr(C)]
struct Dense {
    weights: *const u8,
    inputs: *const u8,
    sums: *mut i32,
    run_bytes: usize,
    outputs: usize,
}

unsafe extern "C" {
    fn tenfold_helium_dense_unsigned(job: *const Dense);
    fn tenfold_helium_dense_signed(job: *const Dense);
    fn tenfold_helium_requantize(
        sums: *const i32,
        shifts: *const u8,
        out: *mut u8,
        outputs: usize,
        offset: u32,
    );
}

/// Most sums of a dense layer that are on the stack at a time.
const BLOCK: usize = 32;

/// As [`portable::convolution`].
pub(crate) fn convolution<const FEATURES: u32>(
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    rows: Rows<'_>,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    if any(FEATURES, f::PLAIN_CONVOLUTION)
        && any(FEATURES, f::WEIGHTS_8)
        && let Some(mut plan) = window::Plan::new::<FEATURES>(layer, job, rows)
    {
        plan.run::<FEATURES>(layer, job.parameters, out);
    } else {
        armv7em::convolution::<FEATURES>(layer, job, rows, workspace, out);
    }
}

/// As [`portable::dense_step`].
pub(crate) fn dense_step<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    step: usize,
    input: &[u8],
    sums: &mut [i32],
) {
    let first = step * sums.len() * parameters.run_bytes;
    let weights = parameters.weights.get(first..).unwrap_or_default();
    if !accumulate::<FEATURES>(layer, parameters, weights, input, sums) {
        armv7em::dense_step::<FEATURES>(layer, parameters, step, input, sums);
    }
}

/// As [`portable::dense`].
pub(crate) fn dense<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    input: &[u8],
    out: &mut [u8],
) {
    let runs = parameters.weights.chunks((BLOCK * parameters.run_bytes).max(1));
    let (biases, shifts) = (parameters.bias.chunks(BLOCK), parameters.shifts.chunks(BLOCK));
    for (((weights, biases), shifts), values) in runs.zip(biases).zip(shifts).zip(out.chunks_mut(BLOCK)) {
        let mut sums = [0; BLOCK];
        let sums = sums.get_mut(..biases.len()).unwrap_or_default();
        sums.iter_mut().zip(biases).for_each(|(sum, &bias)| *sum = bias);
        if !accumulate::<FEATURES>(layer, parameters, weights, input, sums) {
            return armv7em::dense::<FEATURES>(layer, parameters, input, out);
        }
        finish::<FEATURES>(sums, shifts, parameters.output, values);
    }
}

/// Adds the products of `input` with one run of `weights` after the other to `sums`; whether these
/// weights can be multiplied here.
fn accumulate<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    weights: &[u8],
    input: &[u8],
    sums: &mut [i32],
) -> bool {
    let (outputs, run_bytes) = (sums.len(), parameters.run_bytes);
    let is_plain = parameters.weight_bits == 8 && parameters.order == Order::Plain;
    if !is_plain || outputs == 0 || input.len() != run_bytes || weights.len() < outputs * run_bytes {
        return false;
    }
    let job = Dense {
        weights: weights.as_ptr(),
        inputs: input.as_ptr(),
        sums: sums.as_mut_ptr(),
        run_bytes,
        outputs,
    };
    // SAFETY: the loop reads `outputs` runs of weights and as many bytes of input as a run has, and
    // reads and writes `outputs` sums; the lengths were compared above.
    unsafe {
        if any(FEATURES, f::SIGNED_INPUT) && layer.input_signed {
            tenfold_helium_dense_signed(&raw const job);
        } else {
            tenfold_helium_dense_unsigned(&raw const job);
        }
    }
    true
}

/// As [`portable::finish`].
pub(crate) fn finish<const FEATURES: u32>(sums: &[i32], shifts: &[u8], output: Output<'_>, out: &mut [u8]) {
    let outputs = sums.len().min(shifts.len()).min(out.len());
    if outputs != 0 {
        // SAFETY: each of the slices has at least `outputs` elements.
        unsafe {
            let (sums, shifts) = (sums.as_ptr(), shifts.as_ptr());
            tenfold_helium_requantize(sums, shifts, out.as_mut_ptr(), outputs, offset(output));
        }
    }
    complete::<FEATURES>(output, out);
}

/// What is added before saturation to 0..=255: signed values are moved there and back.
const fn offset(output: Output<'_>) -> u32 {
    if matches!(output, Output::Unsigned) { 0 } else { 128 }
}

/// What follows saturation to 0..=255 with [`offset`].
fn complete<const FEATURES: u32>(output: Output<'_>, out: &mut [u8]) {
    match output {
        Output::Signed if any(FEATURES, f::SIGNED_OUTPUT) => out.iter_mut().for_each(|value| *value ^= 0x80),
        Output::Table(table) if any(FEATURES, f::TABLE) => {
            for value in out {
                *value = table.get(usize::from(*value)).copied().unwrap_or(0);
            }
        }
        _ => {}
    }
}
