//! What `--data PATH` may be, and how it becomes training, validation and test images.
//!
//! ```text
//! PATH --+--> IDX files --------------+
//!        +--> CSV files --------------+--> train set [validation set] [test set] --> split --> Dataset
//!        +--> pictures by class ------+                [+ pictures without labels]
//! ```
//!
//! docs/DATA.md tells a user the same.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::kind::{Kind, Set, Sets};
use super::split::{self, Indices, Split};
use super::table::{self, Labels, Missing, OnMissing, Table};
use super::{Dataset, MAX_CLASSES, Part, folder, pair};
use crate::config::Pixels;

/// A data set that was recognised; no image is read yet.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    kind: Kind,
    split: Option<Split>,
    pixels: Pixels,
}

/// The three parts of a data set.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The images to learn from.
    pub train: Dataset,
    /// The images to make decisions with.
    pub validation: Dataset,
    /// The images for final figures.
    pub test: Dataset,
}

/// Images without labels.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// The images back to back, row by row.
    pub images: Vec<u8>,
    /// Number of images.
    pub count: usize,
    /// Rows and columns of an image.
    pub side: usize,
    /// Pixels without a value, which were read as background.
    pub missing: Missing,
}

impl Source {
    /// Recognises what is at `path`. With a split, the train set alone is divided into the three parts,
    /// and a test set beside it is not read; a set that comes without a test set is divided by
    /// [`Split::default`].
    ///
    /// # Errors
    ///
    /// Where it is none of the known kinds; the message lists them.
    pub fn open(path: &Path, split: Option<Split>) -> Result<Source> {
        let kind = Kind::of(path)?;
        let alone = !matches!(kind, Kind::Idx) && kind.has(Set::Train) && !kind.has(Set::Test);
        if alone && kind.has(Set::Validation) && split.is_none() {
            bail!(
                "{}: there are train and validation images, but none for the test; add a directory test, or divide the \
                 train images with --split 6/1",
                path.display()
            );
        }
        let split = split.or(alone.then(Split::default));
        Ok(Source { path: path.to_owned(), kind, split, pixels: Pixels::Raw })
    }

    /// Divides the train images by `split`, if there is one.
    #[must_use]
    pub fn divided(self, split: Option<Split>) -> Source {
        Source { split: split.or(self.split), ..self }
    }

    /// Prepares all images that are loaded for a network that takes them so.
    #[must_use]
    pub fn with_pixels(self, pixels: Pixels) -> Source {
        Source { pixels, ..self }
    }

    /// How the train set is divided, where it is not by the fixed split into training and validation.
    pub fn split(&self) -> Option<Split> {
        self.split
    }

    /// Loads a part; every label is below `classes` (2 to [`MAX_CLASSES`]).
    ///
    /// # Errors
    ///
    /// A [`DataError`](super::DataError) where a file is missing, damaged, or not of this set or network.
    pub fn load(&self, part: Part, classes: usize) -> Result<Dataset> {
        check_classes(classes)?;
        if part == Part::All {
            return self.load_all(classes);
        }
        let own = match part {
            Part::Test => Set::Test,
            Part::Validation => Set::Validation,
            _ => Set::Train,
        };
        if self.split.is_none() && own != Set::Train && self.kind.has(own) {
            return self.read(own, classes);
        }
        let train = self.read(Set::Train, classes)?;
        if self.split.is_none() && self.kind.has(Set::Validation) {
            return Ok(train);
        }
        let indices = self.indices(train.len())?;
        Ok(self.select(&train, indices.of(part)))
    }

    /// Loads the images to learn from and those to make decisions with; those for final figures are not read, where
    /// they have files of their own, and dropped unseen where they have not.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_without_test(&self, classes: usize) -> Result<(Dataset, Dataset)> {
        check_classes(classes)?;
        let whole = self.read(Set::Train, classes)?;
        if self.split.is_none() && self.kind.has(Set::Validation) {
            return Ok((whole, self.read(Set::Validation, classes)?));
        }
        let indices = self.indices(whole.len())?;
        Ok((self.select(&whole, &indices.train), self.select(&whole, &indices.validation)))
    }

    /// Loads all three parts, and reads every file once.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_parts(&self, classes: usize) -> Result<Parts> {
        check_classes(classes)?;
        let whole = self.read(Set::Train, classes)?;
        let part = |part| self.indices(whole.len()).map(|indices| self.select(&whole, indices.of(part)));
        if self.split.is_some() {
            let (train, validation, test) = (part(Part::Train)?, part(Part::Validation)?, part(Part::Test)?);
            return Ok(Parts { train, validation, test });
        }
        let test = self.load(Part::Test, classes)?;
        if self.kind.has(Set::Validation) {
            return Ok(Parts { validation: self.read(Set::Validation, classes)?, train: whole, test });
        }
        Ok(Parts { train: part(Part::Train)?, validation: part(Part::Validation)?, test })
    }

    /// The files of the images of a part, in its order; none where files hold many images.
    ///
    /// # Errors
    ///
    /// Where a directory cannot be read.
    pub fn files(&self, part: Part) -> Result<Option<Vec<PathBuf>>> {
        let Kind::Folder(sets, classes) = &self.kind else { return Ok(None) };
        let list = |set| match sets.of(set) {
            Some(directory) => folder::list(directory, classes),
            None => Ok(Vec::new()),
        };
        let only_path = |files: Vec<(u8, PathBuf)>| files.into_iter().map(|(_, path)| path).collect();
        let (train, validation, test) = (list(Set::Train)?, list(Set::Validation)?, list(Set::Test)?);
        let whole = match part {
            Part::All => [train, validation, test].concat(),
            Part::Test if self.split.is_none() && !test.is_empty() => test,
            Part::Validation if self.split.is_none() && !validation.is_empty() => validation,
            Part::Train if self.split.is_none() && !validation.is_empty() => train,
            part => {
                let indices = self.indices(train.len())?;
                indices.of(part).iter().map(|index| train[*index].clone()).collect()
            }
        };
        Ok(Some(only_path(whole)))
    }

    /// The names of the classes in the order of their labels, where directories have names that are not the
    /// labels themselves.
    pub fn class_names(&self) -> Option<&[String]> {
        match &self.kind {
            Kind::Folder(_, classes) if !folder::are_labels(classes) => Some(classes),
            _ => None,
        }
    }

    /// Pictures that come without labels, as Kaggle's `test.csv`.
    ///
    /// # Errors
    ///
    /// Where the file is damaged.
    pub fn load_unlabelled(&self) -> Result<Option<Pictures>> {
        match &self.kind {
            Kind::Csv(_, Some(path)) => Pictures::read(path, OnMissing::Count).map(Some),
            _ => Ok(None),
        }
    }

    /// A set as the files have it, and how many values are missing there.
    pub(super) fn read_with_missing(&self, set: Set, classes: usize) -> Result<(Dataset, Missing)> {
        match &self.kind {
            Kind::Csv(sets, _) => {
                let path = self.place(sets, set)?;
                let table = table::read(path, Labels::Below(classes), OnMissing::Count)?;
                let missing = table.missing;
                Ok((dataset(path, table, classes), missing))
            }
            _ => Ok((self.read(set, classes)?, Missing::default())),
        }
    }

    /// The parts that a set as the files have it makes.
    pub(super) fn divide(&self, set: Set, whole: Dataset) -> Result<Vec<(Part, Dataset)>> {
        match set {
            Set::Validation => Ok(vec![(Part::Validation, whole)]),
            Set::Test => Ok(vec![(Part::Test, whole)]),
            Set::Train if self.split.is_none() && self.kind.has(Set::Validation) => {
                Ok(vec![(Part::Train, whole)])
            }
            Set::Train => {
                let indices = self.indices(whole.len())?;
                let parts = [Part::Train, Part::Validation, Part::Test].into_iter();
                let parts = parts.filter(|part| self.split.is_some() || *part != Part::Test);
                Ok(parts.map(|part| (part, self.select(&whole, indices.of(part)))).collect())
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn has(&self, set: Set) -> bool {
        match self.kind {
            // Half a pair is named when it is read.
            Kind::Idx => set == Set::Train || (set == Set::Test && pair::has_test(&self.path)),
            _ => self.kind.has(set),
        }
    }

    /// A set as the files have it, its pixels prepared.
    fn read(&self, set: Set, classes: usize) -> Result<Dataset> {
        let data = match &self.kind {
            Kind::Idx => pair::read(&self.path, set, classes),
            Kind::Csv(sets, _) => {
                let path = self.place(sets, set)?;
                let table = table::read(path, Labels::Below(classes), OnMissing::Refuse)?;
                Ok(dataset(path, table, classes))
            }
            Kind::Folder(sets, names) => folder::read(&self.path, self.place(sets, set)?, names, classes),
        };
        Ok(data?.with_pixels(self.pixels))
    }

    fn load_all(&self, classes: usize) -> Result<Dataset> {
        let mut all: Option<Dataset> = None;
        for set in [Set::Train, Set::Validation, Set::Test].into_iter().filter(|set| self.has(*set)) {
            let more = self.read(set, classes)?;
            let Some(all) = &mut all else {
                all = Some(more);
                continue;
            };
            all.expect_size(more.height, more.width)?;
            all.images.extend_from_slice(&more.images);
            all.labels.extend_from_slice(&more.labels);
        }
        all.with_context(|| self.without("labelled images"))
    }

    fn place<'a>(&self, sets: &'a Sets, set: Set) -> Result<&'a Path> {
        sets.of(set).with_context(|| {
            self.without(match set {
                Set::Train => "labelled train images",
                Set::Validation => "validation images",
                Set::Test => "labelled test images",
            })
        })
    }

    fn without(&self, what: &str) -> String {
        format!("{}: there are no {what}; docs/DATA.md says what a data set consists of", self.path.display())
    }

    /// How `count` images of the train set are divided.
    fn indices(&self, count: usize) -> Result<Indices> {
        let Some(split) = self.split else { return Ok(split::fixed(count)) };
        ensure!(
            count >= 3,
            "{}: expected at least 3 images, to divide them into training, validation and test, found {count}; add \
             some",
            self.path.display()
        );
        Ok(split.indices(count))
    }

    fn select(&self, all: &Dataset, indices: &[usize]) -> Dataset {
        let mut images = Vec::with_capacity(indices.len() * all.height * all.width);
        for index in indices {
            images.extend_from_slice(all.image(*index));
        }
        let source = match self.split {
            Some(split) => format!("{}, {split}", all.source),
            None => all.source.clone(),
        };
        let labels = indices.iter().map(|index| all.labels[*index]).collect();
        Dataset { images, labels, source, ..*all }
    }
}

impl Pictures {
    /// Reads the pictures of a CSV file; a column of labels is not looked at.
    ///
    /// # Errors
    ///
    /// A [`DataError`](super::DataError) that names line and column of what is wrong, missing values included.
    pub fn open(path: &Path) -> Result<Pictures> {
        Pictures::read(path, OnMissing::Refuse)
    }

    fn read(path: &Path, on_missing: OnMissing) -> Result<Pictures> {
        let Table { pixels, count, side, missing, .. } = table::read(path, Labels::Ignored, on_missing)?;
        Ok(Pictures { images: pixels, count, side, missing })
    }
}

impl Indices {
    fn of(&self, part: Part) -> &[usize] {
        match part {
            Part::Train => &self.train,
            Part::Validation => &self.validation,
            Part::Test | Part::All => &self.test,
        }
    }
}

fn dataset(path: &Path, table: Table, classes: usize) -> Dataset {
    Dataset {
        images: table.pixels,
        labels: table.labels,
        height: table.side,
        width: table.side,
        classes,
        source: super::provenance(path, &table.sum),
    }
}

fn check_classes(classes: usize) -> Result<()> {
    if !(2..=MAX_CLASSES).contains(&classes) {
        bail!("classes: expected 2 to {MAX_CLASSES}, found {classes}; change the network's last layer");
    }
    Ok(())
}
