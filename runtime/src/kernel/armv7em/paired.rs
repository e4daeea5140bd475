//! Convolutions whose weights are in pairs ([`Order::Paired`](crate::Order::Paired)).
//!
//! The input under a window is widened once, into the workspace, and then multiplied with the
//! weights of one output channel after the other. A word of the workspace holds the two values that
//! meet in one `SMLAD`, and the words lie in the order in which the loops of `loops.s` load them,
//! several at a time.

use core::arch::global_asm;

use super::super::{Rows, requantize};
use super::extend;
use crate::model::{Layer, Output, Parameters};
use crate::order::Paired;

global_asm!(include_str!("loops.s"), options(raw));

/// What `loops.s` needs for the outputs of one window of a pool; its fields are read in this order.
#[repr(C)]
struct Pooled {
    bias: *const i32,
    shifts: *const u8,
    out: *mut u8,
    patch: *const u32,
    /// Added before saturation to 0..=255.
    offset: i32,
    out_end: *const u8,
    one: i32,
    patch_end: *const u32,
    weights: *const u8,
}

/// What `loops.s` needs to add the products of some planes to the sums of a block of pixels.
#[repr(C)]
struct Single {
    sums: *mut i32,
    weights: *const u8,
    run_bytes: usize,
    patch: *const u32,
    patch_end: *const u32,
    sums_end: *const i32,
}

unsafe extern "C" {
    fn tenfold_pooled_3x3(job: *const Pooled);
    fn tenfold_pooled_3x3_image(job: *const Pooled);
    fn tenfold_pooled_5x5(job: *const Pooled);
    fn tenfold_pooled_5x5_image(job: *const Pooled);
    fn tenfold_single_1(job: *const Single);
    fn tenfold_single_2(job: *const Single);
    fn tenfold_single_3(job: *const Single);
    fn tenfold_single_4(job: *const Single);
    fn tenfold_single_1_image(job: *const Single);
    fn tenfold_single_2_image(job: *const Single);
    fn tenfold_single_3_image(job: *const Single);
    fn tenfold_single_4_image(job: *const Single);
}

/// As [`portable::convolution`](super::portable::convolution).
pub(super) fn convolution<const SIGNED: bool>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    order: Paired,
    rows: Rows<'_>,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    if order.is_pooled() {
        pooled::<SIGNED>(layer, parameters, order, rows, workspace, out);
    } else {
        single::<SIGNED>(layer, parameters, order, rows, workspace, out);
    }
}

fn pooled<const SIGNED: bool>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    order: Paired,
    rows: Rows<'_>,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    let channels = usize::from(layer.input.channels);
    let outputs = usize::from(layer.output.channels).max(1);
    let words = order.plane_words(0);
    let side = order.side();
    let Parameters { bias, shifts, weights, .. } = *parameters;
    let Some(patch) = workspace.get_mut(..order.planes() * words) else { return };
    if bias.len() < outputs || shifts.len() < outputs || weights.len() < outputs * order.run_bytes() {
        return;
    }
    let offset = if matches!(parameters.output, Output::Unsigned) { 0 } else { 128 };
    for (column, pixel) in out.chunks_exact_mut(outputs).enumerate() {
        let left = 2 * column * channels;
        for row in 0..=side {
            let run = rows.run(row, left, (side + 1) * channels);
            if channels == 1 {
                widen_columns::<SIGNED>(run, patch.get_mut(2 * row..).unwrap_or_default(), 2 * (side + 1), 2);
            } else if side == 3 {
                widen::<SIGNED>(run, channels, patch.get_mut(4 * row..).unwrap_or_default(), words);
            } else {
                // The first three columns of the kernel, then the other two.
                let (first, second) = (run.get(..4 * channels), run.get(3 * channels..));
                let (first, second) = (first.unwrap_or_default(), second.unwrap_or_default());
                widen::<SIGNED>(first, channels, patch.get_mut(4 * row..).unwrap_or_default(), words);
                widen::<SIGNED>(second, channels, patch.get_mut(24 + 3 * row..).unwrap_or_default(), words);
            }
        }
        let job = Pooled {
            bias: bias.as_ptr(),
            shifts: shifts.as_ptr(),
            out: pixel.as_mut_ptr(),
            patch: patch.as_ptr(),
            offset,
            out_end: pixel.as_ptr_range().end,
            one: 1,
            patch_end: patch.as_ptr_range().end,
            weights: weights.as_ptr(),
        };
        // SAFETY: the loops read `outputs` biases and shifts, as many runs of weights and the whole
        // patch, whose lengths were compared above, and write `pixel`, of `outputs` bytes. The patch
        // is a multiple of what one round of each loop takes, as `plane_words` says. Weights are
        // word-aligned behind the biases, and a run is whole words.
        unsafe {
            match (side, channels) {
                (3, 1) => tenfold_pooled_3x3_image(&raw const job),
                (3, _) => tenfold_pooled_3x3(&raw const job),
                (_, 1) => tenfold_pooled_5x5_image(&raw const job),
                _ => tenfold_pooled_5x5(&raw const job),
            }
        }
        match parameters.output {
            Output::Unsigned => {}
            Output::Signed | Output::Logits => pixel.iter_mut().for_each(|value| *value ^= 0x80),
            Output::Table(table) => {
                for value in pixel {
                    *value = table.get(usize::from(*value)).copied().unwrap_or(0);
                }
            }
        }
    }
}

fn single<const SIGNED: bool>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    order: Paired,
    rows: Rows<'_>,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    let channels = usize::from(layer.input.channels);
    let outputs = usize::from(layer.output.channels).max(1);
    let width = usize::from(layer.output.width);
    let mut column = 0;
    while column < width {
        let pixels = Paired::pixels(width, column);
        let Some(target) = out.get_mut(column * outputs..(column + pixels) * outputs) else { return };
        let words = order.plane_words(pixels);
        // Half of the workspace for sums at most; the planes that fit into the rest at once.
        let block = outputs.min((workspace.len() / 2 / pixels).max(1));
        let (sums, patch) = workspace.split_at_mut(block * pixels);
        let Ok(sums) = bytemuck::try_cast_slice_mut::<u32, i32>(sums) else { return };
        let piece = order.planes().min(patch.len().checked_div(words).unwrap_or(0)).max(1);
        let mut first = 0;
        while first < outputs {
            let count = block.min(outputs - first);
            let Some(sums) = sums.get_mut(..count * pixels) else { return };
            let biases = parameters.bias.get(first..).unwrap_or_default();
            for (sums, &bias) in sums.chunks_exact_mut(pixels).zip(biases) {
                sums.fill(bias);
            }
            let mut plane = 0;
            while plane < order.planes() {
                let planes = piece.min(order.planes() - plane);
                let Some(patch) = patch.get_mut(..planes * words) else { return };
                for row in 0..3 {
                    let run = rows.run(row, column * channels, (pixels + 2) * channels);
                    if channels == 1 {
                        let patch = patch.get_mut(row * pixels..).unwrap_or_default();
                        widen_columns::<SIGNED>(run, patch, 3 * pixels, pixels);
                    } else {
                        let from = 2 * plane;
                        let to = channels.min(from + 2 * planes);
                        for (index, pixel) in run.chunks_exact(channels).enumerate() {
                            let values = pixel.get(from..to).unwrap_or_default();
                            let place = row * (pixels + 2) + index;
                            widen_pixel::<SIGNED>(values, patch.get_mut(place..).unwrap_or_default(), words);
                        }
                    }
                }
                multiply(order, parameters, (first, plane), pixels, sums, patch);
                plane += planes;
            }
            let shifts = parameters.shifts.get(first..).unwrap_or_default();
            for ((index, sums), &shift) in sums.chunks_exact(pixels).enumerate().zip(shifts) {
                let values = target.iter_mut().skip(first + index).step_by(outputs);
                for (value, &sum) in values.zip(sums) {
                    *value = requantize(sum, shift, parameters.output);
                }
            }
            first += count;
        }
        column += pixels;
    }
}

/// Adds the products of the planes in `patch`, which start at plane number `plane`, to the sums of
/// output channels `first..`.
fn multiply(
    order: Paired,
    parameters: &Parameters<'_>,
    (first, plane): (usize, usize),
    pixels: usize,
    sums: &mut [i32],
    patch: &[u32],
) {
    let run_bytes = order.run_bytes();
    let outputs = sums.len().checked_div(pixels).unwrap_or(0);
    let end = (first + outputs) * run_bytes;
    let Some(weights) = parameters.weights.get(first * run_bytes + plane * order.plane_bytes()..end) else {
        return;
    };
    let whole = patch.len().is_multiple_of(order.plane_words(pixels)) && sums.len() == outputs * pixels;
    if outputs == 0 || patch.is_empty() || !whole {
        return;
    }
    let job = Single {
        sums: sums.as_mut_ptr(),
        weights: weights.as_ptr(),
        run_bytes,
        patch: patch.as_ptr(),
        patch_end: patch.as_ptr_range().end,
        sums_end: sums.as_ptr_range().end,
    };
    // SAFETY: the loops read and write whole blocks of `pixels` sums and read whole planes of the
    // patch, as was asserted above, and from each run of weights as many planes as the patch has, which
    // lie between `plane` and the end of the run, as the caller cuts them. Weights are word-aligned
    // behind the biases, and a run is whole words.
    unsafe {
        let job = &raw const job;
        match (pixels, order.planes() == 1 && order.pairs_columns()) {
            (1, false) => tenfold_single_1(job),
            (2, false) => tenfold_single_2(job),
            (3, false) => tenfold_single_3(job),
            (_, false) => tenfold_single_4(job),
            (1, true) => tenfold_single_1_image(job),
            (2, true) => tenfold_single_2_image(job),
            (3, true) => tenfold_single_3_image(job),
            (_, true) => tenfold_single_4_image(job),
        }
    }
}

/// Widens neighbouring pixels into neighbouring words, `stride` words from one plane to the next.
#[inline(always)]
fn widen<const SIGNED: bool>(run: &[u8], channels: usize, patch: &mut [u32], stride: usize) {
    for (index, pixel) in run.chunks_exact(channels).enumerate() {
        widen_pixel::<SIGNED>(pixel, patch.get_mut(index..).unwrap_or_default(), stride);
    }
}

/// Widens the channels of one pixel in pairs, into words that are `stride` words apart.
#[inline(always)]
fn widen_pixel<const SIGNED: bool>(pixel: &[u8], patch: &mut [u32], stride: usize) {
    let (quads, rest) = pixel.as_chunks();
    let mut planes = patch.chunks_mut(2 * stride);
    for (quad, planes) in quads.iter().zip(&mut planes) {
        widen_quad::<SIGNED>(*quad, planes, stride);
    }
    if let (false, Some(planes)) = (rest.is_empty(), planes.next()) {
        let mut quad = [0; 4];
        quad.iter_mut().zip(rest).for_each(|(to, &from)| *to = from);
        widen_quad::<SIGNED>(quad, planes, stride);
    }
}

/// Four channels into the first words of two planes.
#[inline(always)]
fn widen_quad<const SIGNED: bool>(quad: [u8; 4], planes: &mut [u32], stride: usize) {
    let [even, odd] = extend::<SIGNED>(u32::from_le_bytes(quad));
    if let Some(word) = planes.first_mut() {
        *word = even & 0xffff | odd << 16;
    }
    if let Some(word) = planes.get_mut(stride) {
        *word = even >> 16 | odd & 0xffff_0000;
    }
}

/// Widens a row of an input of one channel: each word is a pixel and its right neighbour. Word
/// `2 i + p` is for pixel `p` of the block and pair of columns `i`, `stride` words from pair to pair.
#[inline(always)]
fn widen_columns<const SIGNED: bool>(run: &[u8], patch: &mut [u32], stride: usize, pixels: usize) {
    let value = |index: usize| {
        let byte = run.get(index).copied().unwrap_or(0);
        crate::arithmetic::activation::<SIGNED>(byte) as u32
    };
    for (pair, words) in patch.chunks_mut(stride).enumerate() {
        for (pixel, word) in words.iter_mut().take(pixels).enumerate() {
            *word = value(2 * pair + pixel) & 0xffff | value(2 * pair + pixel + 1) << 16;
        }
    }
}
