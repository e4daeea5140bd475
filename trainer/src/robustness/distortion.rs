//! What is done to test images, each kind with one meaning: the words of [`Distortion::what`] are those of
//! the help and of the documents.

use core::fmt;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::augment::{Shaper, mix};

/// Most pixels that an image is shifted by, on each axis.
const SHIFT: i32 = 3;
/// Most degrees that it is turned by, in either direction.
const ROTATION: f32 = 15.0;
/// How many times as large it becomes.
const SCALE: [f32; 2] = [0.7, 1.2];
/// Pixels that strokes grow by on every side.
const THICK: f32 = 1.0;
/// Pixels that they shrink by.
const THIN: f32 = 0.5;
/// Standard deviation of noise, in grey levels.
const NOISE: f32 = 25.0;
/// Grey levels between ground and ink of low contrast.
const CONTRAST: [u8; 2] = [48, 96];

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Distortion {
    /// None.
    Plain,
    /// By whole pixels.
    Shifted,
    /// About the middle.
    Rotated,
    /// About the middle.
    Scaled,
    /// Bright strokes grown.
    Thick,
    /// Bright strokes shrunk.
    Thin,
    /// Normal noise.
    Noisy,
    /// Dark on light.
    Inverted,
    /// Grey on grey.
    LowContrast,
}

impl Distortion {
    /// All of them.
    pub const ALL: [Distortion; 9] = [
        Distortion::Plain,
        Distortion::Shifted,
        Distortion::Rotated,
        Distortion::Scaled,
        Distortion::Thick,
        Distortion::Thin,
        Distortion::Noisy,
        Distortion::Inverted,
        Distortion::LowContrast,
    ];

    /// Its name, as in tables and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Distortion::Plain => "plain",
            Distortion::Shifted => "shifted",
            Distortion::Rotated => "rotated",
            Distortion::Scaled => "scaled",
            Distortion::Thick => "thick",
            Distortion::Thin => "thin",
            Distortion::Noisy => "noisy",
            Distortion::Inverted => "inverted",
            Distortion::LowContrast => "low contrast",
        }
    }

    /// What exactly it does to each image.
    pub fn what(self) -> String {
        match self {
            Distortion::Plain => "as it is".to_owned(),
            Distortion::Shifted => format!(
                "moved by -{SHIFT} to {SHIFT} whole pixels on each axis, all as likely; what leaves the picture is \
                 lost, what enters is 0"
            ),
            Distortion::Rotated => format!(
                "turned about the middle by an angle drawn evenly from -{ROTATION} to {ROTATION} degrees, bilinearly"
            ),
            Distortion::Scaled => format!(
                "{} to {} times as large, drawn evenly, the same on both axes, about the middle, bilinearly",
                SCALE[0], SCALE[1]
            ),
            Distortion::Thick => format!(
                "strokes thicker by {THICK} pixel on every side: the largest of a pixel and its four neighbours"
            ),
            Distortion::Thin => format!(
                "strokes thinner by {THIN} pixels on every side: half way to the least of a pixel and its four \
                 neighbours"
            ),
            Distortion::Noisy => {
                format!("normal noise of standard deviation {NOISE} on every pixel, cut off at 0 and 255")
            }
            Distortion::Inverted => "255 - p for every pixel p".to_owned(),
            Distortion::LowContrast => format!(
                "g + p c / 255 for every pixel p; contrast c drawn evenly from {} to {}, ground g from 0 to 255 - c",
                CONTRAST[0], CONTRAST[1]
            ),
        }
    }

    /// The changed image number `index`; what is drawn depends on seed, kind and index alone.
    pub(super) fn apply(self, shaper: &Shaper, image: &[u8], width: usize, seed: u64, index: u64) -> Vec<u8> {
        let mut rng = StdRng::seed_from_u64(mix(mix(mix(seed) ^ self as u64) ^ index));
        match self {
            Distortion::Plain => image.to_vec(),
            Distortion::Shifted => {
                shifted(image, width, [(); 2].map(|()| rng.random_range(-SHIFT..=SHIFT) as isize))
            }
            Distortion::Rotated => shaper.rotated(image, rng.random_range(-ROTATION..=ROTATION).to_radians()),
            Distortion::Scaled => shaper.scaled(image, rng.random_range(SCALE[0]..=SCALE[1])),
            Distortion::Thick => shaper.thickened(image, THICK),
            Distortion::Thin => shaper.thickened(image, -THIN),
            Distortion::Noisy => shaper.noisy(image, NOISE, &mut rng),
            Distortion::Inverted => image.iter().map(|pixel| u8::MAX - pixel).collect(),
            Distortion::LowContrast => {
                let contrast = rng.random_range(CONTRAST[0]..=CONTRAST[1]);
                let ground = rng.random_range(0..=u8::MAX - contrast);
                // Rounded; at most 255 by the choice of the ground.
                let level = |pixel: &u8| (u32::from(*pixel) * u32::from(contrast) + 127) / 255;
                image.iter().map(|pixel| ground + level(pixel) as u8).collect()
            }
        }
    }
}

impl fmt::Display for Distortion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// The image moved down and to the right by whole pixels.
fn shifted(image: &[u8], width: usize, [down, right]: [isize; 2]) -> Vec<u8> {
    let height = image.len() / width.max(1);
    let from = |place: usize, by: isize, end: usize| place.checked_add_signed(-by).filter(|from| *from < end);
    let mut moved = vec![0; image.len()];
    for (index, pixel) in moved.iter_mut().enumerate() {
        let place = from(index / width, down, height).zip(from(index % width, right, width));
        if let Some((row, column)) = place {
            *pixel = image[row * width + column];
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of 8 x 8 with a bright block in the middle.
    fn block() -> Vec<u8> {
        (0..64)
            .map(|i| if (3..5).contains(&(i / 8)) && (3..5).contains(&(i % 8)) { 240 } else { 0 })
            .collect()
    }

    fn changed(kind: Distortion, seed: u64, index: u64) -> Vec<u8> {
        kind.apply(&Shaper::new(8, 8), &block(), 8, seed, index)
    }

    #[test]
    fn shifts_move_whole_pixels() {
        let image = [1, 2, 3, 4, 5, 6];
        assert_eq!(shifted(&image, 3, [0, 0]), image);
        assert_eq!(shifted(&image, 3, [1, -1]), [0, 0, 0, 2, 3, 0]);
        assert_eq!(shifted(&image, 3, [-1, 2]), [0, 0, 4, 0, 0, 0]);
        assert_eq!(shifted(&image, 3, [-2, 0]), [0; 6]);
        // Every shift from -3 to 3 is drawn, on both axes, and the block stays whole.
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..600 {
            let moved = changed(Distortion::Shifted, 1, index);
            let first = moved.iter().position(|pixel| *pixel > 0).unwrap();
            assert_eq!(moved.iter().filter(|pixel| **pixel == 240).count(), 4);
            seen.insert((first / 8, first % 8));
        }
        assert_eq!(seen.len(), 49);
        assert!(seen.contains(&(0, 0)) && seen.contains(&(6, 6)));
    }

    #[test]
    fn every_kind_repeats_for_its_seed() {
        for kind in Distortion::ALL {
            let all = |seed| (0..20).map(|index| changed(kind, seed, index)).collect::<Vec<_>>();
            assert_eq!(all(1), all(1), "{kind}");
            let fixed = matches!(
                kind,
                Distortion::Plain | Distortion::Thick | Distortion::Thin | Distortion::Inverted
            );
            assert_eq!(all(1) == all(2), fixed, "{kind}");
            assert_eq!(changed(kind, 1, 0) == block(), kind == Distortion::Plain, "{kind}");
        }
    }

    #[test]
    fn levels_are_as_described() {
        let ink = |image: &[u8]| image.iter().map(|pixel| u32::from(*pixel)).sum::<u32>();
        assert_eq!(changed(Distortion::Inverted, 1, 0)[0], 255);
        assert!(ink(&changed(Distortion::Thick, 1, 0)) > 2 * ink(&block()));
        assert_eq!(ink(&changed(Distortion::Thin, 1, 0)), ink(&block()) / 2);
        for index in 0..50 {
            let image = changed(Distortion::LowContrast, 1, index);
            let (least, most) = (image.iter().min().unwrap(), image.iter().max().unwrap());
            assert!((45..=91).contains(&(most - least)), "{least} to {most}: 240 / 255 of the contrast");
        }
        let sizes = (0..200).map(|index| ink(&changed(Distortion::Scaled, 1, index)));
        let share = |ink: u32| f64::from(ink) / f64::from(4 * 240u32);
        let (least, most) =
            (sizes.clone().map(share).fold(9.0, f64::min), sizes.map(share).fold(0.0, f64::max));
        assert!(least < 0.65 && most > 1.3, "areas of 0.49 to 1.44: {least} to {most}");
    }
}
