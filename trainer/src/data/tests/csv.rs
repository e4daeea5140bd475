//! CSV files: Kaggle's, others', and damaged ones.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{directory, gzip};
use crate::data::{Part, Pictures, Source, Split};

const HEADER: &str = "label,pixel0,pixel1,pixel2,pixel3\n";

/// Everything in a file of that name.
fn read(name: &str, bytes: &[u8]) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let directory = directory(&[(name, bytes)]);
    let data = Source::open(&directory.path().join(name), None)?.load(Part::All, 10)?;
    assert_eq!((data.height, data.width), (2, 2));
    assert!(data.source.starts_with(&format!("{name} (sha256 ")), "{}", data.source);
    Ok((data.labels, data.images))
}

/// The message for a file with these lines.
fn error(text: &[u8]) -> String {
    let message = format!("{:#}", read("train.csv", text).unwrap_err());
    assert!(!message.contains('\n'), "one line: {message}");
    let (_, message) = message.split_once("train.csv: ").unwrap_or_else(|| panic!("{message}"));
    message.to_owned()
}

fn lines(lines: &str) -> Vec<u8> {
    format!("{HEADER}{lines}").into_bytes()
}

#[test]
fn every_dialect_says_the_same() {
    let expected = (vec![7, 0], vec![0, 1, 254, 255, 9, 8, 7, 6]);
    let plain = "7,0,1,254,255\n0,9,8,7,6\n";
    let crlf = "7,0,1,254,255\r\n0,9,8,7,6\r\n";
    let quoted = "\"7\",\"0\", 1 ,\"254\",255.0\n0,9,8,7,\"6\"";
    for body in [plain, crlf, quoted, "7,0,1,254,255\n\n\n0,9,8,7,6\n\n", "7.0,0,1,2.54e2,255\n0,9,8,7,6\n"] {
        for header in
            [HEADER, "\u{feff}Label,1x1,1x2,2x1,2x2\r\n", "\"label\",pixel1,pixel2,pixel3,pixel4\n", ""]
        {
            let text = format!("{header}{body}");
            assert_eq!(read("train.csv", text.as_bytes()).unwrap(), expected, "{text}");
        }
    }
    let compressed = gzip(&lines(plain));
    assert_eq!(read("train.csv.gz", &compressed).unwrap(), expected);
    assert_eq!(read("digits.CSV", &compressed).unwrap(), expected, "the bytes say that it is compressed");
    let last = "a,b,c,d,class\n0,1,254,255,7\n9,8,7,6,0\n";
    assert_eq!(read("mine.csv", last.as_bytes()).unwrap(), expected);
}

#[test]
fn every_fault_is_named_with_its_place() {
    let cases = [
        (
            "7,0,1,,255\n",
            "line 2, column 4 (pixel2): expected a pixel, a whole number of 0 to 255, found a missing value; correct the cell",
        ),
        (
            "7,0,1,2,3\n7,0,NaN,2,3\n",
            "line 3, column 3 (pixel1): expected a pixel, a whole number of 0 to 255, found a missing value",
        ),
        (
            ",0,1,2,3\n",
            "line 2, column 1 (label): expected a label, a whole number of 0 to 9, found a missing value",
        ),
        ("7,0,1,2\n", "line 2: expected 5 columns, as in the first line, found 4"),
        ("7,0,1,2,3,4\n", "line 2: expected 5 columns, as in the first line, found 6"),
        ("7,0,1,2,3,\n", "line 2: expected 5 columns, as in the first line, found 6"),
        (
            "7,0,1,2,3\r\n\r\n7,0,x1,2,3\r\n",
            "line 4, column 3 (pixel1): expected a pixel, a whole number of 0 to 255, found `x1`",
        ),
        ("7,0,256,2,3\n", "column 3 (pixel1): expected a pixel, a whole number of 0 to 255, found `256`"),
        ("7,0,-1,2,3\n", "found `-1`"),
        ("7,0,0.5,2,3\n", "found `0.5`"),
        ("7,0,1e300,2,3\n", "found `1e300`"),
        ("7,0,inf,2,3\n", "found `inf`"),
        ("10,0,1,2,3\n", "line 2, column 1 (label): expected a label, a whole number of 0 to 9, found `10`"),
        ("seven,0,1,2,3\n", "found `seven`"),
        ("\"7\n7,0,1,2,3\n", "line 2: expected 5 columns, as in the first line, found 1"),
        ("7;0;1;2;3\n", "line 2: expected 5 columns, as in the first line, found 1"),
        (
            "7,0,1,2,3\r\r7,0,x2,2,3\r",
            "line 4, column 3 (pixel1): expected a pixel, a whole number of 0 to 255, found `x2`",
        ),
        (
            "7,0,1,2,\"3\n\"\n\n7,0,x3,2,3\n",
            "line 5, column 3 (pixel1): expected a pixel, a whole number of 0 to 255, found `x3`",
        ),
        ("", "line 2: expected a picture a line after the header, found the end of the data"),
    ];
    for (body, expected) in cases {
        let text = error(&lines(body));
        assert!(text.contains(expected), "{body:?}: {text}");
    }
    assert!(error(&lines("7,0,\u{1b}[31m,2,3\n")).contains(r"found `\u{1b}[31m`"), "no escapes in a message");
    assert!(error(b"label,pixel0,pixel1,pixel2,pixel3\n7,0,\xff\xfe,2,3\n").contains("column 3 (pixel1)"));
    let long = error(&lines(&format!("7,0,{},2,3\n", "x".repeat(1000))));
    assert!(long.len() < 250, "{long}");
}

#[test]
fn first_lines_decide_what_the_columns_are() {
    for empty in [&b""[..], b"\n\n", "\u{feff}".as_bytes()] {
        assert!(error(empty).contains("line 1: expected a header, or a picture a line, found an empty file"));
    }
    let text = error(b"id,label,pixel0,pixel1,pixel2,pixel3\n1,7,0,1,2,3\n");
    assert!(
        text.contains("found 6 columns, 5 of them without the label; write the file without other columns")
    );
    let text = error(b"label;pixel0;pixel1;pixel2;pixel3\n7;0;1;2;3\n");
    assert!(text.contains("separated by commas"), "{text}");
    let text = error(b"label,pixel0,pixel2,pixel1,pixel3\n7,0,1,2,3\n");
    assert!(text.contains("line 1, column 3: expected pixel1, found `pixel2`; put the columns in"), "{text}");
    // Without a header, a wrong cell of the first line is one.
    assert!(error(b"7,0,x,2,3\n7,0,1,2,3\n").contains("line 1, column 3 (pixel1)"));
    assert!(error(b"7,0,1,2,300\n").contains("line 1, column 5 (pixel3)"));
    // A file without labels is no training set.
    let text = error(b"pixel0,pixel1,pixel2,pixel3\n0,1,2,3\n");
    assert!(text.contains("there are no labelled images"), "{text}");
}

#[test]
fn damaged_and_endless_files_are_errors() {
    let body = "7,0,1,2,3\n".repeat(2000);
    let compressed = gzip(&lines(&body));
    for length in [10, compressed.len() / 2, compressed.len() - 4] {
        let directory = directory(&[("train.csv.gz", &compressed[..length])]);
        let opened = Source::open(directory.path(), None).and_then(|source| source.load(Part::All, 10));
        let text = format!("{:#}", opened.unwrap_err());
        assert!(text.contains("train.csv.gz: gzip stream: expected an intact stream"), "{text}");
    }
    // A quote that is never closed makes one line of the rest.
    let endless = gzip(&lines(&format!("\"{}", "7,0,1,2,3\n".repeat(2 << 20))));
    let text = error(&endless);
    assert!(text.starts_with("line 2: expected at most 16777216 bytes") && text.contains("quote"), "{text}");
    let missing = Source::open(Path::new("/absent/train.csv"), None).unwrap_err().to_string();
    assert!(missing.contains("/absent/train.csv: expected a data set, found nothing"), "{missing}");
}

/// `count` pictures of 2x2, no two equal, labels in turn.
fn pictures(count: usize) -> String {
    (0..count).map(|i| format!("{},{},{},0,9\n", i % 10, i % 256, i / 256)).collect()
}

fn set(files: &[(&str, String)]) -> TempDir {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    directory(&files)
}

#[test]
fn a_set_without_labelled_test_images_is_split() {
    let unlabelled = "pixel0,pixel1,pixel2,pixel3\n1,2,3,4\n,6,7,8\n".to_owned();
    let kaggle = set(&[
        ("train.csv", format!("{HEADER}{}", pictures(70))),
        ("test.csv", unlabelled),
        ("sample_submission.csv", "ImageId,Label\n1,0\n".to_owned()),
    ]);
    let source = Source::open(kaggle.path(), None).unwrap();
    assert_eq!(source.split(), Some(Split::default()));
    let parts = source.load_parts(10).unwrap();
    assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (55, 5, 10));
    assert!(parts.train.source.ends_with("...), split 6/1 by seed 1"), "{}", parts.train.source);
    let mut all = [parts.train.images, parts.validation.images, parts.test.images].concat();
    let mut whole = source.load(Part::All, 10).unwrap().images;
    all.sort_unstable();
    whole.sort_unstable();
    assert_eq!(all, whole);
    // The file alone is the same set.
    let alone = Source::open(&kaggle.path().join("train.csv"), None).unwrap();
    assert_eq!(alone.load(Part::Test, 10).unwrap().labels, parts.test.labels);

    let unlabelled = source.load_unlabelled().unwrap().unwrap();
    assert_eq!((unlabelled.count, unlabelled.images), (2, vec![1, 2, 3, 4, 0, 6, 7, 8]));
    let text = format!("{:#}", Pictures::open(&kaggle.path().join("test.csv")).unwrap_err());
    assert!(text.contains("test.csv: line 3, column 1 (pixel0)"), "{text}");
    let labelled = Pictures::open(&kaggle.path().join("train.csv")).unwrap();
    assert_eq!(labelled.images, source.load(Part::All, 10).unwrap().images);
}

#[test]
fn a_test_file_with_labels_is_the_test_set() {
    let both = set(&[("mnist_train.csv", pictures(24)), ("mnist_test.csv", pictures(5))]);
    let source = Source::open(both.path(), None).unwrap();
    let parts = source.load_parts(10).unwrap();
    assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (22, 2, 5));
    assert!(source.split().is_none() && !parts.test.source.contains("split"));
    let split = Split { shares: "50/50".parse().unwrap(), seed: 3 };
    let source = Source::open(both.path(), Some(split)).unwrap();
    assert_eq!(source.load(Part::Test, 10).unwrap().len(), 12);
}

#[test]
fn directories_that_say_nothing_clear_are_refused() {
    let text = |directory: &TempDir| format!("{:#}", Source::open(directory.path(), None).unwrap_err());
    let two = set(&[("a.csv", pictures(3)), ("b.csv", pictures(3))]);
    assert!(text(&two).contains("expected train.csv, found a.csv and b.csv; name one file"));
    let trains = set(&[("a_train.csv", pictures(3)), ("b_train.csv", pictures(3))]);
    assert!(text(&trains).contains("expected one file *train.csv, found a_train.csv and b_train.csv"));
    assert!(text(&set(&[])).contains("found an empty directory; --data takes a directory with IDX files"));
    let other = set(&[("notes.txt", String::new())]);
    assert!(text(&other).contains("found neither of its kinds; --data takes"), "{}", text(&other));
    let file = format!("{:#}", Source::open(&other.path().join("notes.txt"), None).unwrap_err());
    assert!(file.contains("notes.txt: expected a data set, found another file; --data takes"), "{file}");
    let twice = set(&[("train.csv", pictures(3)), ("train.csv.gz", "damaged".to_owned())]);
    assert_eq!(Source::open(twice.path(), None).unwrap().load(Part::All, 10).unwrap().len(), 3);
    let few = set(&[("train.csv", pictures(2))]);
    let message = Source::open(few.path(), None).unwrap().load(Part::Train, 10).unwrap_err().to_string();
    assert!(message.contains("expected at least 3 images") && message.contains("found 2"), "{message}");
}

#[test]
fn a_survey_counts_what_is_missing_and_what_is_twice() {
    let body = "1,1,2,3,4\n2,5,6,7,8\n,1,1,1,1\n3,9,,na,9\n1,1,2,3,4\n";
    let test = "1,1,2,3,4\n3,5,6,7,8\n4,0,0,0,0\n";
    let both = set(&[("train.csv", format!("{HEADER}{body}")), ("test.csv", format!("{HEADER}{test}"))]);
    let statistics = Source::open(both.path(), None).unwrap().survey().unwrap().statistics;
    assert_eq!(statistics.missing.len(), 1);
    let missing = &statistics.missing[0];
    assert_eq!((missing.file.as_str(), missing.missing.pixels, missing.missing.labels), ("train", 2, 1));
    assert_eq!(missing.missing.first, Some((4, 1)));
    let images: Vec<u64> = statistics.sets.iter().map(|set| set.images).collect();
    assert_eq!(images, [3, 1, 3]);
    let test = &statistics.sets[2];
    assert!(test.in_train >= 1 && test.in_train <= 2, "{test:?}");
    assert_eq!((statistics.classes, test.labels.as_slice()), (5, &[0, 1, 0, 1, 1][..]));
    assert_eq!((test.min, test.max, test.mean), (0, 8, 3.0));
    fs::remove_file(both.path().join("train.csv")).unwrap();
    let statistics = Source::open(both.path(), None).unwrap().survey().unwrap().statistics;
    assert_eq!(statistics.sets.len(), 1);
}
