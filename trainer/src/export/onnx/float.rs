//! The float file: one ONNX operator a step, batch norm already folded.

use tract_onnx::pb::GraphProto;
use tract_onnx::pb::tensor_proto::DataType::Float;

use super::graph::{Graph, ValueType, integer, linear_attributes, window_attributes};
use super::{INPUT, INPUT_ABOUT, LAYER_OUTPUT, OUTPUT};
use crate::export::check::window_output;
use crate::model::{Activation, FloatLayer, FloatNetwork, Operation, Shape, Window};

pub(super) fn graph(network: &FloatNetwork) -> GraphProto {
    let mut graph = Graph::default();
    graph.input(INPUT, &ValueType::map(Float, network.input), INPUT_ABOUT);
    let mut current = INPUT.to_owned();
    let mut flat = false;
    for layer in &network.layers {
        current = match &layer.operation {
            Operation::Dense => dense(&mut graph, layer, &current, flat),
            Operation::Convolution { window, groups, pool } => {
                convolution(&mut graph, layer, &current, window, *groups, pool.as_ref())
            }
            Operation::MaxPool(window) => alone(&mut graph, layer, "MaxPool", &current, window),
            Operation::AveragePool(window) => alone(&mut graph, layer, "AveragePool", &current, window),
        };
        flat = layer.operation == Operation::Dense;
    }
    graph.finish(&network.name, "One value a class; the largest is the answer")
}

fn dense(graph: &mut Graph, layer: &FloatLayer, input: &str, flat: bool) -> String {
    let name = &layer.name;
    let (fan_in, fan_out) = (layer.input.len(), layer.output.channels);
    let flattened = format!("{name}.flattened");
    let input = if flat {
        input
    } else {
        graph.node(
            "Flatten",
            &[input],
            &flattened,
            &ValueType::vector(Float, fan_in),
            vec![integer("axis", 1)],
        );
        &flattened
    };
    let weights = graph.floats(format!("{name}.weight"), &[fan_out, fan_in], &layer.weights);
    let bias = graph.floats(format!("{name}.bias"), &[fan_out], &layer.bias);
    let value = ValueType::vector(Float, fan_out);
    let output = match layer.activation {
        Activation::Logits => OUTPUT.to_owned(),
        Activation::Identity => format!("{name}{LAYER_OUTPUT}"),
        Activation::Relu | Activation::Tanh => format!("{name}.sum"),
    };
    graph.node("Gemm", &[input, &weights, &bias], &output, &value, linear_attributes());
    activation(graph, layer, output, &value, false)
}

/// A pool that is not fused with a convolution.
fn alone(graph: &mut Graph, layer: &FloatLayer, operator: &str, input: &str, window: &Window) -> String {
    let output = format!("{}{LAYER_OUTPUT}", layer.name);
    graph.node(operator, &[input], &output, &ValueType::map(Float, layer.output), window_attributes(window));
    output
}

fn convolution(
    graph: &mut Graph,
    layer: &FloatLayer,
    input: &str,
    window: &Window,
    groups: usize,
    pool: Option<&Window>,
) -> String {
    let name = &layer.name;
    let output = format!("{name}{LAYER_OUTPUT}");
    let pooled = ValueType::map(Float, layer.output);
    let dimensions =
        [layer.output.channels, layer.input.channels / groups, window.kernel[0], window.kernel[1]];
    let weights = graph.floats(format!("{name}.weight"), &dimensions, &layer.weights);
    let bias = graph.floats(format!("{name}.bias"), &[layer.output.channels], &layer.bias);
    let mut attributes = window_attributes(window);
    attributes.push(integer("group", groups));

    let before_pool = window_output(layer.input.height, layer.input.width, window).unwrap_or_default();
    let full = Shape { height: before_pool[0], width: before_pool[1], channels: layer.output.channels };
    let value = ValueType::map(Float, full);
    let plain = layer.activation == Activation::Identity && pool.is_none();
    let sum = if plain { output.clone() } else { format!("{name}.sum") };
    graph.node("Conv", &[input, &weights, &bias], &sum, &value, attributes);
    let activated = activation(graph, layer, sum, &value, pool.is_some());
    if let Some(pool) = pool {
        graph.node("MaxPool", &[&activated], &output, &pooled, window_attributes(pool));
    }
    output
}

/// Appends the activation, where there is one, and returns the tensor that it yields.
fn activation(graph: &mut Graph, layer: &FloatLayer, sum: String, value: &ValueType, pooled: bool) -> String {
    let operator = match layer.activation {
        Activation::Relu => "Relu",
        Activation::Tanh => "Tanh",
        Activation::Identity | Activation::Logits => return sum,
    };
    let suffix = if pooled { ".activated" } else { LAYER_OUTPUT };
    let output = format!("{}{suffix}", layer.name);
    graph.node(operator, &[&sum], &output, value, Vec::new());
    output
}
