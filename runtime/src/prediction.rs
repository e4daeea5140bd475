//! What inference returns.

use heapless::Vec;
use micromath::F32Ext;

use crate::format::MAX_CLASSES;

/// The outcome of one inference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// The class with the largest logit; the first of them where several are equal.
    pub digit: u8,
    /// One logit a class, exact: real value = `logit * 2^-exponent`.
    pub logits: Vec<i32, MAX_CLASSES>,
    exponent: i8,
}

impl Prediction {
    pub(crate) fn new(logits: &[i32], exponent: i8) -> Self {
        let (mut digit, mut best) = (0, i32::MIN);
        for (class, &logit) in (0_u8..).zip(logits) {
            if logit > best {
                (digit, best) = (class, logit);
            }
        }
        // All of them, and then fewer: what is moved is 64 bytes, for which the compiler needs no `memcpy`.
        let all = core::array::from_fn(|class| logits.get(class).copied().unwrap_or(0));
        let mut logits_of = Vec::from_array::<MAX_CLASSES>(all);
        logits_of.truncate(logits.len());
        Self { digit, logits: logits_of, exponent }
    }

    /// How far the best logit is ahead of the second, in units of the logits; 0 when there is only
    /// one class. A cheap, integer measure of certainty.
    #[must_use]
    pub fn margin(&self) -> u32 {
        let mut best: Option<i32> = None;
        let mut second: Option<i32> = None;
        for &logit in &self.logits {
            if best.is_none_or(|best| logit > best) {
                second = best;
                best = Some(logit);
            } else if second.is_none_or(|second| logit > second) {
                second = Some(logit);
            }
        }
        match (best, second) {
            (Some(best), Some(second)) => best.abs_diff(second),
            _ => 0,
        }
    }

    /// Softmax probability of [`digit`](Self::digit), `0.0..=1.0`.
    ///
    /// Computed only when asked for, in `f32` with micromath's approximate exponential: expect
    /// about two decimal digits. The decision itself never depends on it.
    #[must_use]
    pub fn probability(&self) -> f32 {
        self.probabilities().get(usize::from(self.digit)).copied().unwrap_or(0.0)
    }

    /// Softmax over all classes, as precise as [`probability`](Self::probability). Sums to 1.
    #[must_use]
    pub fn probabilities(&self) -> Vec<f32, MAX_CLASSES> {
        let best = self.logits.iter().copied().max().unwrap_or(0);
        let scale = power_of_two(self.exponent);
        // Below -80 the exponential is 0 for every purpose, and micromath need not handle it.
        let exponential = |&logit: &i32| {
            let distance = best.abs_diff(logit) as f32 * scale;
            if distance > 80.0 { 0.0 } else { F32Ext::exp(-distance) }
        };
        let mut probabilities = Vec::new();
        for logit in &self.logits {
            // There are at most MAX_CLASSES logits; `collect` would panic if there were more.
            let _ = probabilities.push(exponential(logit));
        }
        let total: f32 = probabilities.iter().sum();
        probabilities.iter_mut().for_each(|probability| *probability /= total);
        probabilities
    }
}

/// `2^-exponent` for any `i8`, without a library call.
fn power_of_two(exponent: i8) -> f32 {
    // -exponent + 127 is in 0..=255; both ends (a subnormal and infinity) are never real models'.
    let biased = 127 - i32::from(exponent);
    f32::from_bits((biased.clamp(1, 254) as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_logits_wins() {
        let prediction = Prediction::new(&[-5, 7, 7, 0], 4);
        assert_eq!((prediction.digit, prediction.margin()), (1, 0));
        assert_eq!(Prediction::new(&[i32::MIN, i32::MAX], 4).margin(), u32::MAX);
        assert_eq!(Prediction::new(&[3], 4).margin(), 0);
    }

    #[test]
    fn probabilities_are_a_softmax() {
        for exponent in [-3_i8, 0, 5, 12, 30] {
            let logits = [120, -40, 3999, 4000, 0, -90_000, 17, 18, 19, 20];
            let prediction = Prediction::new(&logits, exponent);
            let scale = 2_f64.powi(-i32::from(exponent));
            let exact: std::vec::Vec<f64> =
                logits.iter().map(|&l| (f64::from(l - 4000) * scale).exp()).collect();
            let total: f64 = exact.iter().sum();
            for (approximate, exact) in prediction.probabilities().iter().zip(&exact) {
                assert!((f64::from(*approximate) - exact / total).abs() < 0.01, "{approximate} {exact}");
            }
            let sum: f32 = prediction.probabilities().iter().sum();
            assert!((sum - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn extreme_exponents_stay_finite() {
        for exponent in [i8::MIN, i8::MAX] {
            let probability = Prediction::new(&[1, 2, 3], exponent).probability();
            assert!((0.0..=1.0).contains(&probability), "{probability}");
        }
    }
}
