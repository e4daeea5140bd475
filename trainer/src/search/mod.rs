//! Architectures and recipes by their figures on the validation images, within what a board has room for.
//!
//! ```text
//! SPACE.toml --draw--> candidates within the budget --train--> figures --best third--> longer training --> ...
//!  (space)    (draw)        <out>/0007/config.toml             (record)  (successive halving)     |
//!                                                                                search.json, SEARCH.md (findings,
//!                                                                                                        document)
//! ```
//!
//! Candidates are random combinations (Bergstra and Bengio 2012), and the worse ones are given up early (successive
//! halving: Jamieson and Talwalkar 2016). Every run is an ordinary one, in a directory of its own:
//!
//! ```text
//! <out>/search.json, SEARCH.md            rewritten after every run
//! <out>/0007/config.toml                  the whole recipe of candidate 7
//! <out>/0007/epochs-3-seed-1/             its run in the rung of 3 epochs; finished when it has its validation.json
//! ```
//!
//! As in [`crate::reproduce`], what is finished is in the directories of the runs and nowhere else, and a run that was
//! interrupted goes on at its checkpoint. The test images are not read.

mod budget;
mod choice;
mod document;
mod draw;
mod findings;
mod record;
mod space;

pub use budget::{Budget, Footprint};
pub use choice::Choice;
pub use draw::{Candidate, Counts, draw};
pub use findings::{Findings, Row, RungFindings};
pub use record::{Means, Record};
pub use space::{MAX_TRIALS, Rung, SHIPPED, Space};

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use self::record::Records;
use crate::config::{Config, Pixels};
use crate::data::{Dataset, Source};
use crate::experiment::{Place, Validated, validate};
use crate::files::{read, write_whole};
use crate::network::plan;
use crate::report::{duration, note, thousands};
use crate::train::{Destination, Diverged, Outcome, RunDirectory, Training, save_data_path};

/// The table of a search, in its directory.
const TABLE: &str = "search.json";
/// The same for people.
const DOCUMENT: &str = "SEARCH.md";
/// The whole recipe of a candidate, in its directory.
const CONFIG: &str = "config.toml";
/// Largest file that is read as a table.
const MAX_BYTES: u64 = 1 << 28;

/// Where the results go, and how they are spoken of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of the search.
    pub out: PathBuf,
    /// The command that goes on with it.
    pub resumption: String,
    /// Where the images are, if not in the repository.
    pub data: Option<PathBuf>,
}

/// A search on its way.
struct Search<'a> {
    space: &'a Space,
    options: &'a Options,
    place: &'a Place,
    candidates: Vec<Candidate>,
    counts: Counts,
    records: Records,
    images: Images,
    /// What the data are, and how many validation images there are.
    data: String,
    validation_images: usize,
    /// What the search is of.
    begun: Value,
}

/// Trains what is not finished, rung by rung, and writes the table after every run. A search that is in the directory
/// already goes on; it may be given more trials, more seeds and other rungs.
///
/// # Errors
///
/// Where nothing meets the budget, the images do not fit, or another search is in the directory, before anything is
/// written; where a file cannot be written; and where the search is interrupted
/// ([`Interrupted`](crate::train::Interrupted)). A candidate whose training diverges is no error, but in the table.
pub fn search(space: &Space, options: &Options, place: &Place, source: &Source) -> Result<Findings> {
    let mut space = space.clone();
    // All candidates learn from the same teachers, also after an interruption.
    space.base.pin().with_context(|| space.origin.clone())?;
    let mut search = Search::new(&space, options, place, source)?;
    search.take_directory()?;
    search.run()?;
    search.write()
}

impl<'a> Search<'a> {
    /// All is checked, and nothing is written.
    fn new(space: &'a Space, options: &'a Options, place: &'a Place, source: &Source) -> Result<Self> {
        let (candidates, counts) = draw(space, space.trials)?;
        let mut images = Images { source: source.clone(), loaded: Vec::new() };
        // Of the first: whether images and network fit, and what the images are.
        let first = candidates.first().context("expected a candidate")?;
        let training = images.training(&first.config, place)?;
        let data = training.dataset().to_owned();
        let validation_images = training.validation().len();
        let mut choices = Map::new();
        for choice in &space.choices {
            choices.insert(choice.path.clone(), json!(choice.values));
        }
        let begun = json!({
            "base": space.base.to_toml()?,
            "seed": space.seed,
            "budget": space.budget,
            "choices": choices,
            "validation": space.probe,
            "data": data,
        });
        let records = Records::new(space.rungs.iter().map(|rung| rung.seeds), candidates.len());
        // As it is read back.
        let begun = serde_json::from_str(&begun.to_string()).context("writing the search as JSON")?;
        Ok(Self {
            space,
            options,
            place,
            candidates,
            counts,
            records,
            images,
            data,
            validation_images,
            begun,
        })
    }

    /// Makes the directory, or goes on with what is in it.
    fn take_directory(&mut self) -> Result<()> {
        let options = self.options;
        let out = &options.out;
        let shown = out.display();
        let table = out.join(TABLE);
        if table.exists() {
            let old: Value = serde_json::from_slice(&read(&table, MAX_BYTES)?).with_context(|| {
                format!("{}: not the table of a search; choose another --out", table.display())
            })?;
            if let Some(difference) = difference(&old["begun"], &self.begun) {
                bail!(
                    "{shown}: a search is there already, but of something else: {difference}; undo the change, or \
                     choose another --out"
                );
            }
        } else {
            let occupied = out.exists() && !fs::read_dir(out).is_ok_and(|mut files| files.next().is_none());
            ensure!(
                !occupied,
                "{shown}: expected the directory of a search, an empty one, or none; choose another --out"
            );
            fs::create_dir_all(out).with_context(|| format!("cannot create the directory {shown}"))?;
            // First of all: by it, the directory is known as that of a search.
            self.write()?;
        }
        for index in 0..self.candidates.len() {
            self.check_candidate(index)?;
            for rung in 0..self.space.rungs.len() {
                for seed in 0..self.space.rungs[rung].seeds {
                    let record = Record::load(&self.run_path(rung, index, seed))?;
                    self.records.set(rung, index, seed, record);
                }
            }
        }
        // Before the work: a table that cannot be written should not cost it.
        self.write()?;
        note(&format!("{}: {}; in {shown}", self.space.name, self.counts.text()));
        Ok(())
    }

    /// Saves the whole recipe of a candidate; one that is there is the same.
    fn check_candidate(&self, index: usize) -> Result<()> {
        let candidate = &self.candidates[index];
        let directory = self.options.out.join(candidate.directory());
        let file = directory.join(CONFIG);
        if file.exists() {
            return expect_config(&file, &candidate.config);
        }
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot create the directory {}", directory.display()))?;
        write_whole(&file, candidate.config.to_toml()?.as_bytes())
    }

    /// Rung by rung, the best of the rung before first.
    fn run(&mut self) -> Result<()> {
        for rung in 0..self.space.rungs.len() {
            let entrants = self.entrants(rung);
            for (position, index) in entrants.iter().copied().enumerate() {
                for seed in 0..self.space.rungs[rung].seeds {
                    // Other seeds would not save a recipe that fails with one.
                    let given_up = self.records.failure(index).is_some();
                    if given_up || self.records.get(rung, index, seed).is_some() {
                        continue;
                    }
                    self.announce(rung, (position, entrants.len()), index, seed);
                    let record = self.run_one(rung, index, seed)?;
                    self.records.set(rung, index, seed, Some(record));
                    self.write()?;
                    self.tell(rung, index);
                }
            }
        }
        Ok(())
    }

    /// The candidates of a rung: all, then those that were the best of the rung before.
    fn entrants(&self, rung: usize) -> Vec<usize> {
        let Some(before) = rung.checked_sub(1) else { return (0..self.candidates.len()).collect() };
        let entrants = self.entrants(before);
        let kept = kept(entrants.len(), self.space.keep);
        let ranked = self.records.ranked(before).into_iter().map(|(index, _)| index);
        ranked.filter(|index| entrants.contains(index)).take(kept).collect()
    }

    fn run_one(&mut self, rung: usize, index: usize, seed: usize) -> Result<Record> {
        let path = self.run_path(rung, index, seed);
        let training = self.images.training(&self.run_config(rung, index, seed), self.place)?;
        let config = training.config();
        let directory = if RunDirectory::is_at(&path) {
            expect_config(&path.join(CONFIG), config)?;
            RunDirectory::open(&path)?.0
        } else {
            Destination::chosen(&path, &config.name, false)?.take()?
        };
        if let Some(data) = &self.options.data {
            save_data_path(&path, data)?;
        }
        let seed = config.seed;
        let started = Instant::now();
        let record = match training.run(&directory) {
            Ok(outcome) => Record {
                seed,
                // Of all epochs, those before an interruption included.
                seconds: outcome.history.iter().map(|epoch| epoch.seconds).sum(),
                validated: Some(self.validate(&outcome, &training)?),
                failed: None,
            },
            Err(error) if error.is::<Diverged>() => Record {
                seed,
                seconds: started.elapsed().as_secs_f64(),
                validated: None,
                failed: Some(format!("{error:#}")),
            },
            Err(error) => return Err(error),
        };
        record.save(&path)
    }

    fn validate(&mut self, outcome: &Outcome, training: &Training) -> Result<Validated> {
        let loaded = self.images.load(training.config())?;
        let mut images = loaded.raw_validation.clone();
        images.truncate(training.validation().len());
        validate(&outcome.quantized, &images, loaded.pixels, &self.space.probe)
    }

    /// The recipe of a run: that of the candidate, with the epochs of the rung, and as large a share of the epochs with
    /// integers.
    fn run_config(&self, rung: usize, index: usize, seed: usize) -> Config {
        let mut config = self.candidates[index].config.clone();
        config.seed = config.seed.saturating_add(seed as u64);
        if let (Some(epochs), Some(whole)) = (self.space.rungs[rung].epochs, config.training.epochs) {
            config.training.epochs = Some(epochs);
            let integers = config.quantization.qat_epochs;
            config.quantization.qat_epochs = integers.saturating_mul(epochs).div_ceil(whole.max(1));
        }
        config
    }

    fn run_path(&self, rung: usize, index: usize, seed: usize) -> PathBuf {
        let candidate = &self.candidates[index];
        let seed = candidate.config.seed.saturating_add(seed as u64);
        let name = match self.space.rungs[rung].epochs {
            Some(epochs) => format!("epochs-{epochs}-seed-{seed}"),
            None => format!("seed-{seed}"),
        };
        self.options.out.join(candidate.directory()).join(name)
    }

    /// Writes both tables.
    fn write(&self) -> Result<Findings> {
        let findings = Findings::of(self);
        let json = serde_json::to_string_pretty(&findings).context("writing the table as JSON")? + "\n";
        write_whole(&self.options.out.join(TABLE), json.as_bytes())?;
        let document = document::render(self, &findings);
        write_whole(&self.options.out.join(DOCUMENT), document.as_bytes())?;
        Ok(findings)
    }

    /// The command that trains a candidate with its whole recipe.
    fn command(&self, candidate: &Candidate) -> String {
        let file = self.options.out.join(candidate.directory()).join(CONFIG);
        let data = self.options.data.as_ref();
        let data = data.map_or_else(String::new, |data| format!(" --data {}", data.display()));
        format!("trainer train {}{data}", file.display())
    }

    fn resumption(&self) -> &str {
        &self.options.resumption
    }

    fn announce(&self, rung: usize, (position, of): (usize, usize), index: usize, seed: usize) {
        let config = self.run_config(rung, index, seed);
        let footprint = &self.candidates[index].footprint;
        note(&format!(
            "rung {} of {}, candidate {} ({} of {of}), seed {}: {} bytes, {} MACs; {}",
            rung + 1,
            self.space.rungs.len(),
            self.candidates[index].directory(),
            position + 1,
            config.seed,
            thousands(footprint.weight_bytes),
            thousands(footprint.macs),
            self.candidates[index].in_words()
        ));
    }

    /// What came of a run, and how long the rest will take.
    fn tell(&self, rung: usize, index: usize) {
        let text = match (self.records.failure(index), Means::of(self.records.of(rung, index))) {
            (Some(reason), _) => format!("given up: {reason}"),
            (None, Some(means)) => {
                let ranked = self.records.ranked(rung);
                let rank = ranked.iter().position(|(candidate, _)| *candidate == index);
                let rank = rank.map_or_else(String::new, |rank| {
                    format!("; number {} of {} in this rung", rank + 1, ranked.len())
                });
                format!(
                    "validation {:.2} %, loss {:.4}; distorted {:.2} %, loss {:.4}{rank}",
                    means.accuracy, means.loss, means.distorted_accuracy, means.distorted_loss
                )
            }
            (None, None) => return,
        };
        let left = self.seconds_left().filter(|seconds| *seconds > 0.0);
        let left = left.map_or_else(String::new, |seconds| format!("; about {} left", duration(seconds)));
        note(&format!("         {text}{left}"));
    }

    /// Seconds that the rest takes where a product takes as long as it took so far.
    fn seconds_left(&self) -> Option<f64> {
        let work = |rung: usize, index: usize| {
            let config = self.run_config(rung, index, 0);
            let steps = config.training.steps.unwrap_or(0) as f64;
            let epochs = config.training.epochs.unwrap_or(0) + config.quantization.qat_epochs;
            self.candidates[index].footprint.macs as f64 * (epochs as f64 + steps)
        };
        let (mut seconds, mut done, mut left) = (0.0, 0.0, 0.0);
        let mut count = self.candidates.len();
        for (rung, round) in self.space.rungs.iter().enumerate() {
            let mut here = 0.0;
            for index in 0..self.candidates.len() {
                let finished = self.records.of(rung, index).filter(|record| record.failed.is_none());
                let (runs, sum) = finished.fold((0, 0.0), |(runs, sum), r| (runs + 1, sum + r.seconds));
                seconds += sum;
                done += work(rung, index) * f64::from(runs);
                here += work(rung, index);
            }
            // Who comes to a later rung is not known yet: the average candidate.
            let mean = here / self.candidates.len().max(1) as f64;
            let finished: usize = (0..self.candidates.len()).map(|i| self.records.of(rung, i).count()).sum();
            left += mean * (count * round.seeds).saturating_sub(finished) as f64;
            count = kept(count, self.space.keep);
        }
        (done > 0.0).then(|| seconds / done * left)
    }
}

/// How many of so many go on to the next rung.
fn kept(count: usize, keep: f64) -> usize {
    (count as f64 * keep).ceil() as usize
}

/// The images of a search, prepared in every way that a candidate asks for.
struct Images {
    source: Source,
    loaded: Vec<Loaded>,
}

struct Loaded {
    pixels: Pixels,
    classes: usize,
    train: Dataset,
    validation: Dataset,
    /// As they are in the files: they are distorted before they are prepared.
    raw_validation: Dataset,
}

impl Images {
    /// A run of `config` that is ready to start; nothing is written.
    fn training(&mut self, config: &Config, place: &Place) -> Result<Training> {
        let Loaded { train, validation, .. } = self.load(config)?;
        let mut training =
            Training::new(config.clone(), train.clone(), validation.clone(), &place.devices, place.backend)?;
        training.interrupt_when(place.interrupted);
        Ok(training)
    }

    /// The images as `config` has them.
    fn load(&mut self, config: &Config) -> Result<&Loaded> {
        let (pixels, classes) = (config.pixels, plan(config)?.classes());
        let fits = |loaded: &Loaded| loaded.pixels == pixels && loaded.classes == classes;
        let index = match self.loaded.iter().position(fits) {
            Some(index) => index,
            None => {
                let raw = self.source.clone().with_pixels(Pixels::Raw);
                let (train, raw_validation) = raw.load_without_test(classes)?;
                let (train, validation) =
                    (train.with_pixels(pixels), raw_validation.clone().with_pixels(pixels));
                self.loaded.push(Loaded { pixels, classes, train, validation, raw_validation });
                self.loaded.len() - 1
            }
        };
        Ok(&self.loaded[index])
    }
}

/// Fails where a file holds another configuration than this search would write there.
fn expect_config(file: &Path, config: &Config) -> Result<()> {
    match config.difference(&Config::read(file)?)? {
        None => Ok(()),
        Some(difference) => bail!(
            "{}: not of this search any more: {difference}; undo the change, or choose another --out",
            file.display()
        ),
    }
}

/// What two searches are of, the first difference in words.
fn difference(old: &Value, new: &Value) -> Option<String> {
    let (Value::Object(first), Value::Object(second)) = (old, new) else {
        return (old != new).then(|| "its table is of another version".to_owned());
    };
    let (mut first, mut second) = (first.clone(), second.clone());
    if let (Some(Value::String(old)), Some(Value::String(new))) = (first.get("base"), second.get("base"))
        && let (Ok(old), Ok(new)) = (Config::parse(old, "base"), Config::parse(new, "base"))
        && let Ok(difference) = old.difference(&new)
    {
        if let Some(difference) = difference {
            return Some(format!("the base has {difference}"));
        }
        // The same may be written in two ways, as where a teacher has moved.
        first.remove("base");
        second.remove("base");
    }
    of_objects("", &first, &second)
}

fn of_objects(place: &str, first: &Map<String, Value>, second: &Map<String, Value>) -> Option<String> {
    let shown = |value: Option<&Value>| value.map_or_else(|| "not set".to_owned(), Value::to_string);
    first.keys().chain(second.keys()).find_map(|key| match (first.get(key), second.get(key)) {
        (first, second) if first == second => None,
        (Some(Value::Object(first)), Some(Value::Object(second))) => {
            of_objects(&format!("{place}[{key}] "), first, second)
        }
        (first, second) => Some(format!("{place}{key} = {}, but it was {}", shown(second), shown(first))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_keeps_at_least_one() {
        assert_eq!([kept(60, 0.33), kept(20, 0.33), kept(1, 0.01), kept(0, 0.5)], [20, 7, 1, 0]);
    }

    #[test]
    fn what_was_changed_is_named() {
        let begun = json!({ "seed": 1, "budget": { "macs": 9 }, "choices": { "layers.1.filters": [4, 8] } });
        assert_eq!(difference(&begun, &begun), None);
        let mut other = begun.clone();
        other["choices"]["layers.1.filters"] = json!([4]);
        let text = difference(&begun, &other).unwrap();
        assert_eq!(text, "[choices] layers.1.filters = [4], but it was [4,8]");
        let mut other = begun.clone();
        other["budget"] = json!({});
        assert_eq!(difference(&begun, &other).unwrap(), "[budget] macs = not set, but it was 9");
        assert!(difference(&Value::Null, &begun).unwrap().contains("version"));
        let base = |section: &str| {
            let text = crate::preset::resolve("nano").unwrap().to_toml().unwrap() + section;
            json!({ "base": text, "seed": 1 })
        };
        let before = base("[distillation]\nruns = [\"a\"]\nsha256 = [\"1\"]\n");
        assert_eq!(difference(&before, &base("[distillation]\nruns = [\"b\"]\nsha256 = [\"1\"]\n")), None);
        let other = base("[distillation]\nruns = [\"a\"]\nsha256 = [\"2\"]\n");
        assert!(difference(&before, &other).unwrap().contains("sha256"));
    }
}
