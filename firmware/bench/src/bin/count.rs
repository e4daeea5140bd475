//! Loads the model once and recognises every image once, each between two marks.
//!
//! Prints `name MACs weight-bytes scratch-bytes images`; exits 1 on the first logit that is not
//! the host's. The counter's first region is the load, the others are the recognitions.

#![no_std]
#![no_main]

use core::arch::asm;
use core::hint::black_box;

use semihosting::println;
use semihosting::process::ExitCode;
use tenfold_bench::{IMAGES, LOGITS, MODEL, Static, entry};
use tenfold_runtime::{Recognizer, Scratch, exact_model, scratch_bytes};

/// The model's own type: nothing is linked that it does not use.
type ExactModel = exact_model!(MODEL);

static SCRATCH: Static<Scratch<{ scratch_bytes(MODEL) }>> = Static::new(Scratch::new());

#[entry]
fn main() -> ! {
    let model = counted(|| ExactModel::load_exact(black_box(MODEL)));
    let model = match model {
        Ok(model) => model,
        Err(cause) => fail(format_args!("the model does not load: {cause}")),
    };
    let Some(scratch) = SCRATCH.take() else { fail(format_args!("the scratch is taken")) };
    let mut recognizer = match Recognizer::new(&model, scratch) {
        Ok(recognizer) => recognizer,
        Err(cause) => fail(format_args!("the scratch does not do: {cause}")),
    };

    let size = model.input().row() * usize::from(model.input().height);
    let images = IMAGES.chunks_exact(size);
    println!(
        "{} {} {} {} {}",
        model.name(),
        model.macs(),
        model.weight_bytes(),
        model.scratch_bytes(),
        images.len()
    );
    let host = LOGITS.chunks_exact(size_of::<i32>() * model.classes());
    for (index, (image, host)) in images.zip(host).enumerate() {
        let prediction = counted(|| recognizer.recognize(black_box(image)));
        let host = host.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes));
        if !host.eq(prediction.logits.iter().copied()) {
            fail(format_args!("image {index}: logits {:?} are not the host's", prediction.logits));
        }
    }
    ExitCode::SUCCESS.exit_process()
}

/// Runs `work` between the marks: two no-ops that compilers do not emit, and that the plugin looks
/// for (`tests/tools/count-instructions.c`).
#[inline(never)]
#[allow(unsafe_code, reason = "the marks are instructions")]
fn counted<T>(work: impl FnOnce() -> T) -> T {
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
    let result = black_box(work());
    // SAFETY: as above.
    unsafe {
        asm!(
            // Over to an aligned place, for which one instruction is counted.
            #[cfg(target_arch = "arm")]
            "b 1f\n.balign 64\n1: mov r11, r11",
            #[cfg(target_arch = "riscv32")]
            ".word 0x00202013",
            options(nostack, preserves_flags)
        );
    }
    result
}

fn fail(why: core::fmt::Arguments) -> ! {
    println!("FAILED: {why}");
    ExitCode::FAILURE.exit_process()
}
