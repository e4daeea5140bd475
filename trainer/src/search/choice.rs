//! One key of a configuration that a search may change, and the values it may have.
//!
//! ```text
//! layers.4.bits = [8, 4, 2]                      a key of layer 4 of the base, counted from 1
//! layers.13 = [{ type = "max_pool", size = 2 }]  the whole layer
//! layers.10-12.repeat = [0, 1, 2]                how often these layers stand there
//! training.learning_rate = [0.003, 0.006]        any other key
//! ```

use anyhow::{Context, Result, anyhow, bail, ensure};
use toml::{Table, Value};

use crate::config::{Config, Optimizer, Schedule, in_words};

/// Most times that layers may be repeated.
const MAX_REPEATS: i64 = 16;

/// A key with its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The path of the key, as it was written.
    pub path: String,
    /// What it may be; at least one value, none of them twice.
    pub values: Vec<Value>,
    target: Target,
}

/// What a path leads to; layers are counted from 0 here.
#[derive(Clone, Debug, PartialEq)]
enum Target {
    /// A key outside the layers, with the names of its sections.
    Key(Vec<String>),
    Layer(usize),
    LayerKey(usize, String),
    /// How often the layers from the first to the last stand there.
    Repeat(usize, usize),
}

impl Choice {
    /// Reads the path, which is of a configuration with so many layers, and checks that there are values.
    pub(super) fn new(path: &str, values: Value, layers: usize) -> Result<Self> {
        let target = Target::parse(path, layers).with_context(|| format!("[choices] {path}"))?;
        let Value::Array(values) = values else {
            bail!("[choices] {path} = {values}: expected a list of values, as in [{values}]");
        };
        ensure!(!values.is_empty(), "[choices] {path} = []: expected at least one value");
        for (index, value) in values.iter().enumerate() {
            ensure!(
                !values[..index].contains(value),
                "[choices] {path}: {value} is there twice; delete one of the two"
            );
            if let Target::Repeat(..) = target {
                ensure!(
                    value.as_integer().is_some_and(|times| (0..=MAX_REPEATS).contains(&times)),
                    "[choices] {path}: {value}: expected 0 (these layers are left out) to {MAX_REPEATS}"
                );
            }
        }
        Ok(Self { path: path.to_owned(), values, target })
    }

    /// Where it stands among the others: layers first, by number, then the sections by name.
    pub(super) fn order(&self) -> (usize, &str) {
        let layer = match &self.target {
            Target::Layer(index) | Target::LayerKey(index, _) | Target::Repeat(index, _) => *index,
            Target::Key(_) => usize::MAX,
        };
        (layer, &self.path)
    }

    /// Refuses what cannot be chosen beside another choice.
    pub(super) fn check_beside(&self, other: &Self) -> Result<()> {
        let (first, second) = (&self.path, &other.path);
        let quarrel = match (&self.target, &other.target) {
            (first, second) if first == second => true,
            (Target::Layer(whole), Target::LayerKey(of, _))
            | (Target::LayerKey(of, _), Target::Layer(whole)) => whole == of,
            (Target::Repeat(first, last), Target::Repeat(begin, end)) => first <= end && begin <= last,
            _ => false,
        };
        ensure!(
            !quarrel,
            "[choices] {first} and {second}: expected only one of the two, which change the same"
        );
        Ok(())
    }

    /// Fails where the key does not exist in `base`, or value `index` is not of its type.
    pub(super) fn check_type(&self, base: &Config, index: usize) -> Result<()> {
        match configuration(base, &[(self, index)]) {
            // Another choice may bring it.
            Err(error) if error.to_string().starts_with("missing field") => Ok(()),
            done => done.map(drop),
        }
    }

    /// Whether the choice is of a layer that `repeat`, with value `index`, leaves out.
    pub(super) fn is_left_out_by(&self, repeat: &Self, index: usize) -> bool {
        let Target::Repeat(first, last) = repeat.target else { return false };
        match self.target {
            Target::Layer(layer) | Target::LayerKey(layer, _) => {
                (first..=last).contains(&layer) && repeat.times(index) == 0
            }
            _ => false,
        }
    }

    fn times(&self, index: usize) -> usize {
        let times = self.values.get(index).and_then(Value::as_integer);
        times.and_then(|times| usize::try_from(times).ok()).unwrap_or(1)
    }

    /// Gives the key a value. Layers are repeated later: until then, their numbers are those of the base.
    fn set(&self, table: &mut Table, value: &Value) -> Result<()> {
        let layers = |table: &'_ mut Table| match table.get_mut("layers") {
            Some(Value::Array(layers)) => Some(core::mem::take(layers)),
            _ => None,
        };
        match &self.target {
            Target::Repeat(..) => {}
            Target::Key(keys) => {
                let (last, sections) = keys.split_last().context("expected a key")?;
                let mut place = table;
                for section in sections {
                    let inner = place.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
                    place = inner.as_table_mut().with_context(|| format!("`{section}` is no section"))?;
                }
                // Length is the one or the other.
                match (sections, last.as_str()) {
                    ([section], "epochs") if section == "training" => drop(place.remove("steps")),
                    ([section], "steps") if section == "training" => drop(place.remove("epochs")),
                    // Those that were noted are of the runs of the base.
                    ([section], "runs") if ["distillation", "ensemble"].contains(&section.as_str()) => {
                        drop(place.remove("sha256"));
                    }
                    _ => {}
                }
                place.insert(last.clone(), value.clone());
            }
            Target::Layer(index) | Target::LayerKey(index, _) => {
                let mut all = layers(table).context("the base has no layers")?;
                let layer =
                    all.get_mut(*index).with_context(|| format!("there is no layer {}", index + 1))?;
                if let (Target::LayerKey(_, key), Value::Table(layer)) = (&self.target, &mut *layer) {
                    layer.insert(key.clone(), value.clone());
                } else {
                    *layer = value.clone();
                }
                table.insert("layers".to_owned(), Value::Array(all));
            }
        }
        Ok(())
    }
}

impl Target {
    fn parse(path: &str, layers: usize) -> Result<Self> {
        let number = |text: &str| -> Result<usize> {
            let number = text.parse::<usize>().ok().filter(|number| (1..=layers).contains(number));
            number
                .map(|number| number - 1)
                .with_context(|| format!("layer {text:?}: expected 1 to {layers}, the layers of the base"))
        };
        let parts: Vec<&str> = path.split('.').collect();
        ensure!(parts.iter().all(|part| !part.is_empty()), "expected a path, as in training.learning_rate");
        match parts[..] {
            ["name", ..] => bail!("candidates are named by their number"),
            ["seed", ..] => bail!("every candidate has the same seeds; `seeds` says how many"),
            ["input", ..] | ["data", ..] => bail!("every candidate sees the same images (--data, --split)"),
            ["layers", place, "repeat"] => {
                let (first, last) = place.split_once('-').unwrap_or((place, place));
                let (first, last) = (number(first)?, number(last)?);
                ensure!(
                    first <= last,
                    "layers {place}: expected the first before the last, as in layers.4-6.repeat"
                );
                Ok(Self::Repeat(first, last))
            }
            ["layers", place] => Ok(Self::Layer(number(place)?)),
            ["layers", place, key] => Ok(Self::LayerKey(number(place)?, key.to_owned())),
            ["layers", ..] => bail!(
                "expected layers.4.bits (a key of a layer), layers.4 (all of it), or layers.4-6.repeat (how often)"
            ),
            _ => Ok(Self::Key(parts.into_iter().map(str::to_owned).collect())),
        }
    }
}

/// The base with a value for each of these choices, checked as far as can be without shapes.
///
/// # Errors
///
/// Where the result is no configuration; what is wrong, in words.
pub(super) fn configuration(base: &Config, picks: &[(&Choice, usize)]) -> Result<Config> {
    let mut base = base.clone();
    let value = |choice: &'_ Choice, index: usize| choice.values.get(index).cloned().context("no such value");
    // Another optimizer or schedule brings options of its own, and takes the old ones with it.
    for (choice, index) in picks {
        let value = value(choice, *index)?;
        match choice.path.as_str() {
            "training.optimizer" => {
                base.training.set_optimizer(value.try_into::<Optimizer>().map_err(|e| in_our_words(&e))?)
            }
            "training.schedule" => {
                base.training.set_schedule(value.try_into::<Schedule>().map_err(|e| in_our_words(&e))?)
            }
            _ => {}
        }
    }
    let mut table = Table::try_from(&base).context("writing the base as TOML")?;
    for (choice, index) in picks {
        choice.set(&mut table, &value(choice, *index)?)?;
    }
    if let Some(Value::Array(layers)) = table.get_mut("layers") {
        // From the last to the first: the numbers of those before stay what they are.
        let mut repeats: Vec<(usize, usize, usize)> = picks
            .iter()
            .filter_map(|(choice, index)| match choice.target {
                Target::Repeat(first, last) => Some((first, last, choice.times(*index))),
                _ => None,
            })
            .collect();
        repeats.sort_unstable();
        for (first, last, times) in repeats.into_iter().rev() {
            let block = layers.get(first..=last).context("there are no such layers")?.to_vec();
            layers.splice(first..=last, core::iter::repeat_n(block, times).flatten());
        }
    }
    let mut config: Config = Value::Table(table).try_into().map_err(|error| in_our_words(&error))?;
    config.training.resolve();
    Ok(config)
}

fn in_our_words(error: &toml::de::Error) -> anyhow::Error {
    anyhow!("{}", in_words(error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layer, Pair};
    use crate::preset;

    fn choice(path: &str, values: &str) -> Result<Choice> {
        let table: Table = format!("values = {values}").parse().unwrap();
        Choice::new(path, table["values"].clone(), 18)
    }

    /// The nano preset with the last value of each choice.
    fn changed(choices: &[(&str, &str)]) -> Result<Config> {
        let choices =
            choices.iter().map(|(path, values)| choice(path, values)).collect::<Result<Vec<_>>>()?;
        let picks: Vec<_> = choices.iter().map(|choice| (choice, choice.values.len() - 1)).collect();
        configuration(&preset::resolve("nano").unwrap(), &picks)
    }

    #[test]
    fn every_kind_of_path_changes_its_key_alone() {
        let base = preset::resolve("nano").unwrap();
        let mut expected = base.clone();
        expected.training.learning_rate = 1.0;
        expected.augmentation.rotation = 3.0;
        expected.layers[0] = Layer::Conv {
            filters: 6,
            kernel: Pair([5, 3]),
            stride: Pair([1, 1]),
            padding: crate::config::Padding::Valid,
            groups: 1,
            bits: Some(4),
        };
        expected.layers[12] = Layer::AveragePool { size: Pair([2, 2]), stride: None };
        let config = changed(&[
            ("training.learning_rate", "[0.5, 1]"),
            ("augmentation.rotation", "[3]"),
            ("layers.1.filters", "[6]"),
            ("layers.1.kernel", "[[5, 3]]"),
            ("layers.1.bits", "[8, 4]"),
            ("layers.13", "[{ type = \"average_pool\", size = 2 }]"),
        ]);
        assert_eq!(config.unwrap(), expected);
        assert_eq!(changed(&[]).unwrap(), base);
    }

    #[test]
    fn layers_are_repeated_and_left_out_by_their_numbers_in_the_base() {
        let kinds = |choices: &[(&str, &str)]| -> Vec<String> {
            changed(choices).unwrap().layers.iter().map(|layer| layer.kind().to_owned()).collect()
        };
        let base = kinds(&[]);
        let without = kinds(&[("layers.10-12.repeat", "[0]")]);
        assert_eq!(without, [&base[..9], &base[12..]].concat());
        let both =
            [("layers.4-6.repeat", "[0]"), ("layers.10-12.repeat", "[3]"), ("layers.10.filters", "[20]")];
        let config = changed(&both).unwrap();
        let twenty = |layer: &&Layer| matches!(layer, Layer::Conv { filters: 20, .. });
        assert_eq!((config.layers.len(), config.layers.iter().filter(twenty).count()), (21, 3));
        let (repeat, filters) =
            (choice("layers.10-12.repeat", "[1, 0]").unwrap(), choice("layers.12.bits", "[4]").unwrap());
        assert!(filters.is_left_out_by(&repeat, 1) && !filters.is_left_out_by(&repeat, 0));
    }

    #[test]
    fn another_optimizer_or_length_takes_the_options_of_the_old_one_with_it() {
        let config = changed(&[("training.optimizer", "[\"sgd\"]"), ("training.steps", "[9]")]).unwrap();
        config.check().unwrap();
        assert_eq!((config.training.epochs, config.training.steps), (None, Some(9)));
        assert_eq!(config.training.momentum(), 0.9);
        changed(&[("training.schedule", "[\"constant\"]")]).unwrap().check().unwrap();
    }

    #[test]
    fn what_is_wrong_is_named_with_its_cure() {
        for (path, values, expected) in [
            ("layers.19.filters", "[8]", "layer \"19\": expected 1 to 18"),
            ("layers.0.filters", "[8]", "expected 1 to 18"),
            ("layers.6-4.repeat", "[1]", "expected the first before the last"),
            ("layers.4-6.repeat", "[1, -1]", "-1: expected 0 (these layers are left out) to 16"),
            ("layers", "[8]", "expected layers.4.bits"),
            ("layers.1.kernel.2", "[8]", "expected layers.4.bits"),
            ("seed", "[1, 2]", "`seeds` says how many"),
            ("data.split", "[\"6/1\"]", "the same images"),
            ("training.epochs", "8", "training.epochs = 8: expected a list of values, as in [8]"),
            ("training.epochs", "[]", "expected at least one value"),
            ("training.epochs", "[8, 9, 8]", "8 is there twice"),
            ("training..epochs", "[8]", "expected a path"),
        ] {
            let message = format!("{:#}", choice(path, values).unwrap_err());
            assert!(message.contains("[choices] ") && message.contains(expected), "{message}");
        }
        let base = preset::resolve("nano").unwrap();
        for (path, values, expected) in [
            ("training.learningrate", "[0.1]", "unknown field `learningrate`"),
            ("trainin.learning_rate", "[0.1]", "unknown field `trainin`"),
            ("training.learning_rate", "[\"x\"]", "expected a number, found \"x\""),
            ("layers.2.filters", "[8]", "unknown field `filters`"),
            ("layers.1.filters", "[1.5]", "expected a whole number"),
            ("training.optimizer", "[\"lion\"]", "lion"),
            ("pixels", "[\"l3\"]", "l3"),
            ("pixels.what", "[1]", "`pixels` is no section"),
        ] {
            let message = choice(path, values).unwrap().check_type(&base, 0).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        // Alone it lacks what another choice may bring.
        choice("layers.2", "[{ type = \"dense\" }]").unwrap().check_type(&base, 0).unwrap();
    }

    #[test]
    fn choices_of_the_same_key_quarrel() {
        let quarrel = |first: &str, second: &str| {
            let (first, second) = (choice(first, "[1]").unwrap(), choice(second, "[1]").unwrap());
            assert_eq!(first.check_beside(&second).is_err(), second.check_beside(&first).is_err());
            first.check_beside(&second).is_err()
        };
        assert!(quarrel("layers.4", "layers.4.filters") && quarrel("layers.4-6.repeat", "layers.6-9.repeat"));
        assert!(
            !quarrel("layers.4", "layers.5.filters") && !quarrel("layers.4-6.repeat", "layers.7-9.repeat")
        );
        assert!(!quarrel("layers.4-6.repeat", "layers.5.bits") && quarrel("layers.04.bits", "layers.4.bits"));
    }
}
