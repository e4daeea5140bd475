//! The work of `bare` on a painted stack: prints how many bytes deep it went.

#![no_std]
#![no_main]

use semihosting::println;
use semihosting::process::ExitCode;
use tenfold_bench::stack::PeakStack;
use tenfold_bench::{entry, work};

#[entry]
fn main() -> ! {
    let mut peak = PeakStack::default();
    if !peak.track(work) {
        println!("FAILED: the scratch does not do");
        ExitCode::FAILURE.exit_process()
    }
    println!("{}", peak.0);
    ExitCode::SUCCESS.exit_process()
}
