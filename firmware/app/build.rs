//! Puts the model into `OUT_DIR` with its weights in the order that is best for the board's core.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tenfold_runtime::format::{self, Core};

fn main() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/nano/nano.postcard");
    println!("cargo::rerun-if-changed={}", path.display());
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let core = Core::of_target(&env::var("TARGET")?, &flags);
    let ordered =
        fs::read(&path).map_err(anyhow::Error::from).and_then(|file| Ok(format::reorder_for(&file, core)?));
    let ordered = ordered.with_context(|| path.display().to_string())?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("model.postcard"), ordered)?;
    Ok(())
}
