//! The files of the directory, and the commands that make them again.

use maud::{Markup, html};

use crate::files::model_files;
use crate::page::Facts;
use crate::page::subject::State;
use crate::report::thousands;

/// What the files of a directory are for, beside those of the model.
const OTHERS: [(&str, &str); 4] = [
    ("config.toml", "the whole configuration of the training"),
    ("checkpoint.bin", "from which --resume goes on"),
    ("trained.bin", "from which `trainer export` writes the files of the model again"),
    ("log.jsonl", "figures of the training, a line of JSON each"),
];

pub(super) fn body(facts: &Facts<'_>) -> Markup {
    let subject = facts.subject;
    let directory = &subject.directory;
    let name = &subject.plan.name;
    let own = model_files(directory, name).into_iter().map(|path| {
        let file = path.file_name().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
        let about = about(&file, name);
        (file, about)
    });
    let others = OTHERS.iter().map(|(file, about)| ((*file).to_owned(), *about));
    let rows: Vec<(String, String, &str)> = own
        .chain(others)
        .filter_map(|(file, about)| {
            let length = std::fs::metadata(directory.join(&file)).ok()?.len();
            Some((file, thousands(length), about))
        })
        .collect();
    let shown = directory.display();
    let from = &subject.provenance;
    let data = if from.dataset == "MNIST" { "" } else { " --data DIR" };
    html! {
        div.card.scroll {
            table {
                thead { tr { th scope="col" { "file" } th scope="col" { "bytes" } th.left scope="col" { "what" } } }
                tbody {
                    @for (file, length, about) in &rows {
                        tr { td { code { (file) } } td { (length) } td.left.wrap { (about) } }
                    }
                }
            }
        }
        h3 { "To make them again" }
        p.lead { "On one machine\u{2019}s CPU, a seed gives the same files, bit for bit." }
        pre { code {
            @if subject.state == State::Training {
                "trainer train --resume " (shown) (data) "      # goes on where it was interrupted\n"
            }
            "trainer train " (shown) "/config.toml" (data) "\n"
            @if subject.state != State::Training {
                "trainer verify " (shown) (data) "      # every layer, board against ONNX, bit for bit\n"
            }
            "trainer report " (shown) (data) "      # this page"
        } }
        details {
            summary { "config.toml" }
            pre { code { (from.config_toml.trim_end()) } }
        }
    }
}

fn about(file: &str, name: &str) -> &'static str {
    match file.strip_prefix(name).unwrap_or(file) {
        ".postcard" => "for the board, and every core",
        ".golden.postcard" => "one test image a class with its logits: what a board must compute",
        ".onnx" => "for the desktop, quantized: the same bits as on a board",
        ".float.onnx" => "for the desktop, before quantization",
        "CARD.md" => "what the model is, in words",
        _ => "for one core, its weights in the order that is fastest there",
    }
}

/// The last line of the page.
pub(crate) fn colophon(facts: &Facts<'_>) -> Markup {
    let from = &facts.subject.provenance;
    html! {
        "Trained by Tenfold " (from.tenfold_version) ". Images: " (facts.images.source) ", "
        (thousands(facts.images.len() as u64)) " of the " (facts.subject.part()) " set."
        @if from.dataset == "MNIST" {
            " MNIST is by Yann LeCun, Corinna Cortes and Christopher J. C. Burges, CC BY-SA 3.0."
        }
    }
}
