//! The runtime with nothing around it: load, recognise, done. What it takes of the flash is what
//! the runtime costs a program that has its own output, and a panic that is left anywhere in it
//! shows as a symbol of `core::panicking`; the tests look for both.

#![no_std]
#![no_main]

use core::hint::black_box;
use core::panic::PanicInfo;

use tenfold_bench::{MODEL, Static, entry};
use tenfold_runtime::{Recognizer, Scratch, exact_model, scratch_bytes};

/// The model's own type: nothing is linked that it does not use.
type ExactModel = exact_model!(MODEL);

static SCRATCH: Static<Scratch<{ scratch_bytes(MODEL) }>> = Static::new(Scratch::new());
static IMAGE: Static<[u8; 28 * 28]> = Static::new([0; 28 * 28]);

#[entry]
fn main() -> ! {
    if let (Some(scratch), Some(image)) = (SCRATCH.take(), IMAGE.take())
        && let Ok(model) = ExactModel::load_exact(black_box(MODEL))
        && let Ok(mut recognizer) = Recognizer::new(&model, scratch)
    {
        black_box(recognizer.recognize(black_box(image)));
    }
    loop {
        core::hint::spin_loop();
    }
}

/// Keeps the place of every panic in the image, for the tests to name it.
#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    black_box(info);
    loop {
        core::hint::spin_loop();
    }
}
