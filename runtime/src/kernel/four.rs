//! Weights in plain order, four outputs side by side: what runs any convolution and any dense layer
//! on a back end that has a loop for four runs of 8-bit weights and one run of inputs.

use super::back_end::multiply_four;
use super::{Rows, portable, requantize};
use crate::arithmetic::unpack_weight;
use crate::format::features::{self as f, any};
use crate::model::{Layer, Parameters};

/// Weights that are unpacked at once, where they have fewer than 8 bits.
const UNPACKED: usize = 16;

/// As [`portable::convolution`], for weights in plain order.
#[inline(never)]
pub(super) fn convolution<const FEATURES: u32>(
    layer: &Layer<'_>,
    job: portable::Convolution<'_, '_>,
    rows: Rows<'_>,
    out: &mut [u8],
) {
    let portable::Convolution { window, groups, pool, parameters } = job;
    let channels = usize::from(layer.input.channels);
    let outputs = usize::from(layer.output.channels).max(1);
    let groups = if any(FEATURES, f::GROUPED_CONVOLUTION) { usize::from(groups).max(1) } else { 1 };
    let (depth, per_group) = (channels / groups, (outputs / groups).max(1));
    let [kernel_height, kernel_width] = window.kernel.map(usize::from);
    let [stride_down, stride_across] = window.stride.map(usize::from);
    let [pool_height, pool_width] = pool.kernel.map(usize::from);
    let pool_across = usize::from(pool.stride[1]);
    let (runs, run) = if groups == 1 { (1, kernel_width * depth) } else { (kernel_width, depth) };

    for (column, pixel) in out.chunks_exact_mut(outputs).enumerate() {
        let (mut first, mut group, mut left_of_group) = (0, 0, per_group);
        while first < outputs {
            // Four outputs of one group, or those that are left of it.
            let count = 4.min(left_of_group);
            let four = Four::new(parameters, layer.input_signed, first, count);
            let mut largest = [i32::MIN; 4];
            for down in 0..pool_height {
                for across in 0..pool_width {
                    let left = (column * pool_across + across) * stride_across * channels + group;
                    let mut sums = four_of(parameters.bias, first);
                    let mut position = 0;
                    for row in 0..kernel_height {
                        for pixel in 0..runs {
                            let patch = rows.run(down * stride_down + row, left + pixel * channels, run);
                            four.dot::<FEATURES>(position, patch, &mut sums);
                            position += run;
                        }
                    }
                    for (largest, sum) in largest.iter_mut().zip(sums) {
                        *largest = sum.max(*largest);
                    }
                }
            }
            finish_four::<FEATURES>(parameters, &largest, first, count, pixel);
            first += count;
            left_of_group -= count;
            if left_of_group == 0 {
                (group, left_of_group) = (group + depth, per_group);
            }
        }
    }
}

/// As [`portable::dense_step`].
#[inline(never)]
pub(crate) fn dense_step<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    step: usize,
    input: &[u8],
    sums: &mut [i32],
) {
    let mut run = step * sums.len();
    for sums in sums.chunks_mut(4) {
        let mut totals = four_of(sums, 0);
        Four::new(parameters, layer.input_signed, run, sums.len()).dot::<FEATURES>(0, input, &mut totals);
        for (to, &from) in sums.iter_mut().zip(&totals) {
            // Seen as one store after the other: `memcpy` takes 700 bytes of flash where nothing else links it.
            *core::hint::black_box(to) = from;
        }
        run += sums.len();
    }
}

/// As [`portable::dense`].
#[inline(never)]
pub(crate) fn dense<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    input: &[u8],
    out: &mut [u8],
) {
    for first in (0..out.len()).step_by(4) {
        let count = 4.min(out.len() - first);
        let mut sums = four_of(parameters.bias, first);
        Four::new(parameters, layer.input_signed, first, count).dot::<FEATURES>(0, input, &mut sums);
        finish_four::<FEATURES>(parameters, &sums, first, count, out);
    }
}

/// Four biases or sums from number `first` on, completed with zeros.
#[inline(always)]
fn four_of(values: &[i32], first: usize) -> [i32; 4] {
    core::array::from_fn(|index| values.get(first + index).copied().unwrap_or(0))
}

/// Requantizes the sums of `count` outputs from number `first` on.
#[inline(never)]
fn finish_four<const FEATURES: u32>(
    parameters: &Parameters<'_>,
    sums: &[i32; 4],
    first: usize,
    count: usize,
    out: &mut [u8],
) {
    let (values, shifts) = (out.get_mut(first..), parameters.shifts.get(first..));
    let (values, shifts) = (values.unwrap_or_default(), shifts.unwrap_or_default());
    for ((value, &sum), &shift) in values.iter_mut().zip(sums).zip(shifts).take(count) {
        *value = requantize::<FEATURES>(sum, shift, parameters.output);
    }
}

/// The weights of four outputs that are computed side by side, so that every input is loaded once
/// for the four. Where there are fewer, the last one is repeated and its result not used.
#[derive(Clone, Copy)]
struct Four<'a> {
    /// From the first output's on.
    weights: &'a [u8],
    run_bytes: usize,
    /// Number of the last output.
    last: usize,
    bits: u8,
    signed: bool,
}

impl<'a> Four<'a> {
    /// The weights of `count` runs, from number `first` on.
    #[inline(always)]
    fn new(parameters: &Parameters<'a>, signed: bool, first: usize, count: usize) -> Self {
        let Parameters { weights, run_bytes, weight_bits, .. } = *parameters;
        let weights = weights.get(first * run_bytes..).unwrap_or_default();
        Self { weights, run_bytes, last: count - 1, bits: weight_bits, signed }
    }

    /// Adds the products of `patch` with the weights from number `position` on to `sums`.
    #[inline(never)]
    fn dot<const FEATURES: u32>(&self, position: usize, patch: &[u8], sums: &mut [i32; 4]) {
        let signed = any(FEATURES, f::SIGNED_INPUT) && self.signed;
        if !any(FEATURES, f::WEIGHTS_4 | f::WEIGHTS_2) || self.bits == 8 {
            let weights = self.weights.get(position..).unwrap_or_default();
            return multiply_four(weights, self.run_bytes, self.last, patch, signed, sums);
        }
        for (index, patch) in patch.chunks(UNPACKED).enumerate() {
            let position = position + index * UNPACKED;
            let mut unpacked = [0; 4 * UNPACKED];
            for (index, unpacked) in unpacked.chunks_exact_mut(UNPACKED).enumerate() {
                let run = self.weights.get(index.min(self.last) * self.run_bytes..).unwrap_or_default();
                let unpacked = unpacked.iter_mut().take(patch.len());
                if any(FEATURES, f::WEIGHTS_4) && self.bits == 4 {
                    unpack::<4>(run, position, unpacked);
                } else {
                    unpack::<2>(run, position, unpacked);
                }
            }
            multiply_four(&unpacked, UNPACKED, 3, patch, signed, sums);
        }
    }
}

/// Unpacks weights from number `position` on.
fn unpack<'a, const BITS: u8>(run: &[u8], position: usize, unpacked: impl Iterator<Item = &'a mut u8>) {
    for (index, weight) in (position..).zip(unpacked) {
        *weight = unpack_weight::<BITS>(run, index) as u8;
    }
}
