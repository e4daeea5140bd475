//! Randomly damaged files in the form of Kaggle's `train.csv`: an error that names the file, or the set that the
//! text says, by a second, naive reader; never a panic.

use core::panic::AssertUnwindSafe;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::gzip;
use crate::data::{Part, Pictures, Source};

/// Rows and columns of a picture.
const SIDE: usize = 4;
const PICTURES: usize = 12;

/// What a mutation puts somewhere: what CSV, numbers and text encodings are made of, and what spreadsheets leave.
const MORSELS: [&[u8]; 26] = [
    b",",
    b",,",
    b"\"",
    b"\"\"",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b" ",
    b"\t",
    b"-",
    b".",
    b".0",
    b"e",
    b"1e9",
    b"256",
    b"10",
    b"NaN",
    b"label",
    b"class",
    b"pixel0",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\x1f\x8b",
    b"99999999999999999999",
];

fn original(random: &mut StdRng) -> String {
    let names: Vec<String> = (0..SIDE * SIDE).map(|pixel| format!("pixel{pixel}")).collect();
    let mut text = format!("label,{}\n", names.join(","));
    for _ in 0..PICTURES {
        let pixels: Vec<String> = (0..SIDE * SIDE).map(|_| random.random_range(0..256).to_string()).collect();
        text.push_str(&format!("{},{}\n", random.random_range(0..10), pixels.join(",")));
    }
    text
}

fn damage(bytes: &mut Vec<u8>, random: &mut StdRng) {
    let place = random.random_range(0..=bytes.len());
    let end = bytes.len().min(place + random.random_range(0..20));
    match random.random_range(0..10) {
        0 if place < bytes.len() => bytes[place] ^= 1 << random.random_range(0..8),
        1 if place < bytes.len() => bytes[place] = random.random(),
        2 => drop(bytes.drain(place..end)),
        3 => {
            let copy = bytes[place..end].to_vec();
            let to = random.random_range(0..=bytes.len());
            bytes.splice(to..to, copy);
        }
        4 => bytes.truncate(place),
        5 => {
            let morsel = MORSELS.choose(random).copied().unwrap_or_default();
            bytes.splice(place..end, morsel.iter().copied());
        }
        // What leaves a right set: other digits, lines that are gone, or there twice.
        6 => {
            if let Some(digit) = bytes.iter_mut().skip(place).find(|byte| byte.is_ascii_digit()) {
                *digit = random.random_range(b'0'..=b'9');
            }
        }
        7 => drop(bytes.drain(line_at(bytes, place))),
        8 => {
            let line = bytes[line_at(bytes, place)].to_vec();
            let start = line_at(bytes, place).start;
            bytes.splice(start..start, line);
        }
        _ => {
            let morsel = MORSELS.choose(random).copied().unwrap_or_default();
            bytes.splice(place..place, morsel.iter().copied());
        }
    }
}

/// The line of a place, its end included.
fn line_at(bytes: &[u8], place: usize) -> core::ops::Range<usize> {
    let is_end = |byte: &u8| *byte == b'\n';
    let start = bytes[..place].iter().rposition(is_end).map_or(0, |end| end + 1);
    let end = bytes[place..].iter().position(is_end).map_or(bytes.len(), |end| place + end + 1);
    start..end
}

/// Labels and pixels of a text without quotes whose cells are all right.
fn naive(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut rows = text
        .split(['\n', '\r'])
        .filter(|line| !line.is_empty())
        .map(|line| line.split(',').map(str::trim).collect::<Vec<_>>())
        .peekable();
    let is_label = |cell: &&str| ["label", "class"].contains(&cell.to_ascii_lowercase().as_str());
    let named = rows.peek().and_then(|row| row.iter().position(is_label));
    if named.is_some() {
        rows.next();
    }
    let (mut labels, mut pixels) = (Vec::new(), Vec::new());
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let number = cell.parse::<f64>().unwrap() as u8;
            if column == named.unwrap_or(0) { labels.push(number) } else { pixels.push(number) }
        }
    }
    (labels, pixels)
}

/// Reads a file in every way; labels and pixels where it is a training set.
fn read(path: &Path) -> Option<(Vec<u8>, Vec<u8>)> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let told = |error: anyhow::Error| {
        let text = format!("{error:#}");
        assert!(text.contains(name) && !text.contains('\n') && text.len() < 1000, "{text}");
    };
    if let Err(error) = Source::open(path, None).and_then(|source| source.survey()) {
        told(error);
    }
    if let Err(error) = Pictures::open(path) {
        told(error);
    }
    match Source::open(path, None).and_then(|source| source.load(Part::All, 10)) {
        Ok(set) => {
            assert!(!set.is_empty() && set.labels.iter().all(|label| *label < 10));
            assert_eq!(set.images.len(), set.len() * set.height * set.width);
            Some((set.labels, set.images))
        }
        Err(error) => {
            told(error);
            None
        }
    }
}

/// Damages a file `count` times and lets `check` compare what was read; returns how often it was a set.
fn try_all(
    name: &str,
    count: u64,
    make: impl Fn(String) -> Vec<u8>,
    check: impl Fn(&str, &[u8], (Vec<u8>, Vec<u8>)),
) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    let mut sets = 0;
    for seed in 0..count {
        let mut random = StdRng::seed_from_u64(seed);
        let text = original(&mut random);
        let mut bytes = make(text.clone());
        for _ in 0..random.random_range(1..4) {
            damage(&mut bytes, &mut random);
        }
        fs::write(&path, &bytes).unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let set = read(&path);
            let is_set = set.is_some();
            set.into_iter().for_each(|set| check(&text, &bytes, set));
            is_set
        }));
        match outcome {
            Ok(is_set) => sets += u64::from(is_set),
            Err(_) => panic!("seed {seed}: {}", String::from_utf8_lossy(&bytes).escape_debug()),
        }
    }
    sets
}

#[test]
fn a_damaged_table_is_an_error_or_what_it_says() {
    let sets = try_all("train.csv", 4000, String::into_bytes, |_, bytes, set| {
        if !bytes.contains(&b'"') {
            assert_eq!(set, naive(bytes));
        }
    });
    assert!((300..3000).contains(&sets), "{sets} of 4000");
}

#[test]
fn a_damaged_compressed_table_is_an_error_or_what_it_was() {
    let sets = try_all(
        "train.csv.gz",
        2000,
        |text| gzip(text.as_bytes()),
        |text, _, set| {
            assert_eq!(set, naive(text.as_bytes()));
        },
    );
    // Its header has bytes that mean nothing.
    assert!((1..200).contains(&sets), "{sets} of 2000");
}
