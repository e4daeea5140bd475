//! The runtime's first promise, "no panic", as a proof by the linker: see `tests/panic-free`.

use std::path::Path;
use std::process::Command;

#[test]
fn the_linker_finds_no_panic_in_the_runtime() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("panic-free");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("panic-free");
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--quiet", "--target-dir"])
        .arg(&target)
        .current_dir(&package)
        // Flags of the outer build must not reach this one.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo starts");
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(
        !messages.contains("tenfold_runtime_can_panic"),
        "a call into the runtime can panic:\n{messages}"
    );
    assert!(output.status.success(), "tests/panic-free does not build:\n{messages}");
}
