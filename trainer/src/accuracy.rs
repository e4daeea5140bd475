//! `docs/ACCURACY.md`: how accurate networks are for their size, ours beside those that others published.
//!
//! ```text
//! models/*/card.json ----+
//!                        +--> points --> two drawings, tables --> the part of a document between two marks
//! docs/published.toml ---+
//! ```

mod document;
mod published;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

pub use document::{BEGIN, END, replace};
pub use published::Published;

use crate::export::card::Record;
use crate::files::models_in;
use crate::page::chart::{Axis, Named, named};
use crate::report::{Align, Look, table, thousands};

/// Per cent below which a network has no place in the drawings.
const LEAST_DRAWN: f64 = 98.5;

/// Accuracies worth a line.
const TICKS: [f64; 12] =
    [0.985, 0.9875, 0.99, 0.992, 0.9935, 0.995, 0.996, 0.997, 0.9975, 0.998, 0.9985, 0.999];

/// Networks with their figures, ours and those of others.
#[derive(Clone, Debug)]
pub struct Accuracy {
    /// Ours, the smallest first.
    pub ours: Vec<Record>,
    /// Those of others, by accuracy, the best first.
    pub published: Vec<Published>,
}

impl Accuracy {
    /// Reads the cards of all models in a directory, and the file of published figures.
    ///
    /// # Errors
    ///
    /// Where a model has no card of its present file, or a file cannot be read.
    pub fn collect(models: &Path, published: &Path) -> Result<Accuracy> {
        let failed = || format!("cannot read the directory {}", models.display());
        let mut directories: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(models).with_context(failed)? {
            let path = entry.with_context(failed)?.path();
            if path.is_dir() && !models_in(&path)?.is_empty() {
                directories.push(path);
            }
        }
        ensure!(!directories.is_empty(), "{}: expected directories of models, found none", models.display());
        let record = |path: &PathBuf| {
            Record::load(path)?.with_context(|| {
                let shown = path.display();
                format!("{shown}: no card.json of this model file; `trainer card {shown}` writes it")
            })
        };
        let mut ours = directories.iter().map(record).collect::<Result<Vec<_>>>()?;
        ours.sort_by(|a, b| (a.weight_bytes, &a.model).cmp(&(b.weight_bytes, &b.model)));
        let mut published = published::load(published)?;
        published.sort_by(|a, b| b.accuracy.total_cmp(&a.accuracy).then(a.bytes.cmp(&b.bytes)));
        Ok(Accuracy { ours, published })
    }

    /// The drawing of accuracy against bytes of weights.
    pub fn by_bytes(&self) -> String {
        let bytes = |value: f64| {
            if value >= 1e6 { format!("{} MB", value / 1e6) } else { format!("{} kB", value / 1e3) }
        };
        let points = self.points(|ours| ours.weight_bytes, |published| published.bytes);
        drawing("bytes of weights", &points, bytes)
    }

    /// The drawing of accuracy against multiply-accumulates.
    pub fn by_macs(&self) -> String {
        let points = self.points(|ours| ours.macs, |published| published.macs);
        drawing("multiply-accumulates of one inference", &points, |value| {
            if value >= 1e6 { format!("{} M", value / 1e6) } else { format!("{} k", value / 1e3) }
        })
    }

    fn points(&self, ours: fn(&Record) -> u64, others: fn(&Published) -> Option<u64>) -> Vec<Named> {
        let of_ours = self.ours.iter().filter_map(|record| {
            let spread = record.spreads()[1]?;
            Some(Named {
                name: record.model.clone(),
                x: ours(record) as f64,
                y: spread.mean / 100.0,
                deviation: spread.deviation.map(|deviation| deviation / 100.0),
                first: true,
            })
        });
        let of_others = self.published.iter().filter_map(|published| {
            Some(Named {
                name: published.name.clone(),
                x: others(published)? as f64,
                y: published.accuracy / 100.0,
                deviation: None,
                first: false,
            })
        });
        of_ours.chain(of_others).filter(|point| point.y * 100.0 >= LEAST_DRAWN).collect()
    }

    /// A table for the terminal.
    pub fn render(&self, look: Look) -> String {
        let header = [
            ("network", Align::Left),
            ("accuracy", Align::Right),
            ("weights, bytes", Align::Right),
            ("MACs", Align::Right),
            ("whose", Align::Left),
        ];
        let some = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), thousands);
        let plain = |text: String| if look.unicode { text } else { text.replace('\u{b1}', "+-") };
        let ours = self.ours.iter().map(|record| {
            let mean = record.spreads()[1].map_or(0.0, |spread| spread.mean);
            let row = vec![
                record.model.clone(),
                plain(document::ours(record)),
                thousands(record.weight_bytes),
                thousands(record.macs),
                "ours".to_owned(),
            ];
            (mean, row)
        });
        let others = self.published.iter().map(|published| {
            let row = vec![
                published.name.clone(),
                plain(document::theirs(published)),
                some(published.bytes),
                some(published.macs),
                published.source.clone(),
            ];
            (published.accuracy, row)
        });
        let mut rows: Vec<(f64, Vec<String>)> = ours.chain(others).collect();
        rows.sort_by(|a, b| b.0.total_cmp(&a.0));
        let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
        table(look, &header, &rows) + "\n"
    }
}

fn drawing(what: &str, points: &[Named], label: impl Fn(f64) -> String) -> String {
    let x = Axis::log(what, points.iter().map(|point| point.x)).labelled(label);
    let y = Axis::accuracy("accuracy on MNIST's test images", points.iter().map(|point| point.y))
        .ticked(&TICKS, |value| format!("{} %", (value * 1e4).round() / 1e2));
    let about = format!("Accuracy on MNIST's test images against {what}");
    named(&about, [&x, &y], ["Tenfold", "published"], points).into_string() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_with_a_size_is_drawn() {
        let published = |name: &str, accuracy, bytes| Published {
            name: name.to_owned(),
            accuracy,
            deviation: None,
            bytes,
            parameters: None,
            macs: None,
            note: String::new(),
            source: "somebody".to_owned(),
            url: None,
        };
        let accuracy = Accuracy {
            ours: Vec::new(),
            published: vec![
                published("sized", 99.5, Some(10_000)),
                published("unsized", 99.9, None),
                published("poor", 97.0, Some(9_000)),
            ],
        };
        let drawing = accuracy.by_bytes();
        assert!(drawing.contains("sized") && drawing.contains("10 kB"), "{drawing}");
        assert!(!drawing.contains("unsized") && !drawing.contains("poor"));
        assert!(accuracy.by_macs().contains("<svg"), "an empty drawing is no failure");
        let text = accuracy.render(Look::PLAIN);
        assert!(text.find("unsized").unwrap() < text.find("poor").unwrap(), "{text}");
    }
}
