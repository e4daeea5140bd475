//! `trainer train` and `trainer export`, whole, on a data set and a network so small that it takes no time:
//! what is refused before anything is touched, and what a run leaves.

mod common;

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use common::{failure, path, success, write_set};
use serde_json::Value;
use tempfile::TempDir;

/// A data set of three classes, of which the test set lacks class 1, and `small.toml`.
fn workplace() -> TempDir {
    let directory = TempDir::new().unwrap();
    let labels: Vec<u8> = (0..48).map(|index| index % 3).collect();
    write_set(&directory, "train", &labels);
    write_set(&directory, "t10k", &[2, 0, 2, 0, 2]);
    write_config(&directory, "small.toml", "small", "input = [6, 6, 1]", "");
    directory
}

fn write_config(directory: &TempDir, file: &str, name: &str, input: &str, training: &str) -> String {
    let text = format!(
        "name = \"{name}\"\n{input}\n\
         layers = [{{ type = \"flatten\" }}, {{ type = \"dense\", units = 4 }}]\n\
         [training]\nepochs = 2\nbatch_size = 8\n{training}\n[quantization]\nqat_epochs = 1\n"
    );
    let file = path(directory, file);
    fs::write(&file, text).unwrap();
    file
}

/// All files of a directory with their contents.
fn contents(directory: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    // But for the folders of its log.
    let entries = entries.filter(|entry| entry.path().is_file());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn a_run_is_trained_exported_and_continued_as_it_was_begun() {
    let directory = workplace();
    let [data, config, run, out] = ["", "small.toml", "run", "out"].map(|name| path(&directory, name));
    // The test set has no image of class 1, and the network a fourth class: no reason to fail.
    let text = success(&["train", &config, "--data", &data, "--out", &run]);
    assert!(text.contains("small.postcard"), "{text}");
    let trained = contents(&run);
    assert_eq!(trained["small.golden.postcard"][0], 2, "an image for each of two classes");

    let again = success(&["train", "--resume", &run, "--data", &data]);
    assert_eq!((&again, contents(&run)), (&text, trained.clone()), "not even the log changes");

    // Its images are known, until they are gone.
    assert_eq!(success(&["train", "--resume", &run]), text);
    assert!(success(&["evaluate", &run]).contains("5 images"));
    let saved = path(&directory, "run/data.toml");
    let text = fs::read_to_string(&saved).unwrap();
    fs::write(&saved, text.replace(&data, &path(&directory, "moved"))).unwrap();
    for command in [&["train", "--resume", &run][..], &["evaluate", &run], &["export", &run]] {
        let line = failure(command);
        assert!(
            line.contains("run/data.toml: the run has its images from") && line.contains("--data PATH"),
            "{line}"
        );
    }
    success(&["train", "--resume", &run, "--data", &data]);
    fs::write(&saved, text).unwrap();

    // An edited configuration is not that of the run.
    let configuration = path(&directory, "run/config.toml");
    let edited = fs::read_to_string(&configuration).unwrap().replace("epochs = 2", "epochs = 3");
    fs::write(&configuration, &edited).unwrap();
    let line = failure(&["train", "--resume", &run, "--data", &data]);
    assert!(line.contains("[training] epochs = 3, but it was 2"), "{line}");

    // The export brings the configuration that the model was trained with; the edited one stays.
    success(&["export", &run, "--data", &data]);
    assert_eq!(fs::read_to_string(&configuration).unwrap(), edited);
    fs::create_dir(&out).unwrap();
    fs::write(path(&directory, "out/config.toml"), "name = \"of something else\"").unwrap();
    success(&["export", &run, "--data", &data, "--out", &out]);
    let exported = contents(&out);
    assert!(exported.iter().all(|(file, bytes)| trained[file] == *bytes), "{:?}", exported.keys());

    // What was exported is a model, and no run.
    let line = failure(&["train", "--resume", &out, "--data", &data]);
    assert!(line.contains("holds a model but no checkpoint"), "{line}");
    let line = failure(&["train", &config, "--data", &data, "--out", &out]);
    assert!(line.contains("a model is there already") && !line.contains("--resume"), "{line}");
    assert!(failure(&["export", &out, "--data", &data]).contains("not the run"));
    assert_eq!(contents(&out), exported);
    // Another run's directory is no place for an export, nor is another model's.
    fs::write(path(&directory, "out/checkpoint.bin"), "").unwrap();
    assert!(failure(&["export", &run, "--data", &data, "--out", &out]).contains("another run"));
    let other = path(&directory, "other");
    fs::create_dir(&other).unwrap();
    fs::write(path(&directory, "other/big.postcard"), "").unwrap();
    let line = failure(&["export", &run, "--data", &data, "--out", &other]);
    assert!(line.contains("another model"), "{line}");
    assert_eq!(contents(&other).len(), 1);
}

#[test]
fn an_old_run_makes_room_only_for_one_that_can_begin() {
    let directory = workplace();
    let [data, config, run] = ["", "small.toml", "run"].map(|name| path(&directory, name));
    success(&["train", &config, "--data", &data, "--out", &run]);
    success(&["export", &path(&directory, "run/small.postcard"), "--for", "cortex-m4"]);
    let old = contents(&run);
    let line = failure(&["train", &config, "--data", &data, "--out", &run]);
    assert!(line.contains("--resume") && line.contains("--overwrite"), "{line}");

    let colour = write_config(&directory, "colour.toml", "colour", "input = [6, 6, 3]", "");
    let large = write_config(&directory, "large.toml", "large", "input = [8, 8, 1]", "");
    for (config, word) in [(&colour, "channel"), (&large, "image size")] {
        let line = failure(&["train", config, "--data", &data, "--out", &run, "--overwrite"]);
        assert!(line.contains(word), "{line}");
        assert_eq!(contents(&run), old);
        // Nor is a directory made for it.
        let new = path(&directory, "new");
        assert!(failure(&["train", config, "--data", &data, "--out", &new]).contains(word));
        assert!(!fs::exists(new).unwrap());
    }
    // Nor for one that learns from it.
    let teacher = ["--teacher", &run, "--out", &format!("{run}/."), "--overwrite"].map(str::to_owned);
    let teacher = teacher.each_ref().map(String::as_str);
    let line = failure(&[&["train", &config, "--data", &data][..], &teacher].concat());
    assert!(line.contains("a teacher or a member of the new one"), "{line}");
    assert_eq!(contents(&run), old);
    let foreign = path(&directory, "run/foreign.postcard");
    fs::write(&foreign, "").unwrap();
    let line = failure(&["train", &config, "--data", &data, "--out", &run, "--overwrite"]);
    assert!(line.contains("foreign.postcard: another model"), "{line}");
    fs::remove_file(foreign).unwrap();
    assert_eq!(contents(&run), old);

    // Every file of the old one goes, also that for a core.
    let other = write_config(&directory, "other.toml", "other", "input = [6, 6, 1]", "");
    success(&["train", &other, "--data", &data, "--out", &run, "--overwrite"]);
    let new = contents(&run);
    assert!(!new.keys().any(|file| file.contains("small")), "{:?}", new.keys());
}

#[test]
fn what_a_run_learns_from_has_its_images_and_may_move() {
    let (directory, elsewhere) = (workplace(), TempDir::new().unwrap());
    let labels: Vec<u8> = (1..49).map(|index| index % 3).collect();
    write_set(&elsewhere, "train", &labels);
    write_set(&elsewhere, "t10k", &labels[..5]);
    let [data, config, run, foreign, pupil, moved] =
        ["", "small.toml", "run", "foreign", "pupil", "moved"].map(|name| path(&directory, name));
    success(&["train", &config, "--data", &data, "--out", &run]);
    success(&["train", &config, "--data", &path(&elsewhere, ""), "--out", &foreign]);
    // It may have learned what the others are tested with.
    let line = failure(&["ensemble", &run, &foreign]);
    assert!(line.contains("foreign: it was trained on another data set"), "{line}");
    let line = failure(&["train", &config, "--data", &data, "--teacher", &foreign, "--out", &pupil]);
    assert!(line.contains("foreign: it was trained on another data set"), "{line}");
    assert!(!fs::exists(&pupil).unwrap());

    // Named from one directory, and continued from another.
    let begun = Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(["train", "small.toml", "--data", ".", "--teacher", "run", "--out", "pupil"])
        .current_dir(directory.path())
        .output();
    assert!(begun.unwrap().status.success());
    let whole = contents(&pupil);
    let kept = ["checkpoint.bin", "config.toml", "data.toml", "log.jsonl"];
    let lose = || {
        let lost = whole.keys().filter(|file| !kept.contains(&file.as_str()));
        lost.for_each(|file| fs::remove_file(format!("{pupil}/{file}")).unwrap());
    };
    lose();
    success(&["train", "--resume", &pupil]);
    assert_eq!(contents(&pupil)["trained.bin"], whole["trained.bin"]);
    // The teacher is known by what it is, wherever that is.
    lose();
    fs::rename(&run, &moved).unwrap();
    let line = failure(&["train", "--resume", &pupil]);
    assert!(line.contains("[distillation] runs") && line.contains("no finished run"), "{line}");
    let configuration = format!("{pupil}/config.toml");
    let text = fs::read_to_string(&configuration).unwrap();
    fs::write(&configuration, text.replace(&format!("{run}\""), &format!("{moved}\""))).unwrap();
    success(&["train", "--resume", &pupil]);
    assert_eq!(contents(&pupil)["small.postcard"], whole["small.postcard"]);
}

#[test]
fn a_configuration_is_refused_before_anything_is_read() {
    let directory = workplace();
    let refused = |name: &str, training: &str, word: &str| {
        let config = write_config(&directory, "bad.toml", name, "input = [6, 6, 1]", training);
        let line = failure(&["train", &config, "--data", "/absent", "--out", &path(&directory, "run")]);
        assert!(line.contains("bad.toml: ") && line.contains(word), "{line}");
        assert!(line.len() < 300 && !line.contains("usize"), "{line}");
    };
    refused("small.golden", "", "does not end in \".golden\"");
    refused("small.cortex-m4", "", "does not end in \".cortex-m4\"");
    refused("small", "warmup_steps = -1", "`warmup_steps = -1`: expected a whole number");
    refused("small", "learning_rate = 1e300", "learning_rate = 1e300: expected 1e-9 to 10");
    let config = write_config(&directory, "zero.toml", "small", "input = [6, 6, 1]", "");
    let text = fs::read_to_string(&config).unwrap();
    for epochs in ["0", "9000000000000000000"] {
        fs::write(&config, text.replace("\nepochs = 2", &format!("\nepochs = {epochs}"))).unwrap();
        let line = failure(&["train", &config, "--show"]);
        assert!(line.contains(&format!("[training] epochs = {epochs}: expected 1 to 100000")), "{line}");
    }
    assert!(failure(&["train", "--seed", "18446744073709551615", "--show"]).contains("seed = "));
}

#[test]
fn several_seeds_are_trained_and_continued_where_they_were() {
    let directory = workplace();
    let [data, config, group] = ["", "small.toml", "group"].map(|name| path(&directory, name));
    let train = ["train", &config, "--data", &data, "--out", &group, "--seed", "4", "--runs", "3"];
    let text = success(&train);
    assert!(text.contains("mean and standard deviation") && text.contains("3 of 3 runs"), "{text}");
    let whole: Vec<_> = (4..7).map(|seed| contents(&format!("{group}/seed-{seed}"))).collect();
    assert_ne!(whole[0]["small.postcard"], whole[1]["small.postcard"], "seeds differ");
    assert!(failure(&train).contains("--resume"));

    // As if the power had gone in the second run: its last checkpoint and its log are all there is.
    fs::remove_dir_all(format!("{group}/seed-6")).unwrap();
    for file in whole[1]
        .keys()
        .filter(|file| !["checkpoint.bin", "config.toml", "log.jsonl"].contains(&file.as_str()))
    {
        fs::remove_file(format!("{group}/seed-5/{file}")).unwrap();
    }
    let finished = fs::metadata(format!("{group}/seed-4/small.onnx")).unwrap().modified().unwrap();
    let again = success(&["train", "--resume", &group, "--json"]);
    assert_eq!(fs::metadata(format!("{group}/seed-4/small.onnx")).unwrap().modified().unwrap(), finished);
    for (seed, whole) in (4..7).zip(&whole) {
        let run = contents(&format!("{group}/seed-{seed}"));
        assert!(run.keys().eq(whole.keys()));
        for file in ["small.postcard", "small.onnx", "small.float.onnx"] {
            assert!(run[file] == whole[file], "seed {seed}: {file}");
        }
    }
    let result: Value = serde_json::from_str(&again).unwrap();
    let runs = result["runs"].as_array().unwrap();
    assert_eq!(runs.iter().map(|run| run["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [4, 5, 6]);
    let mean =
        runs.iter().map(|run| run["quantized_correct"].as_f64().unwrap()).sum::<f64>() / 3.0 / 5.0 * 100.0;
    assert!((result["quantized_percent"]["mean"].as_f64().unwrap() - mean).abs() < 1e-9, "{result}");
    assert!(result["quantized_percent"]["deviation"].is_number() && result["exact"] == true, "{result}");

    // A group grows; a single run does not become one.
    let four: Value = serde_json::from_str(&success(&[
        "train", "--resume", &group, "--data", &data, "--runs", "4", "--json",
    ]))
    .unwrap();
    assert_eq!(four["runs"].as_array().unwrap()[..3], runs[..]);
    assert_eq!(four["runs"][3]["seed"], 7);
    let line = failure(&["train", "--resume", &format!("{group}/seed-4"), "--runs", "2"]);
    assert!(line.contains("one run, which --runs cannot continue"), "{line}");

    // A run with another recipe has no place in the mean.
    let configuration = format!("{group}/seed-5/config.toml");
    let edited = fs::read_to_string(&configuration).unwrap().replace("epochs = 2", "epochs = 3");
    fs::write(&configuration, edited).unwrap();
    let line = failure(&["train", "--resume", &group, "--data", &data]);
    assert!(line.contains("seed-5") && line.contains("[training] epochs = 3, but it was 2"), "{line}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_the_run_and_tells_how_to_go_on() {
    let directory = workplace();
    let [data, config, run, whole] = ["", "small.toml", "run", "whole"].map(|name| path(&directory, name));
    let recipe = ["--epochs", "400", "--ema", "0.9", "--optimizer", "rmsprop"];
    let start = |out: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
        command.args(["train", &config, "--data", &data, "--out", out]).args(recipe);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let child = start(&run);
    let checkpoint = path(&directory, "run/checkpoint.bin");
    wait_until(|| fs::exists(&checkpoint).unwrap());
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{text}");
    let last = text.lines().last().unwrap_or_default();
    let expected = format!("continue with `trainer train --resume {run}`");
    assert!(last.starts_with("interrupted ") && last.ends_with(&expected), "{text}");

    success(&["train", "--resume", &run]);
    assert!(start(&whole).wait().unwrap().success());
    let (run, whole) = (contents(&run), contents(&whole));
    for file in ["small.postcard", "small.onnx", "small.float.onnx", "small.golden.postcard"] {
        assert!(run[file] == whole[file], "{file}");
    }
}

/// What a run says of its steps and epochs, but for the time that they took; the last line may be cut off.
fn told(run: &str) -> Vec<Value> {
    let Ok(text) = fs::read_to_string(format!("{run}/log.jsonl")) else { return Vec::new() };
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines = lines.filter(|line| line["kind"] != "start").map(|mut line| {
        let fields = line.as_object_mut().unwrap();
        for field in ["time", "seconds", "images_per_second"] {
            fields.remove(field);
        }
        line
    });
    lines.collect()
}

/// Epochs that a run has told to be whole, where its last word was of a step in the midst of the next one.
fn whole_epochs_before_a_step(run: &str, steps_per_epoch: u64) -> Option<u64> {
    let told = told(run);
    let last = told.last().filter(|line| line["kind"] == "step")?;
    let whole = told.iter().filter(|line| line["kind"] == "epoch").count() as u64;
    let is_within = last["phase"] == "float"
        && last["epoch"] == whole + 1
        && !last["step"].as_u64().unwrap().is_multiple_of(steps_per_epoch);
    is_within.then_some(whole)
}

#[test]
fn a_run_that_is_killed_within_an_epoch_ends_as_if_nothing_had_happened() {
    const STEPS: u64 = 1_500;

    let directory = workplace();
    let [data, config, killed, unbroken] =
        ["", "small.toml", "killed", "unbroken"].map(|name| path(&directory, name));
    let labels: Vec<u8> = (0..STEPS as usize * 10).map(|index| (index % 3) as u8).collect();
    write_set(&directory, "train", &labels);
    let images = (STEPS * 8).to_string();
    let start = |out: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
        command.args(["train", &config, "--data", &data, "--out", out]);
        command.args(["--epochs", "8", "--limit", &images, "--ema", "0.9", "--optimizer", "rmsprop"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    // Between two epochs, or too late, is no trial; nobody knows when this process has its turn.
    let tries = (0..20).find_map(|_| {
        let _ = fs::remove_dir_all(&killed);
        let mut child = start(&killed);
        let checkpoint = format!("{killed}/checkpoint.bin");
        let is_within =
            || fs::exists(&checkpoint).unwrap() && whole_epochs_before_a_step(&killed, STEPS).is_some();
        wait_until(|| child.try_wait().unwrap().is_some() || is_within());
        child.kill().unwrap();
        child.wait().unwrap();
        let whole = whole_epochs_before_a_step(&killed, STEPS)?;
        (whole > 0 && !fs::exists(format!("{killed}/trained.bin")).unwrap()).then_some(whole)
    });
    assert!(tries.is_some_and(|epochs| (1..8).contains(&epochs)), "not killed within an epoch: {tries:?}");

    success(&["train", "--resume", &killed]);
    assert!(start(&unbroken).wait().unwrap().success());
    assert_eq!(told(&killed), told(&unbroken), "losses and accuracies of all epochs");
    let (killed, unbroken) = (contents(&killed), contents(&unbroken));
    for file in ["trained.bin", "small.postcard", "small.onnx", "small.float.onnx", "small.golden.postcard"] {
        assert!(killed[file] == unbroken[file], "{file}");
    }
    let figures = |files: &BTreeMap<String, Vec<u8>>| {
        let mut result: Value = serde_json::from_slice(&files["result.json"]).unwrap();
        for field in ["float_seconds", "integer_seconds"] {
            result.as_object_mut().unwrap().remove(field);
        }
        result
    };
    assert_eq!(figures(&killed), figures(&unbroken));
}

/// Waits for something that takes seconds, or minutes on a busy machine.
fn wait_until(mut there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < Duration::from_secs(300), "it does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}
