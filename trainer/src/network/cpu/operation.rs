//! Computations of ours as operations of burn, with gradients.

use core::fmt::Debug;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata};
use burn::tensor::{Shape, Tensor, TensorData};

/// A tensor of the CPU.
type Plain = FloatTensor<Flex>;
/// A tensor of the CPU that burn follows, to know its gradient later.
type Followed = FloatTensor<Autodiff<Flex>>;

/// A differentiable function of `N` tensors. All values are in the order of their shape, rows first.
pub(super) trait Operation<const N: usize>: Copy + Debug + Send + Sync + 'static {
    /// What the backward pass needs beside inputs and output.
    type Saved: Debug + Send + Sync + 'static;

    /// The shape of the output.
    fn shape(self) -> [usize; 4];

    /// The output.
    fn forward(self, inputs: [&[f32]; N]) -> (Vec<f32>, Self::Saved);

    /// The gradients of those inputs that are wanted, from that of the output, which may be overwritten.
    fn backward(self, pass: Pass<'_, N, Self::Saved>) -> [Gradient; N];
}

/// The gradient of an input.
pub(super) enum Gradient {
    /// Not wanted.
    None,
    /// These values.
    New(Vec<f32>),
    /// What the gradient of the output was overwritten with.
    InPlace,
}

impl Gradient {
    /// Computes only what is wanted.
    pub(super) fn when(wanted: bool, compute: impl FnOnce() -> Vec<f32>) -> Self {
        if wanted { Self::New(compute()) } else { Self::None }
    }
}

/// What a backward pass is given.
pub(super) struct Pass<'a, const N: usize, S> {
    /// As the forward pass was given them.
    pub(super) inputs: [&'a [f32]; N],
    /// As the forward pass returned it.
    pub(super) output: &'a [f32],
    /// As the forward pass returned it.
    pub(super) saved: &'a S,
    /// The gradient of the output.
    pub(super) gradient: &'a mut [f32],
    /// The inputs whose gradients are asked for.
    pub(super) wanted: [bool; N],
}

/// An input of an operation, on the CPU.
#[derive(Clone)]
pub(super) enum Input {
    Plain(Plain),
    Followed(Followed),
}

impl Input {
    /// Takes a tensor of the CPU out of burn's wrapping.
    ///
    /// # Panics
    ///
    /// Where it is on another device; [`Layout::of`](super::super::layout::Layout::of) tells.
    pub(super) fn new<const D: usize>(tensor: Tensor<D>) -> Self {
        let result = if tensor.is_autodiff() {
            tensor.try_into_primitive::<Autodiff<Flex>>().map(Self::Followed)
        } else {
            tensor.try_into_primitive::<Flex>().map(Self::Plain)
        };
        match result {
            Ok(input) => input,
            Err(error) => panic!("an operation of the CPU on another device: {error:?}"),
        }
    }

    fn plain(&self) -> Plain {
        match self {
            Self::Plain(tensor) => tensor.clone(),
            Self::Followed(tensor) => tensor.primitive().clone(),
        }
    }
}

/// A tensor of the CPU without burn's wrapping; what burn has recorded about it is lost.
pub(super) fn take<const D: usize>(tensor: Tensor<D>) -> Plain {
    in_order(Input::new(tensor).plain())
}

/// The values of a tensor, in order.
pub(super) fn values(tensor: &Plain) -> &[f32] {
    match tensor.as_slice() {
        Some(values) => values,
        None => unreachable!("made contiguous before"),
    }
}

/// The same values, in order.
pub(super) fn in_order(tensor: Plain) -> Plain {
    if tensor.as_slice::<f32>().is_some() { tensor } else { tensor.to_contiguous() }
}

/// A tensor of these values.
pub(super) fn plain(values: Vec<f32>, shape: impl Into<Shape>) -> Plain {
    Plain::from_data(TensorData::new(values, shape))
}

/// Computes the output; burn will call [`Operation::backward`]. Returns what was saved as well.
pub(super) fn apply<const N: usize, O: Operation<N>>(
    operation: O,
    inputs: [Input; N],
) -> (Tensor<4>, Arc<O::Saved>) {
    let plains = inputs.each_ref().map(|input| in_order(input.plain()));
    let (output, saved) = operation.forward(plains.each_ref().map(values));
    let (output, saved) = (plain(output, operation.shape()), Arc::new(saved));
    if inputs.iter().all(|input| matches!(input, Input::Plain(_))) {
        return (Tensor::from_primitive::<Flex>(output), saved);
    }
    let followed = inputs.map(|input| match input {
        Input::Followed(tensor) => tensor,
        // Without a gradient.
        Input::Plain(tensor) => Followed::new(tensor),
    });
    let nodes = followed.each_ref().map(|tensor| tensor.node());
    let followed = match Step(operation).prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(step) => {
            let state = State { inputs: plains, output: output.clone(), saved: saved.clone() };
            step.finish(state, output)
        }
        OpsKind::UnTracked(step) => step.finish(output),
    };
    (Tensor::from_primitive::<Autodiff<Flex>>(followed), saved)
}

/// An operation in burn's graph.
#[derive(Debug)]
struct Step<O>(O);

/// What burn keeps until the backward pass.
#[derive(Debug)]
struct State<const N: usize, S> {
    inputs: [Plain; N],
    output: Plain,
    saved: Arc<S>,
}

impl<const N: usize, S> Clone for State<N, S> {
    fn clone(&self) -> Self {
        Self { inputs: self.inputs.clone(), output: self.output.clone(), saved: self.saved.clone() }
    }
}

impl<const N: usize, O: Operation<N>> Backward<Flex, N> for Step<O> {
    type State = State<N, O::Saved>;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let mut gradient = in_order(gradients.consume::<Flex>(&ops.node));
        let length = gradient.shape().num_elements();
        if gradient.storage::<f32>().len() != length {
            // Part of a larger tensor.
            gradient = plain(values(&gradient).to_vec(), gradient.shape());
        }
        let State { inputs, output, saved } = ops.state;
        let results = self.0.backward(Pass {
            inputs: inputs.each_ref().map(values),
            output: values(&output),
            saved: &saved,
            gradient: gradient.storage_mut(),
            wanted: ops.parents.each_ref().map(Option::is_some),
        });
        for ((parent, result), input) in ops.parents.into_iter().zip(results).zip(&inputs) {
            let Some(parent) = parent else {
                continue;
            };
            let result = match result {
                Gradient::None => continue,
                Gradient::New(values) => plain(values, input.shape()),
                Gradient::InPlace => gradient.reshape(input.shape()),
            };
            gradients.register::<Flex>(parent.id, result);
        }
    }
}
