//! Every preset, from its configuration to verified files: two steps of each phase, a few images.

mod common;

use common::mnist;
use tempfile::TempDir;
use tenfold_trainer::config::{Config, Pixels};
use tenfold_trainer::data::{Dataset, Part};
use tenfold_trainer::experiment::{Place, Sets, conduct};
use tenfold_trainer::preset::{PRESETS, resolve};
use tenfold_trainer::train::{Backend, Destination};

/// The first so many images, as a network with this configuration takes them.
fn first(data: &Dataset, count: usize, config: &Config) -> Dataset {
    let mut data = data.clone();
    data.truncate(count);
    data.with_pixels(config.pixels)
}

#[test]
fn every_preset_trains_exports_and_verifies() {
    let [train, validation, test] = [Part::Train, Part::Validation, Part::Test].map(mnist);
    let devices = Backend::Cpu.devices(1).unwrap();
    let place = Place { backend: Backend::Cpu, devices, interrupted: || false, logs: None };
    for preset in PRESETS {
        let mut config = resolve(preset.name).unwrap();
        config.training.max_steps = Some(2);
        config.training.batch_size = 16;
        config.quantization.calibration_images = 16;
        let sets = Sets {
            train: first(&train, 32, &config),
            validation: first(&validation, 16, &config),
            raw_validation: first(&validation, 16, &Config { pixels: Pixels::Raw, ..config.clone() }),
            test: first(&test, 40, &config),
        };
        let training = place.training(config.clone(), &sets).unwrap();
        let directory = TempDir::new().unwrap();
        let run = Destination::chosen(directory.path(), preset.name, false).unwrap().take().unwrap();
        let finished = conduct(&training, &run, &sets).unwrap();
        let report = &finished.released.report;
        assert!(report.first_mismatch.is_none(), "{}: {:?}", preset.name, report.first_mismatch);
        assert_eq!(report.logits_equal, 40, "{}", preset.name);
        report.check(100.0).unwrap();
    }
}
