//! Cortex-M0 and M0+: two multiply-accumulates a multiplication.
//!
//! `MULS` keeps the lower 32 bits of a product. Two pixels in the halves of one word times a weight
//! from 1 to 255 are two products that do not touch, as 255 * 255 is less than 2^16. One register
//! adds up such words, and one their upper halves: the latter is the sum for the upper pixel,
//! and the former minus that, shifted, is the sum for the lower one.
//!
//! Results equal [`portable`]'s: all of that is exact modulo 2^32, and an accumulator that a loaded
//! model cannot bring to overflow is what is left.
//!
//! [`planar`] does so, for weights in [`Order::Planar`]. [`four`] runs any other layer.
//!
//! [`Order::Planar`]: crate::Order::Planar

#![allow(unsafe_code, reason = "the loops are in assembly language")]

mod planar;

use core::arch::global_asm;

use super::{Rows, clear, four, portable};
use crate::format::features::{self as f, any};
use crate::model::Layer;
use crate::order::Arrangement;

pub(crate) use four::{dense, dense_step};
pub(crate) use portable::{Convolution, average_pool, finish, max_pool};

global_asm!(include_str!("armv6m/loops.s"), options(raw));

/// What the loop needs; its fields are read in this order.
#[repr(C)]
struct Dot {
    weights: [*const u8; 4],
    inputs: *const u8,
    last: usize,
    sums: [i32; 4],
}

unsafe extern "C" {
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
        Some(Arrangement::Planar(order)) if any(FEATURES, f::PLANAR_CONVOLUTION) => {
            planar::convolution::<FEATURES>(layer, job.parameters, order, rows, workspace, out);
        }
        Some(_) if any(FEATURES, f::PAIRED_CONVOLUTION | f::NARROW_CONVOLUTION) => {
            portable::convolution::<FEATURES>(layer, job, rows, workspace, out);
        }
        None if any(FEATURES, f::PLAIN_CONVOLUTION) => four::convolution::<FEATURES>(layer, job, rows, out),
        _ => {}
    }
}

/// Adds the products of `inputs` with as many 8-bit weights of each of four runs, `run_bytes` apart, to `sums`;
/// from run number `last` on they are that one.
#[inline(always)]
pub(super) fn multiply_four(
    weights: &[u8],
    run_bytes: usize,
    last: usize,
    inputs: &[u8],
    signed: bool,
    sums: &mut [i32; 4],
) {
    if inputs.is_empty() || last * run_bytes + inputs.len() > weights.len() {
        return;
    }
    let run = |index: usize| weights.as_ptr().wrapping_add(index.min(last) * run_bytes);
    let mut job = Dot {
        weights: [run(0), run(1), run(2), run(3)],
        inputs: inputs.as_ptr(),
        last: inputs.len() - 1,
        sums: *sums,
    };
    let dot = if signed { tenfold_dot_signed } else { tenfold_dot_unsigned };
    // SAFETY: the loop reads all bytes of the inputs and as many of each run of weights, of which the last one's
    // fit, as was compared above. It writes to the job alone.
    unsafe {
        dot(&raw mut job);
    }
    *sums = job.sums;
}
