//! A record that postcard could read, to a [`Layer`] that inference can trust.

use super::features::{self as f, any};
use super::record::{OutputRecord, ParametersRecord, Record, WindowRecord};
use super::{LoadError, MAX_CHANNELS, MAX_CLASSES, MAX_KERNEL, MAX_ROW, MAX_SIDE};
use crate::arithmetic::{ACCUMULATOR_LIMIT, offset_weight, unpack_weight};
use crate::model::{Layer, Operation, Output, Padding, Parameters, Shape, Window};
use crate::order::{Arrangement, Interleaved, Order};

/// Where a record stands and what reaches it.
pub(super) struct Place {
    pub(super) index: u8,
    pub(super) is_last: bool,
    pub(super) input: Shape,
    pub(super) signed: bool,
}

/// `minimum..=maximum`, or [`LoadError::Limit`].
#[inline(never)]
pub(super) fn within(
    layer: u8,
    field: &'static str,
    found: u32,
    minimum: u32,
    maximum: u32,
) -> Result<(), LoadError> {
    if (minimum..=maximum).contains(&found) {
        Ok(())
    } else {
        Err(LoadError::Limit { layer, field, found, minimum, maximum })
    }
}

/// Checks one record against what reaches it. Where it uses what is not in `FEATURES`, some checks are
/// left out: [`features`] tells.
pub(super) fn layer<'a, const FEATURES: u32>(
    record: &Record<'a>,
    place: &Place,
) -> Result<Layer<'a>, LoadError> {
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
        Record::Convolution { outputs, window, padding, groups, pool, parameters }
            if any(FEATURES, f::CONVOLUTION | f::GROUPED_CONVOLUTION) =>
        {
            convolution::<FEATURES>(place, *outputs, *window, *padding, *groups, *pool, parameters)?
        }
        Record::MaxPool { window, padding } if any(FEATURES, f::MAX_POOL) => {
            let window = self::window(index, *window)?;
            let padding = self::padding(index, *padding, window)?;
            let output = place.input.windowed(index, window, padding)?;
            (Operation::MaxPool { window, padding }, output)
        }
        Record::AveragePool { window } if any(FEATURES, f::AVERAGE_POOL) => {
            let window = self::window(index, *window)?;
            let area = u16::from(window.kernel[0]) * u16::from(window.kernel[1]);
            if !area.is_power_of_two() {
                return Err(LoadError::PoolArea { layer: index });
            }
            let output = place.input.windowed(index, window, Padding::default())?;
            (Operation::AveragePool { window, log2_area: area.trailing_zeros() as u8 }, output)
        }
        Record::Dense { outputs, rows_per_step, parameters } => {
            dense::<FEATURES>(place, *outputs, *rows_per_step, parameters)?
        }
        _ => return Err(LoadError::Record { layer: index }),
    };
    let output_signed = match stored {
        Some(output) => matches!(output, OutputRecord::Signed | OutputRecord::SignedTable),
        // A pool passes its input on.
        None => place.signed,
    };
    Ok(Layer { input: place.input, output, input_signed: place.signed, output_signed, operation })
}

fn convolution<'a, const FEATURES: u32>(
    place: &Place,
    outputs: u16,
    window: WindowRecord,
    padding: [u8; 4],
    groups: u16,
    pool: Option<WindowRecord>,
    record: &ParametersRecord<'a>,
) -> Result<(Operation<'a>, Shape), LoadError> {
    let index = place.index;
    within(index, "outputs", outputs.into(), 1, MAX_CHANNELS.into())?;
    let window = self::window(index, window)?;
    let padding = self::padding(index, padding, window)?;
    let input = place.input.channels;
    within(index, "groups", groups.into(), 1, input.into())?;
    let depth = if groups == 1 {
        input
    } else if any(FEATURES, f::GROUPED_CONVOLUTION)
        && input.is_multiple_of(groups)
        && outputs.is_multiple_of(groups)
    {
        input.checked_div(groups).unwrap_or(0)
    } else {
        return Err(LoadError::Groups { layer: index });
    };
    let mut shape = place.input.windowed(index, window, padding)?;
    let pool = match pool {
        Some(pool) => self::window(index, pool)?,
        None => Window { kernel: [1, 1], stride: [1, 1] },
    };
    shape = Shape { channels: outputs, ..shape }.windowed(index, pool, Padding::default())?;
    let (order, bits, signed) = (record.order, record.weight_bits, place.signed);
    let arrangement = Arrangement::among::<FEATURES>(order, window, groups, pool, (bits, input, signed));
    let interleaved = match order {
        Order::Interleaved if any(FEATURES, f::INTERLEAVED) => {
            Interleaved::convolution(window, groups, input, outputs)
        }
        _ => None,
    };
    if arrangement.is_none()
        && interleaved.is_none()
        && order != Order::Plain
        && any(FEATURES, convolution_order(order))
    {
        return Err(LoadError::Order { layer: index });
    }
    // Pairs and narrow rows have something beside the weights.
    let has_more = f::PAIRED_CONVOLUTION | f::NARROW_CONVOLUTION;
    let length = match arrangement {
        Some(arrangement) if any(FEATURES, has_more) => arrangement.run_bytes(),
        // Nothing but weights, in whichever order.
        _ => usize::from(window.kernel[0]) * usize::from(window.kernel[1]) * usize::from(depth),
    };
    let runs = Runs { outputs, steps: 1, length, interleaved };
    let parameters = parameters::<FEATURES>(place, record, runs)?;
    if any(FEATURES, has_more)
        && let Some(arrangement) = arrangement
        && parameters
            .weights
            .chunks_exact(length.max(1))
            .any(|run| !arrangement.is_well_formed::<FEATURES>(run))
    {
        return Err(LoadError::BlockAlignment { layer: index });
    }
    Ok((Operation::Convolution { window, padding, groups, pool, parameters }, shape))
}

fn dense<'a, const FEATURES: u32>(
    place: &Place,
    outputs: u16,
    rows_per_step: u16,
    record: &ParametersRecord<'a>,
) -> Result<(Operation<'a>, Shape), LoadError> {
    let index = place.index;
    let most = if place.is_last { MAX_CLASSES as u16 } else { MAX_CHANNELS };
    within(index, "outputs", outputs.into(), 1, most.into())?;
    // As for a window: the products of lengths below must fit 32 bits.
    within(index, "values in a row", place.input.row() as u32, 1, MAX_ROW as u32)?;
    let height = place.input.height;
    if rows_per_step != 1 && rows_per_step != height {
        return Err(LoadError::RowsPerStep { layer: index });
    }
    let steps = if rows_per_step == height { 1 } else { height };
    let length = usize::from(rows_per_step) * place.input.row();
    let unknown = LoadError::Order { layer: index };
    let interleaved = match record.order {
        Order::Plain => None,
        Order::Interleaved if any(FEATURES, f::INTERLEAVED) => {
            Some(Interleaved::dense(length, outputs).ok_or(unknown)?)
        }
        _ => return Err(unknown),
    };
    let parameters = parameters::<FEATURES>(place, record, Runs { outputs, steps, length, interleaved })?;
    let shape = Shape { height: 1, width: 1, channels: outputs };
    Ok((Operation::Dense { rows_per_step, parameters }, shape))
}

/// How many runs of weights a block holds: `steps * outputs` runs of `length` weights.
#[derive(Clone, Copy)]
struct Runs {
    outputs: u16,
    steps: u16,
    length: usize,
    /// Where a run is a block of several outputs.
    interleaved: Option<Interleaved>,
}

/// Cuts the parameter block into biases, weights, shifts and table, and checks each.
fn parameters<'a, const FEATURES: u32>(
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

    // None there can be, which the compiler does not see by itself.
    let interleaved = runs.interleaved.filter(|_| any(FEATURES, f::INTERLEAVED));
    let (run_bytes, count) = match interleaved {
        None => (runs.length.checked_mul(usize::from(weight_bits)).ok_or(too_long)?.div_ceil(8), outputs),
        Some(interleaved) => (interleaved.block_bytes().ok_or(too_long)?, interleaved.blocks()),
    };
    let weight_bytes = run_bytes
        .checked_mul(count)
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
    match (interleaved, weight_bits) {
        (Some(interleaved), _) => interleaved_accumulators(place, &parameters, interleaved)?,
        (None, 8) if any(FEATURES, f::WEIGHTS_8) => accumulators::<FEATURES, 8>(place, &parameters, runs)?,
        (None, 4) if any(FEATURES, f::WEIGHTS_4) => accumulators::<FEATURES, 4>(place, &parameters, runs)?,
        (None, 2) if any(FEATURES, f::WEIGHTS_2) => accumulators::<FEATURES, 2>(place, &parameters, runs)?,
        _ => {}
    }
    Ok(parameters)
}

/// Proves for every output channel that `sum |w| * max |x| + |bias|` stays below
/// [`ACCUMULATOR_LIMIT`], that no weight is outside the symmetric range, and that nothing hides in
/// the unused bits behind a run.
fn accumulators<const FEATURES: u32, const BITS: u8>(
    place: &Place,
    parameters: &Parameters<'_>,
    runs: Runs,
) -> Result<(), LoadError> {
    let layer = place.index;
    let largest_input = if place.signed { 128 } else { 255 };
    // Such a sum is too large with any input, and its product with 255 and a bias fit 32 bits.
    let too_large = ACCUMULATOR_LIMIT / 128;
    let forbidden = -(1_i32 << (BITS - 1));
    let run_bytes = parameters.run_bytes;
    // Planar order adds 128 to every weight: the other sign bit.
    let is_planar = any(FEATURES, f::PLANAR_CONVOLUTION) && parameters.order == Order::Planar;
    let is_narrow = any(FEATURES, f::NARROW_CONVOLUTION) && parameters.order == Order::Narrow;
    for (channel, bias) in (0..runs.outputs).zip(parameters.bias) {
        let mut magnitude = 0;
        let mut sum = 0;
        let mut start = usize::from(channel) * run_bytes;
        for _ in 0..runs.steps {
            let run = parameters.weights.get(start..start + run_bytes).unwrap_or_default();
            start += usize::from(runs.outputs) * run_bytes;
            // The bits of the last byte that hold no weight, as a kernel may read whole bytes.
            let used = runs.length * usize::from(BITS) % 8;
            if used != 0 && run.last().is_some_and(|last| last >> used != 0) {
                return Err(LoadError::BlockAlignment { layer });
            }
            // A run in narrow order ends with a byte that is no weight.
            for position in 0..runs.length - usize::from(is_narrow) {
                let weight = unpack_weight::<BITS>(run, position);
                let weight = if is_planar { offset_weight(weight) } else { weight };
                if BITS != 2 && weight == forbidden {
                    return Err(LoadError::Weight { layer });
                }
                magnitude = too_large.min(magnitude + weight.unsigned_abs());
                sum += weight;
            }
        }
        // Narrow order takes 128 from every input.
        let bias = if is_narrow { bias.wrapping_sub(128 * sum) } else { *bias };
        if magnitude * largest_input + bias.unsigned_abs() >= ACCUMULATOR_LIMIT {
            return Err(LoadError::Accumulator { layer, channel });
        }
    }
    Ok(())
}

/// As [`accumulators`], for weights whose outputs are interleaved: what hides would be anything but
/// zero beside the weights.
fn interleaved_accumulators(
    place: &Place,
    parameters: &Parameters<'_>,
    interleaved: Interleaved,
) -> Result<(), LoadError> {
    let layer = place.index;
    let largest_input: u64 = if place.signed { 128 } else { 255 };
    let magnitude = |byte: u8| u64::from((byte as i8).unsigned_abs());
    let step_bytes = parameters.run_bytes.saturating_mul(interleaved.blocks()).max(1);
    let mut of_weights = 0;
    for (output, (channel, bias)) in (0_u16..).zip(parameters.bias).enumerate() {
        let mut of_output = 0_u64;
        for step in parameters.weights.chunks_exact(step_bytes) {
            for byte in interleaved.places(output).filter_map(|place| step.get(place).copied()) {
                let fits = match parameters.weight_bits {
                    8 => byte != 0x80,
                    4 => magnitude(byte) <= 7,
                    _ => matches!(magnitude(byte), 1 | 3),
                };
                if !fits {
                    return Err(LoadError::Weight { layer });
                }
                of_output += magnitude(byte);
            }
        }
        let bound = of_output.saturating_mul(largest_input).saturating_add(u64::from(bias.unsigned_abs()));
        if bound >= u64::from(ACCUMULATOR_LIMIT) {
            return Err(LoadError::Accumulator { layer, channel });
        }
        of_weights += of_output;
    }
    let of_all: u64 = parameters.weights.iter().map(|&byte| magnitude(byte)).sum();
    if of_weights == of_all { Ok(()) } else { Err(LoadError::BlockAlignment { layer }) }
}

fn window(layer: u8, record: WindowRecord) -> Result<Window, LoadError> {
    for side in record.kernel {
        within(layer, "kernel", side.into(), 1, MAX_KERNEL.into())?;
    }
    for step in record.stride {
        within(layer, "stride", step.into(), 1, MAX_KERNEL.into())?;
    }
    Ok(Window { kernel: record.kernel, stride: record.stride })
}

/// Padding is smaller than the kernel, so that no window lies in the padding alone.
fn padding(layer: u8, record: [u8; 4], window: Window) -> Result<Padding, LoadError> {
    let [top, left, bottom, right] = record;
    let [height, width] = window.kernel;
    for (side, kernel) in [(top, height), (left, width), (bottom, height), (right, width)] {
        within(layer, "padding", side.into(), 0, kernel.saturating_sub(1).into())?;
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
        within(layer, "output height", height.into(), 1, MAX_SIDE.into())?;
        within(layer, "output width", width.into(), 1, MAX_SIDE.into())?;
        Ok(Self { height, width, channels: self.channels })
    }
}

/// The feature of a convolution with weights in an order.
const fn convolution_order(order: Order) -> u32 {
    match order {
        Order::Interleaved => f::INTERLEAVED,
        _ => f::PLAIN_CONVOLUTION << order as u32,
    }
}

/// The [`features`](super::features) that a layer uses.
pub(super) fn features(layer: &Layer<'_>, is_last: bool) -> u32 {
    let mut features = match layer.operation {
        Operation::Convolution { window, groups, pool, ref parameters, .. } => {
            let kind = if groups == 1 { f::CONVOLUTION } else { f::GROUPED_CONVOLUTION };
            let kernel = match window.kernel {
                [3, 3] => f::KERNEL_3,
                [5, 5] => f::KERNEL_5,
                _ => f::KERNEL_OTHER,
            };
            let channels = if layer.input.channels == 1 { f::ONE_CHANNEL } else { f::CHANNELS };
            let stride = if window.stride == [1, 1] { 0 } else { f::STRIDE };
            let unpooled = pool.kernel == [1, 1] && pool.stride == [1, 1];
            let pool = match (unpooled, layer.input.channels) {
                (true, _) if layer.output.width % 2 == 1 => f::UNPOOLED | f::ODD_WIDTH,
                (true, _) => f::UNPOOLED,
                (false, 1) => f::FUSED_POOL | f::POOLED_IMAGE,
                (false, _) => f::FUSED_POOL,
            };
            kind | kernel | channels | stride | pool | convolution_order(parameters.order)
        }
        Operation::MaxPool { .. } => f::MAX_POOL,
        Operation::AveragePool { .. } => f::AVERAGE_POOL,
        Operation::Dense { ref parameters, .. } => {
            let hidden = if is_last { 0 } else { f::HIDDEN_DENSE };
            let is_interleaved = parameters.order == Order::Interleaved;
            f::DENSE | hidden | if is_interleaved { f::INTERLEAVED } else { f::PLAIN_DENSE }
        }
    };
    if let Some(parameters) = layer.parameters() {
        features |= match parameters.weight_bits {
            8 => f::WEIGHTS_8,
            4 => f::WEIGHTS_4,
            _ => f::WEIGHTS_2,
        };
        features |= match parameters.output {
            Output::Table(_) => f::TABLE,
            Output::Signed => f::SIGNED_OUTPUT,
            Output::Unsigned | Output::Logits => 0,
        };
    }
    if layer.input_signed {
        features |= f::SIGNED_INPUT;
    }
    if layer.padding() != Padding::default() {
        features |= f::PADDING;
    }
    features
}
