//! Loads the model once, as if it came from elsewhere, and recognises every image once with the embedded one, each
//! between two marks.
//!
//! Prints what the model is, a name and a number a line; exits 1 on the first logit that is not
//! the host's. The counter's first region is the load, the others are the recognitions.

#![no_std]
#![no_main]

use core::fmt::Display;
use core::hint::black_box;

use semihosting::println;
use semihosting::process::ExitCode;
use tenfold_bench::mark::counted;
use tenfold_bench::{ExactModel, MODEL, SCRATCH, answers, embedded, entry};
use tenfold_runtime::Recognizer;

#[entry]
fn main() -> ! {
    // SAFETY: this program has one core and no interrupts.
    #[allow(unsafe_code, reason = "takes the scratch")]
    let Some(scratch) = (unsafe { SCRATCH.take() }) else { fail(&"the scratch is taken") };
    println!("scratch-address {}", scratch.as_ptr().addr());
    let loaded = counted(|| ExactModel::load_exact(black_box(MODEL))).unwrap_or_else(|cause| fail(&cause));
    let model = embedded();
    if loaded.scratch_bytes() != model.scratch_bytes() {
        fail(&"the loader and the compiler disagree");
    }
    let mut recognizer = Recognizer::new(model, scratch).unwrap_or_else(|cause| fail(&cause));
    println!("MACs {}", model.macs());
    println!("weights {}", model.weight_bytes());
    println!("model {}", MODEL.len());
    println!("scratch {}", model.scratch_bytes());
    for answer in answers(model) {
        let prediction = counted(|| recognizer.recognize(black_box(answer.image)));
        answer.check(prediction).unwrap_or_else(|mismatch| fail(&mismatch));
    }
    ExitCode::SUCCESS.exit_process()
}

fn fail(why: &dyn Display) -> ! {
    println!("FAILED: {why}");
    ExitCode::FAILURE.exit_process()
}
