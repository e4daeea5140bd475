//! Tenfold on the BBC micro:bit: nRF51822, Cortex-M0, 16 KB of RAM, 256 KB of flash.
//!
//! What is printed and the exit status go to the host by semihosting: to the emulator, or to
//! whatever drives the debug probe.

#![no_std]
#![no_main]

use core::fmt;

use cortex_m_rt::{entry, exception};
use semihosting::io::{self, Write};
use semihosting::process::ExitCode;
use semihosting::{eprintln, println};
use tenfold_firmware::ScratchMemory;

/// The linker reads `memory.x`; this makes cargo link again when it changes.
const _: &str = include_str!("../memory.x");

/// The console of the host at the other end of the debug probe.
struct Console(io::Stdout);

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_all(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

#[entry]
fn main() -> ! {
    // `entry` turns this into a `&'static mut` that nothing else can have.
    static mut SCRATCH: ScratchMemory = ScratchMemory::new();

    let Ok(stdout) = io::stdout() else { ExitCode::FAILURE.exit_process() };
    match tenfold_firmware::run("micro:bit (nRF51822, Cortex-M0)", SCRATCH, &mut Console(stdout)) {
        Ok(()) => ExitCode::SUCCESS.exit_process(),
        Err(failure) => {
            println!("FAILED: {failure}");
            ExitCode::FAILURE.exit_process()
        }
    }
}

/// A fault, such as a stack that leaves RAM; never a silent loop.
#[exception]
#[allow(unsafe_code, reason = "cortex-m-rt asks for it")]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    eprintln!("FAILED: hard fault, {frame:?}");
    ExitCode::FAILURE.exit_process()
}
