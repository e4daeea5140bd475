//! `trainer search`, whole, on a data set and networks so small that it takes no time: what is drawn and what is not,
//! that the test images are not read, and that a search that was interrupted finds what an unbroken one finds.

mod common;

use std::fs;

use common::{failure, path, success, trainer, write_set};
use serde_json::Value;
use tempfile::TempDir;

/// A base, and a data set of three classes without test images that could be read.
fn workplace() -> TempDir {
    let directory = TempDir::new().unwrap();
    let labels: Vec<u8> = (0..64).map(|index| index % 3).collect();
    write_set(&directory, "train", &labels);
    for file in ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
        fs::write(path(&directory, file), "nobody is to look at this").unwrap();
    }
    let base = "name = \"small\"\ninput = [6, 6, 1]\nlayers = [\n{ type = \"flatten\" },\n\
                { type = \"dense\", units = 8 },\n{ type = \"relu\" },\n{ type = \"dense\", units = 3 },\n]\n\
                [training]\nepochs = 4\nbatch_size = 8\nlearning_rate = 0.01\nwarmup_steps = 2\n\
                [quantization]\nqat_epochs = 2\n";
    fs::write(path(&directory, "base.toml"), base).unwrap();
    directory
}

fn write_space(directory: &TempDir, text: &str) -> String {
    let file = path(directory, "mine.toml");
    fs::write(&file, format!("base = \"base.toml\"\n{text}")).unwrap();
    file
}

/// Eight combinations, of which two are beyond the budget.
const SPACE: &str = "trials = 8\n[budget]\nweight_bytes = 400\n[halving]\nepochs = [1, 3]\nkeep = 0.5\nseeds = [1, 2]\n\
                     [validation]\ncopies = 3\n[choices]\nlayers.2.units = [4, 6, 8, 64]\n\
                     augmentation.rotation = [0, 7]\n";

/// A table without what is different every time.
fn table(text: &str) -> Value {
    fn forget(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("seconds");
                map.values_mut().for_each(forget);
            }
            Value::Array(list) => list.iter_mut().for_each(forget),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    forget(&mut value);
    value
}

fn read(directory: &TempDir, name: &str) -> String {
    fs::read_to_string(path(directory, name)).unwrap()
}

#[test]
fn candidates_are_trained_halved_and_ranked_without_the_test_images() {
    let directory = workplace();
    let [data, out] = ["", "out"].map(|name| path(&directory, name));
    let space = write_space(&directory, SPACE);
    let run = |more: &[&str]| success(&[&["search", &space, "--data", &data, "--out", &out], more].concat());
    let first = table(&run(&["--json"]));

    let counts = &first["counts"];
    assert_eq!((counts["drawn"].as_u64(), counts["candidates"].as_u64()), (Some(8), Some(6)), "{counts}");
    assert_eq!(
        (counts["beyond_weight_bytes"].as_u64(), counts["exhausted"].as_bool()),
        (Some(2), Some(true))
    );
    let rows = first["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    let ranks: Vec<u64> = rows.iter().map(|row| row["rank"].as_u64().unwrap()).collect();
    assert_eq!(ranks, [1, 2, 3, 4, 5, 6]);
    let runs: Vec<usize> = rows.iter().map(|row| row["runs"].as_array().unwrap().len()).collect();
    assert_eq!(runs, [3, 3, 3, 1, 1, 1], "the best half is trained with two more seeds");
    for pair in rows.windows(2).filter(|pair| pair[0]["rung"] == pair[1]["rung"]) {
        assert!(pair[0]["distorted_loss"].as_f64() <= pair[1]["distorted_loss"].as_f64());
    }
    for row in rows {
        let units = row["changes"]["layers.2.units"].as_u64().unwrap();
        assert_eq!(row["weight_bytes"].as_u64().unwrap(), 36 * units + 3 * units + 4 * (units + 3), "{row}");
        assert_eq!(row["runs"][0]["validated"]["distorted"]["images"].as_u64().unwrap() % 3, 0);
        // The last epoch with integers computes what the runtime does.
        let candidate = row["candidate"].as_u64().unwrap();
        let log = read(&directory, &format!("out/{candidate:04}/epochs-1-seed-1/log.jsonl"));
        let epoch = table(log.lines().last().unwrap());
        let difference = row["runs"][0]["validated"]["plain"]["loss"].as_f64().unwrap()
            - epoch["validation_loss"].as_f64().unwrap();
        assert!(epoch["phase"] == "integers" && difference.abs() < 1e-5, "{row} {epoch}");
        assert!(row["accuracy"].is_number() && row["distorted_accuracy"].is_number(), "{row}");
    }
    assert_eq!(first["rungs"][0]["finished"], 6);
    assert_eq!(first["rungs"][1]["finished"], 3);
    assert!(!first["rungs"][1]["front"].as_array().unwrap().is_empty());

    // What is shared: search.json is what is printed, and SEARCH.md and the terminal have the same rows.
    assert_eq!(table(&read(&directory, "out/search.json")), first);
    let document = read(&directory, "out/SEARCH.md");
    assert!(document.contains("6 candidates of 8 combinations, which are all there are"), "{document}");
    assert!(document.contains("2 too many bytes") && document.contains("No test image"), "{document}");
    let command = rows[0]["command"].as_str().unwrap();
    assert!(document.contains(command) && command.ends_with(&format!(" --data {data}")), "{command}");

    // A run is as any other: it knows where its images are.
    assert!(read(&directory, "out/0001/epochs-1-seed-1/data.toml").contains(data.trim_end_matches('/')));

    // Again: nothing is trained.
    let model = path(&directory, "out/0001/epochs-1-seed-1/trained.bin");
    let written = || fs::metadata(&model).unwrap().modified().unwrap();
    let before = written();
    let text = run(&[]);
    assert!(text.contains("Best for their bytes") && text.contains("SEARCH.md"), "{text}");
    assert_eq!((written(), table(&read(&directory, "out/search.json"))), (before, first.clone()));

    // Seeds, rungs and epochs with integers are those of the rung; the whole recipe is that of the base.
    let config = |name: &str| read(&directory, &format!("out/0001/{name}config.toml"));
    assert!(config("").contains("epochs = 4\n") && config("").contains("name = \"small-0001\""));
    assert!(config("").contains("qat_epochs = 2\n"));
    let short = config("epochs-1-seed-1/");
    assert!(short.contains("epochs = 1\n") && short.contains("qat_epochs = 1\n"), "{short}");
}

#[test]
fn a_search_that_lost_its_power_finds_the_same() {
    let directory = workplace();
    let [data, out, whole] = ["", "out", "whole"].map(|name| path(&directory, name));
    let space = write_space(&directory, SPACE);
    let search = |out: &str, trials: &str| {
        success(&["search", &space, "--data", &data, "--out", out, "--trials", trials, "--json"])
    };
    // Fewer trials first; then the figures of a run are lost, all of another, and the table is old.
    search(&out, "3");
    let old = read(&directory, "out/search.json");
    search(&out, "6");
    fs::remove_file(path(&directory, "out/0002/epochs-1-seed-1/validation.json")).unwrap();
    fs::remove_file(path(&directory, "out/0002/epochs-1-seed-1/trained.bin")).unwrap();
    fs::remove_dir_all(path(&directory, "out/0004/epochs-1-seed-1")).unwrap();
    fs::write(path(&directory, "out/search.json"), old).unwrap();
    let again = table(&search(&out, "6"));
    let mut expected = table(&search(&whole, "6"));
    for row in expected["rows"].as_array_mut().unwrap() {
        row["command"] = row["command"].as_str().unwrap().replace("/whole/", "/out/").into();
    }
    // Candidates that the first three alone sent on may have more runs than they would have had.
    let essence = |table: &Value| -> Vec<Value> {
        let rows = table["rows"].as_array().unwrap().iter();
        rows.map(|row| serde_json::json!([row["candidate"], row["changes"], row["runs"][0]])).collect()
    };
    let sorted = |table: &Value| {
        let mut rows = essence(table);
        rows.sort_by_key(|row| row[0].as_u64());
        rows
    };
    assert_eq!(sorted(&again), sorted(&expected));
    assert_eq!(again["rungs"][0], expected["rungs"][0]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_search_goes_on_with_the_same_command() {
    use core::time::Duration;
    use std::process::{Command, Stdio};
    use std::time::Instant;

    let directory = workplace();
    let [data, out, whole] = ["", "out", "whole"].map(|name| path(&directory, name));
    let space = write_space(
        &directory,
        "trials = 3\n[choices]\ntraining.epochs = [300]\nlayers.2.units = [4, 6, 8]\n[validation]\ncopies = 2\n",
    );
    let command = |out: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
        command.args(["search", &space, "--data", &data, "--out", out]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let child = command(&out);
    let checkpoint = path(&directory, "out/0002/seed-1/checkpoint.bin");
    let begun = Instant::now();
    while !fs::exists(&checkpoint).unwrap() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no checkpoint");
        std::thread::sleep(Duration::from_millis(2));
    }
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{text}");
    let expected = format!("continue with `trainer search {space} --out {out} --data {data}`");
    assert!(text.lines().last().unwrap_or_default().ends_with(&expected), "{text}");
    let half = table(&read(&directory, "out/search.json"));
    assert!(half["rungs"][0]["finished"].as_u64().unwrap() < 3, "{half}");
    assert!(read(&directory, "out/SEARCH.md").contains("not trained"));

    assert!(command(&out).wait_with_output().unwrap().status.success());
    assert!(command(&whole).wait_with_output().unwrap().status.success());
    let mut whole = table(&read(&directory, "whole/search.json"));
    for row in whole["rows"].as_array_mut().unwrap() {
        row["command"] = row["command"].as_str().unwrap().replace("/whole/", "/out/").into();
    }
    assert_eq!(table(&read(&directory, "out/search.json")), whole);
}

#[test]
fn a_search_is_known_as_one_from_its_first_file_on() {
    use core::time::Duration;
    use std::process::{Command, Stdio};

    let directory = workplace();
    let [data, out] = ["", "out"].map(|name| path(&directory, name));
    // So many candidates that their directories take a while.
    let rates: Vec<String> = (1..=400).map(|rate| format!("{:?}", f64::from(rate) * 1e-4)).collect();
    let space = write_space(
        &directory,
        &format!("trials = 400\n[choices]\ntraining.learning_rate = [{}]\n", rates.join(", ")),
    );
    let mut child = Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(["search", &space, "--data", &data, "--out", &out])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let first = path(&directory, "out/0001");
    while !fs::exists(&first).unwrap() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_micros(100));
    }
    let is_known = fs::exists(path(&directory, "out/search.json")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_known);
}

#[test]
fn a_candidate_that_diverges_is_in_the_table_and_ends_nothing() {
    let directory = workplace();
    let [data, out] = ["", "out"].map(|name| path(&directory, name));
    // A decay of 0.9 times a rate of 10 turns every weight into -8 times itself, step by step.
    let space = write_space(
        &directory,
        "seeds = 2\n[choices]\ntraining.epochs = [20]\ntraining.weight_decay = [0.9]\n\
         training.schedule = [\"constant\"]\ntraining.learning_rate = [0.01, 10]\n",
    );
    let result = table(&success(&["search", &space, "--data", &data, "--out", &out, "--json"]));
    let rows = result["rows"].as_array().unwrap();
    assert_eq!((rows[0]["rank"].as_u64(), rows[0]["runs"].as_array().unwrap().len()), (Some(1), 2));
    assert!(rows[1]["rank"].is_null() && rows[1]["runs"].as_array().unwrap().len() == 1, "{result}");
    assert!(rows[1]["failed"].as_str().unwrap().contains("no longer a number"), "{result}");
    assert!(read(&directory, "out/SEARCH.md").contains("failed: the loss is no longer a number"));
    let text = success(&["search", &space, "--data", &data, "--out", &out]);
    assert!(text.contains("1 candidate failed"), "{text}");
}

#[test]
fn mistakes_are_found_before_anything_is_written() {
    let directory = workplace();
    let [data, out] = ["", "out"].map(|name| path(&directory, name));
    let refused = |text: &str, expected: &str| {
        let space = write_space(&directory, text);
        let line = failure(&["search", &space, "--data", &data, "--out", &out]);
        assert!(line.contains("mine.toml: ") && line.contains(expected), "{line}");
        assert!(!fs::exists(&out).unwrap());
    };
    refused("[choices]\nlayers.1.units = [4]\n", "layers.1.units = 4: unknown field `units`");
    refused("[choices]\nlayers.2.units = []\n", "layers.2.units = []: expected at least one value");
    refused("[choices]\nlayers.2.units = [\"many\"]\n", "expected a whole number");
    refused("[budget]\nmacs = 10\n[choices]\nlayers.2.units = [4, 8]\n", "[budget] macs = 10: no candidate");
    // Images that do not fit.
    let space = write_space(&directory, "[choices]\nlayers.2.units = [4]\n");
    let line = failure(&["search", &space, "--out", &out]);
    assert!(line.contains("labels: expected values of 0 to 2") && !fs::exists(&out).unwrap(), "{line}");
    assert!(failure(&["search", "absent.toml"]).contains("neither a search that ships (nano) nor a file"));
    assert_eq!(trainer(&["search", "nano", "--trials", "0"]).status.code(), Some(2));

    // What is in the directory already is not of this search.
    fs::create_dir(&out).unwrap();
    fs::write(path(&directory, "out/mine.txt"), "mine").unwrap();
    let line = failure(&["search", &space, "--data", &data, "--out", &out]);
    assert!(line.contains("expected the directory of a search"), "{line}");
    fs::remove_file(path(&directory, "out/mine.txt")).unwrap();
    success(&["search", &space, "--data", &data, "--out", &out]);
    let space = write_space(&directory, "[choices]\nlayers.2.units = [5]\n");
    let line = failure(&["search", &space, "--data", &data, "--out", &out]);
    assert!(line.contains("[choices] layers.2.units = [5], but it was [4]"), "{line}");
    let base = read(&directory, "base.toml");
    fs::write(path(&directory, "base.toml"), base.replace("batch_size = 8", "batch_size = 4")).unwrap();
    let space = write_space(&directory, "[choices]\nlayers.2.units = [4]\n");
    let line = failure(&["search", &space, "--data", &data, "--out", &out]);
    assert!(line.contains("the base has [training] batch_size = 4, but it was 8"), "{line}");
    fs::write(path(&directory, "out/search.json"), "{").unwrap();
    assert!(
        failure(&["search", &space, "--data", &data, "--out", &out]).contains("not the table of a search")
    );
}

#[test]
fn what_ships_can_be_shown_without_training() {
    let directory = TempDir::new().unwrap();
    let out = path(&directory, "out");
    let text = success(&["search", "nano", "--show", "--trials", "12", "--out", &out]);
    assert!(text.contains("12 candidates of") && text.contains("layers.14: bits "), "{text}");
    assert!(!fs::exists(&out).unwrap());
    assert_eq!(success(&["search", "nano", "--show", "--trials", "12"]), text);
    assert_ne!(success(&["search", "nano", "--show", "--trials", "12", "--seed", "2"]), text);
    assert!(success(&["search", "--help"]).contains("layers.7-9.repeat"));
}
