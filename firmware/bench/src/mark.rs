//! Marks around the instructions that the plugin of the emulator counts
//! (`tests/tools/count-instructions.c`): no-ops that compilers do not emit.

#![allow(unsafe_code, reason = "the marks are instructions")]

use core::arch::asm;
use core::hint::black_box;

/// Runs `work` between the marks. A call, a return and a branch are counted with it: about ten instructions.
#[inline(never)]
pub fn counted<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: a move of a register to itself, or a comparison whose result is dropped. Without `nomem`,
    // memory accesses stay where they are.
    // Aligned, because QEMU 7 skips the callback of a mark whose block crosses into the next page.
    unsafe {
        asm!(
            ".balign 64",
            #[cfg(target_arch = "arm")]
            "mov r10, r10",
            #[cfg(target_arch = "riscv32")]
            ".word 0x00102013",
            options(nostack, preserves_flags)
        );
    }
    let result = black_box(apart(work));
    // SAFETY: as above.
    unsafe {
        asm!(
            // Over to an aligned place, for which one instruction is counted.
            #[cfg(target_arch = "arm")]
            "b 1f\n.balign 64\n1: mov r11, r11",
            #[cfg(target_arch = "riscv32")]
            "j 1f\n.balign 64\n1: .word 0x00202013",
            options(nostack, preserves_flags)
        );
    }
    result
}

/// Keeps `work` out of the function with the marks: aligning it would move the constants that it loads on a
/// Cortex-M0 out of reach.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}
