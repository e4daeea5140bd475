//! Sets of cells, a row in a word, so that a whole row grows or shrinks in a few operations.

use super::grid::Grid;
use super::{GRID, Rectangle};

/// A set of cells: bit `column` of word `row`.
#[derive(Clone, Copy)]
pub(super) struct Mask {
    rows: [u64; GRID],
}

impl Mask {
    const EMPTY: Mask = Mask { rows: [0; GRID] };

    /// The cells that hold at least `threshold`.
    pub(super) fn of(grid: &Grid, threshold: u8) -> Mask {
        let mut mask = Mask::EMPTY;
        for (bits, cells) in mask.rows.iter_mut().zip(grid.used()) {
            for (column, cell) in cells.iter().enumerate() {
                *bits |= u64::from(*cell >= threshold) << column;
            }
        }
        mask
    }

    pub(super) fn has(&self, row: usize, column: usize) -> bool {
        self.rows.get(row).is_some_and(|bits| bits >> (column % GRID) & 1 == 1)
    }

    pub(super) fn with(&self, other: &Mask) -> Mask {
        self.combined(other, |a, b| a | b)
    }

    pub(super) fn without(&self, other: &Mask) -> Mask {
        self.combined(other, |a, b| a & !b)
    }

    pub(super) fn intersects(&self, other: &Mask) -> bool {
        self.rows.iter().zip(&other.rows).any(|(a, b)| a & b != 0)
    }

    fn combined(&self, other: &Mask, operation: fn(u64, u64) -> u64) -> Mask {
        let mut result = *self;
        for (bits, other) in result.rows.iter_mut().zip(&other.rows) {
            *bits = operation(*bits, *other);
        }
        result
    }

    /// Number of cells.
    pub(super) fn count(&self) -> u32 {
        self.rows.iter().map(|bits| bits.count_ones()).sum()
    }

    /// Sum of the grid's values in the set.
    pub(super) fn mass(&self, grid: &Grid) -> u32 {
        self.excess(grid, 0)
    }

    /// Sum of what the grid's values in the set have above a level.
    pub(super) fn excess(&self, grid: &Grid, level: u8) -> u32 {
        let row_excess = |(bits, cells): (&u64, &[u8])| -> u32 {
            cells
                .iter()
                .enumerate()
                .map(|(column, cell)| (bits >> column & 1) as u32 * u32::from(cell.saturating_sub(level)))
                .sum()
        };
        self.rows.iter().zip(grid.used()).map(row_excess).sum()
    }

    /// The smallest rectangle around the set; none if it is empty.
    pub(super) fn bounds(&self) -> Option<Rectangle> {
        let top = self.rows.iter().position(|bits| *bits != 0)?;
        let bottom = self.rows.iter().rposition(|bits| *bits != 0)?;
        let columns = self.rows.iter().fold(0, |all, bits| all | bits);
        let left = columns.trailing_zeros() as usize;
        let right = GRID - columns.leading_zeros() as usize;
        Some(Rectangle { top, left, height: bottom + 1 - top, width: right - left })
    }

    /// Whether the set reaches the border of a grid of this size.
    pub(super) fn touches_border(&self, rows: usize, columns: usize) -> bool {
        self.bounds().is_some_and(|bounds| {
            bounds.top == 0
                || bounds.left == 0
                || bounds.top + bounds.height == rows
                || bounds.left + bounds.width == columns
        })
    }

    /// The set grown by `radius` cells on all sides.
    pub(super) fn dilated(&self, radius: usize) -> Mask {
        let mut result = *self;
        for _ in 0..radius {
            let mut above = 0;
            let before = result;
            let below = before.rows.iter().skip(1).chain(core::iter::once(&0));
            for ((bits, here), below) in result.rows.iter_mut().zip(&before.rows).zip(below) {
                let tall = above | here | below;
                *bits = tall | tall << 1 | tall >> 1;
                above = *here;
            }
        }
        result
    }
}

/// The connected parts of a set (cells that touch at a corner are connected), one after another.
pub(super) struct Parts {
    remaining: Mask,
}

impl Parts {
    pub(super) fn new(set: Mask) -> Parts {
        Parts { remaining: set }
    }
}

impl Iterator for Parts {
    type Item = Mask;

    fn next(&mut self) -> Option<Mask> {
        let mut part = Mask::EMPTY;
        let (seed, bits) = part.rows.iter_mut().zip(&self.remaining.rows).find(|(_, bits)| **bits != 0)?;
        *seed = bits & bits.wrapping_neg();
        // Flood: grow by a cell within the set, downwards and upwards, until nothing changes.
        loop {
            let mut changed = false;
            let mut flood = |previous: &mut u64, bits: &mut u64, allowed: &u64| {
                let tall = *previous | *bits;
                let mut grown = *bits | ((tall | tall << 1 | tall >> 1) & allowed);
                // Along the row at once, not a cell a round.
                loop {
                    let wider = grown | ((grown << 1 | grown >> 1) & allowed);
                    if wider == grown {
                        break;
                    }
                    grown = wider;
                }
                changed |= grown != *bits;
                *bits = grown;
                *previous = grown;
            };
            let mut previous = 0;
            for (bits, allowed) in part.rows.iter_mut().zip(&self.remaining.rows) {
                flood(&mut previous, bits, allowed);
            }
            let mut previous = 0;
            for (bits, allowed) in part.rows.iter_mut().zip(&self.remaining.rows).rev() {
                flood(&mut previous, bits, allowed);
            }
            if !changed {
                break;
            }
        }
        self.remaining = self.remaining.without(&part);
        Some(part)
    }
}
