//! `trainer card`, the export of a group, and `trainer accuracy`, on networks so small that they take no time.

mod common;

use std::fs;

use common::{failure, path, stderr, success, trainer, write_set};
use serde_json::Value;
use tempfile::TempDir;
use tenfold_trainer::data::repository_path;

/// A data set of three classes, and a group of three runs over it in `group`.
fn workplace() -> TempDir {
    let directory = TempDir::new().unwrap();
    let labels: Vec<u8> = (0..60).map(|index| index % 3).collect();
    write_set(&directory, "train", &labels);
    write_set(&directory, "t10k", &labels[..30]);
    let [data, config, group] = ["", "small.toml", "group"].map(|name| path(&directory, name));
    write_config(&config, 2);
    success(&["train", &config, "--data", &data, "--out", &group, "--seed", "4", "--runs", "3"]);
    directory
}

fn write_config(path: &str, epochs: usize) {
    let text = format!(
        "name = \"small\"\ninput = [6, 6, 1]\n\
         layers = [{{ type = \"flatten\" }}, {{ type = \"dense\", units = 3 }}]\n\
         [training]\nepochs = {epochs}\nbatch_size = 8\n[quantization]\nqat_epochs = 1\n"
    );
    fs::write(path, text).unwrap();
}

fn record(model: &str) -> Value {
    serde_json::from_slice(&fs::read(format!("{model}/card.json")).unwrap()).unwrap()
}

#[test]
fn the_best_of_a_group_is_exported_with_its_card_and_drawn() {
    let directory = workplace();
    let [data, group, model] = ["", "group", "models/small"].map(|name| path(&directory, name));
    let line = failure(&["export", &group, "--data", &data]);
    assert!(line.contains("--out"), "{line}");
    let output = trainer(&["export", &group, "--data", &data, "--out", &model]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("the least validation loss of 3 runs"), "{}", stderr(&output));

    // The seed is that of the least validation loss in the logs.
    let last = |seed: u64| -> f64 {
        let log = fs::read_to_string(format!("{group}/seed-{seed}/log.jsonl")).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter_map(|line| line["validation_loss"].as_f64()).next_back().unwrap()
    };
    let best = (4..7).min_by(|a, b| last(*a).total_cmp(&last(*b))).unwrap();
    let figures = record(&model);
    assert_eq!(figures["seed"], best);
    let seeds: Vec<u64> =
        figures["runs"].as_array().unwrap().iter().map(|run| run["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [4, 5, 6]);
    assert_eq!((&figures["images"], &figures["parameters"]), (&30.into(), &(3 * 36 + 3).into()));
    assert_eq!((&figures["weight_bytes"], &figures["bias_bytes"]), (&(3 * 36).into(), &12.into()));

    let card = fs::read_to_string(format!("{model}/CARD.md")).unwrap();
    for expected in [
        "of 3 runs |",
        "| shipped |",
        &format!("The run with seed {best} is shipped: its validation loss is the least."),
        "train config.toml --seed 4 --runs 3 --out runs/small --data PATH",
        "export runs/small --out models/small",
        "## Robustness",
        "| low contrast |",
        "docs/BENCHMARKS.md",
        "name = \"small\"",
        "120 bytes",
    ] {
        assert!(card.contains(expected), "{expected}: {card}");
    }
    let picture = format!("{model}/misclassified.png");
    assert_eq!(card.contains("![Misclassified"), fs::exists(&picture).unwrap());

    // A later card keeps the runs, and another one is told of them.
    let text = success(&["card", &model, "--data", &data]);
    assert!(text.contains("CARD.md") && text.contains("card.json"), "{text}");
    assert_eq!(record(&model), figures);
    assert_eq!(fs::read_to_string(format!("{model}/CARD.md")).unwrap(), card);
    fs::remove_file(format!("{model}/card.json")).unwrap();
    success(&["card", &model, "--data", &data]);
    assert_eq!(record(&model)["runs"].as_array().unwrap().len(), 0);
    assert!(!fs::read_to_string(format!("{model}/CARD.md")).unwrap().contains("## Runs"));
    success(&["card", &model, "--runs", &group, "--data", &data]);
    assert_eq!(record(&model), figures);

    // Beside what others published.
    let document = path(&directory, "ACCURACY.md");
    let marks = "<!-- begin: written by trainer accuracy; changes are overwritten -->\n<!-- end -->";
    fs::write(&document, format!("# Accuracy\n\n{marks}\n\nThe end.\n")).unwrap();
    let published = path(&directory, "published.toml");
    fs::write(
        &published,
        "[[model]]\nname = \"theirs\"\naccuracy = 99.5\nbytes = 1000\nmacs = 2000\nsource = \"a paper\"\n",
    )
    .unwrap();
    let models = path(&directory, "models");
    let arguments = ["accuracy", "--models", &models, "--published", &published];
    let text = success(&arguments);
    assert!(text.contains("theirs") && text.contains("small") && text.contains("a paper"), "{text}");
    let write = [&arguments[..], &["--write", &document]].concat();
    success(&write);
    let text = fs::read_to_string(&document).unwrap();
    assert!(text.starts_with("# Accuracy\n") && text.ends_with("\nThe end.\n"), "{text}");
    assert!(
        text.contains("[`small`](../models/small/CARD.md)") && text.contains("| theirs | 99.50 |"),
        "{text}"
    );
    for name in ["bytes", "macs"] {
        let drawing = fs::read_to_string(path(&directory, &format!("images/accuracy-{name}.svg"))).unwrap();
        let drawing = roxmltree::Document::parse(&drawing).unwrap();
        assert!(drawing.descendants().any(|node| node.text() == Some("theirs")));
    }
    success(&write);
    assert_eq!(fs::read_to_string(&document).unwrap(), text, "the same each time");
}

#[test]
fn what_is_wrong_is_named() {
    let directory = workplace();
    let [data, group, model] = ["", "group", "models/small"].map(|name| path(&directory, name));
    success(&["export", &format!("{group}/seed-4"), "--data", &data, "--out", &model]);
    let file = path(&directory, "small.toml");
    let other = path(&directory, "other");
    write_config(&file, 1);
    success(&["train", &file, "--data", &data, "--out", &other, "--seed", "4", "--runs", "2"]);
    let models = path(&directory, "models");
    let published = repository_path("docs/published.toml").unwrap();
    let published = published.to_str().unwrap();
    for (arguments, reason) in [
        (&["card", "/absent"][..], "found nothing"),
        (&["card", &file], "found a file"),
        (&["card", &data, "--data", &data], "expected one model"),
        (&["card", &model, "--runs", &data, "--data", &data], "runs.toml"),
        (&["card", &model, "--runs", &other, "--data", &data], "another configuration than the model"),
        (&["accuracy", "--models", &models], "trainer card"),
        (&["accuracy", "--models", &data], "directories of models"),
        (&["accuracy", "--models", "/absent"], "/absent"),
        (&["accuracy", "--write", "/absent.md"], "/absent.md"),
        (&["accuracy", "--write", &data], "expected a file"),
    ] {
        let line = failure(arguments);
        assert!(line.contains(reason), "{arguments:?}: {line}");
    }
    success(&["card", &model, "--data", &data]);
    let line = failure(&["accuracy", "--models", &models, "--published", &file]);
    assert!(line.contains("not a list"), "{line}");
    let document = path(&directory, "nothing.md");
    fs::write(&document, "no marks").unwrap();
    let line = failure(&["accuracy", "--models", &models, "--published", published, "--write", &document]);
    assert!(line.contains("nothing.md") && line.contains("expected the lines"), "{line}");
    assert_eq!(fs::read_to_string(&document).unwrap(), "no marks");

    fs::write(format!("{model}/card.json"), "{").unwrap();
    let line = failure(&["card", &model, "--data", &data]);
    assert!(line.contains("card.json") && line.contains("delete it"), "{line}");

    // A group that is not finished has no best run.
    fs::remove_file(format!("{group}/seed-5/result.json")).unwrap();
    let line = failure(&["export", &group, "--data", &data, "--out", &path(&directory, "new")]);
    assert!(line.contains("2 of 3 runs") && line.contains("--resume"), "{line}");
    assert!(!fs::exists(path(&directory, "new")).unwrap());
}
