//! Convolutions whose weights are in planes ([`Order::Planar`](crate::Order::Planar)).
//!
//! The input under a block of pixels is widened once, into the workspace, and multiplied with one
//! output channel after the other. A word of the workspace is the input of a pair of pixels:
//!
//! ```text
//! a window of a pool        four pixels        three pixels       two, or one twice
//!      A B                    A B A B            A  AB  B              A A
//!      A B
//! ```
//!
//! The windows of pair B lie a stride to the right of those of pair A, so that most words are for both;
//! a row of the kernel meets a row of `row_words` words.

use core::mem::MaybeUninit;
use core::ops::Range;

use super::super::Rows;
use super::super::packed;
use crate::format::features::{self as f, any};
use crate::model::{Layer, Output, Parameters};
use crate::order::{Pieces, Planar, SUM_WORDS};

/// Weights that are packed.
type Packed<'a, 'w, const FEATURES: u32> = packed::Packed<'a, 'w, FEATURES, 0>;

/// A function of `loops.s` that is called by another one, with arguments in registers of its own.
type Code = unsafe extern "C" fn();

/// What `loops.s` needs for a piece of the input of a block of pixels, and some outputs.
#[repr(C)]
struct Job {
    /// Written by the loops: what the sums of every output start with.
    corrections: MaybeUninit<[i32; 4]>,
    /// Written by the loops: bytes of weights from the last plane of an output to the next output.
    run_step: MaybeUninit<usize>,
    /// Sums of the pieces before this one, or null where there is one piece only.
    sums: *mut u32,
    /// Written by the loops, from `multiply`.
    multiply_piece: MaybeUninit<usize>,
    patch: *mut u32,
    finish: Code,
    out: *mut u8,
    out_end: *const u8,
    /// From four times the address of an output to the one of its bias.
    bias: usize,
    /// From the address of an output to the one of its shift.
    shifts: usize,
    /// Added before saturation to 0..=255.
    offset: i32,
    /// Bytes of output from the first pixel of a pair to the second.
    across: usize,
    /// From there to the first one of the other pair, or [`NO_PAIR`].
    next_pair: usize,
    weights: *const u8,
    multiply: Code,
    add_up: Code,
    /// Bytes of a run that are not of this piece.
    gap: usize,
    /// Bytes of the weights of a plane, and of its words.
    plane_weights: usize,
    plane_bytes: usize,
    table: *const Line,
    table_end: *const Line,
    /// Bytes of input from a column to the next.
    pitch: usize,
    /// Bytes of code for the words that a row is shorter than the longest.
    skip: usize,
    /// Offset of the first column and channel in every row of input, and the one of its last channel
    /// plus 1.
    first: usize,
    first_end: usize,
    /// Written by the loops: the output of a block of this row whose input is zero, or null.
    zero: *const u8,
    /// Bytes of a block's output.
    block_bytes: usize,
    /// Written by `tenfold_planar`, for `tenfold_planar_next`.
    patch_end: MaybeUninit<usize>,
}

/// Where the input that meets a row of the kernel is: for the first pixel of a pair, and for the second
/// one from there.
#[repr(C)]
#[derive(Clone, Copy)]
struct Line {
    first: *const u8,
    second: usize,
}

/// Twice this overflows.
const NO_PAIR: usize = 1 << 30;

/// Words of the longest row, and bytes of the code for a word.
const MOST_WORDS: usize = 6;
const WORD_CODE: usize = 14;

/// Rows under a window of 5 x 5 with its pool.
const MOST_ROWS: usize = 6;

unsafe extern "C" {
    fn tenfold_planar(job: *mut Job) -> *const Job;
    fn tenfold_planar_next(job: *mut Job) -> *const Job;
    fn tenfold_clear(words: *mut u32, count: usize);
    fn tenfold_planar_keep();
    fn tenfold_planar_pooled();
    fn tenfold_planar_single();
    fn tenfold_planar_3();
    fn tenfold_planar_3_sums();
    fn tenfold_planar_3_stride_2();
    fn tenfold_planar_3_stride_2_sums();
    fn tenfold_planar_3_pair();
    fn tenfold_planar_3_pair_sums();
    fn tenfold_planar_5();
    fn tenfold_planar_5_sums();
    fn tenfold_planar_5_pair();
    fn tenfold_planar_5_pair_sums();
}

/// The loop for a kernel and the one that adds up its words.
fn loops<const FEATURES: u32>(order: Planar, is_pair: bool) -> (Code, Code) {
    let is_3 = any(FEATURES, f::KERNEL_3) && (order.side() == 3 || !any(FEATURES, f::KERNEL_5));
    let strided = any(FEATURES, f::STRIDE) && order.stride() == 2;
    match (is_3, any(FEATURES, f::UNPOOLED) && is_pair) {
        (true, true) => (tenfold_planar_3_pair, tenfold_planar_3_pair_sums),
        (true, false) if strided => (tenfold_planar_3_stride_2, tenfold_planar_3_stride_2_sums),
        (true, false) => (tenfold_planar_3, tenfold_planar_3_sums),
        (false, true) => (tenfold_planar_5_pair, tenfold_planar_5_pair_sums),
        (false, false) => (tenfold_planar_5, tenfold_planar_5_sums),
    }
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
    let padding = layer.padding_of::<FEATURES>();
    let columns = usize::from(layer.input.width) + usize::from(padding.left) + usize::from(padding.right);
    let channels = usize::from(layer.input.channels);
    let (outputs, width) = (usize::from(layer.output.channels), usize::from(layer.output.width));
    let (side, stride) = (order.side(), order.stride());
    let is_pooled = any(FEATURES, f::FUSED_POOL) && order.is_pooled();
    let Parameters { bias, shifts, weights, .. } = *parameters;

    // What the loops read and write, once for all blocks.
    let pieces = order.pieces(layer.output);
    let unpacked = order.unpacked::<FEATURES>(outputs);
    let (mut packed, workspace) = Packed::<FEATURES>::split(parameters, order.packing(), unpacked, workspace);
    let lines = if is_pooled { side + 1 } else { side };
    let mut is_whole = true;
    let starts: [*const u8; MOST_ROWS] = core::array::from_fn(|row| {
        if row >= lines {
            return core::ptr::null();
        }
        let line = rows.run(row, 0, columns * channels);
        is_whole &= line.len() == columns * channels;
        line.as_ptr()
    });
    let pixels_across = if is_pooled { 2 * width } else { width };
    let is_long_enough = bias.len() >= outputs
        && shifts.len() >= outputs
        && (packed.is_some() || weights.len() >= outputs * order.run_bytes());
    if width == 0
        || (pixels_across - 1) * stride + side > columns
        || !is_long_enough
        || !is_whole
        || workspace.len() < pieces.words
        || out.len() != width * outputs
    {
        return;
    }
    let sum_words = if pieces.keeps_sums { pieces.outputs * SUM_WORDS } else { 0 };
    let Some((sums, patch)) = workspace.split_at_mut_checked(sum_words) else { return };
    let patch = patch.as_mut_ptr();

    // Set below; not from `starts`, which would be moved there, and be on the stack twice.
    let mut table = [const { Line { first: core::ptr::null(), second: 0 } }; MOST_ROWS];
    // What is set for every block; by zeros the compiler would link `memset`.
    let unset = columns;
    let mut job = Job {
        corrections: MaybeUninit::uninit(),
        run_step: MaybeUninit::uninit(),
        sums: core::ptr::null_mut(),
        multiply_piece: MaybeUninit::uninit(),
        patch,
        finish: tenfold_planar_keep,
        out: core::ptr::null_mut(),
        out_end: core::ptr::null(),
        bias: unset,
        shifts: unset,
        offset: if matches!(parameters.output, Output::Unsigned) { 0 } else { 128 },
        across: unset,
        next_pair: NO_PAIR,
        weights: core::ptr::null(),
        multiply: tenfold_planar_keep,
        add_up: tenfold_planar_keep,
        gap: 0,
        plane_weights: side * side,
        plane_bytes: unset,
        table: core::ptr::null(),
        table_end: core::ptr::null(),
        pitch: channels,
        skip: unset,
        first: unset,
        first_end: unset,
        zero: core::ptr::null(),
        block_bytes: unset,
        patch_end: MaybeUninit::uninit(),
    };
    if is_pooled {
        job.finish = tenfold_planar_pooled;
    } else if any(FEATURES, f::UNPOOLED) {
        job.finish = tenfold_planar_single;
    }

    let first_output = out.as_mut_ptr();
    let (mut column, mut pixels) = (0, 0);
    while column < width {
        let next = if is_pooled { 1 } else { order.pixels(width - column) };
        if next != pixels {
            pixels = next;
            let apart = if pixels == 4 { 2 } else { usize::from(pixels != 1) };
            for (row, line) in table.iter_mut().enumerate().take(side) {
                let of = |row: usize| starts.get(row).copied().unwrap_or(core::ptr::null());
                let second =
                    if is_pooled { of(row + 1) } else { of(row).wrapping_add(apart * stride * channels) };
                *line = Line { first: of(row), second: second.addr().wrapping_sub(of(row).addr()) };
            }
            job.table = table.as_ptr();
            job.table_end = job.table.wrapping_add(side);
            let is_pair = !is_pooled && pixels < 3;
            (job.multiply, job.add_up) = loops::<FEATURES>(order, is_pair);
            job.across = apart * outputs;
            job.block_bytes = pixels * outputs;
            job.next_pair = if is_pair { NO_PAIR } else { outputs.wrapping_sub(job.across) };
            let words = if is_pair { side } else { side + stride };
            job.skip = (MOST_WORDS - words) * WORD_CODE;
            job.plane_bytes = (side * words + 1) * 4;
        }
        job.first = if is_pooled { 2 * column } else { column * stride } * channels;
        let target = first_output.wrapping_add(column * outputs);
        // SAFETY: of each line the loops read the columns of the block's pixels, which is inside as all
        // columns of the row are. They write the planes of all channels, or of a piece of them and
        // the sums, for which the workspace has room; read all weights, biases and shifts; and
        // write the outputs of the block's pixels: all that was compared with the lengths above.
        unsafe {
            if pieces.keeps_sums {
                in_pieces(&mut job, parameters, &mut packed, (channels, pieces), sums, target);
            } else {
                job.first_end = job.first + channels;
                compute(&mut job, parameters, &mut packed, target, 0..outputs, 0);
            }
        }
        column += pixels;
    }
    finish_row::<FEATURES>(parameters.output, out);
}

impl Job {
    /// Sets what says where outputs `first..first + count` are, of which the first pixel's begin at `out`.
    #[inline(always)]
    fn outputs(&mut self, parameters: &Parameters<'_>, out: *mut u8, first: usize, count: usize) {
        let (bias, shifts) = (parameters.bias.as_ptr().addr(), parameters.shifts.as_ptr().addr());
        self.bias = bias.wrapping_sub(out.addr().wrapping_mul(4));
        self.shifts = shifts.wrapping_sub(out.addr());
        self.out = out.wrapping_add(first);
        self.out_end = self.out.wrapping_add(count);
    }
}

/// Computes some outputs of a block of pixels, of the piece of its input whose weights are `start` bytes from
/// the beginning of a run; where the weights are packed, some at a time, and these are unpacked before.
///
/// # Safety
///
/// As for the job as a whole, whose gap is that of an unpacked run.
#[inline(always)]
unsafe fn compute<const FEATURES: u32>(
    job: &mut Job,
    parameters: &Parameters<'_>,
    packed: &mut Option<Packed<'_, '_, FEATURES>>,
    target: *mut u8,
    outputs: Range<usize>,
    start: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match packed {
            Some(packed) if any(FEATURES, f::WEIGHTS_4 | f::WEIGHTS_2) => {
                unpack(job, parameters, packed, target, outputs, start);
            }
            _ => {
                let start = outputs.start * parameters.run_bytes + start;
                job.weights = parameters.weights.as_ptr().wrapping_add(start);
                job.outputs(parameters, target, outputs.start, outputs.len());
                tenfold_planar(job);
            }
        }
    }
}

/// # Safety
///
/// As for [`compute`].
#[inline(never)]
unsafe fn unpack<const FEATURES: u32>(
    job: &mut Job,
    parameters: &Parameters<'_>,
    packed: &mut Packed<'_, '_, FEATURES>,
    target: *mut u8,
    outputs: Range<usize>,
    start: usize,
) {
    let mut first = outputs.start;
    while first < outputs.end {
        let count = packed.at_once(outputs.end - first);
        let Some(weights) = packed.unpack(first, count) else { return };
        job.weights = weights.as_ptr().wrapping_add(start);
        job.outputs(parameters, target, first, count);
        // SAFETY: as many runs are unpacked as there are outputs now; the first call makes the patch for those
        // that follow.
        let rest =
            unsafe { if first == outputs.start { tenfold_planar(job) } else { tenfold_planar_next(job) } };
        if rest.is_null() {
            return;
        }
        first += count;
    }
}

/// A block of pixels whose input does not fit into the workspace, and whose sums are kept there.
///
/// # Safety
///
/// As for the job as a whole, whose first column is `job.first`; `sums` and the words of the patch have
/// room for `pieces`.
#[inline(never)]
unsafe fn in_pieces<const FEATURES: u32>(
    job: &mut Job,
    parameters: &Parameters<'_>,
    packed: &mut Option<Packed<'_, '_, FEATURES>>,
    (channels, pieces): (usize, Pieces),
    sums: &mut [u32],
    target: *mut u8,
) {
    let (finish, column, outputs) = (job.finish, job.first, parameters.bias.len());
    let mut first = 0;
    while first < outputs {
        let count = pieces.outputs.min(outputs - first);
        // SAFETY: as many words as there are.
        unsafe { tenfold_clear(sums.as_mut_ptr(), sums.len()) };
        let mut channel = 0;
        while channel < channels {
            let depth = pieces.channels.min(channels - channel);
            let start = channel * job.plane_weights;
            job.gap = (channels - depth) * job.plane_weights;
            job.first = column + channel;
            job.first_end = job.first + depth;
            channel += depth;
            job.sums = sums.as_mut_ptr();
            job.finish = if channel < channels { tenfold_planar_keep } else { finish };
            // SAFETY: the caller's.
            unsafe { compute(job, parameters, packed, target, first..first + count, start) };
        }
        first += count;
    }
    job.finish = finish;
}

/// From the values plus 128 that the loops store to the output's.
fn finish_row<const FEATURES: u32>(output: Output<'_>, out: &mut [u8]) {
    match output {
        Output::Signed | Output::Logits if any(FEATURES, f::SIGNED_OUTPUT) => {
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
