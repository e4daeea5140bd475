//! The model and the images that this crate's programs run, chosen when they are built.
//!
//! - `count`: recognises MNIST test images between the marks of the instruction counter
//!   (`tests/tools/count-instructions`), and checks every logit;
//! - `bare`: the runtime and nothing else, to see what it costs in flash, and that no panic is left
//!   in it;
//! - `suite`: many small networks, every layer of them compared with what a test expects.

#![no_std]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

#[cfg(target_arch = "arm")]
pub use cortex_m_rt::entry;
#[cfg(target_arch = "riscv32")]
pub use riscv_rt::entry;
use tenfold_runtime::include_model;

/// Static memory that the program takes once.
#[derive(Debug)]
pub struct Static<T> {
    value: UnsafeCell<T>,
    taken: AtomicBool,
}

impl<T> Static<T> {
    /// Memory with this value.
    pub const fn new(value: T) -> Self {
        Self { value: UnsafeCell::new(value), taken: AtomicBool::new(false) }
    }

    /// The memory; none the second time.
    #[allow(unsafe_code, clippy::mut_from_ref, reason = "lends the memory, once")]
    pub fn take(&'static self) -> Option<&'static mut T> {
        if self.taken.load(Ordering::Relaxed) {
            return None;
        }
        self.taken.store(true, Ordering::Relaxed);
        // SAFETY: the programs have one core and no interrupts, so that the flag was not set between
        // those two steps: nobody else has taken the memory.
        Some(unsafe { &mut *self.value.get() })
    }
}

// SAFETY: the value is reached through `take` alone, by whoever comes first.
#[allow(unsafe_code, reason = "says that a static may be one")]
unsafe impl<T: Send> Sync for Static<T> {}

/// The model file.
pub const MODEL: &[u8] = include_model!(concat!(env!("OUT_DIR"), "/model.postcard"));

/// Images, one after the other.
pub static IMAGES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/images"));

/// The host's logits of each image, `i32`, little endian.
pub static LOGITS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/logits"));

/// The networks of `suite`.
pub static SUITE: &[u8] = include_model!(concat!(env!("OUT_DIR"), "/suite"));
