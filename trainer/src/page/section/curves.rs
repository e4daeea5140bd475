//! How training went: loss, accuracy and learning rate over the epochs of both phases.

use maud::{Markup, html};

use super::{folded, share};
use crate::log::{Entry, Line};
use crate::page::Facts;
use crate::page::chart::{Axis, Band, Series, line};
use crate::page::subject::State;
use crate::train::Epoch;

/// Points over epochs, with fractions within one.
type Points = Vec<(f64, f64)>;

pub(super) fn body(facts: &Facts<'_>) -> Markup {
    let subject = facts.subject;
    if subject.history.is_empty() {
        return html! {
            p.lead {
                @match subject.state {
                    State::Model => "How training went is not known here: the directory of a model has no history of the \
                                     run that it comes from.",
                    State::Training => "The run was interrupted in its first epoch.",
                    State::Finished => "How training went is not known any more: checkpoint and log are gone.",
                }
            }
        };
    }
    let history = &subject.history;
    let of = |value: fn(&Epoch) -> f64| -> Points {
        history.iter().enumerate().map(|(index, epoch)| ((index + 1) as f64, value(epoch))).collect()
    };
    let steps = Steps::new(history, &subject.lines);
    let float = history.iter().filter(|epoch| !epoch.integer).count();
    let bands = if float < history.len() {
        vec![Band { from: float as f64, to: history.len() as f64, name: "integers" }]
    } else {
        Vec::new()
    };
    // Steps where they were logged, else epochs.
    let train = |points: Points, value: fn(&Epoch) -> f64| {
        let dots = points.is_empty();
        Series { class: "train", points: if dots { of(value) } else { points }, dots }
    };
    let validation = |value: fn(&Epoch) -> f64| Series { class: "validation", points: of(value), dots: true };
    let losses = [train(steps.loss, |epoch| epoch.loss), validation(|epoch| epoch.validation_loss)];
    let accuracies =
        [train(steps.accuracy, |epoch| epoch.accuracy), validation(|epoch| epoch.validation_accuracy)];
    // Single batches may all be right, or all wrong: what matters is the range of whole epochs.
    let values = |of: [fn(&Epoch) -> f64; 2], first: &Series| -> Vec<f64> {
        let epochs = history.iter().flat_map(|epoch| of.map(|of| of(epoch)));
        epochs.chain(first.points.get(first.points.len() / 40).map(|point| point.1)).collect()
    };
    let loss_values = values([|epoch| epoch.loss, |epoch| epoch.validation_loss], &losses[0]);
    let accuracy_values = values([|epoch| epoch.accuracy, |epoch| epoch.validation_accuracy], &accuracies[0]);
    let epochs = Axis::count("epoch", history.len());
    let chart = |title: &str, axis: &Axis, series: &[Series], show: &dyn Fn(f64) -> String| {
        html! {
            div.card { h3 { (title) } (line(&format!("{title} over epochs"), [&epochs, axis], &bands, series, show)) }
        }
    };
    let rates = Series { class: "train", points: steps.rate, dots: false };
    html! {
        p.lead {
            @match subject.state {
                State::Training => "The run is under way: these are its finished epochs. ",
                _ => "",
            }
            "Training images are distorted anew in every epoch, so that they are harder than the validation images, \
             which are not."
            @if !bands.is_empty() { " In the tinted part, the network computes with the integers of the board." }
        }
        ul.key {
            li.blue { i {} "training images" }
            li.orange { i {} "validation images" }
        }
        div.grid {
            (chart("Loss", &Axis::log("", loss_values.into_iter()), &losses, &|value| format!("{value:.4}")))
            (chart("Accuracy", &Axis::accuracy("", accuracy_values.into_iter()), &accuracies, &share))
            @if !rates.points.is_empty() {
                @let highest = rates.points.iter().map(|point| point.1).fold(0.0, f64::max);
                (chart("Learning rate", &Axis::linear("", 0.0, highest * 1.05), &[rates], &|value| format!("{value:e}")))
            }
        }
        (folded("Table of the epochs", &["epoch", "loss", "accuracy", "validation loss", "validation accuracy", "seconds"],
            &rows(history)))
    }
}

fn rows(history: &[Epoch]) -> Vec<Vec<String>> {
    let row = |epoch: &Epoch| {
        let phase = if epoch.integer { "integers" } else { "float" };
        vec![
            format!("{phase} {}", epoch.number),
            format!("{:.4}", epoch.loss),
            share(epoch.accuracy),
            format!("{:.4}", epoch.validation_loss),
            share(epoch.validation_accuracy),
            format!("{:.1}", epoch.seconds),
        ]
    };
    history.iter().map(row).collect()
}

/// What was logged by step, placed among the epochs.
#[derive(Default)]
struct Steps {
    loss: Points,
    accuracy: Points,
    rate: Points,
}

impl Steps {
    fn new(history: &[Epoch], lines: &[Line]) -> Steps {
        // Steps at the ends of the epochs; a log of another run, or without its beginning, has others.
        let ends: Vec<u64> = lines
            .iter()
            .filter(|line| matches!(line.entry, Entry::Epoch { .. }))
            .map(|line| line.step)
            .collect();
        let mut steps = Steps::default();
        if ends.len() != history.len() {
            return steps;
        }
        for line in lines {
            let Entry::Step { loss, accuracy, learning_rate, .. } = line.entry else { continue };
            let epoch = ends.partition_point(|end| *end < line.step);
            let Some(end) = ends.get(epoch) else { break };
            let begin = epoch.checked_sub(1).map_or(0, |before| ends[before]);
            let within = (line.step - begin) as f64 / (end - begin).max(1) as f64;
            let x = epoch as f64 + within;
            steps.loss.push((x, loss));
            steps.accuracy.push((x, accuracy));
            steps.rate.push((x, learning_rate));
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Phase;

    #[test]
    fn steps_are_placed_within_their_epochs() {
        let epoch = Epoch {
            integer: false,
            number: 1,
            loss: 1.0,
            accuracy: 0.5,
            validation_loss: 1.0,
            validation_accuracy: 0.5,
            seconds: 1.0,
        };
        let phase = Phase::Float;
        let step = |step| {
            let entry = Entry::Step {
                phase,
                epoch: 1,
                loss: step as f64,
                accuracy: 0.5,
                learning_rate: 0.1,
                images_per_second: 1.0,
            };
            Line { step, time: 0.0, entry }
        };
        let end = |step| {
            let entry = Entry::Epoch {
                phase,
                epoch: 1,
                loss: 1.0,
                accuracy: 0.5,
                validation_loss: 1.0,
                validation_accuracy: 0.5,
                learning_rate: 0.1,
                seconds: 1.0,
            };
            Line { step, time: 0.0, entry }
        };
        let lines = [step(5), step(10), end(10), step(15), step(30), end(30), step(35)];
        let steps = Steps::new(&[epoch.clone(), epoch.clone()], &lines);
        assert_eq!(steps.loss, [(0.5, 5.0), (1.0, 10.0), (1.25, 15.0), (2.0, 30.0)]);
        assert!(Steps::new(&[epoch], &lines).loss.is_empty());
    }
}
