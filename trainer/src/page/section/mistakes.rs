//! The images that were not recognised, worst first; where there are none, those that nearly were not.

use maud::{Markup, html};

use crate::page::Facts;
use crate::page::image;
use crate::page::measure::Answer;
use crate::report::thousands;

/// Images shown, at most.
const SHOWN: usize = 60;
/// Of these, images that need no unfolding.
const FIRST: usize = 28;
/// Least certain right answers shown where nothing is wrong.
const NARROW: usize = 12;

pub(super) fn body(facts: &Facts<'_>) -> Markup {
    let answers = &facts.measured.answers;
    let mut wrong: Vec<(usize, &Answer)> =
        answers.iter().enumerate().filter(|(_, answer)| answer.class != answer.label).collect();
    // Worst is where the right answer seemed least likely.
    wrong.sort_by(|a, b| a.1.of_label().total_cmp(&b.1.of_label()).then(a.0.cmp(&b.0)));
    if wrong.is_empty() {
        let mut narrow: Vec<(usize, &Answer)> = answers.iter().enumerate().collect();
        narrow.sort_by(|a, b| a.1.of_label().total_cmp(&b.1.of_label()).then(a.0.cmp(&b.0)));
        narrow.truncate(NARROW);
        return html! {
            p.lead { "None: all " (thousands(answers.len() as u64)) " images were recognised. These were the least certain." }
            (gallery(facts, &narrow))
        };
    }
    let count = wrong.len();
    wrong.truncate(SHOWN);
    html! {
        p.lead {
            (thousands(count as u64)) " of " (thousands(answers.len() as u64)) " images were not recognised"
            @if count > wrong.len() { "; these are the " (wrong.len()) " worst" }
            ". Below each, the network's answer and then the truth, with the probability that it gave to them."
        }
        @let (first, rest) = wrong.split_at(wrong.len().min(FIRST));
        (gallery(facts, first))
        @if !rest.is_empty() {
            details { summary { (rest.len()) " more" } (gallery(facts, rest)) }
        }
    }
}

fn gallery(facts: &Facts<'_>, shown: &[(usize, &Answer)]) -> Markup {
    html! {
        div.gallery {
            @for (index, answer) in shown {
                figure {
                    img.pixels width=(facts.images.width) height=(facts.images.height)
                        alt=(format!("image {index}, a {}", answer.label))
                        src=(image::grey(facts.images.image(*index), facts.images.width));
                    figcaption {
                        (guess("orange", answer.class, answer.of_answer()))
                        @if answer.class != answer.label { (guess("blue", answer.label, answer.of_label())) }
                        div.index { "image " (thousands(*index as u64)) }
                    }
                }
            }
        }
    }
}

fn guess(color: &str, class: usize, probability: f64) -> Markup {
    let percent = probability * 100.0;
    html! {
        div class=(format!("guess {color}")) {
            span { (class) }
            b style=(format!("--share:{percent:.1}%")) {}
            span { (format!("{percent:.1} %")) }
        }
    }
}
