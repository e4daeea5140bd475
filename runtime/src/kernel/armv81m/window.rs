//! Convolutions, alone or with a pool of 2 x 2: four pixels side by side, which are those under the
//! pool, or neighbours.
//!
//! The loops are told where the inputs lie: a table with a line for each row of the kernel, in which there are
//! the addresses of that row's inputs for each of the four pixels. A row of the kernel is one contiguous
//! run in the ring. Where it is as short as a few bytes, the rows are copied behind each other first. Of several groups
//! one is computed after the other, and a run is what it has of one column of the kernel.

use core::mem::MaybeUninit;
use core::ops::Range;
use core::ptr::{null, null_mut};

use super::super::Rows;
use super::{Convolution, complete, offset};
use crate::format::features::{self as f, any};
use crate::model::{Layer, Parameters};
use crate::order::Order;

/// Most runs of a kernel, its rows or in groups its places, and most rows of a ring.
const MOST_LINES: usize = 9;
const MOST_ROWS: usize = 12;

/// Most rows of a kernel.
const MOST_KERNEL_ROWS: usize = 7;

/// Bytes of a copied patch; one that is stored in whole vectors, and ends with zeros, fits.
const PATCH: usize = 40;
const VECTOR: usize = 16;

/// Pixels that are computed side by side.
const PIXELS: usize = 4;

/// Addresses of the inputs of one run of the kernel.
type Line = [*const u8; PIXELS];

/// What the loops need; its fields are read in this order.
#[repr(C)]
struct Window {
    /// Ends with a line of nulls.
    table: *const Line,
    outputs: usize,
    bias: *const i32,
    shifts: *const u8,
    /// Where the values of each pixel go; under a pool, the first alone counts.
    out: [*mut u8; PIXELS],
    /// Added before saturation to 0..=255.
    offset: u32,
    /// Bytes of a run of the kernel.
    run: usize,
    weights: *const u8,
}

/// What calls a loop for one round after the other needs; its fields are read in this order.
#[repr(C)]
struct Rounds {
    job: *mut Window,
    multiply: Loop,
    count: usize,
    table: *mut Line,
    /// What is added to the addresses in the table from a round to the next, and to those in `out`.
    step: usize,
    out_step: usize,
    /// Where short rows are copied to; else null.
    patches: *mut u8,
    run: usize,
}

type Loop = unsafe extern "C" fn(*const Window);

unsafe extern "C" {
    fn tenfold_helium_pooled_unsigned(job: *const Window);
    fn tenfold_helium_pooled_signed(job: *const Window);
    fn tenfold_helium_single_unsigned(job: *const Window);
    fn tenfold_helium_single_signed(job: *const Window);
    fn tenfold_helium_image_16(job: *const Window);
    fn tenfold_helium_image_32(job: *const Window);
    fn tenfold_helium_small_pooled_signed(job: *const Window);
    fn tenfold_helium_small_single_unsigned(job: *const Window);
    fn tenfold_helium_small_single_signed(job: *const Window);
    fn tenfold_helium_pooled_3x3x16(job: *const Window);
    fn tenfold_helium_pooled_3x3x32(job: *const Window);
    fn tenfold_helium_pooled_3x3x64(job: *const Window);
    fn tenfold_helium_single_3x3x16_2(job: *const Window);
    fn tenfold_helium_single_3x3x16_3(job: *const Window);
    fn tenfold_helium_single_3x3x16_4(job: *const Window);
    fn tenfold_helium_single_3x3x32_2(job: *const Window);
    fn tenfold_helium_single_3x3x32_3(job: *const Window);
    fn tenfold_helium_single_3x3x32_4(job: *const Window);
    fn tenfold_helium_single_3x3x64_2(job: *const Window);
    fn tenfold_helium_single_3x3x64_3(job: *const Window);
    fn tenfold_helium_single_3x3x64_4(job: *const Window);
    fn tenfold_helium_rounds(rounds: *const Rounds);
}

/// How a row of a convolution is computed here.
pub(super) struct Plan {
    rows: [*const u8; MOST_ROWS],
    /// Runs of the kernel, and how many of them are in a row.
    lines: usize,
    columns: usize,
    groups: usize,
    /// Bytes of a run of the kernel, and in groups from a column to the next.
    run: usize,
    channels: usize,
    /// Bytes from a pixel to its neighbour, in the input.
    step: usize,
    /// Rows from a pixel to the one below it, under a pool.
    down: usize,
    /// Under a pool, bytes from one of its windows to the next.
    pool_step: Option<usize>,
    /// Pixels, or windows of the pool.
    width: usize,
    /// Input channels of a kernel of 3 x 3 at stride 1, where there are loops for so many, and inputs and
    /// weights are aligned for words.
    block_channels: Option<usize>,
}

/// Some of the outputs of a layer, which has `pitch` of them.
#[derive(Clone, Copy)]
struct Outputs<'a, 'b> {
    parameters: &'b Parameters<'a>,
    first: usize,
    count: usize,
    pitch: usize,
}

impl Plan {
    /// The plan, where these loops can compute the layer.
    pub(super) fn new<const FEATURES: u32>(
        layer: &Layer<'_>,
        job: Convolution<'_, '_>,
        rows: Rows<'_>,
    ) -> Option<Self> {
        let Convolution { window, pool, parameters, .. } = job;
        let channels = usize::from(layer.input.channels);
        let groups = if any(FEATURES, f::GROUPED_CONVOLUTION) { usize::from(job.groups) } else { 1 };
        let [kernel_rows, kernel_columns] = window.kernel.map(usize::from);
        let [down, across] = window.stride.map(usize::from);
        let is_pooled = match (pool.kernel, pool.stride) {
            ([2, 2], _) => true,
            ([1, 1], [_, 1]) => false,
            _ => return None,
        };
        let count = kernel_rows + if is_pooled { down } else { 0 };
        let row = kernel_columns * channels;
        let (columns, run) =
            if groups == 1 { (1, row) } else { (kernel_columns, channels.checked_div(groups)?) };
        let (lines, step, width) =
            (kernel_rows * columns, across * channels, usize::from(layer.output.width));
        let outputs = parameters.bias.len();
        let is_plain = parameters.weight_bits == 8 && parameters.order == Order::Plain;
        let has_weights = run != 0
            && parameters.run_bytes == lines * run
            && parameters.weights.len() >= outputs * parameters.run_bytes
            && parameters.shifts.len() >= outputs;
        if !is_plain || !has_weights || outputs == 0 || width == 0 {
            return None;
        }
        if kernel_rows == 0 || kernel_rows > MOST_KERNEL_ROWS || lines > MOST_LINES || count > MOST_ROWS {
            return None;
        }
        // What is copied has the rows of one group; a group has an output at least.
        if groups != 1 && (run < VECTOR / 2 || outputs < groups) {
            return None;
        }
        let pool_step = is_pooled.then(|| usize::from(pool.stride[1]) * step);
        let last = pool_step.map_or((width - 1) * step, |pool_step| (width - 1) * pool_step + step);
        let mut addresses = [null(); MOST_ROWS];
        for (index, address) in addresses.iter_mut().enumerate().take(count) {
            let line = rows.run(index, 0, last + row);
            if line.len() != last + row {
                return None;
            }
            *address = line.as_ptr();
        }
        let is_aligned = |address: *const u8| address.addr().is_multiple_of(4);
        let has_block = window.kernel == [3, 3]
            && window.stride == [1, 1]
            && matches!(channels, 16 | 32 | 64)
            && groups == 1
            && is_aligned(parameters.weights.as_ptr())
            && addresses.into_iter().all(is_aligned);
        let block_channels = has_block.then_some(channels);
        Some(Self {
            rows: addresses,
            lines,
            columns,
            groups,
            run,
            channels,
            step,
            down,
            pool_step,
            width,
            block_channels,
        })
    }

    /// Computes the row. `layer` and `parameters` are those that the plan was made of.
    #[inline(never)]
    pub(super) fn run<const FEATURES: u32>(
        &mut self,
        layer: &Layer<'_>,
        parameters: &Parameters<'_>,
        out: &mut [u8],
    ) {
        let pitch = parameters.bias.len();
        if out.len() != self.width * pitch {
            return;
        }
        let groups = if any(FEATURES, f::GROUPED_CONVOLUTION) { self.groups } else { 1 };
        let outputs = pitch / groups.max(1);
        for first in (0..groups).map(|group| group * outputs) {
            let some = Outputs { parameters, first, count: outputs, pitch };
            let (pixels, rounds, rest) = if self.is_pooled::<FEATURES>() {
                (1, self.width, 0)
            } else {
                (PIXELS, self.width / PIXELS, self.width % PIXELS)
            };
            let (whole, last) = out.split_at_mut_checked(rounds * pixels * pitch).unwrap_or_default();
            if rounds != 0 {
                let multiply = self.multiply::<FEATURES>(layer, pixels);
                self.some_rounds::<FEATURES>(multiply, some, 0..rounds, pixels, whole);
            }
            if rest != 0 {
                let multiply = self.multiply::<FEATURES>(layer, rest);
                self.some_rounds::<FEATURES>(multiply, some, rounds..rounds + 1, rest, last);
            }
            if any(FEATURES, f::GROUPED_CONVOLUTION) {
                // The next group's channels.
                self.rows.iter_mut().for_each(|row| *row = row.wrapping_add(self.run));
            }
        }
        complete::<FEATURES>(parameters.output, out);
    }

    /// Computes some rounds with a table as long as `FEATURES` ask for: it is on the stack.
    fn some_rounds<const FEATURES: u32>(
        &self,
        multiply: Loop,
        some: Outputs<'_, '_>,
        rounds: Range<usize>,
        pixels: usize,
        out: &mut [u8],
    ) {
        if any(FEATURES, f::GROUPED_CONVOLUTION) {
            self.rounds::<{ MOST_LINES + 1 }>(multiply, some, rounds, pixels, out);
        } else {
            self.rounds::<{ MOST_KERNEL_ROWS + 1 }>(multiply, some, rounds, pixels, out);
        }
    }

    /// Computes some rounds of as many pixels, or of the one under a pool, to `out`. The table has a line for each run of the
    /// kernel, and one of nulls.
    #[inline(never)]
    fn rounds<const TABLE: usize>(
        &self,
        multiply: Loop,
        some: Outputs<'_, '_>,
        rounds: Range<usize>,
        pixels: usize,
        out: &mut [u8],
    ) {
        let Outputs { parameters, first, count: outputs, pitch } = some;
        let count = rounds.end - rounds.start;
        if count == 0 || out.len() != count * pixels * pitch || first + outputs > pitch {
            return;
        }
        let is_copied = self.is_copied();
        let mut table = [[null(); PIXELS]; TABLE];
        self.fill(&mut table, rounds.start, pixels);
        // Written and read by the loops alone.
        let mut patches = MaybeUninit::<[u8; PIXELS * PATCH]>::uninit();
        let patches = patches.as_mut_ptr().cast::<u8>();
        let patch = [0, 1, 2, 3].map(|pixel| patches.wrapping_add(pixel * PATCH).cast_const());
        let patch = [patch, [null(); PIXELS]];
        let target = out.as_mut_ptr().wrapping_add(first);
        let table = table.as_mut_ptr();
        let mut job = Window {
            table: if is_copied { patch.as_ptr() } else { table },
            outputs,
            bias: parameters.bias.as_ptr().wrapping_add(first),
            shifts: parameters.shifts.as_ptr().wrapping_add(first),
            // A pixel that is computed twice goes to the same place.
            out: [0, 1, 2, 3].map(|pixel: usize| target.wrapping_add(pixel.min(pixels - 1) * pitch)),
            offset: offset(parameters.output),
            run: if is_copied { self.run * self.lines } else { self.run },
            weights: parameters.weights.as_ptr().wrapping_add(first * parameters.run_bytes),
        };
        let rounds = Rounds {
            job: &raw mut job,
            multiply,
            count,
            table,
            step: self.pool_step.unwrap_or(PIXELS * self.step),
            out_step: pixels * pitch,
            patches: if is_copied { patches } else { null_mut() },
            run: self.run,
        };
        // SAFETY: in each line of the table there are four addresses of `run` bytes of input, for each of
        // the rounds, as the length of the rows was compared with the last pixel's; a group's channels are among
        // those of a column. `bias` and `shifts` have `outputs` elements from the first on and `weights` as many runs, of as
        // many bytes as there are lines times `run`; both were compared when the plan was made. The pixels that are
        // written to, `outputs` bytes of the `pitch` of each, are in `out`, whose length was compared above. A copied patch
        // is at least 16 bytes long, zeros behind the inputs included, and at most 40.
        unsafe { tenfold_helium_rounds(&raw const rounds) };
    }

    /// Whether the runs of the kernel are copied behind each other, since they are short.
    const fn is_copied(&self) -> bool {
        self.run <= VECTOR && (self.lines - 1) * self.run + VECTOR <= PATCH
    }

    const fn is_pooled<const FEATURES: u32>(&self) -> bool {
        any(FEATURES, f::FUSED_POOL) && (!any(FEATURES, f::UNPOOLED) || self.pool_step.is_some())
    }

    /// The loop for that many pixels side by side, or for the one under a pool.
    fn multiply<const FEATURES: u32>(&self, layer: &Layer<'_>, pixels: usize) -> Loop {
        let is_signed = any(FEATURES, f::SIGNED_INPUT) && layer.input_signed;
        let patch = self.run * self.lines;
        let is_small = patch <= VECTOR;
        // The copy of the last row ends with as many zeros as complete a vector.
        let is_padded = self.is_copied() && patch <= 2 * VECTOR && patch - self.run >= VECTOR;
        match (self.is_pooled::<FEATURES>(), is_signed) {
            (true, false) => match self.block_channels {
                Some(16) => tenfold_helium_pooled_3x3x16,
                Some(32) => tenfold_helium_pooled_3x3x32,
                Some(_) => tenfold_helium_pooled_3x3x64,
                None if is_small => tenfold_helium_image_16,
                None if is_padded => tenfold_helium_image_32,
                None => tenfold_helium_pooled_unsigned,
            },
            (false, false) => match (self.block_channels, pixels) {
                (Some(16), 2) => tenfold_helium_single_3x3x16_2,
                (Some(16), 3) => tenfold_helium_single_3x3x16_3,
                (Some(16), 4) => tenfold_helium_single_3x3x16_4,
                (Some(32), 2) => tenfold_helium_single_3x3x32_2,
                (Some(32), 3) => tenfold_helium_single_3x3x32_3,
                (Some(32), 4) => tenfold_helium_single_3x3x32_4,
                (Some(64), 2) => tenfold_helium_single_3x3x64_2,
                (Some(64), 3) => tenfold_helium_single_3x3x64_3,
                (Some(64), 4) => tenfold_helium_single_3x3x64_4,
                _ if is_small => tenfold_helium_small_single_unsigned,
                _ => tenfold_helium_single_unsigned,
            },
            (true, true) if is_small => tenfold_helium_small_pooled_signed,
            (true, true) => tenfold_helium_pooled_signed,
            (false, true) if is_small => tenfold_helium_small_single_signed,
            (false, true) => tenfold_helium_single_signed,
        }
    }

    /// Where the inputs of round number `round` lie. The last of fewer than four neighbours is computed
    /// again in place of those that there are not.
    #[inline(never)]
    fn fill<const TABLE: usize>(&self, table: &mut [Line; TABLE], round: usize, pixels: usize) {
        let (left, neighbours, lower) = match self.pool_step {
            Some(pool_step) => (round * pool_step, [0, 1, 0, 1], self.down),
            None => (round * PIXELS * self.step, [0, 1, 2, 3].map(|pixel: usize| pixel.min(pixels - 1)), 0),
        };
        let [a, b, c, d] = neighbours.map(|pixel| left + pixel * self.step);
        let rows = self.rows.iter().zip(self.rows.iter().skip(lower));
        let at = |upper: &*const u8, lower: &*const u8| {
            [upper.wrapping_add(a), upper.wrapping_add(b), lower.wrapping_add(c), lower.wrapping_add(d)]
        };
        if table.len() <= MOST_KERNEL_ROWS + 1 {
            for (line, (upper, lower)) in table.iter_mut().take(self.lines).zip(rows) {
                *line = at(upper, lower);
            }
            return;
        }
        // In groups a row of the kernel is a run for each of its columns.
        let mut lines = table.iter_mut().take(self.lines);
        for (upper, lower) in rows {
            let mut column = 0;
            for line in lines.by_ref().take(self.columns) {
                *line = at(&upper.wrapping_add(column), &lower.wrapping_add(column));
                column += self.channels;
            }
        }
    }
}
