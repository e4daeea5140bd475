//! Convolutions whose weights are in pairs ([`Order::Paired`](crate::Order::Paired)).
//!
//! The input under a window is widened once, into the workspace, and then multiplied with the
//! weights of one output channel after the other. A word of the workspace holds the two values that
//! meet in one `SMLAD`, and the words lie in the order in which the loops of `loops.s` load them,
//! several at a time.

use core::ops::Range;

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

/// What `loops.s` needs for some planes of a block of pixels; its fields are read in this order.
#[repr(C)]
struct Single {
    bias: *const i32,
    shifts: *const u8,
    out: *mut u8,
    weights: *const u8,
    patch: *const u32,
    patch_end: *const u32,
    code: unsafe extern "C" fn(),
    finish: unsafe extern "C" fn(),
    /// Bytes of weights between these planes of an output channel and those of the next one.
    skip: usize,
    /// Bytes from a pixel of the output to the next.
    pitch: usize,
    /// End of the outputs of the first pixel.
    out_end: *const u8,
    start: unsafe extern "C" fn(),
    sums: *mut [u32; 4],
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
    /// And then a null.
    rows: [*const u8; MOST_ROWS + 1],
}

/// Rows under a window of 5 x 5 with its pool.
const MOST_ROWS: usize = 6;

unsafe extern "C" {
    fn tenfold_pooled_3x3(job: *const Pooled);
    fn tenfold_pooled_3x3_image(job: *const Pooled);
    fn tenfold_pooled_5x5(job: *const Pooled);
    fn tenfold_pooled_5x5_image(job: *const Pooled);
    fn tenfold_single(job: *const Single);
    // What a job names; these are no functions to call.
    fn tenfold_start_bias();
    fn tenfold_start_sums();
    fn tenfold_start_last_sums();
    fn tenfold_finish_store();
    fn tenfold_finish_1();
    fn tenfold_finish_2();
    fn tenfold_finish_3();
    fn tenfold_finish_4();
    fn tenfold_single_1();
    fn tenfold_single_2();
    fn tenfold_single_3();
    fn tenfold_single_4();
    fn tenfold_single_1_image();
    fn tenfold_single_2_image();
    fn tenfold_single_3_image();
    fn tenfold_single_4_image();
    fn tenfold_single_1_stride_2();
    fn tenfold_single_2_stride_2();
    fn tenfold_single_3_stride_2();
    fn tenfold_single_4_stride_2();
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

/// Computes the outputs of one window of a pool.
type PooledLoop = unsafe extern "C" fn(*const Pooled);

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
    /// Columns from a pixel to the next.
    stride: usize,
    first_channel: usize,
    channels: usize,
    /// First word.
    word: usize,
    /// Words from a row to the next, and from a plane to the next.
    row_words: usize,
    plane_words: usize,
}

impl Input<'_> {
    /// How to widen the channels of some pixels of every row in pairs, also `further` columns on;
    /// `None` where that would leave the rows or the patch.
    #[inline(never)]
    fn widening(&self, part: Part, further: usize, patch: &mut [u32]) -> Option<Widen> {
        let Part { column, pixels, stride, first_channel, channels, word, row_words, plane_words } = part;
        let offset = column * self.channels + first_channel;
        let pitch = stride * self.channels;
        let end = offset + further * self.channels + pixels.checked_sub(1)? * pitch + channels;
        let last = word
            + (self.count - 1) * row_words
            + channels.div_ceil(2).checked_sub(1)? * plane_words
            + pixels.checked_sub(1)?;
        let sources = self.rows.get(..self.count)?;
        if last >= patch.len() || sources.iter().any(|row| row.len() < end) {
            return None;
        }
        let mut rows = [core::ptr::null(); MOST_ROWS + 1];
        rows.iter_mut().zip(sources).for_each(|(to, row)| *to = row.as_ptr());
        Some(Widen {
            target: patch.get_mut(word..)?.as_mut_ptr(),
            pixels,
            row_step: row_words * 4,
            plane_bytes: plane_words * 4,
            quads: channels / 4,
            rest: channels % 4,
            pitch,
            offset,
            rows,
        })
    }

    /// As [`widening`](Self::widening), of one part or two.
    fn widening_in_parts(
        &self,
        first: Part,
        second: Option<Part>,
        further: usize,
        patch: &mut [u32],
    ) -> Option<Widening> {
        let second = match second {
            Some(part) => Some((self.widening(part, further, patch)?, part.word)),
            None => None,
        };
        Some(Widening::Channels(self.widening(first, further, patch)?, second))
    }

    /// The loop that widens neighbours of an input of one channel in pairs, for `pixels` pixels side by
    /// side and `pairs` pairs of columns of the kernel, from any column up to `last` on; `None` where
    /// there is none, or where it would leave the rows.
    fn image_widening<const FEATURES: u32>(
        &self,
        pixels: usize,
        pairs: usize,
        last: usize,
    ) -> Option<WidenImage> {
        // Every neighbour but the last, which meets a weight of zero.
        let span = pixels + 2 * (pairs - 1);
        if self.rows.get(..self.count)?.iter().any(|row| row.len() < last + span) {
            return None;
        }
        // Which of the loops a network can need.
        let pooled_3x3 = any(FEATURES, f::POOLED_IMAGE) && any(FEATURES, f::KERNEL_3);
        let pooled_5x5 = any(FEATURES, f::POOLED_IMAGE) && any(FEATURES, f::KERNEL_5);
        let single = any(FEATURES, f::UNPOOLED);
        Some(match (self.count, pixels, any(FEATURES, f::SIGNED_INPUT) && self.signed) {
            (4, 2, false) if pooled_3x3 => tenfold_widen_image_3x3_unsigned,
            (4, 2, true) if pooled_3x3 => tenfold_widen_image_3x3_signed,
            (6, 2, false) if pooled_5x5 => tenfold_widen_image_5x5_unsigned,
            (6, 2, true) if pooled_5x5 => tenfold_widen_image_5x5_signed,
            (3, 4, false) if single => tenfold_widen_image_4_unsigned,
            (3, 4, true) if single => tenfold_widen_image_4_signed,
            _ => return None,
        })
    }

    /// Widens neighbours of an input of one channel in pairs for a block of pixels under a kernel of three
    /// columns. For each of its 2 pairs of columns there is a block of rows of `pixels` words.
    #[inline(never)]
    fn widen_few_columns<const FEATURES: u32>(
        &self,
        column: usize,
        pixels: usize,
        stride: usize,
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
            for pair in 0..2 {
                let start = (pair * self.count + row) * pixels;
                let words = patch.get_mut(start..start + pixels).unwrap_or_default();
                for (pixel, word) in words.iter_mut().enumerate() {
                    let left = 2 * pair + pixel * stride;
                    *word = value(left) & 0xffff | value(left + 1) << 16;
                }
            }
        }
    }
}

/// Widens as a job says.
///
/// # Safety
///
/// The job comes from [`Input::widening`], with an offset that it allows.
#[inline(always)]
unsafe fn widen<const FEATURES: u32>(signed: bool, job: &mut Widen) {
    // SAFETY: the caller's promise.
    unsafe {
        if any(FEATURES, f::SIGNED_INPUT) && signed {
            tenfold_widen_signed(job);
        } else {
            tenfold_widen_unsigned(job);
        }
    }
}

/// How what one window or block of pixels sees is widened, and then the next one of the row.
enum Widening {
    /// The columns of an image in pairs, by a loop, from this column on.
    Image(WidenImage, [*const u8; MOST_ROWS], usize),
    /// The columns of an image in pairs, for this number of pixels, from this column on.
    Columns(usize, usize),
    /// The channels in pairs. In two parts for a kernel of 5 x 5, what its first three columns see and the
    /// other two, and at stride 2, the even columns and the odd ones; the second from this word on.
    Channels(Widen, Option<(Widen, usize)>),
}

impl Widening {
    /// Widens into `patch`; the next call does so `columns` columns further on.
    ///
    /// # Safety
    ///
    /// All calls together go no further than what the job or the loop was made for, with this patch.
    #[inline(always)]
    unsafe fn next<const FEATURES: u32>(&mut self, input: &Input<'_>, patch: &mut [u32], columns: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::Image(widen, rows, column) if any(FEATURES, f::ONE_CHANNEL) => {
                    let rows = rows.as_ptr();
                    widen(rows, *column, patch.as_mut_ptr(), rows.wrapping_add(input.count));
                    *column += columns;
                }
                Self::Columns(column, pixels) if any(FEATURES, f::ONE_CHANNEL) => {
                    let stride = columns.checked_div(*pixels).unwrap_or(1);
                    input.widen_few_columns::<FEATURES>(*column, *pixels, stride, patch);
                    *column += columns;
                }
                Self::Channels(first, second) => {
                    first.target = patch.as_mut_ptr();
                    widen::<FEATURES>(input.signed, first);
                    first.offset += columns * input.channels;
                    if any(FEATURES, f::KERNEL_5 | f::STRIDE)
                        && let Some((second, word)) = second
                    {
                        second.target = patch.as_mut_ptr().wrapping_add(*word);
                        widen::<FEATURES>(input.signed, second);
                        second.offset += columns * input.channels;
                    }
                }
                _ => {}
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
    let windows = out.len().checked_div(outputs).unwrap_or(0);
    let further = 2 * windows.saturating_sub(1);
    let one_channel = any(FEATURES, f::POOLED_IMAGE) && (channels == 1 || !any(FEATURES, f::CHANNELS));
    let is_5x5 = any(FEATURES, f::KERNEL_5) && (side == 5 || !any(FEATURES, f::KERNEL_3));
    let multiply = match (is_5x5, one_channel) {
        (false, true) => tenfold_pooled_3x3_image as PooledLoop,
        (false, false) => tenfold_pooled_3x3,
        (true, true) => tenfold_pooled_5x5_image,
        (true, false) => tenfold_pooled_5x5,
    };
    let widening = if one_channel {
        let widen = input.image_widening::<FEATURES>(2, side.div_ceil(2), further);
        widen.map(|widen| Widening::Image(widen, input.rows.map(<[u8]>::as_ptr), 0))
    } else {
        let all = Part {
            column: 0,
            pixels: 4,
            stride: 1,
            first_channel: 0,
            channels,
            word: 0,
            row_words: 4,
            plane_words: words,
        };
        let others = Part { column: 3, pixels: 3, word: 24, row_words: 3, ..all };
        input.widening_in_parts(all, if is_5x5 { Some(others) } else { None }, further, patch)
    };
    let Some(mut widening) = widening else { return };
    let mut job = Pooled {
        bias: bias.as_ptr(),
        shifts: shifts.as_ptr(),
        out: out.as_mut_ptr(),
        patch: patch.as_ptr(),
        // Added before saturation to 0..=255.
        offset: if matches!(parameters.output, Output::Unsigned) { 0 } else { 128 },
        out_end: out.as_ptr(),
        one: 1,
        patch_end: patch.as_ptr_range().end,
        weights: weights.as_ptr(),
    };
    for _ in 0..windows {
        // SAFETY: the widening loops read windows up to the last one, which the rows hold, and write the
        // patch, as was compared where they were chosen. The others read `outputs` biases and shifts, as
        // many runs of weights and the whole patch, whose lengths were compared above, and write
        // `outputs` bytes for each of `windows` windows, which is at most `out`. The patch is a multiple
        // of what one round of each loop takes, as `plane_words` says. Weights are word-aligned behind
        // the biases, and a run is whole words.
        unsafe {
            widening.next::<FEATURES>(input, patch, 2);
            job.out = job.out_end.cast_mut();
            job.out_end = job.out_end.wrapping_add(outputs);
            multiply(&raw const job);
        }
    }
    match parameters.output {
        Output::Signed if any(FEATURES, f::SIGNED_OUTPUT) => {
            out.iter_mut().for_each(|value| *value ^= 0x80);
        }
        Output::Table(table) if any(FEATURES, f::TABLE) => {
            for value in out {
                *value = table.get(usize::from(*value)).copied().unwrap_or(0);
            }
        }
        _ => {}
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
    let outputs = parameters.bias.len();
    let mut column = 0;
    while column < width {
        // As many blocks of as many pixels.
        let pixels = Paired::pixels(width, column);
        let count = (width - column).checked_div(pixels).unwrap_or(0);
        let Some(out) = out.get_mut(column * outputs..(column + count * pixels) * outputs) else { return };
        let is_unsigned =
            !any(FEATURES, f::SIGNED_OUTPUT | f::TABLE) || matches!(parameters.output, Output::Unsigned);
        let words = order.planes() * order.plane_words(pixels);
        if let Some(patch) = workspace.get_mut(..words)
            && is_unsigned
        {
            let all = Planes { pixels, outputs: 0..outputs, planes: 0..order.planes(), is_last: true };
            multiply::<FEATURES>(input, order, parameters, (column, count), all, &mut [], patch, out);
        } else {
            for (index, out) in out.chunks_exact_mut((pixels * outputs).max(1)).enumerate() {
                let column = column + index * pixels;
                single_in_pieces::<FEATURES>(input, parameters, order, (column, pixels), workspace, out);
            }
        }
        column += count * pixels;
    }
}

/// A block of pixels, some planes at a time; sums are kept in between.
#[inline(never)]
fn single_in_pieces<const FEATURES: u32>(
    input: &Input<'_>,
    parameters: &Parameters<'_>,
    order: Paired,
    (column, pixels): (usize, usize),
    workspace: &mut [u32],
    out: &mut [u8],
) {
    let outputs = parameters.bias.len();
    let is_unsigned =
        !any(FEATURES, f::SIGNED_OUTPUT | f::TABLE) || matches!(parameters.output, Output::Unsigned);
    let words = order.plane_words(pixels);
    // Half of the workspace for sums at most; but one plane fits into the rest, and then as many as do.
    let room = workspace.len().saturating_sub(words) / 4;
    let block = outputs.min(workspace.len() / 8).min(room).max(1);
    let Some((sums, patch)) = workspace.split_at_mut_checked(block * 4) else { return };
    let (sums, _) = sums.as_chunks_mut::<4>();
    let piece = patch.len().checked_div(words).unwrap_or(0).min(order.planes()).max(1);
    let mut first = 0;
    while first < outputs {
        let count = block.min(outputs - first);
        let mut plane = 0;
        while plane < order.planes() {
            let planes = piece.min(order.planes() - plane);
            let Some(patch) = patch.get_mut(..planes * words) else { return };
            let is_last = is_unsigned && plane + planes == order.planes();
            let part =
                Planes { pixels, outputs: first..first + count, planes: plane..plane + planes, is_last };
            multiply::<FEATURES>(input, order, parameters, (column, 1), part, sums, patch, out);
            plane += planes;
        }
        if !is_unsigned {
            let shifts = parameters.shifts.get(first..).unwrap_or_default();
            for ((index, sums), &shift) in sums.iter().take(count).enumerate().zip(shifts) {
                let values = out.get_mut(first + index..).unwrap_or_default();
                // The half that is in the sums already.
                let half = (1 << (shift & 31)) >> 1;
                for (value, &sum) in values.iter_mut().step_by(outputs).zip(sums) {
                    *value = requantize::<FEATURES>(sum as i32 - half, shift, parameters.output);
                }
            }
        }
        first += count;
    }
}

/// What is computed at once: some planes of some outputs of some pixels side by side.
struct Planes {
    pixels: usize,
    outputs: Range<usize>,
    planes: Range<usize>,
    /// Whether the outputs are written after these planes; if not, the sums are kept.
    is_last: bool,
}

impl Planes {
    /// How to widen what a block of pixels from `column` on sees of these planes, also `further` pixels on.
    fn widening<const FEATURES: u32>(
        &self,
        input: &Input<'_>,
        order: Paired,
        column: usize,
        further: usize,
        patch: &mut [u32],
    ) -> Option<Widening> {
        let Self { pixels, ref planes, .. } = *self;
        let (channels, stride) = (input.channels, order.stride());
        let (column, further) = (column * stride, further * stride);
        if any(FEATURES, f::ONE_CHANNEL) && channels == 1 {
            let widen = input.image_widening::<FEATURES>(pixels, 2, column + further);
            return Some(match widen {
                Some(widen) if stride == 1 && patch.len() >= 2 * input.count * pixels => {
                    Widening::Image(widen, input.rows.map(<[u8]>::as_ptr), column)
                }
                _ => Widening::Columns(column, pixels),
            });
        }
        let row_words = stride * (pixels - 1) + 3;
        let all = Part {
            column,
            pixels: row_words,
            stride: 1,
            first_channel: 2 * planes.start,
            channels: (channels - 2 * planes.start).min(2 * planes.len()),
            word: 0,
            row_words,
            plane_words: order.plane_words(pixels),
        };
        if any(FEATURES, f::STRIDE) && stride == 2 {
            let even = Part { pixels: pixels + 1, stride, ..all };
            let odd = Part { pixels, stride, column: column + 1, word: pixels + 1, ..all };
            input.widening_in_parts(even, Some(odd), further, patch)
        } else {
            input.widening_in_parts(all, None, further, patch)
        }
    }
}

/// Widens and multiplies the planes that fill `patch`, for `count` blocks from `column` on, and writes
/// the outputs after the last planes; sums are kept in between.
#[allow(clippy::too_many_arguments, reason = "called in two places")]
fn multiply<const FEATURES: u32>(
    input: &Input<'_>,
    order: Paired,
    parameters: &Parameters<'_>,
    (column, count): (usize, usize),
    part: Planes,
    sums: &mut [[u32; 4]],
    patch: &mut [u32],
    out: &mut [u8],
) {
    let pixels = part.pixels;
    let further = pixels * (count - 1);
    let Some(mut widening) = part.widening::<FEATURES>(input, order, column, further, patch) else { return };
    let Planes { outputs, planes, is_last, .. } = part;
    let (all, run_bytes) = (parameters.bias.len(), order.run_bytes());
    let is_first = planes.start == 0;
    let start = match (is_first, is_last) {
        (true, _) => tenfold_start_bias,
        (false, false) => tenfold_start_sums,
        (false, true) => tenfold_start_last_sums,
    };
    let weights = outputs.start * run_bytes + planes.start * order.plane_bytes();
    let weights = parameters.weights.get(weights..outputs.end * run_bytes).unwrap_or_default();
    let bias = parameters.bias.get(outputs.clone()).unwrap_or_default();
    let shifts = parameters.shifts.get(outputs.clone()).unwrap_or_default();
    let keeps_sums = !(is_first && is_last);
    if outputs.is_empty()
        || outputs.end > all
        || bias.len() != outputs.len()
        || shifts.len() != outputs.len()
        || weights.is_empty()
        || (keeps_sums && sums.len() < outputs.len())
        || planes.is_empty()
        || planes.end > order.planes()
        || patch.len() != planes.len() * order.plane_words(pixels)
        || out.len() < count * pixels * all
    {
        return;
    }
    // Of an even number of columns two are left, or none.
    let odd = any(FEATURES, f::ODD_WIDTH);
    let finish = match pixels {
        _ if !is_last => tenfold_finish_store,
        1 if odd => tenfold_finish_1,
        2 => tenfold_finish_2,
        3 if odd => tenfold_finish_3,
        _ => tenfold_finish_4,
    };
    let is_image = any(FEATURES, f::ONE_CHANNEL) && order.pairs_columns();
    let code = match (pixels, order.stride()) {
        (1, _) if odd && is_image => tenfold_single_1_image,
        (2, _) if is_image => tenfold_single_2_image,
        (3, _) if odd && is_image => tenfold_single_3_image,
        _ if is_image => tenfold_single_4_image,
        (1, 2) if odd && any(FEATURES, f::STRIDE) => tenfold_single_1_stride_2,
        (2, 2) if any(FEATURES, f::STRIDE) => tenfold_single_2_stride_2,
        (3, 2) if odd && any(FEATURES, f::STRIDE) => tenfold_single_3_stride_2,
        (_, 2) if any(FEATURES, f::STRIDE) => tenfold_single_4_stride_2,
        (1, _) if odd => tenfold_single_1,
        (2, _) => tenfold_single_2,
        (3, _) if odd => tenfold_single_3,
        _ => tenfold_single_4,
    };
    let out = out.as_mut_ptr().wrapping_add(outputs.start);
    let mut job = Single {
        bias: bias.as_ptr(),
        shifts: shifts.as_ptr(),
        out,
        weights: weights.as_ptr(),
        patch: patch.as_ptr(),
        patch_end: patch.as_ptr_range().end,
        code,
        finish,
        skip: run_bytes - planes.len() * order.plane_bytes(),
        pitch: all,
        out_end: out.wrapping_add(outputs.len()),
        start,
        sums: sums.as_mut_ptr(),
    };
    for _ in 0..count {
        // SAFETY: the widening was made for all `count` blocks and this patch. For each of the outputs the
        // code reads a bias, a shift and as many planes of its run of weights as the patch has, which is
        // whole planes; and where it keeps sums it reads and writes four. It writes a byte for each of
        // the outputs of each of `pixels` pixels, `pitch` apart, from `job.out` on; `out` has room for
        // `count` times as many. All were compared above. Weights are word-aligned behind the biases, and
        // a run is whole words.
        unsafe {
            widening.next::<FEATURES>(input, patch, pixels * order.stride());
            tenfold_single(&raw const job);
        }
        job.out = job.out.wrapping_add(pixels * all);
        job.out_end = job.out_end.wrapping_add(pixels * all);
    }
}
