//! Mean and standard deviation of a few runs.

use core::fmt::{self, Display};

use serde::{Deserialize, Serialize};

/// Mean and standard deviation of accuracies in per cent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// How many values.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their sample standard deviation (divided by `count - 1`); none of a single value.
    pub deviation: Option<f64>,
}

impl Spread {
    /// Of the values; none of no values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        let count = values.len();
        let mean = (count > 0).then(|| values.iter().sum::<f64>() / count as f64)?;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (count > 1).then(|| (squares / (count - 1) as f64).sqrt());
        Some(Self { count, mean, deviation })
    }
}

impl Display for Spread {
    /// As in `99.47 ± 0.03`; without the deviation where there is none. A width is that of the whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.deviation {
            Some(deviation) => format!("{:.2} \u{b1} {deviation:.2}", self.mean),
            None => format!("{:.2}", self.mean),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_of_known_values() {
        let spread = Spread::of([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((spread.count, spread.mean), (8, 5.0));
        // The sum of squares is 32.
        assert!((spread.deviation.unwrap() - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
        assert_eq!(spread.to_string(), "5.00 \u{b1} 2.14");
        assert_eq!(Spread::of([99.5]).unwrap().to_string(), "99.50");
        assert_eq!(Spread::of([]), None);
    }
}
