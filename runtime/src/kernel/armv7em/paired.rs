//! Convolutions whose weights are in pairs ([`Order::Paired`](crate::Order::Paired)).
//!
//! The input under a window is widened once, into the workspace, and then multiplied with the
//! weights of one output channel after the other. A word of the workspace holds the two values that
//! meet in one `SMLAD`, and the words lie in the order in which the loops of `loops.s` load them,
//! several at a time.

use super::super::{Rows, requantize};
use crate::arithmetic::activation;
use crate::format::features::{self as f, any};
use crate::model::{Layer, Output, Parameters};
use crate::order::Paired;

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

/// What `loops.s` needs to widen some pixels of some rows.
#[repr(C)]
struct Widen {
    target: *mut u32,
    pixels: usize,
    /// Bytes from a row's target to the next one's.
    row_step: usize,
    plane_bytes: usize,
    quads: usize,
    rest: usize,
    /// Bytes from a pixel to the next.
    pitch: usize,
    /// Offset of the first pixel in each row.
    offset: usize,
    rows_end: *const *const u8,
    rows: [*const u8; MOST_ROWS],
}

/// Rows under a window of 5 x 5 with its pool.
const MOST_ROWS: usize = 6;

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
    fn tenfold_widen_unsigned(job: *mut Widen);
    fn tenfold_widen_signed(job: *mut Widen);
    fn tenfold_widen_image_3x3_unsigned(
        row: *const *const u8,
        at: usize,
        to: *mut u32,
        end: *const *const u8,
    );
    fn tenfold_widen_image_3x3_signed(row: *const *const u8, at: usize, to: *mut u32, end: *const *const u8);
    fn tenfold_widen_image_5x5_unsigned(
        row: *const *const u8,
        at: usize,
        to: *mut u32,
        end: *const *const u8,
    );
    fn tenfold_widen_image_5x5_signed(row: *const *const u8, at: usize, to: *mut u32, end: *const *const u8);
    fn tenfold_widen_image_4_unsigned(row: *const *const u8, at: usize, to: *mut u32, end: *const *const u8);
    fn tenfold_widen_image_4_signed(row: *const *const u8, at: usize, to: *mut u32, end: *const *const u8);
}

/// Rows from one address of addresses to another, the offset in each, and the target.
type WidenImage = unsafe extern "C" fn(*const *const u8, usize, *mut u32, *const *const u8);

/// As [`portable::convolution`](super::portable::convolution).
#[inline(never)]
pub(super) fn convolution<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    order: Paired,
    rows: Rows<'_>,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    let padding = layer.padding();
    let width = usize::from(layer.input.width) + usize::from(padding.left) + usize::from(padding.right);
    let channels = usize::from(layer.input.channels);
    let count = if order.is_pooled() { order.side() + 1 } else { order.side() };
    let mut input = Input { rows: [&[]; MOST_ROWS], count, channels, signed: layer.input_signed };
    for (index, row) in input.rows.iter_mut().enumerate().take(count) {
        *row = rows.run(index, 0, width * channels);
    }
    if any(FEATURES, f::FUSED_POOL) && order.is_pooled() {
        pooled::<FEATURES>(&input, parameters, order, workspace, out);
    } else if any(FEATURES, f::UNPOOLED) {
        single::<FEATURES>(&input, parameters, order, usize::from(layer.output.width), workspace, out);
    }
}

/// The rows under a row of windows.
struct Input<'a> {
    rows: [&'a [u8]; MOST_ROWS],
    count: usize,
    channels: usize,
    signed: bool,
}

/// A part of the columns, of the channels and of the target.
#[derive(Clone, Copy)]
struct Part {
    column: usize,
    pixels: usize,
    first_channel: usize,
    channels: usize,
    /// First word.
    word: usize,
    /// Words from a row to the next, and from a plane to the next.
    row_words: usize,
    plane_words: usize,
}

impl Input<'_> {
    /// Widens the channels of some pixels of every row in pairs.
    #[inline(never)]
    fn widen<const FEATURES: u32>(&self, part: Part, patch: &mut [u32]) {
        let Part { column, pixels, first_channel, channels, word, row_words, plane_words } = part;
        let offset = column * self.channels + first_channel;
        let end = offset + (pixels - 1) * self.channels + channels;
        let planes = channels.div_ceil(2);
        let last = word + (self.count - 1) * row_words + (planes - 1) * plane_words + pixels - 1;
        let Some(rows) = self.rows.get(..self.count) else { return };
        if pixels == 0 || planes == 0 || rows.iter().any(|row| row.len() < end) || last >= patch.len() {
            return;
        }
        let Some(target) = patch.get_mut(word..) else { return };
        let mut job = Widen {
            target: target.as_mut_ptr(),
            pixels,
            row_step: row_words * 4,
            plane_bytes: plane_words * 4,
            quads: channels / 4,
            rest: channels % 4,
            pitch: self.channels,
            offset,
            rows_end: core::ptr::null(),
            rows: self.rows.map(<[u8]>::as_ptr),
        };
        job.rows_end = job.rows.as_ptr().wrapping_add(self.count);
        // SAFETY: of each of `count` rows the loop reads up to `end`, and it writes words up to number
        // `last` of the patch; both were compared with the lengths above.
        unsafe {
            if any(FEATURES, f::SIGNED_INPUT) && self.signed {
                tenfold_widen_signed(&raw mut job);
            } else {
                tenfold_widen_unsigned(&raw mut job);
            }
        }
    }

    /// Widens neighbours of an input of one channel in pairs, for `pixels` pixels from `column` on. For
    /// each of `pairs` pairs of columns of the kernel there is a block of rows of `pixels` words.
    fn widen_columns<const FEATURES: u32>(
        &self,
        column: usize,
        pixels: usize,
        pairs: usize,
        patch: &mut [u32],
    ) {
        let Some(rows) = self.rows.get(..self.count) else { return };
        // Every neighbour but the last, which meets a weight of zero.
        let span = pixels + 2 * (pairs - 1);
        if rows.iter().all(|row| row.len() >= column + span) && patch.len() >= pairs * self.count * pixels {
            // Which of the loops a network can need.
            let pooled_3x3 = any(FEATURES, f::FUSED_POOL) && any(FEATURES, f::KERNEL_3);
            let pooled_5x5 = any(FEATURES, f::FUSED_POOL) && any(FEATURES, f::KERNEL_5);
            let signed = any(FEATURES, f::SIGNED_INPUT) && self.signed;
            let widen = match (self.count, pixels, pairs, signed) {
                (4, 2, 2, false) if pooled_3x3 => Some(tenfold_widen_image_3x3_unsigned as WidenImage),
                (4, 2, 2, true) if pooled_3x3 => Some(tenfold_widen_image_3x3_signed as WidenImage),
                (6, 2, 3, false) if pooled_5x5 => Some(tenfold_widen_image_5x5_unsigned as WidenImage),
                (6, 2, 3, true) if pooled_5x5 => Some(tenfold_widen_image_5x5_signed as WidenImage),
                (3, 4, 2, false) if any(FEATURES, f::UNPOOLED) => {
                    Some(tenfold_widen_image_4_unsigned as WidenImage)
                }
                (3, 4, 2, true) if any(FEATURES, f::UNPOOLED) => {
                    Some(tenfold_widen_image_4_signed as WidenImage)
                }
                _ => None,
            };
            if let Some(widen) = widen {
                let addresses = self.rows.map(<[u8]>::as_ptr);
                let range = addresses.get(..self.count).unwrap_or_default().as_ptr_range();
                // SAFETY: of each of `count` rows the loop reads `span` bytes, 4 or 6, from `column`
                // on, and it writes `pairs * count * pixels` words. Both were compared above.
                return unsafe { widen(range.start, column, patch.as_mut_ptr(), range.end) };
            }
        }
        self.widen_few_columns::<FEATURES>(column, pixels, pairs, patch);
    }

    #[inline(never)]
    fn widen_few_columns<const FEATURES: u32>(
        &self,
        column: usize,
        pixels: usize,
        pairs: usize,
        patch: &mut [u32],
    ) {
        for (row, bytes) in self.rows.iter().take(self.count).enumerate() {
            let bytes = bytes.get(column..).unwrap_or_default();
            // The kernel has an odd number of columns: the last neighbour meets a weight of zero.
            let value = |index: usize| {
                let byte = bytes.get(index).copied().unwrap_or(0);
                if any(FEATURES, f::SIGNED_INPUT) && self.signed {
                    activation::<true>(byte) as u32
                } else {
                    u32::from(byte)
                }
            };
            for pair in 0..pairs {
                let start = (pair * self.count + row) * pixels;
                let words = patch.get_mut(start..start + pixels).unwrap_or_default();
                let mut left = value(2 * pair);
                for (pixel, word) in words.iter_mut().enumerate() {
                    let right = value(2 * pair + pixel + 1);
                    *word = left & 0xffff | right << 16;
                    left = right;
                }
            }
        }
    }
}

fn pooled<const FEATURES: u32>(
    input: &Input<'_>,
    parameters: &Parameters<'_>,
    order: Paired,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    let Parameters { bias, shifts, weights, .. } = *parameters;
    let (channels, outputs, side) = (input.channels, bias.len(), order.side());
    let words = order.plane_words(0);
    let Some(patch) = workspace.get_mut(..order.planes() * words) else { return };
    if outputs == 0 || shifts.len() < outputs || weights.len() < outputs * order.run_bytes() {
        return;
    }
    let offset = if matches!(parameters.output, Output::Unsigned) { 0 } else { 128 };
    for (index, pixel) in out.chunks_exact_mut(outputs).enumerate() {
        let column = 2 * index;
        let all = Part {
            column,
            pixels: side + 1,
            first_channel: 0,
            channels,
            word: 0,
            row_words: 4,
            plane_words: words,
        };
        match (side, channels) {
            (_, 1) if any(FEATURES, f::ONE_CHANNEL) => {
                input.widen_columns::<FEATURES>(column, 2, side.div_ceil(2), patch);
            }
            (3, _) => input.widen::<FEATURES>(all, patch),
            _ if any(FEATURES, f::KERNEL_5) => {
                // What the first three columns of the kernel see, then the other two.
                input.widen::<FEATURES>(Part { pixels: 4, ..all }, patch);
                input.widen::<FEATURES>(
                    Part { column: column + 3, pixels: 3, word: 24, row_words: 3, ..all },
                    patch,
                );
            }
            _ => {}
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
            let one = any(FEATURES, f::ONE_CHANNEL) && (channels == 1 || !any(FEATURES, f::CHANNELS));
            if any(FEATURES, f::KERNEL_3) && side == 3 {
                if one {
                    tenfold_pooled_3x3_image(&raw const job);
                } else if any(FEATURES, f::CHANNELS) {
                    tenfold_pooled_3x3(&raw const job);
                }
            } else if any(FEATURES, f::KERNEL_5) {
                if one {
                    tenfold_pooled_5x5_image(&raw const job);
                } else if any(FEATURES, f::CHANNELS) {
                    tenfold_pooled_5x5(&raw const job);
                }
            }
        }
        match parameters.output {
            Output::Signed if any(FEATURES, f::SIGNED_OUTPUT) => {
                pixel.iter_mut().for_each(|value| *value ^= 0x80);
            }
            Output::Table(table) if any(FEATURES, f::TABLE) => {
                for value in pixel {
                    *value = table.get(usize::from(*value)).copied().unwrap_or(0);
                }
            }
            _ => {}
        }
    }
}

fn single<const FEATURES: u32>(
    input: &Input<'_>,
    parameters: &Parameters<'_>,
    order: Paired,
    width: usize,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    let (channels, outputs) = (input.channels, parameters.bias.len());
    let mut column = 0;
    while column < width {
        let pixels = Paired::pixels(width, column);
        let Some(target) = out.get_mut(column * outputs..(column + pixels) * outputs) else { return };
        let words = order.plane_words(pixels);
        // Half of the workspace for sums at most; the planes that fit into the rest at once.
        let block = outputs.min((workspace.len() / 2).checked_div(pixels).unwrap_or(0).max(1));
        let Some((sums, patch)) = workspace.split_at_mut_checked(block * pixels) else { return };
        let Ok(sums) = bytemuck::try_cast_slice_mut::<u32, i32>(sums) else { return };
        let piece = order.planes().min(patch.len().checked_div(words).unwrap_or(0)).max(1);
        let mut first = 0;
        while first < outputs {
            let count = block.min(outputs - first);
            let Some(sums) = sums.get_mut(..count * pixels) else { return };
            let biases = parameters.bias.get(first..).unwrap_or_default();
            for (sums, &bias) in sums.chunks_exact_mut(pixels).zip(biases) {
                sums.iter_mut().for_each(|sum| *sum = bias);
            }
            let mut plane = 0;
            while plane < order.planes() {
                let planes = piece.min(order.planes() - plane);
                let Some(patch) = patch.get_mut(..planes * words) else { return };
                if any(FEATURES, f::ONE_CHANNEL) && channels == 1 {
                    input.widen_columns::<FEATURES>(column, pixels, 2, patch);
                } else {
                    let part = Part {
                        column,
                        pixels: pixels + 2,
                        first_channel: 2 * plane,
                        channels: (channels - 2 * plane).min(2 * planes),
                        word: 0,
                        row_words: pixels + 2,
                        plane_words: words,
                    };
                    input.widen::<FEATURES>(part, patch);
                }
                multiply::<FEATURES>(order, parameters, (first, plane), pixels, sums, patch);
                plane += planes;
            }
            let shifts = parameters.shifts.get(first..).unwrap_or_default();
            for ((index, sums), &shift) in sums.chunks_exact(pixels).enumerate().zip(shifts) {
                let values = target.get_mut(first + index..).unwrap_or_default();
                for (value, &sum) in values.iter_mut().step_by(outputs).zip(sums) {
                    *value = requantize::<FEATURES>(sum, shift, parameters.output);
                }
            }
            first += count;
        }
        column += pixels;
    }
}

/// Adds the products of the planes in `patch`, which start at plane number `plane`, to the sums of
/// output channels `first..`.
fn multiply<const FEATURES: u32>(
    order: Paired,
    parameters: &Parameters<'_>,
    (first, plane): (usize, usize),
    pixels: usize,
    sums: &mut [i32],
    patch: &[u32],
) {
    let run_bytes = order.run_bytes();
    let outputs = sums.len().checked_div(pixels).unwrap_or(0);
    let planes = patch.len().checked_div(order.plane_words(pixels)).unwrap_or(0);
    let start = first * run_bytes + plane * order.plane_bytes();
    let weights = parameters.weights.get(start..(first + outputs) * run_bytes).unwrap_or_default();
    let whole = patch.len() == planes * order.plane_words(pixels) && sums.len() == outputs * pixels;
    if outputs == 0 || planes == 0 || plane + planes > order.planes() || weights.is_empty() || !whole {
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
    // SAFETY: the loops read and write `outputs` whole blocks of `pixels` sums and read whole planes of
    // the patch, and of each of as many runs of weights `planes` planes from `plane` on, which the run
    // has, as was compared above. Weights are word-aligned behind the biases, and a run is whole
    // words.
    unsafe {
        let job = &raw const job;
        match (pixels, order.pairs_columns()) {
            (1, true) if any(FEATURES, f::ONE_CHANNEL) => tenfold_single_1_image(job),
            (2, true) if any(FEATURES, f::ONE_CHANNEL) => tenfold_single_2_image(job),
            (3, true) if any(FEATURES, f::ONE_CHANNEL) => tenfold_single_3_image(job),
            (_, true) if any(FEATURES, f::ONE_CHANNEL) => tenfold_single_4_image(job),
            (1, _) => tenfold_single_1(job),
            (2, _) => tenfold_single_2(job),
            (3, _) => tenfold_single_3(job),
            _ => tenfold_single_4(job),
        }
    }
}
