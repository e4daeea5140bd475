//! Logits to probabilities.

/// Natural logarithm of the sum of `exp(logit * scale)`, without overflow.
pub(crate) fn log_sum_exp(logits: &[f64], scale: f64) -> f64 {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max) * scale;
    largest + logits.iter().map(|logit| (logit * scale - largest).exp()).sum::<f64>().ln()
}

/// Probabilities of the classes; they add up to 1.
pub(crate) fn softmax(logits: &[f64], scale: f64) -> Vec<f64> {
    let total = log_sum_exp(logits, scale);
    logits.iter().map(|logit| (logit * scale - total).exp()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_of_known_logits() {
        let probabilities = softmax(&[0.0, 3.0_f64.ln() * 256.0], 1.0 / 256.0);
        assert!((probabilities[0] - 0.25).abs() < 1e-12 && (probabilities[1] - 0.75).abs() < 1e-12);
        assert_eq!(softmax(&[1e9, 0.0], 1.0), [1.0, 0.0]);
    }
}
