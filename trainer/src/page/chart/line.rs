//! Lines over a common axis.

use maud::{Markup, html};

use super::{Axis, WIDTH, coordinate, path};

const HEIGHT: f64 = 250.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 38.0;
/// Points of a line that are drawn, at most; of more, means are.
const POINTS: usize = 120;

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// `train` or `validation`, as the style sheet has it.
    pub(crate) class: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
    /// Whether every point has a dot, with its value in a tooltip.
    pub(crate) dots: bool,
}

/// A part of the horizontal axis with a name.
#[derive(Clone, Debug)]
pub(crate) struct Band {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) name: &'static str,
}

/// A chart of lines; `about` is for those who cannot see it, `show` makes the text of a value.
pub(crate) fn line(
    about: &str,
    [x, y]: [&Axis; 2],
    bands: &[Band],
    series: &[Series],
    show: &dyn Fn(f64) -> String,
) -> Markup {
    let across = |value: f64| LEFT + x.place(value) * (WIDTH - LEFT - RIGHT);
    let down = |value: f64| HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM);
    let floor = HEIGHT - BOTTOM;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(about) {
            @for band in bands {
                rect.band x=(coordinate(across(band.from))) y=(TOP) height=(floor - TOP)
                    width=(coordinate(across(band.to) - across(band.from))) {}
                text.end x=(coordinate(across(band.to) - 4.0)) y=(TOP + 12.0) { (band.name) }
            }
            @for (value, label) in &y.ticks {
                line.grid-line x1=(LEFT) x2=(WIDTH - RIGHT) y1=(coordinate(down(*value))) y2=(coordinate(down(*value))) {}
                text.end x=(LEFT - 6.0) y=(coordinate(down(*value) + 4.0)) { (label) }
            }
            line.axis-line x1=(LEFT) x2=(WIDTH - RIGHT) y1=(floor) y2=(floor) {}
            @for (value, label) in &x.ticks {
                text.middle x=(coordinate(across(*value))) y=(floor + 15.0) { (label) }
            }
            text.middle x=(coordinate((LEFT + WIDTH - RIGHT) / 2.0)) y=(HEIGHT - 4.0) { (x.title) }
            @for line in series {
                path class=(format!("stroke-{}", line.class))
                    d=(path(thin(&line.points, POINTS).into_iter().map(|(x, y)| (across(x), down(y))))) {}
                @if line.dots {
                    @for (x, y) in &line.points {
                        circle class=(format!("dot-{}", line.class)) r="2.6" cx=(coordinate(across(*x))) cy=(coordinate(down(*y))) {
                            title { (line.class) ", epoch " (coordinate(*x)) ": " (show(*y)) }
                        }
                    }
                }
            }
        }
    }
}

/// At most so many points: means of what is near each other, whichever part has more of them.
fn thin(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    if points.len() <= most {
        return points.to_vec();
    }
    let width = (last.0 - first.0) / most as f64;
    let place = |point: &(f64, f64)| (((point.0 - first.0) / width) as usize).min(most - 1);
    let mean = |points: &[(f64, f64)]| {
        let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        (x / points.len() as f64, y / points.len() as f64)
    };
    points.chunk_by(|a, b| place(a) == place(b)).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_that_are_near_are_averaged() {
        // The second half is ten times as dense.
        let sparse = (0..50).map(|i| (f64::from(i), f64::from(i % 2)));
        let dense = (0..=500).map(|i| (50.0 + f64::from(i) / 10.0, f64::from(i % 2)));
        let points: Vec<(f64, f64)> = sparse.chain(dense).collect();
        let few = thin(&points, 10);
        assert_eq!(few.len(), 10);
        assert_eq!((few[0], few[4]), ((4.5, 0.5), (44.5, 0.5)));
        assert!((few[5].0 - 54.95).abs() < 1e-9 && (few[5].1 - 0.5).abs() < 1e-9, "{few:?}");
        assert_eq!(thin(&points[..5], 10), points[..5]);
        assert!(thin(&[], 10).is_empty());
        let same = vec![(1.0, 2.0); 30];
        assert!(thin(&same, 10).iter().all(|point| *point == (1.0, 2.0)));
    }
}
