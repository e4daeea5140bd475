//! The worst mistakes as one picture.
//!
//! ```text
//! +-------+ +-------+
//! | image | | image |     magnified
//! +-------+ +-------+
//!  4  9 98   7  1 95      label in green, answer in red, its probability in per cent in grey
//! ```

use image::{Rgb, RgbImage};

use super::Mistake;
use crate::data::Dataset;

/// Smallest width of a tile, in pixels, which three numbers of two digits fill; images are magnified to it.
const MIN_SIDE: usize = 84;
/// Pixels around and between the tiles.
const GAP: usize = 8;
/// Pixels of the sheet for a dot of a digit.
const DOT: usize = 3;
/// Dots from a digit to the next.
const ADVANCE: usize = 4;
/// Rows of dots of a digit.
const DOT_ROWS: usize = 5;

const PAPER: Rgb<u8> = Rgb([255, 255, 255]);
const LABEL: Rgb<u8> = Rgb([0, 110, 60]);
const ANSWER: Rgb<u8> = Rgb([190, 20, 30]);
const PROBABILITY: Rgb<u8> = Rgb([110, 110, 110]);

/// The ten digits, a row of three dots in three bits, the upper row first.
const DIGITS: [[u8; DOT_ROWS]; 10] = [
    [0b111, 0b101, 0b101, 0b101, 0b111],
    [0b010, 0b110, 0b010, 0b010, 0b111],
    [0b111, 0b001, 0b111, 0b100, 0b111],
    [0b111, 0b001, 0b111, 0b001, 0b111],
    [0b101, 0b101, 0b111, 0b001, 0b001],
    [0b111, 0b100, 0b111, 0b001, 0b111],
    [0b111, 0b100, 0b111, 0b101, 0b111],
    [0b111, 0b001, 0b010, 0b010, 0b010],
    [0b111, 0b101, 0b111, 0b101, 0b111],
    [0b111, 0b101, 0b111, 0b001, 0b111],
];

/// Draws the images of mistakes, as many in a row as there are rows; none where there are no mistakes.
pub fn sheet(dataset: &Dataset, mistakes: &[Mistake]) -> Option<RgbImage> {
    if mistakes.is_empty() {
        return None;
    }
    let zoom = MIN_SIDE.div_ceil(dataset.width.max(dataset.height).max(1));
    let caption = DOT_ROWS * DOT;
    let tile = [(dataset.width * zoom).max(MIN_SIDE) + GAP, dataset.height * zoom + GAP / 2 + caption + GAP];
    let columns = (1..).find(|columns| columns * columns >= mistakes.len()).unwrap_or(1);
    let rows = mistakes.len().div_ceil(columns);
    let size = [columns * tile[0] + GAP, rows * tile[1] + GAP].map(|side| side as u32);
    let mut sheet = RgbImage::from_pixel(size[0], size[1], PAPER);
    for (place, mistake) in mistakes.iter().enumerate() {
        let (left, top) = (GAP + place % columns * tile[0], GAP + place / columns * tile[1]);
        let image = dataset.image(mistake.index);
        for y in 0..dataset.height * zoom {
            for x in 0..dataset.width * zoom {
                let grey = image[y / zoom * dataset.width + x / zoom];
                sheet.put_pixel((left + x) as u32, (top + y) as u32, Rgb([grey; 3]));
            }
        }
        let below = top + dataset.height * zoom + GAP / 2;
        let mut pen = left;
        // 100 would not be one: the answer is wrong.
        let probability = ((100.0 * mistake.probability).round() as usize).min(99);
        for (number, color) in
            [(mistake.label, LABEL), (mistake.prediction, ANSWER), (probability, PROBABILITY)]
        {
            pen = write(&mut sheet, number, color, pen, below) + 2 * DOT;
        }
    }
    Some(sheet)
}

/// Writes a number, and returns where its last digit ends.
fn write(sheet: &mut RgbImage, number: usize, color: Rgb<u8>, left: usize, top: usize) -> usize {
    let mut pen = left;
    for digit in number.to_string().bytes() {
        for (row, dots) in DIGITS[usize::from(digit - b'0')].iter().enumerate() {
            for column in (0..3).filter(|column| dots >> (2 - column) & 1 == 1) {
                for inner in 0..DOT * DOT {
                    let x = pen + column * DOT + inner % DOT;
                    let y = top + row * DOT + inner / DOT;
                    sheet.put_pixel(x as u32, y as u32, color);
                }
            }
        }
        pen += ADVANCE * DOT;
    }
    pen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_has_a_tile_and_its_numbers() {
        let dataset = Dataset {
            images: [vec![0; 784], vec![200; 784]].concat(),
            labels: vec![4, 15],
            height: 28,
            width: 28,
            classes: 16,
            source: "test".to_owned(),
        };
        let mistake = |index, label, prediction| Mistake {
            index,
            label,
            prediction,
            probability: 1.0,
            label_probability: 0.0,
        };
        assert!(sheet(&dataset, &[]).is_none());
        let picture = sheet(&dataset, &[mistake(1, 15, 4), mistake(0, 4, 12), mistake(1, 15, 14)]).unwrap();
        assert_eq!(picture.dimensions(), (8 + 2 * 92, 8 + 2 * (84 + 4 + 15 + 8)));
        assert_eq!(picture.get_pixel(8 + 40, 8 + 40), &Rgb([200; 3]));
        assert_eq!(picture.get_pixel(8 + 92 + 40, 8 + 40), &Rgb([0; 3]));
        for color in [LABEL, ANSWER, PROBABILITY] {
            assert!(picture.pixels().any(|pixel| *pixel == color));
        }
        // 15 and 14 and 99 take more than the narrowest image, but never more than the tile.
        let small = Dataset { images: vec![0; 2], labels: vec![0, 0], height: 1, width: 1, ..dataset };
        assert!(sheet(&small, &[mistake(1, 15, 14)]).is_some());
    }
}
