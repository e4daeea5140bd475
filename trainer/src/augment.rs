//! Random distortion of training images, anew in each epoch.
//!
//! ```text
//! image -> strokes thicker or thinner -> affine map and elastic map, sampled bilinearly -> noise -> pixels
//!          (stroke)                      (map)
//! ```
//!
//! The generator is seeded by (seed, epoch, index of the image), so that the result depends
//! neither on the order of the images nor on the number of threads. What is switched off draws nothing.

mod map;
mod shaper;
mod stroke;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::config::Augmentation;

use map::{Distortion, Grid};
pub(crate) use shaper::Shaper;

/// Distorts images of one size.
#[derive(Clone, Debug)]
pub struct Augmenter {
    bounds: Bounds,
    grid: Grid,
}

/// The bounds of [`Augmentation`] in the precision of the pixels; the rotation in radians.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    rotation: f32,
    shift: f32,
    scale: f32,
    shear: f32,
    elastic: f32,
    thickness: f32,
    noise: f32,
}

impl Augmenter {
    /// Prepares for images of this size.
    pub fn new(options: &Augmentation, height: usize, width: usize) -> Self {
        let bounds = Bounds {
            rotation: (options.rotation as f32).to_radians(),
            shift: options.shift as f32,
            scale: options.scale as f32,
            shear: options.shear as f32,
            elastic: options.elastic as f32,
            thickness: options.thickness as f32,
            noise: options.noise as f32,
        };
        Self { bounds, grid: Grid::new(height, width, options.elastic_grid as f32) }
    }

    /// Whether images stay as they are.
    pub fn is_identity(&self) -> bool {
        let Bounds { rotation, shift, scale, shear, elastic, thickness, noise } = self.bounds;
        [rotation, shift, scale, shear, elastic, thickness, noise].iter().all(|bound| *bound == 0.0)
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
        let distortion = Distortion::draw(&self.bounds, &self.grid, &mut rng);
        let mut source: Vec<f32> = image.iter().map(|pixel| f32::from(*pixel)).collect();
        if self.bounds.thickness > 0.0 {
            let thickness = within(&mut rng, self.bounds.thickness);
            stroke::thicken(&mut source, self.grid.width(), thickness);
        }
        distortion.apply(&self.grid, &source, output);
        if self.bounds.noise > 0.0 {
            add_noise(&mut rng, self.bounds.noise, output);
        }
        for value in output {
            // A whole number, like the pixels that the board will see.
            *value = round(*value).clamp(0.0, 255.0) / 256.0;
        }
    }
}

/// The nearest integer, ties to even, of a number below 2^22. (Without SSE 4.1, `f32::round_ties_even` is a
/// call.)
fn round(value: f32) -> f32 {
    const TO_INTEGERS: f32 = 12_582_912.0; // 1.5 * 2^23: its neighbours are integers
    value + TO_INTEGERS - TO_INTEGERS
}

/// A number between `-bound` and `bound`.
fn within(rng: &mut StdRng, bound: f32) -> f32 {
    (rng.random::<f32>() * 2.0 - 1.0) * bound
}

/// Adds normal noise of a standard deviation between 0 and `bound`.
fn add_noise(rng: &mut StdRng, bound: f32, output: &mut [f32]) {
    let deviation = rng.random::<f32>() * bound;
    add_normal(rng, deviation, output);
}

/// Adds normal noise of this standard deviation, by the method of Box and Muller (1958).
fn add_normal(rng: &mut StdRng, deviation: f32, output: &mut [f32]) {
    for pair in output.chunks_mut(2) {
        let (uniform, angle) = (1.0 - rng.random::<f32>(), rng.random::<f32>() * core::f32::consts::TAU);
        let radius = deviation * (-2.0 * uniform.ln()).sqrt();
        for (value, normal) in pair.iter_mut().zip([angle.cos(), angle.sin()]) {
            *value += radius * normal;
        }
    }
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
        Augmentation {
            rotation: 0.0,
            shift: 0.0,
            scale: 0.0,
            shear: 0.0,
            elastic: 0.0,
            elastic_grid: 5.0,
            thickness: 0.0,
            noise: 0.0,
        }
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
        for tiny in [
            Augmentation { shift: 1e-7, ..none() },
            Augmentation { thickness: 1e-7, ..none() },
            Augmentation { noise: 1e-3, ..none() },
        ] {
            assert_eq!(distorted(&tiny, 0, 0), plain);
        }
    }

    #[test]
    fn repeats_for_the_same_epoch_and_image_only() {
        let everything = Augmentation { thickness: 0.5, noise: 10.0, ..Augmentation::default() };
        for options in [Augmentation::default(), everything] {
            assert_eq!(distorted(&options, 3, 5), distorted(&options, 3, 5));
            assert_ne!(distorted(&options, 3, 5), distorted(&options, 4, 5));
            assert_ne!(distorted(&options, 3, 5), distorted(&options, 3, 6));
            let pixels: Vec<f32> = distorted(&options, 3, 5).iter().map(|v| v * 256.0).collect();
            assert!(pixels.iter().all(|pixel| pixel.fract() == 0.0 && (0.0..=255.0).contains(pixel)));
        }
    }

    #[test]
    fn what_is_switched_off_draws_nothing() {
        // Otherwise every model would have to be trained anew with each kind of distortion that is added.
        let output = distorted(&Augmentation::default(), 3, 5);
        let sums = output.iter().enumerate().fold([0.0; 2], |[plain, weighted], (index, value)| {
            let pixel = value * 256.0;
            [plain + pixel, weighted + pixel * (index % 7) as f32]
        });
        assert_eq!(sums, [94_360.0, 281_324.0]);
    }

    #[test]
    fn noise_has_the_deviation_that_was_drawn() {
        let mut rng = StdRng::seed_from_u64(2);
        let deviation = StdRng::seed_from_u64(2).random::<f32>() * 20.0;
        let mut values = vec![0.0f32; 100_001];
        add_noise(&mut rng, 20.0, &mut values);
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / values.len() as f32;
        assert!(mean.abs() < deviation * 0.02 && (variance.sqrt() / deviation - 1.0).abs() < 0.01);
    }
}
