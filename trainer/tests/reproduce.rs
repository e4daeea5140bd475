//! `trainer reproduce` and `trainer baseline`, with trials of the rows: that every row is trained, exported and
//! verified, that work is done once, and that what is there is not mixed with something else.

mod common;

use std::fs;

use common::{failure, path, stderr, success, trainer};
use serde_json::Value;
use tempfile::TempDir;

fn lines(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn every_row_is_trained_and_has_the_bits_of_its_onnx_file() {
    let directory = TempDir::new().unwrap();
    let out = path(&directory, "out");
    let lines = lines(&success(&["reproduce", "--quick", "--out", &out, "--json"]));
    assert!(lines.len() > 20);
    for line in &lines {
        assert_eq!(line["runs"], line["wanted"], "{line}");
        let is_network = line["command"].as_str().unwrap().contains("train ") || line["exact"].is_number();
        if is_network {
            assert_eq!(line["exact"], line["runs"], "{line}");
            assert!(line["size"]["largest_sum"].as_f64().unwrap() < 1.0, "{line}");
            assert_eq!(line["images"], 100, "{line}");
        }
        assert!(line["float"]["mean"].is_number(), "{line}");
    }
    let document = fs::read_to_string(format!("{out}/RESULTS.md")).unwrap();
    assert!(document.contains("accuracies mean nothing") && !document.contains("not run"), "{document}");
}

#[test]
fn what_is_finished_is_not_run_again() {
    let directory = TempDir::new().unwrap();
    let [out, document] = ["out", "table.md"].map(|name| path(&directory, name));
    let run = |more: &[&str]| {
        let some = ["reproduce", "--quick", "--recipe", "authors", "--only", "mlp-256", "--out", &out];
        success(&[&some[..], &["--document", &document], more].concat())
    };
    let text = run(&[]);
    assert!(text.contains("not run") && text.contains("table.md"), "{text}");
    let model = format!("{out}/mlp-256/seed-1/mlp-256.postcard");
    let written = || fs::metadata(&model).unwrap().modified().unwrap();
    let (first, table) = (written(), fs::read_to_string(&document).unwrap());
    assert!(table.contains("| `mlp-256` | 97.77 to 98.0 |") && table.contains("| not run |"), "{table}");
    assert_eq!(run(&[]), text);
    assert_eq!((written(), fs::read_to_string(&document).unwrap()), (first, table));

    // More runs are added to those that are there; a second one that was interrupted goes on.
    let two = lines(&run(&["--runs", "2", "--json"]));
    let of = |lines: &[Value]| lines.iter().find(|line| line["row"] == "mlp-256").unwrap().clone();
    assert_eq!((of(&two)["runs"].as_u64(), of(&two)["float"]["deviation"].is_number()), (Some(2), true));
    assert_eq!(written(), first);
    fs::remove_file(format!("{out}/mlp-256/seed-2/result.json")).unwrap();
    let again = lines(&run(&["--runs", "2", "--json"]));
    assert_eq!(of(&again)["quantized"], of(&two)["quantized"]);

    // A whole run is not a trial.
    let line = failure(&[
        "reproduce",
        "--only",
        "mlp-256",
        "--recipe",
        "authors",
        "--out",
        &out,
        "--document",
        &document,
    ]);
    assert!(line.contains("of another recipe") && line.contains("but it was"), "{line}");
}

#[test]
fn recorded_lines_stay_where_their_runs_are_not() {
    let directory = TempDir::new().unwrap();
    let [quick, full, table] = ["quick", "full", "full/table.md"].map(|name| path(&directory, name));
    let trial =
        |row: &str| success(&["reproduce", "--quick", "--only", row, "--recipe", "authors", "--out", &quick]);
    trial("mlp-256");
    trial("naive-bayes");
    fs::create_dir(&full).unwrap();
    fs::copy(format!("{quick}/results.json"), format!("{full}/results.json")).unwrap();
    let write = || {
        let text = success(&["reproduce", "--table", "--out", &full, "--document", &table, "--json"]);
        (lines(&text), fs::read_to_string(&table).unwrap())
    };
    let row = |text: &str, name: &str| -> String {
        text.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap().to_owned()
    };
    let (written, text) = write();
    assert!(row(&text, "naive-bayes").contains("| 1 | - |"), "{text}");
    // A trial is another recipe.
    assert!(row(&text, "mlp-256").contains("| 1, by an earlier recipe | 1 of 1 |"), "{text}");
    assert!(row(&text, "deeper").contains("| not run |"), "{text}");
    assert_eq!(write(), (written, text));
    assert!(!fs::exists(format!("{full}/mlp-256")).unwrap(), "nothing is run");

    // A trial forgets, and leaves the repository alone.
    fs::remove_dir_all(format!("{quick}/naive-bayes")).unwrap();
    assert!(success(&["reproduce", "--quick", "--table", "--out", &quick]).contains("not run"));
    let text = fs::read_to_string(format!("{quick}/RESULTS.md")).unwrap();
    assert!(row(&text, "naive-bayes").contains("| not run |"), "{text}");
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/RESULTS.md");
    let before = fs::read(committed).unwrap();
    let line = failure(&["reproduce", "--quick", "--table", "--out", &quick, "--document", committed]);
    assert!(line.contains("RESULTS.md: a trial (--quick)"), "{line}");
    assert_eq!(fs::read(committed).unwrap(), before);

    // What cannot be read is not written over.
    fs::write(format!("{full}/results.json"), "[").unwrap();
    let line = failure(&["reproduce", "--table", "--out", &full, "--document", &table]);
    assert!(line.contains("results.json: not the lines of a table"), "{line}");
    assert_eq!(fs::read_to_string(format!("{full}/results.json")).unwrap(), "[");
}

#[test]
fn mistakes_are_found_before_any_work() {
    let directory = TempDir::new().unwrap();
    let out = path(&directory, "out");
    let line = failure(&["reproduce", "--quick", "--only", "capsules", "--out", &out]);
    assert!(line.contains("--only capsules") && line.contains("lenet-vanilla"), "{line}");
    assert!(!fs::exists(&out).unwrap());
    let absent = path(&directory, "absent/RESULTS.md");
    let some = ["reproduce", "--quick", "--only", "mlp-256", "--out", &out, "--document"];
    let line = failure(&[&some[..], &[&absent]].concat());
    assert!(line.contains("RESULTS.md: cannot write"), "{line}");
    #[cfg(target_os = "linux")]
    assert!(failure(&[&some[..], &["/dev/full"]].concat()).contains("/dev/full: cannot write"));
    assert!(!fs::exists(format!("{out}/mlp-256")).unwrap());
    assert_eq!(trainer(&["reproduce", "--runs", "0"]).status.code(), Some(2));

    // A damaged result is named.
    fs::create_dir_all(format!("{out}/naive-bayes")).unwrap();
    fs::write(format!("{out}/naive-bayes/result.json"), "{}").unwrap();
    let line = failure(&["reproduce", "--quick", "--only", "mlp-256", "--out", &out]);
    assert!(line.contains("naive-bayes/result.json") && line.contains("delete it"), "{line}");
}

#[test]
fn a_vote_is_of_the_runs_that_are_there() {
    let directory = TempDir::new().unwrap();
    let out = path(&directory, "out");
    let vote = ["reproduce", "--quick", "--recipe", "authors", "--out", &out, "--only", "vote3"];
    let line = failure(&vote);
    assert!(
        line.contains("too few finished runs of keras-cnn") && line.contains("--only keras-cnn"),
        "{line}"
    );
    success(&[&vote[..], &["--only", "keras-cnn"]].concat());
    let file = format!("{out}/vote3/result.json");
    let read = || -> Value { serde_json::from_slice(&fs::read(&file).unwrap()).unwrap() };
    let whole = read();
    assert_eq!(whole["sha256"].as_array().unwrap().len(), 3, "{whole}");

    // Figures of these runs stay; those of others, or of nobody knows whom, are computed again.
    let mut changed = whole.clone();
    changed["quantized"]["correct"] = 0.into();
    let vote_again = |votes: &Value| {
        fs::write(&file, votes.to_string()).unwrap();
        success(&vote);
        read()
    };
    assert_eq!(vote_again(&changed), changed);
    changed["sha256"][2] = "of another run".into();
    assert_eq!(vote_again(&changed), whole);
    changed.as_object_mut().unwrap().remove("sha256");
    assert_eq!(vote_again(&changed), whole);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_work_also_where_no_network_is_trained() {
    use std::process::{Command, Stdio};

    let directory = TempDir::new().unwrap();
    let out = path(&directory, "out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.args(["reproduce", "--quick", "--out", &out]);
    for row in ["naive-bayes", "sgd-linear", "sgd-linear-scaled"] {
        command.args(["--only", row]);
    }
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // It listens before it writes its first file.
    let document = format!("{out}/RESULTS.md");
    while !fs::exists(&document).unwrap() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(core::time::Duration::from_millis(1));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("interrupted between two rows") && text.contains("the same command"), "{text}");
}

#[test]
fn classic_classifiers_are_no_networks() {
    let line = failure(&["train", "naive-bayes"]);
    assert!(line.contains("trainer baseline naive-bayes"), "{line}");
    assert!(failure(&["train", "vote3"]).contains("trainer evaluate"));
    assert!(stderr(&trainer(&["baseline", "svm"])).contains("sgd-linear"));
}
