//! Convolutions whose weights are in narrow planes ([`Order::Narrow`](crate::Order::Narrow)).
//!
//! Two pixels, 128 less each, are the halves of a word, and a word times a weight is two products. Those
//! of a row of the kernel add up to 16 bits, so that the two sums are taken apart once a row: the
//! upper one is the word's upper half, rounded, and the lower one what remains. Where the order says
//! that they may add up to more, those of two weights never do, and the sums are taken apart more
//! often. What 128 took away is in the bias.
//!
//! ```text
//! left pair                right pair
//! pixels 0 and 2           pixels 1 and 3: the same words, from the second column on
//! ```
//!
//! Under a pool of 2 x 2, pixels 2 and 3 lie below 0 and 1; without one, all four are neighbours.

use core::ops::Range;

use super::super::Rows;
use super::super::packed;
use crate::format::features::{self as f, any};
use crate::model::{Layer, Output, Parameters};
use crate::order::{Pieces, Planar, SUM_WORDS};

/// Weights that are packed.
type Packed<'a, 'w, const FEATURES: u32> = packed::Packed<'a, 'w, FEATURES, 0x8080_8080>;

/// What the loops need; its fields are read in this order.
#[repr(C)]
#[derive(Clone, Copy)]
struct Narrow {
    patch: *const u32,
    patch_end: *const u32,
    /// Moved on, two outputs at a time.
    weights: *const u8,
    run_bytes: usize,
    bias: *const i32,
    bias_end: *const i32,
    sums: *mut u32,
    shifts: *const u8,
    out: *mut u8,
    /// Bytes of output of all pixels, and of one.
    pixels_bytes: usize,
    pixel_bytes: usize,
    /// Added before saturation to 0..=255.
    offset: i32,
    kind: u32,
    /// For the loops' own use.
    next: usize,
    /// Bytes from the weights to the run's last byte, which says whether a row is wide.
    to_flag: usize,
}

/// What the loops need that put pixels into words; its fields are read in this order.
#[repr(C)]
struct Widen {
    rows: *const *const u8,
    /// Offset of the first channel in the first column of each row, under a pool.
    start: usize,
    to: *mut u32,
    channels: usize,
    plane_bytes: usize,
    /// Bytes from the last channel's end to the first in the next column, under a pool.
    skip: usize,
    /// The columns' offsets in each row, without a pool.
    columns: *const usize,
}

/// What becomes of the sums of four pixels.
#[derive(Clone, Copy)]
enum Kind {
    Pooled = 0,
    Single = 1,
    Kept = 2,
}

/// Rows under a window of 5 x 5 with its pool.
const MOST_ROWS: usize = 6;

/// Columns under four windows of 3 x 3 at stride 2.
const MOST_COLUMNS: usize = 9;

/// Computes outputs.
type Loop = unsafe extern "C" fn(*mut Narrow);

unsafe extern "C" {
    fn tenfold_narrow_3(job: *mut Narrow);
    fn tenfold_narrow_3_by_2(job: *mut Narrow);
    fn tenfold_narrow_5(job: *mut Narrow);
    fn tenfold_narrow_finish(job: *mut Narrow);
    fn tenfold_narrow_widen_pooled_3(job: *const Widen);
    fn tenfold_narrow_widen_pooled_5(job: *const Widen);
    fn tenfold_narrow_widen_single_3(job: *const Widen);
    fn tenfold_narrow_widen_single_5(job: *const Widen);
    fn tenfold_narrow_widen_single_3_by_2(job: *const Widen);
}

/// The rows under a row of windows.
struct Input {
    rows: [*const u8; MOST_ROWS],
    /// Columns of a row, and channels of a column.
    columns: usize,
    channels: usize,
    side: usize,
    stride: usize,
    is_pooled: bool,
}

/// As [`portable::convolution`](super::portable::convolution).
#[inline(never)]
pub(super) fn convolution<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    order: Planar,
    rows: Rows<'_>,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    let Parameters { weights, bias, shifts, output, .. } = *parameters;
    let padding = layer.padding_of::<FEATURES>();
    let columns = usize::from(layer.input.width) + usize::from(padding.left) + usize::from(padding.right);
    let channels = usize::from(layer.input.channels);
    let (side, stride, is_pooled) = (order.side(), order.stride(), order.is_pooled());
    let mut input =
        Input { rows: [core::ptr::null(); MOST_ROWS], columns, channels, side, stride, is_pooled };
    let count = side + usize::from(is_pooled);
    for (index, address) in input.rows.iter_mut().enumerate().take(count) {
        let row = rows.run(index, 0, columns * channels);
        if row.len() != columns * channels {
            return;
        }
        *address = row.as_ptr();
    }
    let outputs = bias.len();
    let unpacked = order.narrow_unpacked::<FEATURES>(outputs);
    let (mut packed, workspace) = Packed::<FEATURES>::split(parameters, order.packing(), unpacked, workspace);
    let has_weights = packed.is_some() || weights.len() == outputs * order.narrow_run_bytes();
    if outputs == 0 || columns == 0 || shifts.len() != outputs || !has_weights {
        return;
    }
    let pieces = order.narrow_pieces(layer.output);
    let (step, kind) = if is_pooled { (2, Kind::Pooled) } else { (4 * stride, Kind::Single) };
    let offset = match output {
        Output::Signed if any(FEATURES, f::SIGNED_OUTPUT) => 128,
        Output::Table(_) if any(FEATURES, f::TABLE) => 128,
        _ => 0,
    };
    let pixels = if is_pooled { 1 } else { 4 };
    for (index, values) in out.chunks_mut((pixels * outputs).max(1)).enumerate() {
        let mut first = 0;
        while first < outputs {
            let last = (first + pieces.outputs).min(outputs);
            let block = Block { parameters, first, last, offset, kind };
            compute(&input, block, &mut packed, pieces, index * step, workspace, values);
            first = last;
        }
        match output {
            Output::Signed if any(FEATURES, f::SIGNED_OUTPUT) => {
                values.iter_mut().for_each(|value| *value ^= 0x80);
            }
            Output::Table(table) if any(FEATURES, f::TABLE) => {
                for value in values {
                    *value = table.get(usize::from(*value)).copied().unwrap_or(0);
                }
            }
            _ => {}
        }
    }
}

/// Outputs `first..last` of a layer.
#[derive(Clone, Copy)]
struct Block<'a, 'b> {
    parameters: &'b Parameters<'a>,
    first: usize,
    last: usize,
    offset: i32,
    kind: Kind,
}

/// Computes a block of outputs for the pixels from `column` on; `values` are all outputs of those pixels.
fn compute<const FEATURES: u32>(
    input: &Input,
    block: Block<'_, '_>,
    packed: &mut Option<Packed<'_, '_, FEATURES>>,
    pieces: Pieces,
    column: usize,
    workspace: &mut [u32],
    values: &mut [u8],
) {
    let Block { parameters, first, last, offset, kind } = block;
    let Parameters { weights, bias, shifts, run_bytes, .. } = *parameters;
    let (side, plane) = (input.side, input.plane_words());
    let kept = if pieces.keeps_sums { (last - first) * SUM_WORDS } else { 0 };
    let Some((sums, patch)) = workspace.split_at_mut_checked(kept) else { return };
    sums.fill(0);
    let outputs = bias.len();
    let (Some(bias), Some(shifts)) = (bias.get(first..last), shifts.get(first..last)) else { return };
    // The first pixel's outputs of the block, and that there are as many of the last pixel.
    let pixels = values.len().checked_div(outputs).unwrap_or(0);
    let length = values.len();
    let Some(target) = values.get_mut(first..) else { return };
    if bias.is_empty() || pixels == 0 || length != pixels * outputs || last > outputs {
        return;
    }
    let mut job = Narrow {
        patch: patch.as_ptr(),
        patch_end: patch.as_ptr(),
        weights: weights.as_ptr(),
        run_bytes,
        bias: bias.as_ptr(),
        bias_end: bias.as_ptr_range().end,
        sums: sums.as_mut_ptr(),
        shifts: shifts.as_ptr(),
        out: target.as_mut_ptr(),
        pixels_bytes: length,
        pixel_bytes: outputs,
        offset,
        kind: kind as u32,
        next: 0,
        to_flag: 0,
    };
    let mut channel = 0;
    while channel < input.channels {
        let count = pieces.channels.min(input.channels - channel);
        let Some(patch) = patch.get_mut(..count * plane) else { return };
        input.widen(column, channel, count, patch);
        let start = channel * side * side;
        job.to_flag = (input.channels - channel) * side * side;
        job.patch_end = patch.as_ptr_range().end;
        job.kind = if pieces.keeps_sums { Kind::Kept as u32 } else { kind as u32 };
        let multiply = match (side, input.stride) {
            (3, 1) => tenfold_narrow_3 as Loop,
            (3, _) => tenfold_narrow_3_by_2,
            _ => tenfold_narrow_5,
        };
        // SAFETY: the loops read the whole patch, of `count` planes of `side * (side + stride)` words, and of
        // each of `last - first` runs of weights `count * side * side` bytes from `channel` on, and the last; the
        // runs are there, since there are as many as biases, of which `first..last` are some, and `count`
        // more channels are. They read as many biases and shifts. They add to four sums for each,
        // which `kept` makes room for, or else write an output of each for each of `pixels` pixels (four
        // at most), `outputs` bytes apart: `values` is as long as that.
        unsafe {
            match packed {
                Some(packed) if any(FEATURES, f::WEIGHTS_4 | f::WEIGHTS_2) => {
                    unpack(packed, job, multiply, first..last, start);
                }
                _ => {
                    job.weights = weights.as_ptr().wrapping_add(first * run_bytes + start);
                    multiply(&raw mut job);
                }
            }
        }
        channel += count;
    }
    if pieces.keeps_sums {
        job.kind = kind as u32;
        // SAFETY: as above; it reads the sums.
        unsafe { tenfold_narrow_finish(&raw mut job) };
    }
}

/// Computes some outputs, a few at a time, whose weights are unpacked before. Those of the first channel are
/// `start` bytes from the beginning of a run.
///
/// # Safety
///
/// As for `multiply`.
#[inline(never)]
unsafe fn unpack<const FEATURES: u32>(
    packed: &mut Packed<'_, '_, FEATURES>,
    mut job: Narrow,
    multiply: Loop,
    outputs: Range<usize>,
    start: usize,
) {
    let mut first = outputs.start;
    job.run_bytes = packed.run_bytes();
    while first < outputs.end {
        let count = packed.at_once(outputs.end - first);
        let Some(weights) = packed.unpack(first, count) else { return };
        job.weights = weights.as_ptr().wrapping_add(start);
        job.bias_end = job.bias.wrapping_add(count);
        // SAFETY: as many runs are unpacked as there are outputs now.
        unsafe { multiply(&raw mut job) };
        first += count;
        job.bias = job.bias_end;
        job.shifts = job.shifts.wrapping_add(count);
        job.out = job.out.wrapping_add(count);
        job.sums = job.sums.wrapping_add(count * SUM_WORDS);
    }
}

impl Input {
    /// Words of one channel: for each row of the kernel the columns that it meets under a pair of pixels,
    /// and under the pair a stride to the right.
    const fn plane_words(&self) -> usize {
        self.side * (self.side + self.stride)
    }

    /// Puts the pixels from `column` on, of `count` channels, into words.
    #[inline(never)]
    fn widen(&self, column: usize, channel: usize, count: usize, patch: &mut [u32]) {
        let plane = self.plane_words();
        let fits = !self.is_pooled || column + self.side < self.columns;
        if count == 0 || channel + count > self.channels || patch.len() < count * plane || !fits {
            return;
        }
        let mut at = column * self.channels + channel;
        let mut job = Widen {
            rows: self.rows.as_ptr(),
            start: at,
            to: patch.as_mut_ptr(),
            channels: count,
            plane_bytes: plane * 4,
            skip: self.channels - count,
            columns: core::ptr::null(),
        };
        if self.is_pooled {
            let job = &raw const job;
            // SAFETY: the patch has `count` planes, and there are `side + 1` rows, each of `columns *
            // channels` bytes, as was compared when the input was made. The loops read channels
            // `channel..channel + count` of columns `column..=column + side`, which are the row's.
            return unsafe {
                if self.side == 3 {
                    tenfold_narrow_widen_pooled_3(job);
                } else {
                    tenfold_narrow_widen_pooled_5(job);
                }
            };
        }
        // Beyond the row the last column is repeated.
        let last = (self.columns - 1) * self.channels + channel;
        let mut columns = [last; MOST_COLUMNS];
        for offset in columns.iter_mut().take(self.columns.saturating_sub(column)) {
            *offset = at;
            at += self.channels;
        }
        job.columns = columns.as_ptr();
        let job = &raw const job;
        // SAFETY: as above; there are `side` rows, and the columns' offsets are of columns of the row.
        unsafe {
            match (self.side, self.stride) {
                (3, 1) => tenfold_narrow_widen_single_3(job),
                (3, _) => tenfold_narrow_widen_single_3_by_2(job),
                _ => tenfold_narrow_widen_single_5(job),
            }
        }
    }
}
