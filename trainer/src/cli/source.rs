//! `--data`, `--split` and `--split-seed`, which mean the same to every command.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::config::{Config, Data, Pixels};
use crate::data::{self, DEFAULT_SPLIT_SEED, Part, Shares, Source};
use crate::files;
use crate::report::note;

/// Where the images come from.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct DataArgs {
    /// Data set: a directory with IDX files, Kaggle's train.csv or another CSV file, or a directory of PNG or JPEG
    /// files by class (docs/DATA.md) [default: the MNIST of the repository].
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
    /// What a configuration says of the division, with these flags over it.
    pub(super) fn over(&self, mut data: Data) -> Data {
        if self.split.is_some() {
            data = Data { split: self.split, split_seed: None };
        }
        data.split_seed = self.split_seed.or(data.split_seed);
        data
    }

    /// Opens the data that `model`, a file or a directory, is to be measured with. The `config.toml` beside it
    /// says how its images are prepared, and which of them it learned from, which are no test.
    pub(super) fn open_for(&self, model: &Path) -> Result<Source> {
        let (source, pixels) = self.open_raw_for(model)?;
        Ok(source.with_pixels(pixels))
    }

    /// The same with the images as they are in the files, and how they are to be prepared.
    pub(super) fn open_raw_for(&self, model: &Path) -> Result<(Source, Pixels)> {
        let (division, pixels) = preparation(model);
        Ok((self.open_divided(&self.over(division))?, pixels))
    }

    /// Opens the data that several models are to be measured with, as it comes, and how each of them takes its
    /// images. Of `part`, no model may have learned from an image: their divisions are to be one.
    pub(super) fn open_for_all(&self, models: &[PathBuf], part: Part) -> Result<(Source, Vec<Pixels>)> {
        let (divisions, pixels): (Vec<Data>, Vec<Pixels>) =
            models.iter().map(|model| preparation(model)).unzip();
        let first = divisions.first().cloned().unwrap_or_default();
        if self.split.is_none() && part != Part::All {
            for (model, other) in models.iter().zip(&divisions) {
                ensure!(
                    other.division() == first.division(),
                    "{}: learned from another part of its images ({}) than {} ({}); say which images are for test with \
                     --split SHARES and --split-seed, or take all of a set that none learned from with --set all",
                    model.display(),
                    shown(other),
                    models.first().map_or_else(String::new, |model| model.display().to_string()),
                    shown(&first)
                );
            }
        }
        Ok((self.open_divided(&self.over(first))?, pixels))
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
fn preparation(model: &Path) -> (Data, Pixels) {
    config_of(model).map_or_else(Default::default, |config| (config.data, config.pixels))
}

fn shown(data: &Data) -> String {
    data.division().map_or_else(|| "the set's own division".to_owned(), |split| split.to_string())
}

/// The configuration of a model or of its run, where it is beside it; one that is not of this program says
/// nothing about the model.
pub(super) fn config_of(model: &Path) -> Option<Config> {
    let directory = if model.is_dir() { model } else { model.parent().unwrap_or(Path::new("")) };
    let config = Config::read(&directory.join("config.toml")).ok()?;
    let is_its_own =
        model.is_dir() || files::model_files(directory, &config.name).iter().any(|file| file == model);
    is_its_own.then_some(config)
}
