//! The burn module, built at run time from a [`Structure`].

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use rand::Rng;
use rand::rngs::StdRng;

use crate::model::{Activation, Operation};
use crate::quantize::fake;
use crate::quantize::scheme::power;

use super::layout::Layout;
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
    #[module(skip)]
    mixed: bool,
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

/// Sees the sums of a step, whose number comes first.
type Observe<'a> = dyn FnMut(usize, &Tensor<4>) + 'a;

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
        Self { blocks, normalization: structure.normalization, mixed: structure.mixed && learn }
    }

    /// Images `[batch, channels, rows, columns]`, each pixel `p / 256`, to logits `[batch, classes]`.
    pub fn forward(&self, images: Tensor<4>, mode: &mut Mode<'_>) -> Tensor<2> {
        let layout = self.layout(&images);
        self.forward_in(layout, images, mode, None)
    }

    /// The same; `observe` sees the sums `[batch, channels, rows, columns]` of every float step,
    /// pooled, before the activation.
    pub fn forward_observed(
        &self,
        images: Tensor<4>,
        mode: &mut Mode<'_>,
        observe: &mut Observe<'_>,
    ) -> Tensor<2> {
        let layout = self.layout(&images);
        self.forward_in(layout, images, mode, Some(observe))
    }

    /// The same, with feature maps of a given layout.
    pub(super) fn forward_in(
        &self,
        layout: Layout,
        images: Tensor<4>,
        mode: &mut Mode<'_>,
        mut observe: Option<&mut Observe<'_>>,
    ) -> Tensor<2> {
        let scheme = |block: Option<&Block>| block.and_then(|block| block.placed.scheme.clone());
        let images = layout.enter(images);
        // The integer form computes with the board's integers from pixels to logits.
        let mut x = match (scheme(self.blocks.first()), &self.normalization) {
            (Some(first), _) => images.mul_scalar(power(first.input.exponent)),
            (None, Some(Normalization { scale, offset })) => images.mul_scalar(*scale).add_scalar(*offset),
            (None, None) => images,
        };
        for (index, block) in self.blocks.iter().enumerate() {
            x = match &mut observe {
                Some(observe) => block.forward(
                    layout,
                    x,
                    mode,
                    Some(&mut |sum: Tensor<4>| observe(index, &layout.leave(sum))),
                ),
                None => block.forward(layout, x, mode, None),
            };
        }
        let logits = layout.leave(x).flatten(1, 3);
        match scheme(self.blocks.last()) {
            Some(last) => logits.mul_scalar(power(-last.output.exponent)),
            None => logits,
        }
    }

    fn layout(&self, images: &Tensor<4>) -> Layout {
        let layout = Layout::of(images);
        if self.mixed { layout.mixed() } else { layout }
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
    fn forward(
        &self,
        layout: Layout,
        x: Tensor<4>,
        mode: &mut Mode<'_>,
        observe: Option<&mut dyn FnMut(Tensor<4>)>,
    ) -> Tensor<4> {
        if let Some(scheme) = &self.placed.scheme {
            let parameters = self.weight.as_ref().zip(self.bias.as_ref());
            let parameters = parameters.map(|(weight, bias)| (weight.val(), bias.val()));
            let x = fake::forward(layout, &self.placed, scheme, parameters, x);
            return self.dropout(x, mode);
        }
        // The last operation of a block computes its ReLU as well; an observer wants what is before it.
        let relu = self.placed.step.activation == Activation::Relu && observe.is_none();
        // Batch norm brings a bias of its own.
        let bias = self.bias.as_ref().filter(|_| self.scale.is_none()).map(Param::val);
        let unnormalized = relu && self.scale.is_none();
        let mut done = false;
        let x = match (&self.placed.step.operation, &self.weight) {
            (Operation::Convolution { window, groups, pool }, Some(weight)) => {
                // The maximum first: the activation, which rises, then has less to do.
                let last = pool.is_none();
                let sum = layout.convolve(x, weight.val(), bias, window, *groups, unnormalized && last);
                let sum = self.normalize(layout, sum, mode, relu && last);
                done = relu;
                match pool {
                    Some(pool) => layout.max_pool(sum, pool, relu),
                    None => sum,
                }
            }
            (Operation::Dense, Some(weight)) => {
                done = relu;
                let sum = layout.multiply(x, weight.val(), bias, unnormalized);
                self.normalize(layout, sum, mode, relu)
            }
            (Operation::Convolution { window, pool, .. }, None) => {
                let mean = layout.average_pool(x, window);
                pool.iter().fold(mean, |x, pool| layout.max_pool(x, pool, false))
            }
            (Operation::Dense, None) => x,
            (Operation::MaxPool(window), _) => layout.max_pool(x, window, false),
            (Operation::AveragePool(window), _) => layout.average_pool(x, window),
        };
        if let Some(observe) = observe {
            observe(x.clone());
        }
        let x = match self.placed.step.activation {
            Activation::Relu if !done => burn::tensor::activation::relu(x),
            Activation::Tanh => x.tanh(),
            Activation::Relu | Activation::Identity | Activation::Logits => x,
        };
        self.dropout(x, mode)
    }

    /// Batch norm, where there is one; then, with `relu`, the positive part.
    fn normalize(&self, layout: Layout, x: Tensor<4>, mode: &mut Mode<'_>, relu: bool) -> Tensor<4> {
        let (Some(scale), Some(bias)) = (&self.scale, &self.bias) else {
            return x;
        };
        let (Some(mean), Some(variance)) = (&self.mean, &self.variance) else {
            return x;
        };
        let (scale, bias) = (scale.val(), bias.val());
        match mode {
            Mode::Inference => {
                let statistics = [mean.clone(), variance.clone()];
                layout.batch_norm(x, scale, bias, statistics, EPSILON, relu)
            }
            Mode::Training(_, collected) => {
                let (x, statistics) = layout.batch_norm_train(x, scale, bias, EPSILON, relu);
                collected.extend(statistics);
                x
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
