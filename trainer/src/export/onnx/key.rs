//! Names of the entries in `metadata_props`.

/// Name of the model.
pub const NAME: &str = "tenfold.name";
/// [`KIND_FLOAT`] or [`KIND_QUANTIZED`].
pub const KIND: &str = "tenfold.kind";
/// [`KIND`] of the float file.
pub const KIND_FLOAT: &str = "float";
/// [`KIND`] of the QDQ file.
pub const KIND_QUANTIZED: &str = "quantized";
/// JSON array of the class names.
pub const CLASSES: &str = "tenfold.classes";
/// JSON array of height, width and channels of the image.
pub const INPUT: &str = "tenfold.input";
/// JSON array of the names of the layers, first to last.
pub const LAYERS: &str = "tenfold.layers";
/// Quantized only: the accumulator is the logit times two to this power.
pub const LOGIT_EXPONENT: &str = "tenfold.logit_exponent";
/// Seed of the training.
pub const SEED: &str = "tenfold.seed";
/// Training data.
pub const DATASET: &str = "tenfold.dataset";
/// The whole configuration of the training, TOML.
pub const CONFIG: &str = "tenfold.config";
/// Version of the trainer.
pub const VERSION: &str = "tenfold.version";
