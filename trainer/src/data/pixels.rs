//! What a configuration does to images before the network sees them, in integers, so that a board can do the
//! same.

use std::borrow::Cow;

use super::Dataset;
use crate::config::Pixels;

/// What the norm of an image becomes. MNIST's brightest pixels then lie between 80 and 255.
const NORM: u64 = 1024;

impl Dataset {
    /// All pixels, as a network with this configuration takes them.
    pub(crate) fn prepared(&self, pixels: Pixels) -> Cow<'_, [u8]> {
        match pixels {
            Pixels::Raw => Cow::Borrowed(self.images.as_slice()),
            Pixels::L2 => Cow::Owned(self.clone().with_pixels(pixels).images),
        }
    }

    /// The images as a network with this configuration takes them.
    #[must_use]
    pub fn with_pixels(mut self, pixels: Pixels) -> Self {
        pixels.prepare(&mut self.images, self.height * self.width);
        self
    }
}

impl Pixels {
    /// Does it to images of `area` pixels that lie back to back.
    pub(crate) fn prepare(self, images: &mut [u8], area: usize) {
        match self {
            Pixels::Raw => {}
            Pixels::L2 => images.chunks_exact_mut(area.max(1)).for_each(divide_by_norm),
        }
    }
}

/// `min(255, floor((1024 p + n / 2) / n))` of every pixel `p`, where `n` is the norm, rounded down.
fn divide_by_norm(image: &mut [u8]) {
    let squares: u64 = image.iter().map(|pixel| u64::from(*pixel) * u64::from(*pixel)).sum();
    let norm = squares.isqrt();
    if norm == 0 {
        return; // black, and stays so
    }
    for pixel in image {
        let scaled = (NORM * u64::from(*pixel) + norm / 2) / norm;
        *pixel = u8::try_from(scaled).unwrap_or(u8::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(image: &[u8]) -> Vec<u8> {
        let mut image = image.to_vec();
        divide_by_norm(&mut image);
        image
    }

    #[test]
    fn norms_become_equal() {
        assert_eq!(divided(&[0; 4]), [0; 4]);
        // The norm of 16 pixels of 64 is 256.
        assert_eq!(divided(&[64; 16]), [255; 16]);
        assert_eq!(divided(&[64, 64, 64, 64].repeat(16)), [128; 64]);
        assert_eq!(divided(&[3].repeat(100)), [102; 100]);
        assert_eq!(divided(&[3, 1, 0].repeat(100)), [99, 33, 0].repeat(100));
    }

    #[test]
    fn every_image_is_divided_by_its_own_norm() {
        let data = Dataset {
            images: [[10u8; 64], [200; 64]].concat(),
            labels: vec![0, 1],
            height: 8,
            width: 8,
            classes: 2,
            source: "two greys".to_owned(),
        };
        assert_eq!(data.clone().with_pixels(Pixels::Raw).images, data.images);
        assert_eq!(*data.prepared(Pixels::Raw), *data.images);
        assert_eq!(*data.prepared(Pixels::L2), [128; 128]);
        assert_eq!(data.with_pixels(Pixels::L2).images, [128; 128]);
    }
}
