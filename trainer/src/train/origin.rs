//! Where the images of a run are: `data.toml` in its directory, or in that of its group.
//!
//! This is no part of the recipe in `config.toml`: a run is the same wherever its images lie, and its checkpoint
//! knows them by their checksum.

use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};

use crate::experiment::Group;
use crate::files::{read, write_whole};

/// The file in the directory of a run.
pub(super) const DATA: &str = "data.toml";

/// Largest file that is read as such.
const MAX_BYTES: u64 = 1 << 16;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Origin {
    data: PathBuf,
}

/// Saves where the images of the run, or of the group of runs, in `directory` are. A path that is no Unicode is
/// not saved.
///
/// # Errors
///
/// Where the file cannot be written.
pub fn save_data_path(directory: &Path, data: &Path) -> Result<()> {
    let data = absolute(data).with_context(|| format!("cannot find {}", data.display()))?;
    if data.to_str().is_none() {
        return Ok(());
    }
    let text = toml::to_string(&Origin { data }).context("writing where the images are")?;
    write_whole(&directory.join(DATA), text.as_bytes())
}

/// Where the images of the run in `directory` are, by its own file or by that of its group; none where a run has
/// the default ones.
///
/// # Errors
///
/// Where the file is damaged, or nothing is where it says.
pub fn data_path(directory: &Path) -> Result<Option<PathBuf>> {
    // A run is in its group; `.` has a parent only where it is.
    let whole = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let group = whole.parent().filter(|parent| Group::is_at(parent));
    let places = [Some(directory), group].into_iter().flatten();
    let Some(file) = places.map(|place| place.join(DATA)).find(|file| file.exists()) else {
        return Ok(None);
    };
    let shown = file.display();
    let cure = "name the data with --data PATH, or delete this file to take the default";
    let text = String::from_utf8(read(&file, MAX_BYTES)?).ok();
    let Origin { data } = text.and_then(|text| toml::from_str(&text).ok()).ok_or_else(|| {
        anyhow!("{shown}: expected `data = \"PATH\"`, where the images of the run are; {cure}")
    })?;
    ensure!(
        data.exists(),
        "{shown}: the run has its images from {}, where nothing is any more; {cure}",
        data.display()
    );
    Ok(Some(data))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_run_knows_its_images_and_one_of_a_group_those_of_the_group() {
        let directory = tempfile::tempdir().unwrap();
        let [group, run, data] = ["group", "group/seed-1", "digits"].map(|name| directory.path().join(name));
        fs::create_dir_all(&run).unwrap();
        fs::create_dir(&data).unwrap();
        assert_eq!(data_path(&run).unwrap(), None);
        save_data_path(&group, &data).unwrap();
        assert_eq!(data_path(&group).unwrap().as_deref(), Some(data.as_path()));
        assert_eq!(data_path(&run).unwrap(), None, "of no group");
        fs::write(group.join("runs.toml"), "").unwrap();
        assert_eq!(data_path(&run).unwrap().as_deref(), Some(data.as_path()));

        fs::remove_dir(&data).unwrap();
        let message = data_path(&run).unwrap_err().to_string();
        for word in ["data.toml", "digits", "where nothing is any more", "--data PATH"] {
            assert!(message.contains(word), "{message}");
        }
        fs::write(group.join(DATA), "path = 1").unwrap();
        let message = data_path(&group).unwrap_err().to_string();
        assert!(message.contains("data.toml: expected `data = \"PATH\"`"), "{message}");
    }
}
