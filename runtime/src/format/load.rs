//! Bytes to [`Model`]: the prefix, the header, then layer after layer until nothing is left.
//!
//! A program that reads its model from somewhere does that at run time. One that embeds it does it while it is
//! compiled ([`embedded_model!`](crate::embedded_model)), by the same checks; what is left of the loader
//! in its flash then is nothing.

use core::hint::black_box;

use super::features::ALL;
use super::layers::Checker;
use super::read::{ConstReader, Reader};
use super::record::{Header, Record};
use super::{LoadError, MAGIC, MAX_CHANNELS, MAX_LAYERS, MAX_NAME, MAX_SIDE, PREFIX_BYTES, VERSION};
use super::{checksum, prefix_word, uses, weights};
use crate::constant::{larger, pass};
use crate::model::{Layer, Model, Shape};
use crate::plan::LayerPlan;
use crate::scratch::Aligned;

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

    /// As [`load`](Self::load), by what checks a model while a program is compiled: for tests that hold the
    /// two against each other.
    #[doc(hidden)]
    pub fn load_as_if_compiled(bytes: &'a [u8]) -> Result<Self, LoadError> {
        match Self::check(bytes) {
            Ok(_) if !is_aligned(bytes) => Err(LoadError::Misaligned),
            other => other,
        }
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
        if !is_aligned(bytes) {
            return Err(LoadError::Misaligned);
        }
        prefix.allow(FEATURES)?;
        let (model, features) = read_body(bytes, body, prefix.layers)?;
        prefix.agree(&model, features)?;
        Ok(model)
    }

    /// As [`load_exact`](Self::load_exact), for a file whose type says that it is aligned, so that a compiler can
    /// do it: what [`embedded_model!`](crate::embedded_model) is made of.
    ///
    /// # Errors
    ///
    /// As [`load_exact`](Self::load_exact), but for [`LoadError::Misaligned`].
    pub const fn load_aligned<const BYTES: usize>(file: &'a Aligned<BYTES>) -> Result<Self, LoadError> {
        Self::check(&file.0)
    }

    /// As [`load_exact`](Self::load_exact), but for the alignment, which only a program that runs can see.
    const fn check(bytes: &'a [u8]) -> Result<Self, LoadError> {
        let (prefix, body) = pass!(Prefix::read(bytes));
        pass!(prefix.allow(FEATURES));
        let (model, features) = pass!(check_body(bytes, body, prefix.layers));
        pass!(prefix.agree(&model, features));
        Ok(model)
    }

    /// Whether the file that the model was loaded from is what it was: computes its checksum again.
    ///
    /// For a program that mistrusts its flash; a model that was verified while it was compiled is not looked
    /// at again otherwise. It covers the file, which holds all weights, and not this value: the table of layers
    /// (their shapes, and where in the file their weights are), which of an embedded model is in flash as well, is
    /// not looked at, nor is the code.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        // The file may be a static that the compiler knows, and its checksum then, too.
        Prefix::read(black_box(self.file)).is_ok()
    }
}

fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(4)
}

struct Prefix {
    layers: u8,
    scratch: usize,
    features: u32,
}

impl Prefix {
    /// Splits the file into its prefix and its body, whose checksum is right.
    const fn read(bytes: &[u8]) -> Result<(Self, &[u8]), LoadError> {
        let Some((prefix, body)) = bytes.split_first_chunk::<PREFIX_BYTES>() else {
            return Err(LoadError::Truncated { expected: PREFIX_BYTES, found: bytes.len() });
        };
        let [m0, m1, m2, m3, version, layers, reserved @ ..] = *prefix;
        let found = [m0, m1, m2, m3];
        if u32::from_le_bytes(found) != u32::from_le_bytes(MAGIC) {
            return Err(LoadError::Magic { found });
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
        let scratch = prefix_word(prefix, 12) as usize;
        Ok((Self { layers, scratch, features: prefix_word(prefix, 16) }, body))
    }

    /// Refuses a file that says to use more than `features`.
    const fn allow(&self, features: u32) -> Result<(), LoadError> {
        match self.features & !features {
            0 => Ok(()),
            features => Err(LoadError::LeftOut { features }),
        }
    }

    /// Compares what the prefix says with what the layers are.
    const fn agree<const LAYERS: usize, const FEATURES: u32>(
        &self,
        model: &Model<'_, LAYERS, FEATURES>,
        features: u32,
    ) -> Result<(), LoadError> {
        if self.scratch != model.scratch_bytes {
            return Err(LoadError::Scratch { declared: self.scratch, needed: model.scratch_bytes });
        }
        // Where a file uses what FEATURES leaves out, this refuses it: some checks were left out as well.
        if self.features != features {
            return Err(LoadError::Features { declared: self.features, needed: features });
        }
        Ok(())
    }
}

/// Reads and checks the body, by a reader; `file` is the whole file, from which alignment counts. Returns the
/// model and the features that it uses.
macro_rules! body {
    ($read:ident $Reader:ident $($constant:tt)?) => {
        pub(super) $($constant)? fn $read<'a, const LAYERS: usize, const FEATURES: u32>(
            file: &'a [u8],
            body: &'a [u8],
            count: u8,
        ) -> Result<(Model<'a, LAYERS, FEATURES>, u32), LoadError> {
            let capacity = if LAYERS < MAX_LAYERS { LAYERS } else { MAX_LAYERS };
            if count == 0 || count as usize > capacity {
                return Err(LoadError::LayerCount { found: count as usize, capacity });
            }
            let mut reader = $Reader(body);
            let Some(header) = reader.header() else { return Err(LoadError::Header) };
            let mut loader = pass!(Loader::<LAYERS, FEATURES>::new(file, &header, count));
            while loader.checker.index < count {
                let Some(record) = reader.record::<FEATURES>() else {
                    return Err(LoadError::Record { layer: loader.checker.index });
                };
                pass!(loader.add(&record, file.len() - reader.0.len()));
            }
            if !reader.0.is_empty() {
                return Err(LoadError::TrailingBytes { count: reader.0.len() });
            }
            Ok(loader.finish())
        }
    };
}

body!(read_body Reader);
body!(check_body ConstReader const);

/// A model that is not complete yet.
struct Loader<'a, const LAYERS: usize, const FEATURES: u32> {
    model: Model<'a, LAYERS, FEATURES>,
    checker: Checker<FEATURES>,
    workspace_bytes: usize,
    features: u32,
}

impl<'a, const LAYERS: usize, const FEATURES: u32> Loader<'a, LAYERS, FEATURES> {
    /// A model of no layers so far.
    const fn new(file: &'a [u8], header: &Header<'a>, count: u8) -> Result<Self, LoadError> {
        if header.name.len() > MAX_NAME || !is_printable(header.name) {
            return Err(LoadError::Name);
        }
        let input = pass!(input_shape(header.input));
        let model = Model {
            name: header.name,
            input,
            logit_exponent: header.logit_exponent,
            scratch_bytes: 0,
            file,
            layers: [Layer::NONE; LAYERS],
            count,
        };
        Ok(Self { model, checker: Checker::new(input, count), workspace_bytes: 0, features: 0 })
    }

    /// Checks the next record, which ends at byte `end` of the file.
    const fn add(&mut self, record: &Record<'a>, end: usize) -> Result<(), LoadError> {
        let index = self.checker.index;
        let Some(layer) = self.checker.layer(record) else { return Err(self.checker.error) };
        // The block is the last field; the biases are its first bytes.
        if !layer.block.bytes.is_empty() && !(end - layer.block.bytes.len()).is_multiple_of(4) {
            return Err(LoadError::BlockAlignment { layer: index });
        }
        pass!(weights::check::<FEATURES>(&layer, index));
        self.model.scratch_bytes = self.model.scratch_bytes.saturating_add(layer.plan.bytes());
        self.workspace_bytes = larger(self.workspace_bytes, LayerPlan::workspace_bytes::<FEATURES>(&layer));
        self.features |= uses::uses(&layer, index + 1 == self.model.count);
        // There is room, as the number of layers was compared.
        if let Some((_, [place, ..])) = self.model.layers.split_at_mut_checked(index as usize) {
            *place = layer;
        }
        Ok(())
    }

    /// The model and the features that it uses.
    const fn finish(self) -> (Model<'a, LAYERS, FEATURES>, u32) {
        let mut model = self.model;
        model.scratch_bytes = model.scratch_bytes.saturating_add(self.workspace_bytes);
        (model, self.features)
    }
}

/// Whether all of a text is printable ASCII.
const fn is_printable(text: &[u8]) -> bool {
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        if !matches!(byte, b' '..=b'~') {
            return false;
        }
        rest = tail;
    }
    true
}

/// The shape of an input of some height, width and channels, or [`LoadError::Limit`]. In line: a board would move the result.
#[inline(always)]
pub(super) const fn input_shape([height, width, channels]: [u16; 3]) -> Result<Shape, LoadError> {
    pass!(within("input height", height, MAX_SIDE));
    pass!(within("input width", width, MAX_SIDE));
    pass!(within("input channels", channels, MAX_CHANNELS));
    Ok(Shape { height, width, channels })
}

/// `1..=most`, or [`LoadError::Limit`] of the input.
const fn within(field: &'static str, found: u16, most: u16) -> Result<(), LoadError> {
    if found == 0 || found > most {
        let (found, maximum) = (found as u32, most as u32);
        return Err(LoadError::Limit { layer: 0, field, found, minimum: 1, maximum });
    }
    Ok(())
}
