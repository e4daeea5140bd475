//! The working picture of at most 64x64 cells, and what is done to its grey levels.

use super::mask::Mask;
use super::shade::Shade;
use super::{GRID, InkError, MIN_CONTRAST, Rectangle};

/// Level of the shade in a flattened grid: room for what is lighter than it.
const BASE: i32 = 48;

/// Distance from the shade to the strongest ink in a flattened grid.
const SPAN: i32 = 200;

/// What a cell of an even background may differ from the shade by, in a flattened grid.
const EVEN: i32 = SPAN / 16;

/// Level of an even background once it is flattened: room for what is lighter than it.
const EVEN_BASE: i32 = SPAN / 8;

/// Ink that stands out by less from an even background may be an uneven one's.
const FAINT: u8 = (SPAN / 10) as u8;

/// On which side of the background the ink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Polarity {
    /// Dark ink on a light background.
    Dark,
    /// Light ink on a dark background.
    Light,
}

/// What surrounds the ink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Background {
    pub(super) polarity: Polarity,
    /// Whether it is of one level, without shadows.
    pub(super) even: bool,
}

/// Grey cells, `[row][column]`; those beyond `rows` and `columns` are unused.
pub(super) struct Grid {
    cells: [[u8; GRID]; GRID],
    rows: usize,
    columns: usize,
}

impl Grid {
    /// No cells.
    pub(super) const EMPTY: Grid = Grid { cells: [[0; GRID]; GRID], rows: 0, columns: 0 };

    /// Shrinks a part of a frame to fit the grid, by area average; cells are about square.
    pub(super) fn show(&mut self, pixels: &[u8], frame_width: usize, view: Rectangle) {
        let longer = view.height.max(view.width).max(GRID);
        let (rows, columns) = (fitted(view.height, longer, GRID), fitted(view.width, longer, GRID));
        (self.rows, self.columns) = (rows, columns);
        area_average(
            view.height,
            view.width,
            rows,
            columns,
            |row, column| {
                pixels.get((view.top + row) * frame_width + view.left + column).copied().unwrap_or(0)
            },
            |row, column, value| {
                if let Some(cell) = self.cells.get_mut(row).and_then(|row| row.get_mut(column)) {
                    *cell = value;
                }
            },
        );
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// The value of a cell, 0 outside.
    pub(super) fn at(&self, row: usize, column: usize) -> u8 {
        self.cells.get(row).and_then(|row| row.get(column)).copied().unwrap_or(0)
    }

    /// The used part of every used row.
    pub(super) fn used(&self) -> impl Iterator<Item = &[u8]> {
        let columns = self.columns;
        self.cells.iter().take(self.rows).filter_map(move |row| row.get(..columns))
    }

    fn used_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let columns = self.columns;
        self.cells.iter_mut().take(self.rows).filter_map(move |row| row.get_mut(..columns))
    }

    /// Removes the background: afterwards a cell is its ink, 0 to about 200. What fits no square of
    /// `2 * radius + 1` cells is ink. Finds the polarity unless it is known.
    #[inline(never)] // its stack is free again before masks are needed
    pub(super) fn flatten(&mut self, known: Option<Polarity>, radius: usize) -> Result<Background, InkError> {
        let shade = Shade::through_border(self);
        let (darkest, lightest) = self.tails(|row, column| shade.at(row, column));
        let mut background = Grid { cells: self.cells, rows: self.rows, columns: self.columns };
        // For a grid of fewer cells, the window is of the same share.
        let radius = (radius * self.rows.max(self.columns) / GRID).max(1);
        let polarity = known.unwrap_or_else(|| {
            // The longer tail is the ink. Around the local mean it is so for small ink in uneven
            // light as well, around the shade for ink that fills the picture.
            background.filter(radius, mean);
            let (dark, light) = self.tails(|row, column| i32::from(background.at(row, column)));
            let dark_is_longer = darkest + 2 * dark > lightest + 2 * light;
            if dark_is_longer { Polarity::Dark } else { Polarity::Light }
        });
        let (sign, span) = match polarity {
            Polarity::Dark => (-1, darkest),
            Polarity::Light => (1, lightest),
        };
        if span < i32::from(MIN_CONTRAST) {
            return Err(InkError::Blank);
        }
        for (row, cells) in self.used_mut().enumerate() {
            for (column, cell) in cells.iter_mut().enumerate() {
                let ink = sign * (i32::from(*cell) - shade.at(row, column));
                *cell = (BASE + ink * SPAN / span).clamp(0, 255) as u8;
            }
        }
        if self.border_is_even() {
            // Nothing to remove, and a window that no stroke fills would hollow out the thickest.
            for cell in self.used_mut().flatten() {
                *cell = cell.saturating_sub((BASE - EVEN_BASE) as u8);
            }
            return Ok(Background { polarity, even: true });
        }
        background.cells = self.cells;
        background.filter(radius, |window| window.iter().copied().min().unwrap_or(0));
        background.filter(radius, |window| window.iter().copied().max().unwrap_or(0));
        for (cells, background) in self.used_mut().zip(background.used()) {
            for (cell, background) in cells.iter_mut().zip(background) {
                *cell = cell.saturating_sub(*background);
            }
        }
        Ok(Background { polarity, even: false })
    }

    /// Whether the border of a flattened grid is of one level but for strokes that reach it: neither a
    /// shadow nor light that the shade does not follow. Both would show there, and, other than ink, be
    /// weaker than ink or go along much of the border.
    fn border_is_even(&self) -> bool {
        let (last_row, last_column) = (self.rows.saturating_sub(1), self.columns.saturating_sub(1));
        let (mut cells, mut ink, mut uneven) = (0, 0, 0);
        for (row, line) in self.used().enumerate() {
            for (column, cell) in line.iter().enumerate() {
                if row != 0 && row != last_row && column != 0 && column != last_column {
                    continue;
                }
                cells += 1;
                match i32::from(*cell) - BASE {
                    level if level >= SPAN / 2 => ink += 1,
                    level if level.abs() > EVEN => uneven += 1,
                    _ => {}
                }
            }
        }
        uneven * 16 <= cells && ink * 4 <= cells
    }

    /// How far below and above a reference the darkest and the lightest cells are, but for one cell in 1024.
    fn tails(&self, reference: impl Fn(usize, usize) -> i32) -> (i32, i32) {
        // In steps of two levels, to save stack.
        let mut histogram = [0u16; 256];
        for (row, cells) in self.used().enumerate() {
            for (column, cell) in cells.iter().enumerate() {
                let difference = (i32::from(*cell) - reference(row, column)).clamp(-255, 255);
                if let Some(bin) = histogram.get_mut(((difference + 256) / 2) as usize) {
                    *bin += 1;
                }
            }
        }
        let spare = (self.rows * self.columns / 1024) as u32;
        let tail = |bins: &mut dyn Iterator<Item = (usize, &u16)>| -> i32 {
            let mut seen = 0;
            for (index, count) in bins {
                seen += u32::from(*count);
                if seen > spare {
                    return index as i32 * 2 - 256;
                }
            }
            0
        };
        let darkest = tail(&mut histogram.iter().enumerate());
        let lightest = tail(&mut histogram.iter().enumerate().rev());
        (-darkest, lightest)
    }

    /// Replaces every cell by a summary of the square window around it, as far as that is within the
    /// grid: first of the rows, then of the columns of the results.
    fn filter(&mut self, radius: usize, summary: fn(&[u8]) -> u8) {
        let (rows, columns) = (self.rows, self.columns);
        for row in self.used_mut() {
            filter_line(row, radius, summary);
        }
        for column in 0..columns {
            let mut line = [0u8; GRID];
            for (value, row) in line.iter_mut().zip(&self.cells) {
                *value = row.get(column).copied().unwrap_or(0);
            }
            if let Some(used) = line.get_mut(..rows) {
                filter_line(used, radius, summary);
            }
            for (value, row) in line.iter().zip(&mut self.cells) {
                if let Some(cell) = row.get_mut(column) {
                    *cell = *value;
                }
            }
        }
    }

    /// The distribution of the ink.
    pub(super) fn levels(&self) -> Levels {
        let mut histogram = [0u16; 256];
        for cell in self.used().flatten() {
            if let Some(bin) = histogram.get_mut(usize::from(*cell)) {
                *bin += 1;
            }
        }
        Levels::new(histogram)
    }

    /// Subtracts the noise from the cells in the mask and clears the others.
    pub(super) fn keep(&mut self, mask: &Mask, noise: u8) {
        for (row, cells) in self.used_mut().enumerate() {
            for (column, cell) in cells.iter_mut().enumerate() {
                *cell = if mask.has(row, column) { cell.saturating_sub(noise) } else { 0 };
            }
        }
    }

    /// Mean of the cells in the mask; 0 if it is empty.
    pub(super) fn mean_within(&self, mask: &Mask) -> u8 {
        (mask.mass(self) / mask.count().max(1)).min(255) as u8
    }
}

fn filter_line(line: &mut [u8], radius: usize, summary: fn(&[u8]) -> u8) {
    let mut source = [0u8; GRID];
    for (copy, value) in source.iter_mut().zip(line.iter()) {
        *copy = *value;
    }
    let length = line.len();
    for (index, value) in line.iter_mut().enumerate() {
        if let Some(window) = source.get(index.saturating_sub(radius)..(index + radius + 1).min(length)) {
            *value = summary(window);
        }
    }
}

fn mean(window: &[u8]) -> u8 {
    let sum: u32 = window.iter().map(|value| u32::from(*value)).sum();
    sum.checked_div(window.len() as u32).unwrap_or(0) as u8
}

/// The distribution of ink over the cells: most are background.
pub(super) struct Levels {
    histogram: [u16; 256],
    count: u32,
    median: u8,
    /// About one standard deviation of the background.
    deviation: u8,
}

impl Levels {
    fn new(histogram: [u16; 256]) -> Levels {
        let count: u32 = histogram.iter().map(|bin| u32::from(*bin)).sum();
        let quantile = |numerator: u32, denominator: u32| -> u8 {
            let mut seen = 0;
            for (level, bin) in histogram.iter().enumerate() {
                seen += u32::from(*bin);
                if seen * denominator > count * numerator {
                    return level as u8;
                }
            }
            u8::MAX
        };
        let median = quantile(1, 2);
        // From below the median, where no ink is. The quartile is 0.67 deviations away.
        let deviation = (median - quantile(1, 4)).saturating_mul(3) / 2;
        Levels { histogram, count, median, deviation }
    }

    /// What the background reaches.
    pub(super) fn noise(&self) -> u8 {
        self.median.saturating_add(self.deviation.saturating_mul(2))
    }

    /// The least level that is not noise.
    pub(super) fn faint(&self) -> u8 {
        self.median.saturating_add(self.deviation.saturating_mul(4).max(FAINT))
    }

    /// The least level that is ink; none where nothing stands out.
    pub(super) fn threshold(&self) -> Option<u8> {
        let threshold = self.otsu()?.max(self.median.saturating_add(self.deviation.saturating_mul(3)));
        let (mut count, mut sum) = (0u32, 0u32);
        for (level, bin) in self.histogram.iter().enumerate().skip(usize::from(threshold)) {
            count += u32::from(*bin);
            sum += u32::from(*bin) * level as u32;
        }
        let mean = sum.checked_div(count)?;
        let least = u32::from(self.median) + 5 * u32::from(self.deviation);
        (mean > least).then_some(threshold)
    }

    /// The threshold that separates the levels into two classes with the largest variance between them.
    fn otsu(&self) -> Option<u8> {
        let total: u32 =
            self.histogram.iter().enumerate().map(|(level, bin)| level as u32 * u32::from(*bin)).sum();
        let (mut below, mut sum_below) = (0u32, 0u32);
        let mut best = None;
        let mut best_variance = 0u64;
        for (level, bin) in self.histogram.iter().enumerate() {
            below += u32::from(*bin);
            sum_below += level as u32 * u32::from(*bin);
            let above = self.count - below;
            if below == 0 || above == 0 {
                continue;
            }
            // w0 * w1 * (m1 - m0)^2, with means in 1/16 levels.
            let mean_below = sum_below * 16 / below;
            let mean_above = (total - sum_below) * 16 / above;
            let distance = u64::from(mean_above.saturating_sub(mean_below));
            let variance = u64::from(below) * u64::from(above) * distance * distance;
            if variance > best_variance {
                best_variance = variance;
                best = Some((level as u8).saturating_add(1));
            }
        }
        best
    }
}

/// `length` scaled so that `longer` becomes `side`, rounded; 1 to `side`.
pub(super) fn fitted(length: usize, longer: usize, side: usize) -> usize {
    let longer = longer.max(1);
    ((2 * length * side + longer) / longer / 2).clamp(1, side)
}

/// Resamples `height x width` values to `rows x columns`: each result is the mean of the area
/// that it covers, with the exact share of the values on its edges. Sides are at most 4096.
pub(super) fn area_average(
    height: usize,
    width: usize,
    rows: usize,
    columns: usize,
    value: impl Fn(usize, usize) -> u8,
    mut put: impl FnMut(usize, usize, u8),
) {
    let area = (height * width) as u32;
    for row in 0..rows {
        for column in 0..columns {
            // At most 255 * 4096 * 4096, which is below 2^32.
            let mut sum = 0u32;
            for (y, vertical) in covered(row, height, rows) {
                let mut line = 0u32;
                for (x, horizontal) in covered(column, width, columns) {
                    line += u32::from(value(y, x)) * horizontal;
                }
                sum += line * vertical;
            }
            put(row, column, ((u64::from(sum) + u64::from(area / 2)) / u64::from(area.max(1))) as u8);
        }
    }
}

/// Which of `length` values the cell `index` of `count` covers, and the share of each, in units
/// such that a cell's shares add up to `length`.
fn covered(index: usize, length: usize, count: usize) -> impl Iterator<Item = (usize, u32)> {
    let (from, to) = (index * length, (index + 1) * length);
    let count = count.max(1);
    (from / count..to.div_ceil(count)).map(move |position| {
        let low = (position * count).max(from);
        let high = ((position + 1) * count).min(to);
        (position, high.saturating_sub(low) as u32)
    })
}
