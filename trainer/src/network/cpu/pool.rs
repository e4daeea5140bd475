//! Max- and average-pool of feature maps `[channels][rows][columns][images]`, and their gradients.

use super::geometry::Geometry;
use super::simd::{Kernel, LANES, Simd};

impl Geometry {
    /// Calls `visit` with the number of each place of the output, all channels included, and with
    /// the places of the input under its window.
    #[inline(always)]
    fn windows(&self, mut visit: impl FnMut(usize, &[usize])) {
        let mut places = Vec::with_capacity(self.area());
        for channel in 0..self.channels[1] {
            for row in 0..self.output[0] {
                for column in 0..self.output[1] {
                    let span = |axis: usize, place: usize| {
                        let start = place * self.stride[axis];
                        let end = (start + self.kernel[axis]).saturating_sub(self.padding[axis]);
                        start.saturating_sub(self.padding[axis])..end.min(self.input[axis])
                    };
                    places.clear();
                    for y in span(0, row) {
                        let first = (channel * self.input[0] + y) * self.input[1];
                        places.extend(span(1, column).map(|x| first + x));
                    }
                    visit((channel * self.output[0] + row) * self.output[1] + column, &places);
                }
            }
        }
    }

    /// What a value counts in the mean of a window.
    fn share(&self) -> f32 {
        1.0 / self.area() as f32
    }
}

/// No place of a window.
const NONE: f32 = -1.0;

/// The largest value of each window.
pub(super) struct MaxPool<'a> {
    pub(super) geometry: Geometry,
    pub(super) input: &'a [f32],
    /// Whether negative results become zero.
    pub(super) relu: bool,
    pub(super) output: &'a mut [f32],
    /// Which of the places under the window it was, the first of equals. (Floats, to be compared
    /// in the lanes of floats.)
    pub(super) winners: &'a mut [f32],
}

impl Kernel for MaxPool<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let images = self.geometry.images;
        let zero = simd.splat(0.0);
        self.geometry.windows(|place, window| {
            for lane in (0..images).step_by(S::WIDTH) {
                let mut most = simd.splat(f32::NEG_INFINITY);
                let mut winner = zero;
                for (index, from) in window.iter().enumerate() {
                    let value = simd.load(&self.input[from * images + lane..]);
                    // What is not a number wins: training has to notice it.
                    winner = simd.select(value, most, winner, simd.splat(index as f32));
                    most = simd.select(value, most, most, value);
                }
                if self.relu {
                    winner = simd.select(most, zero, simd.splat(NONE), winner);
                    most = simd.select(most, zero, zero, most);
                }
                simd.store(most, &mut self.output[place * images + lane..]);
                simd.store(winner, &mut self.winners[place * images + lane..]);
            }
        });
    }
}

/// The gradient of [`MaxPool`]: all of it to the largest value.
pub(super) struct MaxPoolGradient<'a> {
    pub(super) geometry: Geometry,
    pub(super) gradient: &'a [f32],
    pub(super) winners: &'a [f32],
    /// The gradient of the input; zeros before.
    pub(super) output: &'a mut [f32],
}

impl Kernel for MaxPoolGradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let images = self.geometry.images;
        let zero = simd.splat(0.0);
        self.geometry.windows(|place, window| {
            for lane in (0..images).step_by(S::WIDTH) {
                let gradient = simd.load(&self.gradient[place * images + lane..]);
                let winner = simd.load(&self.winners[place * images + lane..]);
                for (index, to) in window.iter().enumerate() {
                    // The winner is this one: neither below nor above.
                    let index = simd.splat(index as f32);
                    let part = simd.select(index, winner, gradient, zero);
                    let part = simd.select(winner, index, part, zero);
                    let output = &mut self.output[to * images + lane..];
                    simd.store(simd.add(simd.load(output), part), output);
                }
            }
        });
    }
}

/// The mean of each window, which has no padding.
pub(super) struct AveragePool<'a> {
    pub(super) geometry: Geometry,
    pub(super) input: &'a [f32],
    pub(super) output: &'a mut [f32],
}

impl Kernel for AveragePool<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (images, share) = (self.geometry.images, self.geometry.share());
        self.geometry.windows(|place, window| {
            for lane in (0..images).step_by(LANES) {
                let mut sums = [0.0; LANES];
                for from in window {
                    let values = &self.input[from * images + lane..][..LANES];
                    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                }
                sums.iter_mut().for_each(|sum| *sum *= share);
                self.output[place * images + lane..][..LANES].copy_from_slice(&sums);
            }
        });
    }
}

/// The gradient of [`AveragePool`]: the same part to each value of a window.
pub(super) struct AveragePoolGradient<'a> {
    pub(super) geometry: Geometry,
    pub(super) gradient: &'a [f32],
    /// The gradient of the input; zeros before.
    pub(super) output: &'a mut [f32],
}

impl Kernel for AveragePoolGradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (images, share) = (self.geometry.images, self.geometry.share());
        self.geometry.windows(|place, window| {
            let gradient = &self.gradient[place * images..][..images];
            for to in window {
                let output = &mut self.output[to * images..][..images];
                output.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += value * share);
            }
        });
    }
}
