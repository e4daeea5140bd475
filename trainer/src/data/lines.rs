//! The lines of a CSV file, plain or gzip, with their right numbers.

use core::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::DataError;
use super::idx::{COPY_AGAIN, Hashed, hexadecimal};
use crate::report::progress;

/// Most bytes of a line; more means a quote that is never closed.
const MAX_LINE_BYTES: usize = 16 << 20;

/// A file that is read line by line.
pub(super) struct Lines<'a> {
    path: &'a Path,
    reader: csv::Reader<Scanned>,
    compressed: bool,
    scan: Rc<RefCell<Scan>>,
    bar: Option<indicatif::ProgressBar>,
}

impl<'a> Lines<'a> {
    pub(super) fn open(path: &'a Path, show_progress: bool) -> Result<Lines<'a>, DataError> {
        let unreadable = |error: io::Error| DataError::unreadable(path, &error);
        // Before opening: a pipe would wait for a writer.
        let about = std::fs::metadata(path).map_err(unreadable)?;
        if !about.is_file() {
            return Err(unreadable(io::Error::other("a directory, pipe or device")));
        }
        let bar = show_progress.then(|| {
            let bar = progress(about.len(), "bytes");
            bar.set_prefix(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
            bar
        });
        let file = File::open(path).map_err(unreadable)?;
        let file: Box<dyn Read> = match &bar {
            Some(bar) => Box::new(bar.wrap_read(file)),
            None => Box::new(file),
        };
        let mut file = BufReader::with_capacity(1 << 16, file);
        let compressed = file.fill_buf().map_err(unreadable)?.starts_with(&[0x1f, 0x8b]);
        let source: Box<dyn Read> =
            if compressed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let scan = Rc::new(RefCell::new(Scan::default()));
        let source = Scanned { source: Hashed { source, hash: Sha256::new() }, scan: scan.clone() };
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_reader(source);
        Ok(Lines { path, reader, compressed, scan, bar })
    }

    /// Reads the next line into `record` and returns its number, from 1; none at the end. Empty lines are
    /// skipped.
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u64>, DataError> {
        self.scan.borrow_mut().unread = 0;
        // Where the reader begins to look for it.
        let start = self.reader.position().byte();
        let result = self.reader.read_byte_record(record);
        let line = self.scan.borrow_mut().line_from(start);
        match result {
            Ok(true) => Ok(Some(line)),
            Ok(false) => Ok(None),
            Err(error) => Err(self.failure(error.into_kind(), line)),
        }
    }

    /// The checksum of all that was read.
    pub(super) fn finish(self) -> String {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        hexadecimal(&self.reader.into_inner().source.hash.finalize())
    }

    fn failure(&self, kind: ErrorKind, line: u64) -> DataError {
        let place = format!("line {line}");
        match kind {
            ErrorKind::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<LongLine>()) => {
                DataError::new(
                    self.path,
                    place,
                    format!("at most {MAX_LINE_BYTES} bytes"),
                    "more",
                    "look for a quote that is not closed",
                )
            }
            ErrorKind::Io(error) if self.compressed => DataError::new(
                self.path,
                "gzip stream",
                "an intact stream and nothing after it",
                error.to_string(),
                COPY_AGAIN,
            ),
            ErrorKind::Io(error) => DataError::unreadable(self.path, &error),
            kind => {
                DataError::new(self.path, place, "cells separated by commas", format!("{kind:?}"), COPY_AGAIN)
            }
        }
    }
}

/// Passes bytes through; notes where lines begin, and fails where one does not end, since a record is held
/// in memory as a whole.
struct Scanned {
    source: Hashed<Box<dyn Read>>,
    scan: Rc<RefCell<Scan>>,
}

impl Read for Scanned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        let mut scan = self.scan.borrow_mut();
        scan.add(&buffer[..read]);
        if scan.unread > MAX_LINE_BYTES {
            return Err(io::Error::other(LongLine));
        }
        Ok(read)
    }
}

/// Where lines begin. The CSV reader's own count is one too low after `\r\n`, and after empty lines.
#[derive(Debug, Default)]
struct Scan {
    /// Bytes that were passed on.
    offset: u64,
    /// Line ends before `offset`.
    ends: u64,
    is_within_line: bool,
    follows_return: bool,
    /// Offset and number of each line that is not empty and may still be asked for.
    starts: VecDeque<(u64, u64)>,
    /// Bytes since the last record.
    unread: usize,
}

impl Scan {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' if self.follows_return => self.follows_return = false,
                b'\n' | b'\r' => {
                    self.ends += 1;
                    self.is_within_line = false;
                    self.follows_return = *byte == b'\r';
                }
                _ if self.is_within_line => {}
                _ => {
                    self.starts.push_back((self.offset, self.ends + 1));
                    self.is_within_line = true;
                    self.follows_return = false;
                }
            }
            self.offset += 1;
        }
        self.unread += bytes.len();
    }

    /// The number of the first line at or after an offset that is not empty.
    fn line_from(&mut self, offset: u64) -> u64 {
        while self.starts.front().is_some_and(|(start, _)| *start < offset) {
            self.starts.pop_front();
        }
        self.starts.front().map_or(self.ends + 1, |(_, line)| *line)
    }
}

#[derive(Debug)]
struct LongLine;

impl core::fmt::Display for LongLine {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("the line is too long")
    }
}

impl core::error::Error for LongLine {}
