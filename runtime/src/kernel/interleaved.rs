//! Layers whose weights are in [`Order::Interleaved`], for vectors of any length.
//!
//! ```text
//!  ring --copy, widen--> workspace: the rows of the window, one after the other
//!                            |  |  |  |        POSITIONS of the convolution's window, side by side
//!  weights of LANES outputs -+--+--+--+--> [[i32; LANES]; POSITIONS] --maximum, bias, requantize--> out
//! ```
//!
//! An instruction set brings a single function each for a convolution and for a dense layer: sums of
//! products, `LANES` output channels at once. All else is here, compiled once with the
//! instructions of each: the positions that a pool takes, the maximum, the requantization.
//!
//! [`Order::Interleaved`]: crate::Order::Interleaved

use bytemuck::Pod;

use super::Rows;
use super::portable::Convolution;
use crate::arithmetic::{activation, rounding_shift_of_lane, saturate_i8, saturate_u8};
use crate::model::{Layer, Output, Parameters};
use crate::order::{CHANNELS, GROUP_BYTES, INPUTS, Interleaved};

/// The input of a convolution: the rows of its window, one after the other, then a group more of any
/// values, so that the last group of a kernel row is always there.
#[derive(Clone, Copy)]
pub(super) struct Patch<'a, V> {
    /// Input values.
    pub(super) values: &'a [V],
    /// Values from a row to the next.
    pub(super) pitch: usize,
    /// Rows of the kernel.
    pub(super) rows: usize,
    /// Groups of weights in a row of the kernel.
    pub(super) groups: usize,
    /// Bytes from the weights of a vector of output channels to the next vector's.
    pub(super) vector_pitch: usize,
}

impl<V> Patch<'_, V> {
    /// Whether the windows at `starts` lie within the values, and the weights of all groups within
    /// `weights`, for so many `vectors` of so many `bytes`: what a loop may rely on.
    #[inline(always)]
    pub(super) fn holds(&self, starts: &[usize], weights: &[u8], vectors: usize, bytes: usize) -> bool {
        let groups = self.rows * self.groups;
        let span = self.rows.saturating_sub(1) * self.pitch + self.groups * INPUTS;
        let last = starts.iter().copied().max().unwrap_or(0);
        groups != 0
            && last + span <= self.values.len()
            && vectors.saturating_sub(1) * self.vector_pitch + (groups - 1) * GROUP_BYTES + bytes
                <= weights.len()
    }
}

/// As [`portable::convolution`](super::portable::convolution).
///
/// `widen` is how a value of the input becomes one of the patch. `sums` yields, for windows that start
/// at `POSITIONS` places of the patch, the sums of products with the weights of `VECTORS` times
/// `LANES` output channels, without bias. The weights are those from the first of these channels on:
/// `LANES * INPUTS` bytes of every `GROUP_BYTES`. `VECTORS` divides the vectors that there are.
#[inline(always)]
pub(super) fn convolution<V: Pod, const LANES: usize, const VECTORS: usize, const POSITIONS: usize>(
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    order: Interleaved,
    (rows, workspace, out): (Rows<'_>, &mut [u32], &mut [u8]),
    widen: impl Fn(u8) -> V,
    sums: impl Fn(Patch<'_, V>, &[usize; POSITIONS], &[u8]) -> [[[i32; LANES]; VECTORS]; POSITIONS],
) {
    let Ok(values) = bytemuck::try_cast_slice_mut::<u32, V>(workspace) else { return };
    let pitch = rows.copy(values, widen);
    let vector_pitch = if LANES < CHANNELS { LANES * INPUTS } else { job.parameters.run_bytes };
    let patch = Patch { values, pitch, rows: order.rows(), groups: order.groups(), vector_pitch };
    let places = Positions::new(layer, &job, pitch);
    let outputs = usize::from(layer.output.channels).max(1);

    for (first, weights) in vectors::<LANES, VECTORS>(job.parameters.weights, job.parameters.run_bytes) {
        let mut finish = [Finish::<LANES>::new(job.parameters, first); VECTORS];
        for (finish, channel) in finish.iter_mut().zip((first..).step_by(LANES)) {
            *finish = Finish::new(job.parameters, channel);
        }
        let mut places = places;
        let mut from = first;
        let mut largest = [[i32::MIN; LANES]; VECTORS];
        let mut missing = places.per_pixel();
        let mut left = out.len() / outputs * missing;
        while left != 0 {
            // Beyond the last position the first is computed again, to no avail.
            let mut starts = [0; POSITIONS];
            for start in starts.iter_mut().take(left) {
                *start = places.next();
            }
            for sums in sums(patch, &starts, weights).iter().take(left) {
                for (largest, sums) in largest.iter_mut().zip(sums) {
                    for (largest, &sum) in largest.iter_mut().zip(sums) {
                        *largest = sum.max(*largest);
                    }
                }
                missing -= 1;
                if missing == 0 {
                    let mut target = from;
                    for (finish, largest) in finish.iter().zip(&largest) {
                        finish.store(largest, out.get_mut(target..).unwrap_or_default());
                        target += LANES;
                    }
                    from += outputs;
                    (largest, missing) = ([[i32::MIN; LANES]; VECTORS], places.per_pixel());
                }
            }
            left = left.saturating_sub(POSITIONS);
        }
    }
}

/// As [`portable::dense_step`](super::portable::dense_step); `dot` is as `sums` of [`convolution`], for
/// a row of inputs.
#[inline(always)]
pub(super) fn dense_step<const LANES: usize>(
    parameters: &Parameters<'_>,
    order: Interleaved,
    step: usize,
    input: &[u8],
    sums: &mut [i32],
    dot: impl Fn(&[u8], &[u8]) -> [i32; LANES],
) {
    let step_bytes = parameters.run_bytes * order.blocks();
    let weights = parameters.weights.get(step * step_bytes..).unwrap_or_default();
    for (first, weights) in vectors::<LANES, 1>(weights, parameters.run_bytes) {
        let Some(sums) = sums.get_mut(first..).filter(|sums| !sums.is_empty()) else { return };
        for (sum, more) in sums.iter_mut().zip(dot(input, weights)) {
            *sum += more;
        }
    }
}

/// As [`portable::dense`](super::portable::dense), with `dot` as in [`dense_step`].
#[inline(always)]
pub(super) fn dense<const LANES: usize>(
    parameters: &Parameters<'_>,
    input: &[u8],
    out: &mut [u8],
    dot: impl Fn(&[u8], &[u8]) -> [i32; LANES],
) {
    for (first, weights) in vectors::<LANES, 1>(parameters.weights, parameters.run_bytes) {
        let finish = Finish::<LANES>::new(parameters, first);
        finish.store(&dot(input, weights), out.get_mut(first..).unwrap_or_default());
    }
}

/// Up to four inputs as a group, in the order of memory, completed with zeros.
#[inline(always)]
pub(super) fn group(inputs: &[u8]) -> u32 {
    if let Some(all) = inputs.first_chunk() {
        return u32::from_le_bytes(*all);
    }
    let mut bytes = [0; INPUTS];
    bytes.iter_mut().zip(inputs).for_each(|(to, &from)| *to = from);
    u32::from_le_bytes(bytes)
}

/// The first output channel and the weights of every `VECTORS` times `LANES` channels.
#[inline(always)]
fn vectors<const LANES: usize, const VECTORS: usize>(
    weights: &[u8],
    block_bytes: usize,
) -> impl Iterator<Item = (usize, &[u8])> {
    let step = LANES * VECTORS;
    let blocks = step.div_ceil(CHANNELS);
    let chunks = weights.chunks_exact((block_bytes * blocks).max(1)).enumerate();
    chunks.flat_map(move |(chunk, weights)| {
        // Either several blocks at once, or parts of one.
        let lanes = (0..CHANNELS * blocks).step_by(step);
        lanes.map(move |lane| {
            (chunk * CHANNELS * blocks + lane, weights.get(lane * INPUTS..).unwrap_or_default())
        })
    })
}

/// Where in the patch the windows start that make the pixels of an output row: those of a pixel's pool
/// one after the other.
#[derive(Clone, Copy)]
struct Positions {
    /// Width of the pool, and its height.
    pool: [usize; 2],
    /// Values from a window of the convolution to the next, across and down.
    steps: [usize; 2],
    /// Values from a pixel's first window to the next pixel's.
    pixel: usize,
    /// The next window in the pool, across and down.
    at: [usize; 2],
    /// Start of the pixel's first window.
    start: usize,
}

impl Positions {
    fn new(layer: &Layer<'_>, job: &Convolution<'_, '_>, pitch: usize) -> Self {
        let Convolution { window, pool, .. } = job;
        let [height, width] = pool.kernel.map(usize::from);
        let [down, across] = window.stride.map(usize::from);
        let across = across * usize::from(layer.input.channels);
        Self {
            pool: [width, height],
            steps: [across, down * pitch],
            pixel: usize::from(pool.stride[1]) * across,
            at: [0, 0],
            start: 0,
        }
    }

    const fn per_pixel(&self) -> usize {
        let [width, height] = self.pool;
        width * height
    }

    #[inline(always)]
    const fn next(&mut self) -> usize {
        let ([across, down], [step_across, step_down]) = (self.at, self.steps);
        let [width, height] = self.pool;
        let start = self.start + across * step_across + down * step_down;
        self.at = if across + 1 < width {
            [across + 1, down]
        } else if down + 1 < height {
            [0, down + 1]
        } else {
            self.start += self.pixel;
            [0, 0]
        };
        start
    }
}

/// What becomes of the sums of `LANES` output channels.
#[derive(Clone, Copy)]
struct Finish<'a, const LANES: usize> {
    bias: [i32; LANES],
    shifts: [u8; LANES],
    output: Output<'a>,
    /// Channels that there are.
    count: usize,
    /// Whether all lanes may be written.
    may_overwrite: bool,
}

impl<'a, const LANES: usize> Finish<'a, LANES> {
    /// For the channels from `first` on, of which there may be none.
    #[inline(always)]
    fn new(parameters: &Parameters<'a>, first: usize) -> Self {
        let bias = parameters.bias.get(first..).unwrap_or_default();
        let shifts = parameters.shifts.get(first..).unwrap_or_default();
        let count = bias.len().min(LANES);
        let mut finish = Self {
            bias: [0; LANES],
            shifts: [0; LANES],
            output: parameters.output,
            count,
            may_overwrite: first == 0 || count == LANES,
        };
        for (to, &from) in finish.bias.iter_mut().zip(bias) {
            *to = from;
        }
        for (to, &from) in finish.shifts.iter_mut().zip(shifts) {
            *to = from;
        }
        finish
    }

    /// Adds the bias, requantizes, and writes to the start of `out`.
    ///
    /// Where there are fewer channels than lanes but those of the following pixels are still to be
    /// written, that is all channels are in one vector, what lies behind is written as well.
    #[inline(always)]
    fn store(&self, sums: &[i32; LANES], out: &mut [u8]) {
        let mut values = *sums;
        for ((value, &bias), &shift) in values.iter_mut().zip(&self.bias).zip(&self.shifts) {
            *value = rounding_shift_of_lane(*value + bias, shift);
        }
        let mut bytes = [0; LANES];
        match self.output {
            Output::Unsigned => {
                for (byte, &value) in bytes.iter_mut().zip(&values) {
                    *byte = saturate_u8(value);
                }
            }
            Output::Signed | Output::Logits => {
                for (byte, &value) in bytes.iter_mut().zip(&values) {
                    *byte = saturate_i8(value) as u8;
                }
            }
            Output::Table(table) => {
                for (byte, &value) in bytes.iter_mut().zip(&values) {
                    // Flipping the sign bit turns -128..=127 into the index 0..=255.
                    let index = usize::from(saturate_i8(value) as u8 ^ 0x80);
                    *byte = table.get(index).copied().unwrap_or(0);
                }
            }
        }
        match out.first_chunk_mut::<LANES>().filter(|_| self.may_overwrite) {
            Some(all) => *all = bytes,
            None => {
                for (to, &from) in out.iter_mut().zip(&bytes).take(self.count) {
                    *to = from;
                }
            }
        }
    }
}

impl Rows<'_> {
    /// Copies all rows to the start of `values`, one after the other; the values of a row.
    #[inline(always)]
    fn copy<V>(&self, values: &mut [V], widen: impl Fn(u8) -> V) -> usize {
        let (older, newer) = values.split_at_mut(self.older.len().min(values.len()));
        // A closure would be compiled without the vectors of the caller.
        for (to, &from) in older.iter_mut().zip(self.older) {
            *to = widen(from);
        }
        for (to, &from) in newer.iter_mut().zip(self.newer) {
            *to = widen(from);
        }
        self.row_bytes
    }
}

/// The sums of [`convolution`] in plain Rust.
pub(super) fn sums(
    patch: Patch<'_, i16>,
    &[start]: &[usize; 1],
    weights: &[u8],
) -> [[[i32; CHANNELS]; 1]; 1] {
    let mut sums = [0; CHANNELS];
    let rows = patch.values.get(start..).unwrap_or_default().chunks(patch.pitch.max(1));
    let weights = weights.chunks_exact((patch.groups * GROUP_BYTES).max(1));
    for (row, weights) in rows.zip(weights) {
        for (inputs, weights) in row.chunks(INPUTS).zip(weights.chunks_exact(GROUP_BYTES)) {
            for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(INPUTS)) {
                let products = inputs.iter().zip(weights);
                *sum += products.map(|(&x, &w)| i32::from(x) * i32::from(w as i8)).sum::<i32>();
            }
        }
    }
    [[sums]]
}

/// The sums of [`dense`] in plain Rust.
pub(super) fn dot<const SIGNED: bool>(input: &[u8], weights: &[u8]) -> [i32; CHANNELS] {
    let mut sums = [0; CHANNELS];
    for (inputs, weights) in input.chunks(INPUTS).zip(weights.chunks_exact(GROUP_BYTES)) {
        for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(INPUTS)) {
            let products = inputs.iter().zip(weights);
            *sum += products.map(|(&x, &w)| activation::<SIGNED>(x) * i32::from(w as i8)).sum::<i32>();
        }
    }
    sums
}
