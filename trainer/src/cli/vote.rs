//! `trainer evaluate A B C`: several models, each alone, and the majority of their answers.

use anyhow::{Context, Result};
use serde_json::json;

use crate::data::{Dataset, Part};
use crate::engine::{Candidate, Vote, vote};
use crate::report::{Align, Look, percent, progress, table, thousands};

/// The text that `evaluate` prints for several models; the images are as they come.
pub(super) fn evaluate(
    candidates: &[Candidate],
    dataset: &Dataset,
    part: Part,
    as_json: bool,
) -> Result<String> {
    let bar = progress((dataset.len() * candidates.len()) as u64, "images");
    bar.set_prefix("evaluate");
    let vote = vote(candidates, dataset, &|done| bar.inc(done as u64))?;
    bar.finish_and_clear();
    if as_json {
        let value = json!({
            "data": dataset.source,
            "set": part.to_string(),
            "vote": vote,
            "accuracy": vote.correct as f64 / vote.images.max(1) as f64,
        });
        return Ok(serde_json::to_string(&value).context("writing the vote as JSON")? + "\n");
    }
    Ok(render(&vote, dataset, part, Look::of_stdout()))
}

fn render(vote: &Vote, dataset: &Dataset, part: Part, look: Look) -> String {
    let row = |name: &str, arithmetic: &str, correct: u64| {
        vec![
            name.to_owned(),
            arithmetic.to_owned(),
            percent(correct, vote.images),
            thousands(vote.images - correct),
        ]
    };
    let mut rows: Vec<Vec<String>> = vote
        .models
        .iter()
        .map(|voter| row(&voter.model, if voter.integer { "integers" } else { "float" }, voter.correct))
        .collect();
    rows.push(row("majority", "", vote.correct));
    rows.push(row("any of them", "", vote.any_correct));
    let header = [
        ("model", Align::Left),
        ("arithmetic", Align::Left),
        ("accuracy", Align::Right),
        ("wrong", Align::Right),
    ];
    format!(
        "{}, {part}, {} images\n\n{}\n\nall agree on {}; in {} the probabilities decided between as many votes\n",
        dataset.source,
        thousands(vote.images),
        table(look, &header, &rows),
        thousands(vote.unanimous),
        thousands(vote.ties)
    )
}
