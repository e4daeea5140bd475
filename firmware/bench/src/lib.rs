//! The model and the images that this crate's programs run, chosen when they are built.
//!
//! - `count`: recognises MNIST test images between the marks of the instruction counter
//!   (`tests/tools/count-instructions`), and checks every logit;
//! - `bare`: the runtime and nothing else, to see what it costs in flash, and that no panic is left
//!   in it;
//! - `suite`: many small networks, every layer of them compared with what a test expects.

#![no_std]

use tenfold_runtime::include_model;

/// The model file.
pub const MODEL: &[u8] = include_model!(concat!(env!("OUT_DIR"), "/model.postcard"));

/// Images, one after the other.
pub static IMAGES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/images"));

/// The host's logits of each image, `i32`, little endian.
pub static LOGITS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/logits"));

/// The networks of `suite`.
pub static SUITE: &[u8] = include_model!(concat!(env!("OUT_DIR"), "/suite"));
