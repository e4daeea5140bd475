//! Random networks through tract, against a forward pass by the definition.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tract_onnx::prelude::*;

use super::*;
use crate::export::sample;

const SEEDS: u64 = 120;
const IMAGES: usize = 4;

#[test]
fn every_layer_is_bit_exact_in_tract() {
    for seed in 0..SEEDS {
        let network = sample::network(seed);
        super::super::check::check_quantized(&network, false).unwrap();
        let bytes = encode_quantized(&network, &provenance()).unwrap();
        let pixels = images(seed, network.input.len());
        for optimized in [false, true] {
            let outputs = run_every_layer(&bytes, &network, &pixels, optimized);
            for (image, pixels) in pixels.chunks_exact(network.input.len()).enumerate() {
                let expected = sample::forward(&network, pixels);
                for (index, layer) in network.layers.iter().enumerate() {
                    let len = layer.output.len();
                    let found = &outputs[index][image * len..][..len];
                    let name = &layer.name;
                    assert_eq!(
                        found, expected[index],
                        "seed {seed}, image {image}, layer {name}, {optimized}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_kind_of_layer_was_sampled() {
    let layers: Vec<_> = (0..SEEDS).flat_map(|seed| sample::network(seed).layers).collect();
    let any = |what: &str, predicate: &dyn Fn(&crate::model::QuantizedLayer) -> bool| {
        assert!(layers.iter().filter(|layer| predicate(layer)).count() >= 5, "{what}");
    };
    use crate::model::{Activation, Operation};
    any("2 bits", &|l| l.weight_bits == 2 && !l.weights.is_empty());
    any("4 bits", &|l| l.weight_bits == 4);
    any("tanh", &|l| l.activation == Activation::Tanh);
    any("signed", &|l| l.activation == Activation::Identity && l.input_encoding.signed);
    any("max-pool", &|l| matches!(l.operation, Operation::MaxPool(w) if w.padding != [0; 4]));
    any("average-pool", &|l| matches!(l.operation, Operation::AveragePool(w) if w.kernel != [1, 1]));
    any(
        "depthwise",
        &|l| matches!(l.operation, Operation::Convolution { groups, .. } if groups == l.input.channels && groups > 1),
    );
    any(
        "groups",
        &|l| matches!(l.operation, Operation::Convolution { groups, .. } if groups < l.input.channels && groups > 1),
    );
    any("fused pool", &|l| matches!(l.operation, Operation::Convolution { pool: Some(_), .. }));
    any(
        "uneven padding",
        &|l| matches!(&l.operation, Operation::Convolution { window, .. } if window.padding[0] != window.padding[2]),
    );
}

#[test]
fn float_file_computes_the_float_network() {
    for seed in 0..SEEDS {
        let network = sample::network(seed);
        let float = sample::float_twin(&network);
        super::super::check::check_float(&float).unwrap();
        let bytes = encode_float(&float, &provenance()).unwrap();
        let pixels = images(seed, network.input.len());
        let found = run(&bytes, &network, &pixels, &[OUTPUT.to_owned()], true).remove(0);
        for (image, found) in pixels.chunks_exact(network.input.len()).zip(found.chunks_exact(10)) {
            let values: Vec<f64> = image.iter().map(|pixel| f64::from(*pixel) / 256.0).collect();
            let expected = sample::forward_float(&float, &values);
            let largest = expected.iter().fold(1.0_f64, |largest, logit| largest.max(logit.abs()));
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-4 * largest, "seed {seed}: {found} {expected}");
            }
        }
    }
}

#[test]
fn same_network_same_bytes() {
    let network = sample::network(1);
    let encode = || encode_quantized(&network, &provenance()).unwrap();
    assert_eq!(encode(), encode());
}

fn provenance() -> Provenance {
    Provenance {
        config_toml: "preset = \"sample\"\n".to_owned(),
        seed: 7,
        dataset: "random".to_owned(),
        tenfold_version: "0.1.0".to_owned(),
    }
}

fn images(seed: u64, len: usize) -> Vec<u8> {
    let mut random = StdRng::seed_from_u64(seed ^ 0xface);
    sample::image(&mut random, len * IMAGES)
}

fn run_every_layer(
    bytes: &[u8],
    network: &QuantizedNetwork,
    pixels: &[u8],
    optimized: bool,
) -> Vec<Vec<i64>> {
    let layers: Vec<String> = network.layers.iter().map(|layer| layer.name.clone()).collect();
    let names: Vec<String> = (0..layers.len()).map(|index| layer_output(&layers, index)).collect();
    let mut outputs = run(bytes, network, pixels, &names, optimized);
    let exponent = network.layers.last().unwrap().output_encoding.exponent;
    for logit in outputs.last_mut().unwrap() {
        *logit *= f64::from(exponent).exp2();
        assert_eq!(*logit, logit.round());
    }
    outputs.into_iter().map(|values| values.into_iter().map(|value| value as i64).collect()).collect()
}

fn run(
    bytes: &[u8],
    network: &QuantizedNetwork,
    pixels: &[u8],
    outputs: &[String],
    optimized: bool,
) -> Vec<Vec<f64>> {
    let model = onnx().model_for_read(&mut &*bytes).unwrap().with_outputs_by_name(outputs).unwrap();
    let model = if optimized { model.into_optimized().unwrap() } else { model.into_typed().unwrap() };
    let plan = model.into_runnable().unwrap();
    let Shape { height, width, channels } = network.input;
    let floats: Vec<f32> = pixels.iter().map(|pixel| f32::from(*pixel) / 256.0).collect();
    let input = Tensor::from_shape(&[IMAGES, channels, height, width], &floats).unwrap();
    let results = plan.run(tvec![input.into_tvalue()]).unwrap();
    results
        .iter()
        .map(|tensor| {
            let tensor = tensor.cast_to::<f64>().unwrap();
            tensor.try_as_plain_ram().unwrap().as_slice::<f64>().unwrap().to_vec()
        })
        .collect()
}
