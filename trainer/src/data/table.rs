//! Reader of CSV files with a picture a line, as Kaggle's digit recognizer has them.
//!
//! ```text
//! label,pixel0,pixel1,...,pixel783      a header, or none; without `label` the pictures have no labels
//! 7,0,0,...,0                           pixels row by row, 0 background to 255 ink
//! ```
//!
//! Lines stream through: memory holds the pixels, a byte each, of a file of any size up to
//! [`MAX_VALUES`] pixels, and nothing else of it. Every cell is checked; what is wrong is named with its
//! line and column.

use std::path::Path;

use csv::ByteRecord;

use super::idx::COPY_AGAIN;
use super::lines::Lines;
use super::{DataError, MAX_SIDE, MAX_VALUES};

/// What a cell without a value is filled with by spreadsheets and by pandas.
const MISSING: [&str; 6] = ["", "na", "n/a", "nan", "null", "none"];

/// Names of the column of labels, in any case.
const LABEL_NAMES: [&str; 2] = ["label", "class"];

const CORRECT_CELL: &str = "correct the cell, or remove the line";

/// What to make of the column of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Labels {
    /// There must be one, with values below so many classes.
    Below(usize),
    /// There need not be one; it is not looked at.
    Ignored,
}

/// What to make of missing values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnMissing {
    /// The first is an error.
    Refuse,
    /// A missing pixel is background, a line without label is left out, and both are counted.
    Count,
}

/// Cells without a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Missing {
    /// Pixels; they were read as background.
    pub pixels: u64,
    /// Labels; their pictures were left out.
    pub labels: u64,
    /// Line and column of the first, both counted from 1.
    pub first: Option<(u64, usize)>,
}

/// The pictures of a file.
#[derive(Debug)]
pub(super) struct Table {
    /// `count * side * side` pixels.
    pub(super) pixels: Vec<u8>,
    /// One a picture; none where they are ignored.
    pub(super) labels: Vec<u8>,
    /// Number of pictures; at least one.
    pub(super) count: usize,
    /// Rows and columns of a picture.
    pub(super) side: usize,
    pub(super) missing: Missing,
    /// SHA-256 of the uncompressed file, in lower-case hexadecimal.
    pub(super) sum: String,
}

/// Whether the file has a column of labels, by its first line.
pub(super) fn has_labels(path: &Path) -> Result<bool, DataError> {
    let mut lines = Lines::open(path, false)?;
    let mut record = ByteRecord::new();
    if lines.next(&mut record)?.is_none() {
        return Err(empty(path));
    }
    Ok(Columns::new(path, &record)?.label.is_some())
}

/// Reads the whole file, with a progress bar.
pub(super) fn read(path: &Path, labels: Labels, on_missing: OnMissing) -> Result<Table, DataError> {
    let mut lines = Lines::open(path, true)?;
    let mut record = ByteRecord::new();
    let Some(first) = lines.next(&mut record)? else { return Err(empty(path)) };
    let columns = Columns::new(path, &record)?;
    if columns.label.is_none() && labels != Labels::Ignored {
        return Err(DataError::new(
            path,
            "line 1",
            "a column called label",
            format!("{} columns of pixels only", columns.pixels),
            "such a file is for `trainer predict --kaggle`; name one with labels",
        ));
    }
    let mut table = Table {
        pixels: Vec::new(),
        labels: Vec::new(),
        count: 0,
        side: columns.side,
        missing: Missing::default(),
        sum: String::new(),
    };
    let mut line = if columns.is_header { lines.next(&mut record)? } else { Some(first) };
    if line.is_none() {
        return Err(DataError::new(
            path,
            "line 2",
            "a picture a line after the header",
            "the end of the data",
            COPY_AGAIN,
        ));
    }
    while let Some(number) = line {
        columns.add(path, (number, &record), labels, on_missing, &mut table)?;
        line = lines.next(&mut record)?;
    }
    if table.count == 0 {
        return Err(DataError::new(path, "labels", "at least one", "none", "name a file with labels"));
    }
    table.sum = lines.finish();
    Ok(table)
}

fn empty(path: &Path) -> DataError {
    DataError::new(path, "line 1", "a header, or a picture a line", "an empty file", COPY_AGAIN)
}

/// What the columns of a file are.
struct Columns {
    is_header: bool,
    /// The column of labels.
    label: Option<usize>,
    /// Columns of pixels: all the others.
    pixels: usize,
    side: usize,
    /// Names in the header; none without.
    names: Vec<String>,
}

impl Columns {
    /// From the first line, which is a header if it names a label, or has no number.
    fn new(path: &Path, first: &ByteRecord) -> Result<Columns, DataError> {
        let names: Vec<String> =
            first.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
        let is_label = |name: &String| LABEL_NAMES.iter().any(|label| name.eq_ignore_ascii_case(label));
        let named = names.iter().position(is_label);
        let is_header = named.is_some() || !first.iter().any(|cell| matches!(value(cell), Value::Number(_)));
        let is_square = |count: usize| count >= 4 && count.isqrt() * count.isqrt() == count;
        let label = match is_header {
            true => named,
            false => (!is_square(names.len()) && is_square(names.len() - 1)).then_some(0),
        };
        let pixels = names.len() - usize::from(label.is_some());
        let side = pixels.isqrt();
        if !is_square(pixels) || side > MAX_SIDE {
            return Err(DataError::new(
                path,
                "line 1",
                "a label and the pixels of a square picture, separated by commas (785 columns for 28x28)",
                format!("{} columns, {pixels} of them without the label", names.len()),
                "write the file without other columns, such as an index",
            ));
        }
        let columns =
            Columns { is_header, label, pixels, side, names: if is_header { names } else { Vec::new() } };
        columns.check_order(path)?;
        Ok(columns)
    }

    /// Columns called `pixel0`, `pixel1`, ... must be in this order.
    fn check_order(&self, path: &Path) -> Result<(), DataError> {
        let number = |name: &String| name.to_ascii_lowercase().strip_prefix("pixel")?.parse::<usize>().ok();
        let mut next = None;
        for (column, name) in self.names.iter().enumerate().filter(|(column, _)| Some(*column) != self.label)
        {
            let Some(number) = number(name) else { continue };
            if let Some(expected) = next.filter(|expected| *expected != number) {
                return Err(DataError::new(
                    path,
                    format!("line 1, column {}", column + 1),
                    format!("pixel{expected}"),
                    format!("`{name}`"),
                    "put the columns in the order of the pixels",
                ));
            }
            next = Some(number + 1);
        }
        Ok(())
    }

    /// The place of a cell in words.
    fn place(&self, line: u64, column: usize) -> String {
        let name = match self.names.get(column) {
            Some(name) => name.clone(),
            None if self.label == Some(column) => "label".to_owned(),
            None => format!("pixel{}", column - usize::from(self.label.is_some_and(|label| label < column))),
        };
        format!("line {line}, column {} ({name})", column + 1)
    }

    /// Adds the picture of a line.
    fn add(
        &self,
        path: &Path,
        (line, record): (u64, &ByteRecord),
        labels: Labels,
        on_missing: OnMissing,
        table: &mut Table,
    ) -> Result<(), DataError> {
        let columns = self.pixels + usize::from(self.label.is_some());
        if record.len() != columns {
            return Err(DataError::new(
                path,
                format!("line {line}"),
                format!("{columns} columns, as in the first line"),
                record.len().to_string(),
                CORRECT_CELL,
            ));
        }
        let start = table.pixels.len();
        if start + self.pixels > MAX_VALUES {
            return Err(DataError::new(
                path,
                format!("line {line}"),
                format!("at most {} pictures of {side}x{side}", MAX_VALUES / self.pixels, side = self.side),
                "more",
                "divide the file",
            ));
        }
        let mut label = None;
        for (column, cell) in record.iter().enumerate() {
            let is_label = self.label == Some(column);
            let limit = match labels {
                Labels::Below(classes) if is_label => classes,
                Labels::Ignored if is_label => continue,
                _ => 256,
            };
            match value(cell) {
                Value::Number(number) if number < limit && is_label => label = Some(number as u8),
                Value::Number(number) if number < limit => table.pixels.push(number as u8),
                Value::Missing if on_missing == OnMissing::Count => {
                    table.missing.first.get_or_insert((line, column + 1));
                    if is_label {
                        table.missing.labels += 1;
                    } else {
                        table.missing.pixels += 1;
                        table.pixels.push(0);
                    }
                }
                found => {
                    let what = if is_label { "label" } else { "pixel" };
                    return Err(DataError::new(
                        path,
                        self.place(line, column),
                        format!("a {what}, a whole number of 0 to {}", limit - 1),
                        found.in_words(cell),
                        CORRECT_CELL,
                    ));
                }
            }
        }
        match (labels, label) {
            (Labels::Below(_), None) => table.pixels.truncate(start),
            (_, label) => {
                table.labels.extend(label);
                table.count += 1;
            }
        }
        Ok(())
    }
}

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    /// A whole number, also one written as `7.0`, as pandas does where values were missing.
    Number(usize),
    Missing,
    Other,
}

impl Value {
    /// What was found, for a message.
    fn in_words(self, cell: &[u8]) -> String {
        if self == Value::Missing {
            return "a missing value".to_owned();
        }
        let text: String = String::from_utf8_lossy(cell).trim().chars().take(40).collect();
        format!("`{}`", text.escape_debug())
    }
}

fn value(cell: &[u8]) -> Value {
    // Nearly all cells are one to three digits.
    if let 1..=3 = cell.len()
        && cell.iter().all(u8::is_ascii_digit)
    {
        return Value::Number(cell.iter().fold(0, |number, digit| number * 10 + usize::from(digit - b'0')));
    }
    let Ok(text) = core::str::from_utf8(cell) else { return Value::Other };
    let text = text.trim();
    if MISSING.iter().any(|missing| text.eq_ignore_ascii_case(missing)) {
        return Value::Missing;
    }
    match text.parse::<f64>() {
        // Numbers beyond are out of any range here.
        Ok(number) if number.fract() == 0.0 && (0.0..1e9).contains(&number) => Value::Number(number as usize),
        _ => Value::Other,
    }
}
