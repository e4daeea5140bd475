//! The binary `trainer`; see [`tenfold_trainer::cli`].

use std::process::ExitCode;

/// Keeps the memory of feature maps from one step of training to the next, on whole cache lines;
/// the system's allocator returns it, gets it anew, and has vectors straddle two lines.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tenfold_trainer::cli::main()
}
