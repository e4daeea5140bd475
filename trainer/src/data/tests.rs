//! Every way in which a data directory can be wrong, and the right ones: IDX files here, the other kinds in
//! files of their own.

mod csv;
mod damage;
mod pictures;

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::{Part, Source, Split, default_directory, load, load_classes};

const IMAGES: &str = "t10k-images-idx3-ubyte";
const LABELS: &str = "t10k-labels-idx1-ubyte";

fn idx(magic: u32, fields: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = magic.to_be_bytes().to_vec();
    fields.iter().for_each(|field| bytes.extend_from_slice(&field.to_be_bytes()));
    bytes.extend_from_slice(values);
    bytes
}

#[test]
fn a_set_is_known_by_its_checksum_wherever_it_has_one() {
    let sum = |name: &str, sum: &str, more: &str| format!("{name} (sha256 {sum}...){more}");
    let digits = sum("digits", "0123456789abcdef", "");
    for (other, same) in [
        (digits.clone(), true),
        (sum("moved", "0123456789abcdef", ""), true),
        (sum("digits", "fedcba9876543210", ""), false),
        (sum("digits", "0123456789abcdef", ", split 70/30 by seed 1"), false),
        ("digits".to_owned(), false),
    ] {
        assert_eq!(super::is_same_source(&digits, &other), same, "{other}");
    }
    assert!(super::is_same_source("MNIST", "MNIST"));
    assert!(!super::is_same_source("MNIST", "MNIST, split 70/30 by seed 1"));
    // A copy of the shipped set.
    let copy = "mnist (sha256 ba891046e6505d7a...), split 70/30 by seed 1";
    assert!(super::is_same_source("MNIST, split 70/30 by seed 1", copy));
    assert!(!super::is_same_source("MNIST", copy));
}

/// Three images of 2 rows and 3 columns.
fn images() -> Vec<u8> {
    idx(0x803, &[3, 2, 3], &(0..18).collect::<Vec<u8>>())
}

fn labels() -> Vec<u8> {
    idx(0x801, &[3], &[7, 0, 9])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn directory(files: &[(&str, &[u8])]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, bytes) in files {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    directory
}

/// The message for a directory with these two files, without the directory's path.
fn error(images: &[u8], labels: &[u8]) -> String {
    let directory = directory(&[(IMAGES, images), (LABELS, labels)]);
    message(directory.path(), Part::Test)
}

fn message(directory: &Path, part: Part) -> String {
    let text = format!("{:#}", load(directory, part).unwrap_err());
    assert!(!text.contains('\n'), "one line: {text}");
    text.replace(&format!("{}{}", directory.display(), std::path::MAIN_SEPARATOR), "")
}

#[test]
fn shipped_mnist_loads_in_all_parts() {
    let directory = default_directory().unwrap();
    let mut histogram = [0usize; 10];
    for (part, count) in [(Part::Train, 55_000), (Part::Validation, 5_000), (Part::Test, 10_000)] {
        let data = load(&directory, part).unwrap();
        assert_eq!((data.len(), data.height, data.width, data.classes), (count, 28, 28, 10));
        assert_eq!(data.images.len(), count * 784);
        assert_eq!(data.source, "MNIST");
        data.labels.iter().for_each(|label| histogram[usize::from(*label)] += 1);
        assert!(data.expect_size(28, 28).is_ok());
        assert!(data.expect_size(32, 32).unwrap_err().to_string().contains("expected 32x32"));
    }
    // As published for train and test together.
    assert_eq!(histogram, [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]);
}

#[test]
fn every_name_and_compression_loads() {
    for (images_name, labels_name) in [
        (IMAGES, LABELS),
        ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
        ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
        ("t10k-images.idx3-ubyte.gz", "t10k-labels.idx1-ubyte"),
    ] {
        // The magic bytes decide, not the name.
        for (images, labels) in [(images(), labels()), (gzip(&images()), gzip(&labels()))] {
            let directory = directory(&[(images_name, &images), (labels_name, &labels)]);
            let data = load(directory.path(), Part::Test).unwrap();
            assert_eq!((data.len(), data.height, data.width), (3, 2, 3));
            assert_eq!(data.image(1), [6, 7, 8, 9, 10, 11]);
            assert_eq!(data.labels, [7, 0, 9]);
            assert!(data.source.contains("sha256"), "{}", data.source);
        }
    }
}

#[test]
fn emnist_is_turned_upright() {
    let directory = directory(&[
        ("emnist-digits-test-images-idx3-ubyte.gz", &gzip(&images())),
        ("emnist-digits-test-labels-idx1-ubyte.gz", &gzip(&labels())),
    ]);
    let data = load(directory.path(), Part::Test).unwrap();
    assert_eq!((data.height, data.width), (3, 2));
    assert_eq!(data.image(0), [0, 3, 1, 4, 2, 5]);
}

#[test]
fn train_file_is_split() {
    let images = idx(0x803, &[24, 1, 1], &(0..24).collect::<Vec<u8>>());
    let labels = idx(0x801, &[24], &[1; 24]);
    let directory = directory(&[("train-images-idx3-ubyte", &images), ("train-labels-idx1-ubyte", &labels)]);
    let train = load(directory.path(), Part::Train).unwrap();
    let validation = load(directory.path(), Part::Validation).unwrap();
    assert_eq!((train.len(), validation.len()), (22, 2));
    let mut all = [train.images, validation.images].concat();
    all.sort_unstable();
    assert_eq!(all, (0..24).collect::<Vec<u8>>());
}

#[test]
fn a_split_divides_the_train_images_and_leaves_the_test_images_alone() {
    let split = Split { shares: "70/30".parse().unwrap(), seed: 42 };
    let source = Source::open(&default_directory().unwrap(), Some(split)).unwrap();
    let parts = source.load_parts(10).unwrap();
    assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (38_500, 3_500, 18_000));
    assert_eq!(parts.test.source, "MNIST, split 70/30 by seed 42");
    let test = source.load(Part::Test, 10).unwrap();
    assert!(test.images == parts.test.images && test.labels == parts.test.labels);
    // Without one, the three parts are those that are loaded one by one.
    let whole = Source::open(&default_directory().unwrap(), None).unwrap();
    let parts = whole.load_parts(10).unwrap();
    for (part, data) in
        [(Part::Train, parts.train), (Part::Validation, parts.validation), (Part::Test, parts.test)]
    {
        let alone = whole.load(part, 10).unwrap();
        assert!(alone.images == data.images && alone.labels == data.labels, "{part}");
    }
    assert_eq!(whole.load(Part::All, 10).unwrap().len(), 70_000);
}

#[test]
fn statistics_of_mnist_are_the_published_ones() {
    let source = Source::open(&default_directory().unwrap(), None).unwrap();
    let statistics = source.survey().unwrap().statistics;
    assert_eq!((statistics.height, statistics.width, statistics.classes), (28, 28, 10));
    let of = |name: &str| statistics.sets.iter().find(|set| set.set == name).unwrap();
    let (train, validation, test) = (of("train"), of("validation"), of("test"));
    // Everybody's 0.1307 and 0.3081 are of the 60,000.
    let (first, second) = (55.0 / 60.0, 5.0 / 60.0);
    let mean = first * train.mean_of_share + second * validation.mean_of_share;
    let square = |set: &super::SetStatistics| set.sd_of_share.powi(2) + set.mean_of_share.powi(2);
    let sd = (first * square(train) + second * square(validation) - mean * mean).sqrt();
    assert!((mean - 0.130_66).abs() < 1e-5 && (sd - 0.308_108).abs() < 1e-5, "{mean} {sd}");
    assert!((test.mean - 33.791_224_489_795_916).abs() < 1e-9, "{}", test.mean);
    assert_eq!((train.min, train.max, test.images), (0, 255, 10_000));
    assert_eq!(train.labels.iter().sum::<u64>(), 55_000);
    // No image of MNIST is there twice.
    assert!(statistics.sets.iter().all(|set| set.in_train == 0) && statistics.missing.is_empty());
}

#[test]
fn truncation_at_every_byte_is_an_error() {
    let (images, labels) = (images(), labels());
    for length in 0..images.len() {
        let text = error(&images[..length], &labels);
        assert!(text.starts_with(&format!("{IMAGES}: ")), "{text}");
        assert!(text.contains("the end of the data after"), "{text}");
    }
    for length in 0..labels.len() {
        assert!(error(&images, &labels[..length]).starts_with(&format!("{LABELS}: ")));
    }
    let compressed = gzip(&images);
    for length in 0..compressed.len() {
        assert!(error(&compressed[..length], &labels).starts_with(&format!("{IMAGES}: ")));
    }
    assert_eq!(
        error(&images[..20], &labels),
        format!(
            "{IMAGES}: pixels: expected 18 bytes (3 images of 2x3, as the header says), found the end of \
             the data after 4 bytes: the file is truncated; the file is damaged: copy or download it again"
        )
    );
}

#[test]
fn trailing_bytes_are_an_error() {
    let longer = [images(), vec![0]].concat();
    for bytes in [longer.clone(), gzip(&longer)] {
        assert!(error(&bytes, &labels()).contains("end of file: expected nothing after the 18 bytes"));
    }
    let after_gzip = [gzip(&images()), vec![1, 2, 3]].concat();
    assert!(error(&after_gzip, &labels()).contains("gzip stream: expected an intact stream"));
}

#[test]
fn damaged_gzip_is_an_error() {
    let mut bytes = gzip(&images());
    let crc = bytes.len() - 8;
    bytes[crc] ^= 1;
    assert!(error(&bytes, &labels()).contains("gzip stream"));
}

#[test]
fn decompression_bomb_is_cut_short() {
    // 64 MB of zeros behind a header that announces 18 bytes.
    let bomb = gzip(&[idx(0x803, &[3, 2, 3], &[]), vec![0; 64 << 20]].concat());
    assert!(error(&bomb, &labels()).contains("trailing bytes"));
}

#[test]
fn swapped_files_are_named() {
    let text = error(&labels(), &images());
    assert!(text.starts_with(&format!("{IMAGES}: magic: expected 0x00000803")), "{text}");
    assert!(text.contains("found 0x00000801 (a file of labels); the images and labels files are swapped"));
    let text = error(&images(), &images());
    assert!(text.starts_with(&format!("{LABELS}: magic: expected 0x00000801")), "{text}");
}

#[test]
fn wrong_magic_is_named() {
    assert!(error(b"\x89PNG\r\n\x1a\n", &labels()).contains("magic: expected 0x00000803"));
    assert!(error(&idx(0x0308_0000, &[3, 2, 3], &[0; 18]), &labels()).contains("reverse order"));
}

#[test]
fn oversized_and_zero_fields_are_errors_without_allocation() {
    let header = |fields: &[u32]| error(&idx(0x803, fields, &[0; 18]), &labels());
    assert!(header(&[u32::MAX, 28, 28]).contains("count: expected at most"));
    assert!(header(&[u32::MAX, 1024, 1024]).contains("count: expected at most 1024 images of 1024x1024"));
    // Announces 1 GiB, holds 18 bytes.
    assert!(header(&[1024, 1024, 1024]).contains("pixels: expected 1073741824 bytes"));
    assert!(header(&[0, 2, 3]).contains("count: expected at least 1"));
    assert!(header(&[3, 0, 3]).contains("rows: expected 1 to 1024, found 0"));
    assert!(header(&[3, 2, u32::MAX]).contains("columns: expected 1 to 1024, found 4294967295"));
    assert!(error(&images(), &idx(0x801, &[u32::MAX], &[1; 3])).contains("count: expected at most"));
}

#[test]
fn counts_must_match() {
    let text = error(&images(), &idx(0x801, &[2], &[1, 2]));
    assert!(text.starts_with(&format!("{LABELS}: count: expected 3 labels")), "{text}");
    assert!(text.contains("found 2"), "{text}");
}

#[test]
fn labels_must_be_classes() {
    let text = error(&images(), &idx(0x801, &[3], &[1, 10, 2]));
    assert!(text.contains("labels: expected values of 0 to 9 (10 classes), found 10 at index 1"), "{text}");
    let eleven = directory(&[(IMAGES, &images()), (LABELS, &idx(0x801, &[3], &[1, 10, 2]))]);
    assert_eq!(load_classes(eleven.path(), Part::Test, 11).unwrap().classes, 11);
    assert!(load_classes(eleven.path(), Part::Test, 17).is_err());
}

#[test]
fn missing_files_are_named() {
    let empty = directory(&[]);
    let text = message(empty.path(), Part::Train);
    assert!(text.contains("found an empty directory; --data takes a directory with IDX files"), "{text}");
    let test_only = directory(&[(IMAGES, &images()), (LABELS, &labels())]);
    let text = message(test_only.path(), Part::Train);
    assert!(text.contains("expected train-images-idx3-ubyte"), "{text}");
    let train_only =
        directory(&[("train-images-idx3-ubyte", &images()), ("train-labels-idx1-ubyte", &labels())]);
    assert_eq!(load(train_only.path(), Part::Train).unwrap().len(), 2);
    let text = message(train_only.path(), Part::Test);
    assert!(text.contains("expected t10k-images-idx3-ubyte") && text.contains("--split 6/1"), "{text}");
    let divided = Source::open(train_only.path(), Some(Split::default())).unwrap();
    assert_eq!(divided.load(Part::Test, 10).unwrap().len(), 1);
    let half = directory(&[(IMAGES, &images())]);
    assert!(
        message(half.path(), Part::Test).starts_with(&format!("{LABELS}: file: expected a readable file"))
    );
    assert!(message(&half.path().join("absent"), Part::Test).contains("found nothing"));
    assert!(message(&half.path().join(IMAGES), Part::Test).contains("found an IDX file; name the directory"));
}

#[test]
fn shipped_files_must_have_their_sums() {
    let file = super::idx::read(
        &default_directory().unwrap().join("t10k-labels-idx1-ubyte.gz"),
        super::idx::Kind::Labels,
    )
    .unwrap();
    assert!(super::pair::check_sum(Path::new(LABELS), &file).is_ok());
    let text = super::pair::check_sum(Path::new(IMAGES), &file).unwrap_err().to_string();
    assert!(text.contains("SHA-256: expected 0fa7898d"), "{text}");
}
