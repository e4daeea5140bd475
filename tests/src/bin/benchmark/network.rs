//! The networks that are measured: every model of `models/`, and in place of a preset whose model is
//! not there, its shape with random weights.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tenfold_runtime::{Layer, Model, Operation, format};
use tenfold_tests::buffer::Buffer;
use tenfold_tests::emulator::root;
use tenfold_tests::networks;

/// The networks that other engines were measured with too; they come first.
const COMPARED: [&str; 2] = ["keras-cnn", "lenet5"];

/// A network to measure.
#[derive(Debug)]
pub(crate) struct Network {
    /// Name in the tables.
    pub(crate) name: String,
    /// The model file.
    pub(crate) path: PathBuf,
    /// Whether nobody trained it.
    pub(crate) is_random: bool,
    /// Multiply-accumulates of one inference.
    pub(crate) macs: u64,
    /// Its layers, first to last.
    pub(crate) layers: Vec<LayerSummary>,
}

/// What a table says of a layer.
#[derive(Debug)]
pub(crate) struct LayerSummary {
    /// Kind and number.
    pub(crate) name: String,
    /// Shape, in words.
    pub(crate) shape: String,
    /// Multiply-accumulates of one inference.
    pub(crate) macs: u64,
    /// Bytes of scratch that hold its input, and those that hold its sums.
    pub(crate) scratch: [usize; 2],
}

/// All networks, or those that `wanted` names: folders of `models/`, presets, or model files.
pub(crate) fn choose(wanted: &[String], directory: &Path) -> Result<Vec<Network>> {
    let mut names = wanted.to_vec();
    if names.is_empty() {
        names = shipped()?;
        names.extend(COMPARED.map(str::to_owned));
        names.sort_by_key(|name| {
            (COMPARED.iter().position(|n| n == name).unwrap_or(usize::MAX), name.clone())
        });
        names.dedup();
    }
    names.iter().map(|name| find(name, directory).with_context(|| name.clone())).collect()
}

/// The folders of `models/`.
fn shipped() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("models"))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

fn find(name: &str, directory: &Path) -> Result<Network> {
    let file = Path::new(name);
    if file.extension().is_some_and(|extension| extension == "postcard") {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        return Network::read(stem, fs::canonicalize(file)?, false);
    }
    let trained = root().join("models").join(name).join(name).with_extension("postcard");
    if trained.exists() {
        return Network::read(name.to_owned(), trained, false);
    }
    let spec = match name {
        "keras-cnn" => networks::keras_cnn(),
        "lenet5" => networks::lenet5(),
        _ => bail!("no folder of models/, no model file and none of {COMPARED:?}"),
    };
    let path = directory.join(name).with_extension("postcard");
    fs::write(&path, format::encode(&spec).with_context(|| format!("{name} with random weights"))?)?;
    Network::read(name.to_owned(), path, true)
}

impl Network {
    fn read(name: String, path: PathBuf, is_random: bool) -> Result<Self> {
        let file = fs::read(&path).with_context(|| path.display().to_string())?;
        let file = Buffer::aligned(&file);
        let model = Model::load(file.bytes()).with_context(|| path.display().to_string())?;
        let layers = model.layers().zip(1..).map(summary).collect();
        Ok(Self { name, is_random, macs: model.macs(), layers, path })
    }
}

fn summary((layer, number): (Layer<'_>, usize)) -> LayerSummary {
    let side = |size: [u8; 2]| format!("{}x{}", size[0], size[1]);
    let (kind, shape) = match &layer.operation {
        Operation::Convolution { window, groups, pool, .. } => {
            let mut shape = format!("{}, {} channels", side(window.kernel), layer.output.channels);
            if *groups > 1 {
                shape += &format!(" in {groups} groups");
            }
            if window.stride != [1, 1] {
                shape += &format!(", stride {}", window.stride[0]);
            }
            if pool.kernel != [1, 1] {
                shape += &format!(", max-pool {}", side(pool.kernel));
            }
            ("conv", shape)
        }
        Operation::MaxPool { window, .. } => ("max_pool", side(window.kernel)),
        Operation::AveragePool { window, .. } => ("average_pool", side(window.kernel)),
        Operation::Dense { .. } => ("dense", format!("{} outputs", layer.output.channels)),
    };
    LayerSummary {
        name: format!("{kind}{number}"),
        shape,
        macs: layer.macs(),
        scratch: layer.scratch_bytes(),
    }
}
