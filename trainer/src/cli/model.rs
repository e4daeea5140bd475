//! What `evaluate` and `predict` do with a model file in the same way.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::data;
use crate::engine::Engine;
use crate::files;

/// Opens a model file, or the `.postcard` of a model's directory. One grey channel is required: there is no other
/// data to feed.
pub(super) fn open(path: &Path) -> Result<Engine> {
    let file = if path.is_dir() {
        path.join(format!("{}.postcard", files::model_of(path)?))
    } else {
        path.to_owned()
    };
    open_file(&file)
}

/// Opens the float network of a model's directory.
pub(super) fn open_float(path: &Path) -> Result<Engine> {
    ensure!(
        path.is_dir(),
        "{}: --float is for the directory of a model; name the .onnx file alone",
        path.display()
    );
    open_file(&path.join(format!("{}.float.onnx", files::model_of(path)?)))
}

fn open_file(file: &Path) -> Result<Engine> {
    let engine = Engine::open(file)?;
    let input = engine.input();
    ensure!(
        input.channels == 1,
        "{}: input channels: expected 1 (grey), found {}; train a network for grey images",
        file.display(),
        input.channels
    );
    Ok(engine)
}

/// The model that the repository carries.
pub(super) fn default_path() -> Result<PathBuf> {
    data::repository_path("models/nano/nano.postcard")
        .context("the default model: run inside the Tenfold repository, or name a model with --model FILE")
}
