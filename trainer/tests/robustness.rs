//! `trainer robustness`, with good and bad input; and what is claimed of the shipped models.

mod common;

use std::fs;

use common::{failure, path, stderr, success, trainer, workplace, write_set};
use serde_json::Value;
use tenfold_runtime::format::encode;
use tenfold_runtime::format::spec::{LayerSpec, ModelSpec, Output, Parameters};
use tenfold_trainer::data::repository_path;

/// Points of accuracy that digits shifted by up to 3 pixels may lose through `ink`, against plain test images.
const SHIFT_POINTS: f64 = 0.1;

fn figures(arguments: &[&str]) -> Value {
    let all = [&["robustness"], arguments, &["--json"]].concat();
    serde_json::from_str(&success(&all)).unwrap()
}

fn row<'a>(figures: &'a Value, distortion: &str) -> &'a Value {
    let rows = figures["rows"].as_array().unwrap();
    rows.iter().find(|row| row["distortion"] == distortion).unwrap()
}

#[test]
fn the_shipped_models_know_shifted_digits_through_ink() {
    for entry in fs::read_dir(repository_path("models").unwrap()).unwrap() {
        let model = entry.unwrap().path();
        if !model.is_dir() {
            continue; // RESULTS.md
        }
        let figures = figures(&[model.to_str().unwrap(), "--only", "shifted", "--only", "plain"]);
        assert_eq!((&figures["images"], &figures["integer"]), (&10_000.into(), &true.into()));
        let plain = row(&figures, "plain")["accuracy"].as_f64().unwrap();
        let shifted = row(&figures, "shifted")["ink_accuracy"].as_f64().unwrap();
        let loss = 100.0 * (plain - shifted);
        assert!(loss <= SHIFT_POINTS + 1e-9, "{}: {loss:.2} points lost", model.display());
    }
}

#[test]
fn the_seed_decides_what_is_drawn() {
    let directory = workplace();
    let model = path(&directory, "means.postcard");
    let first = figures(&[&model, "--limit", "300"]);
    assert_eq!(first, figures(&[&model, "--limit", "300", "--seed", "1"]));
    let second = figures(&[&model, "--limit", "300", "--seed", "2"]);
    assert_ne!(first["rows"], second["rows"]);
    assert_eq!(row(&first, "plain"), row(&second, "plain"));
    assert_eq!(first["rows"].as_array().unwrap().len(), 9);

    let evaluated: Value =
        serde_json::from_str(&success(&["evaluate", &model, "--limit", "300", "--json"])).unwrap();
    assert_eq!(row(&first, "plain")["correct"], evaluated["correct"]);
    // A nearest-mean classifier knows no digit that is dark on light, but for ink's help.
    let inverted = row(&first, "inverted");
    assert!(inverted["accuracy"].as_f64().unwrap() < 0.3, "{inverted}");
    assert!(inverted["ink_accuracy"].as_f64().unwrap() > 0.7, "{inverted}");
    assert_eq!(inverted["ink_blank"], 0);

    let some = figures(&[&model, "--limit", "300", "--only", "low-contrast"]);
    assert_eq!(some["rows"].as_array().unwrap()[..], [row(&first, "low contrast").clone()]);

    let text = success(&["robustness", &model, "--limit", "300", "--set", "validation"]);
    for expected in ["MNIST, validation, 300 images, seed 1", "low contrast", "through ink", "points"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn a_model_of_another_size_has_no_ink() {
    let directory = workplace();
    write_set(&directory, "t10k", &[0, 1, 2, 3, 4, 5, 1, 2]);
    write_set(&directory, "train", &[0, 1, 2, 3, 4, 5]);
    // One that answers with the brightest row.
    let weights = (0..10 * 36).map(|index| i8::from(index / 36 == index % 36 / 6)).collect();
    let parameters =
        Parameters { weight_bits: 8, weights, bias: vec![0; 10], shifts: Vec::new(), output: Output::Logits };
    let model = encode(&ModelSpec {
        name: "rows".to_owned(),
        input: [6, 6, 1],
        logit_exponent: 8,
        layers: vec![LayerSpec::Dense { parameters }],
    });
    let file = path(&directory, "rows.postcard");
    fs::write(&file, model.unwrap()).unwrap();
    let data = path(&directory, "");
    let figures = figures(&[&file, "--data", &data]);
    assert_eq!(row(&figures, "plain")["accuracy"], 1.0);
    assert_eq!(row(&figures, "inverted")["correct"], 0);
    assert!(row(&figures, "plain")["ink_correct"].is_null());
    let text = success(&["robustness", &file, "--data", &data]);
    assert!(!text.contains("points") && text.contains('-'), "{text}");

    let line = failure(&["robustness", &file]);
    assert!(line.contains("expected 6x6"), "{line}");
}

#[test]
fn what_is_wrong_is_named() {
    for arguments in [
        &["robustness"][..],
        &["robustness", "x.postcard", "--limit", "0"],
        &["robustness", "x.postcard", "--seed", "-1"],
        &["robustness", "x.postcard", "--set", "everything"],
        &["robustness", "x.postcard", "--only", "wet"],
    ] {
        let output = trainer(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!stderr(&output).is_empty(), "{arguments:?}");
    }
    let directory = workplace();
    let text = path(&directory, "notes.txt");
    fs::write(&text, "no model").unwrap();
    let model = path(&directory, "means.postcard");
    for (arguments, reason) in [
        (&["robustness", "/absent.postcard"][..], "/absent.postcard"),
        (&["robustness", &text], "expected a .postcard or an .onnx file"),
        (&["robustness", &model, "--data", "/absent"], "/absent"),
    ] {
        let line = failure(arguments);
        assert!(line.contains(reason), "{line}");
    }
}
