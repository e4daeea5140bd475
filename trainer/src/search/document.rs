//! `SEARCH.md`: all candidates of a search, for people.

use super::Search;
use super::findings::{Findings, Row};
use crate::report::{count, duration, thousands};

const HEADER: [&str; 13] = [
    "rank",
    "candidate",
    "changes",
    "weights + biases, bytes",
    "MACs",
    "scratch, bytes",
    "epochs",
    "accuracy",
    "loss",
    "distorted accuracy",
    "distorted loss",
    "training",
    "trains it with the whole recipe",
];

/// The text of the document.
pub(super) fn render(search: &Search<'_>, findings: &Findings) -> String {
    let space = search.space;
    let probe = &space.probe;
    let mut text = format!(
        "# Search `{}`\n\n\
         Written by `{}`, which goes on where it was ended. Candidates differ from `{}` in what is listed.\n\n\
         - {}.\n",
        space.name,
        search.resumption(),
        space.base.name,
        findings.counts.text()
    );
    if let Some(because) = &findings.counts.impossible_because {
        text.push_str(&format!("- The first that was no network: {}.\n", line(because)));
    }
    let limits = space.budget.limits();
    let limits: Vec<String> =
        limits.iter().filter_map(|(key, limit)| Some(format!("{key} <= {}", thousands((*limit)?)))).collect();
    if !limits.is_empty() {
        text.push_str(&format!("- Budget: {}; weights count with their biases.\n", limits.join(", ")));
    }
    text.push_str(&format!(
        "- Figures are of the quantized network that a run left, as the runtime computes it, on the {} validation images \
         of {}, in per cent; means where there are several seeds. **Distorted**: on {} copies of each, the \
         same for every candidate. Ranked by the loss on these, within the rung that a candidate came to. No test image \
         was read.\n",
        thousands(search.validation_images as u64),
        search.data,
        probe.copies
    ));
    for (index, rung) in findings.rungs.iter().enumerate() {
        text.push_str(&format!(
            "- Rung {}: {}, {}; finished by {}.\n",
            index + 1,
            rung.epochs.map_or_else(|| "the whole recipe".to_owned(), |epochs| count(epochs, "epoch")),
            count(rung.seeds, "seed"),
            count(rung.finished, "candidate")
        ));
    }
    if let Some(rung) = findings.furthest() {
        text.push_str(&format!(
            "\n## Best for their bytes, of rung {}\n\n{}",
            rung + 1,
            front(findings, rung)
        ));
    }
    text.push_str(&format!(
        "\n## All candidates\n\n| {} |\n|{}\n",
        HEADER.join(" | "),
        "---|".repeat(HEADER.len())
    ));
    for row in &findings.rows {
        text.push_str(&format!("| {} |\n", cells(row, findings).join(" | ")));
    }
    text
}

fn front(findings: &Findings, rung: usize) -> String {
    let header = "| candidate | weights + biases, bytes | accuracy | distorted accuracy | distorted loss | changes |\n\
                  |---|---|---|---|---|---|\n";
    let rows = findings.rungs[rung].front.iter().filter_map(|candidate| {
        let row = findings.row(*candidate)?;
        let means = row.means?;
        Some(format!(
            "| {candidate:04} | {} | {:.2} | {:.2} | {:.5} | {} |\n",
            thousands(row.footprint.weight_bytes),
            means.accuracy,
            means.distorted_accuracy,
            means.distorted_loss,
            line(&row.in_words)
        ))
    });
    header.to_owned() + &rows.collect::<String>()
}

fn cells(row: &Row, findings: &Findings) -> [String; HEADER.len()] {
    let dash = || "-".to_owned();
    let figure = |text: Option<String>| text.unwrap_or_else(dash);
    let epochs = match (&row.failed, row.rung) {
        (Some(reason), _) => format!("failed: {}", line(reason)),
        (None, None) => "not trained".to_owned(),
        (None, Some(rung)) => findings.rungs[rung].epochs.map_or_else(|| "all".to_owned(), |e| e.to_string()),
    };
    let trained = !row.runs.is_empty();
    [
        figure(row.rank.map(|rank| rank.to_string())),
        format!("{:04}", row.candidate),
        line(&row.in_words),
        thousands(row.footprint.weight_bytes),
        thousands(row.footprint.macs),
        thousands(row.footprint.scratch_bytes),
        epochs,
        figure(row.means.map(|means| format!("{:.2}", means.accuracy))),
        figure(row.means.map(|means| format!("{:.5}", means.loss))),
        figure(row.means.map(|means| format!("{:.2}", means.distorted_accuracy))),
        figure(row.means.map(|means| format!("{:.5}", means.distorted_loss))),
        figure(trained.then(|| duration(row.seconds))),
        format!("`{}`", row.command),
    ]
}

/// A text that does not break a table.
fn line(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
