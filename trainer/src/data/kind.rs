//! What is at a PATH: IDX files, CSV files, or pictures by class, and which sets they make.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

use super::{DataError, folder, pair, table};

/// What a PATH is expected to be, for messages.
const EXPECTED: &str = "a directory with IDX files (train-images-idx3-ubyte, ...), a CSV file with a label and the \
    pixels of a picture a line (train.csv, plain or .gz) or a directory with it, or a directory of PNG or JPEG files \
    by class (0/*.png, 1/*.png, ... or train/0/*.png, test/0/*.png, ...)";

const TRAIN_NAMES: [&str; 2] = ["train", "training"];
const VALIDATION_NAMES: [&str; 3] = ["validation", "valid", "val"];
const TEST_NAMES: [&str; 2] = ["test", "testing"];

/// What the files of a source are.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// IDX files.
    Idx,
    /// CSV files, and one without labels.
    Csv(Sets, Option<PathBuf>),
    /// Directories of the classes with these names.
    Folder(Sets, Vec<String>),
}

/// A set as the files have it, before it is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    Train,
    Validation,
    Test,
}

/// Where each set is.
#[derive(Clone, Debug, Default)]
pub(super) struct Sets {
    train: Option<PathBuf>,
    validation: Option<PathBuf>,
    test: Option<PathBuf>,
}

impl Sets {
    pub(super) fn of(&self, set: Set) -> Option<&Path> {
        match set {
            Set::Train => self.train.as_deref(),
            Set::Validation => self.validation.as_deref(),
            Set::Test => self.test.as_deref(),
        }
    }
}

impl Kind {
    /// Recognises what is at `path`; the message lists what it may be.
    pub(super) fn of(path: &Path) -> Result<Kind> {
        let shown = path.display();
        if !path.exists() {
            bail!("{shown}: expected a data set, found nothing; --data takes {EXPECTED}");
        }
        if path.is_file() {
            return Kind::of_file(path);
        }
        ensure!(
            path.is_dir(),
            "{shown}: expected a data set, found a pipe or a device; --data takes {EXPECTED}"
        );
        if pair::is_set(path) {
            return Ok(Kind::Idx);
        }
        let names = super::names(path)?;
        if let Some(kind) = Kind::of_tables(path, &names)? {
            return Ok(kind);
        }
        let named = |wanted: &[&str]| {
            let name =
                names.iter().find(|name| wanted.iter().any(|wanted| name.eq_ignore_ascii_case(wanted)));
            name.map(|name| path.join(name)).filter(|path| path.is_dir())
        };
        let mut sets = Sets {
            train: named(&TRAIN_NAMES),
            validation: named(&VALIDATION_NAMES),
            test: named(&TEST_NAMES),
        };
        if sets.train.is_none() && sets.test.is_none() {
            sets = Sets { train: Some(path.to_owned()), ..Sets::default() };
        }
        let places: Vec<&Path> =
            [Set::Train, Set::Validation, Set::Test].iter().filter_map(|set| sets.of(*set)).collect();
        let classes = folder::classes(&places)?;
        if classes.is_empty() {
            let found = if names.is_empty() { "an empty directory" } else { "neither of its kinds" };
            bail!("{shown}: expected a data set, found {found}; --data takes {EXPECTED}");
        }
        Ok(Kind::Folder(sets, classes))
    }

    /// A file is a table, by its name.
    fn of_file(path: &Path) -> Result<Kind> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if csv_stem(&name).is_some() {
            let path = path.to_owned();
            return Ok(match table::has_labels(&path)? {
                true => Kind::Csv(Sets { train: Some(path), ..Sets::default() }, None),
                false => Kind::Csv(Sets::default(), Some(path)),
            });
        }
        let mut start = Vec::new();
        let read = File::open(path).and_then(|file| file.take(4).read_to_end(&mut start));
        read.map_err(|error| DataError::unreadable(path, &error))?;
        let found = match start.as_slice() {
            [0, 0, 8, 1 | 3] => "an IDX file; name the directory that it is in",
            _ => "another file",
        };
        bail!("{}: expected a data set, found {found}; --data takes {EXPECTED}", path.display());
    }

    /// A directory with `train.csv` or one table of another name, and perhaps with `test.csv`.
    fn of_tables(directory: &Path, names: &[String]) -> Result<Option<Kind>> {
        let mut tables: Vec<(&str, &String)> =
            names.iter().filter_map(|name| Some((csv_stem(name)?, name))).collect();
        // Of a plain and a compressed file, the plain one: it comes first.
        tables.dedup_by(|second, first| second.0 == first.0);
        // What Kaggle takes and gives as an example is no set.
        tables.retain(|(stem, _)| !stem.to_ascii_lowercase().contains("submission"));
        let ending = |ending: &str| {
            let found: Vec<&String> = tables
                .iter()
                .filter(|(stem, _)| stem.to_ascii_lowercase().ends_with(ending))
                .map(|(_, name)| *name)
                .collect();
            match found.as_slice() {
                [] => Ok(None),
                [name] => Ok(Some(directory.join(name))),
                [first, second, ..] => bail!(
                    "{}: expected one file *{ending}.csv, found {first} and {second}; name the file itself with --data",
                    directory.display()
                ),
            }
        };
        let (train, test) = (ending("train")?, ending("test")?);
        let train = match (train, tables.as_slice()) {
            (None, [(_, name)]) if test.is_none() => Some(directory.join(name)),
            (None, [first, second, ..]) if test.is_none() => bail!(
                "{}: expected train.csv, found {} and {}; name one file with --data",
                directory.display(),
                first.1,
                second.1
            ),
            (train, _) => train,
        };
        if train.is_none() && test.is_none() {
            return Ok(None);
        }
        let (test, unlabelled) = match test {
            Some(path) if table::has_labels(&path)? => (Some(path), None),
            unlabelled => (None, unlabelled),
        };
        Ok(Some(Kind::Csv(Sets { train, validation: None, test }, unlabelled)))
    }

    /// Whether there is a set; of IDX files a test set is expected, and missed when it is read.
    pub(super) fn has(&self, set: Set) -> bool {
        match self {
            Kind::Idx => set != Set::Validation,
            Kind::Csv(sets, _) | Kind::Folder(sets, _) => sets.of(set).is_some(),
        }
    }
}

/// The name of a CSV file without its ending.
fn csv_stem(name: &str) -> Option<&str> {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let (stem, extension) = plain.rsplit_once('.')?;
    (extension.eq_ignore_ascii_case("csv") && !stem.is_empty()).then_some(stem)
}
