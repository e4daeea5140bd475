//! The shapes of what sweeps a window over a feature map `[channels][rows][columns][images]`: a convolution or a pool.

use crate::model::Window;

/// Shapes of a convolution, or of a pool, which takes each channel by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Input and output channels.
    pub(super) channels: [usize; 2],
    /// Groups; divides both.
    pub(super) groups: usize,
    /// Rows and columns of the input.
    pub(super) input: [usize; 2],
    /// Rows and columns of the output.
    pub(super) output: [usize; 2],
    /// Rows and columns of the window.
    pub(super) kernel: [usize; 2],
    /// Vertical and horizontal step.
    pub(super) stride: [usize; 2],
    /// Rows above, columns to the left: of zeros for a convolution, of nothing for a pool. (Those below and to the
    /// right follow from `output`.)
    pub(super) padding: [usize; 2],
    /// Images, a multiple of [`LANES`](super::simd::LANES).
    pub(super) images: usize,
}

impl Geometry {
    /// Of a convolution of a map `[channels, rows, columns, images]`.
    pub(super) fn convolution(map: [usize; 4], outputs: usize, groups: usize, window: &Window) -> Self {
        let [channels, rows, columns, images] = map;
        let Window { kernel, stride, padding: [top, left, bottom, right] } = *window;
        let padded = [rows + top + bottom, columns + left + right];
        Self {
            channels: [channels, outputs],
            groups,
            input: [rows, columns],
            output: [0, 1].map(|axis| (padded[axis] - kernel[axis]) / stride[axis] + 1),
            kernel,
            stride,
            padding: [top, left],
            images,
        }
    }

    /// Of a pool of such a map.
    pub(super) fn pool(map: [usize; 4], window: &Window) -> Self {
        let channels = map[0];
        Self::convolution(map, channels, channels, window)
    }

    /// Input and output channels of a group.
    pub(super) fn grouped(&self) -> [usize; 2] {
        self.channels.map(|channels| channels / self.groups)
    }

    /// Places under the window.
    pub(super) fn area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Weights of a convolution.
    pub(super) fn weights(&self) -> usize {
        self.channels[1] * self.grouped()[0] * self.area()
    }

    /// Values of the input.
    pub(super) fn input_len(&self) -> usize {
        self.channels[0] * self.input[0] * self.input[1] * self.images
    }

    /// The shape of the output.
    pub(super) fn output_shape(&self) -> [usize; 4] {
        [self.channels[1], self.output[0], self.output[1], self.images]
    }

    /// Values of the output.
    pub(super) fn output_len(&self) -> usize {
        self.output_shape().iter().product()
    }
}
