//! What is wrong with a data file.

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with a data file: which file, which field of it, and what to do.
#[derive(Debug)]
pub struct DataError {
    /// The file at fault.
    pub file: PathBuf,
    /// The field of the file, for example `magic`, or `line 7, column 3 (pixel1)`.
    pub field: String,
    /// What the field should have been.
    pub expected: String,
    /// What it was.
    pub found: String,
    /// What the user can do about it.
    pub cure: &'static str,
}

impl DataError {
    pub(super) fn new(
        file: &Path,
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        cure: &'static str,
    ) -> DataError {
        DataError {
            file: file.to_owned(),
            field: field.into(),
            expected: expected.into(),
            found: found.into(),
            cure,
        }
    }

    /// A file or directory that the system does not let us read.
    pub(super) fn unreadable(file: &Path, error: &io::Error) -> DataError {
        DataError::new(file, "file", "a readable file", error.to_string(), "check its name and permissions")
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DataError { file, field, expected, found, cure } = self;
        write!(formatter, "{}: {field}: expected {expected}, found {found}; {cure}", file.display())
    }
}

impl core::error::Error for DataError {}
