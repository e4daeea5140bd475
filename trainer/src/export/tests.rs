//! Refusals of the checks, whole files, golden vectors and the card.

use super::*;
use crate::model::{Activation, Operation};

#[test]
fn every_broken_rule_is_named() {
    type Change = fn(&mut QuantizedNetwork);
    let changes: [(&str, Change); 14] = [
        ("two layers are named", |n| n.layers[1].name = n.layers[0].name.clone()),
        ("cannot be the name of a layer", |n| n.layers[0].name = "a b".to_owned()),
        ("cannot be the name of a model", |n| n.name = "../model".to_owned()),
        ("input encoding is", |n| n.layers[1].input_encoding.exponent += 1),
        ("weights, expected", |n| n.layers[0].weights.truncate(1)),
        ("biases, expected", |n| n.layers[0].bias.push(0)),
        ("weight exponents, expected", |n| n.layers[0].weight_exponents.push(0)),
        ("bits do not hold", |n| (n.layers[0].weight_bits, n.layers[0].weights[0]) = (4, 8)),
        ("bits do not hold", |n| (n.layers[0].weight_bits, n.layers[0].weights[0]) = (2, 0)),
        ("the shift is", |n| n.layers[0].weight_exponents[0] += 40),
        ("is not in -100", |n| n.layers[0].weight_exponents[0] = i32::MAX),
        ("the last layer, and no other", |n| drop(n.layers.pop())),
        ("exponents must be equal", |n| n.layers.last_mut().unwrap().weight_exponents[3] += 1),
        ("yields", |n| n.layers[0].output.height += 1),
    ];
    for (expected, change) in changes {
        let mut network = convolutional();
        check::check_quantized(&network, false).unwrap();
        change(&mut network);
        let error = check::check_quantized(&network, false).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn inexact_channels_are_refused_or_recorded() {
    let mut network = convolutional();
    network.layers[0].bias[0] = -(1 << 24);
    let error = check::check_quantized(&network, false).unwrap_err().to_string();
    let name = network.layers[0].name.clone();
    assert!(
        error.contains(&format!("layer `{name}`, output channel 0")) && error.contains("--allow-inexact"),
        "{error}"
    );
    let exactness = check::check_quantized(&network, true).unwrap();
    assert_eq!(exactness.inexact.len(), 1);
    let inexact = &exactness.inexact[0];
    assert_eq!((inexact.layer.as_str(), inexact.channel), (name.as_str(), 0));
    assert!(inexact.bound >= 1 << 24 && inexact.bound == exactness.largest_bound);
}

#[test]
fn bound_is_reached_by_the_worst_image() {
    let mut network = convolutional();
    network.layers.truncate(1);
    let layer = &network.layers[0];
    let per_channel = layer.weights.len() / layer.bias.len();
    let worst = (0..layer.bias.len())
        .map(|channel| {
            let weights = &layer.weights[channel * per_channel..][..per_channel];
            let sum: i64 = weights.iter().map(|w| i64::from(*w).abs() * 255).sum();
            (sum + i64::from(layer.bias[channel]).abs()) as u64
        })
        .max();
    let mut whole = convolutional();
    whole.layers[1..].iter_mut().for_each(|layer| {
        layer.weights.fill(1);
        layer.bias.fill(0);
        layer.weight_bits = 8;
    });
    assert_eq!(Some(check::check_quantized(&whole, false).unwrap().largest_bound), worst);
}

#[test]
fn release_writes_everything_that_belongs_to_a_model() {
    let network = convolutional();
    let float = sample::float_twin(&network);
    let mut test = Dataset {
        images: (0..20 * network.input.len()).map(|index| (index * 7 % 256) as u8).collect(),
        labels: (0..20).map(|index| (index + 3) % 10).collect(),
        height: network.input.height,
        width: network.input.width,
        classes: 10,
        source: "MNIST".to_owned(),
    };
    let provenance = Provenance {
        config_toml: "name = \"sample\"\n".to_owned(),
        seed: 11,
        dataset: "MNIST".to_owned(),
        tenfold_version: "0.1.0".to_owned(),
    };
    let model = Release { float: &float, quantized: &network, provenance: &provenance };
    let directory = tempfile::tempdir().unwrap();
    let options = ExportOptions::default();
    let released = release(directory.path(), &model, &options, &test, false).unwrap();
    released.report.check(100.0).unwrap();

    let golden: Vec<golden::GoldenEntry> =
        ::postcard::from_bytes(&fs::read(&released.golden).unwrap()).unwrap();
    assert_eq!(golden.iter().map(|entry| entry.label).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    for entry in &golden {
        let index = test.labels.iter().position(|label| *label == entry.label).unwrap();
        assert_eq!(entry.pixels, test.image(index));
        let logits: Vec<i64> = entry.logits.iter().map(|logit| i64::from(*logit)).collect();
        assert_eq!(Some(&logits), sample::forward(&network, &entry.pixels).last());
    }
    let card = fs::read_to_string(&released.card).unwrap();
    for expected in
        ["CC BY-SA 3.0", "MIT OR Apache-2.0", "-- train config.toml\n", "seed 11", "20 of 20 logits equal"]
    {
        assert!(card.contains(expected), "{expected}:\n{card}");
    }
    assert_eq!(fs::read_to_string(directory.path().join("config.toml")).unwrap(), provenance.config_toml);
    let mut files: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let name = &network.name;
    let mut expected =
        ["postcard", "onnx", "float.onnx", "golden.postcard"].map(|e| format!("{name}.{e}")).to_vec();
    expected.extend(["CARD.md".to_owned(), "config.toml".to_owned()]);
    expected.sort();
    assert_eq!(files, expected);

    // A file in a core's order would be left over from the old network.
    let ordered = directory.path().join(format!("{name}.cortex-m4.postcard"));
    fs::write(&ordered, "old").unwrap();
    // A configuration of something else, too.
    fs::write(directory.path().join("config.toml"), "old").unwrap();
    // Classes without an image have no golden vector.
    test.labels = (0..20).map(|index| [7, 3][index % 2]).collect();
    let released = release(directory.path(), &model, &options, &test, false).unwrap();
    let golden: Vec<golden::GoldenEntry> =
        ::postcard::from_bytes(&fs::read(&released.golden).unwrap()).unwrap();
    assert_eq!(golden.iter().map(|entry| entry.label).collect::<Vec<_>>(), [3, 7]);
    assert_eq!((&golden[0].pixels[..], &golden[1].pixels[..]), (test.image(1), test.image(0)));
    let core = Core::named("cortex-m4").unwrap();
    let expected = reorder_for(&fs::read(&released.exported.postcard).unwrap(), Some(core)).unwrap();
    assert_eq!(fs::read(&ordered).unwrap(), expected);
    let config = || fs::read_to_string(directory.path().join("config.toml")).unwrap();
    assert_eq!(config(), provenance.config_toml);

    // The configuration of a run is not replaced by its own export.
    fs::write(directory.path().join("config.toml"), "edited").unwrap();
    let own = ExportOptions { own_directory: true, ..options.clone() };
    release(directory.path(), &model, &own, &test, false).unwrap();
    assert_eq!(config(), "edited");

    let empty = Dataset { images: Vec::new(), labels: Vec::new(), ..test.clone() };
    let new = directory.path().join("new");
    let error = release(&new, &model, &options, &empty, false).unwrap_err();
    assert!(error.to_string().contains("no image"), "{error:#}");
    assert!(!new.exists());

    // Another model is found before anything is written.
    fs::create_dir(&new).unwrap();
    fs::write(new.join("other.postcard"), "").unwrap();
    let error = release(&new, &model, &options, &test, false).unwrap_err();
    assert!(error.to_string().contains("other.postcard: another model"), "{error:#}");
    assert_eq!(fs::read_dir(&new).unwrap().count(), 1);
}

#[test]
fn two_different_models_are_refused() {
    let network = convolutional();
    let mut float = sample::float_twin(&network);
    float.layers[0].name = "other".to_owned();
    let directory = tempfile::tempdir().unwrap();
    let error =
        write_all(directory.path(), &float, &network, &Provenance::default(), &ExportOptions::default());
    assert!(error.unwrap_err().to_string().contains("not two forms of one model"));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_missing_directory_is_named() {
    let path = Path::new("/proc/no/such/file");
    let error = format!("{:#}", write_whole(path, b"").unwrap_err());
    assert!(error.contains("/proc/no/such/file"), "{error}");
}

/// A sample that starts with a ReLU convolution of grey images and has further layers.
fn convolutional() -> QuantizedNetwork {
    (0..)
        .map(sample::network)
        .find(|network| {
            let first = &network.layers[0];
            network.input.channels == 1
                && network.layers.len() > 2
                && first.weight_bits == 8
                && first.activation == Activation::Relu
                && matches!(first.operation, Operation::Convolution { .. })
                && !network.layers[1].weights.is_empty()
        })
        .unwrap()
}
