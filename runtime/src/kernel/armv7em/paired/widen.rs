//! From bytes to 16 bits, in the workspace.

use crate::format::features::{self as f, any};

/// Rows under a window of 5 x 5 with its pool.
pub(super) const MOST_ROWS: usize = 6;

/// The rows under a row of windows.
pub(super) struct Input {
    /// And then a null.
    pub(super) rows: [*const u8; MOST_ROWS + 1],
    pub(super) count: usize,
    pub(super) channels: usize,
    pub(super) signed: bool,
}

/// What `loops.s` needs to widen the channels of some pixels of every row in pairs; its fields are read in
/// this order.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Widen {
    /// Moved on by the loop.
    pub(super) target: *mut u32,
    pub(super) pixels: usize,
    /// Bytes from a row's target to the next one's, and from a pair of channels to the next.
    pub(super) row_step: usize,
    pub(super) plane_bytes: usize,
    /// Channels: fours, and what is left of them.
    pub(super) quads: usize,
    pub(super) rest: usize,
    /// Bytes from a pixel to the next.
    pub(super) pitch: usize,
    /// Offset of the first pixel in each row.
    pub(super) offset: usize,
}

/// Widens neighbours of an image of one channel in pairs: rows from one address of addresses to another,
/// the offset in each, and the target. The loops differ in the columns and the layout.
pub(super) type WidenImage = unsafe extern "C" fn(*const *const u8, usize, *mut u32, *const *const u8);

unsafe extern "C" {
    fn tenfold_widen_unsigned(job: *mut Widen, rows: *const *const u8);
    fn tenfold_widen_signed(job: *mut Widen, rows: *const *const u8);
    fn tenfold_widen_columns_unsigned(
        rows: *const *const u8,
        at: usize,
        to: *mut u32,
        pixels: usize,
        stride: usize,
    );
    fn tenfold_widen_columns_signed(
        rows: *const *const u8,
        at: usize,
        to: *mut u32,
        pixels: usize,
        stride: usize,
    );
}

impl Widen {
    /// `channels` channels of `pixels` pixels, `stride` columns apart, from a channel and a column on.
    pub(super) const fn new(
        channels: usize,
        pixels: usize,
        row_words: usize,
        plane_words: usize,
        pitch: usize,
    ) -> Self {
        Self {
            target: core::ptr::null_mut(),
            pixels,
            row_step: 4 * row_words,
            plane_bytes: 4 * plane_words,
            quads: channels / 4,
            rest: channels % 4,
            pitch,
            offset: 0,
        }
    }
}

impl Input {
    fn is_signed<const FEATURES: u32>(&self) -> bool {
        any(FEATURES, f::SIGNED_INPUT) && self.signed
    }

    /// Widens as `job` says, to `target`, from `offset` on.
    ///
    /// # Safety
    ///
    /// All pixels of the job are in the rows, and all words that it makes are in the patch.
    #[inline(always)]
    pub(super) unsafe fn widen<const FEATURES: u32>(&self, job: &mut Widen, target: *mut u32, offset: usize) {
        (job.target, job.offset) = (target, offset);
        // SAFETY: the caller's promise.
        unsafe {
            if self.is_signed::<FEATURES>() {
                tenfold_widen_signed(job, self.rows.as_ptr());
            } else {
                tenfold_widen_unsigned(job, self.rows.as_ptr());
            }
        }
    }

    /// Widens what a window or a block of pixels of an image of one channel sees, by a loop for it.
    ///
    /// # Safety
    ///
    /// The columns that the loop reads, from `column` on, are in the rows, and its words in the patch.
    #[inline(always)]
    pub(super) unsafe fn widen_image(&self, widen: WidenImage, patch: *mut u32, column: usize) {
        let rows = self.rows.as_ptr();
        // SAFETY: the caller's promise.
        unsafe { widen(rows, column, patch, rows.wrapping_add(self.count)) };
    }

    /// As [`widen_image`](Self::widen_image), for any number of pixels, some columns apart, under a kernel of
    /// three columns: two blocks, of which the second has no right neighbours.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline(always)]
    pub(super) unsafe fn widen_columns<const FEATURES: u32>(
        &self,
        patch: *mut u32,
        column: usize,
        pixels: usize,
        stride: usize,
    ) {
        let rows = self.rows.as_ptr();
        // SAFETY: the caller's promise.
        unsafe {
            if self.is_signed::<FEATURES>() {
                tenfold_widen_columns_signed(rows, column, patch, pixels, stride);
            } else {
                tenfold_widen_columns_unsigned(rows, column, patch, pixels, stride);
            }
        }
    }

    /// The loop for its sign.
    pub(super) fn of_sign<const FEATURES: u32, T>(&self, unsigned: T, signed: T) -> T {
        if self.is_signed::<FEATURES>() { signed } else { unsigned }
    }
}
