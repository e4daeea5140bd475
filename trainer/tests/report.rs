//! `trainer report`: one page that is whole, says what the run was, and asks nothing of a network, for a finished
//! run, one that is under way, and a model.

mod common;

use std::fs;
use std::path::Path;

use common::{failure, path, success, write_set};
use roxmltree::{Document, Node, ParsingOptions};
use tempfile::TempDir;

const SECTIONS: [&str; 8] =
    ["curves", "confusion", "mistakes", "layers", "filters", "weights", "space", "files"];

/// Easy enough to be learned without a mistake: nothing is distorted, and a row tells the class.
const TRAINING: &str = "\
[training]
epochs = 12
batch_size = 8
learning_rate = 0.03
warmup_steps = 4
[augmentation]
rotation = 0.0
shift = 0.0
scale = 0.0
shear = 0.0
elastic = 0.0
[quantization]
qat_epochs = 1
";

/// A data set of three classes, and a configuration with these layers before the last, of four units.
fn workplace(layers: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    write_set(&directory, "train", &(0..60).map(|index| index % 3).collect::<Vec<_>>());
    write_set(&directory, "t10k", &(0..40).map(|index| index % 3).collect::<Vec<_>>());
    let text = format!(
        "name = \"small\"\ninput = [6, 6, 1]\nlayers = [{layers}{{ type = \"flatten\" }}, {{ type = \"dense\", units = 4 }}]\n\
         {TRAINING}"
    );
    fs::write(path(&directory, "small.toml"), text).unwrap();
    directory
}

fn train(directory: &TempDir) -> String {
    let [data, config, run] = ["", "small.toml", "run"].map(|name| path(directory, name));
    success(&["train", &config, "--data", &data, "--out", &run]);
    run
}

fn report(directory: &TempDir, run: &str) -> String {
    let page = path(directory, "page.html");
    let text = success(&["report", run, "--data", &path(directory, ""), "--out", &page]);
    assert_eq!(text.trim_end(), page);
    fs::read_to_string(page).unwrap()
}

/// Checks what holds of every page, and hands its elements to `look`.
fn check(page: &str, look: impl FnOnce(&Document<'_>)) {
    assert!(page.starts_with("<!DOCTYPE html>"));
    for foreign in ["http:", "https:", "<script", "<link", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // What HTML leaves open, XML wants closed; attributes hold no `>`.
    let mut text = page.to_owned();
    for void in ["<meta ", "<img ", "<input "] {
        let parts: Vec<String> = text
            .split(void)
            .enumerate()
            .map(|(index, part)| if index == 0 { part.to_owned() } else { part.replacen('>', "/>", 1) })
            .collect();
        text = parts.join(void);
    }
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&text, options).unwrap();
    let found: Vec<&str> = elements(&document, "section").filter_map(|node| node.attribute("id")).collect();
    assert_eq!(found, SECTIONS);
    for image in elements(&document, "img") {
        assert!(image.attribute("src").unwrap().starts_with("data:image/png;base64,"));
        assert!(image.attribute("alt").is_some());
    }
    for drawing in elements(&document, "svg") {
        assert!(drawing.attribute("aria-label").is_some());
        assert!(
            !drawing.descendants().any(|node| node.attributes().any(|value| value.value().contains("NaN")))
        );
    }
    look(&document);
}

fn elements<'a>(document: &'a Document<'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    document.descendants().filter(move |node| node.has_tag_name(name))
}

fn section<'a>(document: &'a Document<'a>, id: &str) -> Node<'a, 'a> {
    elements(document, "section").find(|node| node.attribute("id") == Some(id)).unwrap()
}

fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter_map(|node| node.text()).collect()
}

fn count(node: Node<'_, '_>, name: &str) -> usize {
    node.descendants().filter(|node| node.has_tag_name(name)).count()
}

#[test]
fn a_run_without_a_mistake_is_shown_whole() {
    let directory = workplace("{ type = \"conv\", filters = 5, kernel = 3 }, { type = \"relu\" }, ");
    let run = train(&directory);
    let page = report(&directory, &run);
    check(&page, |document| {
        assert_eq!(count(section(document, "curves"), "svg"), 3);
        assert!(text(section(document, "curves")).contains("float 12"), "every epoch is in the table");
        let mistakes = section(document, "mistakes");
        assert!(text(mistakes).contains("all 40 images were recognised"), "{}", text(mistakes));
        assert_eq!(count(mistakes, "img"), 12);
        // Five filters of one channel each.
        assert_eq!(count(section(document, "filters"), "img"), 5);
        assert_eq!(count(section(document, "weights"), "svg"), 2);
        let space = section(document, "space");
        assert_eq!(count(space, "svg"), 3);
        let points =
            space.descendants().filter(|node| node.has_tag_name("svg")).map(|map| count(map, "text"));
        assert_eq!(points.collect::<Vec<_>>(), [40; 3]);
        assert!(text(section(document, "files")).contains("small.postcard"));
    });
    assert_eq!(report(&directory, &run), page, "the same each time");

    // Where it is written by default.
    let text = success(&["report", &run, "--data", &path(&directory, ""), "--limit", "9"]);
    assert_eq!(text.trim_end(), path(&directory, "run/report.html"));
    check(&fs::read_to_string(text.trim_end()).unwrap(), |document| {
        assert!(self::text(section(document, "space")).contains("too few images"));
    });

    // The same model without its run, from what its files say.
    let out = path(&directory, "out");
    success(&["export", &run, "--data", &path(&directory, ""), "--out", &out]);
    let model = report(&directory, &out);
    check(&model, |document| {
        assert!(self::text(section(document, "curves")).contains("has no history"));
        assert_eq!(count(section(document, "curves"), "svg"), 0);
    });
    let part = |page: &str, from: &str, to: &str| {
        let (_, rest) = page.split_once(&format!("id=\"{from}\"")).unwrap();
        rest.split_once(&format!("id=\"{to}\"")).unwrap().0.to_owned()
    };
    assert_eq!(part(&model, "confusion", "files"), part(&page, "confusion", "files"));
}

#[test]
fn networks_of_every_kind_are_shown() {
    let hidden = "{ type = \"flatten\" }, { type = \"dense\", units = 7 }, { type = \"tanh\" }, ";
    let directory = workplace(hidden);
    let page = report(&directory, &train(&directory));
    check(&page, |document| {
        assert_eq!(count(section(document, "filters"), "img"), 7, "a picture a unit");
        assert_eq!(count(section(document, "space"), "svg"), 3);
    });

    let directory = workplace("");
    let page = report(&directory, &train(&directory));
    check(&page, |document| {
        let space = section(document, "space");
        assert!(text(space).contains("no hidden layer") && count(space, "svg") == 1);
        assert!(text(section(document, "layers")).contains("no layer between"));
    });
}

#[test]
fn a_run_under_way_is_shown_on_validation_images() {
    let directory = workplace("{ type = \"conv\", filters = 2, kernel = 3 }, { type = \"relu\" }, ");
    let run = train(&directory);
    for file in fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if file.is_file() && !["checkpoint.bin", "config.toml"].contains(&name.as_str()) {
            fs::remove_file(file).unwrap();
        }
    }
    // It has no log, either.
    let page = report(&directory, &run);
    check(&page, |document| {
        let whole = text(document.root());
        assert!(whole.contains("still training") && whole.contains("5 validation images"), "{whole}");
        assert!(whole.contains("train --resume"));
        assert_eq!(count(section(document, "curves"), "svg"), 2, "loss and accuracy by epoch");
    });
}

#[test]
fn what_is_no_run_is_refused_and_leaves_nothing() {
    let directory = workplace("");
    let data = path(&directory, "");
    let [absent, empty, file] = ["absent", "empty", "small.toml"].map(|name| path(&directory, name));
    fs::create_dir(&empty).unwrap();
    for (run, word) in [(&absent, "found nothing"), (&file, "found a file"), (&empty, "checkpoint.bin")] {
        let line = failure(&["report", run, "--data", &data]);
        assert!(line.contains(run.as_str()) && line.contains(word), "{line}");
    }
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);

    let run = train(&directory);
    let line = failure(&["report", &run, "--data", &data, "--out", &empty]);
    assert!(line.contains("is a directory"), "{line}");
    let line = failure(&["report", &run, "--data", &data, "--out", &path(&directory, "absent/page.html")]);
    assert!(line.contains("cannot write"), "{line}");
    let line = failure(&["report", &run, "--data", &empty]);
    assert!(line.contains("empty"), "{line}");
    assert!(!Path::new(&run).join("report.html").exists());

    let out = path(&directory, "out");
    success(&["export", &run, "--data", &data, "--out", &out]);
    fs::write(path(&directory, "out/small.onnx"), "no ONNX").unwrap();
    let line = failure(&["report", &out, "--data", &data]);
    assert!(line.contains("small.onnx"), "{line}");
    fs::remove_file(path(&directory, "out/small.float.onnx")).unwrap();
    let line = failure(&["report", &out, "--data", &data]);
    assert!(line.contains("small.float.onnx is missing"), "{line}");
}
