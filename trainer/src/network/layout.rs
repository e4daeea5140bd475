//! The order of a feature map's axes, which is chosen here and nowhere else; and the operations
//! that depend on it.

use burn::backend::DispatchDevice;
use burn::tensor::activation::relu as positive_part;
use burn::tensor::module::{avg_pool2d, batch_norm, batch_norm_train, conv2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, FloatDType, Tensor};

use super::cpu;
use crate::model::Window;

/// The order of the axes of all feature maps of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `[images, channels, rows, columns]`, and burn's own operations: for GPUs.
    ImagesFirst,
    /// The same, with the operands of convolutions and dense layers in `bf16`.
    Mixed,
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

    /// The same layout in mixed precision, where there is such.
    pub(crate) fn mixed(self) -> Self {
        match self {
            Self::ImagesFirst => Self::Mixed,
            other => other,
        }
    }

    /// An operand of a product.
    fn operand<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        if self == Self::Mixed { x.cast(FloatDType::BF16) } else { x }
    }

    /// A product, in full precision.
    fn product<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        if self == Self::Mixed { x.cast(FloatDType::F32) } else { x }
    }

    /// Images `[images, channels, rows, columns]` as a feature map; without gradient.
    pub(crate) fn enter(self, images: Tensor<4>) -> Tensor<4> {
        match self {
            Self::ImagesFirst | Self::Mixed => images,
            Self::ImagesLast { .. } => cpu::feature_map(images),
        }
    }

    /// A feature map as `[images, channels, rows, columns]`.
    pub(crate) fn leave(self, map: Tensor<4>) -> Tensor<4> {
        match self {
            Self::ImagesFirst | Self::Mixed => map,
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
            Self::ImagesFirst | Self::Mixed => {
                let options = ConvOptions::new_with_padding(window.stride, pairs(window), [1, 1], groups);
                let [outputs, _] = weight.dims();
                let kernel = [outputs, x.dims()[1] / groups, window.kernel[0], window.kernel[1]];
                let (x, weight) = (self.operand(x), self.operand(weight.reshape(kernel)));
                let bias = bias.map(|bias| self.operand(bias));
                with(relu, self.product(conv2d(x, weight, bias, options)))
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
            Self::ImagesFirst | Self::Mixed => {
                let x = self.operand(x.flatten::<2>(1, 3));
                let sum = self.product(x.matmul(self.operand(weight.transpose())));
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
            Self::ImagesFirst | Self::Mixed => {
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
            Self::ImagesFirst | Self::Mixed => {
                avg_pool2d(x, AvgPoolOptions::new(window.kernel).with_stride(window.stride))
            }
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
            Self::ImagesFirst | Self::Mixed => {
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
            Self::ImagesFirst | Self::Mixed => batch_norm(x, scale, bias, mean, variance, epsilon),
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
            Self::ImagesFirst | Self::Mixed => round_through(x.clamp(range.0, range.1)),
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

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// The output of a convolution and a dense layer, and the gradients of image and weights.
    fn computed(layout: Layout) -> [Vec<f32>; 3] {
        let device = Device::flex().autodiff();
        let numbers =
            |count: usize| (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) / 64.0).collect::<Vec<_>>();
        let images = TensorData::new(numbers(3 * 2 * 36), [3, 2, 6, 6]);
        let images = Tensor::<4>::from_data(images, &device).require_grad();
        let kernel =
            Tensor::<2>::from_data(TensorData::new(numbers(4 * 18), [4, 18]), &device).require_grad();
        let dense = Tensor::<2>::from_data(TensorData::new(numbers(5 * 64), [5, 64]), &device);
        let bias = Tensor::<1>::from_data(TensorData::new(numbers(5), [5]), &device);
        let window = Window { kernel: [3, 3], stride: [1, 1], padding: [0; 4] };
        let map = layout.convolve(images.clone(), kernel.clone(), None, &window, 1, true);
        let output = layout.multiply(map, dense, Some(bias), false);
        let mut gradients = output.clone().powi_scalar(2).sum().backward();
        let host = |tensor: Tensor<1>| tensor.try_into_vec_as::<f32>().unwrap();
        [
            host(output.inner().flatten(0, 3)),
            host(images.grad_remove(&mut gradients).unwrap().flatten(0, 3)),
            host(kernel.grad_remove(&mut gradients).unwrap().flatten(0, 1)),
        ]
    }

    #[test]
    fn mixed_precision_is_nearly_full_precision() {
        let (full, mixed) = (computed(Layout::ImagesFirst), computed(Layout::ImagesFirst.mixed()));
        for (full, mixed) in full.iter().zip(&mixed) {
            let largest = full.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            let error = full.iter().zip(mixed).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
            assert!(error > 0.0 && error < largest / 32.0, "{error} of {largest}");
        }
        let last = Layout::ImagesLast { images: 3 };
        assert_eq!(last.mixed(), last);
    }
}
