//! The loss that gradients are of, against values that were computed by hand.

use super::*;
use crate::config::{Augmentation, Config};
use crate::network::plan;

/// A dense layer for two pixels and two classes.
const NETWORK: &str = r#"
    name = "two"
    input = [1, 2, 1]
    layers = [{ type = "flatten" }, { type = "dense", units = 2 }]
"#;

/// The layer with these logits for every image: no weights, only biases.
fn values(logits: [f32; 2], device: &Device) -> Values {
    Values::new([&[0.0; 4], &logits[..]].concat(), Vec::new(), device)
}

/// The gradient for one image of class 1 with the pixels 1 and 0.5, where the logits are `2 ln 3` and 0.
fn gradient(label_smoothing: f64, teachers: Option<Teachers>) -> Vec<f32> {
    let device = Device::flex();
    let structure = Structure::float(&plan(&Config::parse(NETWORK, "two").unwrap()).unwrap());
    let images = Dataset {
        images: vec![0; 2],
        labels: vec![1],
        height: 1,
        width: 2,
        classes: 2,
        source: "one".to_owned(),
    };
    let task = Task {
        structure,
        images: Arc::new(images),
        augmenter: Augmenter::new(&Augmentation::default(), 1, 2),
        classes: 2,
        label_smoothing,
        teachers: teachers.map(Arc::new),
    };
    let batch = Batch { indices: vec![0], seed: 1, epoch: 0, step: 0 };
    let values = values([2.0 * 3f32.ln(), 0.0], &device);
    let result = task.gradients(&values, &batch, 0, 0..1, vec![1.0, 0.5], (0, &device)).unwrap();
    result.gradient.try_into_vec_as().unwrap()
}

/// Teachers whose logits are these for every image.
fn teachers(share: f64, temperature: f64, logits: &[[f32; 2]]) -> Teachers {
    let structure = Structure::float(&plan(&Config::parse(NETWORK, "two").unwrap()).unwrap());
    let network = |logits: &[f32; 2]| (structure.clone(), vec![values(*logits, &Device::flex())]);
    Teachers { share, temperature, networks: logits.iter().map(network).collect() }
}

/// The gradient of the logits is `(by, -by)`; that of a weight has its pixel as a factor.
fn assert_gradient(found: &[f32], by: f32) {
    let expected = [by, 0.5 * by, -by, -0.5 * by, by, -by];
    let close = found.len() == 6 && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(close, "{found:?}, expected {expected:?}");
}

#[test]
fn labels_alone_are_learned_with_their_smoothing() {
    // softmax(z) = (9/10, 1/10), and the target (0, 1) or (0.05, 0.95).
    assert_gradient(&gradient(0.0, None), 0.9);
    assert_gradient(&gradient(0.1, None), 0.85);
}

#[test]
fn teachers_have_their_share_at_their_temperature() {
    // At T = 2, softmax(z / T) = (3/4, 1/4). The first teacher says (4/5, 1/5), the second (1/2, 1/2): their mean is
    // (0.65, 0.35). The gradient of T^2 H(p, softmax(z / T)) is T (softmax(z / T) - p) = 2 * 0.10.
    let both = [[2.0 * 4f32.ln(), 0.0], [0.0, 0.0]];
    assert_gradient(&gradient(0.1, Some(teachers(0.3, 2.0, &both))), 0.7 * 0.85 + 0.3 * 2.0 * 0.1);
    // Without a share, they say nothing; with all of it, the label does not.
    assert_gradient(&gradient(0.1, Some(teachers(0.0, 2.0, &both))), 0.85);
    assert_gradient(&gradient(0.1, Some(teachers(1.0, 2.0, &both))), 0.2);
    // At T = 1: softmax(z) = (0.9, 0.1), the teachers' (16/17, 1/17) and (1/2, 1/2).
    let mean = (16.0 / 17.0 + 0.5) / 2.0;
    assert_gradient(&gradient(0.0, Some(teachers(1.0, 1.0, &both))), 0.9 - mean);
}
