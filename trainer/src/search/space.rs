//! What is searched: a base, what may differ from it, what a candidate may cost, and how long it is trained.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;
use toml::{Table, Value};

use super::budget::Budget;
use super::choice::{Choice, configuration};
use crate::augment::mix;
use crate::config::{Config, explain};
use crate::experiment::{MAX_RUNS, Probe};
use crate::files;
use crate::network::{Plan, plan};
use crate::preset;

/// Largest file that is read as a space.
const MAX_BYTES: u64 = 1 << 20;
/// Most candidates: their directories have four digits.
pub const MAX_TRIALS: usize = 9_999;
/// Combinations that are tried before a value is said to make no network.
const MAX_TRIES: usize = 300;

/// A search that ships with the trainer: its name, a line for the help, and its TOML.
pub const SHIPPED: &[(&str, &str, &str)] = &[(
    "nano",
    "3x3 networks like nano: 12,000 bytes of weights and biases, 500,000 MACs",
    include_str!("../../searches/nano.toml"),
)];

/// A search, read and checked.
#[derive(Clone, Debug)]
pub struct Space {
    /// Name of the search, and of its directory: that of its file, without the ending.
    pub name: String,
    /// What opens an error message: the file.
    pub origin: String,
    /// What every candidate is but for its choices.
    pub base: Config,
    /// Seed by which candidates are drawn.
    pub seed: u64,
    /// Candidates to train.
    pub trials: usize,
    /// What a candidate may take.
    pub budget: Budget,
    /// Layers first, by number, then sections by name.
    pub choices: Vec<Choice>,
    /// The rounds of training, first to last.
    pub rungs: Vec<Rung>,
    /// Share of the candidates of a rung that goes on to the next.
    pub keep: f64,
    /// How candidates are validated.
    pub probe: Probe,
}

/// A round of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Epochs with floats; the candidate's own where absent.
    pub epochs: Option<usize>,
    /// Runs of every candidate, with its seed and those after it.
    pub seeds: usize,
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    base: String,
    seed: Option<u64>,
    trials: Option<usize>,
    seeds: Option<usize>,
    #[serde(default)]
    budget: Budget,
    halving: Option<Halving>,
    #[serde(default)]
    validation: Probe,
    choices: Table,
}

/// Successive halving.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Halving {
    epochs: Vec<usize>,
    keep: Option<f64>,
    seeds: Option<Vec<usize>>,
}

const DEFAULT_TRIALS: usize = 32;
const DEFAULT_KEEP: f64 = 1.0 / 3.0;

impl Space {
    /// The search of that name, else in that file.
    ///
    /// # Errors
    ///
    /// Where it is neither, or something in it is wrong: with the file, the key, the cause and the cure.
    pub fn resolve(name_or_path: &str) -> Result<Self> {
        if let Some((name, _, toml)) = SHIPPED.iter().find(|(name, ..)| *name == name_or_path) {
            return Self::parse(toml, &format!("{name}.toml"), Path::new(""));
        }
        let path = Path::new(name_or_path);
        if !path.exists() {
            let names: Vec<&str> = SHIPPED.iter().map(|(name, ..)| *name).collect();
            bail!(
                "{name_or_path}: neither a search that ships ({}) nor a file; docs/SEARCH.md says how to write one",
                names.join(", ")
            );
        }
        let text = String::from_utf8(files::read(path, MAX_BYTES)?)
            .with_context(|| format!("{name_or_path}: expected a search, found no text"))?;
        Self::parse(&text, name_or_path, path.parent().unwrap_or(Path::new("")))
    }

    /// Reads a search; `origin` opens the error message, and `directory` is where the file of its base is.
    ///
    /// # Errors
    ///
    /// As [`resolve`](Self::resolve).
    pub fn parse(text: &str, origin: &str, directory: &Path) -> Result<Self> {
        let file: File =
            toml::from_str(text).map_err(|error| anyhow!("{origin}: {}", explain(text, &error)))?;
        let space = file.space(origin, directory).with_context(|| origin.to_owned())?;
        space.check().with_context(|| origin.to_owned())?;
        Ok(space)
    }

    /// Whether all values of all choices are of the right type, and each is part of some network.
    fn check(&self) -> Result<()> {
        for (index, choice) in self.choices.iter().enumerate() {
            for other in &self.choices[..index] {
                other.check_beside(choice)?;
            }
            for value in 0..choice.values.len() {
                let place = || format!("[choices] {} = {}", choice.path, choice.values[value]);
                choice.check_type(&self.base, value).with_context(place)?;
            }
        }
        // Types are right: now the meaning.
        let mut rng = StdRng::seed_from_u64(mix(self.seed));
        for (index, choice) in self.choices.iter().enumerate() {
            for value in 0..choice.values.len() {
                let place = || {
                    format!(
                        "[choices] {} = {}, which makes no network with any of the other choices that were tried",
                        choice.path, choice.values[value]
                    )
                };
                self.try_value(index, value, &mut rng).with_context(place)?;
            }
        }
        self.check_length()
    }

    /// Whether there is a network with this value; what is wrong with the first that is none.
    fn try_value(&self, choice: usize, value: usize, rng: &mut StdRng) -> Result<()> {
        let mut first = None;
        for _ in 0..MAX_TRIES {
            let mut picks = self.draw(rng);
            if first.is_none() {
                picks.fill(0); // the first values are those that people think of first
            }
            picks[choice] = value;
            match self.build(&picks) {
                Ok(_) => return Ok(()),
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Whether rungs and recipe fit each other.
    fn check_length(&self) -> Result<()> {
        let Some(longest) = self.rungs.last().and_then(|rung| rung.epochs) else { return Ok(()) };
        for choice in &self.choices {
            let several = choice.values.len() > 1 && choice.path == "training.epochs";
            ensure!(
                !several && choice.path != "training.steps",
                "[choices] {}: expected one number of epochs for all, as `training.epochs = [{longest}]`: [halving] \
                 gives every candidate of a rung the same epochs",
                choice.path
            );
        }
        let config =
            configuration(&self.base, &self.choices.iter().map(|choice| (choice, 0)).collect::<Vec<_>>())?;
        let Some(whole) = config.training.epochs else {
            bail!(
                "[halving] epochs: the base counts steps; give `training.epochs = [{longest}]` among the [choices]"
            );
        };
        ensure!(
            longest <= whole,
            "[halving] epochs = {longest}: expected at most {whole}, those of the whole recipe; a longer one is \
             `training.epochs = [{longest}]` among the [choices]"
        );
        Ok(())
    }

    /// How many values each choice has.
    pub(super) fn sizes(&self) -> Vec<usize> {
        self.choices.iter().map(|choice| choice.values.len()).collect()
    }

    /// A value for each choice.
    pub(super) fn draw(&self, rng: &mut StdRng) -> Vec<usize> {
        self.sizes().into_iter().map(|count| rng.random_range(0..count)).collect()
    }

    /// The base with the value of that index for each choice, and its network.
    pub(super) fn build(&self, picks: &[usize]) -> Result<(Config, Plan)> {
        let picks: Vec<(&Choice, usize)> = self.choices.iter().zip(picks.iter().copied()).collect();
        let config = configuration(&self.base, &picks)?;
        config.check()?;
        let plan = plan(&config)?;
        Ok((config, plan))
    }

    /// What these values change, as path and value: of the choices that are any, and of layers that are there.
    pub(super) fn changes(&self, picks: &[usize]) -> Vec<(String, Value)> {
        let pairs: Vec<(&Choice, usize)> = self.choices.iter().zip(picks.iter().copied()).collect();
        let left_out =
            |choice: &Choice| pairs.iter().any(|(repeat, index)| choice.is_left_out_by(repeat, *index));
        let shown = pairs.iter().filter(|(choice, _)| choice.values.len() > 1 && !left_out(choice));
        shown.map(|(choice, index)| (choice.path.clone(), choice.values[*index].clone())).collect()
    }
}

impl File {
    fn space(self, origin: &str, directory: &Path) -> Result<Space> {
        let base = match preset::find(&self.base) {
            Some(_) => preset::resolve(&self.base),
            None => preset::resolve(&directory.join(&self.base).to_string_lossy()),
        };
        let base = base.with_context(|| format!("base = {:?}", self.base))?;
        let seed = self.seed.unwrap_or(1);
        let trials = self.trials.unwrap_or(DEFAULT_TRIALS);
        check_trials("trials", trials)?;
        self.budget.check()?;
        self.validation.check()?;
        let keep = self.halving.as_ref().and_then(|halving| halving.keep).unwrap_or(DEFAULT_KEEP);
        ensure!(keep > 0.0 && keep < 1.0, "[halving] keep = {keep:?}: expected more than 0, and less than 1");
        let rungs = rungs(self.seeds, self.halving)?;
        let seeds = rungs.iter().map(|rung| rung.seeds).max().unwrap_or(1);
        let last = base.seed.saturating_add(seeds as u64 - 1);
        ensure!(
            i64::try_from(last).is_ok(),
            "seeds = {seeds}: the seed of the base, {}, is too large",
            base.seed
        );

        let mut paths = Vec::new();
        flatten("", self.choices, &mut paths);
        ensure!(
            !paths.is_empty(),
            "[choices]: expected at least one, as training.learning_rate = [0.003, 0.006]"
        );
        let choices = paths.into_iter().map(|(path, values)| Choice::new(&path, values, base.layers.len()));
        let mut choices = choices.collect::<Result<Vec<_>>>()?;
        choices.sort_by(|a, b| a.order().cmp(&b.order()));
        let name = Path::new(origin).file_stem().map_or("search".into(), |stem| stem.to_string_lossy());
        Ok(Space {
            name: name.into_owned(),
            origin: origin.to_owned(),
            base,
            seed,
            trials,
            budget: self.budget,
            choices,
            rungs,
            keep,
            probe: self.validation,
        })
    }
}

/// Refuses a number of candidates that there are no directories for.
pub(super) fn check_trials(key: &str, trials: usize) -> Result<()> {
    ensure!((1..=MAX_TRIALS).contains(&trials), "{key} = {trials}: expected 1 to {MAX_TRIALS}");
    Ok(())
}

fn rungs(seeds: Option<usize>, halving: Option<Halving>) -> Result<Vec<Rung>> {
    let check = |key: &str, seeds: usize| {
        ensure!((1..=MAX_RUNS).contains(&seeds), "{key} = {seeds}: expected 1 to {MAX_RUNS}");
        Ok(seeds)
    };
    let all = check("seeds", seeds.unwrap_or(1))?;
    let Some(halving) = halving else { return Ok(vec![Rung { epochs: None, seeds: all }]) };
    let epochs = halving.epochs;
    let rises = epochs.windows(2).all(|pair| pair[0] < pair[1]);
    ensure!(
        rises && epochs.first().is_some_and(|first| *first > 0),
        "[halving] epochs = {epochs:?}: expected numbers from 1 that rise, as [3, 9, 27]"
    );
    let each = match (seeds, halving.seeds) {
        (Some(_), Some(_)) => bail!("seeds and [halving] seeds: expected one of the two"),
        (_, None) => vec![all; epochs.len()],
        (None, Some(each)) => each,
    };
    ensure!(
        each.len() == epochs.len(),
        "[halving] seeds = {each:?}: expected one number for each of epochs = {epochs:?}"
    );
    let rungs = epochs.into_iter().zip(each);
    rungs
        .map(|(epochs, seeds)| Ok(Rung { epochs: Some(epochs), seeds: check("[halving] seeds", seeds)? }))
        .collect()
}

/// The lists of a table and of the tables in it, with their paths: quotes around a path change nothing.
fn flatten(prefix: &str, table: Table, lists: &mut Vec<(String, Value)>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(table) => flatten(&path, table, lists),
            value => lists.push((path, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Space, String> {
        Space::parse(text, "dir/mine.toml", Path::new("dir")).map_err(|error| format!("{error:#}"))
    }

    const SPACE: &str = "base = \"nano\"\ntrials = 8\n[budget]\nweight_bytes = 12000\n\
                         [halving]\nepochs = [1, 3]\nseeds = [1, 2]\n[choices]\n\
                         layers.10.filters = [16, 20]\n\"layers.4.filters\" = [8, 10]\n\
                         augmentation.rotation = [5, 7]\n";

    #[test]
    fn a_space_is_read_with_or_without_quotes_and_sorted() {
        let space = parse(SPACE).unwrap();
        let paths: Vec<&str> = space.choices.iter().map(|choice| choice.path.as_str()).collect();
        assert_eq!(paths, ["layers.4.filters", "layers.10.filters", "augmentation.rotation"]);
        let rungs = [Rung { epochs: Some(1), seeds: 1 }, Rung { epochs: Some(3), seeds: 2 }];
        assert_eq!((space.name.as_str(), &space.rungs[..], space.trials), ("mine", &rungs[..], 8));
        let (config, _) = space.build(&[1, 0, 1]).unwrap();
        assert_eq!(config.augmentation.rotation, 7.0);
        let changes = space.changes(&[1, 0, 1]);
        assert_eq!(changes[0], ("layers.4.filters".to_owned(), Value::Integer(10)));
        let plain = parse("base = \"nano\"\n[choices]\nlayers.1.filters = [8]\n").unwrap();
        assert_eq!(plain.rungs, [Rung { epochs: None, seeds: 1 }]);
        assert_eq!(plain.changes(&[0]), []);
    }

    #[test]
    fn what_ships_is_valid() {
        for (name, ..) in SHIPPED {
            let space = Space::resolve(name).unwrap();
            assert_eq!(space.name, *name);
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_file_key_and_cure() {
        let with = |old: &str, new: &str| SPACE.replace(old, new);
        for (text, expected) in [
            (with("base = \"nano\"", "base = \"nanno\""), "base = \"nanno\": dir/nanno: neither a preset"),
            (with("base = \"nano\"\n", ""), "missing field `base`"),
            (with("trials = 8", "trials = 0"), "trials = 0: expected 1 to 9999"),
            (with("trials = 8", "trails = 8"), "unknown field `trails`"),
            (
                with("weight_bytes = 12000", "weight_bytes = -1"),
                "line 4, `weight_bytes = -1`: expected a whole",
            ),
            (with("weight_bytes = 12000", "weight_bytes = 0"), "[budget] weight_bytes = 0"),
            (with("weight_bytes = 12000", "least = 0.5"), "expected weight_bytes beside it"),
            (with("weight_bytes = 12000", "bytes = 9"), "unknown field `bytes`"),
            (
                with("epochs = [1, 3]", "epochs = [3, 1]"),
                "[halving] epochs = [3, 1]: expected numbers from 1 that",
            ),
            (with("epochs = [1, 3]", "epochs = []"), "[halving] epochs = []"),
            (with("epochs = [1, 3]", "epochs = [1, 99]"), "expected at most 12, those of the whole recipe"),
            (with("seeds = [1, 2]", "seeds = [1]"), "expected one number for each of epochs"),
            (with("seeds = [1, 2]", "keep = 1.0"), "[halving] keep = 1.0"),
            (with("trials = 8", "seeds = 2"), "expected one of the two"),
            (
                with("[5, 7]", "[5, 7]\ntraining.epochs = [9, 12]"),
                "training.epochs: expected one number of epochs",
            ),
            (with("[5, 7]", "[5, 7]\ntraining.steps = [9]"), "training.steps: expected one number of epochs"),
            (with("[5, 7]", "[5, 700]"), "augmentation.rotation = 700"),
            (with("[5, 7]", "[5, 7]\nlayers.4.bits = [8, 3]"), "layers.4.bits = 3, which makes no network"),
            (with("rotation", "spin"), "augmentation.spin = 5: unknown field `spin`"),
            (with("[16, 20]", "[]"), "layers.10.filters = []: expected at least one value"),
            (with("[16, 20]", "[16, \"x\"]"), "layers.10.filters = \"x\": expected a whole number"),
            (with("layers.10.filters", "layers.4.filters"), "change the same"),
            (SPACE[..SPACE.find("layers.10").unwrap()].to_owned(), "[choices]: expected at least one"),
            (SPACE[..SPACE.find("[choices]").unwrap()].to_owned(), "missing field `choices`"),
            (format!("{SPACE}[validation]\ncopies = 0"), "[validation] copies = 0: expected 1 to"),
            (format!("{SPACE}[validation.distortion]\nscale = 3"), "[validation.distortion] scale = 3.0"),
        ] {
            let message = parse(&text).unwrap_err();
            assert!(message.starts_with("dir/mine.toml: ") && message.contains(expected), "{message}");
            for word in ["usize", "u64", "f64", "struct", "enum"] {
                assert!(!message.contains(word), "{message}");
            }
        }
        let message = Space::resolve("absent.toml").unwrap_err().to_string();
        assert!(message.contains("absent.toml") && message.contains("nano"), "{message}");
    }
}
