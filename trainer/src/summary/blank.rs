//! A network as it will be quantized, but for its numbers: what its shapes and bits decide is already there.

use crate::export::check::INPUT_ENCODING;
use crate::model::{Activation, Encoding, Operation, QuantizedLayer, QuantizedNetwork};
use crate::network::{Plan, Step};

/// The network of `plan` with the smallest weights there are, no biases, and no shifts.
pub(super) fn network(plan: &Plan) -> QuantizedNetwork {
    let mut encoding = INPUT_ENCODING;
    let layers = plan.steps.iter().map(|step| {
        let layer = layer(step, encoding);
        encoding = layer.output_encoding;
        layer
    });
    QuantizedNetwork { layers: layers.collect(), name: plan.name.clone(), input: plan.input }
}

fn layer(step: &Step, input: Encoding) -> QuantizedLayer {
    let is_pool = matches!(step.operation, Operation::MaxPool(_) | Operation::AveragePool(_));
    let channels = if is_pool { 0 } else { step.channels() };
    let signed = if is_pool { input.signed } else { step.activation != Activation::Relu };
    let table = (step.activation == Activation::Tanh).then(|| (input.exponent, vec![0; 256]));
    QuantizedLayer {
        name: step.name.clone(),
        operation: step.operation.clone(),
        activation: step.activation,
        input: step.input,
        output: step.output,
        input_encoding: input,
        output_encoding: Encoding { exponent: input.exponent, signed },
        weight_bits: step.bits,
        // Two bits have no zero.
        weights: vec![i8::from(step.bits == 2); step.weights()],
        weight_exponents: vec![0; channels],
        bias: vec![0; channels],
        table,
    }
}
