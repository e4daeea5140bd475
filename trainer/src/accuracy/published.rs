//! `docs/published.toml`: what others have published, each figure with its source.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::files::read;

/// Largest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: Vec<Published>,
}

/// A network of somebody else's.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// What it is called in a drawing.
    pub name: String,
    /// Per cent of MNIST's test images.
    pub accuracy: f64,
    /// Standard deviation, where the accuracy is a mean.
    #[serde(default)]
    pub deviation: Option<f64>,
    /// Bytes of weights as they are stored: of floats, four a parameter.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Weights and biases.
    #[serde(default)]
    pub parameters: Option<u64>,
    /// Multiply-accumulates of one inference.
    #[serde(default)]
    pub macs: Option<u64>,
    /// What the figures do not say: bits, runs, and how it was chosen.
    #[serde(default)]
    pub note: String,
    /// Who says so.
    pub source: String,
    /// Where.
    #[serde(default)]
    pub url: Option<String>,
}

/// Reads the file.
///
/// # Errors
///
/// Where it cannot be read, or a figure in it is none.
pub(super) fn load(path: &Path) -> Result<Vec<Published>> {
    let shown = path.display();
    let text =
        String::from_utf8(read(path, MAX_BYTES)?).with_context(|| format!("{shown}: expected text"))?;
    let File { model } =
        toml::from_str(&text).with_context(|| format!("{shown}: not a list of [[model]]"))?;
    for Published { name, accuracy, deviation, bytes, parameters, macs, source, url, .. } in &model {
        let wrong = |what: &str| format!("{shown}: model {name:?}: {what}");
        ensure!(!name.trim().is_empty() && !source.trim().is_empty(), wrong("expected a name and a source"));
        ensure!(
            (10.0..=100.0).contains(accuracy),
            wrong(&format!("accuracy = {accuracy}: expected per cent, 10 to 100"))
        );
        ensure!(
            deviation.is_none_or(|deviation| (0.0..10.0).contains(&deviation)),
            wrong("deviation: expected per cent, 0 to 10")
        );
        ensure!([bytes, parameters, macs].iter().all(|count| **count != Some(0)), wrong("a count of 0"));
        let is_address = url.as_ref().is_none_or(|url| url.starts_with("https://"));
        ensure!(is_address, wrong("url: expected an address that begins with https://"));
        let cell = |text: &str| !text.contains(['|', '\n']);
        ensure!(
            cell(name) && cell(source),
            wrong("name and source: a bar or a line break, which a table has no place for")
        );
    }
    Ok(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Result<Vec<Published>> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("published.toml");
        std::fs::write(&path, text).unwrap();
        load(&path)
    }

    #[test]
    fn figures_need_a_source_and_to_be_figures() {
        let model = "[[model]]\nname = \"a\"\naccuracy = 99.5\nsource = \"b\"\n";
        assert_eq!(loaded(model).unwrap()[0].bytes, None);
        for (line, word) in [
            ("bytes = 0", "a count of 0"),
            ("url = \"example.org\"", "https://"),
            ("deviation = -1.0", "deviation"),
            ("colour = 3", "not a list"),
        ] {
            let message = format!("{:#}", loaded(&format!("{model}{line}\n")).unwrap_err());
            assert!(message.contains("published.toml") && message.contains(word), "{message}");
        }
        let message = format!("{:#}", loaded(&model.replace("99.5", "0.995")).unwrap_err());
        assert!(message.contains("per cent"), "{message}");
        assert!(loaded(&model.replace("source", "sauce")).is_err());
    }

    #[test]
    fn the_file_of_the_repository_is_whole() {
        let path = crate::data::repository_path("docs/published.toml").unwrap();
        assert!(load(&path).unwrap().len() >= 10);
    }
}
