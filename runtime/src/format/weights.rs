//! The proof that the weights of a layer can be trusted: that no accumulator overflows with any input, and
//! that nothing hides where a kernel might multiply it.

use super::LoadError;
use super::block::{HAS_MORE, Runs};
use super::features::{self as f, any};
use crate::arithmetic::{ACCUMULATOR_LIMIT, offset_weight, unpack_weight};
use crate::model::{Layer, Parameters};
use crate::order::{Interleaved, Order};

/// Checks the weights, biases and shifts of a layer whose shapes and lengths are right.
#[inline(never)]
pub(super) fn check<const FEATURES: u32>(layer: &Layer<'_>, index: u8) -> Result<(), LoadError> {
    if layer.block.bytes.is_empty() {
        return Ok(());
    }
    let misplaced = LoadError::BlockAlignment { layer: index };
    let parameters = layer.parameters_of::<FEATURES>().ok_or(misplaced)?;
    let Some(runs) = &Runs::of::<FEATURES>(layer) else { return Err(misplaced) };
    let weights_end = 4 * usize::from(runs.outputs) + parameters.weights.len();
    let zeros = layer.block.bytes.iter().skip(weights_end).take(usize::from(layer.block.filler));
    if zeros.fold(0, |all, byte| all | byte) != 0 {
        return Err(misplaced);
    }
    if parameters.shifts.iter().any(|&shift| shift > 31) {
        return Err(LoadError::Shift { layer: index });
    }
    let signed = layer.input_signed;
    match (&runs.interleaved, parameters.weight_bits) {
        (Some(interleaved), _) if any(FEATURES, f::INTERLEAVED) => {
            interleaved_accumulators(index, signed, &parameters, interleaved)?;
        }
        (_, 4) if any(FEATURES, f::WEIGHTS_4) => {
            accumulators::<FEATURES, 4>(index, signed, &parameters, runs)?
        }
        (_, 2) if any(FEATURES, f::WEIGHTS_2) => {
            accumulators::<FEATURES, 2>(index, signed, &parameters, runs)?
        }
        _ if any(FEATURES, f::WEIGHTS_8) => accumulators::<FEATURES, 8>(index, signed, &parameters, runs)?,
        _ => {}
    }
    if any(FEATURES, HAS_MORE)
        && let Some(arrangement) = &runs.arrangement
        && parameters
            .weights
            .chunks_exact(runs.length.max(1))
            .any(|run| !arrangement.is_well_formed::<FEATURES>(run))
    {
        return Err(misplaced);
    }
    Ok(())
}

/// Proves for every output channel that `sum |w| * max |x| + |bias|` stays below
/// [`ACCUMULATOR_LIMIT`], that no weight is outside the symmetric range, and that nothing hides in
/// the unused bits behind a run.
fn accumulators<const FEATURES: u32, const BITS: u8>(
    layer: u8,
    signed: bool,
    parameters: &Parameters<'_>,
    runs: &Runs,
) -> Result<(), LoadError> {
    let largest_input = if signed { 128 } else { 255 };
    // Such a sum is too large with any input, and its product with 255 and a bias fit 32 bits.
    let too_large = ACCUMULATOR_LIMIT / 128;
    let forbidden = -(1_i32 << (BITS - 1));
    let run_bytes = parameters.run_bytes;
    // Planar order adds 128 to every weight: the other sign bit.
    let is_planar = any(FEATURES, f::PLANAR_CONVOLUTION) && parameters.order == Order::Planar;
    let is_narrow = any(FEATURES, f::NARROW_CONVOLUTION) && parameters.order == Order::Narrow;
    for (channel, bias) in (0..runs.outputs).zip(parameters.bias) {
        let mut magnitude = 0;
        let mut sum = 0;
        let mut start = usize::from(channel) * run_bytes;
        for _ in 0..runs.steps {
            let run = parameters.weights.get(start..start + run_bytes).unwrap_or_default();
            start += usize::from(runs.outputs) * run_bytes;
            // The bits of the last byte that hold no weight, as a kernel may read whole bytes.
            let used = runs.length * usize::from(BITS) % 8;
            if used != 0 && run.last().is_some_and(|last| last >> used != 0) {
                return Err(LoadError::BlockAlignment { layer });
            }
            // A run in narrow order ends with a byte that is no weight.
            for position in 0..runs.length - usize::from(is_narrow) {
                let weight = unpack_weight::<BITS>(run, position);
                let weight = if is_planar { offset_weight(weight) } else { weight };
                if BITS != 2 && weight == forbidden {
                    return Err(LoadError::Weight { layer });
                }
                magnitude = too_large.min(magnitude + weight.unsigned_abs());
                sum += weight;
            }
        }
        // Narrow order takes 128 from every input.
        let bias = if is_narrow { bias.wrapping_sub(128 * sum) } else { *bias };
        if magnitude * largest_input + bias.unsigned_abs() >= ACCUMULATOR_LIMIT {
            return Err(LoadError::Accumulator { layer, channel });
        }
    }
    Ok(())
}

/// As [`accumulators`], for weights whose outputs are interleaved: what hides would be anything but
/// zero beside the weights.
fn interleaved_accumulators(
    layer: u8,
    signed: bool,
    parameters: &Parameters<'_>,
    interleaved: &Interleaved,
) -> Result<(), LoadError> {
    let largest_input: u64 = if signed { 128 } else { 255 };
    let magnitude = |byte: u8| u64::from((byte as i8).unsigned_abs());
    let step_bytes = parameters.run_bytes.saturating_mul(interleaved.blocks()).max(1);
    let mut of_weights = 0;
    for (output, (channel, bias)) in (0_u16..).zip(parameters.bias).enumerate() {
        let mut of_output = 0_u64;
        for step in parameters.weights.chunks_exact(step_bytes) {
            for byte in interleaved.places(output).filter_map(|place| step.get(place).copied()) {
                let fits = match parameters.weight_bits {
                    8 => byte != 0x80,
                    4 => magnitude(byte) <= 7,
                    _ => matches!(magnitude(byte), 1 | 3),
                };
                if !fits {
                    return Err(LoadError::Weight { layer });
                }
                of_output += magnitude(byte);
            }
        }
        let bound = of_output.saturating_mul(largest_input).saturating_add(u64::from(bias.unsigned_abs()));
        if bound >= u64::from(ACCUMULATOR_LIMIT) {
            return Err(LoadError::Accumulator { layer, channel });
        }
        of_weights += of_output;
    }
    let of_all: u64 = parameters.weights.iter().map(|&byte| magnitude(byte)).sum();
    if of_weights == of_all { Ok(()) } else { Err(LoadError::BlockAlignment { layer }) }
}
