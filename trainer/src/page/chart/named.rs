//! Points with names, as a drawing of its own: a file that a Markdown document shows.
//!
//! It carries its style, light and dark, since no page's style sheet reaches into an image.

use maud::{Markup, PreEscaped, html};

use super::{Axis, coordinate};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 470.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 44.0;
/// Radius of a point.
const RADIUS: f64 = 4.0;
/// Of the names, in units of the drawing; the width is about that of a letter.
const LETTER: [f64; 2] = [5.9, 12.0];

const STYLE: &str = "
text { font: 11px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; fill: #1c1e22; }
.paper { fill: #ffffff; } .muted { fill: #5f6571; } .end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: #e6e3db; } .axis { stroke: #9a9fa8; } .leader { stroke: #9a9fa8; stroke-width: 0.7; }
.first { fill: #1d66ad; stroke: #1d66ad; } .second { fill: #ffffff; stroke: #b9500a; stroke-width: 1.6; }
.bar { stroke: #1d66ad; stroke-width: 1.4; } text.first { stroke: none; font-weight: 600; }
@media (prefers-color-scheme: dark) {
  text { fill: #eceae5; } .paper { fill: #14161a; } .muted { fill: #a2a9b5; } .grid { stroke: #2a2e36; }
  .axis, .leader { stroke: #6b7280; } .first { fill: #6cb4f5; stroke: #6cb4f5; }
  .second { fill: #14161a; stroke: #f7a35c; } .bar { stroke: #6cb4f5; }
}
";

/// One point.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// Half the length of a bar through it, where its value is a mean.
    pub(crate) deviation: Option<f64>,
    /// Of the first kind, or of the second.
    pub(crate) first: bool,
}

/// A drawing of points and their names; `about` is for those who cannot see it, `kinds` names the two kinds.
pub(crate) fn named(about: &str, [x, y]: [&Axis; 2], kinds: [&str; 2], points: &[Named]) -> Markup {
    let across = |value: f64| LEFT + x.place(value) * (WIDTH - LEFT - RIGHT);
    let down = |value: f64| HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM);
    let floor = HEIGHT - BOTTOM;
    let places: Vec<[f64; 2]> = points.iter().map(|point| [across(point.x), down(point.y)]).collect();
    let labels = labels(points, &places);
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(about) {
            title { (about) }
            style { (PreEscaped(STYLE)) }
            rect.paper width=(WIDTH) height=(HEIGHT) {}
            @for (value, label) in &y.ticks {
                line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(coordinate(down(*value))) y2=(coordinate(down(*value))) {}
                text."muted end" x=(LEFT - 7.0) y=(coordinate(down(*value) + 4.0)) { (label) }
            }
            @for (value, label) in &x.ticks {
                line.grid x1=(coordinate(across(*value))) x2=(coordinate(across(*value))) y1=(TOP) y2=(floor) {}
                text."muted middle" x=(coordinate(across(*value))) y=(floor + 17.0) { (label) }
            }
            line.axis x1=(LEFT) x2=(WIDTH - RIGHT) y1=(floor) y2=(floor) {}
            text."muted middle" x=(coordinate((LEFT + WIDTH - RIGHT) / 2.0)) y=(HEIGHT - 8.0) { (x.title) }
            text.muted x="10" y="18" { (y.title) }
            @for (index, kind) in kinds.iter().enumerate() {
                @let left = WIDTH - RIGHT - 250.0 + 130.0 * index as f64;
                circle class=(["first", "second"][index]) cx=(left) cy="14" r=(RADIUS) {}
                text x=(left + 9.0) y="18" { (kind) }
            }
            @for ((point, place), label) in points.iter().zip(&places).zip(&labels) {
                @if let Some(deviation) = point.deviation {
                    line.bar x1=(coordinate(place[0])) x2=(coordinate(place[0]))
                        y1=(coordinate(down(point.y - deviation))) y2=(coordinate(down(point.y + deviation))) {}
                }
                @if label.is_far(*place) {
                    @let end = label.nearest(*place);
                    line.leader x1=(coordinate(place[0])) y1=(coordinate(place[1]))
                        x2=(coordinate(end[0])) y2=(coordinate(end[1])) {}
                }
            }
            @for (point, place) in points.iter().zip(&places) {
                circle class=(if point.first { "first" } else { "second" }) r=(RADIUS)
                    cx=(coordinate(place[0])) cy=(coordinate(place[1])) {
                    title { (point.name) }
                }
            }
            @for (point, label) in points.iter().zip(&labels) {
                text class=[label.class(point.first)] x=(coordinate(label.anchor())) y=(coordinate(label.top + 10.0)) {
                    (point.name)
                }
            }
        }
    }
}

/// Where a name is written.
#[derive(Clone, Copy, Debug)]
struct Label {
    left: f64,
    top: f64,
    width: f64,
    /// Which of its ends is at the point: -1 the last letter, 1 the first one, 0 neither. A letter's width is not
    /// known, so that this end is where the text is anchored.
    side: i8,
}

impl Label {
    fn class(&self, first: bool) -> Option<&'static str> {
        match (first, self.side) {
            (true, -1) => Some("first end"),
            (true, 0) => Some("first middle"),
            (true, _) => Some("first"),
            (false, -1) => Some("end"),
            (false, 0) => Some("middle"),
            (false, _) => None,
        }
    }

    fn anchor(&self) -> f64 {
        self.left + self.width * f64::from(1 - self.side) / 2.0
    }

    fn overlaps(&self, [left, top]: [f64; 2], [width, height]: [f64; 2]) -> f64 {
        let shared = |a: f64, a_length: f64, b: f64, b_length: f64| {
            ((a + a_length).min(b + b_length) - a.max(b)).max(0.0)
        };
        shared(self.left, self.width, left, width) * shared(self.top, LETTER[1], top, height)
    }

    /// The place of the name that is nearest to a point.
    fn nearest(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [x.clamp(self.left, self.left + self.width), y.clamp(self.top, self.top + LETTER[1])]
    }

    /// Whether the eye needs a line to its point.
    fn is_far(&self, [x, y]: [f64; 2]) -> bool {
        let [near_x, near_y] = self.nearest([x, y]);
        (near_x - x).hypot(near_y - y) > 3.0 * RADIUS
    }
}

/// A place for every name, the nearest that hides no other name and no point; those of the first kind choose first.
fn labels(points: &[Named], places: &[[f64; 2]]) -> Vec<Label> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_key(|index| !points[*index].first);
    let mut labels: Vec<Option<Label>> = vec![None; points.len()];
    for index in order {
        let [x, y] = places[index];
        let width = points[index].name.chars().count() as f64 * LETTER[0];
        let hidden = |label: &Label| -> f64 {
            let size = 2.0 * RADIUS + 2.0;
            let corner = |place: &[f64; 2]| place.map(|value| value - size / 2.0);
            let of_points: f64 = places.iter().map(|place| label.overlaps(corner(place), [size; 2])).sum();
            let names = labels.iter().flatten();
            let of_names: f64 =
                names.map(|other| label.overlaps([other.left, other.top], [other.width, LETTER[1]])).sum();
            let beyond = (LEFT - 6.0 - label.left).max(0.0)
                + (label.left + label.width - WIDTH + 4.0).max(0.0)
                + (TOP - 8.0 - label.top).max(0.0)
                + (label.top + LETTER[1] - HEIGHT + BOTTOM).max(0.0);
            of_points + of_names + 100.0 * beyond
        };
        let mut chosen: Option<(f64, Label)> = None;
        'rings: for ring in 0..5 {
            let gap = RADIUS + 4.0 + 13.0 * f64::from(ring);
            let level = y - LETTER[1] / 2.0;
            let near = gap * 0.7;
            for (side, left, top) in [
                (1, x + gap, level),
                (-1, x - gap - width, level),
                (0, x - width / 2.0, y - gap - LETTER[1]),
                (0, x - width / 2.0, y + gap),
                (1, x + near, y - near - LETTER[1]),
                (1, x + near, y + near),
                (-1, x - near - width, y - near - LETTER[1]),
                (-1, x - near - width, y + near),
            ] {
                let label = Label { left, top, width, side };
                let hidden = hidden(&label);
                if chosen.is_none_or(|(least, _)| hidden < least) {
                    chosen = Some((hidden, label));
                }
                if hidden == 0.0 {
                    break 'rings;
                }
            }
        }
        labels[index] = chosen.map(|(_, label)| label);
    }
    labels.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(name: &str, x: f64, y: f64, first: bool) -> Named {
        Named { name: name.to_owned(), x, y, deviation: None, first }
    }

    #[test]
    fn names_of_near_points_do_not_hide_each_other() {
        let points: Vec<Named> =
            (0..8).map(|i| point("a name of a point", 0.5 + f64::from(i) * 1e-3, 0.5, i % 2 == 0)).collect();
        let places: Vec<[f64; 2]> =
            points.iter().map(|point| [LEFT + 400.0 * point.x, TOP + 300.0 * point.y]).collect();
        let labels = labels(&points, &places);
        assert_eq!(labels.len(), points.len());
        for (index, label) in labels.iter().enumerate() {
            for other in &labels[..index] {
                let overlap = label.overlaps([other.left, other.top], [other.width, LETTER[1]]);
                assert_eq!(overlap, 0.0, "{label:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_drawing_stands_alone() {
        let points = [
            Named { deviation: Some(0.0004), ..point("ours", 1e4, 0.995, true) },
            point("theirs & others", 1e5, 0.997, false),
        ];
        let x = Axis::log("bytes", points.iter().map(|point| point.x)).labelled(|value| format!("{value} B"));
        let y = Axis::accuracy("accuracy", points.iter().map(|point| point.y));
        let text = named("two points", [&x, &y], ["ours", "published"], &points).into_string();
        assert!(text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{text}");
        for expected in ["prefers-color-scheme: dark", "theirs &amp; others", "class=\"bar\"", "10000 B"] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(!text.contains("NaN"), "{text}");
    }
}
