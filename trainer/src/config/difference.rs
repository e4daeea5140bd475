//! The first difference of two configurations, in the words of the TOML file.

use core::fmt;

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
    /// What `other` says differently, the first of it; nothing where the two are equal.
    ///
    /// # Errors
    ///
    /// Where a configuration cannot be written as TOML.
    pub fn difference(&self, other: &Config) -> Result<Option<Difference>> {
        let table = |config: &Config| Table::try_from(config).context("comparing two configurations");
        Ok(of_tables("", &table(self)?, &table(other)?))
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
}
