//! What is in a data set: counts, balance, range, missing values, duplicates.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use anyhow::Result;
use serde::Serialize;

use super::kind::Set;
use super::{Dataset, MAX_CLASSES, Missing, Part, Source};

/// Figures of a data set.
#[derive(Clone, Debug, Serialize)]
pub struct Statistics {
    /// What the data is; of its train set where there is one.
    pub source: String,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Number of classes: one more than the largest label; 0 without labels.
    pub classes: usize,
    /// Names of the classes in the order of their labels, where directories have names that are no labels.
    pub class_names: Option<Vec<String>>,
    /// The parts, and the pictures without labels.
    pub sets: Vec<SetStatistics>,
    /// Missing values of each file that has some.
    pub missing: Vec<FileMissing>,
}

/// Figures of a part.
#[derive(Clone, Debug, Serialize)]
pub struct SetStatistics {
    /// `train`, `validation`, `test` or `unlabelled`.
    pub set: String,
    /// Number of images.
    pub images: u64,
    /// Images of each class; empty without labels.
    pub labels: Vec<u64>,
    /// Smallest pixel.
    pub min: u8,
    /// Largest pixel.
    pub max: u8,
    /// Mean of all pixels, 0 to 255.
    pub mean: f64,
    /// Standard deviation of all pixels.
    pub sd: f64,
    /// Mean of `pixel / 255`.
    pub mean_of_share: f64,
    /// Standard deviation of `pixel / 255`.
    pub sd_of_share: f64,
    /// Images of which an equal one is in the train part, at an earlier place where it is that part itself.
    pub in_train: u64,
    /// Those of them whose label there is another.
    pub in_train_otherwise: u64,
}

/// Missing values of a file.
#[derive(Clone, Debug, Serialize)]
pub struct FileMissing {
    /// The set in the file.
    pub file: String,
    /// How many, and where.
    #[serde(flatten)]
    pub missing: Missing,
}

/// The parts of a set with their images, for figures and samples.
#[derive(Debug)]
pub struct Survey {
    /// The parts that are there.
    pub parts: Vec<(Part, Dataset)>,
    /// Figures of them.
    pub statistics: Statistics,
}

impl Source {
    /// Reads everything that is there, missing values included: missing pixels count as background, pictures
    /// without a label are left out.
    ///
    /// # Errors
    ///
    /// As [`Source::load`], but for missing values.
    pub fn survey(&self) -> Result<Survey> {
        let mut missing = Vec::new();
        let mut note = |file: &str, found: Missing| {
            if found != Missing::default() {
                missing.push(FileMissing { file: file.to_owned(), missing: found });
            }
        };
        let mut parts = Vec::new();
        for (set, name) in [(Set::Train, "train"), (Set::Validation, "validation"), (Set::Test, "test")] {
            // A set that is divided stands for all three.
            if !self.has(set) || (set != Set::Train && self.split().is_some()) {
                continue;
            }
            let (whole, found) = self.read_with_missing(set, MAX_CLASSES)?;
            note(name, found);
            parts.extend(self.divide(set, whole)?);
        }
        let unlabelled = self.load_unlabelled()?;
        let mut seen = Seen::default();
        let labels = parts.iter().flat_map(|(_, data)| &data.labels);
        let classes = labels.max().map_or(0, |label| usize::from(*label) + 1);
        let mut sets: Vec<SetStatistics> = Vec::new();
        for (part, data) in &parts {
            // The train part comes first, if it is there.
            let (in_train, in_train_otherwise) = match part {
                Part::Train => seen.add(data),
                _ => seen.count(&data.images, data.height * data.width, Some(&data.labels)),
            };
            let mut labels = vec![0; classes];
            data.labels.iter().for_each(|label| labels[usize::from(*label)] += 1);
            let figures = SetStatistics::new(part.to_string(), data.len() as u64, &data.images);
            sets.push(SetStatistics { labels, in_train, in_train_otherwise, ..figures });
        }
        let mut size = parts.first().map(|(_, data)| (data.height, data.width));
        if let Some(pictures) = &unlabelled {
            note("unlabelled", pictures.missing);
            size = size.or(Some((pictures.side, pictures.side)));
            let (in_train, _) = seen.count(&pictures.images, pictures.side * pictures.side, None);
            let figures =
                SetStatistics::new("unlabelled".to_owned(), pictures.count as u64, &pictures.images);
            sets.push(SetStatistics { in_train, ..figures });
        }
        let source = match parts.first() {
            Some((_, data)) => data.source.clone(),
            None => self.path().display().to_string(),
        };
        let (height, width) = size.unwrap_or((0, 0));
        let class_names = self.class_names().map(<[String]>::to_vec);
        let statistics = Statistics { source, height, width, classes, class_names, sets, missing };
        Ok(Survey { parts, statistics })
    }
}

impl SetStatistics {
    fn new(set: String, images: u64, pixels: &[u8]) -> SetStatistics {
        // Sums of whole numbers, whatever the order.
        let mut histogram = [0u64; 256];
        pixels.iter().for_each(|pixel| histogram[usize::from(*pixel)] += 1);
        let present = || (0..=u8::MAX).filter(|value| histogram[usize::from(*value)] > 0);
        let count = (pixels.len() as f64).max(1.0);
        let moment = |power: i32, center: f64| {
            let terms = present()
                .map(|value| histogram[usize::from(value)] as f64 * (f64::from(value) - center).powi(power));
            terms.sum::<f64>() / count
        };
        let mean = moment(1, 0.0);
        let sd = moment(2, mean).sqrt();
        SetStatistics {
            set,
            images,
            labels: Vec::new(),
            min: present().next().unwrap_or(0),
            max: present().next_back().unwrap_or(0),
            mean,
            sd,
            mean_of_share: mean / 255.0,
            sd_of_share: sd / 255.0,
            in_train: 0,
            in_train_otherwise: 0,
        }
    }
}

/// The images of the train part, with the label that the first of equal ones has.
#[derive(Default)]
struct Seen<'a> {
    labels: HashMap<&'a [u8], u8>,
}

impl<'a> Seen<'a> {
    /// Adds the images of the train part; how many were there already, and how many of them with another
    /// label.
    fn add(&mut self, train: &'a Dataset) -> (u64, u64) {
        let (mut equal, mut otherwise) = (0, 0);
        for (index, label) in train.labels.iter().enumerate() {
            match self.labels.entry(train.image(index)) {
                Entry::Vacant(place) => {
                    place.insert(*label);
                }
                Entry::Occupied(first) => {
                    equal += 1;
                    otherwise += u64::from(first.get() != label);
                }
            }
        }
        (equal, otherwise)
    }

    /// How many of these images are in the train part, and how many of them with another label.
    fn count(&self, images: &[u8], area: usize, labels: Option<&[u8]>) -> (u64, u64) {
        let (mut equal, mut otherwise) = (0, 0);
        for (index, image) in images.chunks_exact(area.max(1)).enumerate() {
            if let Some(label) = self.labels.get(image) {
                equal += 1;
                otherwise += u64::from(labels.is_some_and(|labels| labels[index] != *label));
            }
        }
        (equal, otherwise)
    }
}
