//! The inner loops, and the contract that every back end fulfils.
//!
//! A kernel computes **one output row** of one layer from the rows in that layer's ring. It is
//! called with slices whose lengths follow from a loaded model:
//!
//! | argument | contents |
//! |---|---|
//! | `layer` | shapes, weights, biases, shifts |
//! | `rows`  | the input rows of the window, oldest first, padding columns included |
//! | `workspace` | as many words as the order of the weights asks for, with any contents |
//! | `out`   | `output.width * output.channels` bytes, channels last, no padding |
//!
//! `FEATURES` says what the model uses at most ([`features`](crate::format::features)): code for
//! anything else stands behind `any(FEATURES, ..)`, so that it is not linked.
//!
//! [`portable`] defines the result. A back end for an instruction set lives in a file of its own,
//! has the same functions, and is selected here and nowhere else; `build.rs` says which one suits the
//! target.

#[cfg(back_end = "armv6m")]
mod armv6m;
#[cfg(back_end = "armv7em")]
#[cfg_attr(
    back_end = "armv81m",
    allow(unused_imports, reason = "Helium's back end takes from it what it does no better")
)]
mod armv7em;
#[cfg(back_end = "armv81m")]
mod armv81m;
#[cfg(back_end = "armv6m")]
mod four;
mod groups;
#[cfg_attr(not(back_end = "x86_64"), allow(dead_code, reason = "in part for vectors alone"))]
mod interleaved;
#[cfg(not(back_end = "x86_64"))]
pub(crate) mod only;
#[cfg(any(test, back_end = "armv6m", back_end = "armv7em", back_end = "rv32im"))]
#[cfg_attr(
    not(any(back_end = "armv6m", back_end = "armv7em", back_end = "rv32im")),
    allow(dead_code, reason = "tested on the host, used on boards")
)]
mod packed;
#[cfg_attr(
    not(back_end = "portable"),
    allow(dead_code, reason = "the definition; a back end takes from it what it does no better")
)]
mod portable;
#[cfg(back_end = "rv32im")]
mod rv32im;
#[cfg(back_end = "wasm32")]
mod wasm32;
#[cfg(back_end = "x86_64")]
mod x86_64;

#[cfg(back_end = "armv6m")]
use armv6m as back_end;
// With Helium both are there.
#[cfg(all(back_end = "armv7em", not(back_end = "armv81m")))]
use armv7em as back_end;
#[cfg(back_end = "armv81m")]
use armv81m as back_end;
#[cfg(back_end = "portable")]
use portable as back_end;
#[cfg(back_end = "rv32im")]
use rv32im as back_end;
#[cfg(back_end = "wasm32")]
use wasm32 as back_end;
#[cfg(back_end = "x86_64")]
use x86_64 as back_end;

#[cfg(not(back_end = "x86_64"))]
pub(crate) use only as choice;
#[cfg(back_end = "x86_64")]
pub(crate) use x86_64::choice;

pub(crate) use back_end::{
    Convolution, average_pool, convolution, copy_row, dense, dense_step, finish, max_pool,
};
pub(crate) use groups::in_groups;

use crate::arithmetic::{rounding_shift, saturate_i8, saturate_u8};
use crate::format::features::{self as f, any};
use crate::model::Output;

/// The rows of a window in a ring, oldest first.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// Oldest rows: from the oldest slot to the end of the ring.
    older: &'a [u8],
    /// Newer rows: from the start of the ring up to the oldest slot.
    newer: &'a [u8],
    row_bytes: usize,
}

impl<'a> Rows<'a> {
    /// The rows of `ring`, which is as long as they are, and whose oldest row is in slot `oldest`.
    pub(crate) fn new(ring: &'a [u8], row_bytes: usize, oldest: usize) -> Self {
        let (newer, older) = ring.split_at_checked(oldest * row_bytes).unwrap_or((&[], ring));
        Self { older, newer, row_bytes }
    }

    /// `length` bytes of row number `row`, starting at `offset`. Empty where there are none, which
    /// does not happen with the arguments that a loaded model yields.
    #[inline(always)]
    pub(crate) fn run(&self, row: usize, offset: usize, length: usize) -> &'a [u8] {
        let start = row * self.row_bytes + offset;
        let found = match start.checked_sub(self.older.len()) {
            None => self.older.get(start..start + length),
            Some(start) => self.newer.get(start..start + length),
        };
        found.unwrap_or(&[])
    }
}

/// Sets bytes to zero, of which there are few. Not by `memset`, which takes 400 bytes of flash where nothing
/// else links it.
#[cfg(any(back_end = "armv6m", back_end = "armv7em"))]
pub(crate) fn clear(bytes: &mut [u8]) {
    for byte in bytes {
        // Seen as one store after the other.
        *core::hint::black_box(byte) = 0;
    }
}

/// Requantizes an accumulator to the byte that is stored.
#[inline(always)]
pub(crate) fn requantize<const FEATURES: u32>(accumulator: i32, shift: u8, output: Output<'_>) -> u8 {
    let value = rounding_shift(accumulator, shift);
    match output {
        Output::Signed if any(FEATURES, f::SIGNED_OUTPUT) => saturate_i8(value) as u8,
        // Flipping the sign bit turns -128..=127 into the index 0..=255.
        Output::Table(table) if any(FEATURES, f::TABLE) => {
            let index = usize::from(saturate_i8(value) as u8 ^ 0x80);
            table.get(index).copied().unwrap_or(0)
        }
        _ => saturate_u8(value),
    }
}
