//! The binary `trainer`; see [`tenfold_trainer::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    tenfold_trainer::cli::main()
}
