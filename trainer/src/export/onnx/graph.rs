//! A thin layer over the protobuf messages of ONNX: nodes, initializers and shapes by name.
//!
//! Everything is appended in the order of the network, so the same network yields the same bytes.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::type_proto::{Tensor, Value};
use tract_onnx::pb::{
    AttributeProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
};

use crate::model::{Shape, Window};

/// Name of the free batch dimension.
pub(super) const BATCH: &str = "N";

/// A graph under construction.
#[derive(Default)]
pub(super) struct Graph {
    proto: GraphProto,
}

/// Element type and dimensions of a tensor; those of a batch follow the batch dimension.
#[derive(Clone, Debug)]
pub(super) struct ValueType {
    element: DataType,
    batched: bool,
    dimensions: Vec<usize>,
}

impl ValueType {
    /// `[N, channels, height, width]`.
    pub(super) fn map(element: DataType, shape: Shape) -> ValueType {
        ValueType { element, batched: true, dimensions: vec![shape.channels, shape.height, shape.width] }
    }

    /// `[N, length]`.
    pub(super) fn vector(element: DataType, length: usize) -> ValueType {
        ValueType { element, batched: true, dimensions: vec![length] }
    }

    /// The dimensions as they are, without a batch: for parameters.
    pub(super) fn parameter(element: DataType, dimensions: &[usize]) -> ValueType {
        ValueType { element, batched: false, dimensions: dimensions.to_vec() }
    }

    /// The same shape with another element type.
    pub(super) fn of(&self, element: DataType) -> ValueType {
        ValueType { element, ..self.clone() }
    }

    fn proto(&self, name: &str, about: &str) -> ValueInfoProto {
        let batch = self.batched.then(|| dimension::Value::DimParam(BATCH.to_owned()));
        let sizes = self.dimensions.iter().map(|size| dimension::Value::DimValue(*size as i64));
        let dim = batch
            .into_iter()
            .chain(sizes)
            .map(|value| Dimension { denotation: String::new(), value: Some(value) })
            .collect();
        let tensor = Tensor { elem_type: self.element as i32, shape: Some(TensorShapeProto { dim }) };
        ValueInfoProto {
            name: name.to_owned(),
            r#type: Some(TypeProto { denotation: String::new(), value: Some(Value::TensorType(tensor)) }),
            doc_string: about.to_owned(),
        }
    }
}

impl Graph {
    /// Declares the input.
    pub(super) fn input(&mut self, name: &str, value: &ValueType, about: &str) {
        self.proto.input.push(value.proto(name, about));
    }

    /// Appends a node that yields the tensor `output`, and declares that tensor's type.
    /// The node bears the name of the tensor.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        value: &ValueType,
        attributes: Vec<AttributeProto>,
    ) {
        self.proto.node.push(NodeProto {
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: operator.to_owned(),
            attribute: attributes,
            ..NodeProto::default()
        });
        self.proto.value_info.push(value.proto(output, ""));
    }

    /// Appends an `f32` constant and returns its name.
    pub(super) fn floats(&mut self, name: String, dimensions: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, DataType::Float, dimensions, bytes)
    }

    /// Appends an `i8` constant and returns its name.
    pub(super) fn bytes_signed(&mut self, name: String, dimensions: &[usize], values: &[i8]) -> String {
        let bytes = values.iter().map(|value| value.cast_unsigned()).collect();
        self.constant(name, DataType::Int8, dimensions, bytes)
    }

    /// Appends a `u8` constant and returns its name.
    pub(super) fn bytes_unsigned(&mut self, name: String, dimensions: &[usize], values: &[u8]) -> String {
        self.constant(name, DataType::Uint8, dimensions, values.to_vec())
    }

    /// Appends an `i32` constant and returns its name.
    pub(super) fn integers(&mut self, name: String, dimensions: &[usize], values: &[i32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, DataType::Int32, dimensions, bytes)
    }

    /// Declares the output, the tensor that the last node yields, and closes the graph.
    pub(super) fn finish(mut self, name: &str, about: &str) -> GraphProto {
        if let Some(mut output) = self.proto.value_info.pop() {
            output.doc_string = about.to_owned();
            self.proto.output.push(output);
        }
        self.proto.name = name.to_owned();
        self.proto
    }

    fn constant(&mut self, name: String, element: DataType, dimensions: &[usize], bytes: Vec<u8>) -> String {
        self.proto.initializer.push(TensorProto {
            dims: dimensions.iter().map(|size| *size as i64).collect(),
            data_type: element as i32,
            name: name.clone(),
            raw_data: bytes,
            ..TensorProto::default()
        });
        name
    }
}

/// An integer attribute.
pub(super) fn integer(name: &str, value: usize) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Int as i32,
        i: value as i64,
        ..AttributeProto::default()
    }
}

/// A `Gemm` with weights `[output][input]`. The factors have their usual value; some importers see a
/// linear layer only where they are written out.
pub(super) fn linear_attributes() -> Vec<AttributeProto> {
    vec![factor("alpha"), factor("beta"), integer("transB", 1)]
}

fn factor(name: &str) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Float as i32,
        f: 1.0,
        ..AttributeProto::default()
    }
}

/// Kernel, strides and padding of a window, as convolutions and pools name them.
pub(super) fn window_attributes(window: &Window) -> Vec<AttributeProto> {
    vec![
        integers("kernel_shape", &window.kernel),
        integers("strides", &window.stride),
        integers("pads", &window.padding),
    ]
}

fn integers(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Ints as i32,
        ints: values.iter().map(|value| *value as i64).collect(),
        ..AttributeProto::default()
    }
}
