//! Windows of a pool of 2 x 2: four pixels, of which the largest counts.

use super::Packed;
use super::widen::{Input, Widen, WidenImage};
use crate::format::features::{self as f, any};
use crate::model::{Output, Parameters};
use crate::order::Paired;

/// What `loops.s` needs for the outputs of one window of a pool; its fields are read in this order.
#[repr(C)]
#[derive(Clone, Copy)]
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

/// Computes the outputs of one window of a pool.
type PooledLoop = unsafe extern "C" fn(*const Pooled);

unsafe extern "C" {
    fn tenfold_pooled_3x3(job: *const Pooled);
    fn tenfold_pooled_3x3_image(job: *const Pooled);
    fn tenfold_pooled_5x5(job: *const Pooled);
    fn tenfold_pooled_5x5_image(job: *const Pooled);
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
}

/// Words of a row of the patch: the columns that the first three of the kernel meet; of 5 x 5, those that the
/// other two meet, from the fourth on, and where they begin.
const ROW: usize = 4;
const OTHERS: usize = 3;
const OTHERS_START: usize = 6 * ROW;

/// Computes the outputs of a window, some at a time, whose weights are unpacked before.
///
/// # Safety
///
/// As for `multiply`.
#[inline(never)]
unsafe fn unpack<const FEATURES: u32>(
    packed: &mut Packed<'_, '_, FEATURES>,
    whole: &Pooled,
    multiply: PooledLoop,
) {
    let mut job = *whole;
    let (end, mut first) = (job.out_end, 0);
    while job.out.cast_const() != end {
        let count = packed.at_once(end.addr() - job.out.addr());
        let Some(weights) = packed.unpack(first, count) else { return };
        job.weights = weights.as_ptr();
        job.out_end = job.out.wrapping_add(count);
        // SAFETY: as many runs are unpacked as there are outputs now.
        unsafe { multiply(&raw const job) };
        first += count;
        job.out = job.out.wrapping_add(count);
        job.bias = job.bias.wrapping_add(count);
        job.shifts = job.shifts.wrapping_add(count);
    }
}

/// Computes a row of windows.
///
/// # Safety
///
/// The rows hold all columns under the windows of `out`; `parameters` has biases, shifts and runs of weights for
/// all outputs, of which there are some, and `out` is whole pixels.
pub(super) unsafe fn pooled<const FEATURES: u32>(
    input: &Input,
    parameters: &Parameters<'_>,
    packed: &mut Option<Packed<'_, '_, FEATURES>>,
    order: Paired,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    let Parameters { bias, shifts, weights, .. } = *parameters;
    let (channels, outputs) = (input.channels, bias.len());
    let plane_words = order.plane_words(0);
    let Some(patch) = workspace.get_mut(..order.planes() * plane_words) else { return };
    let one_channel = any(FEATURES, f::POOLED_IMAGE) && (channels == 1 || !any(FEATURES, f::CHANNELS));
    let is_5x5 = any(FEATURES, f::KERNEL_5) && (order.side() == 5 || !any(FEATURES, f::KERNEL_3));
    let multiply = match (is_5x5, one_channel) {
        (false, true) => tenfold_pooled_3x3_image as PooledLoop,
        (false, false) => tenfold_pooled_3x3,
        (true, true) => tenfold_pooled_5x5_image,
        (true, false) => tenfold_pooled_5x5,
    };
    let widen_image: WidenImage = if is_5x5 {
        input.of_sign::<FEATURES, _>(
            tenfold_widen_image_5x5_unsigned as WidenImage,
            tenfold_widen_image_5x5_signed,
        )
    } else {
        input.of_sign::<FEATURES, _>(
            tenfold_widen_image_3x3_unsigned as WidenImage,
            tenfold_widen_image_3x3_signed,
        )
    };
    let mut columns = Widen::new(channels, ROW, ROW, plane_words, channels);
    let mut others = Widen::new(channels, OTHERS, OTHERS, plane_words, channels);
    let patch = patch.as_mut_ptr_range();
    let (target, length) = (out.as_mut_ptr(), out.len());
    let mut job = Pooled {
        bias: bias.as_ptr(),
        shifts: shifts.as_ptr(),
        out: target,
        patch: patch.start,
        offset: if matches!(parameters.output, Output::Unsigned) { 0 } else { 128 },
        out_end: target,
        one: 1,
        patch_end: patch.end,
        weights: weights.as_ptr(),
    };
    let end = target.cast_const().wrapping_add(length);
    let mut column = 0;
    while job.out_end != end {
        job.out = job.out_end.cast_mut();
        job.out_end = job.out_end.wrapping_add(outputs);
        // SAFETY: the widening loops read the columns of this window, which the rows hold, and write the
        // patch, `plane_words` for each of the planes. The others read biases, shifts and runs of weights of
        // all outputs, and the patch, which is a multiple of what one round of each loop takes, and write
        // `outputs` bytes: `out` is whole pixels. Weights are word-aligned behind the biases, and a run is
        // whole words.
        unsafe {
            if one_channel {
                input.widen_image(widen_image, patch.start, column);
            } else {
                input.widen::<FEATURES>(&mut columns, patch.start, column * channels);
                if is_5x5 {
                    let target = patch.start.wrapping_add(OTHERS_START);
                    input.widen::<FEATURES>(&mut others, target, (column + OTHERS) * channels);
                }
            }
            match packed {
                Some(packed) if any(FEATURES, f::WEIGHTS_4 | f::WEIGHTS_2) => unpack(packed, &job, multiply),
                _ => multiply(&raw const job),
            }
        }
        column += 2;
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
