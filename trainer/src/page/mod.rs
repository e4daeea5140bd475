//! `trainer report`: everything about a run on one page of HTML that needs no network and no script.
//!
//! ```text
//! directory --> subject --> measure, embed --> section/* --> one file
//!               networks    answers, ranges,   HTML, SVG,
//!               history     features, maps     PNG
//! ```
//!
//! The page is the same, byte for byte, each time that it is made of the same files.

pub(crate) mod chart;
mod embed;
mod image;
pub(crate) mod import;
mod measure;
mod section;
mod subject;

use anyhow::{Result, ensure};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::measure::Measured;
pub use self::subject::Subject;
use crate::data::{Dataset, Source};
use crate::report::progress;

const STYLE: &str = include_str!("style.css");

/// Everything that the sections are made of.
struct Facts<'a> {
    subject: &'a Subject,
    images: &'a Dataset,
    /// Names of the classes, where they have others than numbers.
    classes: Option<&'a [String]>,
    measured: &'a Measured,
    maps: &'a [embed::Map],
}

/// Makes the page of a run or a model, on images of `source`, the first `limit` of them where that is given.
///
/// # Errors
///
/// Where data and network do not fit each other.
pub fn render(subject: &Subject, source: &Source, limit: Option<usize>) -> Result<String> {
    let mut images = source.load(subject.part(), subject.classes())?;
    images.expect_size(subject.plan.input.height, subject.plan.input.width)?;
    images.truncate(limit.unwrap_or(usize::MAX));
    ensure!(!images.is_empty(), "{}: no images", images.source);
    let passes = 1 + u64::from(subject.quantized.is_some());
    let bar = progress(passes * images.len() as u64, "images");
    bar.set_prefix(subject.part().to_string());
    let measured = measure::measure(subject, &images, &|done| bar.inc(done as u64));
    bar.finish_and_clear();
    let measured = measured?;
    let maps = embed::maps(subject, &images)?;
    let facts =
        Facts { subject, images: &images, classes: source.class_names(), measured: &measured, maps: &maps };
    Ok(page(&facts).into_string())
}

fn page(facts: &Facts<'_>) -> Markup {
    let sections = section::all(facts);
    let name = &facts.subject.plan.name;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (name) " \u{2013} training report" }
                style { (PreEscaped(STYLE)) (PreEscaped(section::space_style(facts.subject.classes()))) }
            }
            body {
                main { (section::hero(facts)) }
                div.bar {
                    div.inner {
                        nav aria-label="Sections" {
                            @for section in &sections {
                                a href=(format!("#{}", section.id)) { (section.title) }
                            }
                        }
                        (theme())
                    }
                }
                main {
                    @for section in &sections {
                        section id=(section.id) {
                            h2 { (section.title) }
                            (section.body)
                        }
                    }
                }
                footer { div.inner { (section::colophon(facts)) } }
            }
        }
    }
}

/// Chooses light or dark, without a script.
fn theme() -> Markup {
    html! {
        fieldset.theme {
            legend { "Colours" }
            @for (id, name) in [("auto", "auto"), ("light", "light"), ("dark", "dark")] {
                @if id == "auto" {
                    input type="radio" name="theme" id=(id) checked="checked";
                } @else {
                    input type="radio" name="theme" id=(id);
                }
                label for=(id) { (name) }
            }
        }
    }
}
