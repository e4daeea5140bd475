//! One layer of a configuration, and how its TOML is read and written.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One layer, as a user writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// `(p / 255 - mean) / sd` of every pixel `p`; the first layer, if at all.
    Normalize {
        /// Mean of the pixels, where 255 is 1.
        mean: f64,
        /// Standard deviation of the pixels, where 255 is 1.
        sd: f64,
    },
    /// 2-D convolution.
    Conv {
        /// Output channels.
        filters: usize,
        /// Side of the window, or `[height, width]`.
        kernel: Pair,
        /// Step, or `[vertical, horizontal]`.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        stride: Pair,
        /// Zeros around the input.
        #[serde(default, skip_serializing_if = "Padding::is_valid")]
        padding: Padding,
        /// Groups; the number of input channels makes the convolution depthwise.
        #[serde(default = "one_group", skip_serializing_if = "is_one_group")]
        groups: usize,
        /// Bits a weight (8, 4 or 2) where they differ from `[quantization] bits`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bits: Option<u8>,
    },
    /// Batch normalization of the conv or dense layer right before it.
    BatchNorm {},
    /// `max(x, 0)`.
    Relu {},
    /// Hyperbolic tangent.
    Tanh {},
    /// Largest value of a window.
    MaxPool {
        /// Side of the window, or `[height, width]`.
        size: Pair,
        /// Step; the size of the window unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<Pair>,
        /// Padding that never wins.
        #[serde(default, skip_serializing_if = "Padding::is_valid")]
        padding: Padding,
    },
    /// Mean of a window.
    AveragePool {
        /// Side of the window, or `[height, width]`.
        size: Pair,
        /// Step; the size of the window unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<Pair>,
    },
    /// Mean of each channel's whole map.
    GlobalAveragePool {},
    /// Feature map to vector.
    Flatten {},
    /// Fully connected.
    Dense {
        /// Outputs.
        units: usize,
        /// Bits a weight (8, 4 or 2) where they differ from `[quantization] bits`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bits: Option<u8>,
    },
    /// Zeroes a share of the values while training; nothing afterwards.
    Dropout {
        /// Share of the values that is zeroed, 0 <= rate < 1.
        rate: f64,
    },
}

impl Layer {
    /// The word after `type =`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Normalize { .. } => "normalize",
            Self::Conv { .. } => "conv",
            Self::BatchNorm {} => "batch_norm",
            Self::Relu {} => "relu",
            Self::Tanh {} => "tanh",
            Self::MaxPool { .. } => "max_pool",
            Self::AveragePool { .. } => "average_pool",
            Self::GlobalAveragePool {} => "global_average_pool",
            Self::Flatten {} => "flatten",
            Self::Dense { .. } => "dense",
            Self::Dropout { .. } => "dropout",
        }
    }
}

/// A height and a width: `3` or `[5, 3]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair(pub [usize; 2]);

fn one() -> Pair {
    Pair([1, 1])
}

fn is_one(pair: &Pair) -> bool {
    *pair == one()
}

fn one_group() -> usize {
    1
}

fn is_one_group(groups: &usize) -> bool {
    *groups == 1
}

impl Serialize for Pair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self([height, width]) = *self;
        if height == width { height.serialize(serializer) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairVisitor;
        impl<'de> Visitor<'de> for PairVisitor {
            type Value = Pair;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number such as 3, or a pair such as [5, 3]")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Pair, E> {
                let side = usize::try_from(value).map_err(E::custom)?;
                Ok(Pair([side, side]))
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Pair, E> {
                let side = usize::try_from(value)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(value), &self))?;
                Ok(Pair([side, side]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Pair, A::Error> {
                let mut sides = Vec::new();
                while let Some(side) = sequence.next_element::<usize>()? {
                    sides.push(side);
                }
                <[usize; 2]>::try_from(sides)
                    .map(Pair)
                    .map_err(|sides| A::Error::invalid_length(sides.len(), &self))
            }
        }
        deserializer.deserialize_any(PairVisitor)
    }
}

/// Padding of a convolution or a max-pool: `"valid"`, `"same"`, or `[top, left, bottom, right]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// None.
    #[default]
    Valid,
    /// As much as makes the output `ceil(input / stride)` long; the odd one goes to the bottom
    /// and to the right, as in TensorFlow.
    Same,
    /// Top, left, bottom, right.
    Explicit([usize; 4]),
}

impl Padding {
    fn is_valid(&self) -> bool {
        *self == Self::Valid
    }
}

impl Serialize for Padding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Valid => "valid".serialize(serializer),
            Self::Same => "same".serialize(serializer),
            Self::Explicit(sides) => sides.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Padding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PaddingVisitor;
        impl<'de> Visitor<'de> for PaddingVisitor {
            type Value = Padding;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("\"valid\", \"same\" or [top, left, bottom, right]")
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Padding, E> {
                match value {
                    "valid" => Ok(Padding::Valid),
                    "same" => Ok(Padding::Same),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(value), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Padding, A::Error> {
                let mut sides = Vec::new();
                while let Some(side) = sequence.next_element::<usize>()? {
                    sides.push(side);
                }
                <[usize; 4]>::try_from(sides)
                    .map(Padding::Explicit)
                    .map_err(|sides| A::Error::invalid_length(sides.len(), &self))
            }
        }
        deserializer.deserialize_any(PaddingVisitor)
    }
}
