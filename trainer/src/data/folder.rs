//! Pictures by class: a directory with a directory of PNG or JPEG files for each class.
//!
//! ```text
//! <set>/0/*.png  <set>/1/*.png  ...      the label is the number, where all classes are numbers below 16
//! <set>/cat/*.jpg  <set>/dog/*.jpg       else the place of the class among the sorted names
//! ```
//!
//! Pictures are taken as they are: grey levels, 0 background to 255 ink, all of one size.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use sha2::{Digest, Sha256};

use super::idx::hexadecimal;
use super::{DataError, Dataset, MAX_CLASSES, MAX_SIDE, MAX_VALUES, picture};
use crate::engine::run_batches;
use crate::report::progress;

/// Pictures that a thread decodes at a time.
const BATCH: usize = 64;

const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];

/// The names of all classes of some sets, in the order of their labels where they are no numbers.
pub(super) fn classes(sets: &[&Path]) -> Result<Vec<String>> {
    let mut classes = BTreeSet::new();
    for set in sets {
        for name in super::names(set)? {
            if is_clutter(&name) {
                continue;
            }
            let path = set.join(&name);
            if path.is_dir() {
                classes.insert(name);
            } else if is_picture(&path) {
                return Err(DataError::new(
                    &path,
                    "place",
                    "the directory of a class around every picture",
                    "a picture beside the classes",
                    "move it to its class",
                )
                .into());
            }
        }
    }
    Ok(classes.into_iter().collect())
}

/// The pictures of a set with their labels, by class, then by name.
pub(super) fn list(set: &Path, classes: &[String]) -> Result<Vec<(u8, PathBuf)>> {
    let mut files = Vec::new();
    for (class, label) in classes.iter().zip(labels(classes)) {
        let directory = set.join(class);
        // A test set may well lack a class.
        if !directory.is_dir() {
            continue;
        }
        let before = files.len();
        for name in super::names(&directory)? {
            let path = directory.join(&name);
            if is_clutter(&name) {
                continue;
            }
            if path.is_dir() || !is_picture(&path) {
                let found = if path.is_dir() { "a directory" } else { "another file" };
                return Err(DataError::new(
                    &path,
                    "kind",
                    "a PNG or JPEG file, which is what the directory of a class holds",
                    found,
                    "move it away, or convert it",
                )
                .into());
            }
            files.push((label, path));
        }
        if files.len() == before {
            return Err(DataError::new(
                &directory,
                "class",
                "at least one PNG or JPEG file",
                "none",
                "add pictures, or remove the directory",
            )
            .into());
        }
    }
    if files.is_empty() {
        return Err(DataError::new(
            set,
            "classes",
            "a directory for each class",
            "none",
            "name the right directory with --data PATH",
        )
        .into());
    }
    Ok(files)
}

/// Reads a set of the data at `origin`, with a progress bar; every label is below `limit`.
///
/// # Errors
///
/// A [`DataError`] that names the file where one cannot be read or has another size than the first.
pub(super) fn read(origin: &Path, set: &Path, classes: &[String], limit: usize) -> Result<Dataset> {
    if let Some((class, label)) =
        classes.iter().zip(labels(classes)).find(|(_, label)| usize::from(*label) >= limit)
    {
        return Err(DataError::new(
            &set.join(class),
            "classes",
            format!("{limit}, with labels of 0 to {}", limit - 1),
            format!("{} of them, and label {label} for {class}", classes.len()),
            "the set has more classes than the network; change the units of its last layer",
        )
        .into());
    }
    let files = list(set, classes)?;
    let (_, first) = files.first().ok_or_else(|| anyhow!("{}: no pictures", set.display()))?;
    let (width, height) = decode(first)?.dimensions();
    let area = width as usize * height as usize;
    if area.saturating_mul(files.len()) > MAX_VALUES {
        return Err(DataError::new(
            set,
            "pictures",
            format!("at most {} of {height}x{width}", MAX_VALUES / area.max(1)),
            files.len().to_string(),
            "take fewer, or smaller ones",
        )
        .into());
    }

    let bar = progress(files.len() as u64, "images");
    bar.set_prefix(set.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let batches = run_batches(files.len(), BATCH, &|done| bar.inc(done as u64), |range| {
        let mut pixels = Vec::with_capacity(range.len() * area);
        for (_, path) in &files[range] {
            let grey = decode(path)?;
            if grey.dimensions() != (width, height) {
                return Err(DataError::new(
                    path,
                    "size",
                    format!("{height}x{width}, as {}", first.display()),
                    format!("{}x{}", grey.height(), grey.width()),
                    "bring all pictures to one size",
                )
                .into());
            }
            pixels.extend_from_slice(grey.as_raw());
        }
        Ok(pixels)
    })?;
    bar.finish_and_clear();

    let images = batches.concat();
    let labels: Vec<u8> = files.iter().map(|(label, _)| *label).collect();
    let mut hash = Sha256::new();
    hash.update(&labels);
    hash.update(&images);
    let source = super::provenance(origin, &hexadecimal(&hash.finalize()));
    let (height, width) = (height as usize, width as usize);
    Ok(Dataset { images, labels, height, width, classes: limit, source })
}

/// Whether all classes are called by numbers below [`MAX_CLASSES`], which are their labels then.
pub(super) fn are_labels(classes: &[String]) -> bool {
    numbers(classes).is_some()
}

fn numbers(classes: &[String]) -> Option<Vec<u8>> {
    let number = |class: &String| class.parse().ok().filter(|number| usize::from(*number) < MAX_CLASSES);
    let numbers: Vec<u8> = classes.iter().map(number).collect::<Option<_>>()?;
    // 1 and 01 are not two labels.
    (numbers.iter().collect::<BTreeSet<_>>().len() == numbers.len()).then_some(numbers)
}

/// The labels of classes: their numbers, else their places.
fn labels(classes: &[String]) -> Vec<u8> {
    let places = || (0..classes.len()).map(|place| place.min(255) as u8).collect();
    numbers(classes).unwrap_or_else(places)
}

fn decode(path: &Path) -> Result<image::GrayImage> {
    let decoded = picture::decode(path, MAX_SIDE as u32).with_context(|| path.display().to_string())?;
    // The ground of transparent parts is the background of MNIST.
    Ok(picture::grey(&decoded, 0))
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// What file managers leave behind.
fn is_clutter(name: &str) -> bool {
    name.starts_with('.') || ["Thumbs.db", "desktop.ini", "__MACOSX"].contains(&name)
}
