//! A program that does not link if the runtime can panic.
//!
//! Its panic handler calls a function that does not exist. Where the optimizer proves that nothing
//! panics, the handler is never linked and the function is never missed; where it does not, the
//! linker says `undefined symbol: tenfold_runtime_can_panic`.
//!
//! `load` covers any bytes at all, `normalise` any frame; the other calls cover any model that was
//! loaded and any row.
//! The idea is that of the crate `panic-never`.

#![no_std]
#![no_main]

use core::hint::black_box;
use core::panic::PanicInfo;

use tenfold_runtime::format::{MAX_LAYERS, features::ALL};
use tenfold_runtime::{Aligned, Model, Observer, Recognizer, Scratch, ink};

// For `_start`, `memcpy` and `memset`.
#[link(name = "c")]
unsafe extern "C" {}

unsafe extern "C" {
    fn tenfold_runtime_can_panic() -> !;
}

#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    // SAFETY: never called; that it does not exist is the point.
    unsafe { tenfold_runtime_can_panic() }
}

/// An observer that the optimizer cannot see through.
struct Opaque;

impl Observer for Opaque {
    fn row(&mut self, layer: usize, row: usize, values: &[u8]) {
        black_box((layer, row, values));
    }
}

#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    black_box(ink::normalise(black_box(&[]), black_box(0), black_box(0)).is_ok());
    let file: &[u8] = black_box(&[]);
    let mut scratch = Scratch::<64>::new();
    // What a compiler checks an embedded model with, at run time.
    if let Some(file) = Aligned::<64>::copy_of(file) {
        black_box(Model::<MAX_LAYERS, ALL>::load_aligned(black_box(&file)).is_ok());
    }
    if let Ok(model) = Model::load(file) {
        black_box(model.is_intact());
        black_box((model.name(), model.input(), model.classes(), model.macs(), model.weight_bytes()));
        if let Ok(mut recognizer) = Recognizer::new(black_box(&model), black_box(&mut scratch)) {
            if let Some(prediction) = recognizer.push_row(black_box(&[])) {
                black_box((prediction.digit, prediction.margin()));
            }
            recognizer.reset();
            let prediction = recognizer.recognize(black_box(&[]));
            black_box((prediction.probability(), prediction.probabilities()));
            black_box(recognizer.recognize_observed(black_box(&[]), &mut Opaque));
        }
    }
    0
}
