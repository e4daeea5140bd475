//! Reading what may be anything, and writing so that a file is whole or absent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

/// Most symbolic links that are followed from one file.
const MAX_LINKS: usize = 40;

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
///
/// Where it is larger, or a directory, pipe or device: neither the memory nor the time of the program
/// is in the hands of whoever named the file.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let shown = path.display();
    let failed = || format!("cannot read {shown}");
    // Before opening: a pipe would wait for a writer.
    let about = fs::metadata(path).with_context(failed)?;
    ensure!(!about.is_dir(), "{shown}: expected a file, found a directory");
    ensure!(about.is_file(), "{shown}: expected a file, found a pipe or a device");
    let fits = |length: u64| {
        ensure!(length <= limit, "{shown}: expected a file of at most {limit} bytes, found a larger one");
        Ok(())
    };
    fits(about.len())?;
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).with_context(failed)?;
    fits(bytes.len() as u64)?;
    Ok(bytes)
}

/// Writes a file under a temporary name in the same directory and renames it, so that a reader sees the
/// old file or the new one, never a part.
///
/// # Errors
///
/// Where the file cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut output = Output::create(path)?;
    output.write_all(bytes).with_context(|| cannot_write(path))?;
    output.finish()
}

/// A file that is being written, and that appears under its name only when it is finished. A device or a
/// pipe is written straight; behind a symbolic link, the file that it points to is replaced.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    /// The file of that name, when it is whole.
    File(PathBuf, NamedTempFile),
    Straight(File),
    Stdout(io::Stdout),
}

impl Output {
    /// Begins to write `path`.
    ///
    /// # Errors
    ///
    /// Where `path` is a directory or cannot be written: now, not after the work.
    pub fn create(path: &Path) -> Result<Output> {
        ensure!(!path.is_dir(), "{}: cannot write: it is a directory; name a file", path.display());
        let sink = Sink::open(path).with_context(|| cannot_write(path))?;
        Ok(Output { path: path.to_owned(), sink })
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    ///
    /// Where what was written does not reach the disk, or the file cannot be renamed.
    pub fn finish(self) -> Result<()> {
        let Output { path, sink } = self;
        sink.finish().with_context(|| cannot_write(&path))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sink.writer().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.writer().flush()
    }
}

impl Sink {
    fn open(path: &Path) -> io::Result<Sink> {
        let path = follow(path)?;
        if ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name)) {
            // By this handle, or what the program prints next would be written over it.
            return Ok(Sink::Stdout(io::stdout()));
        }
        let special = fs::metadata(&path).is_ok_and(|about| !about.is_file());
        if special || is_open_file(&path) {
            return OpenOptions::new().append(true).open(path).map(Sink::Straight);
        }
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let temporary = tempfile::Builder::new().prefix(".tenfold-").tempfile_in(directory)?;
        Ok(Sink::File(path, temporary))
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Sink::File(_, temporary) => temporary,
            Sink::Straight(file) => file,
            Sink::Stdout(stdout) => stdout,
        }
    }

    fn finish(mut self) -> io::Result<()> {
        self.writer().flush()?;
        let Sink::File(path, temporary) = self else { return Ok(()) };
        // A temporary file is private; a model is not.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            temporary.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        }
        temporary.as_file().sync_all()?;
        temporary.persist(path)?;
        Ok(())
    }
}

/// Where a chain of symbolic links ends, whether or not a file is there. The names of what a process has
/// open are links as well, and are left alone.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        if is_open_file(&path) || !path.is_symlink() {
            return Ok(path);
        }
        let target = fs::read_link(&path)?;
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(io::Error::other("too many symbolic links"))
}

fn is_open_file(path: &Path) -> bool {
    ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"].iter().any(|name| path.starts_with(name))
}

fn cannot_write(path: &Path) -> String {
    format!("{}: cannot write; is its directory there, writable, and not full?", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_whole_or_absent() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let mut output = Output::create(&path).unwrap();
        output.write_all(b"half").unwrap();
        drop(output);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        write_whole(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);

        for (bad, word) in [(directory.path().to_owned(), "directory"), (path.join("below"), "below")] {
            let message = format!("{:#}", Output::create(&bad).unwrap_err());
            assert!(message.contains(word) && message.contains("cannot write"), "{message}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_files_are_readable_for_all() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        let directory = tempfile::tempdir().unwrap();
        let [file, link, dangling] = ["file", "link", "dangling"].map(|name| directory.path().join(name));
        fs::write(&file, "old").unwrap();
        symlink("file", &link).unwrap();
        symlink(directory.path().join("new"), &dangling).unwrap();
        write_whole(&link, b"new").unwrap();
        write_whole(&dangling, b"newer").unwrap();
        assert!(link.is_symlink() && dangling.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::read(directory.path().join("new")).unwrap(), b"newer");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);

        symlink("loop", directory.path().join("loop")).unwrap();
        assert!(write_whole(&directory.path().join("loop"), b"").is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_disk_in_memory_is_a_disk() {
        let directory = tempfile::TempDir::new_in("/dev/shm").unwrap();
        let path = directory.path().join("file");
        for text in ["a long text", "short"] {
            write_whole(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn only_regular_files_of_a_sane_size_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, [7; 10]).unwrap();
        assert_eq!(read(&path, 10).unwrap(), [7; 10]);
        assert!(read(&path, 9).unwrap_err().to_string().contains("at most 9 bytes"));
        assert!(read(directory.path(), 9).unwrap_err().to_string().contains("found a directory"));
        #[cfg(unix)]
        assert!(read(Path::new("/dev/zero"), 9).unwrap_err().to_string().contains("device"));
    }
}
