//! The part of `docs/ACCURACY.md` that is written here.

use anyhow::{Context, Result};

use super::{Accuracy, Published};
use crate::export::card::Record;
use crate::report::{percent, thousands};
use crate::robustness::Distortion;

/// The line before what is written.
pub const BEGIN: &str = "<!-- begin: written by trainer accuracy; changes are overwritten -->";

/// The line after it.
pub const END: &str = "<!-- end -->";

/// The document with `part` between the two marks.
///
/// # Errors
///
/// Where it has no marks.
pub fn replace(document: &str, part: &str) -> Result<String> {
    let marks =
        || format!("expected the lines `{BEGIN}` and `{END}`, found none; add them where the figures go");
    let (before, rest) = document.split_once(BEGIN).with_context(marks)?;
    let (_, after) = rest.split_once(END).with_context(marks)?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", part.trim()))
}

impl Accuracy {
    /// What goes into the document, which shows both drawings.
    pub fn markdown(&self, [by_bytes, by_macs]: [&str; 2]) -> String {
        format!(
            "![Accuracy against bytes of weights]({by_bytes})\n\n\
             ![Accuracy against multiply-accumulates]({by_macs})\n\n\
             ## Ours\n\n{}\n\n## Published\n\n{}\n\n## Robustness\n\n{}",
            self.ours_table(),
            self.published_table(),
            self.robustness_table()
        )
    }

    fn ours_table(&self) -> String {
        let rows = self.ours.iter().map(|record| {
            let [float, _] = record.spreads();
            [
                format!("[`{0}`](../models/{0}/CARD.md)", record.model),
                ours(record),
                float.map_or_else(dash, |spread| spread.to_string()),
                percent(record.quantized_correct, record.images),
                record.runs.len().max(1).to_string(),
                thousands(record.weight_bytes),
                thousands(record.weight_bytes + record.bias_bytes),
                thousands(record.parameters),
                thousands(record.macs),
                thousands(record.scratch_bytes),
            ]
        });
        let header = [
            "network",
            "quantized, %",
            "float, %",
            "shipped file",
            "runs",
            "weights, bytes",
            "with biases",
            "parameters",
            "MACs",
            "scratch, bytes",
        ];
        markdown(header, rows)
    }

    fn published_table(&self) -> String {
        let some = |count: Option<u64>| count.map_or_else(dash, thousands);
        let rows = self.published.iter().map(|published| {
            let source = match &published.url {
                Some(url) => format!("[{}]({url})", published.source),
                None => published.source.clone(),
            };
            [
                published.name.clone(),
                theirs(published),
                some(published.bytes),
                some(published.parameters),
                some(published.macs),
                published.note.replace(['\n', '|'], " "),
                source,
            ]
        });
        markdown(["network", "accuracy, %", "weights, bytes", "parameters", "MACs", "note", "source"], rows)
    }

    fn robustness_table(&self) -> String {
        let mut header = vec!["test images".to_owned(), "what was done to each".to_owned()];
        header.extend(self.ours.iter().flat_map(|record| {
            [format!("`{}` as they are", record.model), format!("`{}` through `ink`", record.model)]
        }));
        let rows = Distortion::ALL.iter().map(|kind| {
            let mut cells = vec![kind.name().to_owned(), kind.what()];
            for record in &self.ours {
                let row = record.robustness.iter().find(|row| row.distortion == kind.name());
                let cell = |correct: Option<u64>| {
                    correct.map_or_else(dash, |correct| percent(correct, record.images))
                };
                cells.extend([cell(row.map(|row| row.correct)), cell(row.and_then(|row| row.ink_correct))]);
            }
            cells
        });
        lines(&header, rows)
    }
}

/// The accuracy of one of ours: the quantized mean.
pub(super) fn ours(record: &Record) -> String {
    record.spreads()[1].map_or_else(dash, |spread| spread.to_string())
}

/// The accuracy of one of others.
pub(super) fn theirs(published: &Published) -> String {
    match published.deviation {
        Some(deviation) => format!("{:.2} \u{b1} {deviation:.2}", published.accuracy),
        None => format!("{:.2}", published.accuracy),
    }
}

fn dash() -> String {
    "-".to_owned()
}

fn markdown<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    lines(&header.map(str::to_owned), rows.map(Vec::from))
}

fn lines(header: &[String], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}", header.join(" | "), "---|".repeat(header.len()));
    for row in rows {
        text.push_str(&format!("\n| {} |", row.join(" | ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_between_the_marks_changes() {
        let document = format!("# Title\n\n{BEGIN}\nold\n{END}\n\n## What was tried\n");
        let new = replace(&document, "new").unwrap();
        assert_eq!(new, format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\n## What was tried\n"));
        assert_eq!(replace(&new, "new").unwrap(), new);
        for text in ["", BEGIN, END] {
            assert!(format!("{:#}", replace(text, "new").unwrap_err()).contains("expected the lines"));
        }
    }
}
