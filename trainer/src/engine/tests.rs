//! Bad files, and the two engines on one network.

use std::fs;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::export::{self, ExportOptions, Provenance, sample};

#[test]
fn runtime_and_tract_agree() {
    for seed in 0..40 {
        let network = sample::network(seed);
        let float = sample::float_twin(&network);
        let directory = tempfile::tempdir().unwrap();
        let options = ExportOptions::default();
        let exported =
            export::write_all(directory.path(), &float, &network, &Provenance::default(), &options).unwrap();
        let [postcard, onnx, float] = [&exported.postcard, &exported.onnx, &exported.float_onnx]
            .map(|path| Engine::open(path).unwrap());
        assert!(postcard.is_integer() && onnx.is_integer() && !float.is_integer());
        assert_eq!(postcard.logit_scale(), onnx.logit_scale());
        for engine in [&postcard, &onnx, &float] {
            assert_eq!((engine.name(), engine.classes()), (network.name.as_str(), 10));
            assert_eq!(engine.input(), network.input);
        }
        // One more than a batch.
        let count = BATCH + 1;
        let images = sample::image(&mut StdRng::seed_from_u64(seed), network.input.len() * count);
        let logits = postcard.run(&images, &|_| {}).unwrap();
        assert_eq!(logits.len(), count);
        assert_eq!(logits, onnx.run(&images, &|_| {}).unwrap(), "seed {seed}");
        assert_eq!(float.run(&images, &|_| {}).unwrap().len(), count);
    }
}

#[test]
fn the_first_of_equal_logits_wins() {
    assert_eq!(best_class(&[1.0, 5.0, 5.0, -2.0]), 1);
}

#[test]
fn partial_images_are_refused() {
    let (_directory, path) = sample_file("onnx");
    let engine = Engine::open(&path).unwrap();
    let error = engine.run(&vec![0; engine.input().len() + 1], &|_| {}).unwrap_err();
    assert!(error.to_string().contains("whole number of images"), "{error}");
}

#[test]
fn other_files_are_named_and_refused() {
    let directory = tempfile::tempdir().unwrap();
    let missing = Engine::open(&directory.path().join("nothing.onnx")).unwrap_err();
    assert!(format!("{missing:#}").contains("nothing.onnx"), "{missing:#}");
    for (name, bytes, expected) in [
        ("text.onnx", &b"this is no model, but a text"[..], "not an ONNX file"),
        ("empty.onnx", b"", "not an ONNX file"),
        ("text.postcard", b"this is no model, but a text", "not a model"),
        ("empty.postcard", b"", "not a model"),
        ("model.bin", b"????", "expected a .postcard or an .onnx file"),
    ] {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = format!("{:#}", Engine::open(&path).unwrap_err());
        assert!(error.contains(name) && error.contains(expected), "{error}");
    }
}

#[test]
fn foreign_and_malformed_graphs_are_refused() {
    use prost::Message as _;
    use tract_onnx::pb::ModelProto;

    let (directory, path) = sample_file("onnx");
    let original = ModelProto::decode(&*fs::read(&path).unwrap()).unwrap();
    type Change = fn(&mut ModelProto);
    let changes: [(&str, &str, Change); 9] = [
        ("no metadata", "not a model that this program exported", |m| m.metadata_props.clear()),
        ("unknown operator", "Frobnicate", |m| graph(m).node[3].op_type = "Frobnicate".to_owned()),
        ("no output", "no node yields the tensor `logits`", |m| {
            graph(m).node.pop();
        }),
        ("output of nobody", "tract", |m| graph(m).output[0].name = "nobody".to_owned()),
        ("undeclared shape", "wrong shape", |m| graph(m).input[0].r#type = Some(Default::default())),
        ("huge input", "wrong shape", |m| {
            let declared = graph(m).input[0].r#type.as_mut().unwrap().value.as_mut().unwrap();
            let tract_onnx::pb::type_proto::Value::TensorType(tensor) = declared;
            tensor.shape.as_mut().unwrap().dim[2].value =
                Some(tract_onnx::pb::tensor_shape_proto::dimension::Value::DimValue(1 << 40));
        }),
        ("short weights", "tract", |m| {
            graph(m)
                .initializer
                .iter_mut()
                .for_each(|tensor| tensor.raw_data.truncate(tensor.raw_data.len() - 1));
        }),
        ("bad exponent", "tenfold.logit_exponent", |m| {
            let entry = m.metadata_props.iter_mut().find(|entry| entry.key == "tenfold.logit_exponent");
            entry.unwrap().value = "many".to_owned();
        }),
        ("wrong classes", "tenfold.classes", |m| {
            let entry = m.metadata_props.iter_mut().find(|entry| entry.key == "tenfold.classes");
            entry.unwrap().value = "[\"0\"]".to_owned();
        }),
    ];
    for (what, expected, change) in changes {
        let mut model = original.clone();
        change(&mut model);
        let path = directory.path().join("changed.onnx");
        fs::write(&path, model.encode_to_vec()).unwrap();
        match Engine::open(&path) {
            Ok(_) => panic!("{what}: accepted"),
            Err(error) => {
                let error = format!("{error:#}");
                assert!(
                    error.contains(expected)
                        || (what == "undeclared shape" && error.contains("no tensor type")),
                    "{what}: {error}"
                );
            }
        }
    }
}

#[test]
fn damaged_files_never_panic() {
    let mut random = StdRng::seed_from_u64(1);
    for extension in ["onnx", "float.onnx", "postcard"] {
        let (directory, path) = sample_file(extension);
        let whole = fs::read(&path).unwrap();
        for _ in 0..150 {
            use rand::Rng as _;
            let mut bytes = whole.clone();
            if random.random_bool(0.3) {
                bytes.truncate(random.random_range(0..bytes.len()));
            } else {
                let index = random.random_range(0..bytes.len());
                bytes[index] ^= 1 << random.random_range(0..8);
            }
            let damaged = directory.path().join(format!("damaged.{extension}"));
            fs::write(&damaged, &bytes).unwrap();
            // A flipped bit in a weight is still a model; that it does not panic is the point.
            if let Ok(engine) = Engine::open(&damaged) {
                let _ = engine.run(&vec![7; engine.input().len()], &|_| {});
            }
        }
    }
}

fn graph(model: &mut tract_onnx::pb::ModelProto) -> &mut tract_onnx::pb::GraphProto {
    model.graph.as_mut().unwrap()
}

fn sample_file(extension: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let network = sample::network(3);
    let float = sample::float_twin(&network);
    let directory = tempfile::tempdir().unwrap();
    let provenance = Provenance::default();
    export::write_all(directory.path(), &float, &network, &provenance, &ExportOptions::default()).unwrap();
    let path = directory.path().join(format!("{}.{extension}", network.name));
    (directory, path)
}
