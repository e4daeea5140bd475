//! # Tenfold runtime
//!
//! Runs a small convolutional network on a microcontroller: integers only, straight from flash.
//!
//! ```text
//!  camera / touch / UART row (28 bytes)
//!       |
//!    [ring of 4 rows] -> conv + relu + pool -> [ring of 3 rows] -> conv + relu -> ... -> dense -> digit
//! ```
//!
//! What this crate promises; a violation is a bug:
//!
//! - **No panic.** [`Model::load`] returns an error for any bytes that are not a well-formed model
//!   ([`embedded_model!`] does not compile with them), and after [`Recognizer::new`] nothing can fail. `tests/panic-free` proves it by the linker for
//!   release builds; overflow checks and debug assertions, where switched on, are for finding our bugs.
//! - **No heap**, no recursion, no `unsafe` but for the instructions of a back end in
//!   `kernel/`, and no floating point in the inference path
//!   (only [`Prediction::probability`], computed when asked for, uses `f32`).
//! - **No feature map in RAM.** A layer keeps the few rows that its window spans.
//! - **The same bits everywhere**, as `docs/ARITHMETIC.md` defines them.
//!
//! ```
//! # use tenfold_runtime::{LoadError, Model};
//! # fn main() {
//! let error = Model::load(b"not a model, just text..").unwrap_err();
//! assert_eq!(error, LoadError::Magic { found: *b"not " });
//! # }
//! ```
//!
//! With a model file as the trainer exports it; the size of the scratch memory is known at compile time:
//!
//! ```
//! use tenfold_runtime::{Recognizer, Scratch, embedded_model, include_model, scratch_bytes};
//!
//! const MODEL: &[u8] =
//!     include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/nano/nano.postcard"));
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! # let image = [0; 28 * 28];
//! let mut scratch = Scratch::<{ scratch_bytes(MODEL) }>::new();
//! // Verified while this is compiled, by what checks a file in `Model::load` when a program runs; with code for
//! // what this model uses, and for nothing else.
//! let mut recognizer = Recognizer::new(embedded_model!(MODEL), &mut scratch)?;
//! let prediction = recognizer.recognize(&image);
//! assert!(prediction.digit < 10);
//! # Ok(())
//! # }
//! ```
//!
//! Deliberately absent: other element types than 8-bit activations, scales that are not powers of
//! two, zero points, dynamic shapes, and training.

#![no_std]
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable
    )
)]

#[cfg(any(feature = "writer", test))]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(target_endian = "big")]
compile_error!("model files are little endian and read in place: big-endian targets are not supported");

pub mod arithmetic;
pub mod back_end;
mod constant;
pub mod format;
pub mod ink;
mod kernel;
mod model;
mod order;
mod plan;
mod prediction;
mod scratch;
mod stream;

pub use format::{LoadError, declared_features, layer_count, scratch_bytes};
pub use model::{Layer, Model, Operation, Output, Padding, Parameters, Shape, Window};
pub use order::{Arrangement, Interleaved, Order};
pub use prediction::Prediction;
pub use scratch::{Aligned, Scratch};
pub use stream::{Observer, Recognizer, ScratchError};
