//! A card with everything: verification, robustness, runs, cores, and a picture of the mistakes.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use image::ImageFormat;

use super::benchmarks::figures;
use super::details::Details;
use super::record::{Record, RobustnessFigures, RunFigures, checksum};
use super::{Card, Exported, Report};
use crate::config::{Config, Pixels};
use crate::data::{Dataset, repository_path};
use crate::engine::Engine;
use crate::evaluation::{Evaluation, sheet};
use crate::export::check;
use crate::files::{CARD_FIGURES, MISCLASSIFIED, read, write_whole};
use crate::model::QuantizedNetwork;
use crate::page::import;
use crate::report::progress;
use crate::robustness::{Distortion, measure, work};
use crate::summary::Summary;
use crate::verify::{ModelFiles, verify};

/// Most mistakes that are drawn.
const MOST_DRAWN: usize = 400;

/// Seed of the distortions on a card.
const SEED: u64 = 1;

/// Largest document of the benchmark.
const MAX_DOCUMENT_BYTES: u64 = 1 << 22;

/// What a card is made from.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The directory of the model.
    pub directory: &'a Path,
    /// The test set, its pixels as they are in the files.
    pub test: &'a Dataset,
    /// What the configuration does to them.
    pub preparation: Pixels,
    /// The runs that the model was chosen from; where absent, those of the card before, if it was of the same
    /// model file.
    pub runs: Option<Vec<RunFigures>>,
    /// A verification that was done already.
    pub report: Option<Report>,
}

/// Measures the model, and writes `CARD.md`, `card.json` and `misclassified.png` beside it. Returns what was written,
/// the card first, and the verification, which [`Report::check`] judges.
///
/// # Errors
///
/// Where the model is not whole, was not exported by this program, does not fit the images, is not one of the
/// runs, or a file cannot be written.
pub fn write_card(sources: Sources<'_>) -> Result<(Vec<PathBuf>, Report)> {
    let Sources { directory, test, preparation, runs, report } = sources;
    let files = ModelFiles::find(directory)?;
    let (_, network, provenance) = import::networks(&files)?;
    let runs = match runs {
        Some(runs) => runs,
        None => Record::load(directory)?.map_or_else(Vec::new, |record| record.runs),
    };
    let prepared = test.clone().with_pixels(preparation);
    let report = match report {
        Some(report) => report,
        None => verify(directory, &prepared, true)?,
    };
    expect_run(&runs, provenance.seed, &report)?;

    let engine = Engine::open(&files.postcard)?;
    let bar = progress(work(&engine, test, &Distortion::ALL) as u64, "steps");
    bar.set_prefix("robustness");
    let robustness =
        measure(&engine, test, preparation, &Distortion::ALL, SEED, &|done| bar.inc(done as u64))?;
    bar.finish_and_clear();
    let logits = engine.run(&prepared.images, &|_| {})?;
    let mistakes = Evaluation::new(&test.labels, test.classes, &logits, engine.logit_scale()).mistakes;
    let drawn = &mistakes[..mistakes.len().min(MOST_DRAWN)];

    let exported = Exported {
        exactness: check::check_quantized(&network, true)?,
        postcard: files.postcard.clone(),
        onnx: files.onnx.clone(),
        float_onnx: files.float_onnx.clone(),
    };
    let summary = Summary::of_network(&network)?;
    let record = Record {
        model: network.name.clone(),
        sha256: checksum(&files.postcard)?,
        images: report.images,
        float_correct: report.float.correct,
        quantized_correct: report.quantized.correct,
        parameters: summary.parameters,
        weight_bytes: summary.weight_bytes,
        bias_bytes: bias_bytes(&network),
        macs: summary.macs,
        scratch_bytes: summary.scratch_bytes,
        runs,
        seed: provenance.seed,
        robustness_seed: SEED,
        robustness: RobustnessFigures::of(&robustness),
    };
    let cores = match repository_path("docs/BENCHMARKS.md") {
        Ok(path) => {
            let document = String::from_utf8_lossy(&read(&path, MAX_DOCUMENT_BYTES)?).into_owned();
            figures(&document, &network.name, summary.macs)
        }
        Err(_) => Vec::new(),
    };
    let details = Details { record: &record, cores: &cores, mistakes: [mistakes.len(), drawn.len()] };
    let card = Card {
        network: &network,
        exported: &exported,
        report: &report,
        provenance: &provenance,
        details: Some(details),
    };
    let text = card.render()?;

    // The picture first: the card shows it.
    let mut written = vec![directory.join("CARD.md"), directory.join(CARD_FIGURES)];
    let picture = directory.join(MISCLASSIFIED);
    match sheet(test, drawn) {
        Some(sheet) => {
            let mut png = Cursor::new(Vec::new());
            sheet.write_to(&mut png, ImageFormat::Png).context("cannot encode the picture of mistakes")?;
            write_whole(&picture, png.get_ref())?;
            written.push(picture);
        }
        None if picture.exists() => {
            fs::remove_file(&picture).with_context(|| format!("cannot remove {}", picture.display()))?;
        }
        None => {}
    }
    record.save(directory)?;
    write_whole(&written[0], text.as_bytes())?;
    Ok((written, report))
}

/// Refuses runs that the model is none of.
fn expect_run(runs: &[RunFigures], seed: u64, report: &Report) -> Result<()> {
    if runs.is_empty() {
        return Ok(());
    }
    let own = runs.iter().find(|run| run.seed == seed);
    let own =
        own.with_context(|| format!("the model was trained with seed {seed}, which none of the runs has"))?;
    let measured = [report.images, report.float.correct, report.quantized.correct];
    let stated = [own.images, own.float_correct, own.quantized_correct];
    ensure!(
        measured == stated,
        "the model is not the run with seed {seed}: of {} test images, {} are right in float and {} quantized; of the \
         run's {}, {} and {}; export the model from its group once more, or name the group that it is from",
        measured[0],
        measured[1],
        measured[2],
        stated[0],
        stated[1],
        stated[2]
    );
    Ok(())
}

/// Refuses runs of another configuration than that of the model in `directory`; the seed may differ.
///
/// # Errors
///
/// Where they are, or the directory holds no model of this program.
pub fn expect_config(directory: &Path, runs: &Config) -> Result<()> {
    let (_, _, provenance) = import::networks(&ModelFiles::find(directory)?)?;
    let shown = directory.display();
    let config = Config::parse(&provenance.config_toml, &format!("{shown}: the configuration of the model"))?;
    let runs = Config { seed: config.seed, ..runs.clone() };
    if let Some(difference) = config.difference(&runs)? {
        bail!("{shown}: the runs have another configuration than the model: {difference}");
    }
    Ok(())
}

/// Four bytes a bias.
fn bias_bytes(network: &QuantizedNetwork) -> u64 {
    network.layers.iter().map(|layer| 4 * layer.bias.len() as u64).sum()
}
