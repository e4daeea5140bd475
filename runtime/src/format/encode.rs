//! [`ModelSpec`] to bytes. Host only: the one place of this crate that uses a heap.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::layers::Checker;
use super::load::{input_shape, read_body};
use super::record::{Header, OutputRecord, ParametersRecord, Record};
use super::spec::{LayerSpec, ModelSpec, Output, Parameters};
use super::{LoadError, MAGIC, MAX_CHANNELS, MAX_LAYERS, PREFIX_BYTES, VERSION, checksum, features};
use crate::model::{Padding, Shape, Window};
use crate::order::{Arrangement, Interleaved, Order};
use crate::plan::dense_rows_per_step;

/// Why a network could not be written as a model file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The network breaks a rule of the format; the loader would refuse it.
    Invalid(LoadError),
    /// A list of parameters has the wrong length for the shapes.
    Length {
        /// Which layer.
        layer: usize,
        /// Which list.
        list: &'static str,
        /// Entries expected.
        expected: usize,
        /// Entries found.
        found: usize,
    },
    /// A weight is not representable at the layer's number of bits.
    Weight {
        /// Which layer.
        layer: usize,
        /// Position in the list of weights.
        index: usize,
        /// The weight.
        weight: i8,
        /// The layer's bits a weight.
        bits: u8,
    },
    /// The file would not fit 32-bit lengths, or postcard failed.
    Serialization(String),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::Length { layer, list, expected, found } => {
                write!(f, "layer {layer}: {found} {list}, expected {expected}")
            }
            Self::Weight { layer, index, weight, bits } => {
                write!(f, "layer {layer}: weight {index} is {weight}, which {bits} bits cannot hold")
            }
            Self::Serialization(cause) => f.write_str(cause),
        }
    }
}

impl core::error::Error for EncodeError {}

impl From<LoadError> for EncodeError {
    fn from(error: LoadError) -> Self {
        Self::Invalid(error)
    }
}

impl From<postcard::Error> for EncodeError {
    fn from(error: postcard::Error) -> Self {
        Self::Serialization(alloc::format!("postcard: {error}"))
    }
}

/// Writes a model file. What this returns, [`Model::load`](crate::Model::load) accepts.
///
/// # Errors
///
/// [`EncodeError`] names the layer and what is wrong with it.
pub fn encode(spec: &ModelSpec) -> Result<Vec<u8>, EncodeError> {
    encode_ordered(spec, Order::Plain)
}

/// As [`encode`], with the weights in `order` in every layer for which it is defined. The file gives
/// the same results on every core that loads it, which is every core unless `order` is
/// [`Order::Interleaved`]; the core that the order is for is faster with it.
///
/// # Errors
///
/// As [`encode`].
pub fn encode_ordered(spec: &ModelSpec, order: Order) -> Result<Vec<u8>, EncodeError> {
    encode_with(spec, |_| order)
}

/// As [`encode_ordered`], with the order for weights of some bits.
pub(super) fn encode_with(spec: &ModelSpec, order: impl Fn(u8) -> Order) -> Result<Vec<u8>, EncodeError> {
    let header =
        Header { name: spec.name.as_bytes(), input: spec.input, logit_exponent: spec.logit_exponent };
    let mut file = postcard::to_extend(&header, alloc::vec![0; PREFIX_BYTES])?;

    let count = spec.layers.len();
    let wrong_count = LoadError::LayerCount { found: count, capacity: MAX_LAYERS };
    let layers = u8::try_from(count).map_err(|_| wrong_count)?;
    // Checked before any block is built, as those that follow are: what is computed of shapes cannot overflow.
    let (mut input, mut signed) = (input_shape(spec.input)?, false);
    for (index, layer) in (0..layers).zip(&spec.layers) {
        let bits = match layer {
            LayerSpec::Convolution { parameters, .. } | LayerSpec::Dense { parameters } => {
                parameters.weight_bits
            }
            LayerSpec::MaxPool { .. } | LayerSpec::AveragePool { .. } => 8,
        };
        let block = Block::new(layer, (index, input, signed), order(bits))?;
        let record = block.record(layer, 0);
        let mut checker =
            Checker::<{ features::ALL }> { input, signed, index, ..Checker::new(input, layers) };
        let checked = checker.layer(&record).ok_or(checker.error)?;
        // The block is the last field, so that its offset follows from the length of the whole.
        let unaligned = postcard::to_allocvec(&record)?.len() + file.len() - block.bytes().len();
        let filler = unaligned.next_multiple_of(4) - unaligned;
        file = postcard::to_extend(&block.record(layer, filler), file)?;
        (input, signed) = (checked.output, checked.output_signed);
    }

    let aligned = aligned_copy(&file);
    let bytes: &[u8] = bytemuck::cast_slice(&aligned);
    let (bytes, _) = bytes.split_at(file.len());
    let (_, body) = bytes.split_at(PREFIX_BYTES);
    let (model, needed) = read_body::<MAX_LAYERS, { features::ALL }>(bytes, body, layers)?;
    let length = u32::try_from(file.len())
        .map_err(|_| EncodeError::Serialization("the file would exceed 4 GiB".into()))?;
    let prefix: Vec<u8> = [
        &MAGIC[..],
        &[VERSION, layers, 0, 0],
        &length.to_le_bytes(),
        &(model.scratch_bytes() as u32).to_le_bytes(),
        &needed.to_le_bytes(),
    ]
    .concat();
    file.splice(..prefix.len(), prefix);
    reseal(&mut file);
    Ok(file)
}

/// Recomputes the checksum of a model file whose bytes were changed. For tests of the loader: a
/// file that was damaged and resealed reaches the checks behind the checksum.
pub fn reseal(file: &mut [u8]) {
    let Some((prefix, body)) = file.split_first_chunk_mut::<PREFIX_BYTES>() else { return };
    let Some((covered, crc)) = prefix.split_last_chunk_mut::<4>() else { return };
    *crc = checksum(covered, body).to_le_bytes();
}

/// A copy that starts at a multiple of four.
pub(super) fn aligned_copy(bytes: &[u8]) -> Vec<u32> {
    let mut words = alloc::vec![0_u32; bytes.len().div_ceil(4)];
    let target: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
    target.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    words
}

/// The parameter block of one layer, word-aligned in memory as it will be in the file.
struct Block {
    words: Vec<u32>,
    length: usize,
    rows_per_step: u16,
    order: Order,
}

/// Zeros to take the alignment filler from.
static FILLER: [u8; 4] = [0; 4];

impl Block {
    /// That of layer `number`, for an input of a shape that may be signed.
    fn new(
        layer: &LayerSpec,
        (number, input, signed): (u8, Shape, bool),
        order: Order,
    ) -> Result<Self, EncodeError> {
        let index = usize::from(number);
        let (mut arranged, mut interleaved) = (None, None);
        let (parameters, rows_per_step, steps, fan_in) = match layer {
            LayerSpec::MaxPool { .. } | LayerSpec::AveragePool { .. } => {
                return Ok(Self { words: Vec::new(), length: 0, rows_per_step: 1, order: Order::Plain });
            }
            LayerSpec::Convolution { kernel, stride, groups, pool, parameters, .. } => {
                let depth = input.channels.checked_div(*groups).unwrap_or(0);
                let window = Window { kernel: *kernel, stride: *stride };
                let (side, step) = pool.unwrap_or(([1, 1], [1, 1]));
                let pool = Window { kernel: side, stride: step };
                let bits = parameters.weight_bits;
                arranged = Arrangement::among::<{ features::ALL }>(
                    order,
                    window,
                    *groups,
                    pool,
                    (bits, depth, signed),
                )
                .map(|arrangement| (arrangement, *kernel, depth));
                if order == Order::Interleaved {
                    let outputs = u16::try_from(parameters.bias.len()).unwrap_or(u16::MAX);
                    interleaved = Interleaved::convolution(window, *groups, depth, outputs);
                }
                (parameters, 1, 1, usize::from(kernel[0]) * usize::from(kernel[1]) * usize::from(depth))
            }
            LayerSpec::Dense { parameters } => {
                let outputs = u16::try_from(parameters.bias.len()).unwrap_or(u16::MAX);
                let rows = dense_rows_per_step(input, outputs);
                let steps = if rows == input.height { 1 } else { usize::from(input.height) };
                if order == Order::Interleaved {
                    interleaved = Interleaved::dense(usize::from(rows) * input.row(), outputs);
                }
                (parameters, rows, steps, usize::from(input.height) * input.row())
            }
        };
        let outputs = parameters.bias.len();
        // Checked here already, so that the lengths below cannot overflow.
        if outputs == 0 || outputs > usize::from(MAX_CHANNELS) {
            let (found, maximum) = (outputs as u32, MAX_CHANNELS.into());
            let field = "outputs";
            return Err(LoadError::Limit { layer: number, field, found, minimum: 1, maximum }.into());
        }
        let length = |list, expected, found| {
            let error = EncodeError::Length { layer: index, list, expected, found };
            if expected == found { Ok(()) } else { Err(error) }
        };
        length("weights", outputs * fan_in, parameters.weights.len())?;
        let shifts = if parameters.output == Output::Logits { 0 } else { outputs };
        length("shifts", shifts, parameters.shifts.len())?;
        if let Output::Table { entries, .. } = &parameters.output {
            length("table entries", 256, entries.len())?;
        }

        let arranged = arranged.map(|(arrangement, kernel, depth)| {
            let each = parameters.weights.chunks_exact(fan_in.max(1));
            let runs = each.map(|run| arrange(run, arrangement, arrangement.positions(kernel, depth)));
            (arrangement, runs.collect::<Vec<_>>())
        });
        let mut bytes = Vec::new();
        for (index, &bias) in parameters.bias.iter().enumerate() {
            let run = arranged.as_ref().and_then(|(arrangement, runs)| Some((arrangement, runs.get(index)?)));
            let offset = run.map_or(0, |(arrangement, run)| arrangement.bias_offset(run));
            bytes.extend(bias.wrapping_add(offset).to_le_bytes());
        }
        let run = (fan_in / steps).max(1);
        match (&arranged, interleaved) {
            (Some((_, runs)), _) => runs.iter().for_each(|run| bytes.extend(run)),
            (None, Some(order)) => {
                (0..steps).for_each(|step| interleave(&parameters.weights, fan_in, step, order, &mut bytes));
            }
            (None, None) => {
                for step in 0..steps {
                    for output in parameters.weights.chunks_exact(fan_in.max(1)) {
                        let weights = output.chunks_exact(run).nth(step).unwrap_or_default();
                        pack(weights, parameters.weight_bits, &mut bytes);
                    }
                }
            }
        }
        check_weights(index, parameters)?;
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend_from_slice(&parameters.shifts);
        if let Output::Table { entries, .. } = &parameters.output {
            bytes.extend_from_slice(entries);
        }
        let is_ordered = arranged.is_some() || interleaved.is_some();
        let order = if is_ordered { order } else { Order::Plain };
        Ok(Self { words: aligned_copy(&bytes), length: bytes.len(), rows_per_step, order })
    }

    fn bytes(&self) -> &[u8] {
        let all: &[u8] = bytemuck::cast_slice(&self.words);
        all.get(..self.length).unwrap_or_default()
    }

    /// The record of a layer, with `filler` (0 to 3) bytes before the block.
    fn record(&self, layer: &LayerSpec, filler: usize) -> Record<'_> {
        let parameters = |parameters: &Parameters| ParametersRecord {
            weight_bits: parameters.weight_bits,
            order: self.order,
            output: match parameters.output {
                Output::Unsigned => OutputRecord::Unsigned,
                Output::Signed => OutputRecord::Signed,
                Output::Table { signed: false, .. } => OutputRecord::UnsignedTable,
                Output::Table { signed: true, .. } => OutputRecord::SignedTable,
                Output::Logits => OutputRecord::Logits,
            },
            alignment: FILLER.get(..filler).unwrap_or_default(),
            block: self.bytes(),
        };
        let outputs = |parameters: &Parameters| parameters.bias.len() as u16;
        match layer {
            LayerSpec::Convolution { kernel, stride, padding, groups, pool, parameters: p } => {
                Record::Convolution {
                    outputs: outputs(p),
                    window: Window { kernel: *kernel, stride: *stride },
                    padding: self::padding(*padding),
                    groups: *groups,
                    pool: pool.map(|(kernel, stride)| Window { kernel, stride }),
                    parameters: parameters(p),
                }
            }
            LayerSpec::MaxPool { kernel, stride, padding } => Record::MaxPool {
                window: Window { kernel: *kernel, stride: *stride },
                padding: self::padding(*padding),
            },
            LayerSpec::AveragePool { kernel, stride } => {
                Record::AveragePool { window: Window { kernel: *kernel, stride: *stride } }
            }
            LayerSpec::Dense { parameters: p } => Record::Dense {
                outputs: outputs(p),
                rows_per_step: self.rows_per_step,
                parameters: parameters(p),
            },
        }
    }
}

fn padding([top, left, bottom, right]: [u8; 4]) -> Padding {
    Padding { top, left, bottom, right }
}

/// Packs one run of weights, low bits first.
fn pack(weights: &[i8], bits: u8, bytes: &mut Vec<u8>) {
    match bits {
        4 => bytes.extend(
            weights
                .chunks(2)
                .map(|pair| pair.iter().rev().fold(0, |byte, &weight| byte << 4 | (weight as u8 & 15))),
        ),
        2 => bytes.extend(weights.chunks(4).map(|four| {
            four.iter().rev().fold(0, |byte, &weight| byte << 2 | ((i16::from(weight) + 3) / 2) as u8 & 3)
        })),
        _ => bytes.extend(weights.iter().map(|&weight| weight as u8)),
    }
}

/// Puts one run of weights into another order.
fn arrange(weights: &[i8], arrangement: Arrangement, positions: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut run = alloc::vec![0; arrangement.run_bytes()];
    for (&weight, place) in weights.iter().zip(positions) {
        arrangement.set_weight(&mut run, place, weight);
    }
    arrangement.complete(&mut run);
    run
}

/// Puts the weights of one step of all outputs, each of `fan_in` weights, side by side.
fn interleave(weights: &[i8], fan_in: usize, step: usize, order: Interleaved, bytes: &mut Vec<u8>) {
    let mut all = alloc::vec![0; order.block_bytes().unwrap_or(0).saturating_mul(order.blocks())];
    for (output, weights) in weights.chunks_exact(fan_in.max(1)).enumerate() {
        let places = order.places(output);
        let step = weights.iter().skip(step * order.weights());
        for (&weight, place) in step.zip(places) {
            if let Some(byte) = all.get_mut(place) {
                *byte = weight as u8;
            }
        }
    }
    bytes.extend(all);
}

/// Every weight is one of the levels that the layer's bits can hold.
fn check_weights(layer: usize, parameters: &Parameters) -> Result<(), EncodeError> {
    let bits = parameters.weight_bits;
    let fits = |weight: i8| match bits {
        2 => matches!(weight, -3 | -1 | 1 | 3),
        4 => (-7..=7).contains(&weight),
        _ => weight != i8::MIN,
    };
    match parameters.weights.iter().enumerate().find(|&(_, &weight)| !fits(weight)) {
        Some((index, &weight)) => Err(EncodeError::Weight { layer, index, weight, bits }),
        None => Ok(()),
    }
}
