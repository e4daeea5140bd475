//! The layers: what they are made of, what values go through them, and what quantization costs there.

use maud::{Markup, html};

use super::{Align, table};
use crate::model::{FloatLayer, QuantizedLayer};
use crate::page::Facts;
use crate::page::measure::Activations;
use crate::report::thousands;
use crate::summary::Summary;

/// The signal is so many decibels above the error where a bar is full: 8 bits reach about 50.
const FULL: f64 = 60.0;

pub(super) fn body(facts: &Facts<'_>) -> Markup {
    let subject = facts.subject;
    let summary = match &subject.quantized {
        Some(network) => Summary::of_network(network),
        None => Summary::of_plan(&subject.plan),
    };
    html! {
        p.lead { "A layer as the runtime computes it, with its activation, and the max-pool that is fused into it." }
        @match &summary {
            Ok(summary) => div.card { (network(summary)) },
            Err(error) => p.note { (format!("{error:#}")) },
        }
        h3 { "Ranges of activations" }
        (ranges(facts))
        @if let Some(network) = &subject.quantized {
            h3 { "Error of quantization" }
            p.lead {
                "The error of weights is that between those of the float network and their integers; of activations, \
                 what has added up until there. Both contain what training with integers has changed on purpose. \
                 Twenty decibels more are an error ten times smaller."
            }
            div.card.scroll { (errors(facts, &network.layers)) }
        }
    }
}

fn network(summary: &Summary) -> Markup {
    let some = |number: u64| if number == 0 { "-".to_owned() } else { thousands(number) };
    let row = |layer: &crate::summary::LayerSummary| {
        let [height, width, channels] = layer.output;
        vec![
            layer.name.clone(),
            layer.what.clone(),
            format!("{height} \u{d7} {width} \u{d7} {channels}"),
            some(layer.parameters),
            layer.bits.map_or_else(|| "-".to_owned(), |bits| bits.to_string()),
            some(layer.macs),
            some(layer.weight_bytes),
            some(layer.scratch_bytes),
        ]
    };
    let mut rows: Vec<Vec<String>> = summary.layers.iter().map(row).collect();
    let empty = String::new;
    rows.push(vec![
        "total".to_owned(),
        empty(),
        empty(),
        thousands(summary.parameters),
        empty(),
        thousands(summary.macs),
        thousands(summary.weight_bytes),
        thousands(summary.scratch_bytes),
    ]);
    let (left, right) = (Align::Left, Align::Right);
    let header = [
        ("layer", left),
        ("what", left),
        ("output", right),
        ("parameters", right),
        ("bits", right),
        ("MACs", right),
        ("weights, bytes", right),
        ("scratch, bytes", right),
    ];
    table(&header, &rows)
}

fn ranges(facts: &Facts<'_>) -> Markup {
    let subject = facts.subject;
    let layers = &facts.measured.layers;
    if layers.is_empty() {
        return html! { p.note { "There is no layer between the image and the logits." } };
    }
    html! {
        p.lead {
            "Values of the float network on up to 500 images"
            @if subject.quantized.is_some() {
                ", as shares of what the integers can represent: the dark bar ends at the median of the magnitudes, \
                 the light one at 99 % of them, the mark at the largest. What lies beyond is clipped"
            }
            "."
        }
        div.card.scroll {
            table {
                thead {
                    tr {
                        @for title in ["layer", "least", "median", "99 %", "99.9 %", "largest"] { th scope="col" { (title) } }
                        @if subject.quantized.is_some() {
                            th scope="col" { "representable" }
                            th.left scope="col" { "use of the range" }
                            th scope="col" { "clipped" }
                        }
                    }
                }
                tbody {
                    @for (index, values) in layers.iter().enumerate() {
                        (range(subject.float.layers.get(index), subject.quantized.as_ref().and_then(|network| network.layers.get(index)), values))
                    }
                }
            }
        }
    }
}

fn range(float: Option<&FloatLayer>, quantized: Option<&QuantizedLayer>, values: &Activations) -> Markup {
    let [median, high, higher] = values.percentiles;
    let largest = values.most.max(-values.least);
    html! {
        tr {
            th scope="row" { (float.map_or("", |layer| layer.name.as_str())) }
            @for value in [values.least, median, high, higher, largest] { td { (format!("{value:.3}")) } }
            @if let Some(layer) = quantized {
                @let most = if layer.output_encoding.signed { 127.0 } else { 255.0 };
                @let most = most * (-f64::from(layer.output_encoding.exponent)).exp2();
                @let share = |value: f32| format!("{:.1}%", (f64::from(value) / most * 100.0).clamp(0.0, 98.5));
                td { (format!("{most:.3}")) }
                td.left {
                    span.meter role="img" aria-label=(format!("median {}, 99 % {}, largest {}", share(median), share(high), share(largest))) {
                        b style=(format!("width:{}", share(high))) {}
                        b.half style=(format!("width:{}", share(median))) {}
                        i style=(format!("left:{}", share(largest))) {}
                    }
                }
                td { (format!("{:.3} %", values.clipped * 100.0)) }
            }
        }
    }
}

fn errors(facts: &Facts<'_>, layers: &[QuantizedLayer]) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "layer" }
                    th scope="col" { "bits a weight" }
                    th.left scope="col" colspan="2" { "weights, signal to error" }
                    th.left scope="col" colspan="2" { "activations, signal to error" }
                }
            }
            tbody {
                @for (index, (layer, float)) in layers.iter().zip(&facts.subject.float.layers).enumerate() {
                    tr {
                        th scope="row" { (layer.name) }
                        td { @if layer.weights.is_empty() { "-" } @else { (layer.weight_bits) } }
                        (decibels(weight_error(float, layer), "half"))
                        (decibels(facts.measured.layers.get(index).and_then(activation_error), "half"))
                    }
                }
            }
        }
    }
}

fn decibels(ratio: Option<f64>, class: &str) -> Markup {
    let Some(ratio) = ratio else { return html! { td { "-" } td {} } };
    let width = format!("width:{:.1}%", (ratio / FULL * 100.0).clamp(0.0, 100.0));
    let text = if ratio.is_finite() { format!("{ratio:.1} dB") } else { "exact".to_owned() };
    html! {
        td { (text) }
        td.left { span.meter aria-hidden="true" { b class=(class) style=(width) {} } }
    }
}

/// Signal to error of the weights, in decibels.
fn weight_error(float: &FloatLayer, layer: &QuantizedLayer) -> Option<f64> {
    if layer.weights.is_empty() {
        return None;
    }
    let pairs = float.weights.iter().zip(dequantized(layer));
    let (signal, error) = pairs.fold((0.0, 0.0), |(signal, error), (float, integer)| {
        let float = f64::from(*float);
        (signal + float * float, error + (float - f64::from(integer)).powi(2))
    });
    Some(10.0 * (signal / error).log10())
}

/// The weights that the integers of a layer stand for.
pub(super) fn dequantized(layer: &QuantizedLayer) -> impl Iterator<Item = f32> + '_ {
    let fan_in = (layer.weights.len() / layer.weight_exponents.len().max(1)).max(1);
    layer.weights.iter().enumerate().map(move |(index, weight)| {
        let exponent = layer.weight_exponents.get(index / fan_in).copied().unwrap_or(0);
        f32::from(*weight) * (-exponent as f32).exp2()
    })
}

fn activation_error(values: &Activations) -> Option<f64> {
    values.error.map(|error| 10.0 * (values.power / error).log10())
}
