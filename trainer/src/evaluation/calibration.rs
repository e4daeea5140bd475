//! Whether a network knows what it does not know: of the answers with a probability of 90 %, nine in ten
//! should be right.
//!
//! The measure is the expected calibration error of Guo, Pleiss, Sun and Weinberger, *On calibration of modern
//! neural networks* (ICML 2017): answers are put into bins by their probability; the difference between
//! the mean probability of a bin and its share of right answers is averaged over all answers.

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

/// Bins of equal width. The probability of an answer is at least one in the number of classes, so that the
/// first stay empty.
const BINS: usize = 10;

/// Answers by their probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    bins: Vec<Bin>,
}

/// The answers whose probability is in a range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bin {
    /// Answers.
    pub images: u64,
    /// Right ones.
    pub correct: u64,
    /// Sum of their probabilities.
    sum: f64,
}

impl Default for Calibration {
    fn default() -> Calibration {
        Calibration { bins: vec![Bin::default(); BINS] }
    }
}

impl Calibration {
    /// Counts an answer with its probability, 0 to 1.
    pub(super) fn add(&mut self, probability: f64, is_correct: bool) {
        let bin = ((probability * BINS as f64) as usize).min(BINS - 1);
        let bin = &mut self.bins[bin];
        bin.images += 1;
        bin.correct += u64::from(is_correct);
        bin.sum += probability;
    }

    /// Expected calibration error, 0 to 1.
    pub fn error(&self) -> f64 {
        let images: u64 = self.bins.iter().map(|bin| bin.images).sum();
        let gaps: f64 = self.bins.iter().map(|bin| (bin.correct as f64 - bin.sum).abs()).sum();
        gaps / images.max(1) as f64
    }

    /// The bins that hold answers, with the lowest and the highest probability that each is for.
    pub fn bins(&self) -> impl Iterator<Item = (f64, f64, &Bin)> {
        let edge = |bin: usize| bin as f64 / BINS as f64;
        let bins = self.bins.iter().enumerate().map(move |(index, bin)| (edge(index), edge(index + 1), bin));
        bins.filter(|(_, _, bin)| bin.images > 0)
    }
}

impl Bin {
    /// Mean probability of the answers.
    pub fn confidence(&self) -> f64 {
        self.sum / self.images.max(1) as f64
    }

    /// Share of right answers.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.images.max(1) as f64
    }
}

impl Serialize for Calibration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row {
            from: f64,
            to: f64,
            images: u64,
            correct: u64,
            confidence: f64,
            accuracy: f64,
        }
        let row = |(from, to, bin): (f64, f64, &Bin)| Row {
            from,
            to,
            images: bin.images,
            correct: bin.correct,
            confidence: bin.confidence(),
            accuracy: bin.accuracy(),
        };
        let mut whole = serializer.serialize_struct("Calibration", 2)?;
        whole.serialize_field("expected_error", &self.error())?;
        whole.serialize_field("bins", &self.bins().map(row).collect::<Vec<_>>())?;
        whole.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_mean_gap_of_the_bins() {
        let mut calibration = Calibration::default();
        for is_correct in [true, true, true, false] {
            calibration.add(0.95, is_correct); // 0.75 right: a gap of 0.2
        }
        calibration.add(0.5, true); // a gap of 0.5
        assert!((calibration.error() - (4.0 * 0.2 + 0.5) / 5.0).abs() < 1e-12);
        let bins: Vec<(f64, f64, u64)> =
            calibration.bins().map(|(from, to, bin)| (from, to, bin.images)).collect();
        assert_eq!(bins, [(0.5, 0.6, 1), (0.9, 1.0, 4)]);
        let json = serde_json::to_value(&calibration).unwrap();
        assert_eq!(json["bins"][1]["correct"], 3);
        assert!((json["bins"][1]["confidence"].as_f64().unwrap() - 0.95).abs() < 1e-12);
    }

    #[test]
    fn certainty_is_in_the_last_bin() {
        let mut calibration = Calibration::default();
        calibration.add(1.0, true);
        calibration.add(1.0 + 1e-15, true);
        assert_eq!(calibration.bins().count(), 1);
        assert!(calibration.error() < 1e-12);
    }
}
