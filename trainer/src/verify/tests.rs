//! Equal models are found equal; one changed weight is found.

use std::fs;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::export::{self, ExportOptions, Provenance, sample};
use crate::model::{FloatNetwork, QuantizedNetwork};
use crate::report::Look;

#[test]
fn exported_models_verify() {
    let networks = grey_samples().take(40).map(sample::network).chain([sample::nano()]);
    for network in networks {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), &sample::float_twin(&network), &network);
        let test = dataset(&network, 2 * BATCH + 3);
        let report = verify(directory.path(), &test, false).unwrap();
        assert_eq!(report.images, test.len() as u64);
        assert_eq!((report.mismatches(), report.logits_equal), (0, report.images), "{}", network.name);
        let per_image: usize = network.layers.iter().map(|layer| layer.output.len()).sum();
        assert_eq!(report.values(), report.images * per_image as u64);
        assert!(report.first_mismatch.is_none());
        report.check(100.0).unwrap();
        assert!(report.render(Look::PLAIN).contains("67 of 67 logits equal"));
    }
}

#[test]
fn a_changed_bias_is_found_where_it_is() {
    let mut found = 0;
    for seed in grey_samples().take(20) {
        let network = sample::network(seed);
        for layer in 0..network.layers.len() {
            let mut changed = network.clone();
            let Some(bias) = changed.layers[layer].bias.last_mut() else { continue };
            *bias += 1 << 12;
            let (original, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            write(original.path(), &sample::float_twin(&network), &network);
            write(other.path(), &sample::float_twin(&network), &changed);
            let file = format!("{}.onnx", network.name);
            fs::copy(other.path().join(&file), original.path().join(&file)).unwrap();

            let report = verify(original.path(), &dataset(&network, 10), false).unwrap();
            let differing: Vec<u64> = report.layers.iter().map(|layer| layer.differing).collect();
            assert!(differing[..layer].iter().all(|count| *count == 0), "seed {seed}: {differing:?}");
            // A shift or a saturation may swallow the change; most do not.
            let Some(first) = &report.first_mismatch else { continue };
            found += 1;
            assert_ne!(first.onnx, first.runtime);
            assert!(report.mismatches() > 0);
            let error = report.check(100.0).unwrap_err().to_string();
            assert!(error.contains("in the runtime"), "{error}");
            // The reported place really differs, in the forward pass by the definition.
            let image =
                &dataset(&network, 10).images[first.image * network.input.len()..][..network.input.len()];
            let layer = network.layers.iter().position(|layer| layer.name == first.layer).unwrap();
            let (by_runtime, by_onnx) = (sample::forward(&network, image), sample::forward(&changed, image));
            assert_eq!(by_runtime[layer][first.index] as f64, first.runtime);
            assert_eq!(by_onnx[layer][first.index] as f64, first.onnx);
            assert_eq!(by_runtime[layer][..first.index], by_onnx[layer][..first.index]);
        }
    }
    assert!(found > 20, "{found}");
}

#[test]
fn incomplete_and_mixed_directories_are_refused() {
    let seeds: Vec<u64> = grey_samples().take(2).collect();
    let (one, two) = (sample::network(seeds[0]), sample::network(seeds[1]));
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let test = dataset(&one, 3);
    let error = |directory: &Path| format!("{:#}", verify(directory, &test, false).unwrap_err());
    assert!(error(here.path()).contains("found none"));
    assert!(error(&here.path().join("nowhere")).contains("nowhere"));
    write(here.path(), &sample::float_twin(&one), &one);
    write(there.path(), &sample::float_twin(&two), &two);
    let file = |directory: &Path, network: &QuantizedNetwork, extension: &str| {
        directory.join(format!("{}.{extension}", network.name))
    };
    fs::copy(file(there.path(), &two, "onnx"), file(here.path(), &one, "onnx")).unwrap();
    assert!(error(here.path()).contains("do not belong together"), "{}", error(here.path()));
    fs::copy(file(here.path(), &one, "float.onnx"), file(here.path(), &one, "onnx")).unwrap();
    assert!(error(here.path()).contains("holds the float form"), "{}", error(here.path()));
    fs::remove_file(file(here.path(), &one, "onnx")).unwrap();
    assert!(error(here.path()).contains("is missing"));
    fs::copy(file(there.path(), &two, "postcard"), file(here.path(), &two, "postcard")).unwrap();
    assert!(error(here.path()).contains("expected one model"));
}

#[test]
fn lost_accuracy_is_bounded() {
    let accuracy = |correct| Accuracy { correct, images: 10_000 };
    let mut report = Report {
        model: "model".to_owned(),
        data: "data".to_owned(),
        images: 10_000,
        layers: Vec::new(),
        logits_equal: 10_000,
        first_mismatch: None,
        float: accuracy(9_950),
        quantized: accuracy(9_920),
        predictions_differing: 30,
        largest_logit_difference: None,
    };
    report.check(0.3).unwrap();
    report.quantized = accuracy(9_919);
    assert!(report.check(0.3).unwrap_err().to_string().contains("0.31 points"));
    report.quantized = accuracy(9_990);
    report.check(0.0).unwrap();
}

/// Seeds of networks that take grey images, as data sets have them.
fn grey_samples() -> impl Iterator<Item = u64> {
    (0..).filter(|seed| sample::network(*seed).input.channels == 1)
}

fn write(directory: &Path, float: &FloatNetwork, quantized: &QuantizedNetwork) {
    export::write_all(directory, float, quantized, &Provenance::default(), &ExportOptions::default())
        .unwrap();
}

fn dataset(network: &QuantizedNetwork, count: usize) -> Dataset {
    let mut random = StdRng::seed_from_u64(5);
    Dataset {
        images: sample::image(&mut random, network.input.len() * count),
        labels: (0..count).map(|index| (index % 10) as u8).collect(),
        height: network.input.height,
        width: network.input.width,
        classes: 10,
        source: "random".to_owned(),
    }
}
