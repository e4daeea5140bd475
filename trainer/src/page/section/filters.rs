//! The weights of the first layers as pictures.

use maud::{Markup, html};

use super::has_weights;
use crate::model::{FloatLayer, Operation};
use crate::page::Facts;
use crate::page::image::{Sheet, largest};

/// Layers shown.
const LAYERS: usize = 2;
/// Units of a dense layer, or filters of one channel, shown at most.
const UNITS: usize = 48;
/// Filters and channels of a convolution shown, at most.
const FILTERS: usize = 32;

pub(super) fn body(facts: &Facts<'_>) -> Markup {
    let layers = facts.subject.float.layers.iter().filter(|layer| has_weights(&layer.operation));
    // A dense layer after the first has no picture: its inputs have no order.
    let shown =
        layers.enumerate().take_while(|(index, layer)| *index == 0 || layer.operation != Operation::Dense);
    let shown: Vec<&FloatLayer> = shown.map(|(_, layer)| layer).take(LAYERS).collect();
    html! {
        p.lead { "Weights of the first layers, in floats, with batch norm folded into them: full colour is the largest \
                  of the layer, and where there is no colour the weight is near zero." }
        ul.key {
            li style="color:#e06c10" { i.square {} "positive" }
            li style="color:#2c7fd0" { i.square {} "negative" }
        }
        div.grid {
            @for layer in shown {
                div.card {
                    h3 { (layer.name) }
                    (picture(layer))
                }
            }
        }
    }
}

fn picture(layer: &FloatLayer) -> Markup {
    let outputs = layer.output.channels;
    match &layer.operation {
        Operation::Convolution { window, groups, .. } => {
            let [height, width] = window.kernel;
            let channels = layer.input.channels / groups;
            let tiles = layer.weights.chunks_exact((height * width).max(1));
            if channels == 1 {
                return html! {
                    p.note {
                        (outputs) " filters of " (height) " \u{d7} " (width) " for one channel each"
                        @if outputs > UNITS { "; the first " (UNITS) }
                    }
                    (alone([height, width], tiles.take(UNITS), 78.0 / width as f64))
                };
            }
            let (filters, inputs) = (outputs.min(FILTERS), channels.min(FILTERS));
            let sheet = Sheet { tile: [height, width], columns: inputs };
            let rows = tiles
                .enumerate()
                .filter(|(index, _)| index % channels < inputs && index / channels < filters);
            html! {
                p.note {
                    (outputs) " filters of " (height) " \u{d7} " (width) ", a row each, for " (channels)
                    " channels, a column each"
                    @if filters < outputs || inputs < channels { "; the first " (filters) " by " (inputs) }
                }
                @let shown: Vec<&[f32]> = rows.map(|(_, tile)| tile).collect();
                @let most = largest(shown.iter().copied());
                div.filters { (sheet.draw("filters by channels", &shown, most, 480.0 / (inputs * (width + 1)).max(48) as f64)) }
            }
        }
        _ => {
            let (height, width) = (layer.input.height, layer.input.width);
            let area = (height * width * layer.input.channels).max(1);
            let units = outputs.min(UNITS);
            let tiles = layer.weights.chunks_exact(area).take(units).map(|row| &row[..height * width]);
            html! {
                p.note {
                    "Weights of "
                    @if units < outputs { "the first " (units) " of " } (outputs)
                    " units, each a picture of what it looks for"
                }
                (alone([height, width], tiles, 84.0 / width as f64))
            }
        }
    }
}

/// Pictures that flow as the width allows, all on the same scale.
fn alone<'a>(tile: [usize; 2], tiles: impl Iterator<Item = &'a [f32]>, zoom: f64) -> Markup {
    let tiles: Vec<&[f32]> = tiles.collect();
    let largest = largest(tiles.iter().copied());
    let sheet = Sheet { tile, columns: 1 };
    html! {
        div.tiles {
            @for (index, weights) in tiles.iter().enumerate() {
                (sheet.draw(&format!("weights {}", index + 1), &[weights], largest, zoom))
            }
        }
    }
}
