//! The order of a feature map's axes, which is chosen here and nowhere else; and the operations
//! that depend on it.

use burn::backend::DispatchDevice;
use burn::tensor::activation::relu as positive_part;
use burn::tensor::module::{avg_pool2d, batch_norm, batch_norm_train, conv2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor};

use super::cpu;
use crate::model::Window;

/// The order of the axes of all feature maps of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `[images, channels, rows, columns]`, and burn's own operations: for GPUs.
    ImagesFirst,
    /// `[channels, rows, columns, images]`, and [ours](super::cpu): for the CPU.
    ImagesLast {
        /// The images that count; blank ones fill up the axis.
        images: usize,
    },
}

impl Layout {
    /// The layout for the device that holds the images.
    pub(crate) fn of(images: &Tensor<4>) -> Self {
        if is_cpu(&images.device()) {
            Self::ImagesLast { images: images.dims()[0] }
        } else {
            Self::ImagesFirst
        }
    }

    /// Images `[images, channels, rows, columns]` as a feature map; without gradient.
    pub(crate) fn enter(self, images: Tensor<4>) -> Tensor<4> {
        match self {
            Self::ImagesFirst => images,
            Self::ImagesLast { .. } => cpu::feature_map(images),
        }
    }

    /// A feature map as `[images, channels, rows, columns]`.
    pub(crate) fn leave(self, map: Tensor<4>) -> Tensor<4> {
        match self {
            Self::ImagesFirst => map,
            Self::ImagesLast { images } => map.narrow(3, 0, images).permute([3, 0, 1, 2]),
        }
    }

    /// Convolution with `weight`, `[output channels][fan-in]`; then, with `relu`, the positive part.
    pub(crate) fn convolve(
        self,
        x: Tensor<4>,
        weight: Tensor<2>,
        bias: Option<Tensor<1>>,
        window: &Window,
        groups: usize,
        relu: bool,
    ) -> Tensor<4> {
        match self {
            Self::ImagesFirst => {
                let options = ConvOptions::new_with_padding(window.stride, pairs(window), [1, 1], groups);
                let [outputs, _] = weight.dims();
                let kernel = [outputs, x.dims()[1] / groups, window.kernel[0], window.kernel[1]];
                with(relu, conv2d(x, weight.reshape(kernel), bias, options))
            }
            Self::ImagesLast { .. } => cpu::convolve(x, weight, bias, window, groups, relu),
        }
    }

    /// Dense layer with `weight`, `[outputs][inputs]`; then, with `relu`, the positive part. The
    /// output has one row and one column.
    pub(crate) fn multiply(
        self,
        x: Tensor<4>,
        weight: Tensor<2>,
        bias: Option<Tensor<1>>,
        relu: bool,
    ) -> Tensor<4> {
        match self {
            Self::ImagesFirst => {
                let sum = x.flatten::<2>(1, 3).matmul(weight.transpose());
                let sum = match bias {
                    Some(bias) => sum + bias.unsqueeze_dim(0),
                    None => sum,
                };
                with(relu, sum.unsqueeze_dims(&[2, 3]))
            }
            Self::ImagesLast { .. } => cpu::multiply(x, weight, bias, relu),
        }
    }

    /// Max-pool whose padding never wins; then, with `relu`, the positive part.
    pub(crate) fn max_pool(self, x: Tensor<4>, window: &Window, relu: bool) -> Tensor<4> {
        match self {
            Self::ImagesFirst => {
                let options = MaxPoolOptions::new(window.kernel)
                    .with_stride(window.stride)
                    .with_padding_pairs(pairs(window));
                with(relu, max_pool2d(x, options))
            }
            Self::ImagesLast { .. } => cpu::max_pool(x, window, relu),
        }
    }

    /// Average-pool without padding.
    pub(crate) fn average_pool(self, x: Tensor<4>, window: &Window) -> Tensor<4> {
        match self {
            Self::ImagesFirst => avg_pool2d(x, AvgPoolOptions::new(window.kernel).with_stride(window.stride)),
            Self::ImagesLast { .. } => cpu::average_pool(x, window),
        }
    }

    /// Batch norm by the statistics of the batch; then, with `relu`, the positive part. Returns
    /// means and variances, `[channels]`, without gradient.
    pub(crate) fn batch_norm_train(
        self,
        x: Tensor<4>,
        scale: Tensor<1>,
        bias: Tensor<1>,
        epsilon: f64,
        relu: bool,
    ) -> (Tensor<4>, [Tensor<1>; 2]) {
        match self {
            Self::ImagesFirst => {
                let result = batch_norm_train(x, scale, bias, epsilon);
                (with(relu, result.output), [result.mean.inner(), result.variance.inner()])
            }
            Self::ImagesLast { images } => cpu::normalize(x, scale, bias, images, epsilon, relu),
        }
    }

    /// Batch norm by running means and variances; then, with `relu`, the positive part.
    pub(crate) fn batch_norm(
        self,
        x: Tensor<4>,
        scale: Tensor<1>,
        bias: Tensor<1>,
        [mean, variance]: [Tensor<1>; 2],
        epsilon: f64,
        relu: bool,
    ) -> Tensor<4> {
        let x = match self {
            Self::ImagesFirst => batch_norm(x, scale, bias, mean, variance, epsilon),
            Self::ImagesLast { .. } => {
                let column = |values: Tensor<1>| values.unsqueeze_dims::<4>(&[1, 2, 3]);
                let factor = scale * variance.add_scalar(epsilon).sqrt().recip();
                let shift = bias - mean * factor.clone();
                x * column(factor) + column(shift)
            }
        };
        with(relu, x)
    }

    /// Saturates to `range`, which stops gradients, and rounds half to even, which passes them
    /// through (Bengio et al. 2013).
    pub(crate) fn requantize(self, x: Tensor<4>, range: (f32, f32)) -> Tensor<4> {
        match self {
            Self::ImagesFirst => round_through(x.clamp(range.0, range.1)),
            Self::ImagesLast { .. } => cpu::requantize(x, range),
        }
    }
}

/// Rounds half to even; its gradient is that of the identity.
pub(crate) fn round_through<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if !x.is_autodiff() {
        return x.round();
    }
    let value = x.clone().inner();
    // Exact: the distance to the nearest integer, and its sum with `x`, need no more bits than `x`.
    let distance = value.clone().round() - value;
    x + distance.autodiff()
}

/// Whether a device is the CPU.
pub(crate) fn is_cpu(device: &Device) -> bool {
    matches!(device.clone().inner().as_dispatch(), DispatchDevice::Flex(_))
}

fn with(relu: bool, x: Tensor<4>) -> Tensor<4> {
    if relu { positive_part(x) } else { x }
}

fn pairs(window: &Window) -> [(usize, usize); 2] {
    let [top, left, bottom, right] = window.padding;
    [(top, bottom), (left, right)]
}
