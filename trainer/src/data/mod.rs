//! Images and labels: files in, a checked [`Dataset`] out.
//!
//! ```text
//! source (what is at PATH?) --+--> pair ----> idx: IDX files, [checksum, if shipped] --+
//!                             +--> table: CSV files -----------------------------------+--> split --> Dataset
//!                             +--> folder --> picture: PNG and JPEG files by class ----+
//! ```
//!
//! The repository carries MNIST ([`default_directory`]); any other set works as well: Fashion-MNIST, EMNIST
//! digits, Kaggle's files, or a set of your own ([`Source`]). EMNIST stores its images transposed; IDX files of
//! that name are turned upright here.

mod error;
mod folder;
mod idx;
mod kind;
mod lines;
mod pair;
pub(crate) mod picture;
mod pixels;
mod shipped;
mod source;
mod split;
mod statistics;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub use error::DataError;
pub(crate) use idx::hexadecimal;
pub use source::{Parts, Pictures, Source};
pub use split::{DEFAULT_SPLIT_SEED, Shares, Split};
pub use statistics::{FileMissing, SetStatistics, Statistics, Survey};
pub use table::Missing;

/// Most classes that a network can tell apart; the runtime's limit.
pub const MAX_CLASSES: usize = 16;

/// Most pixels of a set: 1 GiB, five times EMNIST digits.
const MAX_VALUES: usize = 1 << 30;

/// Most rows or columns of an image.
const MAX_SIDE: usize = 1024;

/// Which images to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// 55,000 of MNIST's 60,000 train images.
    Train,
    /// The other 5,000. The division is fixed for ever.
    Validation,
    /// The test file: only for final figures, never for decisions.
    Test,
    /// All labelled images, for a set that nothing was trained on.
    All,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Part::Train => "train",
            Part::Validation => "validation",
            Part::Test => "test",
            Part::All => "all",
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
        .context("the MNIST files: run inside the Tenfold repository, or name a data set with --data PATH")
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

/// Loads a part of the data set at `path`, whose labels must be `0..=9`.
///
/// # Errors
///
/// As [`load_classes`].
pub fn load(path: &Path, part: Part) -> Result<Dataset> {
    load_classes(path, part, 10)
}

/// Loads a part of the data set at `path`, whose labels must be below `classes`
/// (2 to [`MAX_CLASSES`]).
///
/// # Errors
///
/// As [`Source::open`] and [`Source::load`].
pub fn load_classes(path: &Path, part: Part, classes: usize) -> Result<Dataset> {
    Source::open(path, None)?.load(part, classes)
}

/// What a data set is, for a model's provenance: its name and enough of a checksum to tell two sets of the
/// same name apart.
fn provenance(path: &Path, sum: &str) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = whole.file_name().map_or("data".into(), |name| name.to_string_lossy());
    format!("{name} (sha256 {}...)", &sum[..16])
}

/// Whether two texts of [`Dataset::source`] are of the same images, divided in the same way. Where there are checksums,
/// the names do not count: a set is what it was wherever it lies.
pub(crate) fn is_same_source(first: &str, second: &str) -> bool {
    let known = |source: &str| match source.rfind(" (sha256 ") {
        Some(place) => Some(source[place..].to_owned()),
        // The shipped set goes without, and may lie elsewhere as well.
        None => source
            .strip_prefix("MNIST")
            .map(|rest| format!(" (sha256 {}...){rest}", &shipped::MNIST[0].1[..16])),
    };
    match (known(first), known(second)) {
        (Some(first), Some(second)) => first == second,
        _ => first == second,
    }
}

/// The names in a directory, sorted.
fn names(directory: &Path) -> Result<Vec<String>> {
    let failed = |error: std::io::Error| DataError::unreadable(directory, &error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}
