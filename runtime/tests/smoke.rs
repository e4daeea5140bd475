//! The shortest path through the public API: describe, encode, load, stream, predict.
#![cfg(feature = "writer")]

use tenfold_runtime::format::spec::{LayerSpec, ModelSpec, Output, Parameters};
use tenfold_runtime::format::{encode, reseal};
use tenfold_runtime::{LoadError, Model, Recognizer, Scratch, layer_count, scratch_bytes};

/// A 3 x 3 mean filter with stride 1 and SAME padding, then a dense layer that reads the corners.
fn spec() -> ModelSpec {
    let convolution = LayerSpec::Convolution {
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1, 1, 1, 1],
        groups: 1,
        pool: None,
        parameters: Parameters {
            weight_bits: 8,
            weights: vec![1; 9],
            bias: vec![0],
            shifts: vec![3],
            output: Output::Unsigned,
        },
    };
    let mut weights = vec![0_i8; 2 * 16];
    (weights[0], weights[31]) = (1, 1);
    let dense = LayerSpec::Dense {
        parameters: Parameters {
            weight_bits: 4,
            weights,
            bias: vec![10, -10],
            shifts: vec![],
            output: Output::Logits,
        },
    };
    ModelSpec { name: "corner".into(), input: [4, 4, 1], logit_exponent: 5, layers: vec![convolution, dense] }
}

/// A copy of a file, aligned as the loader asks for.
struct File(Vec<u64>, usize);

impl File {
    fn new(bytes: &[u8]) -> Self {
        let mut file = Self(vec![0; bytes.len().div_ceil(size_of::<u64>())], bytes.len());
        bytemuck::cast_slice_mut::<_, u8>(&mut file.0)[..bytes.len()].copy_from_slice(bytes);
        file
    }

    fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.0)[..self.1]
    }
}

#[test]
fn a_network_computed_by_hand() {
    let file = File::new(&encode(&spec()).unwrap());
    let file = file.bytes();
    let model = Model::load(file).unwrap();
    assert_eq!((model.name(), model.classes(), model.macs()), ("corner", 2, 16 * 9 + 32));
    assert_eq!(layer_count(file), 2);
    assert_eq!(scratch_bytes(file), model.scratch_bytes());

    let mut scratch = Scratch::<256>::new();
    scratch.fill(0xa5);
    let mut recognizer = Recognizer::new(&model, &mut scratch).unwrap();
    let mut image = [0_u8; 16];
    (image[0], image[1], image[15]) = (20, 24, 255);
    // Top left: (20 + 24) / 8 = 5.5, to even 6. Bottom right: 255 / 8 = 31.875, so 32.
    let prediction = recognizer.recognize(&image);
    assert_eq!(prediction.logits, [10 + 6, -10 + 32]);
    assert_eq!((prediction.digit, prediction.margin()), (1, 6));

    // The same image row by row, after one that was abandoned half-way.
    assert!(recognizer.push_row(&[255; 4]).is_none());
    recognizer.reset();
    let rows: Vec<_> = image.chunks(4).map(|row| recognizer.push_row(row)).collect();
    assert_eq!(rows, [None, None, None, Some(prediction)]);
}

#[test]
fn a_damaged_file_is_refused() {
    let mut file = encode(&spec()).unwrap();
    let last = file.len() - 1;
    file[last] ^= 1;
    assert!(matches!(Model::load(File::new(&file).bytes()), Err(LoadError::Checksum { .. })));
    file[12] += 4;
    reseal(&mut file);
    assert!(matches!(Model::load(File::new(&file).bytes()), Err(LoadError::Scratch { .. })));
}
