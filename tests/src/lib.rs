//! What the tests of Tenfold share: an oracle that computes a network the slow and obvious way, a
//! seeded generator of random networks, known networks with random weights, and guarded buffers.
//!
//! ```text
//! seed -> generate::network -> ModelSpec --encode--> bytes -> runtime, row by row --+
//!                                 |                                                 +-- equal?
//!                                 +-> reference::run, whole maps in i64 ------------+
//! ```

pub mod buffer;
pub mod compare;
pub mod describe;
pub mod emulator;
pub mod file;
pub mod generate;
pub mod networks;
pub mod random;
pub mod reference;
pub mod view;
pub mod wasm;

/// The specification of a network: the only types that the oracle shares with the runtime.
pub mod spec {
    pub use tenfold_runtime::format::spec::{LayerSpec, ModelSpec, Output, Parameters};
}
