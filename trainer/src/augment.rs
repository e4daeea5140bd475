//! Random distortion of training images, anew in each epoch: an affine map (rotation, shift,
//! scale, shear) and an elastic one (points of a coarse grid move at random, cubic B-splines
//! between them), sampled bilinearly.
//!
//! The generator is seeded by (seed, epoch, index of the image), so that the result depends
//! neither on the order of the images nor on the number of threads.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::config::Augmentation;

/// Distorts images of one size.
#[derive(Clone, Debug)]
pub struct Augmenter {
    options: Bounds,
    height: usize,
    width: usize,
    /// Points of the elastic grid, vertically and horizontally.
    grid: [usize; 2],
    /// First grid point and its four B-spline weights, for each row and each column.
    rows: Vec<(usize, [f32; 4])>,
    columns: Vec<(usize, [f32; 4])>,
}

/// The bounds of [`Augmentation`] in the precision of the pixels; the rotation in radians.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    rotation: f32,
    shift: f32,
    scale: f32,
    shear: f32,
    elastic: f32,
}

impl Augmenter {
    /// Prepares for images of this size.
    pub fn new(options: &Augmentation, height: usize, width: usize) -> Self {
        let places = |length: usize| -> Vec<(usize, [f32; 4])> {
            (0..length).map(|i| spline(i as f32 / options.elastic_grid as f32)).collect()
        };
        let (rows, columns) = (places(height), places(width));
        let points = |places: &[(usize, [f32; 4])]| places.last().map_or(0, |(first, _)| first + 4);
        let grid = [points(&rows), points(&columns)];
        let options = Bounds {
            rotation: (options.rotation as f32).to_radians(),
            shift: options.shift as f32,
            scale: options.scale as f32,
            shear: options.shear as f32,
            elastic: options.elastic as f32,
        };
        Self { options, height, width, grid, rows, columns }
    }

    /// Whether images stay as they are.
    pub fn is_identity(&self) -> bool {
        let o = &self.options;
        [o.rotation, o.shift, o.scale, o.shear, o.elastic].iter().all(|bound| *bound == 0.0)
    }

    /// Writes the distorted `image` to `output`, as whole pixel values divided by 256.
    pub fn distort(&self, image: &[u8], seed: u64, epoch: u64, index: u64, output: &mut [f32]) {
        if self.is_identity() {
            for (value, pixel) in output.iter_mut().zip(image) {
                *value = f32::from(*pixel) / 256.0;
            }
            return;
        }
        let mut rng = StdRng::seed_from_u64(mix(mix(mix(seed) ^ epoch) ^ index));
        let mut within = |bound: f32| (rng.random::<f32>() * 2.0 - 1.0) * bound;
        let o = &self.options;
        let (sin, cos) = within(o.rotation).sin_cos();
        let stretch = [1.0 + within(o.scale), 1.0 + within(o.scale)];
        let shear = within(o.shear);
        let shift = [within(o.shift), within(o.shift)];
        // From a pixel of the output to its place in the input: rotate, then shear and stretch.
        let to_row = [cos * stretch[0], sin * stretch[0]];
        let to_column = [(shear * cos - sin) * stretch[1], (cos + shear * sin) * stretch[1]];

        let [grid_rows, grid_columns] = self.grid;
        let points: Vec<[f32; 2]> =
            (0..grid_rows * grid_columns).map(|_| [within(o.elastic), within(o.elastic)]).collect();
        let mut blended = vec![[0.0f32; 2]; grid_columns];
        let middle = [(self.height as f32 - 1.0) / 2.0, (self.width as f32 - 1.0) / 2.0];
        let rows = output.chunks_exact_mut(self.width).zip(&self.rows).enumerate();
        for (row, (output, (first, weights))) in rows {
            blended.fill([0.0; 2]);
            for (points, weight) in points.chunks_exact(grid_columns).skip(*first).zip(weights) {
                for (sum, point) in blended.iter_mut().zip(points) {
                    sum[0] += weight * point[0];
                    sum[1] += weight * point[1];
                }
            }
            let y = row as f32 - middle[0];
            for (column, (value, (first, weights))) in output.iter_mut().zip(&self.columns).enumerate() {
                let mut place = [middle[0] + shift[0], middle[1] + shift[1]];
                for (point, weight) in blended[*first..first + 4].iter().zip(weights) {
                    place[0] += weight * point[0];
                    place[1] += weight * point[1];
                }
                let x = column as f32 - middle[1];
                place[0] += to_row[0] * y + to_row[1] * x;
                place[1] += to_column[0] * y + to_column[1] * x;
                // A whole number, like the pixels that the board will see.
                *value = self.sample(image, place).round_ties_even() / 256.0;
            }
        }
    }

    /// The image at a place between pixels; zero outside.
    fn sample(&self, image: &[u8], place: [f32; 2]) -> f32 {
        let [y, x] = place;
        let (top, left) = (y.floor(), x.floor());
        let (down, right) = (y - top, x - left);
        let (top, left) = (top as i32, left as i32);
        let pixel = |row: i32, column: i32| {
            let inside = (0..self.height as i32).contains(&row) && (0..self.width as i32).contains(&column);
            if inside { f32::from(image[row as usize * self.width + column as usize]) } else { 0.0 }
        };
        let above = pixel(top, left) * (1.0 - right) + pixel(top, left + 1) * right;
        let below = pixel(top + 1, left) * (1.0 - right) + pixel(top + 1, left + 1) * right;
        above * (1.0 - down) + below * down
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

/// The finalizer of SplitMix64 (Steele et al. 2014): spreads neighbouring numbers over all bits.
pub(crate) fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Augmentation {
        Augmentation { rotation: 0.0, shift: 0.0, scale: 0.0, shear: 0.0, elastic: 0.0, elastic_grid: 5.0 }
    }

    fn image() -> Vec<u8> {
        (0..28 * 28).map(|i| (i * 7 % 256) as u8).collect()
    }

    fn distorted(options: &Augmentation, epoch: u64, index: u64) -> Vec<f32> {
        let mut output = vec![0.0; 28 * 28];
        Augmenter::new(options, 28, 28).distort(&image(), 1, epoch, index, &mut output);
        output
    }

    #[test]
    fn no_distortion_changes_nothing() {
        let plain: Vec<f32> = image().iter().map(|p| f32::from(*p) / 256.0).collect();
        assert_eq!(distorted(&none(), 0, 0), plain);
        // A distortion too small to see goes through the sampling, and rounds to the same pixels.
        let tiny = Augmentation { shift: 1e-7, ..none() };
        assert_eq!(distorted(&tiny, 0, 0), plain);
    }

    #[test]
    fn repeats_for_the_same_epoch_and_image_only() {
        let options = Augmentation::default();
        assert_eq!(distorted(&options, 3, 5), distorted(&options, 3, 5));
        assert_ne!(distorted(&options, 3, 5), distorted(&options, 4, 5));
        assert_ne!(distorted(&options, 3, 5), distorted(&options, 3, 6));
        assert!(distorted(&options, 3, 5).iter().all(|v| (v * 256.0).fract() == 0.0));
    }

    #[test]
    fn spline_weights_sum_to_one() {
        for i in 0..50 {
            let (_, weights) = spline(i as f32 * 0.37);
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
    }
}
