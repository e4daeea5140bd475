//! Event files, as TensorBoard reads them.
//!
//! ```text
//! <directory>/train/events.out.tfevents.0001.tenfold         one file each time that training begins or
//!                   events.out.tfevents.0002.tenfold         goes on; TensorBoard reads them in order
//! <directory>/validation/events.out.tfevents.0001.tenfold
//! ```
//!
//! The two folders are two runs to TensorBoard, which draws values of the same name into one chart.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use prost::Message as _;

use super::message::{Content, Event, Image, Session, Summary, Value, What};
use super::samples::Picture;
use super::{MAX_BYTES, now, record};
use crate::files;

const PREFIX: &str = "events.out.tfevents.";
/// Tells our files from those of other programs in the same folder, which are left alone.
const SUFFIX: &str = ".tenfold";

/// The event file of one session, and what earlier sessions left beside it.
#[derive(Debug)]
pub(super) struct Events {
    path: PathBuf,
    file: BufWriter<File>,
    /// Whether it is the first of its folder.
    pub(super) first: bool,
}

impl Events {
    /// Begins a file in `folder`, which is made; of what is there already, what lies after step `kept` is
    /// removed, all where that is `None`.
    pub(super) fn open(folder: &Path, kept: Option<u64>) -> Result<Events> {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create the directory {}", folder.display()))?;
        let mut number = 0;
        for (of, path) in files_in(folder)? {
            match kept {
                Some(step) => {
                    purge(&path, step)?;
                    number = of;
                }
                None => {
                    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?
                }
            }
        }
        let path = folder.join(format!("{PREFIX}{:04}{SUFFIX}", number + 1));
        let file = File::create_new(&path).with_context(|| cannot_write(&path))?;
        let mut events = Events { path, file: BufWriter::new(file), first: number == 0 };
        events.event(0, What::FileVersion("brain.Event:2".to_owned()))?;
        if let Some(step) = kept {
            // For a TensorBoard that has read what is gone.
            events.event(step + 1, What::Session(Session { status: Session::START }))?;
        }
        events.flush()?;
        Ok(events)
    }

    /// Values at a step.
    pub(super) fn scalars(&mut self, step: u64, scalars: &[(&str, f64)]) -> Result<()> {
        let value = |(tag, value): &(&str, f64)| Value {
            tag: (*tag).to_owned(),
            content: Some(Content::Scalar(*value as f32)),
        };
        self.event(step, What::Summary(Summary { values: scalars.iter().map(value).collect() }))
    }

    /// A grey image.
    pub(super) fn image(&mut self, step: u64, tag: &str, picture: &Picture) -> Result<()> {
        let image = Image {
            height: picture.height as i32,
            width: picture.width as i32,
            colorspace: 1,
            png: picture.png.clone(),
        };
        let value = Value { tag: tag.to_owned(), content: Some(Content::Image(image)) };
        self.event(step, What::Summary(Summary { values: vec![value] }))
    }

    /// The graph of the network, encoded.
    pub(super) fn graph(&mut self, graph: &[u8]) -> Result<()> {
        self.event(0, What::Graph(graph.to_vec()))
    }

    /// Hands to the system what was written.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.file.flush().with_context(|| cannot_write(&self.path))
    }

    fn event(&mut self, step: u64, what: What) -> Result<()> {
        let event = Event { wall_time: now(), step: step as i64, what: Some(what) };
        let mut bytes = Vec::new();
        record::write(&mut bytes, &event.encode_to_vec());
        self.file.write_all(&bytes).with_context(|| cannot_write(&self.path))
    }
}

/// Our files in a folder with their numbers, in order.
fn files_in(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let failed = || format!("cannot read the directory {}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(failed)? {
        let name = entry.with_context(failed)?.file_name();
        let name = name.to_string_lossy();
        let number = name.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(SUFFIX));
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            found.push((number, folder.join(&*name)));
        }
    }
    found.sort();
    Ok(found)
}

/// Removes from a file what lies after a step, and what is cut off or damaged.
fn purge(path: &Path, kept: u64) -> Result<()> {
    let bytes = files::read(path, MAX_BYTES)?;
    let mut whole = Vec::with_capacity(bytes.len());
    for bytes in record::records(&bytes) {
        let event = Event::decode(bytes).with_context(|| format!("{}: no event file", path.display()))?;
        let session = matches!(event.what, Some(What::Session(_)));
        if session || event.step <= kept as i64 {
            record::write(&mut whole, bytes);
        }
    }
    if whole != bytes {
        files::write_whole(path, &whole)?;
    }
    Ok(())
}

fn cannot_write(path: &Path) -> String {
    format!("{}: cannot write", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of the values in a folder, and how many events of other kinds there are.
    fn steps(folder: &Path) -> (Vec<i64>, usize) {
        let (mut steps, mut others) = (Vec::new(), 0);
        for (_, path) in files_in(folder).unwrap() {
            for bytes in record::records(&fs::read(path).unwrap()) {
                let event = Event::decode(bytes).unwrap();
                match event.what {
                    Some(What::Summary(_)) => steps.push(event.step),
                    _ => others += 1,
                }
            }
        }
        (steps, others)
    }

    #[test]
    fn what_lies_after_the_checkpoint_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("train");
        let write = |kept: Option<u64>, steps: core::ops::RangeInclusive<u64>| {
            let mut events = Events::open(&folder, kept).unwrap();
            steps.for_each(|step| events.scalars(step, &[("loss", 0.5)]).unwrap());
            events.flush().unwrap();
            events.first
        };
        assert!(write(None, 1..=7));
        let file = files_in(&folder).unwrap().remove(0).1;
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
        fs::write(folder.join("events.out.tfevents.1.other"), "left alone").unwrap();
        assert!(!write(Some(4), 5..=6));
        assert!(!write(Some(5), 6..=8));
        assert_eq!(steps(&folder), (vec![1, 2, 3, 4, 5, 6, 7, 8], 3 + 2));
        assert!(write(None, 1..=2));
        assert_eq!(steps(&folder), (vec![1, 2], 1));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }
}
