//! Bytes to [`Model`]: the prefix, the header, then layer after layer until nothing is left.

use super::features::ALL;
use super::read::Reader;
use super::record::Header;
use super::{Layers, checksum, prefix_word, uses, weights};
use super::{LoadError, MAGIC, MAX_CHANNELS, MAX_LAYERS, MAX_NAME, MAX_SIDE, PREFIX_BYTES, VERSION};
use crate::model::{Model, Shape};
use crate::plan::LayerPlan;

impl<'a> Model<'a, MAX_LAYERS, ALL> {
    /// Checks a model file and borrows it.
    ///
    /// Everything that inference relies on is checked here, once: the checksum, the limits and
    /// shapes, the lengths of all slices, the range of weights and shifts, that no accumulator can
    /// overflow with these weights, and that the scratch size in the prefix is right.
    ///
    /// # Errors
    ///
    /// [`LoadError`] names the cause. `bytes` must start at a multiple of four.
    pub fn load(bytes: &'a [u8]) -> Result<Self, LoadError> {
        Self::load_exact(bytes)
    }
}

impl<'a, const LAYERS: usize, const FEATURES: u32> Model<'a, LAYERS, FEATURES> {
    /// As [`Model::load`], into a value with room for `LAYERS` layers that use nothing but `FEATURES`;
    /// see [`exact_model!`](crate::exact_model).
    ///
    /// # Errors
    ///
    /// As [`Model::load`]; [`LoadError::LayerCount`] when the model has more layers than `LAYERS`, and
    /// [`LoadError::LeftOut`] when it uses more than `FEATURES`.
    pub fn load_exact(bytes: &'a [u8]) -> Result<Self, LoadError> {
        let (prefix, body) = Prefix::read(bytes)?;
        let left_out = prefix.features & !FEATURES;
        if left_out != 0 {
            return Err(LoadError::LeftOut { features: left_out });
        }
        let (model, features) = read_body(bytes, body, prefix.layers)?;
        if prefix.scratch != model.scratch_bytes {
            return Err(LoadError::Scratch { declared: prefix.scratch, needed: model.scratch_bytes });
        }
        // Where a file uses what FEATURES leaves out, this refuses it: some checks were left out as well.
        if prefix.features != features {
            return Err(LoadError::Features { declared: prefix.features, needed: features });
        }
        Ok(model)
    }
}

struct Prefix {
    layers: u8,
    scratch: usize,
    features: u32,
}

impl Prefix {
    /// Splits the file into its prefix and its body, whose checksum is right.
    fn read(bytes: &[u8]) -> Result<(Self, &[u8]), LoadError> {
        let too_short = LoadError::Truncated { expected: PREFIX_BYTES, found: bytes.len() };
        let (prefix, body) = bytes.split_first_chunk::<PREFIX_BYTES>().ok_or(too_short)?;
        let [m0, m1, m2, m3, version, layers, reserved @ ..] = *prefix;
        let magic = [m0, m1, m2, m3];
        if magic != MAGIC {
            return Err(LoadError::Magic { found: magic });
        }
        if version != VERSION {
            return Err(LoadError::Version { found: version });
        }
        let [0, 0, ..] = reserved else { return Err(LoadError::Reserved) };
        let length = prefix_word(prefix, 8) as usize;
        if bytes.len() < length {
            return Err(LoadError::Truncated { expected: length, found: bytes.len() });
        }
        if bytes.len() > length {
            return Err(LoadError::TrailingBytes { count: bytes.len() - length });
        }
        let stored = prefix_word(prefix, 20);
        let (covered, _) = prefix.split_at(20);
        let computed = checksum(covered, body);
        if stored != computed {
            return Err(LoadError::Checksum { stored, computed });
        }
        if !bytes.as_ptr().addr().is_multiple_of(4) {
            return Err(LoadError::Misaligned);
        }
        let scratch = prefix_word(prefix, 12) as usize;
        Ok((Self { layers, scratch, features: prefix_word(prefix, 16) }, body))
    }
}

/// Reads and checks the body; `file` is the whole file, from which alignment counts. Returns the
/// model and the features that it uses.
pub(super) fn read_body<'a, const LAYERS: usize, const FEATURES: u32>(
    file: &[u8],
    body: &'a [u8],
    count: u8,
) -> Result<(Model<'a, LAYERS, FEATURES>, u32), LoadError> {
    let (found, capacity) = (usize::from(count), LAYERS.min(MAX_LAYERS));
    if found == 0 || found > capacity {
        return Err(LoadError::LayerCount { found, capacity });
    }
    let mut reader = Reader(body);
    let header = Header::read(&mut reader).ok_or(LoadError::Header)?;
    if header.name.len() > MAX_NAME || !header.name.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(LoadError::Name);
    }
    let [height, width, channels] = header.input;
    let fields = [
        ("input height", height, MAX_SIDE),
        ("input width", width, MAX_SIDE),
        ("input channels", channels, MAX_CHANNELS),
    ];
    for (field, found, most) in fields {
        if found == 0 || found > most {
            let (found, maximum) = (found.into(), most.into());
            return Err(LoadError::Limit { layer: 0, field, found, minimum: 1, maximum });
        }
    }
    let input = Shape { height, width, channels };

    let records = reader.0;
    let mut layers = Layers::<FEATURES>::new(records, input, count);
    let (mut scratch_bytes, mut workspace_bytes, mut features) = (0_usize, 0, 0);
    while let Some(layer) = layers.read() {
        // Of the layer that was just read.
        let index = layers.index - 1;
        // The biases are the first bytes of the parameter block, if there is one.
        let offset = layer.block.bytes.as_ptr().addr().wrapping_sub(file.as_ptr().addr());
        if !layer.block.bytes.is_empty() && !offset.is_multiple_of(4) {
            return Err(LoadError::BlockAlignment { layer: index });
        }
        weights::check::<FEATURES>(&layer, index)?;
        scratch_bytes = scratch_bytes.saturating_add(LayerPlan::new(&layer).bytes());
        workspace_bytes = workspace_bytes.max(LayerPlan::workspace_bytes::<FEATURES>(&layer));
        features |= uses::uses(&layer, index + 1 == count);
    }
    if layers.index != count {
        return Err(layers.error);
    }
    scratch_bytes = scratch_bytes.saturating_add(workspace_bytes);
    let left = layers.reader.0.len();
    if left != 0 {
        return Err(LoadError::TrailingBytes { count: left });
    }
    let Header { name, logit_exponent, .. } = header;
    Ok((Model { name, input, logit_exponent, scratch_bytes, records, count }, features))
}
