//! A network as TensorBoard draws it: a group a step, with a node for the sum, its parameters, the activation
//! and the pool; edges carry shapes.

use std::collections::BTreeMap;

use prost::Message as _;

use super::message::{Attribute, AttributeValue, Dimension, Graph, Node, Shapes, TensorShape, Versions};
use crate::model::{Activation, Operation, Shape, Window};
use crate::network::{Plan, Step};

/// Version of the graph's format, for readers that know older ones.
const PRODUCER: i32 = 27;

/// The graph of `plan` in TensorFlow's form, encoded.
pub(super) fn encode(plan: &Plan) -> Vec<u8> {
    let mut nodes = vec![node("image", "Placeholder", &[], Some(plan.input), &[])];
    for step in &plan.steps {
        add(&mut nodes, step);
    }
    let before = last(&nodes);
    nodes.push(node("logits", "Identity", &[&before], plan.steps.last().map(|step| step.output), &[]));
    Graph { nodes, versions: Some(Versions { producer: PRODUCER }) }.encode_to_vec()
}

fn add(nodes: &mut Vec<Node>, step: &Step) {
    let input = last(nodes);
    let name = |part: &str| format!("{}/{part}", step.name);
    let (part, op, window, pool) = match &step.operation {
        Operation::Convolution { window, pool, .. } => ("conv", "Conv2D", Some(window), *pool),
        Operation::Dense => ("dense", "MatMul", None, None),
        Operation::MaxPool(window) => ("max_pool", "MaxPool", Some(window), None),
        Operation::AveragePool(window) => ("average_pool", "AvgPool", Some(window), None),
    };
    let whole = pool.is_none().then_some(step.output);
    let mut inputs = vec![input];
    if step.weights() > 0 {
        let dimensions = [step.channels(), step.fan_in()];
        let mut weights = node(&name("weights"), "Variable", &[], None, &[("bits", step.bits.to_string())]);
        weights.attributes.insert("_output_shapes".to_owned(), shapes(&dimensions.map(|side| side as i64)));
        inputs.push(weights.name.clone());
        nodes.push(weights);
    }
    let mut attributes = window.map(describe).unwrap_or_default();
    if let Operation::Convolution { groups, .. } = step.operation {
        attributes.push(("groups", groups.to_string()));
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    nodes.push(node(&name(part), op, &inputs, whole, &attributes));
    let mut follow = |part: &str, op: &str, shape: Option<Shape>, attributes: &[(&str, String)]| {
        let before = last(nodes);
        nodes.push(node(&name(part), op, &[&before], shape, attributes));
    };
    if step.batch_norm {
        follow("batch_norm", "BatchNorm", whole, &[]);
    }
    if let Some(window) = pool {
        follow("max_pool", "MaxPool", Some(step.output), &describe(&window));
    }
    match step.activation {
        Activation::Relu => follow("relu", "Relu", Some(step.output), &[]),
        Activation::Tanh => follow("tanh", "Tanh", Some(step.output), &[]),
        Activation::Identity | Activation::Logits => {}
    }
    if step.dropout > 0.0 {
        follow("dropout", "Dropout", Some(step.output), &[("rate", step.dropout.to_string())]);
    }
}

/// Name of the node that was added last.
fn last(nodes: &[Node]) -> String {
    nodes.last().map(|node| node.name.clone()).unwrap_or_default()
}

fn node(name: &str, op: &str, inputs: &[&str], output: Option<Shape>, attributes: &[(&str, String)]) -> Node {
    let text = |text: &str| Attribute { value: Some(AttributeValue::Text(text.as_bytes().to_vec())) };
    let mut all: BTreeMap<String, Attribute> =
        attributes.iter().map(|(key, value)| ((*key).to_owned(), text(value))).collect();
    if let Some(Shape { height, width, channels }) = output {
        let shape = [-1, height as i64, width as i64, channels as i64];
        all.insert("_output_shapes".to_owned(), shapes(&shape));
    }
    Node {
        name: name.to_owned(),
        op: op.to_owned(),
        inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
        attributes: all,
    }
}

fn shapes(shape: &[i64]) -> Attribute {
    let dimensions = shape.iter().map(|size| Dimension { size: *size }).collect();
    Attribute { value: Some(AttributeValue::List(Shapes { shapes: vec![TensorShape { dimensions }] })) }
}

fn describe(window: &Window) -> Vec<(&'static str, String)> {
    let mut attributes =
        vec![("kernel", format!("{:?}", window.kernel)), ("strides", format!("{:?}", window.stride))];
    if window.padding != [0; 4] {
        attributes.push(("padding", format!("top, left, bottom, right: {:?}", window.padding)));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{network, preset};

    #[test]
    fn every_input_of_a_node_is_a_node() {
        for preset in preset::PRESETS {
            let plan = network::plan(&preset::resolve(preset.name).unwrap()).unwrap();
            let graph = Graph::decode(encode(&plan).as_slice()).unwrap();
            for (index, node) in graph.nodes.iter().enumerate() {
                for input in &node.inputs {
                    assert!(graph.nodes[..index].iter().any(|before| before.name == *input), "{}", node.name);
                }
            }
            assert_eq!(graph.nodes.last().unwrap().name, "logits");
        }
    }
}
