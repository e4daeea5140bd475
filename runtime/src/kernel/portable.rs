//! The kernels in plain safe Rust: the definition that every other back end must equal, bit for bit.
//!
//! Written for clarity first. `BITS` (of a weight) and `SIGNED` (of the input) are resolved once a
//! row; everything inside is straight-line integer code over slices that need no bounds checks.

use super::{Rows, interleaved, requantize};
use crate::arithmetic::{activation, rounding_shift, saturate_i8, saturate_u8, unpack_weight};
use crate::format::features::{self as f, any};
use crate::model::{Layer, Output, Parameters, Window};
use crate::order::{Arrangement, Interleaved};

/// Calls `$function::<FEATURES, BITS, SIGNED>` for the layer's number of bits and sign.
macro_rules! dispatch {
    ($parameters:expr, $signed:expr, $function:ident ( $($argument:expr),* )) => {
        match ($parameters.weight_bits, any(FEATURES, f::SIGNED_INPUT) && $signed) {
            (4, false) if any(FEATURES, f::WEIGHTS_4) => $function::<FEATURES, 4, false>($($argument),*),
            (4, true) if any(FEATURES, f::WEIGHTS_4) => $function::<FEATURES, 4, true>($($argument),*),
            (2, false) if any(FEATURES, f::WEIGHTS_2) => $function::<FEATURES, 2, false>($($argument),*),
            (2, true) if any(FEATURES, f::WEIGHTS_2) => $function::<FEATURES, 2, true>($($argument),*),
            (_, false) if any(FEATURES, f::WEIGHTS_8) => $function::<FEATURES, 8, false>($($argument),*),
            (_, true) if any(FEATURES, f::WEIGHTS_8) => $function::<FEATURES, 8, true>($($argument),*),
            _ => {}
        }
    };
}

/// What a convolution needs beside its layer.
#[derive(Clone, Copy)]
pub(crate) struct Convolution<'a, 'b> {
    pub(crate) window: Window,
    pub(crate) groups: u16,
    pub(crate) pool: Window,
    pub(crate) parameters: &'b Parameters<'a>,
}

/// One row of a convolution and the max-pool fused into it: the maximum is taken over the
/// accumulators, and only the largest is requantized. That is exact, because requantization never
/// makes a larger accumulator the smaller value.
pub(crate) fn convolution<const FEATURES: u32>(
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    rows: Rows<'_>,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    if let Some(order) = Interleaved::of_layer::<FEATURES>(layer) {
        let memory = (rows, workspace, out);
        return if any(FEATURES, f::SIGNED_INPUT) && layer.input_signed {
            let widen = |byte| activation::<true>(byte) as i16;
            interleaved::convolution(layer, job, order, memory, widen, interleaved::sums)
        } else {
            interleaved::convolution(layer, job, order, memory, i16::from, interleaved::sums)
        };
    }
    if let Some(arrangement) = Arrangement::of_layer::<FEATURES>(layer) {
        return if any(FEATURES, f::SIGNED_INPUT) && layer.input_signed {
            convolve_arranged::<FEATURES, true>(layer, job, arrangement, rows, out);
        } else {
            convolve_arranged::<FEATURES, false>(layer, job, arrangement, rows, out);
        };
    }
    if !any(FEATURES, f::PLAIN_CONVOLUTION) {
        return;
    }
    dispatch!(job.parameters, layer.input_signed, convolve(layer, job, rows, out));
}

fn convolve<const FEATURES: u32, const BITS: u8, const SIGNED: bool>(
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    rows: Rows<'_>,
    out: &mut [u8],
) {
    let Convolution { window, groups, pool, parameters } = job;
    let channels = usize::from(layer.input.channels);
    let outputs = usize::from(layer.output.channels).max(1);
    let groups = if any(FEATURES, f::GROUPED_CONVOLUTION) { usize::from(groups).max(1) } else { 1 };
    // A group reads `depth` input channels of every pixel and yields `per_group` output channels.
    let (depth, per_group) = (channels / groups, (outputs / groups).max(1));
    let [kernel_height, kernel_width] = window.kernel.map(usize::from);
    let [stride_down, stride_across] = window.stride.map(usize::from);
    let [pool_height, pool_width] = pool.kernel.map(usize::from);
    let pool_across = usize::from(pool.stride[1]);
    // An ungrouped patch is one contiguous run a row; a grouped one is a run a pixel.
    let (runs, run) = if groups == 1 { (1, kernel_width * depth) } else { (kernel_width, depth) };

    for (column, pixel) in out.chunks_exact_mut(outputs).enumerate() {
        let weights = parameters.weights.chunks_exact(parameters.run_bytes.max(1));
        let each = weights.zip(parameters.bias).zip(parameters.shifts).zip(pixel);
        for (output, (((weights, &bias), &shift), value)) in each.enumerate() {
            let group = output / per_group * depth;
            let mut largest = i32::MIN;
            for down in 0..pool_height {
                for across in 0..pool_width {
                    let left = (column * pool_across + across) * stride_across * channels + group;
                    let mut accumulator = bias;
                    let mut position = 0;
                    for row in 0..kernel_height {
                        for pixel in 0..runs {
                            let patch = rows.run(down * stride_down + row, left + pixel * channels, run);
                            accumulator += dot::<BITS, SIGNED>(weights, position, patch);
                            position += run;
                        }
                    }
                    largest = largest.max(accumulator);
                }
            }
            *value = requantize::<FEATURES>(largest, shift, parameters.output);
        }
    }
}

/// As [`convolve`], for weights in another order than the patch.
fn convolve_arranged<const FEATURES: u32, const SIGNED: bool>(
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    arrangement: Arrangement,
    rows: Rows<'_>,
    out: &mut [u8],
) {
    let Convolution { window, pool, parameters, .. } = job;
    let channels = usize::from(layer.input.channels);
    let outputs = usize::from(layer.output.channels).max(1);
    let [kernel_height, kernel_width] = window.kernel.map(usize::from);
    let [stride_down, stride_across] = window.stride.map(usize::from);
    let [pool_height, pool_width] = pool.kernel.map(usize::from);
    let pool_across = usize::from(pool.stride[1]);
    for (column, pixel) in out.chunks_exact_mut(outputs).enumerate() {
        let weights = parameters.weights.chunks_exact(parameters.run_bytes.max(1));
        let each = weights.zip(parameters.bias).zip(parameters.shifts).zip(pixel);
        for (((weights, &bias), &shift), value) in each {
            let mut largest = i32::MIN;
            for down in 0..pool_height {
                for across in 0..pool_width {
                    let left = (column * pool_across + across) * stride_across * channels;
                    let mut accumulator = bias;
                    for row in 0..kernel_height {
                        let patch = rows.run(down * stride_down + row, left, kernel_width * channels);
                        for (index, &value) in patch.iter().enumerate() {
                            let (column, channel) = (index / channels.max(1), index % channels.max(1));
                            let place = arrangement.position(row, column, channel);
                            let weight = arrangement.weight(weights, place);
                            let value = activation::<SIGNED>(value) - arrangement.input_offset();
                            accumulator += i32::from(weight) * value;
                        }
                    }
                    largest = largest.max(accumulator);
                }
            }
            *value = requantize::<FEATURES>(largest, shift, parameters.output);
        }
    }
}

/// Sum of `weights[position + i] * patch[i]`.
#[inline(always)]
fn dot<const BITS: u8, const SIGNED: bool>(weights: &[u8], position: usize, patch: &[u8]) -> i32 {
    if BITS == 8 {
        // Slices of one length: no bounds check a weight.
        let weights = weights.get(position..).unwrap_or(&[]);
        return weights
            .iter()
            .zip(patch)
            .map(|(&weight, &value)| i32::from(weight as i8) * activation::<SIGNED>(value))
            .sum();
    }
    (position..)
        .zip(patch)
        .map(|(index, &value)| unpack_weight::<BITS>(weights, index) * activation::<SIGNED>(value))
        .sum()
}

/// One step of a dense layer: adds the products of `input` (the rows of this step, flattened) to
/// `sums`, which hold the biases before the first step.
pub(crate) fn dense_step<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    step: usize,
    input: &[u8],
    sums: &mut [i32],
) {
    if let Some(order) = Interleaved::of_layer::<FEATURES>(layer) {
        let dot = if layer.input_signed { interleaved::dot::<true> } else { interleaved::dot::<false> };
        return interleaved::dense_step(parameters, order, step, input, sums, dot);
    }
    dispatch!(parameters, layer.input_signed, accumulate(parameters, step, input, sums));
}

fn accumulate<const FEATURES: u32, const BITS: u8, const SIGNED: bool>(
    parameters: &Parameters<'_>,
    step: usize,
    input: &[u8],
    sums: &mut [i32],
) {
    let runs = parameters.weights.chunks_exact(parameters.run_bytes.max(1));
    for (weights, sum) in runs.skip(step * sums.len()).zip(sums) {
        *sum += dot::<BITS, SIGNED>(weights, 0, input);
    }
}

/// A dense layer whose whole input is at hand: no sums are kept.
pub(crate) fn dense<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    input: &[u8],
    out: &mut [u8],
) {
    if Interleaved::of_layer::<FEATURES>(layer).is_some() {
        let dot = if layer.input_signed { interleaved::dot::<true> } else { interleaved::dot::<false> };
        return interleaved::dense(parameters, input, out, dot);
    }
    dispatch!(parameters, layer.input_signed, fully_connect(parameters, input, out));
}

fn fully_connect<const FEATURES: u32, const BITS: u8, const SIGNED: bool>(
    parameters: &Parameters<'_>,
    input: &[u8],
    out: &mut [u8],
) {
    let runs = parameters.weights.chunks_exact(parameters.run_bytes.max(1));
    let each = runs.zip(parameters.bias).zip(parameters.shifts).zip(out);
    for (((weights, &bias), &shift), value) in each {
        *value =
            requantize::<FEATURES>(bias + dot::<BITS, SIGNED>(weights, 0, input), shift, parameters.output);
    }
}

/// Copies a row of the image; a shorter one is completed with zeros.
pub(crate) fn copy_row(row: &[u8], to: &mut [u8]) {
    let (filled, missing) = to.split_at_mut(row.len().min(to.len()));
    filled.iter_mut().zip(row).for_each(|(to, &from)| *to = from);
    missing.fill(0);
}

/// Requantizes the sums of a dense layer that was fed row by row.
pub(crate) fn finish<const FEATURES: u32>(sums: &[i32], shifts: &[u8], output: Output<'_>, out: &mut [u8]) {
    for ((&sum, &shift), value) in sums.iter().zip(shifts).zip(out) {
        *value = requantize::<FEATURES>(sum, shift, output);
    }
}

/// One row of a max-pool.
pub(crate) fn max_pool<const FEATURES: u32>(
    layer: &Layer<'_>,
    window: Window,
    rows: Rows<'_>,
    out: &mut [u8],
) {
    if any(FEATURES, f::SIGNED_INPUT) && layer.input_signed {
        pool::<true>(layer, window, rows, out, i32::MIN, i32::max, |largest| largest as u8);
    } else {
        pool::<false>(layer, window, rows, out, i32::MIN, i32::max, |largest| largest as u8);
    }
}

/// One row of an average-pool over `2^log2_area` values.
pub(crate) fn average_pool<const FEATURES: u32>(
    layer: &Layer<'_>,
    window: Window,
    log2_area: u8,
    rows: Rows<'_>,
    out: &mut [u8],
) {
    let add = |sum: i32, value: i32| sum + value;
    if any(FEATURES, f::SIGNED_INPUT) && layer.input_signed {
        let mean = |sum| saturate_i8(rounding_shift(sum, log2_area)) as u8;
        pool::<true>(layer, window, rows, out, 0, add, mean);
    } else {
        let mean = |sum| saturate_u8(rounding_shift(sum, log2_area));
        pool::<false>(layer, window, rows, out, 0, add, mean);
    }
}

/// Folds the values under each position of the window, channel by channel.
fn pool<const SIGNED: bool>(
    layer: &Layer<'_>,
    window: Window,
    rows: Rows<'_>,
    out: &mut [u8],
    start: i32,
    combine: impl Fn(i32, i32) -> i32,
    finish: impl Fn(i32) -> u8,
) {
    let channels = usize::from(layer.output.channels).max(1);
    let [height, width] = window.kernel.map(usize::from);
    let across = usize::from(window.stride[1]);
    for (column, pixel) in out.chunks_exact_mut(channels).enumerate() {
        let left = column * across * channels;
        for (channel, value) in pixel.iter_mut().enumerate() {
            let mut folded = start;
            for row in 0..height {
                let run = rows.run(row, left, width * channels);
                for &byte in run.iter().skip(channel).step_by(channels) {
                    folded = combine(folded, activation::<SIGNED>(byte));
                }
            }
            *value = finish(folded);
        }
    }
}
