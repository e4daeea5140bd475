//! Which classes are taken for which.

use maud::{Markup, html};

use crate::page::Facts;
use crate::report::{Confusion, percent, thousands};

pub(super) fn body(facts: &Facts<'_>) -> Markup {
    let mut confusion = Confusion::new(facts.subject.classes());
    for answer in &facts.measured.answers {
        confusion.add(answer.label, answer.class);
    }
    let classes = confusion.classes();
    let wrong = |label: usize, class: usize| if label == class { 0 } else { confusion.count(label, class) };
    let most = (0..classes).flat_map(|label| (0..classes).map(move |class| (label, class)));
    let most = most.map(|(label, class)| wrong(label, class)).max().unwrap_or(0);
    let arithmetic = if facts.measured.board.is_some() { "integers" } else { "floats" };
    html! {
        p.lead {
            "Rows are what an image is, columns what the network, in " (arithmetic) ", took it for: "
            (thousands(confusion.correct())) " of " (thousands(confusion.total())) " on the diagonal."
        }
        @if let Some(names) = facts.classes {
            p.note {
                @for (class, name) in names.iter().enumerate() { @if class > 0 { ", " } (class) " is " (name) }
                "."
            }
        }
        div.card.scroll {
            table.confusion {
                thead {
                    tr {
                        th.side scope="col" { "is" }
                        @for class in 0..classes { th scope="col" { (class) } }
                        th.side scope="col" { "recall" }
                    }
                }
                tbody {
                    @for label in 0..classes {
                        tr {
                            th scope="row" { (label) }
                            @for class in 0..classes { (cell(&confusion, label, class, most)) }
                            @let (right, all) = confusion.recall(label);
                            td.side { (percent(right, all)) }
                        }
                    }
                    tr {
                        th.side scope="row" { "precision" }
                        @for class in 0..classes {
                            td.side style="padding:.4rem 0;text-align:center;font-size:.85em" {
                                @let (right, all) = confusion.precision(class);
                                (short(right, all))
                            }
                        }
                        td {}
                    }
                }
            }
        }
    }
}

fn cell(confusion: &Confusion, label: usize, class: usize, most: u64) -> Markup {
    let count = confusion.count(label, class);
    let title = format!("{} images of {label} taken for {class}", thousands(count));
    if label == class {
        return html! { td.cell.right title=(title) { (thousands(count)) } };
    }
    if count == 0 {
        return html! { td.cell.none title=(title) { "\u{b7}" } };
    }
    // Some colour for one image already.
    let heat = 16.0 + 64.0 * (count as f64 / most.max(1) as f64);
    html! { td.cell.wrong title=(title) style=(format!("--heat:{heat:.0}%")) { (thousands(count)) } }
}

/// A percentage for a narrow column.
fn short(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.1}", 100.0 * part as f64 / whole as f64) }
}
