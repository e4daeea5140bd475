//! A model file in the order of weights that a core is fastest with. Host only.
//!
//! A file in any order gives the same bits on every core, so this changes speed and scratch alone; but one in
//! [`Order::Interleaved`] is for hosts, and no target without an operating system loads it.

use alloc::vec::Vec;

use super::encode::{EncodeError, aligned_copy, encode_with};
use super::spec::{LayerSpec, ModelSpec, Output, Parameters};
use crate::arithmetic::unpack_weight;
use crate::model::{self, Layer, Model, Operation};
use crate::order::{Arrangement, Interleaved, Order};

/// A family of cores whose back ends want the same weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Core {
    /// Cortex-M4, M7, and M33 and M35P with the DSP extension.
    CortexM4,
    /// Cortex-M0 and M0+.
    CortexM0,
    /// Cortex-M55 and M85, with Helium.
    CortexM55,
    /// RV32 with multiplication.
    Rv32,
    /// WebAssembly with SIMD.
    Wasm32,
}

impl Core {
    /// Every core that has an order of its own, under the names that people know it by.
    pub const ALL: [(&'static str, Self); 10] = [
        ("cortex-m4", Self::CortexM4),
        ("cortex-m7", Self::CortexM4),
        ("cortex-m33", Self::CortexM4),
        ("cortex-m35p", Self::CortexM4),
        ("cortex-m0", Self::CortexM0),
        ("cortex-m0plus", Self::CortexM0),
        ("cortex-m55", Self::CortexM55),
        ("cortex-m85", Self::CortexM55),
        ("riscv32imc", Self::Rv32),
        ("wasm32", Self::Wasm32),
    ];

    /// The core with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(known, core)| (known == name).then_some(core))
    }

    /// The core that code for a target runs on, where it has an order of its own: `target` as rustc
    /// names it, and the flags that rustc is given, which may name the processor.
    #[must_use]
    pub fn of_target(target: &str, flags: &str) -> Option<Self> {
        if target.starts_with("thumbv7em-") {
            return Some(Self::CortexM4);
        }
        if target.starts_with("thumbv6m-") {
            return Some(Self::CortexM0);
        }
        if target.starts_with("riscv32im") {
            return Some(Self::Rv32);
        }
        if target.starts_with("wasm32") {
            return flags.contains("+simd128").then_some(Self::Wasm32);
        }
        // Of several the last counts.
        let (_, processor) = flags.rsplit_once("target-cpu=")?;
        let end = processor.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(processor.len());
        let (processor, _) = processor.split_at_checked(end)?;
        Self::named(processor).filter(|_| target.starts_with("thumbv8m.main-"))
    }

    /// The order that this core's back end is fastest with, for weights of 8, 4 or 2 bits.
    #[must_use]
    pub const fn order(self, bits: u8) -> Order {
        match self {
            // Helium's loops are for 8 bits.
            Self::CortexM55 if bits == 8 => Order::Plain,
            Self::CortexM4 | Self::CortexM55 => Order::Paired,
            Self::CortexM0 => Order::Planar,
            Self::Rv32 => Order::Narrow,
            Self::Wasm32 => Order::Interleaved,
        }
    }
}

/// A model file with its weights in another order: the same network, the same results.
///
/// # Errors
///
/// [`EncodeError::Invalid`] where `file` is not a model file.
pub fn reorder(file: &[u8], order: Order) -> Result<Vec<u8>, EncodeError> {
    encode_with(&read(file)?, |_| order)
}

/// As [`reorder`], with the weights of every layer as a core wants them; in plain order where none is known.
///
/// # Errors
///
/// As [`reorder`].
pub fn reorder_for(file: &[u8], core: Option<Core>) -> Result<Vec<u8>, EncodeError> {
    encode_with(&read(file)?, |bits| core.map_or(Order::Plain, |core| core.order(bits)))
}

fn read(file: &[u8]) -> Result<ModelSpec, EncodeError> {
    let aligned = aligned_copy(file);
    let bytes: &[u8] = bytemuck::cast_slice(&aligned);
    let (bytes, _) = bytes.split_at(file.len());
    Ok(specification(&Model::load(bytes)?))
}

/// The network that `model` was encoded from, whatever the order of its weights.
#[must_use]
pub fn specification(model: &Model<'_>) -> ModelSpec {
    let input = model.input();
    ModelSpec {
        name: model.name().into(),
        input: [input.height, input.width, input.channels],
        logit_exponent: model.logit_exponent(),
        layers: model.layers().filter_map(|layer| layer_specification(&layer)).collect(),
    }
}

/// A layer as it was; there is one for all that are loaded.
fn layer_specification(layer: &Layer<'_>) -> Option<LayerSpec> {
    Some(match &layer.operation {
        Operation::Convolution { window, padding, groups, pool } => {
            let parameters = &layer.parameters()?;
            let [height, width] = window.kernel.map(usize::from);
            let depth = usize::from(layer.input.channels / groups.max(&1));
            let runs = parameters.weights.chunks_exact(parameters.run_bytes.max(1));
            let offset = |run| Arrangement::of(layer).map_or(0, |arrangement| arrangement.bias_offset(run));
            let weights = runs.clone().flat_map(|run| match Arrangement::of(layer) {
                Some(arrangement) => {
                    let places = arrangement.positions(window.kernel, depth as u16);
                    places.map(|place| arrangement.weight(run, place)).collect()
                }
                None => plain(run, parameters.weight_bits, height * width * depth),
            });
            let weights: Vec<i8> = match Interleaved::of(layer) {
                Some(order) => interleaved(parameters, order),
                None => weights.collect(),
            };
            // Interleaved, there are fewer runs than outputs.
            let offsets = runs.map(offset).chain(core::iter::repeat(0));
            let is_pool = pool.kernel != [1, 1] || pool.stride != [1, 1];
            LayerSpec::Convolution {
                kernel: window.kernel,
                stride: window.stride,
                padding: [padding.top, padding.left, padding.bottom, padding.right],
                groups: *groups,
                pool: is_pool.then_some((pool.kernel, pool.stride)),
                parameters: Parameters {
                    bias: parameters.bias.iter().zip(offsets).map(|(bias, offset)| bias - offset).collect(),
                    ..parameters_specification(layer, parameters, weights)
                },
            }
        }
        Operation::MaxPool { window, padding } => LayerSpec::MaxPool {
            kernel: window.kernel,
            stride: window.stride,
            padding: [padding.top, padding.left, padding.bottom, padding.right],
        },
        Operation::AveragePool { window, .. } => {
            LayerSpec::AveragePool { kernel: window.kernel, stride: window.stride }
        }
        Operation::Dense { rows_per_step } => {
            let parameters = &layer.parameters()?;
            let run = usize::from(*rows_per_step) * layer.input.row();
            let runs: Vec<&[u8]> = parameters.weights.chunks_exact(parameters.run_bytes.max(1)).collect();
            let outputs = usize::from(layer.output.channels).max(1);
            // A step after the other in the file, an output after the other in the description.
            let weights = (0..outputs).flat_map(|output| {
                let steps = runs.iter().skip(output).step_by(outputs);
                steps.flat_map(|bytes| plain(bytes, parameters.weight_bits, run))
            });
            let weights: Vec<i8> = match Interleaved::of(layer) {
                Some(order) => interleaved(parameters, order),
                None => weights.collect(),
            };
            LayerSpec::Dense { parameters: parameters_specification(layer, parameters, weights) }
        }
    })
}

fn parameters_specification(
    layer: &Layer<'_>,
    parameters: &model::Parameters<'_>,
    weights: Vec<i8>,
) -> Parameters {
    Parameters {
        weight_bits: parameters.weight_bits,
        weights,
        bias: parameters.bias.into(),
        shifts: parameters.shifts.into(),
        output: match parameters.output {
            model::Output::Unsigned => Output::Unsigned,
            model::Output::Signed => Output::Signed,
            model::Output::Logits => Output::Logits,
            model::Output::Table(entries) => {
                Output::Table { signed: layer.output_signed, entries: entries.as_slice().into() }
            }
        },
    }
}

/// The weights of a layer, an output after the other.
fn interleaved(parameters: &model::Parameters<'_>, order: Interleaved) -> Vec<i8> {
    let step_bytes = parameters.run_bytes * order.blocks();
    let outputs = 0..parameters.bias.len();
    let weights = outputs.flat_map(|output| {
        let steps = parameters.weights.chunks_exact(step_bytes.max(1));
        steps.flat_map(move |step| order.places(output).map(|place| weight(step, 8, place)))
    });
    weights.collect()
}

/// The first `count` weights of a run in plain order.
fn plain(run: &[u8], bits: u8, count: usize) -> Vec<i8> {
    (0..count).map(|index| weight(run, bits, index)).collect()
}

/// Weight number `index` of a run.
fn weight(run: &[u8], bits: u8, index: usize) -> i8 {
    // A weight has 8 bits at most.
    let weight = match bits {
        4 => unpack_weight::<4>(run, index),
        2 => unpack_weight::<2>(run, index),
        _ => unpack_weight::<8>(run, index),
    };
    weight as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_a_core_where_its_name_or_the_flags_tell() {
        assert_eq!(Core::of_target("thumbv7em-none-eabihf", ""), Some(Core::CortexM4));
        let separated = "-Copt-level=3\x1f-Ctarget-cpu=cortex-m33\x1f--nmagic";
        assert_eq!(Core::of_target("thumbv8m.main-none-eabihf", separated), Some(Core::CortexM4));
        let twice = "-Ctarget-cpu=cortex-m55\x1f-C\x1ftarget-cpu=cortex-m35p";
        assert_eq!(Core::of_target("thumbv8m.main-none-eabihf", twice), Some(Core::CortexM4));
        assert_eq!(Core::of_target("thumbv8m.main-none-eabihf", ""), None);
        let helium = Core::of_target("thumbv8m.main-none-eabihf", "-Ctarget-cpu=cortex-m55");
        assert_eq!(helium, Some(Core::CortexM55));
        assert_eq!(
            [8, 4, 2].map(|bits| Core::CortexM55.order(bits)),
            [Order::Plain, Order::Paired, Order::Paired]
        );
        assert_eq!(
            Core::of_target("wasm32-unknown-unknown", "-Ctarget-feature=+simd128"),
            Some(Core::Wasm32)
        );
        assert_eq!(Core::of_target("wasm32-unknown-unknown", ""), None);
        assert_eq!(Core::of_target("x86_64-unknown-linux-gnu", "-Ctarget-cpu=native"), None);
    }
}
