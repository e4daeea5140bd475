//! A set of IDX files: two of the train set, two of the test set.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::idx::{self, Idx, Kind};
use super::kind::Set;
use super::{DataError, Dataset, default_directory, shipped};

/// Reads the images and labels of a set, upright; every label is below `classes`.
///
/// # Errors
///
/// A [`DataError`] where a file is missing, damaged, or not of this set or network.
pub(super) fn read(directory: &Path, set: Set, classes: usize) -> Result<Dataset> {
    let files = Files::find(directory, set)?;
    let images = idx::read(&files.images, Kind::Images)?;
    let labels = idx::read(&files.labels, Kind::Labels)?;

    let shipped = is_shipped(directory);
    if shipped {
        check_sum(&files.images, &images)?;
        check_sum(&files.labels, &labels)?;
    }
    if images.count != labels.count {
        return Err(DataError::new(
            &files.labels,
            "count",
            format!("{} labels, one for each image of {}", images.count, files.images.display()),
            labels.count.to_string(),
            "the two files are not of the same set: copy both again",
        )
        .into());
    }
    if let Some((index, label)) =
        labels.values.iter().enumerate().find(|(_, label)| usize::from(**label) >= classes)
    {
        return Err(DataError::new(
            &files.labels,
            "labels",
            format!("values of 0 to {} ({classes} classes)", classes - 1),
            format!("{label} at index {index}"),
            "the file is damaged, or the set has more classes than the network",
        )
        .into());
    }

    let source = if shipped { "MNIST".to_owned() } else { super::provenance(directory, &images.sum) };
    let (height, width) = (images.rows, images.columns);
    let mut all = Dataset { images: images.values, labels: labels.values, height, width, classes, source };
    if files.transposed {
        transpose(&mut all);
    }
    Ok(all)
}

/// Whether a directory holds at least one IDX file.
pub(super) fn is_set(directory: &Path) -> bool {
    let is_idx = |name: &str| name.contains("idx3-ubyte") || name.contains("idx1-ubyte");
    super::names(directory).is_ok_and(|names| names.iter().any(|name| is_idx(name)))
}

/// Whether one of the two files of the test set is there.
pub(super) fn has_test(directory: &Path) -> bool {
    Files::find(directory, Set::Test).is_ok()
}

/// The two files of a set.
struct Files {
    images: PathBuf,
    labels: PathBuf,
    /// Whether images are stored column by column.
    transposed: bool,
}

impl Files {
    /// The names in use: LeCun's, the same with a dot as some unpackers write them, EMNIST's.
    fn find(directory: &Path, set: Set) -> Result<Files> {
        let (lecun, emnist) = match set {
            Set::Train | Set::Validation => ("train", "train"),
            Set::Test => ("t10k", "test"),
        };
        let schemes = [
            (lecun.to_owned(), "-", false),
            (lecun.to_owned(), ".", false),
            (format!("emnist-digits-{emnist}"), "-", true),
            (format!("emnist-mnist-{emnist}"), "-", true),
        ];
        for (stem, mark, transposed) in &schemes {
            let images = present(directory, &format!("{stem}-images{mark}idx3-ubyte"));
            let labels = present(directory, &format!("{stem}-labels{mark}idx1-ubyte"));
            // Half a pair is chosen too: the reader then names the missing file.
            if images.is_ok() || labels.is_ok() {
                let either = |found: Result<PathBuf, PathBuf>| found.unwrap_or_else(|absent| absent);
                return Ok(Files { images: either(images), labels: either(labels), transposed: *transposed });
            }
        }
        let cure = match set {
            Set::Test => ", or divide the train images with --split 6/1",
            Set::Train | Set::Validation => "",
        };
        bail!(
            "{}: expected {lecun}-images-idx3-ubyte and {lecun}-labels-idx1-ubyte (plain or .gz), found neither, nor \
             emnist-digits-{emnist}-*; name the right directory with --data PATH{cure}",
            directory.display()
        );
    }
}

/// The file of that name, plain or compressed, or the plain path if there is none.
fn present(directory: &Path, name: &str) -> Result<PathBuf, PathBuf> {
    let plain = directory.join(name);
    let compressed = directory.join(format!("{name}.gz"));
    if !plain.is_file() && compressed.is_file() {
        return Ok(compressed);
    }
    if plain.is_file() { Ok(plain) } else { Err(plain) }
}

/// Whether the directory is the repository's own.
fn is_shipped(directory: &Path) -> bool {
    let own = default_directory().and_then(|path| Ok(path.canonicalize()?));
    matches!((directory.canonicalize(), own), (Ok(given), Ok(own)) if given == own)
}

pub(super) fn check_sum(path: &Path, file: &Idx) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match shipped::expected_sum(&name) {
        Some(sum) if sum == file.sum => Ok(()),
        expected => Err(DataError::new(
            path,
            "SHA-256",
            expected.unwrap_or("one of the four files of MNIST"),
            file.sum.clone(),
            "restore it with `git checkout`, or name another directory with --data PATH",
        )
        .into()),
    }
}

fn transpose(data: &mut Dataset) {
    let (height, width) = (data.height, data.width);
    let mut upright = Vec::with_capacity(data.images.len());
    for image in data.images.chunks_exact(height * width) {
        for column in 0..width {
            upright.extend((0..height).map(|row| image[row * width + column]));
        }
    }
    data.images = upright;
    (data.height, data.width) = (width, height);
}
