//! The built binary, with good and bad input: exit codes, one `error:` line, machine-readable output.
//!
//! The model is a nearest-mean classifier, made here from the validation images: it needs no
//! training, and its 82 % are enough to see that data, model and output belong together.

mod common;

use std::fs;
use std::process::{Command, Stdio};

use common::{drawing, failure, path, stderr, stdout, success, test_digits, trainer, workplace};
use serde_json::Value;
use tempfile::TempDir;
use tenfold_runtime::{Model, format};

#[test]
fn usage_errors_exit_with_2() {
    for arguments in [
        &[][..],
        &["fly"],
        &["evaluate"],
        &["evaluate", "x.postcard", "--limit", "0"],
        &["evaluate", "x.postcard", "--limit", "many"],
        &["evaluate", "x.postcard", "--set", "everything"],
        &["predict"],
        &["train", "--limit", "0", "--show"],
        &["train", "--epochs", "0", "--show"],
        &["train", "--epochs", "-1", "--show"],
        &["ensemble", "runs/one"],
        &["--color", "purple", "predict", "x.png"],
        &["completions", "cmd"],
    ] {
        let output = trainer(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!stderr(&output).is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_teaches() {
    assert!(success(&["--help"]).contains("Exit codes"));
    assert!(success(&["--version"]).starts_with("trainer "));
    for command in [
        "train",
        "evaluate",
        "robustness",
        "card",
        "ensemble",
        "accuracy",
        "export",
        "verify",
        "summary",
        "predict",
        "data",
        "completions",
    ] {
        let help = success(&[command, "--help"]);
        assert!(help.contains("Example") && help.contains(&format!("trainer {command}")), "{help}");
        assert!(!help.contains('\x1b'), "no colours into a pipe");
    }
    assert!(success(&["--color", "always", "predict", "--help"]).contains('\x1b'));
    let error = trainer(&["--color=always", "evaluate", "/absent.postcard"]);
    assert!(stderr(&error).contains("\x1b["));
}

#[test]
fn teachers_and_members_that_are_no_runs_are_named() {
    let directory = TempDir::new().unwrap();
    let absent = path(&directory, "absent");
    let message = failure(&["ensemble", &absent, &absent]);
    assert!(message.contains("absent") && message.contains("expected the directory of a run"), "{message}");
    let message = failure(&["train", "--show", "--teacher", &absent]);
    assert!(message.contains("[distillation] runs") && message.contains("train it first"), "{message}");
    let message = failure(&["train", "--show", "--teacher-share", "0.5"]);
    assert!(message.contains("there is no teacher"), "{message}");
}

#[test]
fn every_kind_of_layer_is_explained() {
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/NETWORKS.md")).unwrap();
    let help = success(&["train", "--help"]);
    // What a wrong kind is answered with names every kind there is.
    let directory = TempDir::new().unwrap();
    let config = path(&directory, "wrong.toml");
    fs::write(&config, "name = \"x\"\ninput = [28, 28, 1]\nlayers = [{ type = \"no such layer\" }]\n")
        .unwrap();
    let error = stderr(&trainer(&["train", &config]));
    let (_, kinds) = error.split_once("expected one of").unwrap_or_else(|| panic!("{error}"));
    let kinds: Vec<&str> = kinds.split('`').skip(1).step_by(2).collect();
    assert!(kinds.len() >= 10, "{error}");
    for kind in kinds {
        assert!(guide.contains(&format!("| `{kind}` |")), "docs/NETWORKS.md says nothing of {kind}");
        assert!(help.contains(kind), "the help says nothing of {kind}");
    }
    // The guide's own example is a network.
    let (_, rest) = guide.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    fs::write(&config, example).unwrap();
    assert!(success(&["train", &config, "--show"]).contains("name = \"mine\""));
}

#[test]
fn the_shipped_models_are_verified_and_a_changed_one_is_not() {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    for entry in fs::read_dir(models).unwrap() {
        let model = entry.unwrap().path();
        if !model.is_dir() {
            continue; // RESULTS.md and its record
        }
        let report: Value =
            serde_json::from_str(&success(&["verify", model.to_str().unwrap(), "--json"])).unwrap();
        assert_eq!(report["images"], 10_000, "{report}");
        assert_eq!(report["logits_equal"], 10_000, "{report}");
    }

    // One weight of the first layer is one more or one less in the runtime's file.
    let directory = TempDir::new().unwrap();
    for name in ["nano.onnx", "nano.float.onnx"] {
        fs::copy(format!("{models}/nano/{name}"), directory.path().join(name)).unwrap();
    }
    let mut file = fs::read(format!("{models}/nano/nano.postcard")).unwrap();
    let place = {
        let words: Vec<u32> = file
            .chunks(4)
            .map(|bytes| bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte)))
            .collect();
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        let model = Model::load(&bytes[..file.len()]).unwrap();
        let weights = model.layers().next().unwrap().parameters().unwrap().weights;
        weights.as_ptr().addr() - bytes.as_ptr().addr() + weights.len() / 2
    };
    file[place] ^= 1;
    format::reseal(&mut file);
    fs::write(directory.path().join("nano.postcard"), file).unwrap();
    let directory = path(&directory, "");
    let output = trainer(&["verify", &directory, "--limit", "20"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stderr(&output).contains("error: "), "{}", stderr(&output));
}

#[test]
fn completions_are_printed_and_a_closed_pipe_is_no_panic() {
    assert!(success(&["completions", "bash"]).contains("evaluate"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(stderr(&output), "");
}

#[test]
fn evaluate_prints_figures() {
    let directory = workplace();
    let model = path(&directory, "means.postcard");
    let text = success(&["evaluate", &model]);
    assert!(text.contains("MNIST, test, 10,000 images") && text.contains("accuracy"), "{text}");
    assert!(text.contains("recall") && !text.contains('\x1b'), "{text}");

    let logits = path(&directory, "logits.csv");
    let text = success(&["evaluate", &model, "--limit", "500", "--json", "--logits", &logits]);
    let result: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(result["images"], 500);
    assert_eq!(result["integer"], true);
    let accuracy = result["accuracy"].as_f64().unwrap();
    assert!((0.7..0.95).contains(&accuracy), "{accuracy}");

    // The table says the same as the figures.
    let mut reader = csv::Reader::from_path(&logits).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header[..4], ["index", "label", "prediction", "l0"]);
    let rows: Vec<Vec<i64>> = reader
        .records()
        .map(|row| row.unwrap().iter().map(|field| field.parse().unwrap()).collect())
        .collect();
    assert_eq!(rows.len(), 500);
    assert!(rows.iter().enumerate().all(|(index, row)| row[0] == index as i64 && row.len() == 13));
    assert!(rows.iter().all(|row| row[3 + row[2] as usize] == *row[3..].iter().max().unwrap()));
    let correct = rows.iter().filter(|row| row[1] == row[2]).count();
    assert_eq!(result["correct"], correct);
    let names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "no temporary file is left: {names:?}");
}

#[cfg(unix)]
#[test]
fn logits_go_where_they_are_sent() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};

    let directory = workplace();
    let model = path(&directory, "means.postcard");
    let evaluate = |logits: &str| ["evaluate", &model, "--limit", "3", "--logits", logits].map(str::to_owned);
    let run = |logits: &str| success(&evaluate(logits).each_ref().map(String::as_str));
    let file = path(&directory, "logits.csv");
    run(&file);
    let table = fs::read_to_string(&file).unwrap();
    assert_eq!(table.lines().count(), 4);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);

    // Behind a link, into a pipe, and among the other output.
    let link = path(&directory, "link");
    std::os::unix::fs::symlink("target.csv", &link).unwrap();
    run(&link);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(path(&directory, "target.csv")).unwrap(), table);
    let pipe = path(&directory, "pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    run(&pipe);
    assert_eq!(reader.join().unwrap(), table);
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    assert!(run("/dev/stdout").starts_with(&table));
    // Into a file, the shell's way.
    let both = path(&directory, "both.txt");
    let child = Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(evaluate("/dev/stdout"))
        .stdout(fs::File::create(&both).unwrap())
        .status();
    assert!(child.unwrap().success());
    let both = fs::read_to_string(both).unwrap();
    assert!(both.starts_with(&table) && both.contains("accuracy"), "{both}");

    let line = failure(&["evaluate", &model, "--logits", &path(&directory, "")]);
    assert!(line.contains("it is a directory"), "{line}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_an_error() {
    let directory = workplace();
    let model = path(&directory, "means.postcard");
    let picture = path(&directory, "picture.png");
    drawing(&test_digits()[0].1).save(&picture).unwrap();
    let nano = tenfold_trainer::data::repository_path("models/nano").unwrap();
    let nano = nano.to_str().unwrap();
    for arguments in [
        &["train", "--show"][..],
        &["evaluate", &model, "--limit", "9"],
        &["evaluate", &model, "--limit", "9", "--json"],
        &["predict", "--model", &model, &picture],
        &["predict", "--model", &model, "--json", &picture],
        &["verify", nano, "--limit", "9"],
        &["verify", nano, "--limit", "9", "--json"],
        &["export", &model, "--for", "cortex-m4"],
        &["bench", nano, "--images", "32", "--seconds", "0"],
        &["bench", nano, "--images", "32", "--seconds", "0", "--json"],
        &["bench", "--training", "nano", "--steps", "1", "--batch-size", "6"],
        &["bench", "--training", "nano", "--steps", "1", "--batch-size", "6", "--json"],
        &["summary"],
        &["summary", "--json"],
        &["data", "stats"],
        &["completions", "bash"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_trainer"))
            .args(arguments)
            .stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap())
            .output()
            .unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(text.contains("error: cannot write to standard output"), "{arguments:?}: {text}");
        assert!(!text.contains("panicked"), "{arguments:?}: {text}");
    }
}

#[test]
fn a_directory_holds_one_model_in_every_order() {
    let directory = workplace();
    let model = path(&directory, "means.postcard");
    success(&["export", &model, "--for", "cortex-m4", "--for", "cortex-m33"]);
    fs::write(path(&directory, "means.golden.postcard"), "").unwrap();
    let whole = path(&directory, "");
    assert!(success(&["evaluate", &whole, "--limit", "9"]).contains("means"));
    let picture = path(&directory, "picture.png");
    drawing(&test_digits()[0].1).save(&picture).unwrap();
    assert!(success(&["predict", "--model", &whole, &picture]).contains("digit"));
    assert!(failure(&["verify", &whole]).contains("means.onnx is missing"));
}

#[test]
fn evaluate_names_what_is_wrong() {
    let directory = workplace();
    let model = path(&directory, "means.postcard");
    let write = |name: &str, bytes: &[u8]| {
        let file = path(&directory, name);
        fs::write(&file, bytes).unwrap();
        file
    };
    assert!(failure(&["evaluate", "/absent/model.postcard"]).contains("/absent/model.postcard"));
    let text = write("text.txt", b"no model");
    assert!(failure(&["evaluate", &text]).contains("text.txt"));
    let whole = fs::read(&model).unwrap();
    let short = write("short.postcard", &whole[..whole.len() - 1]);
    assert!(failure(&["evaluate", &short]).contains("short.postcard"));
    let onnx = write("broken.onnx", b"\x08\x07garbage");
    assert!(failure(&["evaluate", &onnx]).contains("broken.onnx"));
    assert!(failure(&["evaluate", &path(&directory, "")]).contains("expected one model"));

    assert!(failure(&["evaluate", &model, "--data", "/absent"]).contains("/absent: expected a data set"));
    let empty = TempDir::new().unwrap();
    let empty_path = empty.path().to_str().unwrap();
    assert!(failure(&["evaluate", &model, "--data", empty_path]).contains("found an empty directory"));
    fs::write(empty.path().join("t10k-images-idx3-ubyte"), b"garbage").unwrap();
    assert!(failure(&["evaluate", &model, "--data", empty_path]).contains("magic: expected 0x00000803"));
    // A whole set of the wrong size.
    let images = [&[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2][..], &[0; 4]].concat();
    fs::write(empty.path().join("t10k-images-idx3-ubyte"), images).unwrap();
    fs::write(empty.path().join("t10k-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 1, 5]).unwrap();
    let line = failure(&["evaluate", &model, "--data", empty_path]);
    assert!(line.contains("image size: expected 28x28") && line.contains("found 2x2"), "{line}");

    let nowhere = path(&directory, "absent/logits.csv");
    assert!(failure(&["evaluate", &model, "--logits", &nowhere]).contains("logits.csv: cannot write"));
}

#[test]
fn export_orders_a_model_file_for_a_core() {
    let directory = workplace();
    let model = path(&directory, "means.postcard");
    assert!(failure(&["export", &model]).contains("say with --for which core"));
    assert!(failure(&["export", &model, "--for", "cortex-m4", "--allow-inexact"]).contains("of a run"));
    let text = path(&directory, "text.postcard");
    fs::write(&text, "no model").unwrap();
    let nowhere = path(&directory, "nowhere");
    assert!(failure(&["export", &text, "--for", "cortex-m4", "--out", &nowhere]).contains("text.postcard"));
    assert!(!fs::exists(&nowhere).unwrap(), "nothing is made for a file that cannot be read");
    assert_eq!(trainer(&["export", &model, "--for", "z80"]).status.code(), Some(2));

    let out = path(&directory, "out");
    let text = success(&["export", &model, "--for", "cortex-m4", "--for", "cortex-m7", "--out", &out]);
    assert!(text.contains("means.cortex-m4.postcard") && text.contains("of scratch"), "{text}");
    let logits =
        [model, format!("{out}/means.cortex-m4.postcard"), format!("{out}/means.cortex-m7.postcard")].map(
            |file| {
                let table = path(&directory, "logits.csv");
                success(&["evaluate", &file, "--limit", "100", "--logits", &table]);
                fs::read(table).unwrap()
            },
        );
    assert!(logits[1..].iter().all(|other| *other == logits[0]));
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_not_waited_for() {
    let directory = workplace();
    let model = path(&directory, "means.postcard");
    let pipe = path(&directory, "pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for arguments in [
        &["predict", "--model", &model, &pipe][..],
        &["predict", "--model", &pipe, "x.png"],
        &["predict", "--model", &model, "/dev/zero"],
        &["evaluate", "/dev/zero"],
        &["evaluate", &pipe],
        &["summary", &pipe],
        &["train", &pipe, "--show"],
    ] {
        let output = Command::new("timeout")
            .args(["60", env!("CARGO_BIN_EXE_trainer")])
            .args(arguments)
            .output()
            .unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(text.contains("device"), "{arguments:?}: {text}");
    }
}

#[test]
fn bench_measures_training_and_writes_nothing() {
    let text = success(&["bench", "--training", "nano", "--steps", "2", "--batch-size", "6", "--json"]);
    let figures: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&figures["images"], &figures["batch"]), (&12.into(), &6.into()));
    assert!(figures["images_per_processor_second"].as_f64().unwrap() > 0.0);
    let shares = ["loading", "gradients", "update"].map(|share| figures[share].as_f64().unwrap());
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");
    assert!(success(&["bench", "--training", "nano", "--steps", "1"]).contains("loading and distortion"));
    for (arguments, expected) in [
        (&["bench", "--training", "no-such"][..], "neither a preset"),
        (&["bench", "--training", "nano", "--batch-size", "0"], "batch_size"),
    ] {
        assert!(failure(arguments).contains(expected), "{arguments:?}");
    }
    for (arguments, expected) in [
        (&["bench", "--training", "nano", "--steps", "0"][..], "--steps"),
        (&["bench", "--training", "nano", "models/nano"], "cannot be used"),
        (&["bench", "--steps", "3"], "--training"),
    ] {
        let output = trainer(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn bench_prints_figures_and_checks_the_logits() {
    let nano = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/nano");
    let text = success(&["bench", nano, "--images", "64", "--seconds", "0", "--json"]);
    let speeds: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((speeds["model"].as_str(), speeds["images"].as_u64()), (Some("nano"), Some(64)));
    let engines = speeds["engines"].as_array().unwrap();
    let of = |engine: &str| engines.iter().filter(|speed| speed["engine"] == engine).collect::<Vec<_>>();
    let (runtime, tract) = (of("runtime"), of("tract"));
    assert_eq!(tract.len(), 2, "{text}");
    assert!(runtime.iter().any(|speed| speed["back_end"] == "portable"), "{text}");
    assert_eq!((tract[0]["file"].as_str(), tract[0]["times_tract"].as_f64()), (Some("nano.onnx"), Some(1.0)));
    for speed in engines {
        assert!(speed["images_per_second"].as_f64().unwrap() > 1.0, "{text}");
        assert_eq!(speed["batches"].as_u64(), Some(2), "{text}");
    }
    assert!(success(&["bench", nano, "--images", "32", "--seconds", "0"]).contains("32 of 32 images equal"));
    assert!(failure(&["bench", "no/such/place"]).contains("no/such/place"));
}

#[test]
fn verify_names_a_missing_directory() {
    assert!(failure(&["verify", "/absent"]).contains("/absent"));
    let directory = workplace();
    assert!(failure(&["verify", &path(&directory, "")]).contains("means.onnx is missing"));
}

#[test]
fn summary_takes_presets_files_and_models() {
    let directory = workplace();
    let model = path(&directory, "means.postcard");
    let text = success(&["summary", "keras-cnn"]);
    assert!(text.contains("130,890") && text.contains("3,480") && text.contains("2,831,744"), "{text}");
    let shown = success(&["train", "keras-cnn", "--show"]);
    let config = path(&directory, "my.toml");
    fs::write(&config, shown).unwrap();
    assert_eq!(success(&["summary", &config]), text);
    assert!(success(&["summary", &model]).contains("largest sum"));

    let nano = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/nano");
    let json =
        |network: &str| -> Value { serde_json::from_str(&success(&["summary", network, "--json"])).unwrap() };
    let (file, models) = (json(&format!("{nano}/nano.postcard")), json(nano));
    assert_eq!(file, models);
    assert_eq!(file["scratch_bytes"], 1_932);
    assert_eq!(file["layers"].as_array().unwrap().len(), 6);
    assert!(file["layers"][0]["largest_sum"].as_u64().unwrap() < file["exact_below"].as_u64().unwrap());

    assert!(failure(&["summary", &format!("{nano}/nano.onnx")]).contains("name the .postcard"));
    assert!(failure(&["summary", "/absent"]).contains("/absent: neither a preset"));
    assert!(failure(&["summary", &path(&directory, "absent.postcard")]).contains("absent.postcard"));
    fs::write(&model, "no model").unwrap();
    assert!(failure(&["summary", &model]).contains("means.postcard: not a model"));
}

#[test]
fn several_models_vote() {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    let files = ["nano", "lenet5", "keras-cnn"].map(|name| format!("{models}/{name}"));
    let [nano, lenet, keras] = files.each_ref().map(String::as_str);
    let text = success(&["evaluate", nano, lenet, keras, "--limit", "400", "--json"]);
    let vote: Value = serde_json::from_str(&text).unwrap();
    let voters = vote["vote"]["models"].as_array().unwrap();
    assert_eq!(
        voters.iter().map(|voter| voter["model"].as_str().unwrap()).collect::<Vec<_>>(),
        ["nano", "lenet5", "keras-cnn"]
    );
    let any = vote["vote"]["any_correct"].as_u64().unwrap();
    assert!(voters.iter().all(|voter| (390..=any).contains(&voter["correct"].as_u64().unwrap())), "{vote}");
    assert!((390..=any).contains(&vote["vote"]["correct"].as_u64().unwrap()), "{vote}");
    assert!(success(&["evaluate", nano, lenet, "--limit", "9"]).contains("majority"));
    let line = failure(&["evaluate", nano, lenet, "--limit", "9", "--logits", "logits.csv"]);
    assert!(line.contains("--logits: expected one model, found 2"), "{line}");

    // Each one has the images that its own configuration says, in any order.
    let directory = workplace();
    let [raw, scaled] = ["raw", "scaled"].map(|name| path(&directory, name));
    for (place, pixels) in [(&raw, "raw"), (&scaled, "l2")] {
        fs::create_dir(place).unwrap();
        fs::copy(path(&directory, "means.postcard"), format!("{place}/means.postcard")).unwrap();
        let config = format!(
            "name = \"means\"\ninput = [28, 28, 1]\npixels = \"{pixels}\"\n\
             layers = [{{ type = \"flatten\" }}, {{ type = \"dense\", units = 10 }}]\n"
        );
        fs::write(format!("{place}/config.toml"), config).unwrap();
    }
    let json = |models: &[&str]| -> Value {
        let flags = ["--limit", "300", "--json"];
        serde_json::from_str(&success(&[&["evaluate"][..], models, &flags].concat())).unwrap()
    };
    let alone = [&raw, &scaled].map(|model| json(&[model.as_str()])["correct"].as_u64().unwrap());
    assert_ne!(alone[0], alone[1]);
    for (models, expected) in [([&raw, &scaled], alone), ([&scaled, &raw], [alone[1], alone[0]])] {
        let vote = json(&models.map(String::as_str));
        let found: Vec<u64> = vote["vote"]["models"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v["correct"].as_u64().unwrap())
            .collect();
        assert_eq!(found, expected);
    }

    // Models that learned from different parts of a set have no test images in common.
    let mut config = fs::read_to_string(format!("{scaled}/config.toml")).unwrap();
    config.push_str("[data]\nsplit = \"70/30\"\n");
    fs::write(format!("{scaled}/config.toml"), config).unwrap();
    let line = failure(&["evaluate", &raw, &scaled, "--limit", "9"]);
    assert!(
        line.contains("scaled: learned from another part") && line.contains("split 70/30 by seed 1"),
        "{line}"
    );
    // Nor does a flag make any: the model of the set's own division learned from the 30 % of that one.
    let line = failure(&["evaluate", &raw, &scaled, "--limit", "9", "--split", "70/30"]);
    assert!(line.contains("raw: learned from a part") && line.contains("--set all"), "{line}");
    success(&["evaluate", &raw, &scaled, "--limit", "9", "--set", "all"]);
    // Of one model as of several; its own division may be said.
    for command in ["evaluate", "robustness"] {
        let line = failure(&[command, &scaled, "--split", "50/50"]);
        assert!(line.contains("split 50/50 by seed 1"), "{command}: {line}");
    }
    success(&["evaluate", &scaled, "--limit", "9", "--split", "70/30"]);

    // A configuration that cannot be read is no reason to guess.
    fs::write(format!("{scaled}/config.toml"), "name = \"means\"\ninput = 3\n").unwrap();
    let model = format!("{scaled}/means.postcard");
    for model in [&scaled, &model] {
        let line = failure(&["evaluate", model, "--limit", "9"]);
        assert!(line.contains("config.toml: ") && line.contains("input"), "{line}");
    }
    // Another program's says nothing of the model.
    fs::write(format!("{scaled}/config.toml"), "title = \"a site\"\n").unwrap();
    success(&["evaluate", &model, "--limit", "9"]);
}
