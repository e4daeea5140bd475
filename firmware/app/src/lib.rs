//! What every board runs, whatever the core: recognise ten embedded test digits, show each one,
//! and compare its logits with those that the host computed from the same model file.
//!
//! ```text
//! nano.postcard --> verified by the compiler --> Recognizer::recognize --> logits == golden logits?
//! nano.golden.postcard --> pixels  ----------------^                             |
//!                      --> golden logits ----------------------------------------^
//! ```
//!
//! A board supplies three things: a name, [`ScratchMemory`], and something that
//! implements [`core::fmt::Write`]: a debugger's console, a UART, a display. Nothing here knows
//! which. There is no heap, and the model and the digits are read where they lie, in flash.

#![no_std]

mod golden;
mod memory;
mod report;
pub mod stack;

use core::fmt;

use golden::{Digits, GOLDEN};
use report::Lines;
use stack::PeakStack;
use tenfold_runtime::{Recognizer, Scratch, ScratchError};
use tenfold_runtime::{embedded_model, exact_model, include_model, scratch_bytes};

/// The model file, `models/nano` with its weights in this core's order, aligned for the runtime.
pub const MODEL: &[u8] = include_model!(concat!(env!("OUT_DIR"), "/model.postcard"));

/// Scratch memory for [`MODEL`], its size known at compile time; a board puts it in a static.
pub type ScratchMemory = Scratch<{ scratch_bytes(MODEL) }>;

/// [`MODEL`] as the compiler has verified it, with room and code for exactly what it has.
type ExactModel = exact_model!(MODEL);

/// Recognises the embedded digits, and prints each of them and what the whole takes of the board.
///
/// # Errors
///
/// [`Failure::Logits`] if any logit differs from the host's; the other variants say that the
/// image in flash is damaged, or that the output failed.
pub fn run(board: &str, scratch: &mut [u8], out: &mut dyn fmt::Write) -> Result<(), Failure> {
    let scratch_size = scratch.len();
    let (mut check, mut recognize) = (PeakStack::default(), PeakStack::default());
    let model: &ExactModel = embedded_model!(MODEL);
    // The compiler has verified the model; what is asked here is whether the flash still holds it.
    if !check.track(|| model.is_intact()) {
        return Err(Failure::Damaged);
    }
    let mut recognizer = Recognizer::new(model, scratch)?;
    let mut lines = Lines::new(out);
    report::model(&mut lines, board, model)?;

    let (mut digits, mut equal) = (0, 0);
    for digit in Digits::new(GOLDEN)? {
        let digit = digit?;
        let prediction = recognize.track(|| recognizer.recognize(digit.pixels));
        report::digit(&mut lines, model, digits, &digit, &prediction)?;
        digits += 1;
        equal += u32::from(prediction.logits == digit.logits);
    }

    report::memory(&mut lines, scratch_size, check, recognize)?;
    report::verdict(&mut lines, digits, equal)?;
    if digits > 0 && equal == digits { Ok(()) } else { Err(Failure::Logits) }
}

/// Why [`run`] did not end well.
#[derive(Debug)]
pub enum Failure {
    /// The model in flash is not what the compiler has verified.
    Damaged,
    /// The board gave too little scratch memory.
    Scratch(ScratchError),
    /// The embedded digits could not be read.
    Golden(postcard::Error),
    /// The output did not take what was written to it.
    Output(fmt::Error),
    /// The board's logits differ from the host's.
    Logits,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => f.write_str("the embedded model is damaged: program the flash again"),
            Self::Scratch(cause) => write!(f, "the board's scratch does not do: {cause}"),
            Self::Golden(cause) => write!(f, "the embedded digits cannot be read: {cause}"),
            Self::Output(_) => f.write_str("the board's output failed"),
            Self::Logits => f.write_str("the board's logits differ from the host's"),
        }
    }
}

impl core::error::Error for Failure {}

impl From<ScratchError> for Failure {
    fn from(cause: ScratchError) -> Self {
        Self::Scratch(cause)
    }
}

impl From<postcard::Error> for Failure {
    fn from(cause: postcard::Error) -> Self {
        Self::Golden(cause)
    }
}

impl From<fmt::Error> for Failure {
    fn from(cause: fmt::Error) -> Self {
        Self::Output(cause)
    }
}
