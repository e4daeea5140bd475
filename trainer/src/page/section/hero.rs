//! The head of the page: which run, and how good it is.

use maud::{Markup, html};

use super::share;
use crate::page::Facts;
use crate::page::subject::State;
use crate::report::{duration, thousands};

/// A figure with its unit, and what is said below it.
struct Figure {
    name: &'static str,
    value: String,
    unit: &'static str,
    about: String,
    main: bool,
}

pub(crate) fn hero(facts: &Facts<'_>) -> Markup {
    let Facts { subject, images, .. } = facts;
    let (plan, from) = (&subject.plan, &subject.provenance);
    let state = match subject.state {
        State::Finished => "finished run",
        State::Training => "still training",
        State::Model => "model, without the run that it comes from",
    };
    html! {
        header.hero {
            div.badge { (state) }
            h1 { (plan.name) }
            p.lead {
                (plan.input.height) " \u{d7} " (plan.input.width) " grey pixels to " (plan.classes()) " classes by "
                (plan.steps.len()) " layers with " (thousands(plan.parameters() as u64)) " parameters; trained on "
                (from.dataset) ", seed " (from.seed) ". The figures are of " (thousands(images.len() as u64)) " "
                @match subject.state {
                    State::Training => "validation images: while a run is under way, the test set stays closed.",
                    _ => "test images, which training never saw.",
                }
            }
            dl.figures {
                @for figure in figures(facts) {
                    div.main[figure.main] {
                        dt { (figure.name) }
                        dd {
                            div.value { (figure.value) @if !figure.unit.is_empty() { " " span.unit { (figure.unit) } } }
                            div.about { (figure.about) }
                        }
                    }
                }
            }
        }
    }
}

fn figures(facts: &Facts<'_>) -> Vec<Figure> {
    let Facts { subject, images, measured, .. } = facts;
    let all = images.len();
    let of = |correct: usize| format!("{} of {} right", thousands(correct as u64), thousands(all as u64));
    let accuracy = |correct: usize| format!("{:.2}", 100.0 * correct as f64 / all.max(1) as f64);
    let float = Figure {
        name: "Accuracy in floats",
        value: accuracy(measured.float_correct),
        unit: "%",
        about: of(measured.float_correct),
        main: measured.board.is_none(),
    };
    let mut figures = Vec::new();
    if let Some(board) = &measured.board {
        figures.push(Figure {
            name: "Accuracy in integers",
            value: accuracy(board.correct),
            unit: "%",
            about: format!("{}; as on a board", of(board.correct)),
            main: true,
        });
    }
    figures.push(float);
    if let Some(board) = &measured.board {
        let plain = |name, value: u64, unit, about: &str| Figure {
            name,
            value: thousands(value),
            unit,
            about: about.to_owned(),
            main: false,
        };
        figures.push(plain("Weights", board.weight_bytes as u64, "bytes", "in flash"));
        figures.push(plain(
            "Scratch",
            board.scratch_bytes as u64,
            "bytes",
            "of RAM, all that inference takes",
        ));
        figures.push(plain("Work", board.macs, "", "multiply-accumulates an image"));
    }
    if let Some(last) = subject.history.last() {
        let seconds: f64 = subject.history.iter().map(|epoch| epoch.seconds).sum();
        figures.push(Figure {
            name: "Training",
            value: duration(seconds),
            unit: "",
            about: format!(
                "{} epochs; validation {} at the end",
                subject.history.len(),
                share(last.validation_accuracy)
            ),
            main: false,
        });
    }
    figures
}
