//! The normaliser on frames that hold no digit at all: an answer or an error, never a panic or an
//! overflow (this file matters most in a build with overflow checks).

use tenfold_runtime::ink::{AREA, InkError, MAX_SIDE, normalise};
use tenfold_tests::random::Random;

/// Whether the build is slow, and tries fewer frames.
const SLOW: bool = cfg!(debug_assertions);

/// A frame of one of several kinds of content.
fn frame(random: &mut Random, height: usize, width: usize) -> Vec<u8> {
    let count = height * width;
    let (ink, paper) = (random.bits() as u8, random.bits() as u8);
    match random.length(0, 6) {
        0 => vec![paper; count],
        1 => random.bytes(count),
        2 => (0..count).map(|_| if random.one_in(2) { 255 } else { 0 }).collect(),
        // Uneven light.
        3 => (0..count).map(|place| ((place % width) * 255 / width) as u8).collect(),
        // A bar, upright or across, on even paper.
        4 => {
            let (from, bar) = (random.length(0, count - 1), random.length(1, 9));
            (0..count)
                .map(|place| if place % width / bar == from % width / bar { ink } else { paper })
                .collect()
        }
        5 => {
            let (from, bar) = (random.length(0, count - 1), random.length(1, 9));
            (0..count)
                .map(|place| if place / width / bar == from / width / bar { ink } else { paper })
                .collect()
        }
        // A single cell.
        _ => {
            let mut pixels = vec![paper; count];
            pixels[random.length(0, count - 1)] = ink;
            pixels
        }
    }
}

#[test]
fn any_frame_gives_a_picture_or_an_error() {
    let mut random = Random::new(21);
    let mut pictures = 0;
    for round in 0..if SLOW { 200 } else { 4_000 } {
        let height = random.mostly_up_to(80, 300);
        let width = random.mostly_up_to(80, 300);
        let pixels = frame(&mut random, height, width);
        match normalise(&pixels, width, height) {
            Ok(picture) => {
                pictures += 1;
                assert!(picture.contains(&255), "round {round}, {height}x{width}: no ink in the picture");
            }
            Err(error) => assert_eq!(error, InkError::Blank, "round {round}, {height}x{width}"),
        }
    }
    assert!(pictures > 20, "{pictures} pictures");
}

#[test]
fn the_largest_frames_do_not_overflow() {
    let mut random = Random::new(22);
    let sides = [(1, MAX_SIDE), (MAX_SIDE, 1), (3, MAX_SIDE), (MAX_SIDE, 2), (MAX_SIDE, MAX_SIDE)];
    for (height, width) in sides {
        let tall = [vec![255; height * width], (0..height * width).map(|place| (place / 7) as u8).collect()];
        for pixels in
            tall.into_iter().chain((height * width < 1 << 20).then(|| frame(&mut random, height, width)))
        {
            if let Ok(picture) = normalise(&pixels, width, height) {
                assert_eq!(picture.len(), AREA);
            }
        }
    }
}

#[test]
fn wrong_sizes_are_errors() {
    for (height, width) in [(0, 5), (5, 0), (MAX_SIDE + 1, 1), (1, usize::MAX), (usize::MAX, usize::MAX)] {
        assert_eq!(normalise(&[0; 5], width, height), Err(InkError::Size { height, width }));
    }
    assert_eq!(normalise(&[0; 5], 2, 3), Err(InkError::Length { expected: 6, found: 5 }));
}
