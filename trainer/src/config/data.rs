//! How the images of a run are divided.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::data::{DEFAULT_SPLIT_SEED, Shares, Split};

/// How the labelled images of the train set are divided, where a set's own division is not wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Shares of the parts, as `"70/30"` (training, test) or `"65/5/30"` (training, validation, test).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Shares>,
    /// Seed of this division, 1 where absent; a run's own seed has no part in it, so that runs of several
    /// seeds have the same test images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_seed: Option<u64>,
}

impl Data {
    /// The division, if one is wanted.
    pub fn division(&self) -> Option<Split> {
        let seed = self.split_seed.unwrap_or(DEFAULT_SPLIT_SEED);
        self.split.map(|shares| Split { shares, seed })
    }

    /// Whether nothing is said, and the section need not be written.
    pub(super) fn is_empty(&self) -> bool {
        *self == Data::default()
    }

    /// Fails where a seed is given for no division.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(seed) = self.split_seed {
            ensure!(
                self.split.is_some(),
                "[data] split_seed = {seed}: there is nothing to divide; set split = \"70/30\" too"
            );
            ensure!(i64::try_from(seed).is_ok(), "[data] split_seed = {seed}: expected at most {}", i64::MAX);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    const NETWORK: &str = r#"
        name = "small"
        input = [28, 28, 1]
        layers = [{ type = "flatten" }, { type = "dense", units = 10 }]
    "#;

    fn parse(section: &str) -> anyhow::Result<Config> {
        Config::parse(&format!("{NETWORK}\n{section}"), "small")
    }

    #[test]
    fn a_division_is_read_as_it_is_written() {
        let config = parse("[data]\nsplit = \"70/30\"\nsplit_seed = 42").unwrap();
        assert_eq!(config.data.division().unwrap().to_string(), "split 70/30 by seed 42");
        let text = config.to_toml().unwrap();
        assert!(text.contains("[data]\nsplit = \"70/30\"\nsplit_seed = 42\n"), "{text}");
        assert_eq!(Config::parse(&text, "again").unwrap(), config);
        assert!(!parse("").unwrap().to_toml().unwrap().contains("[data]"));
    }

    #[test]
    fn a_wrong_division_is_named() {
        for (section, words) in [
            ("split = \"70\"", "as in 70/30"),
            ("split = 0.7", "expected"),
            ("split_seed = 42", "nothing to divide"),
            ("splits = \"70/30\"", "splits"),
        ] {
            let message = format!("{:#}", parse(&format!("[data]\n{section}")).unwrap_err());
            assert!(message.contains("small") && message.contains(words), "{message}");
        }
    }
}
