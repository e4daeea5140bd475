//! Which files of a directory make a model.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tenfold_runtime::format::Core;

const POSTCARD: &str = ".postcard";
const GOLDEN: &str = ".golden";

/// The figures of a card, for programs.
pub const CARD_FIGURES: &str = "card.json";

/// The picture of a card.
pub const MISCLASSIFIED: &str = "misclassified.png";

/// Endings that tell the files of one model apart; a model's name has none of them.
fn endings() -> impl Iterator<Item = String> {
    [GOLDEN.to_owned(), ".float".to_owned()].into_iter().chain(Core::ALL.map(|(core, _)| format!(".{core}")))
}

/// The ending of `name` with which its files would be taken for those of another model.
pub fn reserved_ending(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    endings().find(|ending| name.ends_with(ending))
}

/// The names of the models in a directory, sorted: that of each `<name>.postcard`. Golden vectors are no
/// model, and `<name>.<core>.postcard` is the same model as the `<name>.postcard` beside it.
///
/// # Errors
///
/// Where the directory cannot be read.
pub fn models_in(directory: &Path) -> Result<Vec<String>> {
    let mut stems = stems_in(directory)?;
    stems.retain(|stem| !stem.ends_with(GOLDEN));
    let of_a_core = |stem: &str| {
        Core::ALL.iter().any(|(core, _)| {
            let name = stem.strip_suffix(core).and_then(|stem| stem.strip_suffix('.'));
            name.is_some_and(|name| stems.iter().any(|other| other == name))
        })
    };
    let mut names: Vec<String> = stems.iter().filter(|stem| !of_a_core(stem)).cloned().collect();
    names.sort();
    Ok(names)
}

/// The name of the one model in a directory.
///
/// # Errors
///
/// Where there is none, or more than one.
pub fn model_of(directory: &Path) -> Result<String> {
    let mut names = models_in(directory)?;
    match names.pop() {
        Some(name) if names.is_empty() => Ok(name),
        last => {
            names.extend(last);
            bail!(
                "{}: expected one model, NAME.postcard, found {}",
                directory.display(),
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            )
        }
    }
}

/// All files that the model called `name` may have in a directory, there or not; the card last.
pub fn model_files(directory: &Path, name: &str) -> Vec<PathBuf> {
    let cores = Core::ALL.map(|(core, _)| format!("{core}.postcard"));
    let extensions = ["postcard", "golden.postcard", "onnx", "float.onnx"].map(str::to_owned);
    let files =
        extensions.iter().chain(&cores).map(|extension| directory.join(format!("{name}.{extension}")));
    files.chain([CARD_FIGURES, MISCLASSIFIED, "CARD.md"].map(|file| directory.join(file))).collect()
}

/// Refuses a directory with files of a model that is not called `name`, but for those that are `replaced`.
/// Two models in one directory would be found out only when one of them is verified.
///
/// # Errors
///
/// Where there is such a file, which the message names, or the directory cannot be read. A directory that
/// does not exist is fine.
pub fn refuse_other_models(directory: &Path, name: &str, replaced: &[PathBuf]) -> Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    let own = model_files(directory, name);
    for stem in stems_in(directory)? {
        let file = directory.join(stem + POSTCARD);
        ensure!(
            own.contains(&file) || replaced.contains(&file),
            "{}: another model is there already; choose another --out",
            file.display()
        );
    }
    Ok(())
}

/// The names of all files `*.postcard`, without that ending.
fn stems_in(directory: &Path) -> Result<Vec<String>> {
    let failed = || format!("cannot read the directory {}", directory.display());
    let mut stems = Vec::new();
    for entry in fs::read_dir(directory).with_context(failed)? {
        let file = entry.with_context(failed)?.file_name();
        stems.extend(file.to_string_lossy().strip_suffix(POSTCARD).map(str::to_owned));
    }
    Ok(stems)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        files.iter().for_each(|file| fs::write(directory.path().join(file), "").unwrap());
        directory
    }

    #[test]
    fn a_model_is_one_model_in_every_order() {
        let whole = directory(&["a.postcard", "a.golden.postcard", "a.cortex-m4.postcard", "a.onnx"]);
        assert_eq!(model_of(whole.path()).unwrap(), "a");
        refuse_other_models(whole.path(), "a", &[]).unwrap();
        let message = refuse_other_models(whole.path(), "b", &[]).unwrap_err().to_string();
        assert!(message.contains("another model"), "{message}");
        refuse_other_models(whole.path(), "b", &model_files(whole.path(), "a")).unwrap();
        refuse_other_models(&whole.path().join("absent"), "b", &[]).unwrap();

        let ordered = directory(&["a.cortex-m7.postcard"]);
        assert_eq!(model_of(ordered.path()).unwrap(), "a.cortex-m7");
        let two = directory(&["b.postcard", "a.postcard", "b.cortex-m4.postcard"]);
        let message = model_of(two.path()).unwrap_err().to_string();
        assert!(message.contains("found a, b"), "{message}");
        let message = model_of(directory(&["a.golden.postcard"]).path()).unwrap_err().to_string();
        assert!(message.contains("found none"), "{message}");
    }

    #[test]
    fn endings_of_files_are_no_endings_of_names() {
        for name in ["a.golden", "a.float", "a.cortex-m33", "a.Cortex-M4"] {
            assert!(reserved_ending(name).is_some(), "{name}");
        }
        for name in ["nano", "golden", "a.golden.b", "cortex-m4", "a-cortex-m4"] {
            assert_eq!(reserved_ending(name), None, "{name}");
        }
    }
}
