//! How the weights of each layer are distributed.

use maud::{Markup, html};

use super::folded;
use super::layers::dequantized;
use crate::model::{FloatLayer, QuantizedLayer};
use crate::page::Facts;
use crate::page::chart::{Histogram, histogram};
use crate::report::thousands;

pub(super) fn body(facts: &Facts<'_>) -> Markup {
    let subject = facts.subject;
    let of = |index: usize| subject.quantized.as_ref().and_then(|network| network.layers.get(index));
    let layers: Vec<(&FloatLayer, Option<&QuantizedLayer>)> = subject
        .float
        .layers
        .iter()
        .enumerate()
        .filter(|(_, layer)| !layer.weights.is_empty())
        .map(|(index, layer)| (layer, of(index)))
        .collect();
    let rows: Vec<Vec<String>> = layers.iter().map(|(layer, _)| row(layer)).collect();
    html! {
        p.lead { "Shares of the weights of a layer by their value." }
        ul.key {
            li.blue { i.square {} "float, batch norm folded" }
            @if subject.quantized.is_some() { li.orange { i {} "what the integers stand for" } }
        }
        div.grid.small {
            @for (layer, quantized) in &layers {
                @let bound = f64::from(largest(layer)).max(1e-9);
                @let float = Histogram::new(layer.weights.iter().copied(), bound);
                @let integer = quantized.map(|layer| Histogram::new(dequantized(layer), bound));
                div.card {
                    h3 { (layer.name) }
                    (histogram(&format!("histogram of the weights of {}", layer.name), &float, integer.as_ref()))
                }
            }
        }
        (folded("Table of the weights", &["layer", "weights", "mean", "standard deviation", "largest", "below 1 % of it"], &rows))
    }
}

fn largest(layer: &FloatLayer) -> f32 {
    layer.weights.iter().fold(0.0, |most, weight| most.max(weight.abs()))
}

fn row(layer: &FloatLayer) -> Vec<String> {
    let count = layer.weights.len().max(1) as f64;
    let values = || layer.weights.iter().map(|weight| f64::from(*weight));
    let mean = values().sum::<f64>() / count;
    let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    let most = f64::from(largest(layer));
    let small = values().filter(|value| value.abs() < most / 100.0).count() as f64 / count;
    vec![
        layer.name.clone(),
        thousands(layer.weights.len() as u64),
        format!("{mean:.4}"),
        format!("{:.4}", variance.sqrt()),
        format!("{most:.4}"),
        format!("{:.1} %", small * 100.0),
    ]
}
