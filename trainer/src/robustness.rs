//! How accuracy holds for digits that are not as MNIST has them: moved, turned, of other strokes, in other
//! light; as they are, and through the runtime's `ink`, as a board would look at them.
//!
//! ```text
//!                                  +-----------------------> preparation --> model --> right?
//! test image --> distortion -------+
//!                (seed, index)     +--> ink::normalise ----> preparation --> model --> right?
//! ```
//!
//! Where `ink` finds nothing, the answer is wrong.

mod distortion;

use anyhow::Result;
use serde_json::{Value, json};
use tenfold_runtime::ink;

pub use distortion::Distortion;

use crate::augment::Shaper;
use crate::config::Pixels;
use crate::data::Dataset;
use crate::engine::{BATCH, Engine, best_class, run_batches};
use crate::report::{Align, Look, percent, table, thousands};

/// Accuracies of one model on one set, for every kind of distortion.
#[derive(Clone, Debug)]
pub struct Robustness {
    /// Images of the set.
    pub images: u64,
    /// What is drawn comes from it.
    pub seed: u64,
    /// One for each kind that was measured.
    pub rows: Vec<Row>,
}

/// One kind of distortion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// [`Distortion::name`].
    pub distortion: &'static str,
    /// [`Distortion::what`].
    pub what: String,
    /// Right answers to the images as they are.
    pub correct: u64,
    /// Right answers through `ink`; none where the model's input is not what `ink` makes.
    pub ink_correct: Option<u64>,
    /// Images in which `ink` found nothing.
    pub ink_blank: Option<u64>,
}

/// Steps that [`measure`] takes: every image is distorted, normalised, and shown to the model.
pub fn work(engine: &Engine, dataset: &Dataset, kinds: &[Distortion]) -> usize {
    kinds.len() * dataset.len() * if takes_ink(engine) { 4 } else { 2 }
}

/// Whether the model takes what `ink` makes.
fn takes_ink(engine: &Engine) -> bool {
    let input = engine.input();
    (input.height, input.width) == (ink::SIDE, ink::SIDE)
}

/// Measures a model on distorted copies of `dataset`, whose pixels are raw; `preparation` is what its
/// configuration does to an image before the network sees it. `progress` is called on this thread, with the
/// number of steps finished since its last call, [`work`] in all.
///
/// # Errors
///
/// Where model and images do not fit, or an engine fails.
pub fn measure(
    engine: &Engine,
    dataset: &Dataset,
    preparation: Pixels,
    kinds: &[Distortion],
    seed: u64,
    progress: &dyn Fn(usize),
) -> Result<Robustness> {
    dataset.expect_size(engine.input().height, engine.input().width)?;
    let area = dataset.height * dataset.width;
    let right = |mut images: Vec<u8>, found: &[bool]| -> Result<u64> {
        preparation.prepare(&mut images, area);
        let logits = engine.run(&images, progress)?;
        let answers = logits.iter().zip(&dataset.labels).zip(found);
        Ok(answers
            .filter(|((logits, label), found)| **found && best_class(logits) == usize::from(**label))
            .count() as u64)
    };
    let mut rows = Vec::new();
    for kind in kinds.iter().copied() {
        let images = distorted(dataset, kind, seed, progress)?;
        let inked = takes_ink(engine).then(|| normalised(&images, area, progress)).transpose()?;
        let (ink_correct, ink_blank) = match inked {
            Some((images, found)) => {
                let blank = found.iter().filter(|found| !**found).count() as u64;
                (Some(right(images, &found)?), Some(blank))
            }
            None => (None, None),
        };
        let correct = right(images, &vec![true; dataset.len()])?;
        rows.push(Row { distortion: kind.name(), what: kind.what(), correct, ink_correct, ink_blank });
    }
    Ok(Robustness { images: dataset.len() as u64, seed, rows })
}

/// The images back to back, changed.
fn distorted(dataset: &Dataset, kind: Distortion, seed: u64, progress: &dyn Fn(usize)) -> Result<Vec<u8>> {
    let shaper = Shaper::new(dataset.height, dataset.width);
    let batches = run_batches(dataset.len(), BATCH, progress, |range| {
        let change =
            |index: usize| kind.apply(&shaper, dataset.image(index), dataset.width, seed, index as u64);
        Ok(range.flat_map(change).collect::<Vec<u8>>())
    })?;
    Ok(batches.concat())
}

/// What `ink` makes of the images, and in which of them it found something.
fn normalised(images: &[u8], area: usize, progress: &dyn Fn(usize)) -> Result<(Vec<u8>, Vec<bool>)> {
    let batches = run_batches(images.len() / area, BATCH, progress, |range| {
        let images = images[range.start * area..range.end * area].chunks_exact(area);
        let results = images.map(|image| ink::normalise(image, ink::SIDE, ink::SIDE).ok());
        Ok(results.map(|image| (image.unwrap_or([0; ink::AREA]), image.is_some())).collect::<Vec<_>>())
    })?;
    let (images, found): (Vec<_>, Vec<bool>) = batches.into_iter().flatten().unzip();
    Ok((images.concat(), found))
}

impl Robustness {
    /// The row of a kind.
    pub fn row(&self, kind: Distortion) -> Option<&Row> {
        self.rows.iter().find(|row| row.distortion == kind.name())
    }

    /// Points of accuracy that shifted images lose through `ink`, against plain ones without it; none where
    /// the model does not take what `ink` makes.
    pub fn shift_loss(&self) -> Option<f64> {
        let plain = self.row(Distortion::Plain)?.correct as f64;
        let shifted = self.row(Distortion::Shifted)?.ink_correct? as f64;
        Some(100.0 * (plain - shifted) / self.images.max(1) as f64)
    }

    /// Name and both accuracies of every row; a dash where there is none.
    pub fn cells(&self) -> Vec<[String; 3]> {
        let percent = |correct: u64| percent(correct, self.images);
        let rows = self.rows.iter();
        rows.map(|row| {
            let ink = row.ink_correct.map_or_else(|| "-".to_owned(), percent);
            [row.distortion.to_owned(), percent(row.correct), ink]
        })
        .collect()
    }

    /// The rows, for a program.
    pub fn json(&self) -> Vec<Value> {
        let share = |correct: u64| correct as f64 / self.images.max(1) as f64;
        let row = |row: &Row| {
            json!({
                "distortion": row.distortion,
                "what": row.what,
                "correct": row.correct,
                "accuracy": share(row.correct),
                "ink_correct": row.ink_correct,
                "ink_accuracy": row.ink_correct.map(share),
                "ink_blank": row.ink_blank,
            })
        };
        self.rows.iter().map(row).collect()
    }

    /// A table for the terminal.
    pub fn render(&self, look: Look) -> String {
        let header =
            [("test images", Align::Left), ("as they are", Align::Right), ("through ink", Align::Right)];
        let rows: Vec<Vec<String>> = self.cells().into_iter().map(Vec::from).collect();
        let mut text = table(look, &header, &rows) + "\n";
        if let Some(loss) = self.shift_loss() {
            let change = if loss == 0.0 { 0.0 } else { -loss };
            text.push_str(&format!("\nshifted through ink, against plain: {change:+.2} points\n"));
        }
        let blank: u64 = self.rows.iter().filter_map(|row| row.ink_blank).sum();
        if blank > 0 {
            text.push_str(&format!(
                "ink found nothing in {} images, which count as wrong\n",
                thousands(blank)
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: Distortion, correct: u64, ink_correct: Option<u64>) -> Row {
        let ink_blank = ink_correct.map(|_| 1);
        Row { distortion: kind.name(), what: kind.what(), correct, ink_correct, ink_blank }
    }

    #[test]
    fn the_table_has_both_columns_and_the_loss_of_shifts() {
        let rows = vec![row(Distortion::Plain, 1990, Some(1989)), row(Distortion::Shifted, 1900, Some(1988))];
        let robustness = Robustness { images: 2000, seed: 1, rows };
        assert!((robustness.shift_loss().unwrap() - 0.1).abs() < 1e-9);
        let text = robustness.render(Look::PLAIN);
        for expected in ["95.00 %", "99.40 %", "against plain: -0.10 points", "nothing in 2 images"] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        let rows = vec![row(Distortion::Plain, 10, None), row(Distortion::Shifted, 9, None)];
        let without = Robustness { images: 10, seed: 1, rows };
        assert_eq!(without.shift_loss(), None);
        assert!(!without.render(Look::PLAIN).contains("points"));
        assert_eq!(without.cells()[1], ["shifted", "90.00 %", "-"]);
    }
}
