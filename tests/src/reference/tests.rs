//! Cases small enough to compute by hand.

use super::*;

fn map(height: usize, width: usize, channels: usize, signed: bool, values: &[i64]) -> Map {
    Map { height, width, channels, signed, values: values.to_vec() }
}

fn parameters(weights: &[i8], bias: &[i32], shifts: &[u8], output: Output) -> Parameters {
    Parameters {
        weight_bits: 8,
        weights: weights.to_vec(),
        bias: bias.to_vec(),
        shifts: shifts.to_vec(),
        output,
    }
}

#[test]
fn rounds_ties_to_even() {
    // 0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5 in halves
    let halves = [1, 3, 5, 7, -1, -3, -5].map(|value| divide_half_even(value, 2));
    assert_eq!(halves, [0, 2, 2, 4, 0, -2, -2]);
}

#[test]
fn rounds_the_rest_to_nearest() {
    // quarters: 0.25, 0.75, 1.25, -0.25, -0.75, -1.25, and whole numbers
    let quarters = [1, 3, 5, -1, -3, -5, 8, -8, 0].map(|value| divide_half_even(value, 4));
    assert_eq!(quarters, [0, 1, 1, 0, -1, -1, 2, -2, 0]);
    assert_eq!(divide_half_even(i64::from(i32::MIN), 1 << 31), -1);
    assert_eq!(divide_half_even(i64::from(i32::MAX), 1 << 31), 1);
    assert_eq!(divide_half_even(1 << 30, 1 << 31), 0);
    assert_eq!(divide_half_even((1 << 30) + 1, 1 << 31), 1);
    assert_eq!(divide_half_even(-7, 1), -7);
}

#[test]
fn saturates_each_output_kind() {
    let input = map(1, 1, 1, false, &[1]);
    let biases = [255 * 4, 255 * 4 + 2, 127 * 4 + 2, -128 * 4 - 2, -2, -3, 2, 6];
    let shifts = [2; 8];
    let layer = |output| LayerSpec::Dense { parameters: parameters(&[0; 8], &biases, &shifts, output) };
    let unsigned = apply(&layer(Output::Unsigned), &input);
    assert_eq!(unsigned.values, [255, 255, 128, 0, 0, 0, 0, 2]);
    assert!(!unsigned.signed);
    let signed = apply(&layer(Output::Signed), &input);
    assert_eq!(signed.values, [127, 127, 127, -128, 0, -1, 0, 2]);
    assert!(signed.signed);
}

#[test]
fn looks_up_tables() {
    let entries: Vec<u8> = (0..=255).map(|index: u8| 255 - index).collect();
    let input = map(1, 1, 1, false, &[1]);
    // indices after saturation: -128, 127, 0, 1 -> entries 0, 255, 128, 129
    let bias = [-1000, 1000, 0, 1];
    let layer = |signed| LayerSpec::Dense {
        parameters: parameters(&[0; 4], &bias, &[0; 4], Output::Table { signed, entries: entries.clone() }),
    };
    assert_eq!(apply(&layer(false), &input).values, [255, 0, 127, 126]);
    assert_eq!(apply(&layer(true), &input).values, [-1, 0, 127, 126]);
    assert_eq!(apply(&layer(true), &input).bytes(), [255, 0, 127, 126]);
}

#[test]
fn convolves_with_asymmetric_padding() {
    // Input 2x3, kernel 2x2 of weights 1, 10 / 100, -1; one zero on top, one at the right.
    let input = map(2, 3, 1, false, &[1, 2, 3, 4, 5, 6]);
    let layer = LayerSpec::Convolution {
        kernel: [2, 2],
        stride: [1, 1],
        padding: [1, 0, 0, 1],
        groups: 1,
        pool: None,
        parameters: parameters(&[1, 10, 100, -1], &[7], &[], Output::Logits),
    };
    let output = apply(&layer, &input);
    assert_eq!((output.height, output.width, output.channels), (2, 3, 1));
    // row 0: 7 + 100a - b over (1 2)(2 3)(3 0); row 1: 7 + a + 10b + 100c - d
    let first = [7 + 100 - 2, 7 + 200 - 3, 7 + 300];
    let second = [7 + 1 + 20 + 400 - 5, 7 + 2 + 30 + 500 - 6, 7 + 3 + 600];
    assert_eq!(output.values, [first, second].concat());
}

#[test]
fn convolves_groups_apart_and_strides() {
    // 1x3 map of 2 channels, depthwise with multiplier 2, kernel 1x1, stride 2.
    let input = map(1, 3, 2, true, &[1, -2, 50, 60, 3, -4]);
    let layer = LayerSpec::Convolution {
        kernel: [1, 1],
        stride: [1, 2],
        padding: [0; 4],
        groups: 2,
        pool: None,
        parameters: parameters(&[1, 2, 3, 4], &[0, 0, 0, 100], &[0; 4], Output::Signed),
    };
    assert_eq!(apply(&layer, &input).values, [1, 2, -6, 92, 3, 6, -12, 84]);
}

#[test]
fn pools_accumulators_before_it_rounds() {
    // Overlapping fused pool 1x2 with stride 1 over sums 3, -5, 9 shifted by 1: max(3,-5), max(-5,9).
    let input = map(1, 3, 1, true, &[3, -5, 9]);
    let layer = LayerSpec::Convolution {
        kernel: [1, 1],
        stride: [1, 1],
        padding: [0; 4],
        groups: 1,
        pool: Some(([1, 2], [1, 1])),
        parameters: parameters(&[1], &[0], &[1], Output::Signed),
    };
    assert_eq!(apply(&layer, &input).values, [2, 4]);
}

#[test]
fn pools_with_the_smallest_value_outside() {
    let layer = LayerSpec::MaxPool { kernel: [2, 2], stride: [2, 2], padding: [1, 1, 0, 0] };
    let signed = map(1, 2, 1, true, &[-3, -100]);
    assert_eq!(apply(&layer, &signed).values, [-3]);
    let all_outside = LayerSpec::MaxPool { kernel: [1, 1], stride: [1, 1], padding: [1, 0, 0, 0] };
    assert_eq!(apply(&all_outside, &signed).values, [-128, -128, -3, -100]);
    let unsigned = map(1, 2, 1, false, &[3, 100]);
    assert_eq!(apply(&all_outside, &unsigned).values, [0, 0, 3, 100]);
}

#[test]
fn averages_round_half_to_even() {
    let layer = LayerSpec::AveragePool { kernel: [1, 2], stride: [1, 2] };
    let input = map(1, 8, 1, true, &[0, 1, 1, 2, -1, 0, -1, -2]);
    assert_eq!(apply(&layer, &input).values, [0, 2, 0, -2]);
}

#[test]
fn chains_layers_and_keeps_every_output() {
    let dense = |weights: &[i8], output, shifts: &[u8]| LayerSpec::Dense {
        parameters: parameters(weights, &vec![1; weights.len() / 4], shifts, output),
    };
    let model = ModelSpec {
        name: String::from("by-hand"),
        input: [2, 1, 2],
        logit_exponent: 0,
        layers: vec![
            LayerSpec::MaxPool { kernel: [1, 1], stride: [1, 1], padding: [0; 4] },
            dense(&[1, 2, 3, 4, -1, -1, -1, -1, 0, 0, 0, 1, 9, 0, 0, 0], Output::Unsigned, &[1; 4]),
            dense(&[1, 1, 1, 1], Output::Logits, &[]),
        ],
    };
    let outputs = run(&model, &[10, 20, 30, 40]);
    assert_eq!(outputs.len(), 3);
    assert_eq!(outputs[0].values, [10, 20, 30, 40]);
    // (1 + 10 + 40 + 90 + 160) / 2 = 150.5 -> 150; -99 -> 0; 41 / 2 -> 20; 91 / 2 = 45.5 -> 46
    assert_eq!(outputs[1].values, [150, 0, 20, 46]);
    assert_eq!(outputs[2].values, [217]);
}
