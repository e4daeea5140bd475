//! The runtime as a WebAssembly module (`firmware/wasm`), run by Node.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::emulator::{cargo, output, root};

const TARGET: &str = "wasm32-unknown-unknown";

/// Builds the module in `directory`, with SIMD instructions or without; its path.
///
/// # Errors
///
/// What the compiler said.
pub fn build(simd: bool, directory: &Path) -> Result<PathBuf> {
    let mut cargo = cargo("firmware/wasm");
    cargo.args(["build", "--quiet", "--locked", "--profile", "wasm", "--target", TARGET]);
    let sign = if simd { '+' } else { '-' };
    cargo.arg("--config").arg(format!("build.rustflags=['-Ctarget-feature={sign}simd128']"));
    output(cargo.env("CARGO_TARGET_DIR", directory))?;
    Ok(directory.join(TARGET).join("wasm/tenfold_wasm.wasm"))
}

/// Runs the networks in a file; what became of them.
///
/// # Errors
///
/// Where a network's results were not as expected, or Node did not run.
pub fn suite(module: &Path, file: &Path) -> Result<String> {
    let text = node(&["suite".as_ref(), module.as_os_str(), file.as_os_str()])?;
    Ok(text.trim_end().to_owned())
}

fn node(arguments: &[&OsStr]) -> Result<String> {
    let mut node = Command::new("node");
    output(node.arg(root().join("tests/tools/wasm.mjs")).args(arguments)).context("the module in Node")
}
