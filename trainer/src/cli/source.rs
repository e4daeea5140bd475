//! `--data`, `--split` and `--split-seed`, which mean the same to every command.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::config::{Config, Data, Pixels};
use crate::data::{self, DEFAULT_SPLIT_SEED, Part, Shares, Source, Split, is_same_source};
use crate::files;
use crate::report::note;
use crate::train::data_path;

/// Where the images come from.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct DataArgs {
    /// Data set: a directory with IDX files, Kaggle's train.csv or another CSV file, or a directory of PNG or JPEG
    /// files by class (docs/DATA.md) [default: that of the run, and without one the MNIST of the repository].
    #[arg(long, value_name = "PATH")]
    pub(super) data: Option<PathBuf>,

    /// Divide the train images into TRAIN/TEST or TRAIN/VALIDATION/TEST, as 70/30 [default: the set's own test
    /// images; 6/1 where it has none].
    #[arg(long, value_name = "SHARES")]
    pub(super) split: Option<Shares>,

    /// Seed of that division [default: 1].
    #[arg(long, value_name = "SEED")]
    pub(super) split_seed: Option<u64>,
}

impl DataArgs {
    /// These flags, with the path that was saved with the run, or the group of runs, in `directory` where they have
    /// none.
    pub(super) fn or_of_run(&self, directory: &Path) -> Result<DataArgs> {
        let data = match &self.data {
            Some(data) => Some(data.clone()),
            None => data_path(directory)?,
        };
        Ok(DataArgs { data, ..self.clone() })
    }

    /// The same of a model, whose run may be beside it.
    fn or_of_model(&self, model: &Path) -> Result<DataArgs> {
        match config_of(model)? {
            Some(_) => self.or_of_run(directory_of(model)),
            None => Ok(self.clone()),
        }
    }

    /// What a configuration says of the division, with these flags over it.
    pub(super) fn over(&self, mut data: Data) -> Data {
        if self.split.is_some() {
            data = Data { split: self.split, split_seed: None };
        }
        data.split_seed = self.split_seed.or(data.split_seed);
        data
    }

    /// Opens the data that `model`, a file or a directory, is to be measured with. The `config.toml` beside it
    /// says how its images are prepared, and which of them it learned from, which are no test; `data.toml`, where
    /// they are.
    pub(super) fn open_for(&self, model: &Path) -> Result<Source> {
        let (source, pixels) = self.open_raw_for(model)?;
        Ok(source.with_pixels(pixels))
    }

    /// The same with the images as they are in the files, and how they are to be prepared.
    pub(super) fn open_raw_for(&self, model: &Path) -> Result<(Source, Pixels)> {
        let Preparation { division, pixels } = Preparation::of(model)?;
        let data = self.or_of_model(model)?;
        Ok((data.open_divided(&self.over(division))?, pixels))
    }

    /// Refuses a `--split` by which `part` has images that the model learned from: any but its own.
    pub(super) fn refuse_other_split(&self, model: &Path, part: Part) -> Result<()> {
        let Some(config) = config_of(model)? else { return Ok(()) };
        // Of a set at another place it learned from no image.
        let place = data_path(directory_of(model))?.map_or_else(data::default_directory, Ok)?;
        let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.data.as_deref().is_some_and(|asked| whole(asked) != whole(&place)) {
            return Ok(());
        }
        let (own, asked) = (config.data.division(), self.over(config.data).division());
        ensure!(
            own == asked || part == Part::All,
            "{}: learned from a part of its images ({}), and --split would measure it with some of them ({}); leave \
             --split out, or take all of a set that it did not learn from with `trainer evaluate --set all`",
            model.display(),
            shown(own),
            shown(asked)
        );
        Ok(())
    }

    /// Opens the data that several models are to be measured with, as it comes, and how each of them takes its
    /// images. Of `part`, no model may have learned from an image: their divisions are to be one, which `--split` does
    /// not change.
    pub(super) fn open_for_all(&self, models: &[PathBuf], part: Part) -> Result<(Source, Vec<Pixels>)> {
        let (model, others) = models.split_first().context("there is no model")?;
        for model in models {
            self.refuse_other_split(model, part)?;
        }
        let first = Preparation::of(model)?;
        let data = self.or_of_model(model)?;
        let mut pixels = vec![first.pixels];
        for other in others {
            let preparation = Preparation::of(other)?;
            pixels.push(preparation.pixels);
            let place = self.or_of_model(other)?.data;
            let (other, model) = (other.display(), model.display());
            ensure!(
                place == data.data,
                "{other}: has its images from another place than {model}; name those to test with, with --data PATH"
            );
            let (found, expected) = (preparation.division.division(), first.division.division());
            ensure!(
                found == expected || part == Part::All,
                "{other}: learned from another part of its images ({}) than {model} ({}), so that they have no test \
                 images in common; evaluate each alone, or take all of a set that none learned from with --set all",
                shown(found),
                shown(expected)
            );
        }
        Ok((data.open_divided(&self.over(first.division))?, pixels))
    }

    /// Opens the data as the flags say.
    pub(super) fn open(&self) -> Result<Source> {
        self.open_divided(&self.over(Data::default()))
    }

    /// Opens the data, divided as `division` says.
    pub(super) fn open_divided(&self, division: &Data) -> Result<Source> {
        if let Some(seed) = self.split_seed {
            ensure!(
                division.split.is_some(),
                "--split-seed {seed}: there is nothing to divide; add --split 70/30"
            );
        }
        let path = self.data.clone().map_or_else(data::default_directory, Ok)?;
        let source = Source::open(&path, division.division())?;
        if let (Some(split), None) = (source.split(), division.split) {
            let (shown, shares) = (path.display(), split.shares);
            note(&format!(
                "{shown} has no test images: its images are divided {shares} by seed {DEFAULT_SPLIT_SEED} (--split)"
            ));
        }
        Ok(source)
    }
}

/// How the images of a model are divided and prepared.
#[derive(Default)]
struct Preparation {
    division: Data,
    pixels: Pixels,
}

impl Preparation {
    fn of(model: &Path) -> Result<Self> {
        let of = |config: Config| Self { division: config.data, pixels: config.pixels };
        Ok(config_of(model)?.map_or_else(Self::default, of))
    }
}

fn shown(division: Option<Split>) -> String {
    division.map_or_else(|| "the set's own division".to_owned(), |split| split.to_string())
}

/// The directory of a model: itself, or the one of its file.
fn directory_of(model: &Path) -> &Path {
    if model.is_dir() { model } else { model.parent().unwrap_or(Path::new("")) }
}

/// The configuration of a model or of its run, where it is beside it; one of another name says nothing about the
/// model.
///
/// # Errors
///
/// Where there is one that cannot be read: without it, a model would be shown other images than those it takes, or
/// such that it learned from.
pub(super) fn config_of(model: &Path) -> Result<Option<Config>> {
    let directory = directory_of(model);
    let file = directory.join("config.toml");
    if !file.exists() {
        return Ok(None);
    }
    let is_of = |name: &str| files::model_files(directory, name).iter().any(|file| file == model);
    // Other programs have files of this name, too.
    let table = std::fs::read_to_string(&file).ok().and_then(|text| text.parse::<toml::Table>().ok());
    if !model.is_dir()
        && let Some(table) = table
        && !table.get("name").and_then(toml::Value::as_str).is_some_and(is_of)
    {
        return Ok(None);
    }
    let config = Config::read(&file).with_context(|| {
        format!("{}: the configuration beside it says which images are for its test", model.display())
    })?;
    Ok((model.is_dir() || is_of(&config.name)).then_some(config))
}

/// Refuses images of another set, or divided in another way, than a model was `trained_on`: its card calls them the
/// test set of its data, which training never saw.
pub(super) fn expect_own_set(model: &Path, source: &Source, classes: usize, trained_on: &str) -> Result<()> {
    let found = source.load(Part::Train, classes)?.source;
    ensure!(
        is_same_source(&found, trained_on),
        "{}: trained on {trained_on}, but the images are those of {found}, which its card cannot speak for; name its own \
         with --data PATH and leave --split out, or measure it on these with `trainer evaluate`",
        model.display()
    );
    Ok(())
}
