//! The runtime with nothing around it: an embedded model, recognise, done. What it takes of the flash is what
//! the runtime costs a program that has its own output, and a panic that is left anywhere in it
//! shows as a symbol of `core::panicking`; the tests look for both.

#![no_std]
#![no_main]

use core::hint::black_box;
use core::panic::PanicInfo;

use tenfold_bench::{entry, work};

#[entry]
fn main() -> ! {
    black_box(work());
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
