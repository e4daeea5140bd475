//! What the program takes of the board's flash and static RAM, from the linker's symbols.
//!
//! The symbols are those of cortex-m-rt's `link.x`, and a board's `memory.x` puts the stack
//! between `_stack_end` (low) and `_stack_start` (high). A board with another start-up crate
//! gives its own symbols these names in `memory.x`.

#![allow(unsafe_code, reason = "the addresses of linker symbols")]

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
