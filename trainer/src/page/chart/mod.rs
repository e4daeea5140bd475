//! Charts as SVG within the page.
//!
//! They are drawn here and not by a plotting crate because they are a part of the page: its style sheet gives
//! their colours, so that they follow light and dark and the printer, and their text is text.

mod axis;
mod histogram;
mod line;
mod named;
mod scatter;

pub(crate) use axis::Axis;
pub(super) use histogram::{Histogram, histogram};
pub(super) use line::{Band, Series, line};
pub(crate) use named::{Named, named};
pub(super) use scatter::scatter;

/// Width of a chart in its own units, about the pixels that it is wide on a telephone.
const WIDTH: f64 = 400.0;

/// A coordinate, to a tenth of a unit.
fn coordinate(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// A path through points.
fn path(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let mut text = String::new();
    for (x, y) in points {
        text.push(if text.is_empty() { 'M' } else { 'L' });
        text.push_str(&coordinate(x));
        text.push(' ');
        text.push_str(&coordinate(y));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_short() {
        assert_eq!(path([(1.0, 2.26), (30.04, -4.0)]), "M1 2.3L30 -4");
    }
}
