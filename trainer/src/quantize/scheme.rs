//! How one layer is quantized: all exponents, fixed before fine-tuning.

use serde::{Deserialize, Serialize};

use crate::model::{Activation, Encoding};

/// Largest sum of absolute products and bias that a channel may reach: below it, every partial
/// sum is exact in `f32`, in any order.
pub(crate) const ACCUMULATOR_LIMIT: i64 = 1 << 24;

/// Largest right shift of an accumulator.
pub(crate) const MAX_SHIFT: i32 = 31;

/// The encodings of one layer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LayerScheme {
    /// Encoding of the input activations.
    pub input: Encoding,
    /// Encoding of the output activations (for logits: of the accumulators).
    pub output: Encoding,
    /// Bits a weight.
    pub bits: u8,
    /// One exponent an output channel; empty for pools.
    pub weight_exponents: Vec<i32>,
    /// Exponent of the index, and entries, of the tanh table.
    pub table: Option<(i32, Vec<i8>)>,
}

impl LayerScheme {
    /// The exponent that accumulators are requantized to.
    pub fn requantized_exponent(&self) -> i32 {
        self.table.as_ref().map_or(self.output.exponent, |(exponent, _)| *exponent)
    }

    /// Right shift of each channel's accumulator: zero for logits, which stay as they are.
    pub fn shifts(&self, activation: Activation) -> Vec<i32> {
        let target = self.requantized_exponent();
        let shift = |weight: &i32| match activation {
            Activation::Logits => 0,
            _ => self.input.exponent + weight - target,
        };
        self.weight_exponents.iter().map(shift).collect()
    }

    /// Smallest and largest value that an accumulator is saturated to.
    pub fn range(&self, activation: Activation) -> (f32, f32) {
        match activation {
            Activation::Relu => (0.0, 255.0),
            Activation::Identity | Activation::Tanh | Activation::Logits => (-128.0, 127.0),
        }
    }
}

/// Smallest and largest integer value of an activation.
pub(crate) fn limits(signed: bool) -> (f64, f64) {
    if signed { (-128.0, 127.0) } else { (0.0, 255.0) }
}

/// Largest weight of so many bits.
pub(crate) fn largest_weight(bits: u8) -> f32 {
    match bits {
        2 => 3.0,
        4 => 7.0,
        _ => 127.0,
    }
}

/// The integer that stands for `scaled = weight * 2^exponent`; what [`super::fake`] computes.
pub(crate) fn quantize_weight(scaled: f32, bits: u8) -> f32 {
    let most = largest_weight(bits);
    let clamped = scaled.clamp(-most, most);
    if bits == 2 {
        // Odd levels: the even ones lie half-way between them.
        ((clamped - 1.0) * 0.5).round_ties_even() * 2.0 + 1.0
    } else {
        clamped.round_ties_even()
    }
}

/// The largest magnitude that the accumulator of a channel can reach.
pub(crate) fn accumulator_bound(weights: &[f32], bias: f32, input: Encoding, exponent: i32, bits: u8) -> i64 {
    let scale = power(exponent);
    let sum: i64 = weights.iter().map(|w| quantize_weight(w * scale, bits).abs() as i64).sum();
    let largest = if input.signed { 128 } else { 255 };
    let bias = (bias * power(input.exponent + exponent)).round_ties_even().abs();
    // The cast saturates, far above any limit.
    (sum * largest).saturating_add(bias as i64)
}

/// The 256 entries of tanh for an index at this exponent; the output is at exponent 7.
pub(crate) fn tanh_table(exponent: i32) -> Vec<i8> {
    (-128..128)
        .map(|index| {
            let value = (f64::from(index) * f64::from(power(-exponent))).tanh();
            (value * 128.0).round_ties_even().clamp(-127.0, 127.0) as i8
        })
        .collect()
}

/// `2^exponent`.
pub(crate) fn power(exponent: i32) -> f32 {
    2f32.powi(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_land_on_their_levels() {
        for (scaled, bits, expected) in [
            (200.0, 8, 127.0),
            (-200.0, 8, -127.0),
            (2.5, 8, 2.0),
            (7.4, 4, 7.0),
            (0.1, 2, 1.0),
            (-0.1, 2, -1.0),
            (2.1, 2, 3.0),
            (-9.0, 2, -3.0),
        ] {
            assert_eq!(quantize_weight(scaled, bits), expected, "{scaled} at {bits} bits");
        }
    }
}
