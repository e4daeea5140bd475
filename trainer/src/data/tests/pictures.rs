//! Directories of pictures by class.

use std::fs;
use std::path::Path;

use image::{DynamicImage, GrayImage, Luma, LumaA};
use tempfile::TempDir;

use crate::data::{Part, Source, load, load_classes};

/// A picture of 3 columns and 2 rows in one grey.
fn save(directory: &Path, name: &str, grey: u8) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    GrayImage::from_pixel(3, 2, Luma([grey])).save(path).unwrap();
}

fn message(directory: &TempDir, part: Part) -> String {
    let text = format!("{:#}", load(directory.path(), part).unwrap_err());
    assert!(!text.contains('\n'), "one line: {text}");
    text.replace(&format!("{}/", directory.path().display()), "")
}

/// Two classes of two pictures.
fn set() -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, grey) in [("7/a.png", 70), ("7/b.PNG", 71), ("1/z.png", 10), ("1/y.png", 11)] {
        save(directory.path(), name, grey);
    }
    directory
}

#[test]
fn numbers_are_labels_and_other_names_are_sorted() {
    let numbers = set();
    // What file managers leave, and a readme beside the classes.
    for clutter in [".DS_Store", "1/.hidden", "7/Thumbs.db", "README.txt"] {
        fs::write(numbers.path().join(clutter), "clutter").unwrap();
    }
    let data = load(numbers.path(), Part::All).unwrap();
    assert_eq!((data.len(), data.height, data.width), (4, 2, 3));
    assert_eq!(data.labels, [1, 1, 7, 7]);
    let greys: Vec<u8> = (0..4).map(|index| data.image(index)[0]).collect();
    assert_eq!(greys, [11, 10, 70, 71], "by class, then by name");
    let source = Source::open(numbers.path(), None).unwrap();
    let files = source.files(Part::All).unwrap().unwrap();
    assert!(files[0].ends_with("1/y.png") && files[3].ends_with("7/b.PNG"), "{files:?}");
    assert!(source.class_names().is_none());
    let name = numbers.path().file_name().unwrap().to_str().unwrap();
    assert!(data.source.starts_with(&format!("{name} (sha256 ")), "{}", data.source);

    let words = TempDir::new().unwrap();
    for (name, grey) in [("dog/1.png", 1), ("cat/1.jpg", 2), ("cat/2.jpeg", 3)] {
        save(words.path(), name, grey);
    }
    let source = Source::open(words.path(), None).unwrap();
    assert_eq!(source.class_names().unwrap(), ["cat", "dog"]);
    assert_eq!(source.load(Part::All, 2).unwrap().labels, [0, 0, 1]);
}

#[test]
fn every_kind_of_picture_is_grey_levels() {
    let directory = TempDir::new().unwrap();
    let class = directory.path().join("0");
    fs::create_dir(&class).unwrap();
    let grey = GrayImage::from_pixel(3, 2, Luma([100]));
    let whole = DynamicImage::from(grey);
    whole.to_luma16().save(class.join("deep.png")).unwrap();
    whole.to_rgb8().save(class.join("colour.png")).unwrap();
    whole.save(class.join("grey.png")).unwrap();
    let half = image::GrayAlphaImage::from_pixel(3, 2, LumaA([200, 128]));
    half.save(class.join("half.png")).unwrap();
    let data = load(directory.path(), Part::All).unwrap();
    assert!(data.images.iter().all(|pixel| *pixel == 100), "{:?}", data.images);
}

#[test]
fn sets_are_found_by_name() {
    let directory = TempDir::new().unwrap();
    for index in 0..12 {
        save(directory.path(), &format!("training/{}/{index:02}.png", index % 3), index);
    }
    save(directory.path(), "testing/1/a.png", 101);
    let source = Source::open(directory.path(), None).unwrap();
    let parts = source.load_parts(3).unwrap();
    assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (11, 1, 1));
    assert_eq!((parts.test.labels, source.split()), (vec![1], None));
    let validation = source.files(Part::Validation).unwrap().unwrap();
    assert_eq!(validation.len(), 1);
    assert_eq!(image::open(&validation[0]).unwrap().to_luma8().as_raw()[0], parts.validation.images[0]);

    save(directory.path(), "val/2/a.png", 102);
    let source = Source::open(directory.path(), None).unwrap();
    let parts = source.load_parts(3).unwrap();
    assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (12, 1, 1));
    assert_eq!(source.load(Part::Validation, 3).unwrap().labels, [2]);
    assert_eq!(source.load(Part::Train, 3).unwrap().len(), 12);
    assert_eq!(source.load(Part::All, 3).unwrap().len(), 14);

    fs::remove_dir_all(directory.path().join("testing")).unwrap();
    let text = format!("{:#}", Source::open(directory.path(), None).unwrap_err());
    assert!(text.contains("none for the test") && text.contains("--split 6/1"), "{text}");
    fs::remove_dir_all(directory.path().join("val")).unwrap();
    let source = Source::open(directory.path(), None).unwrap();
    assert_eq!(source.load(Part::Test, 3).unwrap().len(), 2, "one in seven");

    let only_test = TempDir::new().unwrap();
    save(only_test.path(), "test/1/a.png", 1);
    assert_eq!(load(only_test.path(), Part::Test).unwrap().len(), 1);
    assert!(message(&only_test, Part::Train).contains("there are no labelled train images"));
}

#[test]
fn every_fault_names_the_file() {
    let damaged = set();
    let bytes = fs::read(damaged.path().join("7/a.png")).unwrap();
    fs::write(damaged.path().join("7/a.png"), &bytes[..bytes.len() / 2]).unwrap();
    let text = message(&damaged, Part::All);
    assert!(text.starts_with("7/a.png: cannot decode"), "{text}");

    let other_size = set();
    GrayImage::new(3, 3).save(other_size.path().join("7/c.png")).unwrap();
    let text = message(&other_size, Part::All);
    assert!(text.starts_with("7/c.png: size: expected 2x3, as 1/y.png, found 3x3; bring all"), "{text}");

    let no_picture = set();
    fs::write(no_picture.path().join("1/x.png"), "GIF89a").unwrap();
    let text = message(&no_picture, Part::All);
    assert!(text.starts_with("1/x.png: ") && text.contains("expected a PNG or JPEG picture"), "{text}");

    let huge = set();
    GrayImage::new(1025, 1).save(huge.path().join("1/a.png")).unwrap();
    assert!(message(&huge, Part::All).starts_with("1/a.png: cannot decode"));

    let empty = set();
    fs::create_dir(empty.path().join("3")).unwrap();
    fs::write(empty.path().join("3/.hidden"), "").unwrap();
    let text = message(&empty, Part::All);
    assert!(text.starts_with("3: class: expected at least one PNG or JPEG file, found none; add"), "{text}");

    let stray = set();
    fs::write(stray.path().join("7/notes.txt"), "").unwrap();
    let text = message(&stray, Part::All);
    assert!(
        text.starts_with("7/notes.txt: kind: expected a PNG or JPEG file") && text.contains("move it"),
        "{text}"
    );
    let deep = set();
    fs::create_dir(deep.path().join("7/more")).unwrap();
    assert!(message(&deep, Part::All).contains("7/more: kind: "));
    let beside = set();
    save(beside.path(), "lost.png", 0);
    assert!(message(&beside, Part::All).contains("lost.png: place: "));

    let many = set();
    save(many.path(), "12/a.png", 0);
    let text = message(&many, Part::All);
    assert!(text.starts_with("12: classes: expected 10, with labels of 0 to 9, found 3 of them"), "{text}");
    assert_eq!(load_classes(many.path(), Part::All, 13).unwrap().len(), 5);
}
