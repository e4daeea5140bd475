//! Classic classifiers to compare networks with, by crates of the linfa family.
//!
//! They run on the host only: their arithmetic is `f32`, and there is no export to a board.
//!
//! - [`Method::NaiveBayes`]: Gaussian naive Bayes. What is added to the variances, as a share of the largest,
//!   is chosen on the validation images: of a pixel that is always black there is no variance.
//! - [`Method::SgdLinear`]: logistic regression, one class against all others, by stochastic gradient descent
//!   with a rate for each weight that falls as its gradients add up: FTRL-Proximal without regularization
//!   (McMahan et al. 2013).

use core::fmt;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use linfa::DatasetBase;
use linfa::prelude::{Fit, FitWith, ParamGuard, Predict};
use linfa_bayes::GaussianNb;
use linfa_ftrl::Ftrl;
use ndarray::{Array1, Array2, Axis};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::report::progress;

/// Shares of the largest variance that are tried.
const SMOOTHING: [f32; 7] = [1e-9, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1];

/// Images of a step of gradient descent.
const BATCH: usize = 64;

/// Step of the first gradient of a weight.
const RATE: f32 = 0.1;

/// A classic classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Gaussian naive Bayes.
    NaiveBayes,
    /// A linear classifier by stochastic gradient descent.
    SgdLinear,
}

impl Method {
    /// All of them, under the names that the command line takes.
    pub const ALL: [(&'static str, Self); 2] =
        [("naive-bayes", Self::NaiveBayes), ("sgd-linear", Self::SgdLinear)];
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::ALL.iter().find(|(_, method)| method == self);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

/// How to fit a classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether each pixel is brought to mean 0 and standard deviation 1 over the training images; those that
    /// never change stay 0.
    pub scale: bool,
    /// Passes over the training images, of [`Method::SgdLinear`].
    pub epochs: usize,
    /// Seed of the order of the images.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { scale: false, epochs: 5, seed: 1 }
    }
}

/// What a classifier achieved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Which it is.
    pub method: Method,
    /// Whether the pixels were scaled.
    pub scaled: bool,
    /// What was chosen on the validation images, in words; none where nothing was.
    pub chosen: Option<String>,
    /// What the images are.
    pub data: String,
    /// Training images.
    pub train_images: u64,
    /// Validation images.
    pub validation_images: u64,
    /// How many of them it gets right.
    pub validation_correct: u64,
    /// Test images.
    pub images: u64,
    /// How many of them it gets right.
    pub correct: u64,
    /// Numbers that it has learned.
    pub parameters: u64,
    /// Seconds of fitting, choices included.
    pub seconds: f64,
}

impl Baseline {
    /// Accuracy on the test set, in per cent.
    pub fn percent(&self) -> f64 {
        100.0 * self.correct as f64 / self.images.max(1) as f64
    }
}

/// Fits a classifier, and measures it on the test images.
///
/// # Errors
///
/// Where a set is empty, the sets do not fit each other, or no pixel of the training images ever changes.
pub fn fit(
    method: Method,
    options: &Options,
    train: &Dataset,
    validation: &Dataset,
    test: &Dataset,
) -> Result<Baseline> {
    ensure!(!train.is_empty() && !validation.is_empty() && !test.is_empty(), "{}: no images", train.source);
    for set in [validation, test] {
        set.expect_size(train.height, train.width)?;
    }
    let started = Instant::now();
    let mut learned = matrix(train)?;
    let scaler = Scaler::of(&learned, options.scale)
        .with_context(|| format!("{}: every pixel is the same in all training images", train.source))?;
    scaler.apply(&mut learned);
    let prepare = |set: &Dataset| -> Result<Array2<f32>> {
        let mut pixels = matrix(set)?;
        scaler.apply(&mut pixels);
        Ok(pixels)
    };
    let (chosen_on, tested) = (prepare(validation)?, prepare(test)?);
    let correct = |predicted: &[usize], set: &Dataset| {
        let labels = set.labels.iter().map(|label| usize::from(*label));
        predicted.iter().zip(labels).filter(|(predicted, label)| *predicted == label).count() as u64
    };
    let mut baseline = Baseline {
        method,
        scaled: options.scale,
        chosen: None,
        data: train.source.clone(),
        train_images: train.len() as u64,
        validation_images: validation.len() as u64,
        validation_correct: 0,
        images: test.len() as u64,
        correct: 0,
        parameters: 0,
        seconds: 0.0,
    };
    let (pixels, classes) = (learned.ncols(), train.classes);
    match method {
        Method::NaiveBayes => {
            let labels: Array1<usize> = train.labels.iter().map(|label| usize::from(*label)).collect();
            let dataset = DatasetBase::new(learned.view(), labels);
            let bar = progress(SMOOTHING.len() as u64, "fits");
            bar.set_prefix("naive Bayes");
            let mut best: Option<(u64, f32, GaussianNb<f32, usize>)> = None;
            for smoothing in SMOOTHING {
                let model = GaussianNb::params().var_smoothing(smoothing).fit(&dataset);
                let model = model.map_err(|error| anyhow!("naive Bayes: {error}"))?;
                let right = correct(&model.predict(&chosen_on).to_vec(), validation);
                if best.as_ref().is_none_or(|(most, ..)| right > *most) {
                    best = Some((right, smoothing, model));
                }
                bar.inc(1);
            }
            bar.finish_and_clear();
            let (right, smoothing, model) = best.context("naive Bayes: nothing was fitted")?;
            baseline.seconds = started.elapsed().as_secs_f64();
            baseline.validation_correct = right;
            baseline.chosen = Some(format!("variances + {smoothing} of the largest"));
            baseline.correct = correct(&model.predict(&tested).to_vec(), test);
            baseline.parameters = (2 * pixels * classes + classes) as u64;
        }
        Method::SgdLinear => {
            let weights = descend(&learned, &train.labels, classes, options)?;
            baseline.seconds = started.elapsed().as_secs_f64();
            baseline.validation_correct = correct(&answers(&chosen_on, &weights), validation);
            baseline.correct = correct(&answers(&tested, &weights), test);
            baseline.parameters = weights.len() as u64;
        }
    }
    Ok(baseline)
}

/// The images as rows of pixels, 0 to 1.
fn matrix(set: &Dataset) -> Result<Array2<f32>> {
    let pixels = set.images.iter().map(|pixel| f32::from(*pixel) / 255.0).collect();
    Array2::from_shape_vec((set.len(), set.height * set.width), pixels).context("images of one size")
}

/// What is taken from each pixel, and what it is then multiplied by.
struct Scaler {
    mean: Array1<f32>,
    factor: Array1<f32>,
}

impl Scaler {
    /// Of training images; none where no pixel changes.
    fn of(pixels: &Array2<f32>, scale: bool) -> Option<Self> {
        let mean = pixels.mean_axis(Axis(0))?;
        let deviation = pixels.std_axis(Axis(0), 0.0);
        // The mean of equal numbers may differ from them in its last bit.
        let changes = |deviation: f32| deviation > 1e-6;
        deviation.iter().any(|deviation| changes(*deviation)).then(|| {
            let factor = deviation.mapv(|deviation| if changes(deviation) { 1.0 / deviation } else { 0.0 });
            if scale {
                Self { mean, factor }
            } else {
                Self { mean: Array1::zeros(mean.len()), factor: Array1::ones(mean.len()) }
            }
        })
    }

    fn apply(&self, pixels: &mut Array2<f32>) {
        *pixels -= &self.mean;
        *pixels *= &self.factor;
    }
}

/// Weights `[pixel, class]`, with those of a last pixel that is always 1.
fn descend(pixels: &Array2<f32>, labels: &[u8], classes: usize, options: &Options) -> Result<Array2<f32>> {
    let parameters = Ftrl::params().alpha(RATE).beta(1.0).l1_ratio(0.0).l2_ratio(0.0).check();
    let parameters = parameters.map_err(|error| anyhow!("linear classifier: {error}"))?;
    let inputs = with_one(pixels);
    let mut order: Vec<usize> = (0..labels.len()).collect();
    let mut random = StdRng::seed_from_u64(options.seed);
    let mut models: Vec<Option<Ftrl<f32>>> = vec![None; classes];
    let bar = progress((options.epochs * labels.len()) as u64, "images");
    bar.set_prefix("linear classifier");
    for _ in 0..options.epochs {
        order.shuffle(&mut random);
        for batch in order.chunks(BATCH) {
            let rows = inputs.select(Axis(0), batch);
            models = models
                .into_par_iter()
                .enumerate()
                .map(|(class, model)| {
                    let targets: Array1<bool> =
                        batch.iter().map(|index| usize::from(labels[*index]) == class).collect();
                    parameters.fit_with(model, &DatasetBase::new(rows.view(), targets)).map(Some)
                })
                .collect::<Result<_, _>>()
                .map_err(|error| anyhow!("linear classifier: {error}"))?;
            bar.inc(batch.len() as u64);
        }
    }
    bar.finish_and_clear();
    let mut weights = Array2::zeros((inputs.ncols(), classes));
    for (mut column, model) in weights.columns_mut().into_iter().zip(models.iter().flatten()) {
        column.assign(&model.get_weights());
    }
    Ok(weights)
}

/// The pixels with one more that is always 1, for the bias.
fn with_one(pixels: &Array2<f32>) -> Array2<f32> {
    let mut inputs = Array2::ones((pixels.nrows(), pixels.ncols() + 1));
    for (mut row, image) in inputs.rows_mut().into_iter().zip(pixels.rows()) {
        row.iter_mut().zip(image).for_each(|(input, pixel)| *input = *pixel);
    }
    inputs
}

/// The class of the largest sum, the first where several are equal, of each image.
fn answers(pixels: &Array2<f32>, weights: &Array2<f32>) -> Vec<usize> {
    let sums = with_one(pixels).dot(weights);
    let best = |row: ndarray::ArrayView1<'_, f32>| {
        let mut best = 0;
        for (class, sum) in row.iter().enumerate() {
            if *sum > row[best] {
                best = class;
            }
        }
        best
    };
    sums.rows().into_iter().map(best).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three classes by the row that is bright, with noise in the others.
    fn set(count: usize) -> Dataset {
        let labels: Vec<u8> = (0..count).map(|index| (index % 3) as u8).collect();
        let images = labels.iter().enumerate().flat_map(|(index, label)| {
            (0..9).map(move |pixel| {
                let noise = (index * 31 + pixel * 17) % 50;
                if pixel / 3 == usize::from(*label) { 200 + noise as u8 } else { noise as u8 }
            })
        });
        let images = images.collect();
        Dataset { images, labels, height: 3, width: 3, classes: 3, source: "rows".to_owned() }
    }

    #[test]
    fn both_learn_what_is_easy() {
        let sets = [set(300), set(60), set(90)];
        for (_, method) in Method::ALL {
            for scale in [false, true] {
                let options = Options { scale, epochs: 3, seed: 1 };
                let baseline = fit(method, &options, &sets[0], &sets[1], &sets[2]).unwrap();
                assert_eq!((baseline.correct, baseline.images), (90, 90), "{method} {scale}");
                assert_eq!((baseline.validation_correct, baseline.percent()), (60, 100.0));
            }
        }
    }

    #[test]
    fn pixels_are_scaled_by_the_training_images() {
        let pixels = ndarray::array![[1.0, 0.5, 0.0], [3.0, 0.5, 4.0]];
        let mut scaled = pixels.clone();
        Scaler::of(&pixels, true).unwrap().apply(&mut scaled);
        assert_eq!(scaled, ndarray::array![[-1.0, 0.0, -1.0], [1.0, 0.0, 1.0]]);
        let mut same = pixels.clone();
        Scaler::of(&pixels, false).unwrap().apply(&mut same);
        assert_eq!(same, pixels);
    }

    #[test]
    fn what_cannot_be_learned_is_refused() {
        let mut flat = set(30);
        flat.images.fill(7);
        let options = Options { scale: true, epochs: 1, seed: 1 };
        let message = fit(Method::NaiveBayes, &options, &flat, &flat, &flat).unwrap_err().to_string();
        assert!(message.contains("every pixel is the same"), "{message}");
        let mut empty = set(3);
        empty.truncate(0);
        assert!(fit(Method::SgdLinear, &options, &set(3), &set(3), &empty).is_err());
    }
}
