//! How the weights of a layer are distributed, before and after quantization.

use maud::{Markup, html};

use super::{Axis, coordinate, path};

/// Smaller than other charts: there are many, side by side.
const WIDTH: f64 = 250.0;
const HEIGHT: f64 = 120.0;
const BOTTOM: f64 = 20.0;
const SIDE: f64 = 10.0;
const BINS: usize = 64;

/// Shares of values in equal bins from `-bound` to `bound`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    pub(crate) bound: f64,
    pub(crate) shares: Vec<f64>,
}

impl Histogram {
    /// Counts values; one beyond the bound is in the last bin.
    pub(crate) fn new(values: impl Iterator<Item = f32>, bound: f64) -> Histogram {
        let mut counts = vec![0u64; BINS];
        for value in values {
            let place = (f64::from(value) / bound + 1.0) / 2.0 * BINS as f64;
            counts[(place.max(0.0) as usize).min(BINS - 1)] += 1;
        }
        let total = counts.iter().sum::<u64>().max(1) as f64;
        Histogram { bound, shares: counts.iter().map(|count| *count as f64 / total).collect() }
    }
}

/// Both histograms over one axis: the float one as an area, the other as a line.
pub(crate) fn histogram(about: &str, float: &Histogram, integer: Option<&Histogram>) -> Markup {
    let most = |histogram: &Histogram| histogram.shares.iter().copied().fold(0.0, f64::max);
    let top = most(float).max(integer.map_or(0.0, most)).max(1e-9);
    let (floor, inner) = (HEIGHT - BOTTOM, WIDTH - 2.0 * SIDE);
    let steps = |histogram: &Histogram| {
        let width = inner / BINS as f64;
        let corner =
            |index: usize, share: f64| (SIDE + index as f64 * width, floor - share / top * (floor - 6.0));
        let pairs = histogram.shares.iter().enumerate();
        pairs
            .flat_map(|(index, share)| [corner(index, *share), corner(index + 1, *share)])
            .collect::<Vec<_>>()
    };
    let ends = [(SIDE, floor), (WIDTH - SIDE, floor)];
    let outline = steps(float);
    let area = ends[..1].iter().chain(&outline).chain(&ends[1..]).copied();
    let axis = Axis::linear("", -float.bound, float.bound);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(about) {
            path.area-float d=(path(area)) {}
            path.line-float d=(path(outline.iter().copied())) {}
            @if let Some(integer) = integer {
                path.line-integer d=(path(steps(integer))) {}
            }
            line.axis-line x1=(SIDE) x2=(WIDTH - SIDE) y1=(floor) y2=(floor) {}
            @for (value, label) in &axis.ticks {
                text.middle x=(coordinate(SIDE + axis.place(*value) * inner)) y=(floor + 15.0) { (label) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_a_bin() {
        let histogram = Histogram::new([-9.0, -1.0, 0.0, 0.01, 1.0, f32::NAN].into_iter(), 1.0);
        assert!((histogram.shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(histogram.shares[BINS / 2], 2.0 / 6.0);
        assert_eq!(histogram.shares[BINS - 1], 1.0 / 6.0);
    }
}
