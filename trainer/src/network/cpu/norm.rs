//! Batch norm of feature maps `[channels][rows][columns][images]`, sums over channels, and what is
//! done to single values.

use super::simd::{Kernel, LANES, Simd};
use super::weight_gradient::total;

/// Sums that run side by side, so that none waits for the one before it.
const CHAINS: usize = 4;

/// Sums of every lane of `values`, whose `images` lanes repeat: of `term(accumulator, vector)`.
#[inline(always)]
fn lane_sums<S: Simd>(
    simd: S,
    values: &[f32],
    images: usize,
    sums: &mut [f32],
    term: impl Fn(S::Vector, usize) -> S::Vector,
) {
    let mut lane = 0;
    while lane < images {
        let mut chains = [simd.splat(0.0); CHAINS];
        let mut place = lane;
        while place + 3 * images + S::WIDTH <= values.len() {
            for (chain, sum) in chains.iter_mut().enumerate() {
                *sum = simd
                    .add(*sum, term(simd.load(&values[place + chain * images..]), place + chain * images));
            }
            place += CHAINS * images;
        }
        let mut chain = 0;
        while place < values.len() {
            chains[chain] = simd.add(chains[chain], term(simd.load(&values[place..]), place));
            place += images;
            chain += 1;
        }
        let [a, b, c, d] = chains;
        simd.store(simd.add(simd.add(a, b), simd.add(c, d)), &mut sums[lane..]);
        lane += S::WIDTH;
    }
}

/// The sum of each channel, whose values lie together.
pub(super) struct ChannelSums<'a> {
    pub(super) values: &'a [f32],
    /// One sum a channel.
    pub(super) sums: &'a mut [f32],
}

impl Kernel for ChannelSums<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let length = self.values.len() / self.sums.len().max(1);
        let mut lanes = [0.0; LANES];
        for (values, sum) in self.values.chunks_exact(length).zip(self.sums) {
            lane_sums(simd, values, LANES, &mut lanes, |value, _| value);
            *sum = total(&lanes);
        }
    }
}

/// Batch norm by the statistics of the batch.
pub(super) struct Normalize<'a> {
    pub(super) input: &'a [f32],
    pub(super) scale: &'a [f32],
    pub(super) bias: &'a [f32],
    /// Lanes, of which the first `count` hold images.
    pub(super) images: usize,
    pub(super) count: usize,
    /// Added to the variance.
    pub(super) epsilon: f32,
    /// Whether negative results become zero.
    pub(super) relu: bool,
    pub(super) output: &'a mut [f32],
    /// Of each channel.
    pub(super) mean: &'a mut [f32],
    /// Of each channel; the mean square distance from the mean.
    pub(super) variance: &'a mut [f32],
}

impl Kernel for Normalize<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let length = self.input.len() / self.scale.len().max(1);
        let values = (length / self.images * self.count) as f64;
        let mut lanes = vec![0.0; self.images];
        let channels = self.input.chunks_exact(length).zip(self.output.chunks_exact_mut(length));
        for (channel, (input, output)) in channels.enumerate() {
            let mean = |lanes: &[f32]| {
                let sum: f64 = lanes[..self.count].iter().map(|lane| f64::from(*lane)).sum();
                (sum / values) as f32
            };
            lane_sums(simd, input, self.images, &mut lanes, |value, _| value);
            self.mean[channel] = mean(&lanes);
            let center = simd.splat(-self.mean[channel]);
            let zero = simd.splat(0.0);
            lane_sums(simd, input, self.images, &mut lanes, |value, _| {
                let distance = simd.add(value, center);
                simd.mul_add(distance, distance, zero)
            });
            self.variance[channel] = mean(&lanes);
            let factor = self.scale[channel] / (self.variance[channel] + self.epsilon).sqrt();
            let shift = simd.splat(self.bias[channel] - self.mean[channel] * factor);
            let factor = simd.splat(factor);
            let places = input.chunks_exact(S::WIDTH).zip(output.chunks_exact_mut(S::WIDTH));
            for (input, output) in places {
                let mut value = simd.mul_add(simd.load(input), factor, shift);
                if self.relu {
                    value = simd.max(zero, value);
                }
                simd.store(value, output);
            }
        }
    }
}

/// The gradients of [`Normalize`], without its activation.
pub(super) struct NormalizeGradient<'a> {
    pub(super) input: &'a [f32],
    pub(super) scale: &'a [f32],
    /// As [`Normalize`] found them.
    pub(super) mean: &'a [f32],
    /// As [`Normalize`] found them.
    pub(super) variance: &'a [f32],
    /// Lanes, of which the first `count` hold images.
    pub(super) images: usize,
    pub(super) count: usize,
    /// As [`Normalize`] was given it.
    pub(super) epsilon: f32,
    /// The gradient of the output, which becomes that of the input; zero in lanes without an image.
    pub(super) gradient: &'a mut [f32],
    /// The gradient of the scale.
    pub(super) scale_gradient: &'a mut [f32],
    /// The gradient of the bias.
    pub(super) bias_gradient: &'a mut [f32],
}

impl Kernel for NormalizeGradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let length = self.input.len() / self.scale.len().max(1);
        let values = (length / self.images * self.count) as f32;
        let mut lanes = [0.0; LANES];
        let zero = simd.splat(0.0);
        for channel in 0..self.scale.len() {
            let range = channel * length..(channel + 1) * length;
            let (input, gradient) = (&self.input[range.clone()], &mut self.gradient[range]);
            lane_sums(simd, gradient, LANES, &mut lanes, |gradient, _| gradient);
            let sum = total(&lanes);
            let center = simd.splat(-self.mean[channel]);
            lane_sums(simd, gradient, LANES, &mut lanes, |gradient, place| {
                simd.mul_add(simd.add(simd.load(&input[place..]), center), gradient, zero)
            });
            let product = total(&lanes);
            let spread = 1.0 / (self.variance[channel] + self.epsilon).sqrt();
            self.bias_gradient[channel] = sum;
            self.scale_gradient[channel] = product * spread;
            let factor = self.scale[channel] * spread;
            let slope = -factor * spread * spread * product / values;
            let shift = simd.splat(-factor * sum / values - slope * self.mean[channel]);
            let (factor, slope) = (simd.splat(factor), simd.splat(slope));
            for (input, gradient) in input.chunks_exact(S::WIDTH).zip(gradient.chunks_exact_mut(S::WIDTH)) {
                let part = simd.mul_add(simd.load(input), slope, shift);
                let result = simd.mul_add(simd.load(gradient), factor, part);
                simd.store(result, gradient);
            }
            if self.count < self.images {
                gradient.chunks_exact_mut(self.images).for_each(|place| place[self.count..].fill(0.0));
            }
        }
    }
}

/// Sets to zero the gradient of what an activation has set to zero.
pub(super) struct Mask<'a> {
    /// What left the activation.
    pub(super) output: &'a [f32],
    pub(super) gradient: &'a mut [f32],
}

impl Kernel for Mask<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (gradient, output) in self.gradient.iter_mut().zip(self.output) {
            *gradient = if *output > 0.0 { *gradient } else { 0.0 };
        }
    }
}

/// Saturates, and rounds half to even.
pub(super) struct Requantize<'a> {
    pub(super) input: &'a [f32],
    /// The least and the largest result.
    pub(super) range: (f32, f32),
    pub(super) output: &'a mut [f32],
}

impl Kernel for Requantize<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (least, most) = self.range;
        for (output, input) in self.output.iter_mut().zip(self.input) {
            // Not `clamp`, so that what is not a number stays so.
            let input = if *input < least { least } else { *input };
            *output = if input > most { most } else { input }.round_ties_even();
        }
    }
}

/// The gradient of [`Requantize`]: none where it saturates, and straight through where it rounds.
pub(super) struct RequantizeGradient<'a> {
    pub(super) input: &'a [f32],
    /// The least and the largest result.
    pub(super) range: (f32, f32),
    pub(super) gradient: &'a mut [f32],
}

impl Kernel for RequantizeGradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (least, most) = self.range;
        for (gradient, input) in self.gradient.iter_mut().zip(self.input) {
            *gradient = if *input >= least && *input <= most { *gradient } else { 0.0 };
        }
    }
}
