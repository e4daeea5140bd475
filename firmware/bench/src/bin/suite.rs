//! The networks of a test, on a core in the emulator: see [`suite`]. `TENFOLD_SUITE` names the file.

#![no_std]
#![no_main]

use semihosting::println;
use semihosting::process::ExitCode;
use tenfold_bench::suite::{self, SCRATCH_BYTES};
use tenfold_bench::{SUITE, Static, entry};
use tenfold_runtime::Scratch;

static SCRATCH: Static<Scratch<SCRATCH_BYTES>> = Static::new(Scratch::new());

#[entry]
fn main() -> ! {
    // SAFETY: this program has one core and no interrupts.
    #[allow(unsafe_code, reason = "takes the scratch")]
    let Some(scratch) = (unsafe { SCRATCH.take() }) else { ExitCode::FAILURE.exit_process() };
    match suite::run(SUITE, scratch) {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS.exit_process()
        }
        Err(failure) => {
            println!("FAILED: {failure}");
            ExitCode::FAILURE.exit_process()
        }
    }
}
