//! The only place that rounds, shifts and saturates. `docs/ARITHMETIC.md` is the normative text;
//! every function here is one of its definitions.

use crate::constant::at;

/// Accumulators stay strictly below this magnitude: [`Model::load`](crate::Model::load) proves it
/// from the weights, so that neither a sum nor the rounding term in [`rounding_shift`] overflows.
pub const ACCUMULATOR_LIMIT: u32 = 1 << 30;

/// `accumulator / 2^shift`, rounded to the nearest integer, ties to the even one.
///
/// `|accumulator| < 2^30` and `shift` in `0..=31`, which a loaded model guarantees. Ties go to even
/// because `QuantizeLinear` of ONNX rounds that way. Of a larger shift the lowest five bits count.
#[inline(always)]
#[must_use]
pub const fn rounding_shift(accumulator: i32, shift: u8) -> i32 {
    let shift = (shift & 31) as u32;
    if shift == 0 {
        return accumulator;
    }
    // floor((a + half - 1 + lsb) / 2^s), where lsb is the parity of floor(a / 2^s): a remainder of
    // exactly one half carries over only when the quotient is odd.
    let almost_half = (1_i32 << (shift - 1)).wrapping_sub(1);
    let parity = (accumulator >> shift) & 1;
    accumulator.wrapping_add(almost_half).wrapping_add(parity) >> shift
}

/// As [`rounding_shift`], without a branch: for a loop that becomes vector instructions.
#[inline(always)]
#[must_use]
pub(crate) const fn rounding_shift_of_lane(accumulator: i32, shift: u8) -> i32 {
    let shift = (shift & 31) as u32;
    let is_shifted = (shift != 0) as i32;
    let almost_half = (1_u32 << shift >> 1) as i32 - is_shifted;
    let parity = (accumulator >> shift) & is_shifted;
    accumulator.wrapping_add(almost_half).wrapping_add(parity) >> shift
}

/// Saturates to `0..=255`. As the last step of a requantization this is ReLU.
#[inline(always)]
#[must_use]
pub const fn saturate_u8(value: i32) -> u8 {
    if value < 0 {
        0
    } else if value > 255 {
        255
    } else {
        value as u8
    }
}

/// Saturates to `-128..=127`.
#[inline(always)]
#[must_use]
pub const fn saturate_i8(value: i32) -> i8 {
    if value < -128 {
        -128
    } else if value > 127 {
        127
    } else {
        value as i8
    }
}

/// Weight number `index` of a packed run: `BITS` is 8, 4 or 2; the first weight of a byte is in its
/// low bits. 8 and 4 bits are two's complement, 2 bits are the odd levels -3, -1, 1, 3.
/// Past the end of `packed` a weight is 0.
#[inline(always)]
#[must_use]
pub const fn unpack_weight<const BITS: u8>(packed: &[u8], index: usize) -> i32 {
    let byte = match BITS {
        8 => at(packed, index),
        4 => at(packed, index / 2),
        _ => at(packed, index / 4),
    };
    let Some(byte) = byte else { return 0 };
    match BITS {
        8 => byte as i8 as i32,
        4 if index & 1 == 0 => ((byte << 4) as i8 >> 4) as i32,
        4 => (byte as i8 >> 4) as i32,
        _ => {
            let code = byte >> ((index & 3) * 2) & 3;
            code as i32 * 2 - 3
        }
    }
}

/// The weight that an 8-bit one, read as two's complement, stands for in offset binary, where 128 was
/// added to it: the same bits but for the sign's.
#[inline(always)]
#[must_use]
pub const fn offset_weight(weight: i32) -> i32 {
    (weight as u8 ^ 0x80) as i8 as i32
}

/// The integer that an activation byte stands for: `i8` when `SIGNED`, else `u8`.
#[inline(always)]
#[must_use]
pub const fn activation<const SIGNED: bool>(byte: u8) -> i32 {
    if SIGNED { byte as i8 as i32 } else { byte as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_even() {
        // (accumulator, expected) at shift 1, that is halves.
        for (accumulator, expected) in
            [(1, 0), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2), (-5, -2), (-7, -4), (2, 1), (-2, -1)]
        {
            assert_eq!(rounding_shift(accumulator, 1), expected, "{accumulator} / 2");
        }
    }

    #[test]
    fn rounding_agrees_with_f64_at_every_shift() {
        let limit = ACCUMULATOR_LIMIT as i32 - 1;
        for shift in 0..=31_u8 {
            let half = (1_i64 << shift) / 2;
            for quotient in [-3_i64, -2, -1, 0, 1, 2, 3] {
                for nudge in [-1_i64, 0, 1] {
                    let exact = quotient * (1_i64 << shift) + half + nudge;
                    if exact.abs() > i64::from(limit) {
                        continue;
                    }
                    let expected = (exact as f64 / (1_i64 << shift) as f64).round_ties_even();
                    for rounded in
                        [rounding_shift(exact as i32, shift), rounding_shift_of_lane(exact as i32, shift)]
                    {
                        assert_eq!(f64::from(rounded), expected, "{exact} >> {shift}");
                    }
                }
            }
            for extreme in [limit, -limit] {
                let expected = (f64::from(extreme) / (1_i64 << shift) as f64).round_ties_even();
                for rounded in [rounding_shift(extreme, shift), rounding_shift_of_lane(extreme, shift)] {
                    assert_eq!(f64::from(rounded), expected, "{extreme} >> {shift}");
                }
            }
        }
    }

    #[test]
    fn the_lowest_five_bits_of_a_shift_count() {
        for accumulator in [-7, 0, 3, 1 << 29] {
            for shift in 0..=255 {
                let expected = rounding_shift(accumulator, shift & 31);
                assert_eq!(rounding_shift(accumulator, shift), expected, "{accumulator} >> {shift}");
                assert_eq!(rounding_shift_of_lane(accumulator, shift), expected, "{accumulator} >> {shift}");
            }
        }
    }

    #[test]
    fn saturation_at_the_limits() {
        assert_eq!([-1, 0, 255, 256].map(saturate_u8), [0, 0, 255, 255]);
        assert_eq!([-129, -128, 127, 128].map(saturate_i8), [-128, -128, 127, 127]);
    }

    #[test]
    fn weights_unpack_from_the_low_bits_up() {
        assert_eq!([0, 1].map(|i| unpack_weight::<8>(&[0x81, 0x7f], i)), [-127, 127]);
        assert_eq!([0, 1, 2].map(|i| unpack_weight::<4>(&[0x79, 0x0f], i)), [-7, 7, -1]);
        assert_eq!([0, 1, 2, 3].map(|i| unpack_weight::<2>(&[0b11_10_01_00], i)), [-3, -1, 1, 3]);
        assert_eq!(unpack_weight::<4>(&[0x79], 2), 0);
        assert_eq!(
            [1, 127, 128, 255].map(|byte| offset_weight(unpack_weight::<8>(&[byte], 0))),
            [-127, -1, 0, 127]
        );
    }
}
