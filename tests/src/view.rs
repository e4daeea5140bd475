//! A loaded model back to a specification, through the runtime's public view, so that the oracle
//! can compute what a file says, whoever wrote it.

use tenfold_runtime::{Arrangement, Interleaved, Layer, Model, Operation, Window};

use crate::spec::{LayerSpec, ModelSpec, Output, Parameters};

/// The specification that `model` was encoded from, or could have been.
pub fn specification(model: &Model<'_>) -> ModelSpec {
    let input = model.input();
    ModelSpec {
        name: model.name().to_owned(),
        input: [input.height, input.width, input.channels],
        logit_exponent: model.logit_exponent(),
        layers: model.layers().map(|layer| self::layer(&layer)).collect(),
    }
}

/// `spec` with a pool of 1 x 1 as no pool at all, which is how a file reads back.
pub fn normalized(spec: &ModelSpec) -> ModelSpec {
    let mut spec = spec.clone();
    for layer in &mut spec.layers {
        if let LayerSpec::Convolution { pool, .. } = layer {
            *pool = pool.filter(|pool| *pool != ([1, 1], [1, 1]));
        }
    }
    spec
}

fn layer(layer: &Layer<'_>) -> LayerSpec {
    let parameters = || layer.parameters().expect("a layer with weights");
    match &layer.operation {
        Operation::Convolution { window, padding, groups, pool } => {
            let parameters = &parameters();
            let run = usize::from(window.kernel[0])
                * usize::from(window.kernel[1])
                * usize::from(layer.input.channels / groups);
            let none = Window { kernel: [1, 1], stride: [1, 1] };
            LayerSpec::Convolution {
                kernel: window.kernel,
                stride: window.stride,
                padding: [padding.top, padding.left, padding.bottom, padding.right],
                groups: *groups,
                pool: (*pool != none).then_some((pool.kernel, pool.stride)),
                parameters: match Arrangement::of(layer) {
                    None => self::parameters(layer, parameters, run, 1),
                    Some(arrangement) => {
                        let length = arrangement.run_bytes();
                        let positions = arrangement.positions(window.kernel, layer.input.channels / groups);
                        let places: Vec<usize> = positions.collect();
                        let runs = parameters.weights.chunks(length);
                        let weights = runs
                            .clone()
                            .flat_map(|run| places.iter().map(|&place| arrangement.weight(run, place)));
                        let bias = parameters.bias.iter().zip(runs);
                        let bias = bias.map(|(bias, run)| bias - arrangement.bias_offset(run)).collect();
                        let stored = Parameters {
                            weight_bits: parameters.weight_bits,
                            weights: weights.collect(),
                            bias,
                            shifts: parameters.shifts.to_vec(),
                            output: output(layer, parameters),
                        };
                        assert_eq!(parameters.weights.len(), length * stored.bias.len());
                        stored
                    }
                },
            }
        }
        Operation::MaxPool { window, padding } => LayerSpec::MaxPool {
            kernel: window.kernel,
            stride: window.stride,
            padding: [padding.top, padding.left, padding.bottom, padding.right],
        },
        Operation::AveragePool { window, log2_area } => {
            assert_eq!(1_u32 << log2_area, u32::from(window.kernel[0]) * u32::from(window.kernel[1]));
            LayerSpec::AveragePool { kernel: window.kernel, stride: window.stride }
        }
        Operation::Dense { rows_per_step } => {
            let parameters = &parameters();
            let run = usize::from(*rows_per_step) * layer.input.row();
            let steps = usize::from(layer.input.height / rows_per_step);
            LayerSpec::Dense { parameters: self::parameters(layer, parameters, run, steps) }
        }
    }
}

/// Unpacks runs of `run` weights, `steps` of them an output.
fn parameters(
    layer: &Layer<'_>,
    parameters: &tenfold_runtime::Parameters<'_>,
    run: usize,
    steps: usize,
) -> Parameters {
    let outputs = usize::from(layer.output.channels);
    let interleaved = Interleaved::of(layer);
    // Interleaved weights take a byte each.
    let bits = if interleaved.is_some() { 8 } else { parameters.weight_bits };
    let run_bytes = (run * usize::from(bits)).div_ceil(8);
    let mut weights = Vec::new();
    if interleaved.is_none() {
        assert_eq!(parameters.weights.len(), run_bytes * outputs * steps);
    }
    for output in 0..outputs {
        for step in 0..steps {
            if let Some(order) = interleaved {
                let bytes = &parameters.weights[step * order.blocks() * parameters.run_bytes..];
                weights.extend(order.places(output).map(|place| bytes[place] as i8));
                continue;
            }
            let start = (step * outputs + output) * run_bytes;
            let packed = &parameters.weights[start..start + run_bytes];
            weights.extend((0..run).map(|index| unpack(packed, bits, index)));
        }
    }
    Parameters {
        weight_bits: parameters.weight_bits,
        weights,
        bias: parameters.bias.to_vec(),
        shifts: parameters.shifts.to_vec(),
        output: output(layer, parameters),
    }
}

fn output(layer: &Layer<'_>, parameters: &tenfold_runtime::Parameters<'_>) -> Output {
    match parameters.output {
        tenfold_runtime::Output::Unsigned => Output::Unsigned,
        tenfold_runtime::Output::Signed => Output::Signed,
        tenfold_runtime::Output::Logits => Output::Logits,
        tenfold_runtime::Output::Table(entries) => {
            Output::Table { signed: layer.output_signed, entries: entries.to_vec() }
        }
    }
}

/// Weight `index`, least significant bits first; 2 bits hold -3, -1, 1, 3 in this order.
fn unpack(packed: &[u8], bits: u8, index: usize) -> i8 {
    let per_byte = usize::from(8 / bits);
    let field = packed[index / per_byte] >> ((index % per_byte) * usize::from(bits));
    match bits {
        8 => field as i8,
        4 => ((field & 15) as i8 ^ 8) - 8,
        2 => [-3, -1, 1, 3][usize::from(field & 3)],
        _ => panic!("{bits}-bit weights"),
    }
}
