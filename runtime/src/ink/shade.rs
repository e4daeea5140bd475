//! How the light falls on the paper, as far as the border shows it.

use super::grid::Grid;

/// A paraboloid of grey levels: light that falls off to one side, and towards the corners.
pub(super) struct Shade {
    /// The level in the centre, times 256.
    centre: i32,
    /// The rise over half a row and over half a column, times 256.
    slopes: [i32; 2],
    /// The rise at a distance of half a cell from the centre, times 65,536. It grows with the square
    /// of the distance.
    curve: i32,
    rows: i32,
    columns: i32,
}

impl Shade {
    /// Through the cells of the border, by medians: neither the edge of a shadow nor ink that
    /// reaches the border bends it much.
    pub(super) fn through_border(grid: &Grid) -> Shade {
        let (rows, columns) = (grid.rows(), grid.columns());
        let value = |row: usize, column: usize| i32::from(grid.at(row, column));
        let (bottom, right) = (rows.saturating_sub(1), columns.saturating_sub(1));
        let sides = |row: usize| [value(row, 0), value(row, right)];
        let top_and_bottom = |column: usize| [value(0, column), value(bottom, column)];

        let mut bends = Differences::new();
        let lag = rows.min(columns) / 4;
        // With fewer cells, noise would pass for a bend.
        if lag >= 4 {
            second_differences(rows, lag, sides, &mut bends);
            second_differences(columns, lag, top_and_bottom, &mut bends);
        }
        // v(x + 2l) - 2 v(x) + v(x - 2l) = 8 l^2 c, in half cells.
        let curve = (bends.median() * 8_192).checked_div((lag * lag) as i32).unwrap_or(0);
        let slopes = [slope(rows, sides), slope(columns, top_and_bottom)];

        let mut shade = Shade { centre: 0, slopes, curve, rows: rows as i32, columns: columns as i32 };
        let mut levels = Differences::new();
        let across = (0..columns).flat_map(|column| [(0, column), (bottom, column)]);
        let down = (0..rows).flat_map(|row| [(row, 0), (row, right)]);
        for (row, column) in across.chain(down) {
            levels.add(value(row, column) - shade.at(row, column));
        }
        shade.centre = levels.median() * 256;
        shade
    }

    /// The level that a cell would have without ink; it may lie outside of a byte's range.
    pub(super) fn at(&self, row: usize, column: usize) -> i32 {
        let offsets = [2 * row as i32 - self.rows + 1, 2 * column as i32 - self.columns + 1];
        let slope: i32 = self.slopes.iter().zip(offsets).map(|(slope, offset)| slope * offset).sum();
        let square: i32 = offsets.iter().map(|offset| offset * offset).sum();
        let curve = (i64::from(self.curve) * i64::from(square)) >> 8;
        (self.centre + slope + curve as i32 + 128) >> 8
    }
}

/// The median rise over half a cell along two parallel sides, times 256.
fn slope(length: usize, values: impl Fn(usize) -> [i32; 2]) -> i32 {
    let lag = (length / 4).max(1);
    let mut rises = Differences::new();
    for from in 0..length.saturating_sub(lag) {
        for (high, low) in values(from + lag).into_iter().zip(values(from)) {
            rises.add(high - low);
        }
    }
    (rises.median() * 128).checked_div(lag as i32).unwrap_or(0)
}

fn second_differences(
    length: usize,
    lag: usize,
    values: impl Fn(usize) -> [i32; 2],
    bends: &mut Differences,
) {
    for middle in lag..length.saturating_sub(lag) {
        let (before, after) = (values(middle - lag), values(middle + lag));
        for ((before, here), after) in before.into_iter().zip(values(middle)).zip(after) {
            bends.add(before - 2 * here + after);
        }
    }
}

/// A histogram of at most a few hundred differences of grey levels.
struct Differences {
    bins: [u16; 511],
    count: u32,
}

impl Differences {
    fn new() -> Differences {
        Differences { bins: [0; 511], count: 0 }
    }

    fn add(&mut self, difference: i32) {
        if let Some(bin) = self.bins.get_mut((difference.clamp(-255, 255) + 255) as usize) {
            *bin += 1;
            self.count += 1;
        }
    }

    /// The median; 0 of nothing.
    fn median(&self) -> i32 {
        let mut seen = 0;
        for (index, bin) in self.bins.iter().enumerate() {
            seen += u32::from(*bin);
            if seen * 2 > self.count {
                return index as i32 - 255;
            }
        }
        0
    }
}
