//! What a network contains, read off its specification.

use super::parameters::ACCUMULATOR_LIMIT;
use crate::reference::{Map, output_length};
use crate::spec::{LayerSpec, ModelSpec, Output, Parameters};

/// Everything that a sufficient set of seeds must contain.
pub const FEATURES: &[&str] = &[
    "convolution",
    "convolution 1x1",
    "convolution 15 high",
    "convolution 15 wide",
    "convolution non-square",
    "convolution even kernel",
    "convolution strided",
    "convolution stride above kernel",
    "convolution uneven strides",
    "convolution padded",
    "convolution padded asymmetrically",
    "convolution padded above only",
    "convolution padded below only",
    "convolution kernel larger than map",
    "convolution rows left over",
    "convolution grouped",
    "convolution depthwise",
    "convolution depthwise multiplied",
    "convolution depthwise pooled",
    "convolution of i8",
    "convolution after dense",
    "fused pool",
    "fused pool overlapping",
    "fused pool with gaps",
    "fused pool rows left over",
    "fused pool on padded convolution",
    "max-pool u8",
    "max-pool i8",
    "max-pool u8 padded",
    "max-pool i8 padded",
    "max-pool overlapping",
    "max-pool with gaps",
    "max-pool first",
    "average-pool u8",
    "average-pool i8",
    "average-pool overlapping",
    "average-pool non-square",
    "average-pool area 64",
    "dense on a map",
    "dense on a vector",
    "dense on a big map",
    "dense of i8",
    "dense hidden",
    "several dense layers",
    "output u8",
    "output i8",
    "output u8 table",
    "output i8 table",
    "weights 8 bit",
    "weights 4 bit",
    "weights 2 bit",
    "weights odd count 4 bit",
    "weights odd count 2 bit",
    "weights all zero",
    "weights all lowest",
    "bias at the accumulator bound",
    "bias negative at the accumulator bound",
    "shift 0",
    "shift 31",
    "shifts of every size",
    "logits of one class",
    "logits of 16 classes",
    "image one row",
    "image one column",
    "image one pixel",
    "image of several channels",
    "image 40 wide",
    "image 40 high",
    "network of one layer",
    "network of 16 layers",
];

/// The [`FEATURES`] that `model` has; some more than once.
pub fn features(model: &ModelSpec) -> Vec<&'static str> {
    let mut found = image_features(model);
    let [height, width, channels] = model.input.map(usize::from);
    let mut map = Map { height, width, channels, signed: false, values: Vec::new() };
    let mut dense_before = false;
    for (index, layer) in model.layers.iter().enumerate() {
        found.extend(window_features(layer, &map));
        match layer {
            LayerSpec::Convolution { parameters, .. } => {
                found.extend(parameter_features(parameters, map.signed));
                found.extend(dense_before.then_some("convolution after dense"));
            }
            LayerSpec::Dense { parameters } => {
                found.extend(parameter_features(parameters, map.signed));
                found.extend(dense_features(&map));
                found.extend(dense_before.then_some("several dense layers"));
                found.extend((index + 1 < model.layers.len()).then_some("dense hidden"));
                dense_before = true;
            }
            LayerSpec::MaxPool { .. } => found.extend((index == 0).then_some("max-pool first")),
            LayerSpec::AveragePool { .. } => {}
        }
        map = shape_after(layer, &map);
    }
    found
}

/// Shape and sign after `layer`; the map stays empty.
fn shape_after(layer: &LayerSpec, map: &Map) -> Map {
    let windows = |[top, left, bottom, right]: [u8; 4], kernel: [u8; 2], stride: [u8; 2]| {
        let height = output_length(map.height, top, bottom, kernel[0], stride[0]);
        (height, output_length(map.width, left, right, kernel[1], stride[1]))
    };
    let ((height, width), channels, signed) = match layer {
        LayerSpec::Convolution { kernel, stride, padding, pool, parameters, .. } => {
            let (mut height, mut width) = windows(*padding, *kernel, *stride);
            if let Some((kernel, stride)) = pool {
                height = output_length(height, 0, 0, kernel[0], stride[0]);
                width = output_length(width, 0, 0, kernel[1], stride[1]);
            }
            ((height, width), parameters.bias.len(), is_signed(&parameters.output))
        }
        LayerSpec::MaxPool { kernel, stride, padding } => {
            (windows(*padding, *kernel, *stride), map.channels, map.signed)
        }
        LayerSpec::AveragePool { kernel, stride } => {
            (windows([0; 4], *kernel, *stride), map.channels, map.signed)
        }
        LayerSpec::Dense { parameters } => ((1, 1), parameters.bias.len(), is_signed(&parameters.output)),
    };
    Map { height, width, channels, signed, values: Vec::new() }
}

fn is_signed(output: &Output) -> bool {
    !matches!(output, Output::Unsigned | Output::Table { signed: false, .. })
}

/// Collects the names whose condition holds.
fn named(conditions: &[(&'static str, bool)]) -> Vec<&'static str> {
    conditions.iter().filter(|(_, holds)| *holds).map(|(name, _)| *name).collect()
}

fn image_features(model: &ModelSpec) -> Vec<&'static str> {
    let [height, width, channels] = model.input;
    named(&[
        ("image one row", height == 1 && width > 1),
        ("image one column", width == 1 && height > 1),
        ("image one pixel", width == 1 && height == 1),
        ("image of several channels", channels > 1),
        ("image 40 wide", width == 40),
        ("image 40 high", height == 40),
        ("network of one layer", model.layers.len() == 1),
        ("network of 16 layers", model.layers.len() == 16),
    ])
}

fn window_features(layer: &LayerSpec, map: &Map) -> Vec<&'static str> {
    let overlaps = |kernel: [u8; 2], stride: [u8; 2]| stride[0] < kernel[0] || stride[1] < kernel[1];
    let has_gaps = |kernel: [u8; 2], stride: [u8; 2]| stride[0] > kernel[0] || stride[1] > kernel[1];
    match layer {
        LayerSpec::Convolution { kernel, stride, padding, groups, pool, parameters } => {
            let [top, left, bottom, right] = *padding;
            let outputs = parameters.bias.len();
            let depthwise = usize::from(*groups) == map.channels && map.channels > 1;
            let height = output_length(map.height, top, bottom, kernel[0], stride[0]);
            let padded = map.height + usize::from(top) + usize::from(bottom);
            let used = (height - 1) * usize::from(stride[0]) + usize::from(kernel[0]);
            let (pool_kernel, pool_stride) = pool.unwrap_or(([1, 1], [1, 1]));
            let pooled = output_length(height, 0, 0, pool_kernel[0], pool_stride[0]);
            let pool_used = (pooled - 1) * usize::from(pool_stride[0]) + usize::from(pool_kernel[0]);
            let asymmetric = top != bottom && left != right;
            let beyond = usize::from(kernel[0]) > map.height || usize::from(kernel[1]) > map.width;
            let grouped = *groups > 1 && !depthwise;
            named(&[
                ("convolution", true),
                ("convolution 1x1", *kernel == [1, 1]),
                ("convolution 15 high", kernel[0] == 15),
                ("convolution 15 wide", kernel[1] == 15),
                ("convolution non-square", kernel[0] != kernel[1]),
                ("convolution even kernel", kernel[0] % 2 == 0),
                ("convolution strided", stride[0] > 1 && height > 1),
                ("convolution stride above kernel", has_gaps(*kernel, *stride)),
                ("convolution uneven strides", stride[0] != stride[1]),
                ("convolution padded", *padding != [0; 4]),
                ("convolution padded asymmetrically", asymmetric),
                ("convolution padded above only", top > 0 && bottom == 0),
                ("convolution padded below only", top == 0 && bottom > 0),
                ("convolution kernel larger than map", beyond),
                ("convolution rows left over", used < padded),
                ("convolution grouped", grouped),
                ("convolution depthwise", depthwise && outputs == map.channels),
                ("convolution depthwise multiplied", depthwise && outputs > map.channels),
                ("convolution depthwise pooled", depthwise && pool.is_some()),
                ("convolution of i8", map.signed),
                ("fused pool", pool.is_some()),
                ("fused pool overlapping", overlaps(pool_kernel, pool_stride)),
                ("fused pool with gaps", has_gaps(pool_kernel, pool_stride)),
                ("fused pool rows left over", pool.is_some() && pool_used < height),
                ("fused pool on padded convolution", pool.is_some() && *padding != [0; 4]),
            ])
        }
        LayerSpec::MaxPool { kernel, stride, padding } => named(&[
            ("max-pool u8", !map.signed),
            ("max-pool i8", map.signed),
            ("max-pool u8 padded", !map.signed && *padding != [0; 4]),
            ("max-pool i8 padded", map.signed && *padding != [0; 4]),
            ("max-pool overlapping", overlaps(*kernel, *stride)),
            ("max-pool with gaps", has_gaps(*kernel, *stride)),
        ]),
        LayerSpec::AveragePool { kernel, stride } => named(&[
            ("average-pool u8", !map.signed),
            ("average-pool i8", map.signed),
            ("average-pool overlapping", overlaps(*kernel, *stride)),
            ("average-pool non-square", kernel[0] != kernel[1]),
            ("average-pool area 64", kernel[0] * kernel[1] == 64),
        ]),
        LayerSpec::Dense { .. } => Vec::new(),
    }
}

fn dense_features(map: &Map) -> Vec<&'static str> {
    named(&[
        ("dense on a map", map.height > 1),
        ("dense on a vector", map.height == 1),
        ("dense on a big map", map.height * map.width * map.channels > 1024),
        ("dense of i8", map.signed),
    ])
}

fn parameter_features(parameters: &Parameters, signed_input: bool) -> Vec<&'static str> {
    let Parameters { weight_bits, weights, bias, shifts, output } = parameters;
    let largest = if signed_input { 128 } else { 255 };
    let odd = !(weights.len() / bias.len()).is_multiple_of(2);
    let at_bound = |sign: i64| {
        weights.chunks(weights.len() / bias.len()).zip(bias).any(|(channel, &bias)| {
            let reach: i64 = channel.iter().map(|&w| i64::from(w).abs() * largest).sum();
            reach + sign * i64::from(bias) == ACCUMULATOR_LIMIT - 1
        })
    };
    let mut sizes = shifts.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let logits = *output == Output::Logits;
    named(&[
        ("output u8", *output == Output::Unsigned),
        ("output i8", *output == Output::Signed),
        ("output u8 table", matches!(output, Output::Table { signed: false, .. })),
        ("output i8 table", matches!(output, Output::Table { signed: true, .. })),
        ("weights 8 bit", *weight_bits == 8),
        ("weights 4 bit", *weight_bits == 4),
        ("weights 2 bit", *weight_bits == 2),
        ("weights odd count 4 bit", *weight_bits == 4 && odd),
        ("weights odd count 2 bit", *weight_bits == 2 && odd),
        ("weights all zero", weights.iter().all(|&weight| weight == 0)),
        ("weights all lowest", weights.iter().all(|&weight| weight == -127)),
        ("bias at the accumulator bound", at_bound(1)),
        ("bias negative at the accumulator bound", at_bound(-1)),
        ("shift 0", shifts.contains(&0)),
        ("shift 31", shifts.contains(&31)),
        ("shifts of every size", sizes.len() > 16),
        ("logits of one class", logits && bias.len() == 1),
        ("logits of 16 classes", logits && bias.len() == 16),
    ])
}
