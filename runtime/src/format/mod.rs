//! The model file: a fixed prefix that a `const fn` can read, then a postcard body.
//!
//! ```text
//! offset  bytes  field
//!      0      4  magic "10FD"
//!      4      1  format version (1)
//!      5      1  number of layers
//!      6      2  reserved, zero
//!      8      4  length of the file                 (u32, little endian, as all that follow)
//!     12      4  bytes of scratch that inference needs
//!     16      4  features: what a runtime must be able to do (see `Features`)
//!     20      4  CRC-32 (ISO-HDLC) of bytes 0..20 and 24..length
//!     24      .  postcard: header, then one record a layer (`record.rs`)
//! ```
//!
//! `docs/FORMAT.md` is the byte table for who writes a reader in another language.

mod block;
mod error;
mod layers;
mod load;
mod read;
mod record;
mod uses;
mod weights;

#[cfg(feature = "writer")]
mod encode;
#[cfg(feature = "writer")]
mod reorder;
#[cfg(feature = "writer")]
pub mod spec;

#[cfg(feature = "writer")]
pub use encode::{EncodeError, encode, encode_ordered, reseal};
pub use error::LoadError;
pub(crate) use record::OutputRecord;
#[cfg(feature = "writer")]
pub use reorder::{Core, reorder, reorder_for, specification};

/// First bytes of every model file.
pub const MAGIC: [u8; 4] = *b"10FD";
/// The format version that this runtime reads and writes.
pub const VERSION: u8 = 1;
/// Length of the fixed prefix.
pub const PREFIX_BYTES: usize = 24;
/// Most layers a model may have.
pub const MAX_LAYERS: usize = 16;
/// Most classes a model may tell apart.
pub const MAX_CLASSES: usize = 16;
/// Longest name, in bytes.
pub const MAX_NAME: usize = 64;
/// Largest height or width of a feature map.
pub const MAX_SIDE: u16 = 1024;
/// Most channels of a feature map, and most outputs of a dense layer.
pub const MAX_CHANNELS: u16 = 4096;
/// Most values in one row of a feature map, padding included.
pub const MAX_ROW: usize = 1 << 16;
/// Largest kernel or stride of a convolution or a pool, vertically and horizontally.
pub const MAX_KERNEL: u8 = 15;

/// What a model asks of the runtime, one bit each, in the prefix. A board that names them in the type of
/// its model links nothing else: see [`exact_model!`](crate::exact_model).
pub mod features {
    /// An ordinary convolution.
    pub const CONVOLUTION: u32 = 1 << 0;
    /// A convolution with more than one group.
    pub const GROUPED_CONVOLUTION: u32 = 1 << 1;
    /// A max-pool fused into a convolution.
    pub const FUSED_POOL: u32 = 1 << 2;
    /// A max-pool on its own.
    pub const MAX_POOL: u32 = 1 << 3;
    /// An average-pool.
    pub const AVERAGE_POOL: u32 = 1 << 4;
    /// A dense layer.
    pub const DENSE: u32 = 1 << 5;
    /// A dense layer that is not the last.
    pub const HIDDEN_DENSE: u32 = 1 << 6;
    /// Padding.
    pub const PADDING: u32 = 1 << 7;
    /// 8-bit weights.
    pub const WEIGHTS_8: u32 = 1 << 8;
    /// 4-bit weights.
    pub const WEIGHTS_4: u32 = 1 << 9;
    /// 2-bit weights.
    pub const WEIGHTS_2: u32 = 1 << 10;
    /// Signed output without a table.
    pub const SIGNED_OUTPUT: u32 = 1 << 11;
    /// A convolution with weights in plain order. The orders have bits in the order of their numbers.
    pub const PLAIN_CONVOLUTION: u32 = 1 << 12;
    /// A convolution with weights in pairs.
    pub const PAIRED_CONVOLUTION: u32 = PLAIN_CONVOLUTION << 1;
    /// A convolution with weights in planes.
    pub const PLANAR_CONVOLUTION: u32 = PLAIN_CONVOLUTION << 2;
    /// A convolution with weights in narrow planes.
    pub const NARROW_CONVOLUTION: u32 = PLAIN_CONVOLUTION << 3;
    /// A layer with signed input.
    pub const SIGNED_INPUT: u32 = 1 << 16;
    /// A table activation.
    pub const TABLE: u32 = 1 << 17;
    /// A dense layer with weights in plain order. The orders have bits in the order of their numbers.
    pub const PLAIN_DENSE: u32 = 1 << 18;
    /// A convolution with a kernel of 3 x 3.
    pub const KERNEL_3: u32 = 1 << 22;
    /// A convolution with a kernel of 5 x 5.
    pub const KERNEL_5: u32 = 1 << 23;
    /// A convolution with any other kernel.
    pub const KERNEL_OTHER: u32 = 1 << 24;
    /// A convolution of one input channel.
    pub const ONE_CHANNEL: u32 = 1 << 25;
    /// A convolution of several input channels.
    pub const CHANNELS: u32 = 1 << 26;
    /// A convolution without a pool.
    pub const UNPOOLED: u32 = 1 << 27;
    /// A convolution with another stride than 1, vertically or horizontally.
    pub const STRIDE: u32 = 1 << 28;
    /// A convolution without a pool whose output has an odd number of columns.
    pub const ODD_WIDTH: u32 = 1 << 29;
    /// A convolution of one input channel with a pool.
    pub const POOLED_IMAGE: u32 = 1 << 30;

    /// A layer with its outputs interleaved.
    pub const INTERLEAVED: u32 = 1 << 31;

    /// All there are and will be: what a [`Model`](crate::Model) can do where its type does not say.
    pub const ALL: u32 = u32::MAX;

    /// Whether any of `wanted` is in `features`.
    #[inline(always)]
    #[must_use]
    pub const fn any(features: u32, wanted: u32) -> bool {
        features & wanted != 0
    }
}

/// Four bytes of the prefix as a little-endian integer; 0 where `bytes` ends before.
const fn prefix_word(bytes: &[u8], offset: usize) -> u32 {
    match bytes.split_at_checked(offset) {
        Some((_, tail)) => match tail.first_chunk::<4>() {
            Some(word) => u32::from_le_bytes(*word),
            None => 0,
        },
        None => 0,
    }
}

/// Bytes of scratch that a model file asks for, readable in a `const` so that a board can reserve a
/// `static`. Loading checks that the number is right. 0 for bytes too short to be a model.
#[must_use]
pub const fn scratch_bytes(model: &[u8]) -> usize {
    prefix_word(model, 12) as usize
}

/// Number of layers that a model file declares; see [`Model`](crate::Model).
#[must_use]
pub const fn layer_count(model: &[u8]) -> usize {
    (prefix_word(model, 4) >> 8 & 0xff) as usize
}

/// The [`features`] that a model file declares. Loading checks that they are right.
#[must_use]
pub const fn declared_features(model: &[u8]) -> u32 {
    prefix_word(model, 16)
}

/// CRC-32 over the whole file but its own field. Bitwise, without a table: it runs once, at load,
/// and a table would cost a kilobyte of flash.
const fn checksum(before: &[u8], after: &[u8]) -> u32 {
    const CRC: crc::Crc<u32, crc::NoTable> = crc::Crc::<u32, crc::NoTable>::new(&crc::CRC_32_ISO_HDLC);
    let mut digest = CRC.digest();
    digest.update(before);
    digest.update(after);
    digest.finalize()
}
