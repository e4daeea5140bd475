//! Many small networks, one after the other: the digest of every layer's rows and of the logits
//! must be what the test that wrote them expects (`tests/tests/kernels.rs`).
//!
//! `TENFOLD_SUITE` names the file; all its numbers are `u32`, little endian:
//!
//! ```text
//! suite:   number of networks, then each network
//! network: bytes of the model, bytes of an image, number of images,
//!          model (and zeros up to a multiple of four), then each image
//! image:   pixels (and zeros up to a multiple of four), one digest a layer
//! ```

#![no_std]
#![no_main]

use semihosting::println;
use semihosting::process::ExitCode;
use tenfold_bench::{SUITE, Static, entry};
use tenfold_runtime::{Model, Observer, Recognizer, Scratch};

/// Enough for any network of the suite.
const SCRATCH_BYTES: usize = 1 << 20;

static SCRATCH: Static<Scratch<SCRATCH_BYTES>> = Static::new(Scratch::new());

#[entry]
fn main() -> ! {
    let Some(scratch) = SCRATCH.take() else { fail(format_args!("the scratch is taken")) };
    let mut suite = Reader(SUITE);
    let networks = suite.number();
    let (mut images, mut layers) = (0, 0);
    for index in 0..networks {
        let [model, image, count] = [(); 3].map(|()| suite.number() as usize);
        let model = match Model::load(suite.bytes(model)) {
            Ok(model) => model,
            Err(cause) => fail(format_args!("network {index}: {cause}")),
        };
        let mut recognizer = match Recognizer::new(&model, scratch) {
            Ok(recognizer) => recognizer,
            Err(cause) => fail(format_args!("{}: {cause}", model.name())),
        };
        for number in 0..count {
            let mut digests = Digests([START; 16]);
            let prediction = recognizer.recognize_observed(suite.bytes(image), &mut digests);
            let Digests(mut digests) = digests;
            let last = model.layers().len() - 1;
            for logit in &prediction.logits {
                digests[last] = digest(digests[last], &logit.to_le_bytes());
            }
            for (layer, digest) in digests.iter().enumerate().take(model.layers().len()) {
                if *digest != suite.number() {
                    fail(format_args!("{}, image {number}: layer {layer} differs", model.name()));
                }
                layers += 1;
            }
            images += 1;
        }
    }
    if !suite.0.is_empty() {
        fail(format_args!("{} bytes left over", suite.0.len()));
    }
    println!("{networks} networks, {images} images, {layers} layers: all as expected");
    ExitCode::SUCCESS.exit_process()
}

/// The digest of no bytes.
const START: u32 = 0x811c_9dc5;

/// Goes on with a 32-bit FNV-1a digest.
fn digest(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |digest, &byte| (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// One digest a layer, over all its rows.
struct Digests([u32; 16]);

impl Observer for Digests {
    fn row(&mut self, layer: usize, _row: usize, values: &[u8]) {
        self.0[layer] = digest(self.0[layer], values);
    }
}

/// What is left of the suite.
struct Reader(&'static [u8]);

impl Reader {
    fn number(&mut self) -> u32 {
        let Some((number, rest)) = self.0.split_first_chunk() else {
            fail(format_args!("the suite ends early"))
        };
        self.0 = rest;
        u32::from_le_bytes(*number)
    }

    /// `length` bytes that start at a multiple of four.
    fn bytes(&mut self, length: usize) -> &'static [u8] {
        let Some((bytes, rest)) = self.0.split_at_checked(length.next_multiple_of(4)) else {
            fail(format_args!("the suite ends early"))
        };
        self.0 = rest;
        &bytes[..length]
    }
}

fn fail(why: core::fmt::Arguments) -> ! {
    println!("FAILED: {why}");
    ExitCode::FAILURE.exit_process()
}
