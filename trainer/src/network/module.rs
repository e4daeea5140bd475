//! The burn module, built at run time from a [`Structure`].

use burn::module::{Module, Param};
use burn::tensor::module::{avg_pool2d, batch_norm, batch_norm_train, conv2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Tensor, TensorData};
use rand::Rng;
use rand::rngs::StdRng;

use crate::model::{Activation, Operation, Window};
use crate::quantize::fake;
use crate::quantize::scheme::power;

use super::plan::Normalization;
use super::structure::{Placed, Structure, Values};

/// Added to the variance before its square root is taken.
pub(super) const EPSILON: f64 = 1e-5;
/// Share of a new batch in the running statistics.
const MOMENTUM: f64 = 0.1;

/// A network of any preset.
#[derive(Module, Debug)]
pub struct Network {
    blocks: Vec<Block>,
    #[module(skip)]
    normalization: Option<Normalization>,
}

/// One step of the runtime.
#[derive(Module, Debug)]
struct Block {
    weight: Option<Param<Tensor<2>>>,
    bias: Option<Param<Tensor<1>>>,
    scale: Option<Param<Tensor<1>>>,
    #[module(skip)]
    mean: Option<Tensor<1>>,
    #[module(skip)]
    variance: Option<Tensor<1>>,
    #[module(skip)]
    placed: Placed,
}

/// Whether a forward pass learns.
pub enum Mode<'a> {
    /// Running statistics, no dropout.
    Inference,
    /// Statistics of the batch, collected in the vector; dropout drawn from the generator.
    Training(&'a mut StdRng, &'a mut Vec<Tensor<1>>),
}

impl Network {
    /// Slices the parameters of `values` into a module. With `learn`, gradients will be recorded.
    pub fn new(structure: &Structure, values: &Values, learn: bool) -> Self {
        let slice = |from: &Tensor<1>, range: &core::ops::Range<usize>| {
            (!range.is_empty()).then(|| {
                let part = from.clone().slice([range.clone()]);
                if learn { part.autodiff() } else { part }
            })
        };
        let block = |placed: &Placed| {
            let parameter = |range| slice(&values.parameters, range).map(Param::from_tensor);
            let middle = placed.statistics.start + placed.statistics.len() / 2;
            Block {
                weight: slice(&values.parameters, &placed.weight)
                    .map(|flat| Param::from_tensor(flat.reshape(placed.matrix()))),
                bias: parameter(&placed.bias),
                scale: parameter(&placed.scale),
                mean: slice(&values.statistics, &(placed.statistics.start..middle)),
                variance: slice(&values.statistics, &(middle..placed.statistics.end)),
                placed: placed.clone(),
            }
        };
        let blocks = structure.blocks.iter().map(block).collect();
        Self { blocks, normalization: structure.normalization }
    }

    /// Images `[batch, channels, rows, columns]`, each pixel `p / 256`, to logits `[batch, classes]`.
    pub fn forward(&self, images: Tensor<4>, mode: &mut Mode<'_>) -> Tensor<2> {
        self.forward_observed(images, mode, &mut |_, _| ())
    }

    /// The same; `observe` sees the sums of every float step, pooled, before the activation.
    pub fn forward_observed(
        &self,
        images: Tensor<4>,
        mode: &mut Mode<'_>,
        observe: &mut dyn FnMut(usize, &Tensor<4>),
    ) -> Tensor<2> {
        let scheme = |block: Option<&Block>| block.and_then(|block| block.placed.scheme.clone());
        // The integer form computes with the board's integers from pixels to logits.
        let mut x = match (scheme(self.blocks.first()), &self.normalization) {
            (Some(first), _) => images.mul_scalar(power(first.input.exponent)),
            (None, Some(Normalization { scale, offset })) => images.mul_scalar(*scale).add_scalar(*offset),
            (None, None) => images,
        };
        for (index, block) in self.blocks.iter().enumerate() {
            x = block.forward(x, mode, &mut |sum| observe(index, sum));
        }
        let logits = x.flatten(1, 3);
        match scheme(self.blocks.last()) {
            Some(last) => logits.mul_scalar(power(-last.output.exponent)),
            None => logits,
        }
    }

    /// The gradients of all parameters, in the order of the structure.
    pub fn gradients(&self, mut gradients: burn::tensor::Gradients) -> Tensor<1> {
        let mut parts = Vec::new();
        for block in &self.blocks {
            if let Some(weight) = &block.weight {
                let zeros = || weight.val().inner().zeros_like();
                let part = weight.val().grad_remove(&mut gradients).unwrap_or_else(zeros);
                parts.push(part.flatten(0, 1));
            }
            for vector in [&block.bias, &block.scale].into_iter().flatten() {
                let zeros = || vector.val().inner().zeros_like();
                parts.push(vector.val().grad_remove(&mut gradients).unwrap_or_else(zeros));
            }
        }
        Tensor::cat(parts, 0)
    }
}

/// The running statistics after a batch with these statistics.
pub(crate) fn update_statistics(running: Tensor<1>, batch: Tensor<1>) -> Tensor<1> {
    running.mul_scalar(1.0 - MOMENTUM).add(batch.mul_scalar(MOMENTUM))
}

impl Block {
    fn forward(&self, x: Tensor<4>, mode: &mut Mode<'_>, observe: &mut dyn FnMut(&Tensor<4>)) -> Tensor<4> {
        if let Some(scheme) = &self.placed.scheme {
            let parameters = self.weight.as_ref().zip(self.bias.as_ref());
            let parameters = parameters.map(|(weight, bias)| (weight.val(), bias.val()));
            let x = fake::forward(&self.placed, scheme, parameters, x);
            return self.dropout(x, mode);
        }
        let x = match &self.placed.step.operation {
            Operation::Convolution { window, pool, .. } => {
                let sum = match &self.weight {
                    Some(weight) => {
                        // Batch norm brings a bias of its own.
                        let bias = self.bias.as_ref().filter(|_| self.scale.is_none());
                        let sum = convolve(&self.placed, x, weight.val(), bias.map(Param::val));
                        self.normalize(sum, mode)
                    }
                    None => average_pool(x, window),
                };
                // The maximum first: the activation, which rises, then has less to do.
                pool.iter().fold(sum, max_pool)
            }
            Operation::Dense => match &self.weight {
                Some(weight) => {
                    let bias = self.bias.as_ref().filter(|_| self.scale.is_none());
                    let sum = multiply(x.flatten(1, 3), weight.val(), bias.map(Param::val));
                    self.normalize(sum, mode).unsqueeze_dims(&[2, 3])
                }
                None => x,
            },
            Operation::MaxPool(window) => max_pool(x, window),
            Operation::AveragePool(window) => average_pool(x, window),
        };
        observe(&x);
        let x = match self.placed.step.activation {
            Activation::Relu => burn::tensor::activation::relu(x),
            Activation::Tanh => x.tanh(),
            Activation::Identity | Activation::Logits => x,
        };
        self.dropout(x, mode)
    }

    fn normalize<const D: usize>(&self, x: Tensor<D>, mode: &mut Mode<'_>) -> Tensor<D> {
        let (Some(scale), Some(bias)) = (&self.scale, &self.bias) else {
            return x;
        };
        let (Some(mean), Some(variance)) = (&self.mean, &self.variance) else {
            return x;
        };
        match mode {
            Mode::Inference => {
                batch_norm(x, scale.val(), bias.val(), mean.clone(), variance.clone(), EPSILON)
            }
            Mode::Training(_, statistics) => {
                let result = batch_norm_train(x, scale.val(), bias.val(), EPSILON);
                statistics.push(result.mean.inner());
                statistics.push(result.variance.inner());
                result.output
            }
        }
    }

    fn dropout(&self, x: Tensor<4>, mode: &mut Mode<'_>) -> Tensor<4> {
        let rate = self.placed.step.dropout;
        let Mode::Training(rng, _) = mode else {
            return x;
        };
        if rate == 0.0 {
            return x;
        }
        // Drawn on the host, from our generator: the same on every thread and every device.
        let shape = x.dims();
        let kept = (1.0 / (1.0 - rate)) as f32;
        let mask: Vec<f32> = (0..shape.iter().product())
            .map(|_| if rng.random::<f64>() < rate { 0.0 } else { kept })
            .collect();
        let mask = Tensor::<4>::from_data(TensorData::new(mask, shape), &x.device());
        x * mask
    }
}

/// Convolution with weights `[output channels][fan-in]`.
pub(crate) fn convolve(
    placed: &Placed,
    x: Tensor<4>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<4> {
    let Operation::Convolution { window, groups, .. } = &placed.step.operation else {
        return x;
    };
    let options = ConvOptions::new_with_padding(window.stride, pairs(window), [1, 1], *groups);
    conv2d(x, weight.reshape(placed.kernel()), bias, options)
}

/// Dense layer with weights `[outputs][inputs]`.
pub(crate) fn multiply(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let sum = x.matmul(weight.transpose());
    match bias {
        Some(bias) => sum + bias.unsqueeze_dim(0),
        None => sum,
    }
}

/// Max-pool whose padding never wins.
pub(crate) fn max_pool(x: Tensor<4>, window: &Window) -> Tensor<4> {
    let options =
        MaxPoolOptions::new(window.kernel).with_stride(window.stride).with_padding_pairs(pairs(window));
    max_pool2d(x, options)
}

/// Average-pool without padding.
pub(crate) fn average_pool(x: Tensor<4>, window: &Window) -> Tensor<4> {
    avg_pool2d(x, AvgPoolOptions::new(window.kernel).with_stride(window.stride))
}

fn pairs(window: &Window) -> [(usize, usize); 2] {
    let [top, left, bottom, right] = window.padding;
    [(top, bottom), (left, right)]
}
