//! Any grey frame -> the 28x28 picture that MNIST would have made of it. Integers only.
//!
//! ```text
//!  frame (camera, photo, scan; up to 4096x4096, ink dark or light)
//!    |   shrink to at most 64x64 cells by area average
//!    |   subtract the shade that the border shows (light from a side, dark corners), find the polarity
//!    |   where the border shows shadows: subtract the morphological opening, so that only thin things remain
//!    |   threshold (Otsu; without shadows, just above the noise), connected parts, keep the heaviest and what
//!    |   is close to it
//!    |   <-- once more on the part of the frame that holds it, now at full resolution
//!    |   scale to fit 20x20 with the aspect kept, by area average; stretch the contrast
//!    v   place by centre of mass
//!  [u8; 784]: 0 background .. 255 ink, as the network was trained on
//! ```
//!
//! Source: Y. LeCun, C. Cortes, *The MNIST database*: "The original black and white (bilevel)
//! images from NIST were size normalized to fit in a 20x20 pixel box while preserving their aspect
//! ratio. The resulting images contain grey levels as a result of the anti-aliasing technique used
//! by the normalization algorithm. The images were centered in a 28x28 image by computing the
//! center of mass of the pixels, and translating the image so as to position this point at the
//! center of the 28x28 field." The threshold is N. Otsu's (IEEE Trans. SMC 9, 1979); the
//! background by opening is the "top-hat" transform (F. Meyer, 1979).
//!
//! Nothing is allocated; about 13 KB of stack are used, whatever the size of the frame. It is only
//! read: twice as a rule, six times at most.

mod grid;
mod mask;
mod shade;

use core::fmt;

use grid::{Grid, Polarity, area_average, fitted};
use mask::{Mask, Parts};

/// Rows and columns of the result.
pub const SIDE: usize = 28;

/// Pixels of the result.
pub const AREA: usize = SIDE * SIDE;

/// Most rows or columns of a frame.
pub const MAX_SIDE: usize = 4096;

/// Rows and columns of the box that the digit is scaled to fit.
const BOX: usize = 20;

/// Rows and columns of the working grid; also the bits of a mask's row.
const GRID: usize = 64;

/// Least difference between ink and background, in grey levels of the frame.
const MIN_CONTRAST: u8 = 16;

/// Fewer cells are a speck.
const MIN_CELLS: u32 = 4;

/// Most times that the view is narrowed to the ink. One is enough but for digits so small that
/// the first grid shows them as a few cells.
const MAX_ZOOMS: usize = 2;

/// Why a frame holds no digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InkError {
    /// A side is zero or beyond [`MAX_SIDE`].
    Size {
        /// Rows of the frame.
        height: usize,
        /// Columns of the frame.
        width: usize,
    },
    /// The slice is not `width * height` bytes long.
    Length {
        /// `width * height`
        expected: usize,
        /// Length of the slice.
        found: usize,
    },
    /// Nothing stands out from the background: an empty page, or noise.
    Blank,
}

impl fmt::Display for InkError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InkError::Size { height, width } => {
                write!(formatter, "frame of {width}x{height}: expected sides of 1 to {MAX_SIDE}")
            }
            InkError::Length { expected, found } => {
                write!(formatter, "frame's pixels: expected {expected} bytes, found {found}")
            }
            InkError::Blank => formatter.write_str("no ink found: nothing stands out from the background"),
        }
    }
}

impl core::error::Error for InkError {}

/// Finds the digit in a grey frame and normalises it as MNIST was made.
///
/// - `pixels`: `[height][width]`, one byte a pixel, any polarity: 0 is black, 255 is white, and
///   the ink may be the darker or the lighter.
/// - `width`, `height`: 1 to [`MAX_SIDE`].
/// - Result: `[28][28]`, 0 background to 255 ink; what `Recognizer::recognize` wants.
///
/// # Errors
///
/// [`InkError::Blank`] where nothing stands out; the others where the arguments disagree.
pub fn normalise(pixels: &[u8], width: usize, height: usize) -> Result<[u8; AREA], InkError> {
    let sides = 1..=MAX_SIDE;
    if !sides.contains(&width) || !sides.contains(&height) {
        return Err(InkError::Size { height, width });
    }
    if pixels.len() != width * height {
        return Err(InkError::Length { expected: width * height, found: pixels.len() });
    }
    let mut view = Rectangle { top: 0, left: 0, height, width };
    let mut grid = Grid::EMPTY;
    let mut polarity = None;
    let mut bounds = search(&mut grid, &mut polarity, pixels, width, view)?;
    for _ in 0..MAX_ZOOMS {
        let closer = view.zoom(&grid, &bounds, height, width);
        if closer.height * 5 > view.height * 4 && closer.width * 5 > view.width * 4 {
            break;
        }
        view = closer;
        bounds = search(&mut grid, &mut polarity, pixels, width, view)?;
    }
    Ok(place(&grid, &bounds, view))
}

/// Part of a frame or of a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rectangle {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl Rectangle {
    /// The part of the frame where the grid of this view shows `bounds`, with a margin of a
    /// quarter, within the frame.
    fn zoom(&self, grid: &Grid, bounds: &Rectangle, frame_height: usize, frame_width: usize) -> Rectangle {
        let margin_cells = (bounds.height.max(bounds.width) / 4).max(2);
        let axis = |start: usize, length: usize, cells: usize, first: usize, count: usize, end: usize| {
            let cells = cells.max(1);
            let low = start + first.saturating_sub(margin_cells) * length / cells;
            let high = start + ((first + count + margin_cells) * length).div_ceil(cells);
            // Beyond this view, but not beyond the frame.
            let spare = (margin_cells.saturating_sub(first) * length) / cells;
            let low = low.saturating_sub(spare);
            (low, high.min(end).saturating_sub(low).max(1))
        };
        let (top, height) = axis(self.top, self.height, grid.rows(), bounds.top, bounds.height, frame_height);
        let (left, width) =
            axis(self.left, self.width, grid.columns(), bounds.left, bounds.width, frame_width);
        Rectangle { top, left, height, width }
    }
}

/// Shows the view in the grid, and finds the ink and its bounds. Notes the polarity at the first success.
fn search(
    grid: &mut Grid,
    polarity: &mut Option<Polarity>,
    pixels: &[u8],
    frame_width: usize,
    view: Rectangle,
) -> Result<Rectangle, InkError> {
    let mut result = Err(InkError::Blank);
    // A window that no stroke can fill: a third of the picture leaves the thickest whole. Where
    // nothing stands out then, the light may be too uneven for so wide a window, and the digit small.
    for window in [GRID / 3, GRID / 8] {
        grid.show(pixels, frame_width, view);
        result = grid.flatten(*polarity, window / 2).and_then(|found| {
            let bounds = find_ink(grid, found.even)?;
            *polarity = Some(found.polarity);
            Ok(bounds)
        });
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Finds the digit's cells in a flattened grid; leaves their ink above the noise in the grid, and
/// zero everywhere else.
#[inline(never)] // its stack is not that of the others
fn find_ink(grid: &mut Grid, even: bool) -> Result<Rectangle, InkError> {
    let levels = grid.levels();
    let threshold = levels.threshold().ok_or(InkError::Blank)?;
    // Where nothing but ink stands out, faint ink counts: it joins the parts of a broken stroke.
    let inked = Mask::of(grid, if even { levels.faint().min(threshold) } else { threshold });
    let main = Parts::new(inked)
        .max_by_key(|part| {
            // What stands out clearly, not what just reaches the threshold over a wide area; and
            // what touches the border is more likely a shadow or the edge of the page.
            let excess = part.excess(grid, threshold / 10 * 9);
            if part.touches_border(grid.rows(), grid.columns()) { excess / 8 } else { excess }
        })
        .ok_or(InkError::Blank)?;
    let bounds = main.bounds().ok_or(InkError::Blank)?;
    let side = bounds.height.max(bounds.width);

    // Strokes that do not touch the main part, for example the bar of a 5: close ones if they are
    // more than specks, and heavy ones a little farther off.
    let (close, near) = (main.dilated((side / 8).max(1)), main.dilated((side / 3).max(1)));
    let mass = main.mass(grid);
    let (speck, heavy) = if even { (96, 24) } else { (24, 6) };
    let mut digit = main;
    for part in Parts::new(inked.without(&main)) {
        let part_mass = part.mass(grid);
        if part_mass * speck >= mass && part.intersects(&close)
            || part_mass * heavy >= mass && part.intersects(&near)
        {
            digit = digit.with(&part);
        }
    }
    // A threshold cuts off the soft edges of strokes; the noise is what remains beyond them.
    let soft = digit.dilated((side / 16).max(1));
    grid.keep(&soft, levels.noise());
    let faint = grid.mean_within(&digit) / 16;
    if digit.count() < MIN_CELLS {
        return Err(InkError::Blank);
    }
    Mask::of(grid, faint.max(1)).bounds().ok_or(InkError::Blank)
}

/// Scales the ink in `bounds` to fit 20x20 and places it by its centre of mass.
#[inline(never)] // as above
fn place(grid: &Grid, bounds: &Rectangle, view: Rectangle) -> [u8; AREA] {
    // The size in pixels of the frame, times rows * columns of the grid: cells need not be square.
    let tall = bounds.height * view.height * grid.columns();
    let wide = bounds.width * view.width * grid.rows();
    let longer = tall.max(wide);
    let (rows, columns) = (fitted(tall, longer, BOX), fitted(wide, longer, BOX));

    let mut scaled = [[0u8; BOX]; BOX];
    area_average(
        bounds.height,
        bounds.width,
        rows,
        columns,
        |row, column| grid.at(bounds.top + row, bounds.left + column),
        |row, column, value| {
            if let Some(cell) = scaled.get_mut(row).and_then(|row| row.get_mut(column)) {
                *cell = value;
            }
        },
    );
    stretch(scaled.as_flattened_mut());

    let (mut mass, mut vertical, mut horizontal) = (0u32, 0u32, 0u32);
    for (row, cells) in scaled.iter().enumerate() {
        for (column, value) in cells.iter().enumerate() {
            let value = u32::from(*value);
            mass += value;
            vertical += value * (2 * row as u32 + 1);
            horizontal += value * (2 * column as u32 + 1);
        }
    }
    // Every image of MNIST has its centre of mass in 13.5 <= c < 14.5, where c counts pixels from 0.
    let offset = |moment: u32, length: usize| -> usize {
        let centre = moment / mass.max(1) / 2; // floor(c + 0.5): a moment counts half pixels
        (SIDE as u32 / 2).saturating_sub(centre).min((SIDE - length) as u32) as usize
    };
    let (top, left) = (offset(vertical, rows), offset(horizontal, columns));

    let mut image = [0u8; AREA];
    for (row, cells) in image.chunks_exact_mut(SIDE).skip(top).zip(scaled.iter().take(rows)) {
        for (pixel, cell) in row.iter_mut().skip(left).zip(cells.iter().take(columns)) {
            *pixel = *cell;
        }
    }
    image
}

/// Scales the values so that the core of the strokes is 255, as it is in MNIST.
fn stretch(values: &mut [u8]) {
    let inked = values.iter().filter(|value| **value > 0).count();
    // The value that a tenth of the ink exceeds.
    let mut above = inked / 10;
    let mut core = u8::MAX;
    while core > 1 {
        let here = values.iter().filter(|value| **value == core).count();
        if here > above {
            break;
        }
        above -= here;
        core -= 1;
    }
    for value in values {
        *value = (u32::from(*value) * 255 / u32::from(core)).min(255) as u8;
    }
}

#[cfg(test)]
mod tests;
