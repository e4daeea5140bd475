//! One network that has something of everything.

use crate::random::Random;
use crate::spec::{LayerSpec, ModelSpec, Output, Parameters};

/// A small model with a layer of every kind, sign and number of bits.
pub fn every_kind() -> ModelSpec {
    let mut random = Random::new(5);
    let mut parameters = |bits: u8, outputs: usize, fan_in: usize, output: Output| Parameters {
        weight_bits: bits,
        weights: (0..outputs * fan_in)
            .map(|_| match bits {
                8 => random.between(-127, 127) as i8,
                4 => random.between(-7, 7) as i8,
                _ => random.choose(&[-3, -1, 1, 3]),
            })
            .collect(),
        bias: (0..outputs).map(|_| random.between(-900, 900) as i32).collect(),
        shifts: if output == Output::Logits { Vec::new() } else { vec![bits; outputs] },
        output,
    };
    let entries = (0..=255).map(|index: u8| index ^ 0x80).collect();
    let layers = vec![
        LayerSpec::Convolution {
            kernel: [3, 2],
            stride: [1, 2],
            padding: [1, 0, 2, 1],
            groups: 1,
            pool: Some(([2, 1], [1, 1])),
            parameters: parameters(8, 4, 3 * 2 * 2, Output::Unsigned),
        },
        LayerSpec::Convolution {
            kernel: [2, 2],
            stride: [1, 1],
            padding: [0, 1, 1, 0],
            groups: 4,
            pool: None,
            parameters: parameters(4, 4, 2 * 2, Output::Table { signed: true, entries }),
        },
        LayerSpec::MaxPool { kernel: [2, 2], stride: [1, 1], padding: [0, 1, 1, 0] },
        LayerSpec::AveragePool { kernel: [2, 1], stride: [2, 1] },
        LayerSpec::Dense { parameters: parameters(2, 3, 3 * 4 * 4, Output::Signed) },
        LayerSpec::Dense { parameters: parameters(8, 3, 3, Output::Logits) },
    ];
    ModelSpec { name: String::from("all"), input: [6, 7, 2], logit_exponent: 9, layers }
}
