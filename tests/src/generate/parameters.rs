//! Weights, biases, shifts and tables, ordinary and extreme.

use crate::random::Random;
use crate::spec::{Output, Parameters};

/// Whether values are drawn to keep the information flowing, or to reach the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temper {
    /// Like a trained network: sums spread over the output's range, so that a wrong input shows in
    /// every later layer.
    Tame,
    /// Extreme weights, biases and shifts; most outputs saturate.
    Wild,
}

/// How many weights the parameters hold, and what they multiply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fan {
    /// Weights an output channel.
    pub(super) inputs: usize,
    /// Output channels.
    pub(super) outputs: usize,
    /// Whether the input is `i8`; else `u8`.
    pub(super) signed_input: bool,
}

/// Parameters, and whether their output is signed. The last layer has logits, any other has not.
pub(super) fn parameters(random: &mut Random, temper: Temper, fan: Fan, last: bool) -> (Parameters, bool) {
    let weight_bits = random.choose(&[8, 8, 4, 2]);
    let weights = weights(random, temper, fan, weight_bits);
    let largest_input = if fan.signed_input { 128 } else { 255 };
    let reach: Vec<i64> = weights
        .chunks(fan.inputs)
        .map(|channel| channel.iter().map(|&w| i64::from(w).abs() * largest_input).sum())
        .collect();
    let bias = biases(random, temper, fan, &reach);
    if last {
        let parameters =
            Parameters { weight_bits, weights, bias, shifts: Vec::new(), output: Output::Logits };
        return (parameters, true);
    }
    let shifts = shifts(random, temper, fan, &reach);
    let (output, signed) = match random.length(0, 5) {
        0..=2 => (Output::Unsigned, false),
        3 => (Output::Signed, true),
        kind => {
            let signed = kind == 4;
            (Output::Table { signed, entries: table(random, signed) }, signed)
        }
    };
    (Parameters { weight_bits, weights, bias, shifts, output }, signed)
}

fn weights(random: &mut Random, temper: Temper, fan: Fan, weight_bits: u8) -> Vec<i8> {
    let count = fan.inputs * fan.outputs;
    let limit = match weight_bits {
        8 => 127,
        4 => 7,
        _ => 3,
    };
    let style = if temper == Temper::Tame { 9 } else { random.length(0, 9) };
    let odd = |value: i8| value | 1; // the 2-bit levels are the odd ones: -3, -1, 1, 3
    let any = |random: &mut Random| match (weight_bits, style) {
        (2, 0) => -3,
        (2, 1) => 3,
        (2, _) => odd(random.choose(&[-4, -2, 0, 2])),
        (_, 0) => -limit,
        (_, 1) => limit,
        (_, 2) => 0,
        (_, 3) => random.choose(&[-limit, limit]),
        // Mostly zeros, as in a pruned network.
        (_, 4) if !random.one_in(5) => 0,
        (8, 5 | 6) => random.between(-9, 9) as i8,
        _ => random.between(-i64::from(limit), i64::from(limit)) as i8,
    };
    (0..count).map(|_| any(random)).collect()
}

/// Accumulators stay below this magnitude in a well-formed network.
pub(super) const ACCUMULATOR_LIMIT: i64 = 1 << 30;

/// Biases such that every accumulator stays below the limit, whatever the input.
fn biases(random: &mut Random, temper: Temper, fan: Fan, reach: &[i64]) -> Vec<i32> {
    let style = if temper == Temper::Tame { 5 } else { random.length(0, 5) };
    let one = |&reach: &i64| {
        let room = ACCUMULATOR_LIMIT - 1 - reach;
        assert!(room >= 0, "the generator's layers are too small to overflow");
        let bias = match style {
            0 => 0,
            // To the last bit that the accumulator has.
            1 => random.choose(&[-room, room]),
            2 => random.between(-room, room),
            3 => random.between(-20, 20).clamp(-room, room),
            4 => random.between(-reach / 2, reach / 2).clamp(-room, room),
            _ => {
                let spread = spread(reach, fan);
                random.between(-spread / 2, spread / 2)
            }
        };
        bias as i32
    };
    reach.iter().map(one).collect()
}

/// About how far sums of random inputs lie apart: reach / sqrt(inputs).
fn spread(reach: i64, fan: Fan) -> i64 {
    reach / (fan.inputs.isqrt() as i64).max(1)
}

fn shifts(random: &mut Random, temper: Temper, fan: Fan, reach: &[i64]) -> Vec<u8> {
    let style = if temper == Temper::Tame { 7 } else { random.length(0, 6) };
    let one = |&reach: &i64| match style {
        0 => 0,
        1 => 31,
        2 => random.length(0, 31) as u8,
        // Small shifts make ties frequent.
        3 => random.length(1, 3) as u8,
        // Shifts that spread the sums over the range of the output.
        _ => {
            let bits = 64 - i64::from(spread(reach, fan).leading_zeros());
            (bits - 7 - random.between(0, 2)).clamp(0, 31) as u8
        }
    };
    reach.iter().map(one).collect()
}

fn table(random: &mut Random, signed: bool) -> Vec<u8> {
    if random.one_in(2) {
        return random.bytes(256);
    }
    // An integer S curve, x / (1 + |x| / 64), that covers the type's range.
    let curve = |index: i64| {
        let x = index - 128;
        let y = x * 64 * 3 / (64 + x.abs()); // -128..=127
        (if signed { y } else { y + 128 }).clamp(if signed { -128 } else { 0 }, 255) as u8
    };
    (0..256).map(curve).collect()
}
