//! The gradient of a convolution's weights.
//!
//! Each weight's gradient is a sum, over all places and images, of the gradient of an output
//! channel times an input channel, shifted by the weight's tap. Both are vectors of images, and so
//! are the sums, whose lanes are added up at the end. A tile of sums for some output channels and
//! some *columns* stays in registers; the columns are input channels under one tap or, where
//! there are hardly any, neighbouring taps of one input channel. Tiles walk over a few rows at a
//! time, which then stay in the nearest cache for all taps.
#![allow(
    clippy::needless_range_loop,
    reason = "one number indexes several arrays of a tile, which stay in registers"
)]

use core::ops::Range;

use super::geometry::Geometry;
use super::simd::{Kernel, LANES, Simd};

/// Bytes of rows that stay in the nearest cache.
const BLOCK: usize = 40_000;
/// Input channels of a group from which on they are the columns of tiles.
const MANY: usize = 4;

/// Computes the gradient of the weights, `[output][input / groups][row][column]`.
pub(super) struct WeightGradient<'a> {
    /// Shapes of the convolution.
    pub(super) geometry: Geometry,
    /// What it was given.
    pub(super) input: &'a [f32],
    /// The gradient of its output.
    pub(super) gradient: &'a [f32],
    /// Where the gradient of the weights goes.
    pub(super) output: &'a mut [f32],
}

impl Kernel for WeightGradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let padding = self.geometry.padding;
        let mut padded = Vec::new();
        let mut walk = Walk {
            geometry: self.geometry,
            input: self.input,
            gradient: self.gradient,
            many: self.geometry.grouped()[0] >= MANY,
            sums: Vec::new(),
        };
        if !walk.many && padding != [0, 0] {
            // Neighbouring taps have to fall on the same places.
            padded = walk.geometry.pad(self.input);
            walk.input = &padded;
        }
        walk.all(simd, self.output);
        drop(padded);
    }
}

impl Geometry {
    /// Writes zeros around the input, and changes the geometry to one without padding.
    fn pad(&mut self, input: &[f32]) -> Vec<f32> {
        let reach = [0, 1].map(|axis| (self.output[axis] - 1) * self.stride[axis] + self.kernel[axis]);
        let row = reach[1] * self.images;
        let count = self.input[1].min(reach[1] - self.padding[1]) * self.images;
        let mut padded = vec![0.0; self.channels[0] * reach[0] * row];
        let maps = padded.chunks_exact_mut(reach[0] * row);
        for (target, source) in maps.zip(input.chunks_exact(self.input[0] * self.input[1] * self.images)) {
            let rows = target.chunks_exact_mut(row).skip(self.padding[0]);
            for (target, source) in rows.zip(source.chunks_exact(self.input[1] * self.images)) {
                target[self.padding[1] * self.images..][..count].copy_from_slice(&source[..count]);
            }
        }
        self.input = reach;
        self.padding = [0, 0];
        padded
    }

    /// The places of the output, along an axis, where a tap falls on the input; and the place of
    /// the input under the first of them.
    fn span(&self, axis: usize, tap: usize) -> (Range<usize>, usize) {
        let (stride, padding) = (self.stride[axis], self.padding[axis]);
        let beyond = (self.input[axis] + padding).saturating_sub(tap).div_ceil(stride);
        let end = beyond.min(self.output[axis]);
        let start = padding.saturating_sub(tap).div_ceil(stride).min(end);
        (start..end, (start * stride + tap).saturating_sub(padding))
    }
}

struct Walk<'a> {
    geometry: Geometry,
    input: &'a [f32],
    gradient: &'a [f32],
    /// Whether columns are input channels.
    many: bool,
    /// The sums of the current tile, `[tap][output][column][lane]`.
    sums: Vec<f32>,
}

/// The first output channel, input channel and tap of a tile.
#[derive(Clone, Copy)]
struct Corner {
    output: usize,
    input: usize,
    tap: [usize; 2],
}

impl Walk<'_> {
    #[inline(always)]
    fn all<S: Simd>(&mut self, simd: S, output: &mut [f32]) {
        let Geometry { groups, kernel, .. } = self.geometry;
        let [inputs, outputs] = self.geometry.grouped();
        // One more than fits for channels fits where all columns share their loads.
        let (length, most) =
            if self.many { (inputs, S::COLUMNS) } else { (kernel[1], if S::COLUMNS == 4 { 5 } else { 2 }) };
        for group in 0..groups {
            let mut first = 0;
            while first < outputs {
                let rows = 4.min(1 << (outputs - first).ilog2());
                for input in 0..if self.many { 1 } else { inputs } {
                    let mut column = 0;
                    while column < length {
                        let columns = most.min(length - column);
                        let mut corner = Corner {
                            output: group * outputs + first,
                            input: group * inputs + input,
                            tap: [0, 0],
                        };
                        if self.many {
                            corner.input += column;
                        } else {
                            corner.tap[1] = column;
                        }
                        match rows {
                            4 => self.columns::<S, 4>(simd, corner, columns),
                            2 => self.columns::<S, 2>(simd, corner, columns),
                            _ => self.columns::<S, 1>(simd, corner, columns),
                        }
                        self.finish(corner, rows, columns, output);
                        column += columns;
                    }
                }
                first += rows;
            }
        }
    }

    #[inline(always)]
    fn columns<S: Simd, const M: usize>(&mut self, simd: S, corner: Corner, columns: usize) {
        match columns {
            5 => self.blocks::<S, M, 5>(simd, corner),
            4 => self.blocks::<S, M, 4>(simd, corner),
            3 => self.blocks::<S, M, 3>(simd, corner),
            2 => self.blocks::<S, M, 2>(simd, corner),
            _ => self.blocks::<S, M, 1>(simd, corner),
        }
    }

    /// The taps that a tile is computed for, one after the other.
    fn taps(&self, corner: Corner) -> impl Iterator<Item = [usize; 2]> + use<> {
        let [height, width] = self.geometry.kernel;
        let columns = if self.many { 0..width } else { corner.tap[1]..corner.tap[1] + 1 };
        (0..height).flat_map(move |y| columns.clone().map(move |x| [y, x]))
    }

    /// All sums of `M` output channels and `N` columns.
    #[inline(always)]
    fn blocks<S: Simd, const M: usize, const N: usize>(&mut self, simd: S, corner: Corner) {
        let Geometry { input, output, images, stride, .. } = self.geometry;
        let row = (output[1] + input[1] * stride[0]) * images * size_of::<f32>() * 4;
        let block = (BLOCK / row.max(1)).max(1);
        let mut sums = core::mem::take(&mut self.sums);
        sums.clear();
        sums.resize(self.taps(corner).count() * M * N * LANES, 0.0);
        let mut top = 0;
        while top < output[0] {
            let rows = top..(top + block).min(output[0]);
            for (tap, sums) in self.taps(corner).zip(sums.chunks_exact_mut(M * N * LANES)) {
                let corner = Corner { tap, ..corner };
                for half in 0..LANES / S::WIDTH {
                    self.tile::<S, M, N>(simd, corner, rows.clone(), half * S::WIDTH, sums);
                }
            }
            top += block;
        }
        self.sums = sums;
    }

    /// Adds some rows under one tap to the sums, in the lanes from `lane`.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(
        &self,
        simd: S,
        corner: Corner,
        rows: Range<usize>,
        lane: usize,
        sums: &mut [f32],
    ) {
        let Geometry { input, output, images, stride, .. } = self.geometry;
        let (taken, above) = self.geometry.span(0, corner.tap[0]);
        let (columns, left) = self.geometry.span(1, corner.tap[1]);
        if columns.is_empty() {
            return;
        }
        let width = columns.len() * images;
        let reach = ((columns.len() - 1) * stride[1] + 1) * images;
        let mut tile = [[simd.splat(0.0); N]; M];
        for m in 0..M {
            for n in 0..N {
                tile[m][n] = simd.load(&sums[(m * N + n) * LANES + lane..]);
            }
        }
        for row in rows.start.max(taken.start)..rows.end.min(taken.end) {
            let under = above + (row - taken.start) * stride[0];
            let mut gradients: [&[f32]; M] = [&[]; M];
            for m in 0..M {
                let start = ((corner.output + m) * output[0] + row) * output[1] + columns.start;
                gradients[m] = &self.gradient[start * images..][..width];
            }
            let mut values: [&[f32]; N] = [&[]; N];
            for n in 0..N {
                let (channel, beside) = if self.many { (n, 0) } else { (0, n) };
                let start = ((corner.input + channel) * input[0] + under) * input[1] + left + beside;
                values[n] = &self.input[start * images..][..reach];
            }
            let (mut place, mut from) = (0, 0);
            while place < width {
                let mut block = lane;
                while block < images {
                    let mut vectors = [simd.splat(0.0); N];
                    for n in 0..N {
                        vectors[n] = simd.load(&values[n][from + block..]);
                    }
                    for m in 0..M {
                        let gradient = simd.load(&gradients[m][place + block..]);
                        for n in 0..N {
                            tile[m][n] = simd.mul_add(gradient, vectors[n], tile[m][n]);
                        }
                    }
                    block += LANES;
                }
                place += images;
                from += images * stride[1];
            }
        }
        for m in 0..M {
            for n in 0..N {
                simd.store(tile[m][n], &mut sums[(m * N + n) * LANES + lane..]);
            }
        }
    }

    /// Adds up the lanes of a tile.
    #[inline(always)]
    fn finish(&self, corner: Corner, rows: usize, columns: usize, output: &mut [f32]) {
        let kernel = self.geometry.kernel;
        let [inputs, _] = self.geometry.grouped();
        for (tap, sums) in self.taps(corner).zip(self.sums.chunks_exact(rows * columns * LANES)) {
            for (index, lanes) in sums.chunks_exact(LANES).enumerate() {
                let (row, column) = (index / columns, index % columns);
                let (channel, beside) = if self.many { (column, 0) } else { (0, column) };
                let channel = (corner.output + row) * inputs + corner.input % inputs + channel;
                let place = (channel * kernel[0] + tap[0]) * kernel[1] + tap[1] + beside;
                output[place] = total(lanes);
            }
        }
    }
}

/// The sum of all lanes, halved again and again: an order that does not depend on the width of vectors.
#[inline(always)]
pub(super) fn total(lanes: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    sums.copy_from_slice(lanes);
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}
