//! Why a model file was refused: one variant per cause.

use core::fmt;

/// Why a model file was refused.
///
/// `layer` counts from 0. `field` names the entry of `docs/FORMAT.md` that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// Shorter than the prefix, or than the length in the prefix.
    Truncated {
        /// Bytes the file should have.
        expected: usize,
        /// Bytes it has.
        found: usize,
    },
    /// Longer than the length in the prefix, or bytes left over after the last layer.
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// The bytes do not start at a multiple of four; [`include_model!`](crate::include_model) aligns them.
    Misaligned,
    /// Not a model file.
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// Written by a newer or a foreign exporter.
    Version {
        /// The version in the file.
        found: u8,
    },
    /// A reserved field is not zero.
    Reserved,
    /// The checksum does not match: the file was damaged.
    Checksum {
        /// CRC-32 in the prefix.
        stored: u32,
        /// CRC-32 of the bytes.
        computed: u32,
    },
    /// More layers than this [`Model`](crate::Model) has room for, or none.
    LayerCount {
        /// Layers in the file.
        found: usize,
        /// Most that fit.
        capacity: usize,
    },
    /// The header is not valid postcard.
    Header,
    /// A layer is not valid postcard.
    Record {
        /// Which layer.
        layer: u8,
    },
    /// The name is longer than [`MAX_NAME`](super::MAX_NAME), or not printable ASCII.
    Name,
    /// A number is outside its limits.
    Limit {
        /// Which layer; the input counts as layer 0.
        layer: u8,
        /// Which field.
        field: &'static str,
        /// The value.
        found: u32,
        /// The smallest allowed.
        minimum: u32,
        /// The largest allowed.
        maximum: u32,
    },
    /// The kernel is larger than the padded input, or the pool larger than the convolution's output.
    WindowTooLarge {
        /// Which layer.
        layer: u8,
    },
    /// The groups do not divide the input or the output channels.
    Groups {
        /// Which layer.
        layer: u8,
    },
    /// The area of an average-pool is not a power of two.
    PoolArea {
        /// Which layer.
        layer: u8,
    },
    /// `rows_per_step` is neither 1 nor the height of the input.
    RowsPerStep {
        /// Which layer.
        layer: u8,
    },
    /// The parameter block has another length than the shapes ask for.
    BlockLength {
        /// Which layer.
        layer: u8,
        /// Bytes that the shapes ask for.
        expected: usize,
        /// Bytes in the file.
        found: usize,
    },
    /// The parameter block is not aligned within the file, or padding is not zero.
    BlockAlignment {
        /// Which layer.
        layer: u8,
    },
    /// The weights are in an order that is not defined for the layer's shape, or not for this target.
    Order {
        /// Which layer.
        layer: u8,
    },
    /// A weight of -128 (8 bits) or -8 (4 bits): the range is symmetric.
    Weight {
        /// Which layer.
        layer: u8,
    },
    /// A shift above 31.
    Shift {
        /// Which layer.
        layer: u8,
    },
    /// Weights and bias of a channel could overflow the accumulator.
    Accumulator {
        /// Which layer.
        layer: u8,
        /// Which output channel.
        channel: u16,
    },
    /// The logits are not the output of a dense last layer, or another layer claims to be it.
    Logits {
        /// Which layer.
        layer: u8,
    },
    /// The scratch size in the prefix is not what the layers need.
    Scratch {
        /// Bytes in the prefix.
        declared: usize,
        /// Bytes the layers need.
        needed: usize,
    },
    /// The model uses what this build was told to leave out; see [`exact_model!`](crate::exact_model).
    LeftOut {
        /// Those [`features`](super::features).
        features: u32,
    },
    /// The features in the prefix are not those of the layers.
    Features {
        /// In the prefix.
        declared: u32,
        /// What the layers use.
        needed: u32,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { expected, found } => {
                write!(f, "truncated: {found} bytes where {expected} are expected")
            }
            Self::TrailingBytes { count } => write!(f, "{count} trailing bytes after the model"),
            Self::Misaligned => f.write_str("the bytes do not start at a multiple of 4 (use include_model!)"),
            Self::Magic { found } => write!(f, "not a Tenfold model: magic {found:02x?}, expected \"10FD\""),
            Self::Version { found } => {
                write!(f, "format version {found}, this runtime reads {} (export again)", super::VERSION)
            }
            Self::Reserved => f.write_str("reserved bytes of the prefix are not zero"),
            Self::Checksum { stored, computed } => {
                write!(f, "damaged: CRC-32 {computed:08x}, the file says {stored:08x}")
            }
            Self::LayerCount { found, capacity } => {
                write!(f, "{found} layers, expected 1 to {capacity}")
            }
            Self::Header => f.write_str("the header is malformed"),
            Self::Record { layer } => write!(f, "layer {layer}: malformed record"),
            Self::Name => write!(f, "the name is not at most {} printable ASCII characters", super::MAX_NAME),
            Self::Limit { layer, field, found, minimum, maximum } => {
                write!(f, "layer {layer}: {field} is {found}, expected {minimum} to {maximum}")
            }
            Self::WindowTooLarge { layer } => write!(f, "layer {layer}: the window is larger than its input"),
            Self::Groups { layer } => write!(f, "layer {layer}: the groups do not divide the channels"),
            Self::PoolArea { layer } => {
                write!(f, "layer {layer}: the area of the average-pool is not a power of two")
            }
            Self::RowsPerStep { layer } => {
                write!(f, "layer {layer}: rows_per_step is neither 1 nor the height of the input")
            }
            Self::BlockLength { layer, expected, found } => {
                write!(f, "layer {layer}: the parameter block has {found} bytes, expected {expected}")
            }
            Self::BlockAlignment { layer } => {
                write!(f, "layer {layer}: the parameter block is misaligned or its padding is not zero")
            }
            Self::Order { layer } => {
                write!(
                    f,
                    "layer {layer}: weights in an order that is not for a layer of this shape, or not for this target"
                )
            }
            Self::Weight { layer } => write!(f, "layer {layer}: a weight is outside the symmetric range"),
            Self::Shift { layer } => write!(f, "layer {layer}: a shift is above 31"),
            Self::Accumulator { layer, channel } => {
                write!(f, "layer {layer}: the accumulator of channel {channel} could overflow")
            }
            Self::Logits { layer } => {
                write!(f, "layer {layer}: the last layer, and no other, is dense and yields the logits")
            }
            Self::Scratch { declared, needed } => {
                write!(f, "the prefix declares {declared} bytes of scratch, the layers need {needed}")
            }
            Self::LeftOut { features } => {
                write!(f, "the model uses features {features:#x}, which are left out of this program")
            }
            Self::Features { declared, needed } => {
                write!(f, "the prefix declares features {declared:#x}, the layers use {needed:#x}")
            }
        }
    }
}

impl LoadError {
    /// The cause without its figures: what a compiler says of a model that a program embeds.
    #[doc(hidden)]
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "the model file is truncated",
            Self::TrailingBytes { .. } => "the model file has trailing bytes",
            Self::Misaligned => "the model file is misaligned",
            Self::Magic { .. } => "the file is not a Tenfold model",
            Self::Version { .. } => "the model file has another format version (export it again)",
            Self::Reserved => "reserved bytes of the model file are not zero",
            Self::Checksum { .. } => "the model file is damaged: its checksum does not match",
            Self::LayerCount { .. } => "the model has no layers, or too many",
            Self::Header => "the model's header is malformed",
            Self::Record { .. } => "a layer of the model is malformed",
            Self::Name => "the model's name is too long or not printable ASCII",
            Self::Limit { .. } => "a number in the model is outside its limits",
            Self::WindowTooLarge { .. } => "a window of the model is larger than its input",
            Self::Groups { .. } => "groups of the model do not divide the channels",
            Self::PoolArea { .. } => "the area of an average-pool of the model is not a power of two",
            Self::RowsPerStep { .. } => "rows_per_step of the model is neither 1 nor the height of the input",
            Self::BlockLength { .. } => "a parameter block of the model has a wrong length",
            Self::BlockAlignment { .. } => "a parameter block is misaligned or its padding is not zero",
            Self::Order { .. } => {
                "weights of the model are in an order that is not for their layer or target"
            }
            Self::Weight { .. } => "a weight of the model is outside the symmetric range",
            Self::Shift { .. } => "a shift of the model is above 31",
            Self::Accumulator { .. } => "an accumulator of the model could overflow",
            Self::Logits { .. } => "the model's last layer, and no other, must be dense and yield the logits",
            Self::Scratch { .. } => "the model's prefix declares another scratch size than its layers need",
            Self::LeftOut { .. } => "the model uses features that its type leaves out",
            Self::Features { .. } => "the model's prefix declares other features than its layers use",
        }
    }
}

impl core::error::Error for LoadError {}
