//! Convolutions, alone or with a pool of 2 x 2: four pixels side by side, which are those under the
//! pool, or neighbours.
//!
//! The loops are told where the inputs lie: a table with a line for each row of the kernel, in which there are
//! the addresses of that row's inputs for each of the four pixels. A row of the kernel is one contiguous
//! run in the ring. Where it is as short as a few bytes, the rows are copied behind each other first.

use core::ptr::null;

use super::super::Rows;
use super::{Convolution, complete, offset};
use crate::format::features::{self as f, any};
use crate::model::{Layer, Parameters};
use crate::order::Order;

/// Most rows of a kernel, and most rows of a ring.
const MOST_KERNEL_ROWS: usize = 7;
const MOST_ROWS: usize = 12;

/// Bytes of a copied patch; one that is stored in whole vectors, and ends with zeros, fits.
const PATCH: usize = 40;
const VECTOR: usize = 16;

/// Pixels that are computed side by side.
const PIXELS: usize = 4;

/// Addresses of the inputs of one row of the kernel.
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
    /// Bytes of a row of the kernel.
    run: usize,
    weights: *const u8,
}

type Loop = unsafe extern "C" fn(*const Window);

unsafe extern "C" {
    fn tenfold_helium_pooled_unsigned(job: *const Window);
    fn tenfold_helium_pooled_signed(job: *const Window);
    fn tenfold_helium_single_unsigned(job: *const Window);
    fn tenfold_helium_single_signed(job: *const Window);
    fn tenfold_helium_small_pooled_unsigned(job: *const Window);
    fn tenfold_helium_small_pooled_signed(job: *const Window);
    fn tenfold_helium_small_single_unsigned(job: *const Window);
    fn tenfold_helium_small_single_signed(job: *const Window);
    fn tenfold_helium_gather(table: *const Line, run: usize, target: *mut u8);
}

/// How a row of a convolution is computed here.
pub(super) struct Plan {
    rows: [*const u8; MOST_ROWS],
    kernel_rows: usize,
    /// Bytes of a row of the kernel.
    run: usize,
    /// Bytes from a pixel to its neighbour, in the input.
    step: usize,
    /// Rows from a pixel to the one below it, under a pool.
    down: usize,
    /// Under a pool, bytes from one of its windows to the next.
    pool_step: Option<usize>,
    /// Pixels, or windows of the pool.
    width: usize,
}

impl Plan {
    /// The plan, where these loops can compute the layer.
    pub(super) fn new(layer: &Layer<'_>, job: Convolution<'_, '_>, rows: Rows<'_>) -> Option<Self> {
        let Convolution { window, groups, pool, parameters } = job;
        let channels = usize::from(layer.input.channels);
        let [kernel_rows, kernel_columns] = window.kernel.map(usize::from);
        let [down, across] = window.stride.map(usize::from);
        let is_pooled = match (pool.kernel, pool.stride) {
            ([2, 2], _) => true,
            ([1, 1], [_, 1]) => false,
            _ => return None,
        };
        let count = kernel_rows + if is_pooled { down } else { 0 };
        let (run, step, width) =
            (kernel_columns * channels, across * channels, usize::from(layer.output.width));
        let outputs = parameters.bias.len();
        let is_plain = parameters.weight_bits == 8 && parameters.order == Order::Plain && groups == 1;
        let has_weights = run != 0
            && parameters.run_bytes == kernel_rows * run
            && parameters.weights.len() >= outputs * parameters.run_bytes
            && parameters.shifts.len() >= outputs;
        if !is_plain || !has_weights || outputs == 0 || width == 0 {
            return None;
        }
        if kernel_rows == 0 || kernel_rows > MOST_KERNEL_ROWS || count > MOST_ROWS {
            return None;
        }
        let pool_step = is_pooled.then(|| usize::from(pool.stride[1]) * step);
        let last = pool_step.map_or((width - 1) * step, |pool_step| (width - 1) * pool_step + step);
        let mut addresses = [null(); MOST_ROWS];
        for (index, address) in addresses.iter_mut().enumerate().take(count) {
            let row = rows.run(index, 0, last + run);
            if row.len() != last + run {
                return None;
            }
            *address = row.as_ptr();
        }
        Some(Self { rows: addresses, kernel_rows, run, step, down, pool_step, width })
    }

    /// Computes the row. `layer` and `parameters` are those that the plan was made of.
    #[inline(never)]
    pub(super) fn run<const FEATURES: u32>(
        &self,
        layer: &Layer<'_>,
        parameters: &Parameters<'_>,
        out: &mut [u8],
    ) {
        let outputs = parameters.bias.len();
        if out.len() != self.width * outputs {
            return;
        }
        let is_small = self.run * self.kernel_rows <= VECTOR;
        let is_copied = self.run <= VECTOR && (self.kernel_rows - 1) * self.run + VECTOR <= PATCH;
        let is_signed = any(FEATURES, f::SIGNED_INPUT) && layer.input_signed;
        let multiply: Loop = match (is_small, self.pool_step.is_some(), is_signed) {
            (false, true, false) => tenfold_helium_pooled_unsigned,
            (false, true, true) => tenfold_helium_pooled_signed,
            (false, false, false) => tenfold_helium_single_unsigned,
            (false, false, true) => tenfold_helium_single_signed,
            (true, true, false) => tenfold_helium_small_pooled_unsigned,
            (true, true, true) => tenfold_helium_small_pooled_signed,
            (true, false, false) => tenfold_helium_small_single_unsigned,
            (true, false, true) => tenfold_helium_small_single_signed,
        };
        let mut patches = [0_u8; PIXELS * PATCH];
        let start = patches.as_mut_ptr();
        let copied = [0, 1, 2, 3].map(|pixel| start.wrapping_add(pixel * PATCH).cast_const());
        let copied = [copied, [null(); PIXELS]];
        let mut table = [[null(); PIXELS]; MOST_KERNEL_ROWS + 1];
        let per_round = if self.pool_step.is_some() { 1 } else { PIXELS };
        for (index, values) in out.chunks_mut(per_round * outputs).enumerate() {
            // Neighbours that there are none of are computed twice.
            let last = values.len() / outputs - 1;
            let neighbours = [0, 1.min(last), 2.min(last), 3.min(last)];
            let (offsets, lower) = match self.pool_step {
                Some(pool_step) => {
                    let left = index * pool_step;
                    ([left, left + self.step, left, left + self.step], self.down)
                }
                None => (neighbours.map(|pixel| (index * PIXELS + pixel) * self.step), 0),
            };
            let upper_rows = self.rows.iter().take(self.kernel_rows);
            let lower_rows = self.rows.iter().skip(lower);
            for ((line, upper), lower) in table.iter_mut().zip(upper_rows).zip(lower_rows) {
                let [a, b, c, d] = offsets;
                *line = [
                    upper.wrapping_add(a),
                    upper.wrapping_add(b),
                    lower.wrapping_add(c),
                    lower.wrapping_add(d),
                ];
            }
            let target = values.as_mut_ptr();
            let mut job = Window {
                table: table.as_ptr(),
                outputs,
                bias: parameters.bias.as_ptr(),
                shifts: parameters.shifts.as_ptr(),
                out: neighbours.map(|pixel| target.wrapping_add(pixel * outputs)),
                offset: offset(parameters.output),
                run: self.run,
                weights: parameters.weights.as_ptr(),
            };
            // SAFETY: in each line of the table there are four addresses of `run` bytes of input, as the
            // length of the rows was compared with the last pixel's. `bias` and `shifts` have
            // `outputs` elements and `weights` as many runs, of as many bytes as there are lines times
            // `run`; both were compared when the plan was made. The pixels that are written to, of
            // `outputs` bytes each, are in `values`. A copied patch is at least 16 bytes long, zeros
            // behind the inputs included, and at most 40.
            unsafe {
                if is_copied {
                    tenfold_helium_gather(table.as_ptr(), self.run, start);
                    job.table = copied.as_ptr();
                    job.run = self.run * self.kernel_rows;
                }
                multiply(&raw const job);
            }
        }
        complete::<FEATURES>(parameters.output, out);
    }
}
