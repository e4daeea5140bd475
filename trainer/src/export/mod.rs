//! From a trained network to the files that a board and a desktop run.
//!
//! ```text
//! FloatNetwork -------------------> <name>.float.onnx
//! QuantizedNetwork --> check --+--> <name>.onnx       (QDQ: the runtime's integers in every engine)
//!                              +--> <name>.postcard   (the runtime)
//!
//! release = the three files + verification + <name>.golden.postcard + CARD.md
//! ```
//!
//! Every file is written to a temporary name beside its own and renamed, so a file that exists is whole.

pub mod card;
pub mod check;
pub mod golden;
pub mod onnx;
pub mod postcard;
#[cfg(test)]
pub(crate) mod sample;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tenfold_runtime::format::{Core, reorder_for};

pub use self::check::{Exactness, InexactChannel};
use crate::data::Dataset;
use crate::engine::MAX_MODEL_BYTES;
pub use crate::files::write_whole;
use crate::files::{read, refuse_other_models};
use crate::model::{FloatNetwork, QuantizedNetwork};
use crate::verify::{Report, verify};

/// Where a network comes from. It goes into the metadata of the ONNX files and into the card.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// The whole configuration of the training.
    pub config_toml: String,
    /// Seed of the training.
    pub seed: u64,
    /// The training data.
    pub dataset: String,
    /// Version of the trainer.
    pub tenfold_version: String,
}

/// Choices at export.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// Export even if an accumulator may leave the range in which `f32` is exact. The runtime and an
    /// ONNX engine may then differ.
    pub allow_inexact: bool,
    /// The directory is that of the run itself, whose `config.toml` is left as it is.
    pub own_directory: bool,
}

/// What [`write_all`] wrote.
#[derive(Clone, Debug)]
pub struct Exported {
    /// `<name>.postcard`, for the runtime.
    pub postcard: PathBuf,
    /// `<name>.onnx`, integers in QDQ form.
    pub onnx: PathBuf,
    /// `<name>.float.onnx`.
    pub float_onnx: PathBuf,
    /// Whether `f32` is exact for the network.
    pub exactness: Exactness,
}

/// Writes the three files of a model into `directory`, which is created where it is missing.
///
/// # Errors
///
/// Where a network breaks a rule of [`check`], the two are not one model, or a file cannot be written.
pub fn write_all(
    directory: &Path,
    float: &FloatNetwork,
    quantized: &QuantizedNetwork,
    provenance: &Provenance,
    options: &ExportOptions,
) -> Result<Exported> {
    let exactness = check::check_quantized(quantized, options.allow_inexact)?;
    check::check_float(float)?;
    let names = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>();
    ensure!(
        float.name == quantized.name
            && names(float.layers.iter().map(|layer| &layer.name).collect())
                == names(quantized.layers.iter().map(|layer| &layer.name).collect()),
        "the float network `{}` and the quantized network `{}` are not two forms of one model: their names or \
         layers differ",
        float.name,
        quantized.name
    );
    // All three are encoded before the first is written: an error leaves no mixture behind.
    let postcard_bytes = postcard::encode(quantized)?;
    let onnx_bytes = onnx::encode_quantized(quantized, provenance)?;
    let float_bytes = onnx::encode_float(float, provenance)?;
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot create the directory {}", directory.display()))?;
    let file = |extension: &str| directory.join(format!("{}.{extension}", quantized.name));
    let exported = Exported {
        postcard: file("postcard"),
        onnx: file("onnx"),
        float_onnx: file("float.onnx"),
        exactness,
    };
    write_whole(&exported.postcard, &postcard_bytes)?;
    write_whole(&exported.onnx, &onnx_bytes)?;
    write_whole(&exported.float_onnx, &float_bytes)?;
    Ok(exported)
}

/// A trained model and what is to be said about it.
#[derive(Clone, Copy, Debug)]
pub struct Release<'a> {
    /// The float form.
    pub float: &'a FloatNetwork,
    /// The quantized form.
    pub quantized: &'a QuantizedNetwork,
    /// Where it comes from.
    pub provenance: &'a Provenance,
}

/// What [`release`] wrote and found.
#[derive(Clone, Debug)]
pub struct Released {
    /// The three files.
    pub exported: Exported,
    /// `<name>.golden.postcard`.
    pub golden: PathBuf,
    /// `CARD.md`.
    pub card: PathBuf,
    /// The verification; [`Report::check`] judges it.
    pub report: Report,
}

/// Writes everything that belongs to a model into `directory`: the three files, verified with all
/// images of `test`, then golden vectors, `CARD.md`, and `config.toml`. Files of the model in the order of a
/// core that are there are written anew: they would be left over from another network.
///
/// # Errors
///
/// Where another model is in the directory, the network breaks a rule of [`check`], or a file cannot be
/// written. A difference between the files is in the [`Report`].
pub fn release(
    directory: &Path,
    model: &Release<'_>,
    options: &ExportOptions,
    test: &Dataset,
    show_progress: bool,
) -> Result<Released> {
    let Release { float, quantized, provenance } = *model;
    refuse_other_models(directory, &quantized.name, &[])?;
    golden::check(test)?;
    let exported = write_all(directory, float, quantized, provenance, options)?;
    refresh_orders(&exported.postcard)?;
    let report = verify(directory, test, show_progress)?;
    let golden = directory.join(format!("{}.golden.postcard", quantized.name));
    write_whole(&golden, &golden::encode(&exported.postcard, test)?)?;
    if !options.own_directory {
        write_whole(&directory.join("config.toml"), provenance.config_toml.as_bytes())?;
    }
    let card = directory.join("CARD.md");
    let text =
        card::Card { network: quantized, exported: &exported, report: &report, provenance, details: None };
    write_whole(&card, text.render()?.as_bytes())?;
    Ok(Released { exported, golden, card, report })
}

/// Writes the files in a core's order that are there already beside a model file.
fn refresh_orders(model: &Path) -> Result<()> {
    for (name, core) in Core::ALL {
        let path = model.with_extension(format!("{name}.postcard"));
        if path.exists() {
            let ordered = reorder_for(&read(model, MAX_MODEL_BYTES)?, Some(core))
                .with_context(|| format!("{} is not a model file", model.display()))?;
            write_whole(&path, &ordered)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
