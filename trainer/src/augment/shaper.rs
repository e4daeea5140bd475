//! The distortions of training by amounts that are given and not drawn, to measure with.

use rand::rngs::StdRng;

use super::map::{Distortion, Grid};
use super::{add_normal, round, stroke};

/// Distorts images of one size.
#[derive(Clone, Debug)]
pub(crate) struct Shaper {
    grid: Grid,
}

impl Shaper {
    /// Prepares for images of this size.
    pub(crate) fn new(height: usize, width: usize) -> Self {
        // Nothing here is elastic: any grid will do.
        Self { grid: Grid::new(height, width, 1.0 + height.max(width) as f32) }
    }

    /// The image turned about its middle, in radians, sampled bilinearly.
    pub(crate) fn rotated(&self, image: &[u8], radians: f32) -> Vec<u8> {
        self.mapped(image, &Distortion::similarity(radians, 1.0))
    }

    /// The image with its content so many times as large, about its middle, sampled bilinearly.
    pub(crate) fn scaled(&self, image: &[u8], factor: f32) -> Vec<u8> {
        self.mapped(image, &Distortion::similarity(0.0, factor))
    }

    /// The image with bright strokes thicker by so many pixels on every side, or thinner.
    pub(crate) fn thickened(&self, image: &[u8], pixels: f32) -> Vec<u8> {
        let mut values = levels(image);
        stroke::thicken(&mut values, self.grid.width(), pixels);
        pixels_of(&values)
    }

    /// The image with normal noise of this standard deviation.
    pub(crate) fn noisy(&self, image: &[u8], deviation: f32, rng: &mut StdRng) -> Vec<u8> {
        let mut values = levels(image);
        add_normal(rng, deviation, &mut values);
        pixels_of(&values)
    }

    fn mapped(&self, image: &[u8], distortion: &Distortion) -> Vec<u8> {
        let mut values = vec![0.0; image.len()];
        distortion.apply(&self.grid, &levels(image), &mut values);
        pixels_of(&values)
    }
}

fn levels(image: &[u8]) -> Vec<f32> {
    image.iter().map(|pixel| f32::from(*pixel)).collect()
}

fn pixels_of(values: &[f32]) -> Vec<u8> {
    values.iter().map(|value| round(*value).clamp(0.0, 255.0) as u8).collect()
}

#[cfg(test)]
mod tests {
    use core::f32::consts::FRAC_PI_2;

    use rand::SeedableRng;

    use super::*;

    /// 5 x 5, with a bar to the right of the middle and its end below.
    #[rustfmt::skip]
    const HOOK: [u8; 25] = [
        0, 0,   0,   0,   0,
        0, 0,   0,   0,   0,
        0, 0, 200, 100,   0,
        0, 0,   0,  40,   0,
        0, 0,   0,   0,   0,
    ];

    #[test]
    fn a_quarter_turn_moves_pixels_to_pixels() {
        let shaper = Shaper::new(5, 5);
        let turned = shaper.rotated(&HOOK, FRAC_PI_2);
        let expected = |row: usize, column: usize| HOOK[column * 5 + 4 - row];
        let opposite = |row: usize, column: usize| HOOK[(4 - column) * 5 + row];
        let is = |of: &dyn Fn(usize, usize) -> u8| (0..25).all(|i| turned[i] == of(i / 5, i % 5));
        assert!(is(&expected) || is(&opposite), "{turned:?}");
        assert_eq!(shaper.rotated(&turned, -FRAC_PI_2), HOOK);
        assert_eq!(shaper.rotated(&HOOK, 0.0), HOOK);
    }

    #[test]
    fn the_middle_stays_when_scaled() {
        let shaper = Shaper::new(5, 5);
        assert_eq!(shaper.scaled(&HOOK, 1.0), HOOK);
        let doubled = shaper.scaled(&HOOK, 2.0);
        assert_eq!((doubled[12], doubled[13], doubled[14]), (200, 150, 100));
        assert_eq!(doubled[24], 40);
        let halved = shaper.scaled(&HOOK, 0.5);
        assert_eq!((halved[12], halved[13]), (200, 0));
    }

    #[test]
    fn strokes_and_noise_are_those_of_training() {
        let shaper = Shaper::new(5, 5);
        assert_eq!(shaper.thickened(&HOOK, 0.5)[11], 100);
        assert_eq!(shaper.thickened(&HOOK, -1.0), [0; 25]);
        let rng = |seed| StdRng::seed_from_u64(seed);
        assert_eq!(shaper.noisy(&HOOK, 0.0, &mut rng(1)), HOOK);
        let noisy = shaper.noisy(&[128; 25], 25.0, &mut rng(1));
        assert_eq!(noisy, shaper.noisy(&[128; 25], 25.0, &mut rng(1)));
        assert_ne!(noisy, shaper.noisy(&[128; 25], 25.0, &mut rng(2)));
        let off = noisy.iter().map(|pixel| f64::from(pixel.abs_diff(128)).powi(2)).sum::<f64>() / 25.0;
        assert!((10.0..45.0).contains(&off.sqrt()), "{off}");
    }
}
