//! As `bare`, but with a model that is loaded and checked when the program runs: what the loader costs.

#![no_std]
#![no_main]

use core::hint::black_box;
use core::panic::PanicInfo;

use tenfold_bench::{entry, load_and_work};

#[entry]
fn main() -> ! {
    black_box(load_and_work());
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
