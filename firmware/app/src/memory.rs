//! What the program takes of the board: flash and static RAM from the linker's symbols, stack by
//! painting.
//!
//! The symbols are those of cortex-m-rt's `link.x`, and a board's `memory.x` puts the stack
//! between `_stack_end` (low) and `_stack_start` (high). A board with another start-up crate
//! gives its own symbols these names in `memory.x`.

#![allow(unsafe_code, reason = "the addresses of linker symbols, and the words of the unused stack")]

unsafe extern "C" {
    /// First byte of the image in flash.
    static __vector_table: u8;
    /// Where the initial values of `.data` lie in flash: the last thing there.
    static __sidata: u8;
    static __sdata: u8;
    static __edata: u8;
    /// End of all statics.
    static __euninit: u8;
    static _stack_end: u32;
    static _stack_start: u32;
}

/// Bytes of the image in flash: code, constants and the initial values of statics.
pub(crate) fn flash_bytes() -> usize {
    let data = (&raw const __edata).addr() - (&raw const __sdata).addr();
    (&raw const __sidata).addr() + data - (&raw const __vector_table).addr()
}

/// Bytes of all statics, scratch included.
pub(crate) fn static_ram_bytes() -> usize {
    (&raw const __euninit).addr() - (&raw const __sdata).addr()
}

/// Bytes that the board's `memory.x` gives to the stack.
pub(crate) fn stack_limit() -> usize {
    (&raw const _stack_start).addr() - (&raw const _stack_end).addr()
}

/// What the unused stack is filled with.
const PAINT: u32 = 0xCCCC_CCCC;

/// Words below a frame that are left unpainted, for the painting itself to use; they count as used.
const MARGIN: usize = 32;

/// The deepest that the stack went, in bytes from its start: the unused stack is painted before a
/// call, and looked through for lost paint afterwards.
///
/// A lower bound, as space that a function reserves but does not write keeps its paint.
#[derive(Clone, Copy, Default)]
pub(crate) struct PeakStack(pub(crate) usize);

impl PeakStack {
    /// Runs `work` and notes how deep it went.
    #[inline(never)]
    pub(crate) fn track<T>(&mut self, work: impl FnOnce() -> T) -> T {
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
