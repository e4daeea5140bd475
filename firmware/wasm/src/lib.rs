//! The runtime as a WebAssembly module, for `tests/tools/wasm.mjs`: nothing is imported, and whoever
//! loads it puts files into memory that he has added to the module's (`memory.grow`).
//!
//! ```console
//! $ cargo build --release --target wasm32-unknown-unknown --config "build.rustflags=['-Ctarget-feature=+simd128']"
//! ```

#![cfg_attr(target_arch = "wasm32", no_std)]
#![allow(unsafe_code, reason = "exports have plain names, and are handed pointers")]

use core::fmt::{self, Write};
use core::slice;

use tenfold_runtime::{Model, Recognizer, back_end};

#[path = "../../bench/src/suite.rs"]
pub mod suite;

#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// Runs the networks of a test ([`suite`]) and writes what became of them to `text`; its length, negative
/// where something was not as expected.
///
/// # Safety
///
/// At each pointer are as many bytes as the length after it says, of which nobody else holds a reference,
/// and those of `scratch` start at a multiple of eight, those of `file` at one of sixteen.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn run_suite(
    file: *const u8,
    file_bytes: usize,
    scratch: *mut u8,
    scratch_bytes: usize,
    text: *mut u8,
    text_bytes: usize,
) -> isize {
    // SAFETY: the caller's promise.
    let (file, scratch, text) = unsafe {
        (
            slice::from_raw_parts(file, file_bytes),
            slice::from_raw_parts_mut(scratch, scratch_bytes),
            slice::from_raw_parts_mut(text, text_bytes),
        )
    };
    let mut line = Line { text, length: 0 };
    let (result, sign) = match suite::run(file, scratch) {
        Ok(summary) => (write!(line, "{}: {summary}", back_end::current()), 1),
        Err(failure) => (write!(line, "{}: FAILED: {failure}", back_end::current()), -1),
    };
    // A text that was cut off is still of use.
    let _ = result;
    sign * line.length.cast_signed()
}

/// Recognises `count` images that lie one after the other; a digest of all logits (FNV-1a of their bytes,
/// little endian), or -1 where the model does not load.
///
/// # Safety
///
/// As for [`run_suite`]; at `images` are as many as `count` says, of the model's input size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recognize(
    model: *const u8,
    model_bytes: usize,
    scratch: *mut u8,
    scratch_bytes: usize,
    images: *const u8,
    count: usize,
) -> i64 {
    // SAFETY: the caller's promise.
    let (model, scratch) = unsafe {
        (slice::from_raw_parts(model, model_bytes), slice::from_raw_parts_mut(scratch, scratch_bytes))
    };
    let Ok(model) = Model::load(model) else { return -1 };
    let size = usize::from(model.input().height) * model.input().row();
    // SAFETY: the caller's promise.
    let images = unsafe { slice::from_raw_parts(images, size * count) };
    let Ok(mut recognizer) = Recognizer::new(&model, scratch) else { return -1 };
    let mut digest = 0x811c_9dc5_u32;
    for image in images.chunks_exact(size.max(1)) {
        for byte in recognizer.recognize(image).logits.iter().flat_map(|logit| logit.to_le_bytes()) {
            digest = (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
    digest.into()
}

/// Text in memory of fixed length; what does not fit is left out.
struct Line<'a> {
    text: &'a mut [u8],
    length: usize,
}

impl Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let free = self.text.get_mut(self.length..).unwrap_or_default();
        let fits = text.len().min(free.len());
        free[..fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.length += fits;
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
