//! Pixels side by side, where there is no pool.

use core::ops::Range;

use super::super::super::requantize;
use super::Packed;
use super::widen::{Input, Widen, WidenImage};
use crate::format::features::{self as f, any};
use crate::model::{Output, Parameters};
use crate::order::Paired;

/// A piece of code that goes on with another one; no function to call.
type Code = unsafe extern "C" fn();

/// What `loops.s` needs for some planes of a block of pixels; its fields are read in this order.
#[repr(C)]
#[derive(Clone, Copy)]
struct Single {
    bias: *const i32,
    shifts: *const u8,
    out: *mut u8,
    weights: *const u8,
    patch: *const u32,
    patch_end: *const u32,
    code: Code,
    finish: Code,
    /// Bytes of weights between these planes of an output channel and those of the next one.
    skip: usize,
    /// Bytes from a pixel of the output to the next.
    pitch: usize,
    /// End of the outputs of the first pixel.
    out_end: *const u8,
    start: Code,
    sums: *mut [u32; 4],
}

unsafe extern "C" {
    fn tenfold_single(job: *const Single);
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
    fn tenfold_widen_image_4_unsigned(row: *const *const u8, at: usize, to: *mut u32, end: *const *const u8);
    fn tenfold_widen_image_4_signed(row: *const *const u8, at: usize, to: *mut u32, end: *const *const u8);
}

/// Computes a row of `width` pixels, four at a time as far as there are four.
///
/// # Safety
///
/// The rows hold all columns under the pixels; `parameters` has biases, shifts and runs of weights for all
/// outputs, of which there are some, and `out` has `width` pixels of them.
pub(super) unsafe fn single<const FEATURES: u32>(
    input: &Input,
    parameters: &Parameters<'_>,
    packed: &mut Option<Packed<'_, '_, FEATURES>>,
    order: Paired,
    width: usize,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    let Parameters { bias, shifts, weights, .. } = *parameters;
    let outputs = bias.len();
    let target = out.as_mut_ptr();
    let mut job = Single {
        bias: bias.as_ptr(),
        shifts: shifts.as_ptr(),
        out: target,
        weights: weights.as_ptr(),
        patch: core::ptr::null(),
        patch_end: core::ptr::null(),
        code: tenfold_single_4,
        finish: tenfold_finish_4,
        skip: 0,
        pitch: outputs,
        out_end: target,
        start: tenfold_start_bias,
        sums: core::ptr::null_mut(),
    };
    let parts = Block::parts::<FEATURES>(input, order, 1, 0..order.planes());
    let mut block = Block { input, order, pixels: 0, parts };
    let (mut column, mut fits) = (0, false);
    while column < width {
        let pixels = Paired::pixels(width, column);
        let patch = workspace.as_mut_ptr();
        job.patch = patch;
        if pixels != block.pixels {
            block.pixels = pixels;
            block.parts = Block::parts::<FEATURES>(input, order, pixels, 0..order.planes());
            let words = order.planes() * order.plane_words(pixels);
            fits = words <= workspace.len() && is_unsigned::<FEATURES>(parameters);
            job.patch_end = patch.wrapping_add(words);
            (job.code, job.finish) = block.code::<FEATURES>();
        }
        let end = job.out.wrapping_add(pixels * outputs);
        // SAFETY: the columns of these pixels are in the rows, and the planes fit into the workspace. For
        // each of the outputs the code reads a bias, a shift and its run of weights, which is as many planes as
        // the patch has. It writes a byte for each of the outputs of each of `pixels` pixels, `pitch` apart:
        // they are in `out`, as `column + pixels` is at most `width`. Weights are word-aligned behind the
        // biases, and a run is whole words.
        unsafe {
            if fits {
                job.out_end = job.out.wrapping_add(outputs);
                block.widen::<FEATURES>(patch, column, 0);
                compute(packed, &job, 0, 0);
            } else {
                in_pieces::<FEATURES>(&mut block, parameters, packed, job, column, workspace);
            }
        }
        job.out = end;
        column += pixels;
    }
}

/// Computes a job's outputs, of which the first is number `first`; some at a time, whose weights are unpacked
/// before, where they are packed. The first plane's weights are `start` bytes from the beginning of a run.
///
/// # Safety
///
/// As for `tenfold_single`; where the weights are packed, `skip` counts with the length of an unpacked run.
#[inline(always)]
unsafe fn compute<const FEATURES: u32>(
    packed: &mut Option<Packed<'_, '_, FEATURES>>,
    job: &Single,
    first: usize,
    start: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match packed {
            Some(packed) if any(FEATURES, f::WEIGHTS_4 | f::WEIGHTS_2) => unpack(packed, *job, first, start),
            _ => tenfold_single(job),
        }
    }
}

/// # Safety
///
/// As for [`compute`].
#[inline(never)]
unsafe fn unpack<const FEATURES: u32>(
    packed: &mut Packed<'_, '_, FEATURES>,
    mut job: Single,
    mut first: usize,
    start: usize,
) {
    let end = job.out_end;
    while job.out.cast_const() != end {
        let count = packed.at_once(end.addr() - job.out.addr());
        let Some(weights) = packed.unpack(first, count) else { return };
        job.weights = weights.as_ptr().wrapping_add(start);
        job.out_end = job.out.wrapping_add(count);
        // SAFETY: as many runs are unpacked as there are outputs now.
        unsafe { tenfold_single(&raw const job) };
        first += count;
        job.out = job.out.wrapping_add(count);
        job.bias = job.bias.wrapping_add(count);
        job.shifts = job.shifts.wrapping_add(count);
        job.sums = job.sums.wrapping_add(count);
    }
}

/// Whether the code stores the output as it is.
fn is_unsigned<const FEATURES: u32>(parameters: &Parameters<'_>) -> bool {
    !any(FEATURES, f::SIGNED_OUTPUT | f::TABLE) || matches!(parameters.output, Output::Unsigned)
}

/// Pixels side by side, and how what they see is widened: at stride 2, the even columns and the odd ones.
struct Block<'i> {
    input: &'i Input,
    order: Paired,
    pixels: usize,
    parts: [Widen; 2],
}

impl Block<'_> {
    const fn stride<const FEATURES: u32>(&self) -> usize {
        if any(FEATURES, f::STRIDE) { self.order.stride() } else { 1 }
    }

    const fn is_image<const FEATURES: u32>(&self) -> bool {
        any(FEATURES, f::ONE_CHANNEL) && (self.order.pairs_columns() || !any(FEATURES, f::CHANNELS))
    }

    /// How to widen what some pixels see of some of the planes.
    #[inline(never)]
    fn parts<const FEATURES: u32>(
        input: &Input,
        order: Paired,
        pixels: usize,
        planes: Range<usize>,
    ) -> [Widen; 2] {
        let (stride, channels) = (if any(FEATURES, f::STRIDE) { order.stride() } else { 1 }, input.channels);
        let (row, plane) = (stride * (pixels - 1) + 3, order.plane_words(pixels));
        let some = (channels - 2 * planes.start).min(2 * planes.len());
        let (first, second) = if stride == 2 { (pixels + 1, pixels) } else { (row, 0) };
        let pitch = stride * channels;
        [first, second].map(|pixels| Widen::new(some, pixels, row, plane, pitch))
    }

    /// Widens what the pixels from `column` on see of the planes that were prepared for, of which `plane` is the
    /// first.
    ///
    /// # Safety
    ///
    /// The columns are in the rows, and the words of the planes in the patch.
    #[inline(always)]
    unsafe fn widen<const FEATURES: u32>(&mut self, patch: *mut u32, column: usize, plane: usize) {
        let (input, stride) = (self.input, self.stride::<FEATURES>());
        let offset = column * stride * input.channels + 2 * plane;
        let [first, second] = &mut self.parts;
        // SAFETY: the caller's promise.
        unsafe {
            if self.order.pairs_columns() || !any(FEATURES, f::CHANNELS) {
                if !any(FEATURES, f::ONE_CHANNEL) {
                } else if self.pixels == 4 && stride == 1 {
                    let [unsigned, signed]: [WidenImage; 2] =
                        [tenfold_widen_image_4_unsigned, tenfold_widen_image_4_signed];
                    input.widen_image(input.of_sign::<FEATURES, _>(unsigned, signed), patch, column);
                } else {
                    input.widen_columns::<FEATURES>(patch, column * stride, self.pixels, stride);
                }
                return;
            }
            input.widen::<FEATURES>(first, patch, offset);
            if any(FEATURES, f::STRIDE) && stride == 2 {
                let target = patch.wrapping_add(self.pixels + 1);
                input.widen::<FEATURES>(second, target, offset + input.channels);
            }
        }
    }

    /// The loop, and what follows it.
    fn code<const FEATURES: u32>(&self) -> (Code, Code) {
        // Of an even number of columns two are left, or none.
        let odd = any(FEATURES, f::ODD_WIDTH);
        let by_two = any(FEATURES, f::STRIDE) && self.order.stride() == 2;
        let [image, two, one]: [Code; 3] = match self.pixels {
            1 if odd => [tenfold_single_1_image, tenfold_single_1_stride_2, tenfold_single_1],
            2 => [tenfold_single_2_image, tenfold_single_2_stride_2, tenfold_single_2],
            3 if odd => [tenfold_single_3_image, tenfold_single_3_stride_2, tenfold_single_3],
            _ => [tenfold_single_4_image, tenfold_single_4_stride_2, tenfold_single_4],
        };
        let finish = match self.pixels {
            1 if odd => tenfold_finish_1 as Code,
            2 => tenfold_finish_2,
            3 if odd => tenfold_finish_3,
            _ => tenfold_finish_4,
        };
        let code = if self.is_image::<FEATURES>() {
            image
        } else if by_two {
            two
        } else {
            one
        };
        (code, finish)
    }
}

/// A block of pixels, some planes at a time; sums are kept in between, in the workspace.
///
/// # Safety
///
/// As for [`single`], whose `job` writes the pixels from `job.out` on, from `column` on.
#[inline(never)]
unsafe fn in_pieces<const FEATURES: u32>(
    block: &mut Block<'_>,
    parameters: &Parameters<'_>,
    packed: &mut Option<Packed<'_, '_, FEATURES>>,
    whole: Single,
    column: usize,
    workspace: &mut [u32],
) {
    let Parameters { bias, shifts, weights, .. } = *parameters;
    let (order, outputs, is_unsigned) = (block.order, bias.len(), is_unsigned::<FEATURES>(parameters));
    let words = order.plane_words(block.pixels);
    // Half of the workspace for sums at most; but one plane fits into the rest, and then as many as do.
    let room = workspace.len().saturating_sub(words) / 4;
    let most = outputs.min(workspace.len() / 8).min(room).max(1);
    let Some((sums, patch)) = workspace.split_at_mut_checked(most * 4) else { return };
    let (sums, _) = sums.as_chunks_mut::<4>();
    let piece = patch.len().checked_div(words).unwrap_or(0).min(order.planes());
    if piece == 0 {
        return;
    }
    let patch = patch.as_mut_ptr();
    let mut job = whole;
    job.patch = patch;
    let mut first = 0;
    while first < outputs {
        let count = most.min(outputs - first);
        job.bias = bias.as_ptr().wrapping_add(first);
        job.shifts = shifts.as_ptr().wrapping_add(first);
        job.out = whole.out.wrapping_add(first);
        job.out_end = job.out.wrapping_add(count);
        let mut plane = 0;
        while plane < order.planes() {
            let planes = piece.min(order.planes() - plane);
            let is_last = is_unsigned && plane + planes == order.planes();
            job.start = match (plane, is_last) {
                (0, _) => tenfold_start_bias,
                (_, false) => tenfold_start_sums,
                (_, true) => tenfold_start_last_sums,
            };
            job.finish = if is_last { whole.finish } else { tenfold_finish_store };
            job.sums = sums.as_mut_ptr();
            let start = plane * order.plane_bytes();
            job.weights = weights.as_ptr().wrapping_add(first * order.run_bytes() + start);
            job.skip = order.run_bytes() - planes * order.plane_bytes();
            job.patch_end = patch.wrapping_add(planes * words);
            block.parts = Block::parts::<FEATURES>(block.input, order, block.pixels, plane..plane + planes);
            // SAFETY: as in `single`, for `count` outputs and `planes` planes, whose words fit into the
            // patch; and there are sums for each of the outputs.
            unsafe {
                block.widen::<FEATURES>(patch, column, plane);
                compute(packed, &job, first, start);
            }
            plane += planes;
        }
        if !is_unsigned {
            // Each pixel's outputs lie `outputs` apart.
            let each = sums.iter().zip(shifts.get(first..).unwrap_or_default()).take(count);
            for (index, (sums, &shift)) in each.enumerate() {
                // The half that is in the sums already.
                let half = (1 << (shift & 31)) >> 1;
                for (pixel, &sum) in sums.iter().enumerate().take(block.pixels) {
                    let value = requantize::<FEATURES>(sum as i32 - half, shift, parameters.output);
                    // SAFETY: the output of a pixel of the block, which the caller lends.
                    unsafe { whole.out.wrapping_add(pixel * outputs + first + index).write(value) };
                }
            }
        }
        first += count;
    }
}
