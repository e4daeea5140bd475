//! The trainer of Tenfold: learns a digit recognizer, quantizes it, exports it for boards
//! (postcard) and desktops (ONNX), and proves that the two agree.
//!
//! ```text
//! data -> train -> quantize -> export -> verify          predict, evaluate
//!  IDX,   burn     powers     postcard   tract against    postcard or ONNX
//!  CSV,            of two     and ONNX   the runtime
//!  PNG
//! ```
//!
//! The binary `trainer` is [`cli::main`]; everything it does can be called from here as well.

// But for the vector instructions of network/cpu/simd.rs.
#![deny(unsafe_code)]

pub mod accuracy;
pub mod augment;
pub mod baseline;
pub mod bench;
pub mod cli;
pub mod config;
pub mod data;
pub mod engine;
pub mod evaluation;
pub mod experiment;
pub mod export;
pub mod files;
pub mod log;
pub mod model;
pub mod network;
pub mod page;
pub mod preset;
pub mod quantize;
pub mod report;
pub mod reproduce;
pub mod robustness;
pub mod search;
pub mod summary;
pub mod train;
pub mod verify;
