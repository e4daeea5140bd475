//! How fast this machine runs a model: the runtime with each of its back ends beside tract, on the same
//! images, one thread, in one run.
//!
//! ```text
//! batch 0:  tract, tract float, avx512, avx2, ..., portable     what disturbs the machine for a while
//! batch 1:  tract, tract float, avx512, avx2, ..., portable     disturbs all of them
//!   ...                                                          -> the fastest tenth of each
//! ```
//!
//! The answers are checked: a back end whose logits differ from those of the quantized ONNX file is an
//! error, not a figure.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use tenfold_runtime::back_end;

use crate::data::Dataset;
use crate::engine::BATCH;
use crate::engine::onnx::OnnxModel;
use crate::engine::runtime::{LoadedModel, RuntimeModel};
use crate::report::{Align, Look, table, thousands};
use crate::verify::{ModelFiles, open};

/// The time that this thread had a processor, where the system tells; so that what else runs on the
/// machine counts less.
#[cfg(unix)]
pub(crate) use cpu_time::ThreadTime as Clock;
#[cfg(not(unix))]
pub(crate) use std::time::Instant as Clock;

/// What [`bench()`] measured.
#[derive(Clone, Debug, Serialize)]
pub struct Speeds {
    /// Name of the model.
    pub model: String,
    /// Multiply-accumulates of one image.
    pub macs: u64,
    /// Images whose logits were equal in all engines that compute in integers.
    pub images: usize,
    /// Images in a batch.
    pub batch: usize,
    /// The engines, the fastest back ends first.
    pub engines: Vec<Speed>,
    /// Back ends that this processor cannot run.
    pub not_run: Vec<&'static str>,
}

/// One engine.
#[derive(Clone, Debug, Serialize)]
pub struct Speed {
    /// `runtime` or `tract`.
    pub engine: &'static str,
    /// The runtime's back end.
    pub back_end: Option<&'static str>,
    /// Name of the model file.
    pub file: String,
    /// On one thread.
    pub images_per_second: f64,
    /// By how much it is faster than tract on the quantized ONNX file.
    pub times_tract: f64,
    /// Batches that were measured.
    pub batches: usize,
}

impl Speeds {
    /// Text for the terminal.
    pub fn render(&self, look: Look) -> String {
        let rows: Vec<Vec<String>> = self
            .engines
            .iter()
            .map(|speed| {
                vec![
                    speed.engine.to_owned(),
                    speed.back_end.unwrap_or_default().to_owned(),
                    speed.file.clone(),
                    thousands(speed.images_per_second.round() as u64),
                    format!("{:.1}", speed.times_tract),
                ]
            })
            .collect();
        let header = [
            ("engine", Align::Left),
            ("back end", Align::Left),
            ("file", Align::Left),
            ("images/s", Align::Right),
            ("times tract", Align::Right),
        ];
        let missing: String = self
            .not_run
            .iter()
            .map(|name| format!("{name}: not run, this processor does not have it\n"))
            .collect();
        format!(
            "{}: {} multiply-accumulates an image; one thread, batches of {}\n\n{}\n\n\
             logits of all back ends and of the quantized ONNX file: {} of {} images equal\n{missing}",
            self.model,
            thousands(self.macs),
            self.batch,
            table(look, &header, &rows),
            thousands(self.images as u64),
            thousands(self.images as u64),
        )
    }
}

/// What runs a batch.
enum Contender<'a> {
    Runtime { back_end: &'static str, model: Box<LoadedModel<'a>> },
    Onnx(&'a OnnxModel),
}

impl Contender<'_> {
    fn run(&self, images: &[u8]) -> Result<Vec<Vec<f64>>> {
        match self {
            Contender::Runtime { back_end, model } => {
                ensure!(back_end::choose(back_end), "the back end {back_end} is gone");
                model.run(images)
            }
            Contender::Onnx(model) => model.run(images),
        }
    }
}

/// Runs the model in `directory` for about `seconds` an engine, over and over the whole batches of
/// `images`.
///
/// # Errors
///
/// Where the files cannot be run, and where the runtime's logits differ from the quantized ONNX file's.
pub fn bench(directory: &Path, images: &Dataset, seconds: f64) -> Result<Speeds> {
    let chosen = back_end::current();
    let speeds = measure(directory, images, seconds);
    ensure!(back_end::choose(chosen), "the back end {chosen} is gone");
    speeds
}

fn measure(directory: &Path, images: &Dataset, seconds: f64) -> Result<Speeds> {
    let files = ModelFiles::find(directory)?;
    let (onnx, float) = (open(&files.onnx, OnnxModel::new)?, open(&files.float_onnx, OnnxModel::new)?);
    let mut models = Vec::new();
    let mut not_run = Vec::new();
    for (name, available) in back_end::all() {
        if available {
            // A model is loaded in the order of weights of the back end that is chosen.
            ensure!(back_end::choose(name), "the back end {name} is gone");
            models.push((name, open(&files.postcard, RuntimeModel::new)?));
        } else {
            not_run.push(name);
        }
    }
    let (_, first) = models.first().context("there is no back end")?;
    let (macs, input) = (first.macs, first.input);
    images.expect_size(input.height, input.width)?;
    ensure!(input.channels == 1, "{}: expected one channel, found {}", files.name, input.channels);
    let batches: Vec<&[u8]> = images.images.chunks_exact(BATCH * input.len()).collect();
    ensure!(!batches.is_empty(), "{} images are not a batch of {BATCH}", images.len());

    let mut contenders = Vec::new();
    for (back_end, model) in &models {
        contenders.push(Contender::Runtime { back_end, model: Box::new(model.load()?) });
    }
    contenders.extend([Contender::Onnx(&onnx), Contender::Onnx(&float)]);
    let expected: Vec<_> = batches.iter().map(|batch| onnx.run(batch)).collect::<Result<_>>()?;
    let mut times: Vec<Vec<f64>> = contenders.iter().map(|_| Vec::new()).collect();
    let mut index = 0;
    let is_done = |times: &[f64]| times.len() >= batches.len() && times.iter().sum::<f64>() >= seconds;
    while !times.iter().all(|times| is_done(times)) {
        let place = index % batches.len();
        for (contender, times) in contenders.iter().zip(&mut times) {
            // All batches at least once, as the answers are checked.
            if is_done(times) {
                continue;
            }
            let start = Clock::now();
            let logits = contender.run(batches[place])?;
            times.push(start.elapsed().as_secs_f64());
            if let Contender::Runtime { back_end, .. } = contender {
                ensure!(
                    logits == expected[place],
                    "the logits of {back_end} differ from those of {}, in the images from {} on",
                    files.onnx.display(),
                    place * BATCH
                );
            }
        }
        index += 1;
    }

    let rates: Vec<f64> = times.iter().map(|times| BATCH as f64 / fastest_tenth(times)).collect();
    let reference = rates[models.len()];
    let file_name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let engines = contenders.iter().zip(&rates).zip(&times).map(|((contender, &rate), times)| {
        let (engine, back_end, file) = match contender {
            Contender::Runtime { back_end, .. } => ("runtime", Some(*back_end), &files.postcard),
            Contender::Onnx(model) if model.logit_exponent.is_some() => ("tract", None, &files.onnx),
            Contender::Onnx(_) => ("tract", None, &files.float_onnx),
        };
        Speed {
            engine,
            back_end,
            file: file_name(file),
            images_per_second: rate,
            times_tract: rate / reference,
            batches: times.len(),
        }
    });
    Ok(Speeds {
        model: files.name.clone(),
        macs,
        images: batches.len() * BATCH,
        batch: BATCH,
        engines: engines.collect(),
        not_run,
    })
}

/// The time that a tenth of the times stay below: what is longer may have been interrupted.
fn fastest_tenth(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 10]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_tenth_ignores_interruptions() {
        let times: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        assert_eq!(fastest_tenth(&times), 3.0);
        assert_eq!(fastest_tenth(&[7.0]), 7.0);
    }
}
