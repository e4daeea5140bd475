//! Convolution of feature maps `[channels][rows][columns][images]`, and its gradients.
//!
//! The forward pass and the gradient of the input are one computation, [`Gather`]: each value is
//! a sum, over channels and over the taps of the kernel that fall on the map, of a weight times
//! a value of another map. Weights are broadcast, images fill the vectors, and a tile of
//! [`Simd::ROWS`] channels by two vectors of images stays in registers.
#![allow(
    clippy::needless_range_loop,
    reason = "one number indexes several arrays of a tile, which stay in registers"
)]

use super::geometry::Geometry;
use super::simd::{Kernel, Simd};

impl Geometry {
    /// The convolution of `input` with `weights`, `[output][input / groups][row][column]`.
    pub(super) fn forward<'a>(
        &self,
        input: &'a [f32],
        weights: &'a [f32],
        bias: Option<&'a [f32]>,
        relu: bool,
        output: &'a mut [f32],
    ) -> Gather<'a> {
        let [inputs, outputs] = self.grouped();
        let axis = |axis: usize| {
            let taken = |place: usize, tap: usize| {
                let from = place * self.stride[axis] + tap;
                from.checked_sub(self.padding[axis]).filter(|from| *from < self.input[axis])
            };
            Axis::new(self.output[axis], self.kernel[axis], taken)
        };
        Gather {
            axes: [axis(0), axis(1)],
            kernel: self.kernel,
            sizes: [self.input, self.output],
            channels: [inputs, outputs],
            groups: self.groups,
            strides: [self.area(), inputs * self.area()],
            images: self.images,
            source: input,
            weights,
            bias,
            relu,
            target: output,
        }
    }

    /// The gradient of the input, from that of the output.
    pub(super) fn input_gradient<'a>(
        &self,
        gradient: &'a [f32],
        weights: &'a [f32],
        output: &'a mut [f32],
    ) -> Gather<'a> {
        let [inputs, outputs] = self.grouped();
        let axis = |axis: usize| {
            let taken = |place: usize, tap: usize| {
                let steps = (place + self.padding[axis]).checked_sub(tap)?;
                let stride = self.stride[axis];
                (steps % stride == 0 && steps / stride < self.output[axis]).then_some(steps / stride)
            };
            Axis::new(self.input[axis], self.kernel[axis], taken)
        };
        Gather {
            axes: [axis(0), axis(1)],
            kernel: self.kernel,
            sizes: [self.output, self.input],
            channels: [outputs, inputs],
            groups: self.groups,
            strides: [inputs * self.area(), self.area()],
            images: self.images,
            source: gradient,
            weights,
            bias: None,
            relu: false,
            target: output,
        }
    }
}

/// Which taps of a kernel fall on the source, for each place of the target along one axis.
struct Axis {
    /// Tap and place in the source.
    pairs: Vec<[usize; 2]>,
    /// Where the pairs of each place end.
    ends: Vec<usize>,
}

impl Axis {
    fn new(places: usize, taps: usize, taken: impl Fn(usize, usize) -> Option<usize>) -> Self {
        let (mut pairs, mut ends) = (Vec::with_capacity(places * taps), Vec::with_capacity(places));
        for place in 0..places {
            pairs.extend((0..taps).filter_map(|tap| taken(place, tap).map(|from| [tap, from])));
            ends.push(pairs.len());
        }
        Self { pairs, ends }
    }

    fn places(&self) -> impl Iterator<Item = &[[usize; 2]]> {
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.pairs[start..*end])
    }
}

/// A sum over channels and taps for every value of `target`. Pairs are of source and target.
pub(super) struct Gather<'a> {
    axes: [Axis; 2],
    kernel: [usize; 2],
    /// Rows and columns.
    sizes: [[usize; 2]; 2],
    /// Channels of a group.
    channels: [usize; 2],
    groups: usize,
    /// Distance of the weights of neighbouring channels.
    strides: [usize; 2],
    images: usize,
    source: &'a [f32],
    weights: &'a [f32],
    /// Added to the channels of the target.
    bias: Option<&'a [f32]>,
    /// Whether negative results become zero.
    relu: bool,
    target: &'a mut [f32],
}

/// A tap of the kernel over a place of the source.
#[derive(Clone, Copy, Default)]
struct Tap {
    weight: usize,
    source: usize,
}

/// Neighbouring channels of the target whose weights lie together, `[channel of the source][tap][row]`.
struct Panel {
    /// Their group, and the first of them among all channels.
    group: usize,
    first: usize,
    rows: usize,
    weights: Vec<f32>,
}

impl Gather<'_> {
    /// Cuts the target's channels into tiles of at most `most` (a power of two) rows.
    #[inline(always)]
    fn panels(&self, most: usize) -> Vec<Panel> {
        let taps = self.kernel[0] * self.kernel[1];
        let [sources, targets] = self.channels;
        let mut panels = Vec::new();
        for group in 0..self.groups {
            let base = group * sources * targets * taps;
            let mut first = 0;
            while first < targets {
                let rows = most.min(1 << (targets - first).ilog2());
                let mut weights = Vec::with_capacity(sources * taps * rows);
                for source in 0..sources {
                    let start = base + source * self.strides[0] + first * self.strides[1];
                    for tap in 0..taps {
                        for row in 0..rows {
                            weights.push(self.weights[start + tap + row * self.strides[1]]);
                        }
                    }
                }
                panels.push(Panel { group, first: group * targets + first, rows, weights });
                first += rows;
            }
        }
        panels
    }

    /// Sums of `M` channels at one place, for `N` vectors of images from `lane`.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(
        &mut self,
        simd: S,
        panel: &Panel,
        taps: &[Tap],
        place: usize,
        lane: usize,
    ) {
        let step = self.kernel[0] * self.kernel[1] * M;
        let area = self.sizes[0][0] * self.sizes[0][1] * self.images;
        let sources = &self.source[panel.group * self.channels[0] * area..];
        let mut sums = [[simd.splat(0.0); N]; M];
        for (weights, source) in panel.weights.chunks_exact(step).zip(sources.chunks_exact(area)) {
            for tap in taps {
                let weights = &weights[tap.weight * M..][..M];
                let values = &source[tap.source + lane..][..N * S::WIDTH];
                let mut vectors = [simd.splat(0.0); N];
                for n in 0..N {
                    vectors[n] = simd.load(&values[n * S::WIDTH..]);
                }
                for m in 0..M {
                    let weight = simd.splat(weights[m]);
                    for n in 0..N {
                        sums[m][n] = simd.mul_add(weight, vectors[n], sums[m][n]);
                    }
                }
            }
        }
        let area = self.sizes[1][0] * self.sizes[1][1] * self.images;
        let start = panel.first * area + place * self.images + lane;
        for m in 0..M {
            let bias = simd.splat(self.bias.map_or(0.0, |bias| bias[panel.first + m]));
            let target = &mut self.target[start + m * area..][..N * S::WIDTH];
            for n in 0..N {
                let mut sum = sums[m][n];
                if self.bias.is_some() {
                    sum = simd.add(sum, bias);
                }
                if self.relu {
                    sum = simd.max(simd.splat(0.0), sum);
                }
                simd.store(sum, &mut target[n * S::WIDTH..]);
            }
        }
    }

    #[inline(always)]
    fn tiles<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        panels: &[Panel],
        taps: &[Tap],
        place: usize,
        lane: usize,
    ) {
        for panel in panels {
            match panel.rows {
                8 => self.tile::<S, 8, N>(simd, panel, taps, place, lane),
                4 => self.tile::<S, 4, N>(simd, panel, taps, place, lane),
                2 => self.tile::<S, 2, N>(simd, panel, taps, place, lane),
                _ => self.tile::<S, 1, N>(simd, panel, taps, place, lane),
            }
        }
    }
}

impl Kernel for Gather<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let panels = self.panels(S::ROWS);
        let mut taps = Vec::with_capacity(self.kernel[0] * self.kernel[1]);
        let [rows, columns] = core::mem::replace(&mut self.axes, [Axis::none(), Axis::none()]);
        for (row, vertical) in rows.places().enumerate() {
            for (column, horizontal) in columns.places().enumerate() {
                taps.clear();
                for [y, from_row] in vertical {
                    taps.extend(horizontal.iter().map(|[x, from_column]| Tap {
                        weight: y * self.kernel[1] + x,
                        source: (from_row * self.sizes[0][1] + from_column) * self.images,
                    }));
                }
                let place = row * self.sizes[1][1] + column;
                let mut lane = 0;
                while lane + 2 * S::WIDTH <= self.images {
                    self.tiles::<S, 2>(simd, &panels, &taps, place, lane);
                    lane += 2 * S::WIDTH;
                }
                while lane < self.images {
                    self.tiles::<S, 1>(simd, &panels, &taps, place, lane);
                    lane += S::WIDTH;
                }
            }
        }
    }
}

impl Axis {
    fn none() -> Self {
        Self { pairs: Vec::new(), ends: Vec::new() }
    }
}
