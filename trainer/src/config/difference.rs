//! The first difference of two configurations, in the words of the TOML file.

use core::fmt;
use std::path::absolute;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::Config;

/// A key that two configurations give different values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key with its place, as in `[training] epochs` or `layer 3: filters`.
    pub key: String,
    /// Its value in the first configuration.
    pub first: String,
    /// Its value in the second.
    pub second: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} = {}, but it was {}", self.key, self.second, self.first)
    }
}

impl Config {
    /// What `other` says differently, the first of it; nothing where the two are equal. Runs that both depend on may
    /// have moved: they are known by their SHA-256.
    ///
    /// # Errors
    ///
    /// Where a configuration cannot be written as TOML.
    pub fn difference(&self, other: &Config) -> Result<Option<Difference>> {
        let table = |config: &Config| Table::try_from(config).context("comparing two configurations");
        let (mut first, mut second) = (table(self)?, table(other)?);
        for section in ["distillation", "ensemble"] {
            if let (Some(Value::Table(first)), Some(Value::Table(second))) =
                (first.get_mut(section), second.get_mut(section))
            {
                know_by_content(first, second);
            }
        }
        Ok(of_tables("", &first, &second))
    }
}

/// Leaves of the sections what tells their runs apart: what is in them, or where they are if one of the two does not
/// know what is in them.
fn know_by_content(first: &mut Table, second: &mut Table) {
    let known = first.contains_key("sha256") && second.contains_key("sha256");
    for table in [first, second] {
        table.remove(if known { "runs" } else { "sha256" });
        let Some(Value::Array(runs)) = table.get_mut("runs") else { continue };
        for run in runs {
            if let Some(path) = run.as_str().and_then(|path| absolute(path).ok()) {
                *run = Value::String(path.to_string_lossy().into_owned());
            }
        }
    }
}

fn of_tables(place: &str, first: &Table, second: &Table) -> Option<Difference> {
    // The other keys of a layer mean nothing where its type differs.
    let keys = ["type"].into_iter().chain(first.keys().chain(second.keys()).map(String::as_str));
    keys.into_iter().find_map(|key| match (first.get(key), second.get(key)) {
        (first, second) if first == second => None,
        (Some(Value::Table(first)), Some(Value::Table(second))) => {
            of_tables(&format!("[{key}] "), first, second)
        }
        (Some(Value::Array(first)), Some(Value::Array(second))) if key == "layers" => {
            of_layers(first, second)
        }
        (first, second) => {
            Some(Difference { key: format!("{place}{key}"), first: shown(first), second: shown(second) })
        }
    })
}

fn of_layers(first: &[Value], second: &[Value]) -> Option<Difference> {
    let mut pairs = first.iter().zip(second).enumerate();
    let within = pairs.find_map(|(index, pair)| match pair {
        (Value::Table(first), Value::Table(second)) => {
            of_tables(&format!("layer {}: ", index + 1), first, second)
        }
        _ => None,
    });
    let count = |layers: &[Value]| layers.len().to_string();
    within.or_else(|| {
        (first.len() != second.len()).then(|| Difference {
            key: "number of layers".to_owned(),
            first: count(first),
            second: count(second),
        })
    })
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "not set".to_owned(), Value::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layer;

    #[test]
    fn the_first_difference_is_named_with_both_values() {
        let config = crate::preset::resolve("nano").unwrap();
        assert_eq!(config.difference(&config).unwrap(), None);
        type Change = fn(&mut Config);
        let cases: [(Change, &str); 5] = [
            (|config| config.seed = 7, "seed = 7, but it was 1"),
            (|config| config.training.learning_rate = 0.5, "[training] learning_rate = 0.5, but it was "),
            (|config| config.training.images = Some(9), "[training] images = 9, but it was not set"),
            (
                |config| config.layers[1] = Layer::Relu {},
                "layer 2: type = \"relu\", but it was \"batch_norm\"",
            ),
            (|config| config.layers.truncate(3), "number of layers = "),
        ];
        for (change, expected) in cases {
            let mut other = config.clone();
            change(&mut other);
            let text = config.difference(&other).unwrap().unwrap().to_string();
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn runs_are_known_by_what_is_in_them() {
        let config = |runs: &str, sha256: &str| {
            let text = crate::preset::resolve("nano").unwrap().to_toml().unwrap();
            let noted = if sha256.is_empty() { String::new() } else { format!("sha256 = [{sha256}]\n") };
            Config::parse(&format!("{text}[distillation]\nruns = [{runs}]\n{noted}"), "t").unwrap()
        };
        let whole = format!("{:?}", absolute("a").unwrap());
        for (first, second, expected) in [
            (config("\"a\"", "\"1\""), config("\"moved\"", "\"1\""), None),
            (config("\"a\"", "\"1\""), config("\"a\"", "\"2\""), Some("[distillation] sha256 = [\"2\"]")),
            (config("\"a\"", ""), config(&whole, "\"1\""), None),
            (config("\"a\"", ""), config("\"b\"", "\"1\""), Some("[distillation] runs = [")),
        ] {
            let found = first.difference(&second).unwrap().map(|difference| difference.to_string());
            match expected {
                Some(expected) => assert!(found.as_ref().unwrap().starts_with(expected), "{found:?}"),
                None => assert_eq!(found, None),
            }
        }
    }
}
