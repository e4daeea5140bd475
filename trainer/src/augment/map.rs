//! Where each pixel comes from: an affine map (rotation, shift, scale, shear) and an elastic one (points of a
//! coarse grid move at random, cubic B-splines between them), sampled bilinearly.

use rand::rngs::StdRng;

use super::{Bounds, within};

/// Zeros that are put around an image, in each direction.
const FRAME: usize = 3;

/// The elastic grid over images of one size.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    height: usize,
    width: usize,
    /// Points, vertically and horizontally.
    points: [usize; 2],
    /// First grid point and its four B-spline weights, for each row and each column.
    rows: Vec<(usize, [f32; 4])>,
    columns: Vec<(usize, [f32; 4])>,
}

/// One map of an image.
pub(super) struct Distortion {
    /// What a row and a column of the output count in the row of the input.
    to_row: [f32; 2],
    /// What they count in its column.
    to_column: [f32; 2],
    shift: [f32; 2],
    /// Where the grid points move.
    points: Vec<[f32; 2]>,
}

impl Grid {
    /// Points every `spacing` pixels.
    pub(super) fn new(height: usize, width: usize, spacing: f32) -> Self {
        let places = |length: usize| -> Vec<_> { (0..length).map(|i| spline(i as f32 / spacing)).collect() };
        let (rows, columns) = (places(height), places(width));
        let points = |places: &[(usize, [f32; 4])]| places.last().map_or(0, |(first, _)| first + 4);
        Self { height, width, points: [points(&rows), points(&columns)], rows, columns }
    }

    /// Columns of the images.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The image with zeros around it: one row and column before, two after.
    fn framed(&self, image: &[f32]) -> Vec<f32> {
        let stride = self.width + FRAME;
        let mut framed = vec![0.0; stride * (self.height + FRAME)];
        for (to, from) in framed.chunks_exact_mut(stride).skip(1).zip(image.chunks_exact(self.width)) {
            to[1..=self.width].copy_from_slice(from);
        }
        framed
    }

    /// The framed image at places between pixels, whose rows and columns are given; zero outside.
    fn sample(&self, framed: &[f32], rows: &[f32], columns: &[f32], output: &mut [f32]) {
        let (height, width) = (self.height as f32, self.width as f32);
        let stride = self.width + FRAME;
        for ((value, y), x) in output.iter_mut().zip(rows).zip(columns) {
            let (top, down) = split(y.clamp(-1.0, height));
            let (left, right) = split(x.clamp(-1.0, width));
            let first = (top + 1) as usize * stride + (left + 1) as usize;
            let blend = |pair: &[f32]| pair[0] * (1.0 - right) + pair[1] * right;
            let above = blend(&framed[first..first + 2]);
            let below = blend(&framed[first + stride..first + stride + 2]);
            *value = above * (1.0 - down) + below * down;
        }
    }
}

/// The integer below a small number, and what is above it. (Without SSE 4.1, `f32::floor` is a call.)
fn split(value: f32) -> (i32, f32) {
    let towards_zero = value as i32;
    let below = towards_zero - i32::from(towards_zero as f32 > value);
    (below, value - below as f32)
}

impl Distortion {
    /// A map within the bounds.
    pub(super) fn draw(bounds: &Bounds, grid: &Grid, rng: &mut StdRng) -> Self {
        let mut within = |bound: f32| within(rng, bound);
        let (sin, cos) = within(bounds.rotation).sin_cos();
        let stretch = [1.0 + within(bounds.scale), 1.0 + within(bounds.scale)];
        let shear = within(bounds.shear);
        let shift = [within(bounds.shift), within(bounds.shift)];
        let [rows, columns] = grid.points;
        Self {
            // From a pixel of the output to its place in the input: rotate, then shear and stretch.
            to_row: [cos * stretch[0], sin * stretch[0]],
            to_column: [(shear * cos - sin) * stretch[1], (cos + shear * sin) * stretch[1]],
            shift,
            points: (0..rows * columns).map(|_| [within(bounds.elastic), within(bounds.elastic)]).collect(),
        }
    }

    /// A rotation about the middle, in radians, and a scale, the same on both axes.
    pub(super) fn similarity(rotation: f32, scale: f32) -> Self {
        let (sin, cos) = rotation.sin_cos();
        let (sin, cos) = (sin / scale, cos / scale);
        Self { to_row: [cos, sin], to_column: [-sin, cos], shift: [0.0; 2], points: Vec::new() }
    }

    /// Writes the distorted `image`, between 0 and 255, to `output`.
    pub(super) fn apply(&self, grid: &Grid, image: &[f32], output: &mut [f32]) {
        let Self { to_row, to_column, shift, points } = self;
        let framed = grid.framed(image);
        let (width, columns) = (grid.width, grid.points[1]);
        let middle = [(grid.height as f32 - 1.0) / 2.0, (width as f32 - 1.0) / 2.0];
        let mut blended = vec![[0.0f32; 2]; columns];
        let mut from = [vec![0.0f32; width], vec![0.0f32; width]];
        let rows = output.chunks_exact_mut(width).zip(&grid.rows).enumerate();
        for (row, (output, (first, weights))) in rows {
            blended.fill([0.0; 2]);
            for (points, weight) in points.chunks_exact(columns).skip(*first).zip(weights) {
                for (sum, point) in blended.iter_mut().zip(points) {
                    sum[0] += weight * point[0];
                    sum[1] += weight * point[1];
                }
            }
            let y = row as f32 - middle[0];
            for (axis, from) in from.iter_mut().enumerate() {
                let [of_y, of_x] = [to_row, to_column][axis];
                for (column, (from, (first, weights))) in from.iter_mut().zip(&grid.columns).enumerate() {
                    let mut place = middle[axis] + shift[axis];
                    for (point, weight) in blended[*first..first + 4].iter().zip(weights) {
                        place += weight * point[axis];
                    }
                    *from = place + (of_y * y + of_x * (column as f32 - middle[1]));
                }
            }
            let [rows, columns] = &from;
            grid.sample(&framed, rows, columns, output);
        }
    }
}

/// Cubic B-spline at a place between grid points: the first of four points, and their weights.
fn spline(place: f32) -> (usize, [f32; 4]) {
    let first = place.floor();
    let t = place - first;
    let (t2, t3) = (t * t, t * t * t);
    let weights = [
        (1.0 - 3.0 * t + 3.0 * t2 - t3) / 6.0,
        (4.0 - 6.0 * t2 + 3.0 * t3) / 6.0,
        (1.0 + 3.0 * t + 3.0 * t2 - 3.0 * t3) / 6.0,
        t3 / 6.0,
    ];
    (first as usize, weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_outside_are_black() {
        let grid = Grid::new(2, 3, 5.0);
        let framed = grid.framed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let at = |[row, column]: [f32; 2]| {
            let mut value = [0.0];
            grid.sample(&framed, &[row], &[column], &mut value);
            value[0]
        };
        for (place, expected) in [
            ([0.0, 0.0], 1.0),
            ([1.0, 2.0], 6.0),
            ([0.5, 1.25], 3.75),
            ([-0.5, 0.0], 0.5),
            ([1.5, 2.5], 1.5),
            ([-1.0, 1.0], 0.0),
            ([-70.0, 1.0], 0.0),
            ([2.0, 1.0], 0.0),
            ([1.0, 1e9], 0.0),
        ] {
            assert_eq!(at(place), expected, "{place:?}");
        }
    }

    #[test]
    fn spline_weights_sum_to_one() {
        for i in 0..50 {
            let (_, weights) = spline(i as f32 * 0.37);
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
    }
}
