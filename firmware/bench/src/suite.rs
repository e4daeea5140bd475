//! Many small networks, one after the other: the digest of every layer's rows and of the logits
//! must be what the test that wrote them expects (`tests/tests/kernels.rs`).
//!
//! All numbers of the file are `u32`, little endian:
//!
//! ```text
//! suite:   number of networks, then each network
//! network: bytes of the model, bytes of an image, number of images,
//!          model (and zeros up to a multiple of four), then each image
//! image:   pixels (and zeros up to a multiple of four), one digest a layer
//! ```

use core::fmt;

use tenfold_runtime::{LoadError, Model, Observer, Recognizer, ScratchError};

/// Enough scratch for any network of the suite.
pub const SCRATCH_BYTES: usize = 1 << 20;

/// How much was compared, and was as expected.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    networks: u32,
    images: u32,
    layers: u32,
}

/// The first thing that was not as expected.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// The file is shorter than it says.
    Short,
    /// The file is longer than it says, by so many bytes.
    Long(usize),
    /// A model does not load.
    Load(u32, LoadError),
    /// A model takes more scratch than there is.
    Scratch(u32, ScratchError),
    /// Network, image and layer that differ.
    Differs(u32, u32, usize),
}

/// Runs every network of `suite`.
///
/// # Errors
///
/// The first failure.
pub fn run(suite: &[u8], scratch: &mut [u8]) -> Result<Summary, Failure> {
    let mut suite = Reader(suite);
    let mut summary = Summary { networks: suite.number()?, ..Summary::default() };
    for index in 0..summary.networks {
        let [model, image, count] = [suite.number()?, suite.number()?, suite.number()?];
        let model = Model::load(suite.bytes(model as usize)?).map_err(|cause| Failure::Load(index, cause))?;
        let mut recognizer =
            Recognizer::new(&model, scratch).map_err(|cause| Failure::Scratch(index, cause))?;
        for number in 0..count {
            let mut digests = Digests([START; 16]);
            let prediction = recognizer.recognize_observed(suite.bytes(image as usize)?, &mut digests);
            let Digests(mut digests) = digests;
            let last = model.layers().len() - 1;
            for logit in &prediction.logits {
                digests[last] = digest(digests[last], &logit.to_le_bytes());
            }
            for (layer, digest) in digests.iter().enumerate().take(model.layers().len()) {
                if *digest != suite.number()? {
                    return Err(Failure::Differs(index, number, layer));
                }
                summary.layers += 1;
            }
            summary.images += 1;
        }
    }
    if suite.0.is_empty() { Ok(summary) } else { Err(Failure::Long(suite.0.len())) }
}

/// The digest of no bytes.
const START: u32 = 0x811c_9dc5;

/// Goes on with a 32-bit FNV-1a digest.
fn digest(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |digest, &byte| (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// One digest a layer, over all its rows.
struct Digests([u32; 16]);

impl Observer for Digests {
    fn row(&mut self, layer: usize, _row: usize, values: &[u8]) {
        self.0[layer] = digest(self.0[layer], values);
    }
}

/// What is left of the suite.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Result<u32, Failure> {
        let (number, rest) = self.0.split_first_chunk().ok_or(Failure::Short)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*number))
    }

    /// `length` bytes that start at a multiple of four.
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Failure> {
        let (bytes, rest) = self.0.split_at_checked(length.next_multiple_of(4)).ok_or(Failure::Short)?;
        self.0 = rest;
        Ok(&bytes[..length])
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { networks, images, layers } = self;
        write!(f, "{networks} networks, {images} images, {layers} layers: all as expected")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => write!(f, "the suite ends early"),
            Self::Long(bytes) => write!(f, "{bytes} bytes left over"),
            Self::Load(index, cause) => write!(f, "network {index}: {cause}"),
            Self::Scratch(index, cause) => write!(f, "network {index}: {cause}"),
            Self::Differs(index, image, layer) => {
                write!(f, "network {index}, image {image}: layer {layer} differs")
            }
        }
    }
}
