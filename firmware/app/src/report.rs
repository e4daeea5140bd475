//! Everything that is printed, a line at a time.

use core::fmt::{self, Write};

use tenfold_runtime::Prediction;

use crate::golden::{Digit, GOLDEN};
use crate::memory::{flash_bytes, stack_limit, static_ram_bytes};
use crate::stack::PeakStack;
use crate::{ExactModel, MODEL};

/// Collects a line before it goes out: through a debugger, every write stops the core.
pub(crate) struct Lines<'a> {
    line: heapless::String<128>,
    out: &'a mut dyn Write,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(out: &'a mut dyn Write) -> Self {
        let line = heapless::String::new();
        Self { line, out }
    }
}

impl Write for Lines<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let _ = self.line.push(character);
            if character == '\n' || self.line.len() + 4 > self.line.capacity() {
                self.out.write_str(&self.line)?;
                self.line.clear();
            }
        }
        Ok(())
    }
}

/// Says what runs where.
pub(crate) fn model(out: &mut Lines, board: &str, model: &ExactModel) -> fmt::Result {
    let input = model.input();
    writeln!(out, "Tenfold on {board}")?;
    writeln!(
        out,
        "model {}: {}x{}x{}, {} classes, {} layers, {} bytes of weights, {} MACs",
        model.name(),
        input.height,
        input.width,
        input.channels,
        model.classes(),
        model.layers().len(),
        model.weight_bytes(),
        model.macs(),
    )
}

/// Shows one digit, what it was taken for, and whether the host agrees.
pub(crate) fn digit(
    out: &mut Lines,
    model: &ExactModel,
    index: u32,
    digit: &Digit,
    prediction: &Prediction,
) -> fmt::Result {
    writeln!(out)?;
    picture(out, digit.pixels, model.input().row())?;
    writeln!(
        out,
        "image {index}, label {}: recognised {}, margin {}",
        digit.label,
        prediction.digit,
        prediction.margin(),
    )?;
    logits(out, "board", &prediction.logits)?;
    if prediction.logits == digit.logits {
        return Ok(());
    }
    logits(out, "host", &digit.logits)?;
    writeln!(out, "MISMATCH in image {index}")
}

/// A terminal's characters are twice as high as wide, so two rows of pixels make one line.
fn picture(out: &mut Lines, pixels: &[u8], row: usize) -> fmt::Result {
    const SHADES: [char; 8] = [' ', '.', ':', '-', '+', '*', '#', '@'];
    for rows in pixels.chunks_exact(2 * row.max(1)) {
        let (upper, lower) = rows.split_at(row);
        for (upper, lower) in upper.iter().zip(lower) {
            let mean = upper.midpoint(*lower);
            out.write_char(SHADES[usize::from(mean >> 5)])?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn logits(out: &mut Lines, whose: &str, logits: &[i32]) -> fmt::Result {
    write!(out, "{whose:>5} logits")?;
    for logit in logits {
        write!(out, " {logit}")?;
    }
    writeln!(out)
}

/// Says what the program takes of the board; printing itself is not counted as stack.
pub(crate) fn memory(out: &mut Lines, scratch: usize, check: PeakStack, recognize: PeakStack) -> fmt::Result {
    let (flash, model, digits) = (flash_bytes(), MODEL.len(), GOLDEN.len());
    let code = flash - model - digits;
    writeln!(out, "\nflash      {flash:>6} bytes: {code} code, {model} model, {digits} digits")?;
    let statics = static_ram_bytes();
    let other = statics - scratch;
    writeln!(out, "static RAM {statics:>6} bytes: {scratch} scratch, {other} other")?;
    let (check, recognize, limit) = (check.0, recognize.0, stack_limit());
    let peak = check.max(recognize);
    writeln!(
        out,
        "peak stack {peak:>6} bytes: {check} to check the flash, {recognize} to recognise; {limit} reserved"
    )
}

/// The last line: how many digits came out as on the host.
pub(crate) fn verdict(out: &mut Lines, digits: u32, equal: u32) -> fmt::Result {
    writeln!(out, "{equal} of {digits} digits: logits equal to the host's")
}
