//! Points of a plane, each drawn as the name of its class: no need to tell colours apart.

use maud::{Markup, html};

use super::{WIDTH, coordinate};

const MARGIN: f64 = 8.0;

/// A map of points with their classes.
pub(crate) fn scatter(about: &str, points: &[[f32; 2]], classes: &[usize], count: usize) -> Markup {
    let bounds = |axis: usize| {
        let values = points.iter().map(|point| f64::from(point[axis]));
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        (low, (high - low).max(1e-9))
    };
    let (horizontal, vertical) = (bounds(0), bounds(1));
    let place = |value: f32, (low, span): (f64, f64)| {
        coordinate(MARGIN + (f64::from(value) - low) / span * (WIDTH - 2.0 * MARGIN))
    };
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {WIDTH}")) role="img" aria-label=(about) {
            @for class in 0..count {
                g class=(format!("k{class}")) {
                    @for (point, _) in points.iter().zip(classes).filter(|(_, of)| **of == class) {
                        text x=(place(point[0], horizontal)) y=(place(point[1], vertical)) { (class) }
                    }
                }
            }
        }
    }
}
