//! The sections of a page, in order. Each makes its part of the HTML from the facts, or says why there is nothing
//! to show.

mod confusion;
mod curves;
mod files;
mod filters;
mod hero;
mod layers;
mod mistakes;
mod space;
mod weights;

use maud::{Markup, html};

use super::Facts;
use crate::model::Operation;
use crate::report::Align;

pub(super) use files::colophon;
pub(super) use hero::hero;
pub(super) use space::style as space_style;

/// A section: the end of its address, its title, and what follows that.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) body: Markup,
}

/// All sections.
pub(super) fn all(facts: &Facts<'_>) -> Vec<Section> {
    let section = |id, title, body| Section { id, title, body };
    vec![
        section("curves", "Training", curves::body(facts)),
        section("confusion", "Confusion", confusion::body(facts)),
        section("mistakes", "Mistakes", mistakes::body(facts)),
        section("layers", "Layers", layers::body(facts)),
        section("filters", "Filters", filters::body(facts)),
        section("weights", "Weights", weights::body(facts)),
        section("space", "What it sees", space::body(facts)),
        section("files", "Files", files::body(facts)),
    ]
}

/// A table that can scroll on its own.
fn table(header: &[(&str, Align)], rows: &[Vec<String>]) -> Markup {
    let left = |column: usize| header.get(column).is_some_and(|(_, align)| *align == Align::Left);
    html! {
        div.scroll {
            table {
                thead {
                    tr { @for (column, (title, _)) in header.iter().enumerate() { th.left[left(column)] scope="col" { (title) } } }
                }
                tbody {
                    @for row in rows {
                        tr { @for (column, cell) in row.iter().enumerate() { td.left[left(column)] { (cell) } } }
                    }
                }
            }
        }
    }
}

/// A table behind a line that unfolds: the first column is text, the others are numbers.
fn folded(title: &str, header: &[&str], rows: &[Vec<String>]) -> Markup {
    let align = |column: usize| if column == 0 { Align::Left } else { Align::Right };
    let header: Vec<(&str, Align)> =
        header.iter().enumerate().map(|(column, title)| (*title, align(column))).collect();
    html! { details { summary { (title) } (table(&header, rows)) } }
}

/// `98.76 %` of a share.
fn share(value: f64) -> String {
    format!("{:.2} %", value * 100.0)
}

/// Whether a layer has weights that a picture can show.
fn has_weights(operation: &Operation) -> bool {
    matches!(operation, Operation::Convolution { .. } | Operation::Dense)
}
