//! From floats to the board's integers.
//!
//! ```text
//! FloatNetwork --calibrate--> exponents (LayerScheme) --fine-tune with `fake`--> parameters
//!                                    |                                               |
//!                                    +-------------------- convert ------------------+--> QuantizedNetwork
//! ```
//!
//! All scales are powers of two, so that an `f32` holds every integer and every sum of the board
//! exactly: `fake` computes in burn tensors what the runtime computes in integers, bit for bit.

mod calibrate;
mod convert;
pub(crate) mod fake;
pub(crate) mod scheme;

#[cfg(test)]
mod tests;

pub use calibrate::calibrate;
pub use convert::convert;
pub use scheme::LayerScheme;
