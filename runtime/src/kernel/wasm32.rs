//! WebAssembly with SIMD (`simd128`): 8 products an instruction.
//!
//! `i32x4.dot_i16x8_s` multiplies 8 signed halves of words and adds neighbouring products, exactly
//! (WebAssembly 2.0, 4.4.3). An input is widened to 16 bits when it is copied, a weight when it is
//! loaded. Two vectors hold four weights each of four output channels; the two sums of a channel are
//! added at the end.
//!
//! Weights are in [`Order::Interleaved`]: `trainer export --for wasm32`. Layers in any other order are
//! left to [`portable`]. Results equal its: the products are exact, and an accumulator that a loaded
//! model cannot bring to overflow may be summed up in any order.
//!
//! A module either has the instructions or does not load, so that nothing is asked at run time.
//!
//! [`Order::Interleaved`]: crate::Order::Interleaved

#![allow(unsafe_code, reason = "the load of a vector takes a pointer")]

use core::arch::wasm32::*;

use super::interleaved::{self, Patch};
use super::{Rows, portable};
use crate::model::{Layer, Parameters};
use crate::order::{GROUP_BYTES, INPUTS, Interleaved};

pub(crate) use portable::{Convolution, average_pool, copy_row, finish, max_pool};

/// Output channels of a pair of vectors.
const LANES: usize = 4;
/// Bytes of their weights in a group.
const VECTOR_BYTES: usize = LANES * INPUTS;

/// Windows whose sums are computed side by side: of sixteen registers, two each.
const POSITIONS: usize = 4;

/// As [`portable::convolution`].
pub(crate) fn convolution<const FEATURES: u32>(
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    rows: Rows<'_>,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    let Some(order) = Interleaved::of_layer::<FEATURES>(layer) else {
        return portable::convolution::<FEATURES>(layer, job, rows, workspace, out);
    };
    let memory = (rows, workspace, out);
    if layer.input_signed {
        interleaved::convolution(layer, job, order, memory, |byte| i16::from(byte as i8), sums);
    } else {
        interleaved::convolution(layer, job, order, memory, i16::from, sums);
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
    let Some(order) = Interleaved::of_layer::<FEATURES>(layer) else {
        return portable::dense_step::<FEATURES>(layer, parameters, step, input, sums);
    };
    if layer.input_signed {
        interleaved::dense_step(parameters, order, step, input, sums, dot::<true>);
    } else {
        interleaved::dense_step(parameters, order, step, input, sums, dot::<false>);
    }
}

/// As [`portable::dense`].
pub(crate) fn dense<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    input: &[u8],
    out: &mut [u8],
) {
    if Interleaved::of_layer::<FEATURES>(layer).is_none() {
        return portable::dense::<FEATURES>(layer, parameters, input, out);
    }
    if layer.input_signed {
        interleaved::dense(parameters, input, out, dot::<true>);
    } else {
        interleaved::dense(parameters, input, out, dot::<false>);
    }
}

fn sums(
    patch: Patch<'_, i16>,
    starts: &[usize; POSITIONS],
    weights: &[u8],
) -> [[[i32; LANES]; 1]; POSITIONS] {
    let mut sums = [[i32x4_splat(0); 2]; POSITIONS];
    let mut weights = weights.chunks(GROUP_BYTES);
    for row in 0..patch.rows {
        let [first, second, third, fourth] = starts.map(|start| {
            let inputs = patch.values.get(start + row * patch.pitch..).unwrap_or_default();
            let (groups, _) = inputs.as_chunks::<INPUTS>();
            groups
        });
        let inputs = first.iter().zip(second).zip(third.iter().zip(fourth));
        for (((first, second), (third, fourth)), weights) in inputs.zip(weights.by_ref().take(patch.groups)) {
            let Some(weights) = weights.first_chunk() else { continue };
            let weights = widen(weights);
            for (sums, inputs) in sums.iter_mut().zip([first, second, third, fourth]) {
                multiply(sums, four(inputs), weights);
            }
        }
    }
    sums.map(|sums| [lanes(sums)])
}

fn dot<const SIGNED: bool>(input: &[u8], weights: &[u8]) -> [i32; LANES] {
    // Two pairs of sums, so that none waits for the one before. The last group is completed with zeros.
    let mut sums = [[i32x4_splat(0); 2]; 2];
    for (inputs, weights) in input.chunks(2 * INPUTS).zip(weights.chunks(2 * GROUP_BYTES)) {
        let groups = inputs.chunks(INPUTS).zip(weights.chunks(GROUP_BYTES));
        for (sums, (inputs, weights)) in sums.iter_mut().zip(groups) {
            let Some(weights) = weights.first_chunk() else { continue };
            let bytes = u32x4_splat(interleaved::group(inputs));
            let four = if SIGNED { i16x8_extend_low_i8x16(bytes) } else { i16x8_extend_low_u8x16(bytes) };
            multiply(sums, four, widen(weights));
        }
    }
    let [[first, second], [third, fourth]] = sums;
    lanes([i32x4_add(first, third), i32x4_add(second, fourth)])
}

/// Four inputs, twice.
fn four(inputs: &[i16; INPUTS]) -> v128 {
    // SAFETY: the reference is to the eight bytes that are read; the instruction takes any address.
    unsafe { v128_load64_splat(inputs.as_ptr().cast()) }
}

/// The weights of `LANES` output channels in a group, widened to 16 bits.
fn widen(weights: &[u8; VECTOR_BYTES]) -> [v128; 2] {
    // SAFETY: the reference is to the sixteen bytes that are read; the instruction takes any address.
    let weights = unsafe { v128_load(weights.as_ptr().cast()) };
    [i16x8_extend_low_i8x16(weights), i16x8_extend_high_i8x16(weights)]
}

fn multiply(sums: &mut [v128; 2], four: v128, weights: [v128; 2]) {
    for (sum, weights) in sums.iter_mut().zip(weights) {
        *sum = i32x4_add(*sum, i32x4_dot_i16x8(four, weights));
    }
}

/// The sums of the output channels, in order, from two halves of each.
fn lanes([low, high]: [v128; 2]) -> [i32; LANES] {
    let sum = i32x4_add(i32x4_shuffle::<0, 2, 4, 6>(low, high), i32x4_shuffle::<1, 3, 5, 7>(low, high));
    [
        i32x4_extract_lane::<0>(sum),
        i32x4_extract_lane::<1>(sum),
        i32x4_extract_lane::<2>(sum),
        i32x4_extract_lane::<3>(sum),
    ]
}
