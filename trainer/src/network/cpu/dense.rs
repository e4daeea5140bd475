//! The product of two matrices, rows first, as dense layers and their gradients need it.
#![allow(
    clippy::needless_range_loop,
    reason = "one number indexes several arrays of a tile, which stay in registers"
)]

use super::simd::{Kernel, Simd};

/// `output = left * right`, with `left` `[rows][depth]` and `right` `[depth][columns]`.
///
/// Each value is summed in the order of `depth`, whatever the width of vectors.
pub(super) struct Product<'a> {
    /// Rows of the result.
    pub(super) rows: usize,
    /// Terms of each sum.
    pub(super) depth: usize,
    /// Columns of the result.
    pub(super) columns: usize,
    pub(super) left: &'a [f32],
    pub(super) right: &'a [f32],
    /// Added to the rows of the result.
    pub(super) bias: Option<&'a [f32]>,
    /// Whether negative results become zero.
    pub(super) relu: bool,
    pub(super) output: &'a mut [f32],
}

/// Some columns of the right matrix.
struct Strip<'a> {
    values: &'a [f32],
    /// Distance of its rows.
    stride: usize,
    /// First column, and how many of them count.
    first: usize,
    columns: usize,
}

impl Product<'_> {
    /// `M` rows by `N` vectors of the result.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(&mut self, simd: S, row: usize, strip: &Strip<'_>) {
        let depth = self.depth;
        let mut rows: [&[f32]; M] = [&[]; M];
        for m in 0..M {
            rows[m] = &self.left[(row + m) * depth..][..depth];
        }
        let mut sums = [[simd.splat(0.0); N]; M];
        for k in 0..depth {
            let values = &strip.values[k * strip.stride..][..N * S::WIDTH];
            let mut vectors = [simd.splat(0.0); N];
            for n in 0..N {
                vectors[n] = simd.load(&values[n * S::WIDTH..]);
            }
            for m in 0..M {
                let factor = simd.splat(rows[m][k]);
                for n in 0..N {
                    sums[m][n] = simd.mul_add(factor, vectors[n], sums[m][n]);
                }
            }
        }
        for m in 0..M {
            let target = &mut self.output[(row + m) * self.columns + strip.first..][..strip.columns];
            let bias = simd.splat(self.bias.map_or(0.0, |bias| bias[row + m]));
            for n in 0..N {
                let mut sum = sums[m][n];
                if self.bias.is_some() {
                    sum = simd.add(sum, bias);
                }
                if self.relu {
                    sum = simd.max(simd.splat(0.0), sum);
                }
                if strip.columns >= (n + 1) * S::WIDTH {
                    simd.store(sum, &mut target[n * S::WIDTH..]);
                } else if strip.columns > n * S::WIDTH {
                    let mut values = [0.0; super::simd::LANES];
                    simd.store(sum, &mut values);
                    let target = &mut target[n * S::WIDTH..];
                    let count = target.len();
                    target.copy_from_slice(&values[..count]);
                }
            }
        }
    }

    #[inline(always)]
    fn strip<S: Simd, const N: usize>(&mut self, simd: S, strip: &Strip<'_>) {
        let mut row = 0;
        while row < self.rows {
            let size = S::ROWS.min(1 << (self.rows - row).ilog2());
            match size {
                8 => self.tile::<S, 8, N>(simd, row, strip),
                4 => self.tile::<S, 4, N>(simd, row, strip),
                2 => self.tile::<S, 2, N>(simd, row, strip),
                _ => self.tile::<S, 1, N>(simd, row, strip),
            }
            row += size;
        }
    }
}

impl Kernel for Product<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let (columns, right) = (self.columns, self.right);
        let mut first = 0;
        while first + 2 * S::WIDTH <= columns {
            let strip = Strip { values: &right[first..], stride: columns, first, columns: 2 * S::WIDTH };
            self.strip::<S, 2>(simd, &strip);
            first += 2 * S::WIDTH;
        }
        if first == columns {
            return;
        }
        // The last columns do not fill their vectors: zeros beside them do.
        let rest = columns - first;
        let stride = rest.next_multiple_of(S::WIDTH);
        let mut values = vec![0.0; self.depth * stride];
        for (target, source) in values.chunks_exact_mut(stride).zip(right.chunks_exact(columns)) {
            target[..rest].copy_from_slice(&source[first..]);
        }
        let strip = Strip { values: &values, stride, first, columns: rest };
        if stride == S::WIDTH {
            self.strip::<S, 1>(simd, &strip);
        } else {
            self.strip::<S, 2>(simd, &strip);
        }
    }
}

/// Rows as columns: `[rows][columns]` to `[columns][rows]`.
pub(super) fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    /// Edge of the squares that are moved at a time, so that both sides stay in the nearest cache.
    const SQUARE: usize = 16;
    let mut output = vec![0.0; values.len()];
    for top in (0..rows).step_by(SQUARE) {
        for left in (0..columns).step_by(SQUARE) {
            for column in left..columns.min(left + SQUARE) {
                let target = &mut output[column * rows + top..][..SQUARE.min(rows - top)];
                for (row, target) in target.iter_mut().enumerate() {
                    *target = values[(top + row) * columns + column];
                }
            }
        }
    }
    output
}
