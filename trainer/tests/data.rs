//! Data sets beside IDX on the command line: Kaggle's files, pictures by class, splits; and what `evaluate`
//! and `data stats` say of them. The model is that of the nearest mean picture, which needs no training.

mod common;

use std::fs;
use std::path::Path;

use common::{failure, mnist, path, stderr, success, trainer, workplace};
use image::GrayImage;
use serde_json::Value;
use tempfile::TempDir;
use tenfold_trainer::data::{self, Part};

/// The first test images of MNIST as Kaggle has them, with or without labels.
fn kaggle(count: usize, with_labels: bool) -> String {
    let test = mnist(Part::Test);
    let mut text = String::from(if with_labels { "label," } else { "" });
    let names: Vec<String> = (0..784).map(|pixel| format!("pixel{pixel}")).collect();
    text.push_str(&names.join(","));
    for index in 0..count {
        text.push('\n');
        if with_labels {
            text.push_str(&format!("{},", test.labels[index]));
        }
        let pixels: Vec<String> = test.image(index).iter().map(u8::to_string).collect();
        text.push_str(&pixels.join(","));
    }
    text.push('\n');
    text
}

/// A directory with the model and with Kaggle's two files.
fn kaggle_workplace() -> (TempDir, String) {
    let directory = workplace();
    let set = directory.path().join("kaggle");
    fs::create_dir(&set).unwrap();
    fs::write(set.join("train.csv"), kaggle(300, true)).unwrap();
    fs::write(set.join("test.csv"), kaggle(40, false)).unwrap();
    let set = set.to_str().unwrap().to_owned();
    (directory, set)
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&success(arguments)).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn kaggle_files_are_evaluated_and_answered() {
    let (directory, set) = kaggle_workplace();
    let model = path(&directory, "means.postcard");
    let idx = json(&["evaluate", &model, "--limit", "300", "--json"]);
    let csv = json(&["evaluate", &model, "--data", &set, "--set", "all", "--json"]);
    assert_eq!((&idx["confusion"], &idx["mistakes"]), (&csv["confusion"], &csv["mistakes"]));
    assert!(csv["data"].as_str().unwrap().starts_with("train.csv (sha256 "), "{csv}");

    let output = trainer(&["evaluate", &model, "--data", &set]);
    let said = stderr(&output);
    assert!(said.contains("no test images: its images are divided 6/1 by seed 1 (--split)"), "{said}");

    let (table, out) = (format!("{set}/test.csv"), path(&directory, "submission.csv"));
    let said = trainer(&["predict", "--model", &model, "--kaggle", &table, "--out", &out]);
    assert!(said.status.success() && stderr(&said).contains("submission.csv: 40 pictures"));
    let logits = path(&directory, "logits.csv");
    success(&["evaluate", &model, "--limit", "40", "--logits", &logits]);
    let mut expected = String::from("ImageId,Label\n");
    for (index, row) in csv::Reader::from_path(&logits).unwrap().records().enumerate() {
        expected.push_str(&format!("{},{}\n", index + 1, &row.unwrap()[2]));
    }
    assert_eq!(fs::read_to_string(&out).unwrap(), expected);
    // Labels are not looked at, and standard output takes the answers alone.
    let labelled = format!("{set}/train.csv");
    let text = success(&["predict", "--model", &model, "--kaggle", &labelled, "--out", "/dev/stdout"]);
    assert!(text.starts_with(&expected) && text.lines().count() == 301, "{text}");
    assert_eq!(names(directory.path()), ["kaggle", "logits.csv", "means.postcard", "submission.csv"]);
}

#[test]
fn a_failed_prediction_leaves_the_old_file() {
    let (directory, set) = kaggle_workplace();
    let model = path(&directory, "means.postcard");
    let (table, out) = (format!("{set}/test.csv"), path(&directory, "submission.csv"));
    fs::write(&out, "old").unwrap();
    let predict =
        |table: &str, out: &str| failure(&["predict", "--model", &model, "--kaggle", table, "--out", out]);
    let good = fs::read_to_string(&table).unwrap();
    fs::write(&table, good.replacen("\n0,", "\n,", 9)).unwrap();
    let line = predict(&table, &out);
    assert!(
        line.contains("test.csv: line 2, column 1 (pixel0): expected a pixel")
            && line.contains("missing value")
    );
    fs::write(&table, "pixel0,pixel1,pixel2,pixel3\n1,2,3,4\n").unwrap();
    let line = predict(&table, &out);
    assert!(line.contains("expected those of 28x28, the network's input, found 2x2"), "{line}");
    assert!(predict("/absent.csv", &out).contains("/absent.csv: file: expected a readable file"));
    assert!(predict(&set, &out).contains("a directory, pipe or device"));
    assert_eq!(fs::read_to_string(&out).unwrap(), "old");
    fs::write(&table, &good).unwrap();
    assert!(predict(&table, &path(&directory, "absent/x.csv")).contains("x.csv: cannot write"));
    #[cfg(target_os = "linux")]
    {
        assert!(predict(&table, "/dev/full").contains("/dev/full: cannot write"));
        assert!(predict(&table, "/sys/submission.csv").contains("/sys/submission.csv: cannot write"));
    }
    assert_eq!(names(directory.path()), ["kaggle", "means.postcard", "submission.csv"]);
    for wrong in [&["predict", "--kaggle", &table][..], &["predict", "--out", &out, "x.png"]] {
        assert_eq!(trainer(wrong).status.code(), Some(2));
    }
}

#[test]
fn pictures_by_class_are_evaluated_and_the_worst_are_shown() {
    let directory = workplace();
    let (model, set) = (path(&directory, "means.postcard"), path(&directory, "digits"));
    let test = mnist(Part::Test);
    for index in 0..200 {
        let class = format!("{set}/{}", test.labels[index]);
        fs::create_dir_all(&class).unwrap();
        let picture = GrayImage::from_raw(28, 28, test.image(index).to_vec()).unwrap();
        picture.save(format!("{class}/{index:05}.png")).unwrap();
    }
    let all = ["evaluate", &model, "--data", &set, "--set", "all"];
    let idx = json(&["evaluate", &model, "--limit", "200", "--json"]);
    let folder = json(&[&all[..], &["--json"]].concat());
    assert_eq!(idx["confusion"], folder["confusion"]);
    let mistakes = folder["mistakes"].as_array().unwrap();
    let left: Vec<f64> = mistakes.iter().map(|each| each["label_probability"].as_f64().unwrap()).collect();
    assert!(left.len() > 9 && left.is_sorted(), "{left:?}");
    assert_eq!(mistakes.len() as u64, 200 - folder["correct"].as_u64().unwrap());
    for figure in ["precision", "recall", "f1", "top", "calibration", "loss"] {
        assert!(!folder[figure].is_null(), "{folder}");
    }

    let sheet = path(&directory, "worst.png");
    let text = success(&[&all[..], &["--worst", "3", "--pictures", "--worst-png", &sheet]].concat());
    assert!(text.contains("the worst 3 of ") && text.contains(".png") && text.contains("answered"), "{text}");
    assert!(text.contains("precision") && text.contains("calibration error (ECE)"), "{text}");
    let image = image::open(&sheet).unwrap();
    assert_eq!((image.width(), image.height()), (8 + 2 * 92, 8 + 2 * 111));
    assert_eq!(
        json(&[&all[..], &["--worst", "2", "--json"]].concat())["mistakes"].as_array().unwrap().len(),
        2
    );
    // A perfect score leaves nothing to draw.
    let said = trainer(&["evaluate", &model, "--limit", "1", "--worst-png", &path(&directory, "none.png")]);
    assert!(stderr(&said).contains("none.png: not written, there are no mistakes"), "{}", stderr(&said));
    assert_eq!(names(directory.path()), ["digits", "means.postcard", "worst.png"]);
    #[cfg(target_os = "linux")]
    assert!(failure(&[&all[..], &["--worst-png", "/dev/full"]].concat()).contains("/dev/full: cannot write"));

    let stats = json(&["data", "stats", "--data", &set, "--json"]);
    let images: u64 =
        stats["sets"].as_array().unwrap().iter().map(|set| set["images"].as_u64().unwrap()).sum();
    assert_eq!((images, stats["classes"].as_u64()), (200, Some(10)));
    fs::create_dir(path(&directory, "words")).unwrap();
    for (word, class) in [("eins", "1"), ("null", "0")] {
        let from = fs::read_dir(format!("{set}/{class}")).unwrap().next().unwrap().unwrap().path();
        fs::create_dir(path(&directory, &format!("words/{word}"))).unwrap();
        fs::copy(from, path(&directory, &format!("words/{word}/a.png"))).unwrap();
    }
    let words = success(&["evaluate", &model, "--data", &path(&directory, "words"), "--set", "all"]);
    assert!(words.contains("classes   0 eins, 1 null") && words.contains("all, 2 images"), "{words}");
    fs::write(format!("{set}/3/cut.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    assert!(failure(&all).contains("3/cut.png: cannot decode"));
    // The float network of a directory.
    let line = failure(&["evaluate", &model, "--float"]);
    assert!(line.contains("--float is for the directory of a model"), "{line}");
    let nano = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/nano");
    let float = json(&["evaluate", nano, "--float", "--limit", "100", "--json"]);
    assert_eq!((float["integer"].as_bool(), float["images"].as_u64()), (Some(false), Some(100)));
}

#[test]
fn data_stats_tells_what_is_there() {
    let text = success(&["data", "stats"]);
    for words in ["data      MNIST", "28x28", "missing   no values", "55,000", "0 to 255", "11.25 %"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let (directory, set) = kaggle_workplace();
    let table = format!("{set}/train.csv");
    let good = fs::read_to_string(&table).unwrap();
    fs::write(&table, good.replacen("\n7,0,", "\n7,,", 1)).unwrap();
    let text = success(&["data", "stats", "--data", &set, "--samples", "0"]);
    assert!(text.contains("missing   train: 1 pixels, 0 labels; the first in line 2, column 2"), "{text}");
    let stats = json(&["data", "stats", "--data", &set, "--json"]);
    let sets = stats["sets"].as_array().unwrap();
    assert_eq!(
        sets.iter().map(|set| set["set"].as_str().unwrap()).collect::<Vec<_>>(),
        ["train", "validation", "test", "unlabelled"]
    );
    // Of the 40 without labels, all are among the 300; most of them in the part for training.
    assert!((20..=40).contains(&sets[3]["in_train"].as_u64().unwrap()), "{stats}");
    let line = failure(&["evaluate", &path(&directory, "means.postcard"), "--data", &set]);
    assert!(line.contains("train.csv: line 2, column 2 (pixel0)"), "{line}");
    #[cfg(target_os = "linux")]
    assert!(failure(&["data", "stats", "--data", "/dev/zero"]).contains("found a pipe or a device"));
    assert_eq!(trainer(&["data"]).status.code(), Some(2));
    assert_eq!(trainer(&["data", "stats", "--split", "70"]).status.code(), Some(2));
    assert!(failure(&["data", "stats", "--split-seed", "4"]).contains("there is nothing to divide"));
}

#[test]
fn a_run_remembers_how_its_images_were_divided() {
    let (directory, set) = kaggle_workplace();
    let config = path(&directory, "tiny.toml");
    fs::write(
        &config,
        "name = \"tiny\"\ninput = [28, 28, 1]\npixels = \"l2\"\nlayers = [{ type = \"flatten\" }, { type = \"dense\", units = 10 }]\n\
         [training]\nepochs = 1\n[quantization]\nqat_epochs = 0\ncalibration_images = 16\n",
    )
    .unwrap();
    let out = path(&directory, "run");
    let line = failure(&["train", &config, "--out", &out, "--data", "/absent"]);
    assert!(line.contains("/absent: expected a data set, found nothing"), "{line}");
    assert!(!Path::new(&out).exists());
    success(&["train", &config, "--out", &out, "--data", &set, "--split", "70/30", "--split-seed", "42"]);
    let saved = fs::read_to_string(format!("{out}/config.toml")).unwrap();
    assert!(saved.contains("[data]\nsplit = \"70/30\"\nsplit_seed = 42\n"), "{saved}");
    let card = fs::read_to_string(format!("{out}/CARD.md")).unwrap();
    assert!(card.contains("split 70/30 by seed 42"), "{card}");
    // The same images are the test set, without being told.
    let test =
        |arguments: &[&str]| json(&[arguments, &["--data", &set, "--json"]].concat())["images"].clone();
    assert_eq!(test(&["evaluate", &out]), 90);
    assert_eq!(test(&["evaluate", &format!("{out}/tiny.onnx")]), 90);
    assert_eq!(test(&["verify", &out]), 90);
    assert_eq!(test(&["evaluate", &out, "--split", "70/30", "--split-seed", "42"]), 90);
    // Of another division, the test images are such that it learned from.
    for command in ["evaluate", "verify", "robustness", "report"] {
        for split in [&["--split", "50/50"][..], &["--split-seed", "43"]] {
            let line = failure(&[&[command, &out, "--data", &set][..], split].concat());
            assert!(
                line.contains("run: learned from a part of its images (split 70/30 by seed 42)"),
                "{line}"
            );
        }
    }
    assert_eq!(test(&["evaluate", &out, "--split", "50/50", "--set", "all"]), 300);
    let mnist = data::default_directory().unwrap().to_str().unwrap().to_owned();
    // From a set at another place it learned nothing.
    success(&["evaluate", &out, "--data", &mnist, "--split", "50/50", "--limit", "9"]);
    // Nor does a card speak of them, or of another set, as of its own test set.
    for more in [&["--data", &set, "--split", "50/50"][..], &["--data", &mnist]] {
        for command in ["card", "export"] {
            let line = failure(&[&[command, &out][..], more].concat());
            assert!(line.contains("run: trained on ") && line.contains("--data PATH"), "{line}");
        }
    }
}
