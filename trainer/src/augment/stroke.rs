//! Strokes made thicker or thinner: grey dilation and erosion, by fractions of a pixel too.

/// Grows bright strokes by `pixels` on every side, or shrinks them where it is negative. A step of one pixel
/// takes the largest (smallest) of a pixel and its four neighbours; a part of a pixel, that part of the way.
pub(super) fn thicken(image: &mut [f32], width: usize, pixels: f32) {
    let choose = if pixels > 0.0 { f32::max } else { f32::min };
    let mut left = pixels.abs();
    while left > 0.0 {
        let share = left.min(1.0);
        let chosen = neighbours(image, width, choose);
        for (pixel, chosen) in image.iter_mut().zip(chosen) {
            *pixel += share * (chosen - *pixel);
        }
        left -= share;
    }
}

/// The choice among each pixel and its four neighbours; outside there is nothing to choose from.
fn neighbours(image: &[f32], width: usize, choose: fn(f32, f32) -> f32) -> Vec<f32> {
    let mut result = image.to_vec();
    for (index, value) in result.iter_mut().enumerate() {
        let column = index % width;
        let left = (column > 0).then(|| index - 1);
        let right = (column + 1 < width).then_some(index + 1);
        let (above, below) = (index.checked_sub(width), Some(index + width));
        for neighbour in [left, right, above, below].into_iter().flatten() {
            *value = image.get(neighbour).map_or(*value, |pixel| choose(*value, *pixel));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thickened(image: &[f32], pixels: f32) -> Vec<f32> {
        let mut image = image.to_vec();
        thicken(&mut image, 5, pixels);
        image
    }

    #[test]
    fn strokes_grow_and_shrink() {
        #[rustfmt::skip]
        let dot = [
            0.0, 0.0, 0.0, 0.0, 0.0,
            0.0, 0.0, 0.0, 0.0, 8.0,
            0.0, 0.0, 0.0, 0.0, 0.0,
        ];
        #[rustfmt::skip]
        let cross = [
            0.0, 0.0, 0.0, 0.0, 8.0,
            0.0, 0.0, 0.0, 8.0, 8.0,
            0.0, 0.0, 0.0, 0.0, 8.0,
        ];
        assert_eq!(thickened(&dot, 0.0), dot);
        assert_eq!(thickened(&dot, 1.0), cross);
        let half: Vec<f32> = cross.iter().zip(&dot).map(|(a, b)| (a + b) / 2.0).collect();
        assert_eq!(thickened(&dot, 0.5), half);
        assert_eq!(thickened(&cross, -1.0)[9], 8.0);
        assert_eq!(thickened(&dot, -1.0), [0.0; 15]);
        assert_eq!(thickened(&dot, -0.25)[9], 6.0);
        // Two pixels are one pixel twice.
        assert_eq!(thickened(&dot, 1.5), thickened(&cross, 0.5));
        assert_eq!(thickened(&[3.0; 15], -2.0), [3.0; 15]);
    }
}
