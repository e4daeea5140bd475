//! What a search has found so far: its table, the best first, and what is best for its bytes.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Search;
use super::budget::Footprint;
use super::draw::Counts;
use super::record::{Means, Record};

/// Everything that is known of a search; `search.json` in its directory.
#[derive(Clone, Debug, Serialize)]
pub struct Findings {
    /// What the search is of; one that goes on is of the same.
    pub begun: Value,
    /// What was drawn.
    pub counts: Counts,
    /// The rounds of training.
    pub rungs: Vec<RungFindings>,
    /// All candidates: those that came furthest first, the best of them first; then those that failed, and those that
    /// were not trained yet.
    pub rows: Vec<Row>,
}

/// A round of training.
#[derive(Clone, Debug, Serialize)]
pub struct RungFindings {
    /// Epochs with floats; the whole recipe where absent.
    pub epochs: Option<usize>,
    /// Runs of every candidate.
    pub seeds: usize,
    /// Candidates with all of their runs.
    pub finished: usize,
    /// Candidates that nothing smaller is better than, the smallest first, by number.
    pub front: Vec<usize>,
}

/// A candidate.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its rank, from 1; none of one that failed or was not trained yet.
    pub rank: Option<usize>,
    /// Its number.
    pub candidate: usize,
    /// What it changes: paths and values.
    pub changes: Map<String, Value>,
    /// The same in a line.
    #[serde(skip)]
    pub in_words: String,
    /// What it takes of a board.
    #[serde(flatten)]
    pub footprint: Footprint,
    /// The last rung that it has all runs of, from 0.
    pub rung: Option<usize>,
    /// The figures of that rung, means over its runs.
    #[serde(flatten)]
    pub means: Option<Means>,
    /// The runs of all rungs, first to last.
    pub runs: Vec<Record>,
    /// Seconds of all of its training.
    pub seconds: f64,
    /// Why training failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// The command that trains it with its whole recipe.
    pub command: String,
}

impl Findings {
    /// What is there.
    pub(super) fn of(search: &Search<'_>) -> Self {
        let records = &search.records;
        let rungs = search.space.rungs.iter().enumerate().map(|(index, rung)| RungFindings {
            epochs: rung.epochs,
            seeds: rung.seeds,
            finished: records.ranked(index).len(),
            front: front(search, index),
        });
        let mut rows: Vec<Row> = (0..search.candidates.len()).map(|index| row(search, index)).collect();
        rows.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| loss(a).total_cmp(&loss(b))));
        for (rank, row) in rows.iter_mut().filter(|row| row.means.is_some()).enumerate() {
            row.rank = Some(rank + 1);
        }
        Self { begun: search.begun.clone(), counts: search.counts.clone(), rungs: rungs.collect(), rows }
    }

    /// The last rung that any candidate has finished.
    pub fn furthest(&self) -> Option<usize> {
        self.rungs.iter().rposition(|rung| rung.finished > 0)
    }

    /// The row of a candidate.
    pub fn row(&self, candidate: usize) -> Option<&Row> {
        self.rows.iter().find(|row| row.candidate == candidate)
    }
}

/// Those that came further first; what failed and what was not trained last.
fn order(row: &Row) -> (usize, usize) {
    match (row.rung, &row.failed) {
        (Some(rung), None) => (0, usize::MAX - rung),
        (_, Some(_)) => (1, row.candidate),
        (None, None) => (2, row.candidate),
    }
}

fn loss(row: &Row) -> f64 {
    row.means.map_or(f64::INFINITY, |means| means.distorted_loss)
}

fn row(search: &Search<'_>, index: usize) -> Row {
    let (candidate, records) = (&search.candidates[index], &search.records);
    let failed = records.failure(index).map(str::to_owned);
    let rungs = 0..search.space.rungs.len();
    let reached = rungs.rev().find_map(|rung| Some((rung, records.means(rung, index)?)));
    let reached = reached.filter(|_| failed.is_none());
    let changes = candidate.changes.iter().map(|(path, value)| (path.clone(), json!(value)));
    Row {
        rank: None,
        candidate: candidate.number,
        changes: changes.collect(),
        in_words: candidate.in_words(),
        footprint: candidate.footprint,
        rung: reached.map(|(rung, _)| rung),
        means: reached.map(|(_, means)| means),
        runs: records.all_of(index).cloned().collect(),
        seconds: records.all_of(index).map(|record| record.seconds).sum(),
        failed,
        command: search.command(candidate),
    }
}

/// The candidates of a rung that no other one beats in bytes and loss: the Pareto front, the smallest first.
fn front(search: &Search<'_>, rung: usize) -> Vec<usize> {
    let ranked = search.records.ranked(rung).into_iter();
    let points = ranked
        .map(|(index, means)| (search.candidates[index].footprint.weight_bytes, means.distorted_loss, index));
    pareto(points.collect()).into_iter().map(|index| search.candidates[index].number).collect()
}

/// Of points (cost, loss, name): the names of those whose loss is below that of every other that costs no more.
fn pareto(mut points: Vec<(u64, f64, usize)>) -> Vec<usize> {
    points.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut best = f64::INFINITY;
    points.retain(|(_, loss, _)| {
        let better = *loss < best;
        best = best.min(*loss);
        better
    });
    points.into_iter().map(|(_, _, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_is_what_nothing_smaller_beats() {
        let points = vec![(30, 0.1, 0), (10, 0.5, 1), (20, 0.6, 2), (20, 0.3, 3), (20, 0.3, 4), (40, 0.1, 5)];
        assert_eq!(pareto(points), [1, 3, 0]);
        assert!(pareto(Vec::new()).is_empty());
    }
}
