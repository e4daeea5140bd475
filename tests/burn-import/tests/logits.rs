//! The imported model against tract, on test images.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use burn::tensor::{Device, Tensor, TensorData};
use tenfold_burn_import::imported;
use tenfold_trainer::data::{self, Part};
use tenfold_trainer::engine::Engine;

const IMAGES: usize = 500;
const TOLERANCE: f64 = 1e-4;

#[test]
fn imported_model_has_the_logits_of_the_exported_one() -> Result<()> {
    let mut test = data::load(&data::default_directory()?, Part::Test)?;
    test.truncate(IMAGES);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/nano/nano.float.onnx");
    let engine = Engine::open(&file)?;
    let expected = engine.run(&test.images, &|_| {})?;

    let pixels: Vec<f32> = test.images.iter().map(|pixel| f32::from(*pixel) / 256.0).collect();
    let data = TensorData::new(pixels, [test.len(), 1, test.height, test.width]);
    let device = Device::flex();
    let logits = imported(&device).forward(Tensor::<4>::from_data(data, &device));
    let logits = logits.into_data().try_to_vec::<f32>().ok().context("the logits are f32")?;

    ensure!(logits.len() == expected.len() * engine.classes(), "{} logits", logits.len());
    let mut largest = 0.0_f64;
    for (image, (found, expected)) in logits.chunks(engine.classes()).zip(&expected).enumerate() {
        for (class, (found, expected)) in found.iter().zip(expected).enumerate() {
            let difference = (f64::from(*found) - expected).abs();
            ensure!(
                difference <= TOLERANCE,
                "image {image}, class {class}: {found} in burn, {expected} in tract, more than {TOLERANCE} apart"
            );
            largest = largest.max(difference);
        }
    }
    println!("{} images, largest difference of a logit {largest:e}", expected.len());
    Ok(())
}
