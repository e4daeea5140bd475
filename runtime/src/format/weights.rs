//! The proof that the weights of a layer can be trusted: that no accumulator overflows with any input, and
//! that nothing hides where a kernel might multiply it.

use super::LoadError;
use super::block::{HAS_MORE, Runs};
use super::features::{self as f, any};
use crate::arithmetic::{ACCUMULATOR_LIMIT, offset_weight, unpack_weight};
use crate::constant::{at, is_zero, magnitude, part, pass};
use crate::model::{BlockParts, Layer};
use crate::order::{Arrangement, Interleaved, Order, PackedSums};

/// Checks the weights, biases and shifts of a layer whose shapes and lengths are right.
#[inline(never)]
pub(super) const fn check<const FEATURES: u32>(layer: &Layer<'_>, index: u8) -> Result<(), LoadError> {
    if layer.block.bytes.is_empty() {
        return Ok(());
    }
    let misplaced = LoadError::BlockAlignment { layer: index };
    let outputs = layer.output.channels as usize;
    let Some(parts) = layer.block.parts::<FEATURES>(outputs) else { return Err(misplaced) };
    let Some(runs) = &Runs::of::<FEATURES>(layer) else { return Err(misplaced) };
    if !is_zero(parts.filler) {
        return Err(misplaced);
    }
    let mut shifts = parts.shifts;
    while let [shift, rest @ ..] = shifts {
        if *shift > 31 {
            return Err(LoadError::Shift { layer: index });
        }
        shifts = rest;
    }
    if let Some(arrangement) = &runs.arrangement
        && arrangement.packing().is_packed::<FEATURES>()
    {
        return packed_accumulators::<FEATURES>(index, layer, &parts, arrangement);
    }
    match (&runs.interleaved, layer.block.weight_bits) {
        (Some(interleaved), _) if any(FEATURES, f::INTERLEAVED) => {
            pass!(interleaved_accumulators(index, layer, &parts, interleaved));
        }
        (_, 4) if any(FEATURES, f::WEIGHTS_4) => {
            pass!(accumulators::<FEATURES, 4>(index, layer, &parts, runs));
        }
        (_, 2) if any(FEATURES, f::WEIGHTS_2) => {
            pass!(accumulators::<FEATURES, 2>(index, layer, &parts, runs));
        }
        _ if any(FEATURES, f::WEIGHTS_8) => {
            pass!(accumulators::<FEATURES, 8>(index, layer, &parts, runs));
        }
        _ => {}
    }
    if any(FEATURES, HAS_MORE)
        && let Some(arrangement) = &runs.arrangement
    {
        let mut start = 0;
        while let Some(run) = part(parts.weights, start, runs.length)
            && !run.is_empty()
        {
            if !arrangement.is_well_formed::<FEATURES>(run) {
                return Err(misplaced);
            }
            start += runs.length;
        }
    }
    Ok(())
}

/// Proves for every output channel that `sum |w| * max |x| + |bias|` stays below
/// [`ACCUMULATOR_LIMIT`], that no weight is outside the symmetric range, and that nothing hides in
/// the unused bits behind a run.
const fn accumulators<const FEATURES: u32, const BITS: u8>(
    index: u8,
    layer: &Layer<'_>,
    parts: &BlockParts<'_>,
    runs: &Runs,
) -> Result<(), LoadError> {
    let largest_input = if layer.input_signed { 128 } else { 255 };
    // Such a sum is too large with any input, and its product with 255 and a bias fit 32 bits.
    let too_large = ACCUMULATOR_LIMIT / 128;
    let forbidden = -(1_i32 << (BITS - 1));
    let run_bytes = layer.block.run_bytes;
    // Planar order adds 128 to every weight: the other sign bit.
    let is_planar = any(FEATURES, f::PLANAR_CONVOLUTION) && matches!(layer.block.order, Order::Planar);
    let is_narrow = any(FEATURES, f::NARROW_CONVOLUTION) && matches!(layer.block.order, Order::Narrow);
    // A run in narrow order ends with a byte that is no weight.
    let length = runs.length - is_narrow as usize;
    // The bits of the last byte that hold no weight, as a kernel may read whole bytes.
    let used = runs.length * BITS as usize % 8;
    let (mut biases, mut channel) = (parts.bias, 0);
    while let Some((bias, rest)) = biases.split_first_chunk() {
        biases = rest;
        let mut magnitude = 0;
        let mut sum = 0;
        let mut start = channel as usize * run_bytes;
        let mut step = 0;
        while step < runs.steps {
            let run = match part(parts.weights, start, run_bytes) {
                Some(run) => run,
                None => &[],
            };
            start += runs.outputs as usize * run_bytes;
            if used != 0
                && let Some(last) = run.last()
                && *last >> used != 0
            {
                return Err(LoadError::BlockAlignment { layer: index });
            }
            let mut position = 0;
            while position < length {
                let weight = unpack_weight::<BITS>(run, position);
                let weight = if is_planar { offset_weight(weight) } else { weight };
                if BITS != 2 && weight == forbidden {
                    return Err(LoadError::Weight { layer: index });
                }
                magnitude += weight.unsigned_abs();
                if magnitude > too_large {
                    magnitude = too_large;
                }
                // Elsewhere it is not needed, and the runs of a dense layer may add up to more than 32 bits.
                if is_narrow {
                    sum += weight;
                }
                position += 1;
            }
            step += 1;
        }
        // Narrow order takes 128 from every input.
        let bias = i32::from_le_bytes(*bias);
        let bias = if is_narrow { bias.wrapping_sub(128 * sum) } else { bias };
        if magnitude * largest_input + bias.unsigned_abs() >= ACCUMULATOR_LIMIT {
            return Err(LoadError::Accumulator { layer: index, channel });
        }
        channel += 1;
    }
    Ok(())
}

/// As [`accumulators`], for weights of 4 and 2 bits in an order for a core.
const fn packed_accumulators<const FEATURES: u32>(
    index: u8,
    layer: &Layer<'_>,
    parts: &BlockParts<'_>,
    arrangement: &Arrangement,
) -> Result<(), LoadError> {
    let largest_input = if layer.input_signed { 128 } else { 255 };
    let is_narrow = any(FEATURES, f::NARROW_CONVOLUTION) && matches!(layer.block.order, Order::Narrow);
    let packing = arrangement.packing();
    let (mut biases, mut weights, mut channel) = (parts.bias, parts.weights, 0);
    while let Some((bias, rest)) = biases.split_first_chunk() {
        biases = rest;
        let (run, tail) = match weights.split_at_checked(layer.block.run_bytes) {
            Some(split) => split,
            None => return Err(LoadError::BlockAlignment { layer: index }),
        };
        weights = tail;
        let PackedSums { magnitude, sum, is_forbidden, is_clean } = packing.sums(run);
        if is_forbidden {
            return Err(LoadError::Weight { layer: index });
        }
        if !is_clean {
            return Err(LoadError::BlockAlignment { layer: index });
        }
        // Narrow order takes 128 from every input.
        let bias = i32::from_le_bytes(*bias);
        let bias = if is_narrow { bias.wrapping_sub(128 * sum) } else { bias };
        // A run has so few weights, of 7 at most, that this product fits.
        if magnitude * largest_input + bias.unsigned_abs() >= ACCUMULATOR_LIMIT {
            return Err(LoadError::Accumulator { layer: index, channel });
        }
        channel += 1;
    }
    Ok(())
}

/// As [`accumulators`], for weights whose outputs are interleaved: what hides would be anything but
/// zero beside the weights.
const fn interleaved_accumulators(
    index: u8,
    layer: &Layer<'_>,
    parts: &BlockParts<'_>,
    interleaved: &Interleaved,
) -> Result<(), LoadError> {
    let largest_input: u64 = if layer.input_signed { 128 } else { 255 };
    let step_bytes = layer.block.run_bytes.saturating_mul(interleaved.blocks());
    let mut of_weights = 0;
    let (mut biases, mut channel) = (parts.bias, 0);
    while let Some((bias, rest)) = biases.split_first_chunk() {
        biases = rest;
        let mut of_output = 0_u64;
        let mut start = 0;
        while let Some(step) = part(parts.weights, start, step_bytes)
            && !step.is_empty()
        {
            start += step_bytes;
            let mut weight = 0;
            while weight < interleaved.weights() {
                let place = interleaved.place(channel as usize, weight);
                weight += 1;
                let Some(byte) = at(step, place) else { continue };
                let magnitude = (byte as i8).unsigned_abs();
                let fits = match layer.block.weight_bits {
                    8 => byte != 0x80,
                    4 => magnitude <= 7,
                    _ => matches!(magnitude, 1 | 3),
                };
                if !fits {
                    return Err(LoadError::Weight { layer: index });
                }
                of_output += magnitude as u64;
            }
        }
        let bias = i32::from_le_bytes(*bias).unsigned_abs() as u64;
        let bound = of_output.saturating_mul(largest_input).saturating_add(bias);
        if bound >= ACCUMULATOR_LIMIT as u64 {
            return Err(LoadError::Accumulator { layer: index, channel });
        }
        of_weights += of_output;
        channel += 1;
    }
    let of_all = magnitude(parts.weights);
    if of_weights == of_all { Ok(()) } else { Err(LoadError::BlockAlignment { layer: index }) }
}
