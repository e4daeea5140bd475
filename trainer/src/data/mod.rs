//! Images and labels: IDX files in, a checked [`Dataset`] out.
//!
//! ```text
//! directory -> names -> idx (one file) -> [checksum, if shipped] -> pair checks -> split -> Dataset
//! ```
//!
//! The repository carries MNIST ([`default_directory`]); any other directory with a pair of IDX
//! files works as well: Fashion-MNIST, EMNIST digits, or a set of your own. EMNIST stores its
//! images transposed; files of that name are turned upright here.

mod idx;
mod pixels;
mod shipped;
mod split;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub use idx::DataError;
use idx::{Idx, Kind};

/// Most classes that a network can tell apart; the runtime's limit.
pub const MAX_CLASSES: usize = 16;

/// Which images to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// 55,000 of MNIST's 60,000 train images.
    Train,
    /// The other 5,000. The division is fixed for ever.
    Validation,
    /// The test file: only for final figures, never for decisions.
    Test,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Part::Train => "train",
            Part::Validation => "validation",
            Part::Test => "test",
        })
    }
}

/// Images with their labels; every label is below `classes`.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The images back to back, row by row: `len() * height * width` pixels, 0 is background.
    pub images: Vec<u8>,
    /// One label an image.
    pub labels: Vec<u8>,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Number of classes.
    pub classes: usize,
    /// What the data is, for provenance: `MNIST`, or the directory's name and a checksum.
    pub source: String,
}

impl Dataset {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The pixels of image `index`, row by row.
    ///
    /// # Panics
    ///
    /// If `index >= len()`.
    pub fn image(&self, index: usize) -> &[u8] {
        let area = self.height * self.width;
        &self.images[index * area..(index + 1) * area]
    }

    /// Keeps the first `count` images only.
    pub fn truncate(&mut self, count: usize) {
        self.images.truncate(count.saturating_mul(self.height * self.width));
        self.labels.truncate(count);
    }

    /// Fails unless the images have the size that a network wants.
    ///
    /// # Errors
    ///
    /// Where they do not.
    pub fn expect_size(&self, height: usize, width: usize) -> Result<()> {
        if (self.height, self.width) != (height, width) {
            bail!(
                "{}: image size: expected {height}x{width}, the network's input, found {}x{}; \
                 choose a data set or a network of the other's size",
                self.source,
                self.height,
                self.width
            );
        }
        Ok(())
    }
}

/// The directory of the MNIST files that the repository carries: `trainer/data/mnist`, searched
/// from the working directory upwards, then where this program was built.
///
/// # Errors
///
/// Where it is not found.
pub fn default_directory() -> Result<PathBuf> {
    repository_path("trainer/data/mnist")
        .context("the MNIST files: run inside the Tenfold repository, or name a directory with --data DIR")
}

/// Finds a path of the repository: of the one around the working directory, else of the one that this
/// program was built in.
///
/// # Errors
///
/// Where neither has it.
pub fn repository_path(relative: &str) -> Result<PathBuf> {
    let working = std::env::current_dir().unwrap_or_default();
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    // A directory above may well hold a `models` of somebody else's.
    let is_root = |root: &&Path| root.join("trainer/src/data/shipped.rs").is_file();
    working
        .ancestors()
        .find(is_root)
        .into_iter()
        .chain([built])
        .map(|root| root.join(relative))
        .find(|path| path.exists())
        .with_context(|| format!("{relative} not found in the repository"))
}

/// Loads a part of the data set in `directory`, whose labels must be `0..=9`.
///
/// # Errors
///
/// As [`load_classes`].
pub fn load(directory: &Path, part: Part) -> Result<Dataset> {
    load_classes(directory, part, 10)
}

/// Loads a part of the data set in `directory`, whose labels must be below `classes`
/// (2 to [`MAX_CLASSES`]).
///
/// # Errors
///
/// A [`DataError`] where a file is missing, damaged, or not of this set or network.
pub fn load_classes(directory: &Path, part: Part, classes: usize) -> Result<Dataset> {
    if !(2..=MAX_CLASSES).contains(&classes) {
        bail!("classes: expected 2 to {MAX_CLASSES}, found {classes}; change the network's last layer");
    }
    let files = Files::find(directory, part)?;
    let images = idx::read(&files.images, Kind::Images)?;
    let labels = idx::read(&files.labels, Kind::Labels)?;

    let shipped = is_shipped(directory);
    if shipped {
        check_sum(&files.images, &images)?;
        check_sum(&files.labels, &labels)?;
    }
    if images.count != labels.count {
        return Err(DataError {
            file: files.labels,
            field: "count",
            expected: format!("{} labels, one for each image of {}", images.count, files.images.display()),
            found: labels.count.to_string(),
            cure: "the two files are not of the same set: copy both again",
        }
        .into());
    }
    if let Some((index, label)) =
        labels.values.iter().enumerate().find(|(_, label)| usize::from(**label) >= classes)
    {
        return Err(DataError {
            file: files.labels,
            field: "labels",
            expected: format!("values of 0 to {} ({classes} classes)", classes - 1),
            found: format!("{label} at index {index}"),
            cure: "the file is damaged, or the set has more classes than the network",
        }
        .into());
    }

    let source = if shipped {
        "MNIST".to_owned()
    } else {
        let name = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        let name = name.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| "data".to_owned());
        // Enough of the sum to tell two sets of the same name apart in a model's provenance.
        format!("{name} (sha256 {}...)", &images.sum[..16])
    };
    let (height, width) = (images.rows, images.columns);
    let mut all = Dataset { images: images.values, labels: labels.values, height, width, classes, source };
    if files.transposed {
        transpose(&mut all);
    }
    Ok(match part {
        Part::Test => all,
        Part::Train => select(&all, &split::split(all.len()).0),
        Part::Validation => select(&all, &split::split(all.len()).1),
    })
}

/// The two files of a part.
struct Files {
    images: PathBuf,
    labels: PathBuf,
    /// Whether images are stored column by column.
    transposed: bool,
}

impl Files {
    /// The names in use: LeCun's, the same with a dot as some unpackers write them, EMNIST's.
    fn find(directory: &Path, part: Part) -> Result<Files> {
        if !directory.is_dir() {
            bail!(
                "{}: expected a directory with IDX files, found {}; name one with --data DIR",
                directory.display(),
                if directory.exists() { "a file" } else { "nothing" }
            );
        }
        let (lecun, emnist) = match part {
            Part::Train | Part::Validation => ("train", "train"),
            Part::Test => ("t10k", "test"),
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
        bail!(
            "{}: expected {lecun}-images-idx3-ubyte and {lecun}-labels-idx1-ubyte (plain or .gz), \
             found neither, nor emnist-digits-{emnist}-*; name the right directory with --data DIR",
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

fn check_sum(path: &Path, file: &Idx) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match shipped::expected_sum(&name) {
        Some(sum) if sum == file.sum => Ok(()),
        expected => Err(DataError {
            file: path.to_owned(),
            field: "SHA-256",
            expected: expected.unwrap_or("one of the four files of MNIST").to_owned(),
            found: file.sum.clone(),
            cure: "restore it with `git checkout`, or name another directory with --data DIR",
        }
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

fn select(all: &Dataset, indices: &[usize]) -> Dataset {
    let mut images = Vec::with_capacity(indices.len() * all.height * all.width);
    for index in indices {
        images.extend_from_slice(all.image(*index));
    }
    Dataset {
        images,
        labels: indices.iter().map(|index| all.labels[*index]).collect(),
        height: all.height,
        width: all.width,
        classes: all.classes,
        source: all.source.clone(),
    }
}
