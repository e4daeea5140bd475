//! How deep the stack goes, by painting.
//!
//! A board's `memory.x` puts the stack between `_stack_end` (low) and `_stack_start` (high).

#![allow(unsafe_code, reason = "the addresses of linker symbols, and the words of the unused stack")]

unsafe extern "C" {
    static _stack_end: u32;
    static _stack_start: u32;
}

/// What the unused stack is filled with.
const PAINT: u32 = 0xCCCC_CCCC;

/// Words below a frame that are left unpainted, for the painting itself to use; they count as used.
const MARGIN: usize = 32;

/// The deepest that the stack went, in bytes from its start: the unused stack is painted before a
/// call, and looked through for lost paint afterwards.
///
/// A lower bound, as space that a function reserves but does not write keeps its paint.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeakStack(pub usize);

impl PeakStack {
    /// Runs `work` and notes how deep it went.
    #[inline(never)]
    pub fn track<T>(&mut self, work: impl FnOnce() -> T) -> T {
        paint();
        let result = work();
        self.0 = self.0.max((&raw const _stack_start).addr() - deepest().addr());
        result
    }
}

/// Fills the stack from its end to a little below this function's own frame.
#[inline(never)]
fn paint() {
    let frame = 0;
    let mut word = (&raw const _stack_end).cast_mut();
    let end = (&raw const frame).wrapping_sub(MARGIN);
    while word.cast_const() < end {
        // SAFETY: `memory.x` reserves `_stack_end.._stack_start` for the stack, both word
        // aligned. `word` is in it and below every live frame, so no object is overwritten; no
        // interrupt is enabled that could use the space in the meantime.
        unsafe { word.write_volatile(PAINT) };
        word = word.wrapping_add(1);
    }
}

/// The lowest word that has lost its paint.
#[inline(never)]
fn deepest() -> *const u32 {
    let mut word = &raw const _stack_end;
    // SAFETY: as in `paint`: words of RAM that are reserved for the stack. The first word of a live
    // frame ends the walk at the latest.
    while word < &raw const _stack_start && unsafe { word.read_volatile() } == PAINT {
        word = word.wrapping_add(1);
    }
    word
}
