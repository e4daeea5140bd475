//! Which images are alike: to the pixels, to a network without training, and to the trained one.

use core::fmt::Write as _;

use maud::{Markup, html};

use super::{Align, table};
use crate::page::Facts;
use crate::page::chart::scatter;
use crate::report::thousands;

pub(super) fn body(facts: &Facts<'_>) -> Markup {
    let Some(first) = facts.maps.first() else {
        return html! { p.lead { "There are too few images for a map." } };
    };
    let count = first.points.len();
    let classes: Vec<usize> =
        facts.images.labels.iter().take(count).map(|label| usize::from(*label)).collect();
    let all = facts.subject.classes();
    let rows: Vec<Vec<String>> = facts
        .maps
        .iter()
        .map(|map| vec![map.name.to_owned(), map.about.clone(), format!("{:.1} %", map.purity * 100.0)])
        .collect();
    html! {
        p.lead {
            "The first " (thousands(count as u64)) " images, each drawn as its class and placed near those like it by \
             t-SNE. Training is what pulls the classes apart."
            @if facts.maps.len() == 1 { " The network has no hidden layer, and so no map of its own." }
        }
        ul.classes aria-label="Classes; point at one to see it alone" {
            @for class in 0..all { li class=(format!("k{class}")) tabindex="0" { (class) } }
        }
        div.maps {
            @for map in facts.maps {
                div.card {
                    h3 { (map.name) }
                    p.note { (map.about) "." }
                    (scatter(&format!("t-SNE map: {}", map.about), &map.points, &classes, all))
                    p.note.purity {
                        b { (format!("{:.1} %", map.purity * 100.0)) }
                        " of the ten nearest neighbours are of the same class"
                    }
                }
            }
        }
        details { summary { "Table of the maps" } (table(&[("map", Align::Left), ("of", Align::Left), ("neighbours of the same class", Align::Right)], &rows)) }
    }
}

/// The colours of the classes, and what pointing at one does.
pub(crate) fn style(classes: usize) -> String {
    let mut style = String::new();
    for class in 0..classes {
        // Writing to a String cannot fail.
        let _ = write!(
            style,
            ".k{class} text{{fill:var(--c{class})}}li.k{class}{{color:var(--c{class})}}\
             #space:has(li.k{class}:is(:hover,:focus)) g:not(.k{class}) text{{opacity:.07}}"
        );
    }
    style
}
