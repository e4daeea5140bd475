//! The model and the images that this crate's programs run, chosen when they are built.
//!
//! - `count`: recognises MNIST test images between the marks of the instruction counter, and checks
//!   every logit;
//! - `bare`: the runtime and nothing else, to see what it costs in flash, and that no panic is left
//!   in it;
//! - `loading`: the same with a model that is loaded when the program runs;
//! - `stack`: the same on a painted stack;
//! - `suite`: many small networks, every layer of them compared with what a test expects.
//!
//! `cargo run --release -p tenfold-tests --bin benchmark` builds all but the last for every
//! core and network, runs them, and writes `docs/BENCHMARKS.md`.

#![no_std]

use core::cell::UnsafeCell;
use core::fmt;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, Ordering};

#[cfg(target_arch = "arm")]
pub use cortex_m_rt::entry;
#[cfg(target_arch = "riscv32")]
pub use riscv_rt::entry;
use tenfold_runtime::{Prediction, Recognizer, Scratch};
use tenfold_runtime::{embedded_model, exact_model, include_model, scratch_bytes};

pub mod mark;
#[path = "../../app/src/stack.rs"]
pub mod stack;
pub mod suite;

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
    ///
    /// # Safety
    ///
    /// No two calls overlap, from two cores or from an interrupt handler: a core that cannot swap a flag in one
    /// step, as a Cortex-M0 cannot, looks at it first and sets it then.
    #[allow(unsafe_code, clippy::mut_from_ref, reason = "lends the memory, once")]
    pub unsafe fn take(&'static self) -> Option<&'static mut T> {
        if self.taken.load(Ordering::Relaxed) {
            return None;
        }
        self.taken.store(true, Ordering::Relaxed);
        // SAFETY: by the caller's promise nobody else has taken the memory between those two steps.
        Some(unsafe { &mut *self.value.get() })
    }
}

// SAFETY: the value is reached through `take` alone, by whoever comes first; `take` says who may call it when.
#[allow(unsafe_code, reason = "says that a static may be one")]
unsafe impl<T: Send> Sync for Static<T> {}

/// The model file.
pub const MODEL: &[u8] = include_model!(concat!(env!("OUT_DIR"), "/model.postcard"));

/// [`MODEL`] loaded: nothing is linked that it does not use.
pub type ExactModel = exact_model!(MODEL);

/// Scratch memory for [`MODEL`].
pub static SCRATCH: Static<Scratch<{ scratch_bytes(MODEL) }>> = Static::new(Scratch::new());

/// Images, one after the other.
static IMAGES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/images"));

/// The host's logits of each image, `i32`, little endian.
static LOGITS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/logits"));

/// The networks of `suite`.
pub static SUITE: &[u8] = include_model!(concat!(env!("OUT_DIR"), "/suite"));

/// The model, verified while this was compiled.
pub fn embedded() -> &'static ExactModel {
    embedded_model!(MODEL)
}

/// Recognises one image with the embedded model: all that a program needs of the runtime. Whether it could.
#[inline(never)]
pub fn work() -> bool {
    recognize_with(embedded())
}

/// The same with a model that is loaded when the program runs, as if it came from elsewhere.
#[inline(never)]
pub fn load_and_work() -> bool {
    let Ok(model) = ExactModel::load_exact(black_box(MODEL)) else { return false };
    recognize_with(&model)
}

fn recognize_with(model: &ExactModel) -> bool {
    // SAFETY: the programs here have one core and no interrupts.
    #[allow(unsafe_code, reason = "takes the scratch")]
    let Some(scratch) = (unsafe { SCRATCH.take() }) else { return false };
    let Ok(mut recognizer) = Recognizer::new(model, scratch) else { return false };
    // Any bytes do as an image, and none take no flash.
    black_box(&recognizer.recognize(black_box(&[])));
    true
}

/// The images, with the host's answers.
pub fn answers(model: &ExactModel) -> impl Iterator<Item = Answer> {
    let size = model.input().row() * usize::from(model.input().height);
    let logits = LOGITS.chunks_exact(size_of::<i32>() * model.classes());
    let pairs = IMAGES.chunks_exact(size).zip(logits).enumerate();
    pairs.map(|(index, (image, logits))| Answer { index, image, logits })
}

/// An image and what the host says of it.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The pixels.
    pub image: &'static [u8],
    index: usize,
    logits: &'static [u8],
}

impl Answer {
    /// Compares with what was recognised here.
    ///
    /// # Errors
    ///
    /// If any logit is not the host's.
    pub fn check(&self, prediction: Prediction) -> Result<(), Mismatch> {
        let host = self.logits.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes));
        let is_equal = host.eq(prediction.logits.iter().copied());
        if is_equal { Ok(()) } else { Err(Mismatch { index: self.index, prediction }) }
    }
}

/// An image whose logits are not the host's.
#[derive(Debug)]
pub struct Mismatch {
    index: usize,
    prediction: Prediction,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "image {}: logits {:?} are not the host's", self.index, self.prediction.logits)
    }
}
