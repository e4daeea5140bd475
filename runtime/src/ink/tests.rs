//! Digits of MNIST under everything that a camera does to them must come back nearly as they were.

use std::vec;
use std::vec::Vec;

use super::*;

/// The first image of each class in MNIST's train file (Y. LeCun, C. Cortes; CC BY-SA 3.0).
static DIGITS: &[u8; 10 * AREA] = include_bytes!("digits.bin");

fn digits() -> impl Iterator<Item = &'static [u8]> {
    DIGITS.chunks_exact(AREA)
}

/// A grey picture under test.
#[derive(Clone)]
struct Frame {
    pixels: Vec<u8>,
    width: usize,
    height: usize,
}

impl Frame {
    /// A digit as dark ink on light paper, `scale` times as large, at a place in a frame.
    fn new(
        digit: &[u8],
        scale: usize,
        (width, height): (usize, usize),
        (left, top): (usize, usize),
    ) -> Frame {
        let mut pixels = vec![225; width * height];
        for row in 0..SIDE * scale {
            for column in 0..SIDE * scale {
                let ink = digit[row / scale * SIDE + column / scale];
                pixels[(top + row) * width + left + column] = 225 - (u32::from(ink) * 180 / 255) as u8;
            }
        }
        Frame { pixels, width, height }
    }

    /// A digit that fills the frame as it fills MNIST's.
    fn tight(digit: &[u8], scale: usize) -> Frame {
        Frame::new(digit, scale, (SIDE * scale, SIDE * scale), (0, 0))
    }

    fn map(mut self, change: impl Fn(usize, usize, i32) -> i32) -> Frame {
        for (index, pixel) in self.pixels.iter_mut().enumerate() {
            let (row, column) = (index / self.width, index % self.width);
            *pixel = change(row, column, i32::from(*pixel)).clamp(0, 255) as u8;
        }
        self
    }

    fn inverted(self) -> Frame {
        self.map(|_, _, value| 255 - value)
    }

    /// Adds noise of up to `amplitude` levels to each side, triangular.
    fn noisy(self, amplitude: i32, seed: u64) -> Frame {
        let random = core::cell::RefCell::new(Random(seed));
        let side = amplitude as u64 + 1;
        self.map(|_, _, value| {
            let mut random = random.borrow_mut();
            value + (random.next() % side) as i32 - (random.next() % side) as i32
        })
    }

    fn normalised(&self) -> Result<[u8; AREA], InkError> {
        normalise(&self.pixels, self.width, self.height)
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Mean absolute difference in hundredths of a grey level. Two digits differ by 2000 to 6000.
fn difference(a: &[u8], b: &[u8]) -> u32 {
    let sum: u32 = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    sum * 100 / AREA as u32
}

/// The least [`difference`] over shifts of at most a pixel: a centre of mass of 13.49 and one of
/// 13.51 are a pixel apart after rounding, and MNIST itself rounds.
fn shifted_difference(image: &[u8], original: &[u8]) -> u32 {
    let shifts = (-1..=1).flat_map(|rows| (-1..=1).map(move |columns| rows * SIDE as i32 + columns));
    let differences = shifts.map(|shift: i32| {
        let mut moved = image.to_vec();
        moved.rotate_left(shift.rem_euclid(AREA as i32) as usize);
        difference(&moved, original)
    });
    differences.min().unwrap()
}

/// Requires that every digit, changed so, comes back with at most that mean difference.
fn assert_recovered(bound: u32, change: impl Fn(&[u8], usize) -> Frame) {
    let recovered = |(class, digit): (usize, &[u8])| {
        shifted_difference(&change(digit, class).normalised().unwrap(), digit)
    };
    let differences: Vec<u32> = digits().enumerate().map(recovered).collect();
    let worst = differences.iter().max().unwrap();
    assert!(*worst <= bound, "hundredths of a grey level, at most {bound}: {differences:?}");
}

#[test]
fn mnist_itself_stays() {
    for digit in digits() {
        let result = normalise(digit, SIDE, SIDE).unwrap();
        assert!(difference(&result, digit) <= 100, "{}", difference(&result, digit));
    }
}

#[test]
fn size_polarity_and_place_do_not_matter() {
    for scale in 3..=10 {
        assert_recovered(1200, |digit, _| Frame::tight(digit, scale));
        assert_recovered(1200, |digit, _| Frame::tight(digit, scale).inverted());
        let side = SIDE * scale;
        assert_recovered(1200, |digit, class| {
            Frame::new(digit, scale, (side * 2, side * 3 / 2), (class * side / 10, side / 2 - class))
        });
    }
}

#[test]
fn uneven_light_and_noise_do_not_matter() {
    for scale in [3, 6, 10] {
        let side = (SIDE * scale) as i32;
        let gradient = |row: usize, column: usize, value: i32| {
            value - 10 + (row as i32 * 60 - column as i32 * 80) / side
        };
        assert_recovered(1100, |digit, _| Frame::tight(digit, scale).map(gradient));
        assert_recovered(1100, |digit, _| Frame::tight(digit, scale).inverted().map(gradient));
        assert_recovered(1100, |digit, class| Frame::tight(digit, scale).noisy(30, class as u64));
        assert_recovered(1100, |digit, class| {
            Frame::tight(digit, scale).map(gradient).noisy(20, class as u64)
        });
        // Darker towards the corners, as a lens does it.
        assert_recovered(1100, |digit, _| {
            Frame::tight(digit, scale).map(|row, column, value| {
                let (y, x) = (row as i32 * 200 / side - 100, column as i32 * 200 / side - 100);
                value - (x * x + y * y) / 400
            })
        });
    }
}

#[test]
fn specks_and_a_shadow_at_the_border_are_ignored() {
    let scale = 6;
    let place = |digit: &[u8]| Frame::new(digit, scale, (320, 300), (90, 70));
    assert_recovered(800, |digit, _| {
        place(digit).map(|row, column, value| if row % 61 == 3 && column % 83 == 5 { 60 } else { value })
    });
    assert_recovered(800, |digit, _| {
        place(digit).map(|row, column, value| if column < 30 || row > 285 { value - 90 } else { value })
    });
    assert_recovered(800, |digit, _| {
        place(digit).map(|row, column, value| if row + column < 90 { value - 60 } else { value })
    });
}

#[test]
fn result_is_made_as_mnist_is() {
    for digit in digits() {
        let image = Frame::tight(digit, 7).normalised().unwrap();
        let inked = |value: &u8| *value > 0;
        let rows = image.chunks(SIDE).filter(|row| row.iter().any(inked)).count();
        let columns = (0..SIDE)
            .filter(|column| image.iter().skip(*column).step_by(SIDE).any(inked as fn(&u8) -> bool))
            .count();
        assert_eq!(rows.max(columns), BOX);
        assert_eq!(image.iter().max(), Some(&255));
        let mass: u32 = image.iter().map(|value| u32::from(*value)).sum();
        let moment = |position: fn(usize) -> usize| -> f64 {
            let sum: u32 = image
                .iter()
                .enumerate()
                .map(|(index, value)| position(index) as u32 * u32::from(*value))
                .sum();
            f64::from(sum) / f64::from(mass)
        };
        for centre in [moment(|index| index / SIDE), moment(|index| index % SIDE)] {
            assert!((13.5..14.5).contains(&centre), "{centre}");
        }
    }
}

#[test]
fn thick_strokes_stay_whole_where_the_ground_is_even() {
    for side in [28, 90, 300] {
        // A ring whose stroke is a third of the picture, with a hole.
        let frame = Frame { pixels: vec![240; side * side], width: side, height: side };
        let frame = frame.map(|row, column, value| {
            let [y, x] = [row, column].map(|place| 2 * place as i32 + 1 - side as i32);
            let distance = (x * x + y * y).isqrt() * 100 / side as i32;
            if (8..72).contains(&distance) { 15 } else { value }
        });
        let image = frame.normalised().unwrap();
        // Its middle row: background, stroke, hole, stroke, background.
        let row = &image[14 * SIDE..15 * SIDE];
        let ink = |columns: core::ops::Range<usize>| row[columns].iter().map(|value| u32::from(*value));
        assert!(ink(5..12).min().unwrap() > 200, "{side}: {row:?}");
        assert!(ink(16..23).min().unwrap() > 200, "{side}: {row:?}");
        assert!(ink(13..15).min().unwrap() < 100, "{side}: {row:?}");
    }
}

#[test]
fn broken_strokes_stay_whole_where_the_ground_is_even() {
    // Down one side of a 4-cell gap to the other, with faint ink between, and a small heavy piece.
    let frame = Frame { pixels: vec![0; AREA], width: SIDE, height: SIDE };
    let frame = frame.map(|row, column, value| match (row, column) {
        (4..12, 13..16) | (16..24, 13..16) => 255,
        (12..16, 14) => 50,
        (7..9, 18..20) => 255,
        _ => value,
    });
    let image = frame.normalised().unwrap();
    assert!(shifted_difference(&image, &frame.pixels) <= 50, "{image:?}");
}

#[test]
fn a_place_at_the_border_does_not_matter() {
    // What is cut off does, but nothing else: the ink that is left is found, and placed.
    for digit in digits() {
        let whole = normalise(digit, SIDE, SIDE).unwrap();
        for (rows, columns) in [(-3, 3), (3, -3), (3, 3), (-3, -3)] {
            let shifted =
                Frame { pixels: digit.to_vec(), width: SIDE, height: SIDE }.map(|row, column, _| {
                    let (row, column) = (row as i32 - rows, column as i32 - columns);
                    let inside = (0..SIDE as i32).contains(&row) && (0..SIDE as i32).contains(&column);
                    if inside { i32::from(digit[row as usize * SIDE + column as usize]) } else { 0 }
                });
            let ink = |pixels: &[u8]| pixels.iter().map(|value| u32::from(*value)).sum::<u32>();
            if ink(&shifted.pixels) == ink(digit) {
                assert_eq!(shifted.normalised().unwrap(), whole);
            }
        }
    }
}

#[test]
fn aspect_is_kept() {
    // A bar of 12x120 pixels in a frame that is not square.
    let mut frame = Frame { pixels: vec![250; 300 * 170], width: 300, height: 170 };
    frame = frame.map(
        |row, column, value| {
            if (20..140).contains(&row) && (100..112).contains(&column) { 20 } else { value }
        },
    );
    let image = frame.normalised().unwrap();
    let inked: Vec<usize> = (0..AREA).filter(|index| image[*index] > 100).collect();
    let rows = inked.last().unwrap() / SIDE - inked[0] / SIDE + 1;
    let columns = inked.iter().map(|index| index % SIDE).max().unwrap() - inked[0] % SIDE + 1;
    assert_eq!(rows, 20);
    assert!((2..=3).contains(&columns), "{columns}");
}

#[test]
fn blank_frames_are_an_error() {
    let blank = Frame { pixels: vec![200; 90 * 70], width: 90, height: 70 };
    assert_eq!(blank.normalised(), Err(InkError::Blank));
    for seed in 0..20 {
        assert_eq!(blank.clone().noisy(25, seed).normalised(), Err(InkError::Blank));
    }
    let gradient = blank.map(|row, column, value| value - row as i32 - column as i32 / 2);
    assert_eq!(gradient.normalised(), Err(InkError::Blank));
    for side in 1..5 {
        assert_eq!(normalise(&vec![7; side], side, 1), Err(InkError::Blank));
    }
}

#[test]
fn wrong_sizes_are_errors() {
    assert_eq!(normalise(&[], 0, 5), Err(InkError::Size { height: 5, width: 0 }));
    assert_eq!(normalise(&[], 5, 0), Err(InkError::Size { height: 0, width: 5 }));
    assert_eq!(normalise(&[0; 8], usize::MAX, 2), Err(InkError::Size { height: 2, width: usize::MAX }));
    assert_eq!(normalise(&[0; 8], 4097, 1), Err(InkError::Size { height: 1, width: 4097 }));
    assert_eq!(normalise(&[0; 8], 3, 3), Err(InkError::Length { expected: 9, found: 8 }));
    for error in
        [InkError::Blank, InkError::Size { height: 1, width: 0 }, InkError::Length { expected: 9, found: 8 }]
    {
        assert!(!std::format!("{error}").is_empty());
    }
}

#[test]
fn largest_frame_works() {
    let digit = digits().next().unwrap();
    let frame = Frame::new(digit, 90, (MAX_SIDE, MAX_SIDE), (1000, 500));
    assert!(shifted_difference(&frame.normalised().unwrap(), digit) <= 500);
}

#[test]
fn any_frame_at_all_is_fine() {
    let mut random = Random(5);
    for _ in 0..400 {
        let (width, height) = (1 + random.next() as usize % 150, 1 + random.next() as usize % 150);
        let density = random.next() % 256;
        let pixels: Vec<u8> = (0..width * height)
            .map(|_| if random.next() % 256 < density { random.next() as u8 } else { 255 })
            .collect();
        if let Ok(image) = normalise(&pixels, width, height) {
            assert!(image.iter().any(|value| *value > 0));
        }
    }
}
