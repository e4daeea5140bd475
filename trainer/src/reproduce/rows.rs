//! What is reproduced: the networks of others, with the accuracy that their authors report.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::baseline::Method;
use crate::config::Config;
use crate::preset;

/// A row of the table of results.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name; that of its preset where it has one, but for `keras-cnn`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What its authors report of the test set, in per cent, as they say it.
    pub reported: Option<&'static str>,
    /// The number to compare with, in per cent: the larger one of a range.
    pub goal: Option<f64>,
    /// Runs with different seeds, where the user says nothing else.
    pub runs: usize,
    /// The row of the same network, with which it shares what our recipe makes of it.
    pub same_network: Option<&'static str>,
    /// What the figures do not say.
    pub remark: &'static str,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A network of this preset, which has the recipe of its authors.
    Network(&'static str),
    /// A classic classifier; with scaled pixels or not.
    Baseline(Method, bool),
    /// The majority of the first seeds of another row.
    Vote(&'static str),
}

/// Models of a [`Kind::Vote`].
pub(super) const VOTERS: usize = 3;

/// A way to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Recipe {
    /// As the authors of the network give it.
    Authors,
    /// One recipe of ours for every network.
    Ours,
}

impl Recipe {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Authors, Self::Ours];
}

/// All rows, in the order of the table.
pub const ROWS: [Row; 18] = [
    network(
        "ultimate",
        "ultimate",
        "99.47",
        99.47,
        1,
        "one run, where the user asks for no more: it takes hours",
    ),
    network(
        "ultimate-v2",
        "ultimate-v2",
        "99.37",
        99.37,
        1,
        "its layers are ours: the sources do not give them",
    ),
    Row {
        goal: None,
        ..network(
            "baseline",
            "baseline",
            "below 99.37",
            0.0,
            1,
            "its layers are ours: the sources do not give them",
        )
    },
    network("lenet-vanilla", "lenet-vanilla", "97.25", 97.25, 5, ""),
    network("lenet-normalized", "lenet-normalized", "97.98", 97.98, 5, "pixels brought to -1..1")
        .like("lenet-vanilla"),
    network("lenet-batch64", "lenet-batch64", "98.36", 98.36, 5, "and batches of 64").like("lenet-vanilla"),
    network("lenet-batch32", "lenet-batch32", "98.48", 98.48, 5, "and batches of 32").like("lenet-vanilla"),
    network("lenet-lr5e-4", "lenet-lr5e-4", "98.73", 98.73, 5, "and a learning rate of 5e-4")
        .like("lenet-vanilla"),
    network("deeper", "deeper", "99.05", 99.05, 5, ""),
    network("deeper-sgd", "deeper-sgd", "99.2", 99.2, 5, "").like("deeper"),
    network("mlp-128-32", "mlp-128-32", "97.83", 97.83, 5, ""),
    network("mlp-256", "mlp-256", "97.77 to 98.0", 98.0, 5, ""),
    network("keras-cnn", "keras-cnn-rmsprop", "99.14 to 99.19", 99.19, 5, ""),
    network(
        "mlp-128-128",
        "mlp-128-128",
        "96.62",
        96.62,
        5,
        "by its authors' recipe, test images are 30 % of the train file (18,000), as they divide Kaggle's",
    ),
    classic("naive-bayes", Method::NaiveBayes, false, None, "its smoothing is chosen on validation images"),
    classic("sgd-linear", Method::SgdLinear, false, Some(("~85", 85.0)), "pixels 0 to 1"),
    classic(
        "sgd-linear-scaled",
        Method::SgdLinear,
        true,
        Some(("~90", 90.0)),
        "pixels of mean 0 and deviation 1",
    ),
    Row {
        name: "vote3",
        kind: Kind::Vote("keras-cnn"),
        reported: Some("99.83 (capsules), 99.79 (DropConnect)"),
        goal: None,
        runs: 1,
        same_network: None,
        remark: "the majority of the first three seeds of keras-cnn; those reported are votes of other networks",
    },
];

const fn network(
    name: &'static str,
    preset: &'static str,
    reported: &'static str,
    goal: f64,
    runs: usize,
    remark: &'static str,
) -> Row {
    let (reported, goal) = (Some(reported), Some(goal));
    Row { name, kind: Kind::Network(preset), reported, goal, runs, same_network: None, remark }
}

const fn classic(
    name: &'static str,
    method: Method,
    scaled: bool,
    reported: Option<(&'static str, f64)>,
    remark: &'static str,
) -> Row {
    let (text, goal) = match reported {
        Some((text, goal)) => (Some(text), Some(goal)),
        None => (None, None),
    };
    let kind = Kind::Baseline(method, scaled);
    Row { name, kind, reported: text, goal, runs: 1, same_network: None, remark }
}

/// Our recipe: what replaces the training, the distortion and the quantization of a preset.
pub(super) const OURS: &str = "\
[training]
epochs = 20
batch_size = 64
optimizer = \"adamw\"
learning_rate = 2e-3
warmup_steps = 200
schedule = \"cosine\"
weight_decay = 0.02
label_smoothing = 0.05

[quantization]
bits = 8
qat_epochs = 1
qat_learning_rate = 2e-4
";

impl Row {
    /// The same, as another recipe for the network of a row.
    const fn like(self, row: &'static str) -> Self {
        Self { same_network: Some(row), ..self }
    }

    /// The row of that name.
    pub fn named(name: &str) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.name == name)
    }

    /// The recipes that it has: a classic classifier is trained in one way only, and a network by our recipe
    /// only once.
    pub fn recipes(&self) -> &'static [Recipe] {
        match (self.kind, self.same_network) {
            (Kind::Baseline(..), _) | (_, Some(_)) => &[Recipe::Authors],
            (Kind::Network(_) | Kind::Vote(_), None) => &Recipe::ALL,
        }
    }

    /// Where its runs are, in the directory of all.
    pub fn directory(&self, recipe: Recipe) -> String {
        match recipe {
            Recipe::Authors => self.name.to_owned(),
            Recipe::Ours => format!("{}-ours", self.name),
        }
    }

    /// The configuration of the first run; none of what is no network.
    ///
    /// # Errors
    ///
    /// Where the preset is not valid.
    pub fn config(&self, recipe: Recipe) -> Result<Option<Config>> {
        let Kind::Network(preset) = self.kind else {
            return Ok(None);
        };
        let config = preset::resolve(preset)?;
        Ok(Some(match recipe {
            Recipe::Authors => config,
            Recipe::Ours => ours(&config).with_context(|| format!("preset {preset} with our recipe"))?,
        }))
    }
}

/// The network of a configuration with our recipe.
fn ours(config: &Config) -> Result<Config> {
    let mut table: Table = toml::from_str(&config.to_toml()?)?;
    for key in ["pixels", "data", "training", "augmentation", "quantization"] {
        table.remove(key);
    }
    // What is done to the pixels is of the recipe.
    if let Some(Value::Array(layers)) = table.get_mut("layers") {
        layers.retain(|layer| layer.get("type").and_then(Value::as_str) != Some("normalize"));
    }
    table.extend(toml::from_str::<Table>(OURS)?);
    let name = format!("{}-ours", config.name);
    table.insert("name".to_owned(), Value::String(name.clone()));
    Config::parse(&toml::to_string(&table)?, &name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::plan;

    #[test]
    fn every_row_has_its_networks() {
        for row in &ROWS {
            assert_eq!(Row::named(row.name).map(|row| row.name), Some(row.name));
            for recipe in row.recipes() {
                if let Some(config) = row.config(*recipe).unwrap() {
                    plan(&config).unwrap();
                }
            }
            if let Some(same) = row.same_network {
                let network = |name: &str| {
                    let row = Row::named(name).unwrap();
                    ours(&row.config(Recipe::Authors).unwrap().unwrap()).unwrap().layers
                };
                assert_eq!(network(row.name), network(same), "{} is not {same}", row.name);
            }
            if let Kind::Vote(of) = row.kind {
                assert!(matches!(Row::named(of).unwrap().kind, Kind::Network(_)));
                assert!(Row::named(of).unwrap().runs >= VOTERS);
            }
        }
    }

    #[test]
    fn our_recipe_keeps_the_network_and_nothing_else() {
        let row = Row::named("lenet-vanilla").unwrap();
        let (theirs, ours) =
            (row.config(Recipe::Authors).unwrap().unwrap(), row.config(Recipe::Ours).unwrap().unwrap());
        assert_eq!(theirs.layers, ours.layers);
        assert_ne!(theirs.training, ours.training);
        assert_ne!(theirs.augmentation, ours.augmentation);
        assert_eq!(ours.name, "lenet-vanilla-ours");
        let scaled =
            super::ours(&Row::named("lenet-normalized").unwrap().config(Recipe::Authors).unwrap().unwrap());
        assert_eq!(scaled.unwrap().layers, ours.layers, "pixels are of the recipe");
    }
}
