//! Convolutions in groups, as ensembles have them.

use super::{spread_parameters, with_bits};
use crate::random::Random;
use crate::spec::{LayerSpec, ModelSpec, Output};

/// Seeds of [`grouped`] that make every shape of every depth.
pub const GROUPED: u64 = 288;

/// One convolution of 2 or 3 groups of channels for two rows of 1 to 4 columns, after one that makes the
/// channels; in nearly every second seed a group has sixteen outputs; weights of 8 bits over few channels or so many that
/// they fill vectors, or of 4 or 2 bits.
pub fn grouped(seed: u64) -> ModelSpec {
    let mut random = Random::new(seed);
    let shape = seed as usize;
    let groups = [2, 3][shape / 2 % 2];
    let [rows, columns] = [[3, 3], [2, 2], [5, 5], [1, 1], [2, 1], [1, 3]][shape / 4 % 6];
    let [stride, scale] = [[1, 2], [1, 1], [2, 1]][shape / 24 % 3];
    let is_signed = shape / 72 % 2 == 1;
    // Five kinds of depth, which the shapes' numbers are no multiple of.
    let (bits, depth) = match shape % 5 {
        0 => (8, random.length(1, 7)),
        1 => (8, 16),
        2 => (8, random.length(8, 28)),
        3 => (4, 4 * random.length(1, 2)),
        _ => (2, 4 * random.length(1, 2)),
    };
    let depth = if rows * columns == 25 { depth.min(4) } else { depth };
    let is_small = depth <= 8 || rows * columns <= 4;
    let per_group = if shape.is_multiple_of(2) && is_small { 16 } else { random.length(1, 6) };
    let output = match random.length(0, 5) {
        0 => Output::Signed,
        1 => Output::Table { signed: true, entries: random.bytes(256) },
        _ => Output::Unsigned,
    };
    let ends_signed = output != Output::Unsigned;
    let width = random.length(1, 4);
    let side = |kernel: usize, outputs: usize| (kernel + stride * (scale * outputs - 1)) as u16;
    let convolution =
        |kernel: [usize; 2], step: usize, groups: usize, pool, parameters| LayerSpec::Convolution {
            kernel: kernel.map(|side| side as u8),
            stride: [step as u8; 2],
            padding: [0; 4],
            groups: groups as u16,
            pool,
            parameters,
        };
    let (channels, outputs) = (groups * depth, groups * per_group);
    let first = if is_signed { Output::Signed } else { Output::Unsigned };
    let image = spread_parameters(&mut random, 1, channels, first, false);
    let parameters = spread_parameters(&mut random, rows * columns * depth, outputs, output, is_signed);
    let parameters = if bits == 8 { parameters } else { with_bits(parameters, bits) };
    let pool = (scale == 2).then_some(([2, 2], [2, 2]));
    let layers = vec![
        convolution([1, 1], 1, 1, None, image),
        convolution([rows, columns], stride, groups, pool, parameters),
        LayerSpec::Dense {
            parameters: spread_parameters(&mut random, 2 * width * outputs, 3, Output::Logits, ends_signed),
        },
    ];
    let input = [side(rows, 2), side(columns, width), 1];
    ModelSpec { name: format!("grouped-{seed}"), input, logit_exponent: 8, layers }
}
