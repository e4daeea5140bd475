//! A record that postcard could read, to a [`Layer`] that inference can trust.

use super::record::{OutputRecord, ParametersRecord, Record, WindowRecord};
use super::{LoadError, MAX_CHANNELS, MAX_CLASSES, MAX_KERNEL, MAX_ROW, MAX_SIDE, features as f};
use crate::arithmetic::{ACCUMULATOR_LIMIT, unpack_weight};
use crate::model::{Layer, Operation, Output, Padding, Parameters, Shape, Window};
use crate::order::{Order, Paired};

/// Where a record stands and what reaches it.
pub(super) struct Place {
    pub(super) index: u8,
    pub(super) is_last: bool,
    pub(super) input: Shape,
    pub(super) signed: bool,
}

/// `minimum..=maximum`, or [`LoadError::Limit`].
pub(super) fn within<T: Into<u32>>(
    layer: u8,
    field: &'static str,
    found: T,
    minimum: T,
    maximum: T,
) -> Result<(), LoadError> {
    let (found, minimum, maximum) = (found.into(), minimum.into(), maximum.into());
    if (minimum..=maximum).contains(&found) {
        Ok(())
    } else {
        Err(LoadError::Limit { layer, field, found, minimum, maximum })
    }
}

/// Checks one record against what reaches it.
pub(super) fn layer<'a>(record: &Record<'a>, place: &Place) -> Result<Layer<'a>, LoadError> {
    let index = place.index;
    let (is_dense, stored) = match record {
        Record::Convolution { parameters, .. } => (false, Some(parameters.output)),
        Record::MaxPool { .. } | Record::AveragePool { .. } => (false, None),
        Record::Dense { parameters, .. } => (true, Some(parameters.output)),
    };
    let yields_logits = stored == Some(OutputRecord::Logits);
    if yields_logits != place.is_last || (yields_logits && !is_dense) {
        return Err(LoadError::Logits { layer: index });
    }
    let (operation, output) = match record {
        Record::Convolution { outputs, window, padding, groups, pool, parameters } => {
            convolution(place, *outputs, *window, *padding, *groups, *pool, parameters)?
        }
        Record::MaxPool { window, padding } => {
            let window = self::window(index, *window)?;
            let padding = self::padding(index, *padding, window)?;
            let output = place.input.windowed(index, window, padding)?;
            (Operation::MaxPool { window, padding }, output)
        }
        Record::AveragePool { window } => {
            let window = self::window(index, *window)?;
            let area = u16::from(window.kernel[0]) * u16::from(window.kernel[1]);
            if !area.is_power_of_two() {
                return Err(LoadError::PoolArea { layer: index });
            }
            let output = place.input.windowed(index, window, Padding::default())?;
            (Operation::AveragePool { window, log2_area: area.trailing_zeros() as u8 }, output)
        }
        Record::Dense { outputs, rows_per_step, parameters } => {
            dense(place, *outputs, *rows_per_step, parameters)?
        }
    };
    let output_signed = match stored {
        Some(output) => matches!(output, OutputRecord::Signed | OutputRecord::SignedTable),
        // A pool passes its input on.
        None => place.signed,
    };
    Ok(Layer { input: place.input, output, input_signed: place.signed, output_signed, operation })
}

fn convolution<'a>(
    place: &Place,
    outputs: u16,
    window: WindowRecord,
    padding: [u8; 4],
    groups: u16,
    pool: Option<WindowRecord>,
    record: &ParametersRecord<'a>,
) -> Result<(Operation<'a>, Shape), LoadError> {
    let index = place.index;
    within(index, "outputs", outputs, 1, MAX_CHANNELS)?;
    let window = self::window(index, window)?;
    let padding = self::padding(index, padding, window)?;
    let input = place.input.channels;
    within(index, "groups", groups, 1, input)?;
    if !input.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
        return Err(LoadError::Groups { layer: index });
    }
    let mut shape = place.input.windowed(index, window, padding)?;
    let pool = match pool {
        Some(pool) => self::window(index, pool)?,
        None => Window { kernel: [1, 1], stride: [1, 1] },
    };
    shape = Shape { channels: outputs, ..shape }.windowed(index, pool, Padding::default())?;
    let fan_in = usize::from(window.kernel[0])
        * usize::from(window.kernel[1])
        * usize::from(input.checked_div(groups).unwrap_or(0));
    let length = match record.order {
        Order::Plain => fan_in,
        Order::Paired => {
            let paired = Paired::new(window, groups, pool, record.weight_bits, input);
            paired.ok_or(LoadError::Order { layer: index })?.run_bytes()
        }
    };
    let parameters = parameters(place, record, Runs { outputs, steps: 1, length })?;
    if let Some(paired) = Paired::of(&parameters, window, groups, pool, input)
        && parameters.weights.chunks_exact(length.max(1)).any(|run| !paired.is_well_formed(run))
    {
        return Err(LoadError::BlockAlignment { layer: index });
    }
    Ok((Operation::Convolution { window, padding, groups, pool, parameters }, shape))
}

fn dense<'a>(
    place: &Place,
    outputs: u16,
    rows_per_step: u16,
    record: &ParametersRecord<'a>,
) -> Result<(Operation<'a>, Shape), LoadError> {
    let index = place.index;
    let most = if place.is_last { MAX_CLASSES as u16 } else { MAX_CHANNELS };
    within(index, "outputs", outputs, 1, most)?;
    // As for a window: the products of lengths below must fit 32 bits.
    within(index, "values in a row", place.input.row() as u32, 1, MAX_ROW as u32)?;
    let height = place.input.height;
    if rows_per_step != 1 && rows_per_step != height {
        return Err(LoadError::RowsPerStep { layer: index });
    }
    let steps = if rows_per_step == height { 1 } else { height };
    let length = usize::from(rows_per_step) * place.input.row();
    if record.order != Order::Plain {
        return Err(LoadError::Order { layer: index });
    }
    let parameters = parameters(place, record, Runs { outputs, steps, length })?;
    let shape = Shape { height: 1, width: 1, channels: outputs };
    Ok((Operation::Dense { rows_per_step, parameters }, shape))
}

/// How many runs of weights a block holds: `steps * outputs` runs of `length` weights.
#[derive(Clone, Copy)]
struct Runs {
    outputs: u16,
    steps: u16,
    length: usize,
}

/// Cuts the parameter block into biases, weights, shifts and table, and checks each.
fn parameters<'a>(
    place: &Place,
    record: &ParametersRecord<'a>,
    runs: Runs,
) -> Result<Parameters<'a>, LoadError> {
    let layer = place.index;
    let weight_bits = record.weight_bits;
    if !matches!(weight_bits, 2 | 4 | 8) {
        let found = u32::from(weight_bits);
        return Err(LoadError::Limit {
            layer,
            field: "weight bits (2, 4 or 8)",
            found,
            minimum: 2,
            maximum: 8,
        });
    }
    let outputs = usize::from(runs.outputs);
    let has_table = matches!(record.output, OutputRecord::UnsignedTable | OutputRecord::SignedTable);
    let shift_count = if record.output == OutputRecord::Logits { 0 } else { outputs };
    let table_bytes = if has_table { 256 } else { 0 };
    let wrong_length = |expected| LoadError::BlockLength { layer, expected, found: record.block.len() };
    let too_long = wrong_length(usize::MAX);

    let run_bytes = runs.length.checked_mul(usize::from(weight_bits)).ok_or(too_long)?.div_ceil(8);
    let weight_bytes = run_bytes
        .checked_mul(outputs)
        .and_then(|bytes| bytes.checked_mul(usize::from(runs.steps)))
        .ok_or(too_long)?;
    let padded = weight_bytes.checked_next_multiple_of(4).ok_or(too_long)?;
    let expected = padded.checked_add(outputs * 4 + shift_count + table_bytes).ok_or(too_long)?;
    if record.block.len() != expected {
        return Err(wrong_length(expected));
    }

    // The lengths add up, so that none of these splits can fail.
    let (bias, rest) = record.block.split_at_checked(outputs * 4).ok_or(too_long)?;
    let (weights, rest) = rest.split_at_checked(weight_bytes).ok_or(too_long)?;
    let (zeros, rest) = rest.split_at_checked(padded - weight_bytes).ok_or(too_long)?;
    let (shifts, table) = rest.split_at_checked(shift_count).ok_or(too_long)?;

    let bias = bytemuck::try_cast_slice(bias).map_err(|_| LoadError::BlockAlignment { layer })?;
    let filler = || record.alignment.iter().chain(zeros);
    if record.alignment.len() > 3 || filler().any(|&byte| byte != 0) {
        return Err(LoadError::BlockAlignment { layer });
    }
    if shifts.iter().any(|&shift| shift > 31) {
        return Err(LoadError::Shift { layer });
    }
    let output = match record.output {
        OutputRecord::Unsigned => Output::Unsigned,
        OutputRecord::Signed => Output::Signed,
        OutputRecord::Logits => Output::Logits,
        OutputRecord::UnsignedTable | OutputRecord::SignedTable => {
            Output::Table(table.try_into().map_err(|_| wrong_length(expected))?)
        }
    };
    let parameters =
        Parameters { weight_bits, order: record.order, weights, run_bytes, bias, shifts, output };
    match weight_bits {
        8 => accumulators::<8>(place, &parameters, runs)?,
        4 => accumulators::<4>(place, &parameters, runs)?,
        _ => accumulators::<2>(place, &parameters, runs)?,
    }
    Ok(parameters)
}

/// Proves for every output channel that `sum |w| * max |x| + |bias|` stays below
/// [`ACCUMULATOR_LIMIT`], that no weight is outside the symmetric range, and that nothing hides in
/// the unused bits behind a run.
fn accumulators<const BITS: u8>(
    place: &Place,
    parameters: &Parameters<'_>,
    runs: Runs,
) -> Result<(), LoadError> {
    let layer = place.index;
    let largest_input: u64 = if place.signed { 128 } else { 255 };
    let forbidden = -(1_i32 << (BITS - 1));
    for (channel, bias) in (0..runs.outputs).zip(parameters.bias) {
        let mut magnitude = 0_u64;
        let all = parameters.weights.chunks_exact(parameters.run_bytes.max(1));
        for run in all.skip(usize::from(channel)).step_by(usize::from(runs.outputs).max(1)) {
            // The bits of the last byte that hold no weight, as a kernel may read whole bytes.
            let used = runs.length * usize::from(BITS) % 8;
            if used != 0 && run.last().is_some_and(|last| last >> used != 0) {
                return Err(LoadError::BlockAlignment { layer });
            }
            for position in 0..runs.length {
                let weight = unpack_weight::<BITS>(run, position);
                if BITS != 2 && weight == forbidden {
                    return Err(LoadError::Weight { layer });
                }
                magnitude += u64::from(weight.unsigned_abs());
            }
        }
        let bound = magnitude.saturating_mul(largest_input).saturating_add(u64::from(bias.unsigned_abs()));
        if bound >= u64::from(ACCUMULATOR_LIMIT) {
            return Err(LoadError::Accumulator { layer, channel });
        }
    }
    Ok(())
}

fn window(layer: u8, record: WindowRecord) -> Result<Window, LoadError> {
    for side in record.kernel {
        within(layer, "kernel", side, 1, MAX_KERNEL)?;
    }
    for step in record.stride {
        within(layer, "stride", step, 1, MAX_KERNEL)?;
    }
    Ok(Window { kernel: record.kernel, stride: record.stride })
}

/// Padding is smaller than the kernel, so that no window lies in the padding alone.
fn padding(layer: u8, record: [u8; 4], window: Window) -> Result<Padding, LoadError> {
    let [top, left, bottom, right] = record;
    let [height, width] = window.kernel;
    for (side, kernel) in [(top, height), (left, width), (bottom, height), (right, width)] {
        within(layer, "padding", side, 0, kernel.saturating_sub(1))?;
    }
    Ok(Padding { top, left, bottom, right })
}

impl Shape {
    /// The shape after a window has walked over this one, channels unchanged.
    fn windowed(self, layer: u8, window: Window, padding: Padding) -> Result<Self, LoadError> {
        let Padding { top, left, bottom, right } = padding;
        let padded = usize::from(self.width) + usize::from(left) + usize::from(right);
        let row = padded * usize::from(self.channels);
        within(layer, "values in a row", row as u32, 1, MAX_ROW as u32)?;
        let height = window.positions(0, self.height, top, bottom);
        let width = window.positions(1, self.width, left, right);
        if height == 0 || width == 0 {
            return Err(LoadError::WindowTooLarge { layer });
        }
        within(layer, "output height", height, 1, MAX_SIDE)?;
        within(layer, "output width", width, 1, MAX_SIDE)?;
        Ok(Self { height, width, channels: self.channels })
    }
}

/// The [`features`](super::features) that a layer uses.
pub(super) fn features(layer: &Layer<'_>) -> u32 {
    let kind = match layer.operation {
        Operation::Convolution { groups, pool, .. } => {
            let convolution = if groups == 1 { f::CONVOLUTION } else { f::GROUPED_CONVOLUTION };
            convolution | if pool.kernel == [1, 1] && pool.stride == [1, 1] { 0 } else { f::FUSED_POOL }
        }
        Operation::MaxPool { .. } => f::MAX_POOL,
        Operation::AveragePool { .. } => f::AVERAGE_POOL,
        Operation::Dense { .. } => f::DENSE,
    };
    let parameters = layer.parameters().map_or(0, |parameters| {
        let width = match parameters.weight_bits {
            8 => f::WEIGHTS_8,
            4 => f::WEIGHTS_4,
            _ => f::WEIGHTS_2,
        };
        width | if matches!(parameters.output, Output::Table(_)) { f::TABLE } else { 0 }
    });
    kind | parameters | if layer.input_signed { f::SIGNED_INPUT } else { 0 }
}
