//! Reader of IDX files, plain or gzip, that trusts nothing in them.
//!
//! ```text
//! file -> [gunzip, by the magic bytes] -> magic | count [| rows | columns] | values -> end of file
//! ```
//!
//! The header's counts are only ever compared with the data: memory grows with the bytes that
//! really arrive, never beyond what the header announced, and never beyond [`MAX_VALUES`]; so
//! neither a forged count nor a decompression bomb can exhaust it. The format is described in
//! `trainer/data/mnist/README.md`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::{DataError, MAX_SIDE, MAX_VALUES};

/// What a file is expected to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Magic `0x00000803`: count, rows, columns, pixels.
    Images,
    /// Magic `0x00000801`: count, labels.
    Labels,
}

impl Kind {
    const fn magic(self) -> u32 {
        match self {
            Kind::Images => 0x0000_0803,
            Kind::Labels => 0x0000_0801,
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Kind::Images => "images",
            Kind::Labels => "labels",
        }
    }
}

/// A file whose header and length agree.
#[derive(Debug)]
pub(super) struct Idx {
    /// Number of images or labels; at least one.
    pub(super) count: usize,
    /// Rows of an image; 1 for labels.
    pub(super) rows: usize,
    /// Columns of an image; 1 for labels.
    pub(super) columns: usize,
    /// `count * rows * columns` bytes.
    pub(super) values: Vec<u8>,
    /// SHA-256 of the uncompressed file, in lower-case hexadecimal.
    pub(super) sum: String,
}

pub(super) const COPY_AGAIN: &str = "the file is damaged: copy or download it again";
const NOT_IDX: &str = "give a directory with the IDX files of MNIST, Fashion-MNIST or EMNIST digits";

/// Reads the whole file and checks every field against the others and against the length.
pub(super) fn read(path: &Path, kind: Kind) -> Result<Idx, DataError> {
    let fail = |field: &str, expected: String, found: String, cure| {
        DataError::new(path, field, expected, found, cure)
    };
    let unreadable = |error: io::Error| DataError::unreadable(path, &error);

    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let compressed = file.fill_buf().map_err(unreadable)?.starts_with(&[0x1f, 0x8b]);
    let source: Box<dyn Read> = if compressed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut source = Hashed { source, hash: Sha256::new() };

    // Reads up to `length` bytes; fewer only at the end of the data.
    let mut take = |length: usize| -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        match (&mut source).take(length as u64).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) if compressed => Err(fail(
                "gzip stream",
                "an intact stream and nothing after it".to_owned(),
                error.to_string(),
                COPY_AGAIN,
            )),
            Err(error) => Err(unreadable(error)),
        }
    };
    let mut field = |name: &'static str| -> Result<u32, DataError> {
        let bytes = take(4)?;
        let whole: [u8; 4] = bytes.as_slice().try_into().map_err(|_| {
            fail(
                name,
                "4 bytes".to_owned(),
                format!("the end of the data after {} of them", bytes.len()),
                COPY_AGAIN,
            )
        })?;
        Ok(u32::from_be_bytes(whole))
    };

    let magic = field("magic")?;
    if magic != kind.magic() {
        let (is, cure) = match magic {
            _ if magic == Kind::Labels.magic() => {
                (" (a file of labels)", "the images and labels files are swapped: exchange their names")
            }
            _ if magic == Kind::Images.magic() => {
                (" (a file of images)", "the images and labels files are swapped: exchange their names")
            }
            _ if magic.swap_bytes() == kind.magic() => {
                (" (the bytes in reverse order)", "IDX is big-endian: write the file again")
            }
            _ => ("", NOT_IDX),
        };
        return Err(fail(
            "magic",
            format!("{:#010x} (unsigned bytes, {})", kind.magic(), kind.noun()),
            format!("{magic:#010x}{is}"),
            cure,
        ));
    }

    let count = field("count")? as usize;
    if count == 0 {
        return Err(fail("count", format!("at least 1 of {}", kind.noun()), "0".to_owned(), NOT_IDX));
    }
    let mut side = |name: &'static str| -> Result<usize, DataError> {
        let value = field(name)? as usize;
        if (1..=MAX_SIDE).contains(&value) {
            Ok(value)
        } else {
            Err(fail(name, format!("1 to {MAX_SIDE}"), value.to_string(), COPY_AGAIN))
        }
    };
    let (rows, columns) = match kind {
        Kind::Images => (side("rows")?, side("columns")?),
        Kind::Labels => (1, 1),
    };
    let length = count
        .checked_mul(rows)
        .and_then(|product| product.checked_mul(columns))
        .filter(|length| *length <= MAX_VALUES)
        .ok_or_else(|| {
            fail(
                "count",
                format!("at most {} {} of {rows}x{columns}", MAX_VALUES / (rows * columns), kind.noun()),
                count.to_string(),
                COPY_AGAIN,
            )
        })?;

    let values = take(length)?;
    if values.len() < length {
        return Err(fail(
            match kind {
                Kind::Images => "pixels",
                Kind::Labels => "labels",
            },
            format!("{length} bytes ({count} {} of {rows}x{columns}, as the header says)", kind.noun()),
            format!("the end of the data after {} bytes: the file is truncated", values.len()),
            COPY_AGAIN,
        ));
    }
    // One byte more, not all of them: trailing data may be a bomb. For gzip this also makes the
    // decoder read the trailer and compare its CRC.
    if !take(1)?.is_empty() {
        return Err(fail(
            "end of file",
            format!("nothing after the {length} bytes of {}", kind.noun()),
            "trailing bytes".to_owned(),
            COPY_AGAIN,
        ));
    }
    Ok(Idx { count, rows, columns, values, sum: hexadecimal(&source.hash.finalize()) })
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Passes bytes through and hashes them on the way.
pub(super) struct Hashed<R> {
    pub(super) source: R,
    pub(super) hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}
