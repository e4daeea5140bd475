//! What a network makes of the images that decisions are made on: as they are, and mildly distorted.
//!
//! ```text
//! validation images ------------------------------> plain:     accuracy, loss
//!          \--> 10 copies, each distorted anew ---> distorted: accuracy, loss
//! ```
//!
//! 5,000 images are few: of 25 mistakes, five more or less are chance. So each is shown several more times,
//! distorted by a fixed seed; what a configuration does to its `pixels` comes after that, as on a board. The copies are the same for every network, whatever it was trained with, so that
//! recipes can be compared; and the mean loss on them, which every image has a part in, tells networks apart that
//! make as many mistakes. Computed by the runtime, from the integers that a board computes with.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::augment::Augmenter;
use crate::config::{Augmentation, Pixels};
use crate::data::Dataset;
use crate::engine::runtime::RuntimeModel;
use crate::engine::{BATCH, best_class, log_sum_exp, run_batches};
use crate::export::postcard;
use crate::model::QuantizedNetwork;

/// Seed of the distortion; never another, or figures of yesterday could not be compared with those of today.
const SEED: u64 = 0x0076_616c_6964; // "valid"

/// Most copies of the images.
const MAX_COPIES: usize = 1000;

/// How the copies of the validation images are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Probe {
    /// How many copies there are of every image.
    pub copies: usize,
    /// What each copy is distorted by.
    pub distortion: Augmentation,
}

impl Default for Probe {
    /// Ten copies, distorted as training images are where a configuration does not say.
    fn default() -> Self {
        Self { copies: 10, distortion: Augmentation::default() }
    }
}

impl Probe {
    /// Checks the number of copies, and every bound.
    ///
    /// # Errors
    ///
    /// Names the key whose value is out of range, the value, and the range.
    pub fn check(&self) -> Result<()> {
        ensure!(
            (1..=MAX_COPIES).contains(&self.copies),
            "[validation] copies = {}: expected 1 to {MAX_COPIES}",
            self.copies
        );
        self.distortion.check("[validation.distortion]")
    }
}

/// Figures over some images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// How many images.
    pub images: u64,
    /// How many of them are recognised.
    pub correct: u64,
    /// Mean cross-entropy in nats.
    pub loss: f64,
}

impl Score {
    /// Share of the images that are recognised, in per cent.
    pub fn percent(&self) -> f64 {
        100.0 * self.correct as f64 / self.images.max(1) as f64
    }
}

/// What a quantized network makes of the validation images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validated {
    /// Of the images as they are.
    pub plain: Score,
    /// Of their distorted copies.
    pub distorted: Score,
}

/// Shows the images to a network, as they are and distorted as `probe` says. They are those of the files; the network
/// takes its images prepared by `pixels`.
///
/// # Errors
///
/// Where the network does not fit the runtime's format, or the images do not fit the network.
pub fn validate(
    network: &QuantizedNetwork,
    images: &Dataset,
    pixels: Pixels,
    probe: &Probe,
) -> Result<Validated> {
    let input = network.input;
    ensure!(input.channels == 1, "{}: expected a network for images of one channel", network.name);
    images.expect_size(input.height, input.width)?;
    let model = RuntimeModel::new(&postcard::encode(network)?)?;
    ensure!(
        images.classes <= model.classes,
        "{}: labels of {} classes, but {} has {}",
        images.source,
        images.classes,
        network.name,
        model.classes
    );
    let loaded = model.load()?;
    let scale = f64::from(-model.logit_exponent).exp2();
    // The order of the batches is that of the images, so that the sum does not depend on timing.
    let score = |count: usize, show: &(dyn Fn(usize, &mut [u8]) + Sync)| -> Result<Score> {
        let batches = run_batches(count, BATCH, &|_| (), |range| {
            let mut shown = vec![0; range.len() * input.len()];
            for (shown, index) in shown.chunks_exact_mut(input.len()).zip(range.clone()) {
                show(index, shown);
            }
            pixels.prepare(&mut shown, input.len());
            let logits = loaded.run(&shown)?;
            let mut sum = Score::default();
            for (index, logits) in range.zip(&logits) {
                let label = usize::from(images.labels[index % images.len()]);
                sum.images += 1;
                sum.correct += u64::from(best_class(logits) == label);
                sum.loss += log_sum_exp(logits, scale) - logits[label] * scale;
            }
            Ok(sum)
        })?;
        let mut total = Score::default();
        for batch in batches {
            total.images += batch.images;
            total.correct += batch.correct;
            total.loss += batch.loss;
        }
        total.loss /= total.images.max(1) as f64;
        Ok(total)
    };

    let augmenter = Augmenter::new(&probe.distortion, images.height, images.width);
    Ok(Validated {
        plain: score(images.len(), &|index, pixels| pixels.copy_from_slice(images.image(index)))?,
        distorted: score(images.len() * probe.copies, &|index, pixels| {
            let (copy, index) = (index / images.len(), index % images.len());
            let mut distorted = vec![0.0; pixels.len()];
            augmenter.distort(images.image(index), SEED, copy as u64, index as u64, &mut distorted);
            for (pixel, value) in pixels.iter_mut().zip(distorted) {
                *pixel = (value * 256.0) as u8; // whole numbers of 0 to 255
            }
        })?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::network::{Structure, fold, plan};
    use crate::quantize::{calibrate, convert};

    fn images() -> Dataset {
        let image = |index: usize| (0..144).map(move |pixel| (pixel * 31 + index * 97) as u8);
        Dataset {
            images: (0..40).flat_map(image).collect(),
            labels: (0..40).map(|index| index % 3).collect(),
            height: 12,
            width: 12,
            classes: 3,
            source: "noise".to_owned(),
        }
    }

    fn network(images: &Dataset) -> QuantizedNetwork {
        let text = "name = \"n\"\ninput = [12, 12, 1]\nlayers = [{ type = \"conv\", filters = 2, kernel = 3 }, \
                    { type = \"relu\" }, { type = \"flatten\" }, { type = \"dense\", units = 3 }]";
        let plan = plan(&Config::parse(text, "n").unwrap()).unwrap();
        let structure = Structure::float(&plan);
        let (parameters, statistics) = structure.initial(3);
        let folded = fold(&plan, &structure, &parameters, &statistics);
        let calibration: Vec<&[u8]> = (0..40).map(|index| images.image(index)).collect();
        let schemes = calibrate(&plan, &folded, &calibration).unwrap();
        convert(&folded, &schemes).unwrap()
    }

    #[test]
    fn copies_are_counted_repeat_themselves_and_differ_from_the_images() {
        let images = images();
        let network = network(&images);
        let probe = Probe { copies: 3, ..Probe::default() };
        let validate = |network: &_, images: &_, probe: &_| validate(network, images, Pixels::Raw, probe);
        let first = validate(&network, &images, &probe).unwrap();
        assert_eq!((first.plain.images, first.distorted.images), (40, 120));
        assert!(first.plain.loss.is_finite() && first.plain.loss != first.distorted.loss);
        assert_eq!(validate(&network, &images, &probe).unwrap(), first);
        let more = validate(&network, &images, &Probe { copies: 4, ..probe.clone() }).unwrap();
        assert!(more.plain == first.plain && more.distorted.loss != first.distorted.loss);

        // Undistorted copies are the images themselves.
        let none = Augmentation {
            rotation: 0.0,
            shift: 0.0,
            scale: 0.0,
            shear: 0.0,
            elastic: 0.0,
            ..Augmentation::default()
        };
        let same = validate(&network, &images, &Probe { distortion: none, ..probe }).unwrap();
        assert_eq!(same.distorted.correct, 3 * same.plain.correct);
        assert!((same.distorted.loss - same.plain.loss).abs() < 1e-12);
    }

    #[test]
    fn images_of_another_size_are_refused() {
        let images = images();
        let network = network(&images);
        let wide = Dataset { height: 8, width: 18, ..images };
        assert!(validate(&network, &wide, Pixels::Raw, &Probe::default()).is_err());
    }

    #[test]
    fn images_are_prepared_after_they_were_distorted() {
        let images = images();
        let network = network(&images);
        let prepared = images.clone().with_pixels(Pixels::L2);
        let probe = Probe { copies: 2, ..Probe::default() };
        let after = validate(&network, &images, Pixels::L2, &probe).unwrap();
        let before = validate(&network, &prepared, Pixels::Raw, &probe).unwrap();
        assert_eq!(after.plain, before.plain);
        assert_ne!(after.distorted.loss, before.distorted.loss);
        // As it is defined, one copy of one image after the other.
        let augmenter = Augmenter::new(&probe.distortion, images.height, images.width);
        let mut copies = Dataset { images: Vec::new(), labels: Vec::new(), ..images.clone() };
        for (copy, index) in (0..2).flat_map(|copy| (0..images.len()).map(move |index| (copy, index))) {
            let mut distorted = vec![0.0; 144];
            augmenter.distort(images.image(index), SEED, copy, index as u64, &mut distorted);
            copies.images.extend(distorted.iter().map(|value| (value * 256.0) as u8));
            copies.labels.push(images.labels[index]);
        }
        let expected =
            validate(&network, &copies.with_pixels(Pixels::L2), Pixels::Raw, &probe).unwrap().plain;
        assert_eq!(after.distorted, expected);
    }
}
