//! What a run logs: TensorBoard's own reader finds it, an interruption leaves no step twice, and a log that
//! cannot be written is no riddle.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{failure, path, success, write_set};
use serde_json::Value;
use tempfile::TempDir;

const CONFIG: &str = r#"
name = "small"
input = [6, 6, 1]
layers = [
    { type = "conv", filters = 2, kernel = 3 },
    { type = "batch_norm" },
    { type = "relu" },
    { type = "max_pool", size = 2 },
    { type = "flatten" },
    { type = "dense", units = 3 },
]
[training]
epochs = 2
batch_size = 8
[quantization]
qat_epochs = 1
"#;

fn workplace() -> TempDir {
    let directory = TempDir::new().unwrap();
    write_set(&directory, "train", &(0..48).map(|index| index % 3).collect::<Vec<_>>());
    write_set(&directory, "t10k", &[0, 1, 2, 0, 1]);
    fs::write(path(&directory, "small.toml"), CONFIG).unwrap();
    directory
}

/// What TensorBoard's reader finds in the log in a directory.
fn read_events(directory: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let python = root.join("target/tensorboard/bin/python");
    assert!(python.exists(), "{} is missing: tests/run --setup trainer installs it", python.display());
    let script = root.join("tests/tools/read-events.py");
    let output = Command::new(python).arg(script).arg(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The lines of a log, as objects.
fn lines(directory: &str) -> Vec<Value> {
    let text = fs::read_to_string(Path::new(directory).join("log.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn points(lines: &[Value], kind: &str, field: &str) -> Vec<(u64, f32)> {
    let lines = lines.iter().filter(|line| line["kind"] == kind);
    lines.map(|line| (line["step"].as_u64().unwrap(), line[field].as_f64().unwrap() as f32)).collect()
}

fn scalars(events: &Value, folder: &str, tag: &str) -> Vec<(u64, f32)> {
    let points = events[folder]["scalars"][tag].as_array().unwrap();
    points.iter().map(|point| (point[0].as_u64().unwrap(), point[1].as_f64().unwrap() as f32)).collect()
}

#[test]
fn tensorboard_reads_what_the_lines_say() {
    let directory = workplace();
    let [data, config, run] = ["", "small.toml", "run"].map(|name| path(&directory, name));
    success(&["train", &config, "--data", &data, "--out", &run]);
    let (events, lines) = (read_events(&run), lines(&run));
    for field in ["loss", "accuracy", "learning_rate", "images_per_second"] {
        assert_eq!(scalars(&events, "train", field), points(&lines, "step", field), "{field}");
    }
    assert_eq!(scalars(&events, "validation", "loss"), points(&lines, "epoch", "validation_loss"));
    assert_eq!(scalars(&events, "validation", "accuracy"), points(&lines, "epoch", "validation_accuracy"));
    let steps: Vec<u64> = points(&lines, "step", "loss").iter().map(|point| point.0).collect();
    assert_eq!(
        steps,
        (1..=steps.len() as u64).collect::<Vec<_>>(),
        "every step of a short run, over both phases"
    );
    assert_eq!(points(&lines, "epoch", "loss").len(), 3);
    assert_eq!(lines[0]["kind"], "start");
    assert_eq!(lines.last().unwrap()["phase"], "integers");

    let nodes = events["train"]["graph"].as_array().unwrap();
    let has = |name: &str| nodes.iter().any(|node| node[0] == name);
    assert!(
        has("conv1/conv") && has("conv1/batch_norm") && has("dense2/dense") && has("logits"),
        "{nodes:?}"
    );
    let sheet = &events["train"]["images"]["samples"][0];
    assert_eq!((&sheet[0], &sheet[1], &sheet[2]), (&0.into(), &70.into(), &70.into()));
    assert!(sheet[3].as_str().unwrap().starts_with("89504e47"), "a PNG");
}

#[test]
fn an_interrupted_log_goes_on_where_the_run_does() {
    let directory = workplace();
    let names = ["", "small.toml", "run", "logs", "logs/run"];
    let [data, config, run, logs, log] = names.map(|name| path(&directory, name));
    success(&["train", &config, "--data", &data, "--out", &run, "--log-dir", &logs]);
    assert!(!Path::new(&run).join("log.jsonl").exists());
    let whole = lines(&log);
    let line = failure(&[
        "train",
        &config,
        "--data",
        &data,
        "--out",
        &path(&directory, "else/run"),
        "--log-dir",
        &logs,
    ]);
    assert!(line.contains("log.jsonl: the log of another run") && line.contains("--log-dir"), "{line}");

    // As after a kill in the first epoch: half a line, half a record, and no checkpoint.
    for file in ["checkpoint.bin", "trained.bin"] {
        fs::remove_file(Path::new(&run).join(file)).unwrap();
    }
    fs::remove_file(Path::new(&run).join("small.postcard")).unwrap();
    for file in ["log.jsonl", "train/events.out.tfevents.0001.tenfold"] {
        let bytes = fs::read(Path::new(&log).join(file)).unwrap();
        fs::write(Path::new(&log).join(file), &bytes[..bytes.len() - 5]).unwrap();
    }
    success(&["train", "--resume", &run, "--data", &data, "--log-dir", &logs]);
    let (events, again) = (read_events(&log), lines(&log));
    for (kind, field) in [("step", "loss"), ("epoch", "validation_loss"), ("step", "learning_rate")] {
        assert_eq!(points(&again, kind, field), points(&whole, kind, field), "{field}");
    }
    assert_eq!(scalars(&events, "train", "loss"), points(&whole, "step", "loss"));
}

#[test]
fn a_log_that_cannot_be_written_costs_no_training() {
    let directory = workplace();
    let [data, config, run, file] = ["", "small.toml", "run", "file"].map(|name| path(&directory, name));
    fs::write(&file, "").unwrap();
    let arguments = ["train", &config, "--data", &data, "--out", &run, "--log-dir", &file];
    let line = failure(&arguments);
    assert!(line.contains("--log-dir") && line.contains("file"), "{line}");
    assert!(!Path::new(&run).join("checkpoint.bin").exists());
}
