//! `RESULTS.md`: all rows, those that were not run included.

use std::collections::{BTreeMap, BTreeSet};

use super::line::{Line, Size};
use super::rows::{OURS, ROWS, Recipe};
use crate::experiment::Spread;
use crate::report::thousands;

/// The text of the document.
pub(super) fn render(lines: &[Line], quick: bool) -> String {
    let mut text = format!(
        "# Results\n\n\
         Written by `cargo run --release -- reproduce`, which trains every network below, exports it, and compares the \
         quantized network with its QDQ ONNX file: every value of every layer, every test image. \
         `cargo run --release -- reproduce --help` tells how to run a part of it.\n\n\
         - Accuracies are in per cent of MNIST's {} test images, or of those that a remark names, after the last \
         epoch; mean ± sample standard deviation where there are several runs, with seeds 1, 2, ... Nothing was \
         chosen on the test set.\n\
         - 55,000 images to train and 5,000 to validate, unless a configuration says otherwise.\n\
         - `difference` is that of our float mean to what is reported, in points: to the larger number of a range.\n\
         - `exact` counts the runs whose quantized network has the bits of its ONNX file in every value of every layer; \
         `largest sum` is in per cent of 2^24, below which `f32` is exact, of the first run.\n\
         - `s/epoch` is of {}, and whatever else it did.\n",
        images(lines),
        machine(lines)
    );
    if quick {
        text = format!(
            "# Results of a trial\n\n**Three steps of training each, and few images: the accuracies mean nothing.**\n\n{}",
            text.trim_start_matches("# Results\n\n")
        );
    } else {
        text.push_str(
            "- A row may be from an earlier run than others, on another machine, by an earlier version: where fewer runs \
             are at hand than are recorded in `results.json` beside this file, the recorded line stays. `not run` is \
             what nothing is recorded of.\n",
        );
    }
    let section = |title: &str, recipe: Recipe| {
        let lines = lines.iter().filter(|line| line.recipe == recipe);
        format!("\n## {title}\n\n{}\n", table(lines))
    };
    text.push_str(&section("As their authors train them", Recipe::Authors));
    text.push_str(&section("The same networks with our recipe", Recipe::Ours));
    text.push_str(&format!(
        "\nOur recipe, the same for all, with the default distortion of the images:\n\n```toml\n{OURS}```\n\n## Remarks\n\n"
    ));
    for row in &ROWS {
        let same = row.same_network.map(|same| format!("the network of `{same}`"));
        let remarks: Vec<&str> =
            same.as_deref().into_iter().chain(Some(row.remark).filter(|remark| !remark.is_empty())).collect();
        if !remarks.is_empty() {
            text.push_str(&format!("- `{}`: {}.\n", row.name, remarks.join("; ")));
        }
    }
    text
}

/// The test images that most figures are of.
fn images(lines: &[Line]) -> String {
    let mut rows: BTreeMap<u64, usize> = BTreeMap::new();
    lines.iter().filter(|line| line.images > 0).for_each(|line| *rows.entry(line.images).or_default() += 1);
    let most = rows.into_iter().max_by_key(|(_, rows)| *rows);
    most.map_or_else(|| "10,000".to_owned(), |(images, _)| thousands(images))
}

/// What the seconds are of.
fn machine(lines: &[Line]) -> String {
    let cores: BTreeSet<usize> = lines.iter().filter_map(|line| line.cores).collect();
    let numbers: Vec<String> = cores.iter().map(usize::to_string).collect();
    match numbers.as_slice() {
        [] => "the machine that ran it".to_owned(),
        [one] if one == "1" => "the machine that ran it, with 1 core".to_owned(),
        several => format!("the machine that ran it, with {} cores", several.join(" or ")),
    }
}

const HEADER: [&str; 14] = [
    "network",
    "reported",
    "float",
    "quantized",
    "difference",
    "parameters",
    "weights, bytes",
    "MACs",
    "scratch, bytes",
    "largest sum",
    "s/epoch",
    "runs",
    "exact",
    "command",
];

fn table<'a>(lines: impl Iterator<Item = &'a Line>) -> String {
    let mut text = format!("| {} |\n|{}", HEADER.join(" | "), "---|".repeat(HEADER.len()));
    for line in lines {
        text.push_str(&format!("\n| {} |", cells(line).join(" | ")));
    }
    text
}

fn cells(line: &Line) -> [String; HEADER.len()] {
    let dash = || "-".to_owned();
    let spread = |spread: Option<Spread>| spread.map_or_else(dash, |spread| spread.to_string());
    let size = |of: fn(&Size) -> Option<u64>| line.size.as_ref().and_then(of).map_or_else(dash, thousands);
    let runs = match line.runs {
        0 => "not run".to_owned(),
        runs if runs < line.wanted => format!("{runs} of {}", line.wanted),
        runs => runs.to_string(),
    };
    let runs = if line.is_outdated { format!("{runs}, by an earlier recipe") } else { runs };
    let exact = match line.exact {
        _ if line.runs == 0 => dash(),
        Some(exact) if exact == line.runs => format!("{exact} of {exact}"),
        Some(exact) => format!("**{exact} of {}**", line.runs),
        None => dash(),
    };
    [
        format!("`{}`", line.row),
        line.reported.clone().unwrap_or_else(dash),
        spread(line.float),
        spread(line.quantized),
        line.difference.map_or_else(dash, |points| format!("{points:+.2}")),
        size(|size| Some(size.parameters)),
        size(|size| size.weight_bytes),
        size(|size| size.macs),
        size(|size| size.scratch_bytes),
        line.size
            .and_then(|size| size.largest_sum)
            .map_or_else(dash, |share| format!("{:.0} %", 100.0 * share)),
        line.epoch_seconds.map_or_else(dash, |seconds| format!("{seconds:.1}")),
        runs,
        exact,
        format!("`{}`", line.command),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            row: "mlp-256".to_owned(),
            recipe: Recipe::Authors,
            reported: Some("97.77 to 98.0".to_owned()),
            float: Spread::of([98.0, 98.2]),
            quantized: Spread::of([98.1]),
            difference: Some(0.1),
            size: Some(Size {
                parameters: 203_530,
                weight_bytes: Some(203_264),
                macs: Some(203_264),
                scratch_bytes: Some(1_336),
                largest_sum: Some(0.25),
            }),
            epoch_seconds: Some(2.04),
            cores: Some(2),
            runs: 2,
            wanted: 5,
            exact: Some(1),
            images: 10_000,
            command: "trainer train mlp-256 --runs 5".to_owned(),
            config: None,
            is_outdated: false,
        }
    }

    #[test]
    fn a_line_says_what_was_run_and_what_was_not() {
        let text = render(&[line()], false);
        let row = text.lines().find(|line| line.starts_with("| `mlp-256`")).unwrap();
        for word in ["98.10 ± 0.14", "| 98.10 |", "+0.10", "203,530", "25 %", "2 of 5", "**1 of 2**", "2.0"]
        {
            assert!(row.contains(word), "{word}: {row}");
        }
        assert!(text.contains("with 2 cores"), "{text}");
        let old = Line { is_outdated: true, cores: Some(16), ..line() };
        let other = Line { images: 18_000, ..line() };
        let text = render(&[old, other, line()], false);
        assert!(
            text.contains("| 2 of 5, by an earlier recipe |") && text.contains("with 2 or 16 cores"),
            "{text}"
        );
        assert!(text.contains("MNIST's 10,000 test images"), "{text}");
        let columns = |line: &str| line.matches('|').count();
        assert_eq!(columns(row), HEADER.len() + 1);
        let nothing = Line {
            float: None,
            quantized: None,
            difference: None,
            size: None,
            runs: 0,
            exact: None,
            ..line()
        };
        let text = render(&[nothing], true);
        assert!(text.contains("| not run | - |") && text.contains("accuracies mean nothing"), "{text}");
        assert!(text.starts_with("# Results of a trial\n"));
    }
}
