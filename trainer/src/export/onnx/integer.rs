//! The QDQ file. Every layer starts with the `DequantizeLinear` of its input and ends with the
//! `QuantizeLinear` (or the table) that yields `<layer>.output`.

use tract_onnx::pb::GraphProto;
use tract_onnx::pb::tensor_proto::DataType::{self, Float, Int8, Int32, Uint8};

use super::graph::{Graph, ValueType, integer, linear_attributes, window_attributes};
use super::{INPUT, INPUT_ABOUT, LAYER_OUTPUT, OUTPUT};
use crate::export::check::{INPUT_ENCODING, window_output};
use crate::model::{Activation, Encoding, Operation, QuantizedLayer, QuantizedNetwork, Shape, Window};

/// Names of the two zero points, the only constants that layers share.
const ZERO_UNSIGNED: &str = "zero_u8";
const ZERO_SIGNED: &str = "zero_i8";

pub(super) fn graph(network: &QuantizedNetwork) -> GraphProto {
    let mut graph = Graph::default();
    let image = ValueType::map(Float, network.input);
    graph.input(INPUT, &image, INPUT_ABOUT);
    let encodings = network.layers.iter().map(|layer| layer.output_encoding);
    graph.bytes_unsigned(ZERO_UNSIGNED.to_owned(), &[], &[0]);
    if encodings.chain(network.layers.iter().filter_map(table_index)).any(|encoding| encoding.signed) {
        graph.bytes_signed(ZERO_SIGNED.to_owned(), &[], &[0]);
    }
    let mut current = format!("{INPUT}.quantized");
    quantize(&mut graph, INPUT, &current, &image, INPUT_ENCODING);
    let mut flat = false;
    for layer in &network.layers {
        let mut builder = Layer { graph: &mut graph, layer };
        current = match &layer.operation {
            Operation::Dense => builder.dense(&current, flat),
            Operation::Convolution { window, groups, pool } => {
                builder.convolution(&current, window, *groups, pool.as_ref())
            }
            Operation::MaxPool(window) => builder.pool("MaxPool", &current, window),
            Operation::AveragePool(window) => builder.pool("AveragePool", &current, window),
        };
        flat = layer.operation == Operation::Dense;
    }
    graph.finish(
        &network.name,
        "One value a class: the accumulator times a power of two; the largest is the answer",
    )
}

struct Layer<'a> {
    graph: &'a mut Graph,
    layer: &'a QuantizedLayer,
}

impl Layer<'_> {
    fn dense(&mut self, input: &str, flat: bool) -> String {
        let layer = self.layer;
        let (fan_in, fan_out) = (layer.input.len(), layer.output.channels);
        let incoming = ValueType::vector(element(layer.input_encoding), fan_in);
        let flattened = self.name(".flattened");
        let input = if flat {
            input
        } else {
            self.graph.node("Flatten", &[input], &flattened, &incoming, vec![integer("axis", 1)]);
            &flattened
        };
        let input = self.input(input, &incoming);
        let [weights, bias] = self.parameters(&[fan_out, fan_in]);
        let value = ValueType::vector(Float, fan_out);
        let is_last = layer.activation == Activation::Logits;
        let sum = if is_last { OUTPUT.to_owned() } else { self.name(".sum") };
        self.graph.node("Gemm", &[&input, &weights, &bias], &sum, &value, linear_attributes());
        if is_last { sum } else { self.activate(sum, &value, None) }
    }

    fn convolution(&mut self, input: &str, window: &Window, groups: usize, pool: Option<&Window>) -> String {
        let layer = self.layer;
        let (shape, channels) = (layer.input, layer.output.channels);
        let input = self.input(input, &ValueType::map(element(layer.input_encoding), shape));
        let dimensions = [channels, shape.channels / groups, window.kernel[0], window.kernel[1]];
        let [weights, bias] = self.parameters(&dimensions);
        let [height, width] = window_output(shape.height, shape.width, window).unwrap_or_default();
        let value = ValueType::map(Float, Shape { height, width, channels });
        let mut attributes = window_attributes(window);
        attributes.push(integer("group", groups));
        let sum = self.name(".sum");
        self.graph.node("Conv", &[&input, &weights, &bias], &sum, &value, attributes);
        self.activate(sum, &value, pool)
    }

    /// A pool on its own keeps the encoding.
    fn pool(&mut self, operator: &str, input: &str, window: &Window) -> String {
        let layer = self.layer;
        let input = self.input(input, &ValueType::map(element(layer.input_encoding), layer.input));
        let value = ValueType::map(Float, layer.output);
        let (pooled, output) = (self.name(".pooled"), self.name(LAYER_OUTPUT));
        self.graph.node(operator, &[&input], &pooled, &value, window_attributes(window));
        quantize(self.graph, &pooled, &output, &value, layer.output_encoding);
        output
    }

    /// From the sum to `<layer>.output`. The runtime takes the maximum over accumulators and
    /// requantizes the winner; here it is requantized first, as engines expect of this form.
    /// Requantization is monotonic, so both are the same.
    fn activate(&mut self, sum: String, value: &ValueType, pool: Option<&Window>) -> String {
        let layer = self.layer;
        let mut current = sum;
        if layer.activation == Activation::Relu {
            let activated = self.name(".activated");
            self.graph.node("Relu", &[&current], &activated, value, Vec::new());
            current = activated;
        }
        let encoding = table_index(layer).unwrap_or(layer.output_encoding);
        let output = self.name(LAYER_OUTPUT);
        let requantized = if layer.table.is_some() { self.name(".requantized") } else { output.clone() };
        let first = if pool.is_some() { self.name(".unpooled") } else { requantized.clone() };
        quantize(self.graph, &current, &first, value, encoding);
        let mut value = value.clone();
        if let Some(window) = pool {
            let (before, pooled) = (self.name(".unpooled_dequantized"), self.name(".pooled"));
            dequantize(self.graph, &first, &before, &value, encoding);
            value = ValueType::map(Float, layer.output);
            self.graph.node("MaxPool", &[&before], &pooled, &value, window_attributes(window));
            quantize(self.graph, &pooled, &requantized, &value, encoding);
        }
        if let Some((_, entries)) = &layer.table {
            self.look_up(&requantized, &output, &value, entries);
        }
        output
    }

    fn look_up(&mut self, values: &str, output: &str, value: &ValueType, entries: &[i8]) {
        let table = self.graph.bytes_signed(self.name(".table"), &[entries.len()], entries);
        let offset = self.graph.integers(self.name(".table_offset"), &[], &[128]);
        let (wide, index) = (self.name(".table_value"), self.name(".table_index"));
        let to_wide = vec![integer("to", Int32 as usize)];
        self.graph.node("Cast", &[values], &wide, &value.of(Int32), to_wide);
        self.graph.node("Add", &[&wide, &offset], &index, &value.of(Int32), Vec::new());
        let attributes = vec![integer("axis", 0)];
        self.graph.node("Gather", &[&table, &index], output, &value.of(Int8), attributes);
    }

    fn input(&mut self, tensor: &str, value: &ValueType) -> String {
        let name = self.name(".input");
        dequantize(self.graph, tensor, &name, value, self.layer.input_encoding);
        name
    }

    /// Weights and bias, dequantized by output channel.
    fn parameters(&mut self, dimensions: &[usize]) -> [String; 2] {
        let layer = self.layer;
        let channels = [layer.output.channels];
        let weights = self.graph.bytes_signed(self.name(".weight_quantized"), dimensions, &layer.weights);
        let scales: Vec<f32> = layer.weight_exponents.iter().map(|exponent| scale(*exponent)).collect();
        let scales = self.graph.floats(self.name(".weight_scale"), &channels, &scales);
        let zeros = self.graph.bytes_signed(self.name(".weight_zero"), &channels, &vec![0; channels[0]]);
        let weights = self.dequantize_parameter(".weight", [&weights, &scales, &zeros], dimensions);

        let bias = self.graph.integers(self.name(".bias_quantized"), &channels, &layer.bias);
        let exponents =
            layer.weight_exponents.iter().map(|exponent| layer.input_encoding.exponent + exponent);
        let scales: Vec<f32> = exponents.map(scale).collect();
        let scales = self.graph.floats(self.name(".bias_scale"), &channels, &scales);
        let zeros = self.graph.integers(self.name(".bias_zero"), &channels, &vec![0; channels[0]]);
        let bias = self.dequantize_parameter(".bias", [&bias, &scales, &zeros], &channels);
        [weights, bias]
    }

    fn dequantize_parameter(&mut self, suffix: &str, inputs: [&str; 3], dimensions: &[usize]) -> String {
        let name = self.name(suffix);
        let value = ValueType::parameter(Float, dimensions);
        self.graph.node("DequantizeLinear", &inputs, &name, &value, vec![integer("axis", 0)]);
        name
    }

    fn name(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.layer.name)
    }
}

fn quantize(graph: &mut Graph, input: &str, output: &str, value: &ValueType, encoding: Encoding) {
    let (scale, zero) = scale_and_zero(graph, output, encoding);
    let value = value.of(element(encoding));
    graph.node("QuantizeLinear", &[input, &scale, zero], output, &value, Vec::new());
}

fn dequantize(graph: &mut Graph, input: &str, output: &str, value: &ValueType, encoding: Encoding) {
    let (scale, zero) = scale_and_zero(graph, output, encoding);
    graph.node("DequantizeLinear", &[input, &scale, zero], output, &value.of(Float), Vec::new());
}

fn scale_and_zero(graph: &mut Graph, tensor: &str, encoding: Encoding) -> (String, &'static str) {
    let scale = graph.floats(format!("{tensor}_scale"), &[], &[scale(encoding.exponent)]);
    (scale, if encoding.signed { ZERO_SIGNED } else { ZERO_UNSIGNED })
}

/// What a table activation is requantized to before the look-up.
fn table_index(layer: &QuantizedLayer) -> Option<Encoding> {
    layer.table.as_ref().map(|(exponent, _)| Encoding { exponent: *exponent, signed: true })
}

fn element(encoding: Encoding) -> DataType {
    if encoding.signed { Int8 } else { Uint8 }
}

/// `2^-exponent`, exactly: [`check_quantized`](crate::export::check::check_quantized) keeps the exponent
/// in the normal numbers of `f32`.
fn scale(exponent: i32) -> f32 {
    f32::from_bits(((127 - exponent).cast_unsigned()) << 23)
}
