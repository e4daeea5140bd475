use super::*;
use crate::data::repository_path;
use crate::network::plan;
use crate::preset::{PRESETS, resolve};

fn of_preset(name: &str) -> Summary {
    Summary::of_plan(&plan(&resolve(name).unwrap()).unwrap()).unwrap()
}

fn of_model(name: &str) -> Summary {
    let path = repository_path(&format!("models/{name}/{name}.postcard")).unwrap();
    Summary::of_file(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn layers_add_up_to_what_the_runtime_needs() {
    for preset in PRESETS {
        let summary = of_preset(preset.name);
        let sum = |of: fn(&LayerSummary) -> u64| summary.layers.iter().map(of).sum::<u64>();
        assert_eq!(sum(|layer| layer.scratch_bytes), summary.scratch_bytes, "{}", preset.name);
        assert_eq!(sum(|layer| layer.weight_bytes), summary.weight_bytes, "{}", preset.name);
        assert_eq!(sum(|layer| layer.macs), summary.macs, "{}", preset.name);
        assert!(summary.layers.iter().all(|layer| layer.largest_sum.is_none()), "{}", preset.name);
    }
}

#[test]
fn a_network_is_the_same_before_and_after_training() {
    for name in ["nano", "keras-cnn", "lenet5"] {
        let (before, after) = (of_preset(name), of_model(name));
        assert_eq!(
            (before.parameters, before.macs, before.weight_bytes, before.scratch_bytes),
            (after.parameters, after.macs, after.weight_bytes, after.scratch_bytes)
        );
        for (before, after) in before.layers.iter().zip(&after.layers) {
            assert_eq!(
                (&before.name, &before.what, before.output, before.worst_sum),
                (&after.name, &after.what, after.output, after.worst_sum)
            );
            // A shipped model is exact in f32: its exporter saw to it.
            assert!(after.largest_sum < Some(EXACT_BOUND));
        }
    }
}

#[test]
fn nano_has_known_figures() {
    let nano = of_model("nano");
    assert_eq!((nano.parameters, nano.weight_bytes, nano.scratch_bytes), (10_082, 9_992, 1_932));
    let first = &nano.layers[0];
    assert_eq!((first.what.as_str(), first.output), ("conv 3x3, relu", [26, 26, 8]));
    assert_eq!(first.worst_sum, Some(9 * 127 * 255));
    // Scales, shifts, means and variances of the 80 channels with batch norm, and 9,992 weights, 10 biases.
    assert_eq!(of_preset("nano").training_parameters, Some(9_992 + 4 * 80 + 10));

    let text = nano.render(Look::PLAIN);
    assert!(text.contains("max-pool 2x2") && text.contains("413,984"), "{text}");
    assert!(text.contains("largest sum") && text.contains("Every sum of this network is below.\n"), "{text}");
    assert!(!of_preset("nano").render(Look::PLAIN).contains("largest sum"));
}

#[test]
fn a_layer_that_could_be_inexact_is_named() {
    let config = "name = \"wide\"\ninput = [28, 28, 1]\nlayers = [\
        { type = \"flatten\" }, { type = \"dense\", units = 4, bits = 2 }, { type = \"tanh\" }, \
        { type = \"dense\", units = 10 }]";
    let wide = |text: &str| {
        let config = crate::config::Config::parse(text, "wide").unwrap();
        Summary::of_plan(&plan(&config).unwrap()).unwrap()
    };
    let exact = wide(config);
    // Two bits: 3 at most; tanh: -128 at most.
    assert_eq!(exact.layers[0].worst_sum, Some(784 * 3 * 255));
    assert_eq!(exact.layers[0].weight_bytes, 784);
    assert_eq!(exact.layers[1].worst_sum, Some(4 * 127 * 128));
    assert!(exact.render(Look::PLAIN).contains("whatever its weights"));

    let inexact = wide(&config.replace(", bits = 2", ""));
    assert!(inexact.layers[0].worst_sum > Some(EXACT_BOUND));
    let text = inexact.render(Look::PLAIN);
    assert!(text.contains("Not every weight of dense1") && text.contains("coarsely"), "{text}");
}
