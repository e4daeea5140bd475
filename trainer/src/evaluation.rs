//! How good the answers of a network are: accuracy, top-k, precision and recall, calibration, mistakes.
//!
//! ```text
//! labels, logits --> Evaluation --+--> text: tables for the terminal
//!                                 +--> JSON
//!                                 +--> sheet: the worst mistakes as one picture
//! ```
//!
//! Probabilities are the softmax of the logits in their real values: integers times their scale.

mod calibration;
mod sheet;
mod text;

use serde::Serialize;
use serde_json::{Value, json};

pub use calibration::{Bin, Calibration};
pub use sheet::sheet;
pub use text::Listing;

use crate::engine::{best_class, log_sum_exp};
use crate::report::Confusion;

/// The largest k of top-k.
const MAX_TOP: usize = 3;

/// Figures over all images of a set.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Predictions by label.
    pub confusion: Confusion,
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// `top[k - 1]` images have their label among the `k` largest logits; k is 1 to 3, or to the number of
    /// classes.
    pub top: Vec<u64>,
    /// How far the probability of an answer says how often it is right.
    pub calibration: Calibration,
    /// The wrong answers, the worst first: those that left the least probability to the label.
    pub mistakes: Vec<Mistake>,
}

/// A wrong answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mistake {
    /// Which image of the set, counted from 0.
    pub index: usize,
    /// Its class.
    pub label: usize,
    /// The class that was answered.
    pub prediction: usize,
    /// The probability of the answer.
    pub probability: f64,
    /// The probability that was left to the label.
    pub label_probability: f64,
}

impl Evaluation {
    /// Compares logits with labels; a logit times `scale` is its real value.
    ///
    /// # Panics
    ///
    /// If a label is no class, or an image has not `classes` logits.
    pub fn new(labels: &[u8], classes: usize, logits: &[Vec<f64>], scale: f64) -> Evaluation {
        let mut confusion = Confusion::new(classes);
        let mut top = vec![0; MAX_TOP.min(classes)];
        let mut calibration = Calibration::default();
        let mut mistakes = Vec::new();
        // What a loss is sorted by; the probability of the label may be too small for a f64.
        let mut losses = Vec::new();
        let mut sum = 0.0;
        for (index, (logits, label)) in logits.iter().zip(labels).enumerate() {
            let (label, prediction) = (usize::from(*label), best_class(logits));
            let total = log_sum_exp(logits, scale);
            let probability = |class: usize| (logits[class] * scale - total).exp();
            let loss = total - logits[label] * scale;
            sum += loss;
            confusion.add(label, prediction);
            calibration.add(probability(prediction), prediction == label);
            let rank = rank(logits, label);
            top.iter_mut().skip(rank).for_each(|correct| *correct += 1);
            if prediction != label {
                losses.push((loss, mistakes.len()));
                mistakes.push(Mistake {
                    index,
                    label,
                    prediction,
                    probability: probability(prediction),
                    label_probability: probability(label),
                });
            }
        }
        losses.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mistakes = losses.iter().map(|(_, place)| mistakes[*place].clone()).collect();
        Evaluation { confusion, loss: sum / labels.len().max(1) as f64, top, calibration, mistakes }
    }

    /// All figures, for a program. What has no value, as the recall of a class without images, is null.
    pub fn json(&self) -> Value {
        let (correct, total) = (self.confusion.correct(), self.confusion.total());
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let classes = 0..self.confusion.classes();
        let ratios = |of: &dyn Fn(usize) -> (u64, u64)| -> Vec<Option<f64>> {
            classes.clone().map(of).map(|(part, whole)| share(part, whole)).collect()
        };
        let top: Vec<Value> = (1..)
            .zip(&self.top)
            .map(|(k, correct)| json!({ "k": k, "correct": correct, "accuracy": share(*correct, total) }))
            .collect();
        json!({
            "images": total,
            "correct": correct,
            "accuracy": share(correct, total).unwrap_or(0.0),
            "loss": self.loss,
            "top": top,
            "precision": ratios(&|class| self.confusion.precision(class)),
            "recall": ratios(&|class| self.confusion.recall(class)),
            "f1": classes.clone().map(|class| self.confusion.f1(class)).collect::<Vec<_>>(),
            "confusion": self.confusion.rows(),
            "calibration": self.calibration,
            "mistakes": self.mistakes,
        })
    }
}

/// How many classes come before `label` in the order of their logits; of equal ones the first wins, as in
/// [`best_class`].
fn rank(logits: &[f64], label: usize) -> usize {
    let before = |(class, logit): &(usize, &f64)| {
        **logit > logits[label] || (**logit == logits[label] && *class < label)
    };
    logits.iter().enumerate().filter(before).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_the_mean_cross_entropy() {
        let logits = [vec![0.0, 3.0_f64.ln() * 4.0], vec![0.0, 0.0]];
        let result = Evaluation::new(&[1, 0], 2, &logits, 0.25);
        assert!((result.loss - ((4.0_f64 / 3.0).ln() + 2.0_f64.ln()) / 2.0).abs() < 1e-12);
        assert_eq!((result.confusion.correct(), result.confusion.total()), (2, 2));
        assert_eq!(result.top, [2, 2]);
    }

    #[test]
    fn top_k_counts_labels_among_the_largest_and_ties_go_to_the_first() {
        let logits = [vec![9.0, 8.0, 7.0, 6.0], vec![1.0, 1.0, 1.0, 1.0], vec![0.0, 5.0, 0.0, 6.0]];
        let result = Evaluation::new(&[1, 1, 2], 4, &logits, 1.0);
        // Ranks: 1, 1, and 3 since 0 comes before 2.
        assert_eq!(result.top, [0, 2, 2]);
        assert_eq!(result.json()["top"][1]["k"], 2);
    }

    #[test]
    fn mistakes_are_sorted_by_what_they_leave_to_the_label() {
        let logits = [
            vec![2.0, 0.0, 0.0],    // wrong
            vec![9.0, 0.0, 0.0],    // right
            vec![900.0, 0.0, 0.0],  // as wrong as can be: the label has no probability that a f64 holds
            vec![0.0, 5.0, 0.0],    // worse than the first
            vec![2000.0, 0.0, 0.0], // and worse still
        ];
        let result = Evaluation::new(&[1, 0, 2, 0, 2], 3, &logits, 1.0);
        let order: Vec<usize> = result.mistakes.iter().map(|mistake| mistake.index).collect();
        assert_eq!(order, [4, 2, 3, 0]);
        let worst = &result.mistakes[0];
        assert_eq!((worst.label, worst.prediction), (2, 0));
        assert_eq!((worst.probability, worst.label_probability), (1.0, 0.0));
        let json = result.json();
        assert_eq!(json["mistakes"].as_array().unwrap().len(), 4);
        assert_eq!(json["precision"][0].as_f64().unwrap(), 0.25);
        assert_eq!(json["recall"][1].as_f64().unwrap(), 0.0);
    }

    #[test]
    fn no_images_are_no_division_by_zero() {
        let result = Evaluation::new(&[], 3, &[], 1.0);
        assert_eq!((result.loss, result.calibration.error()), (0.0, 0.0));
        assert!(result.json()["recall"][0].is_null() && result.json()["f1"][0].is_null());
    }
}
