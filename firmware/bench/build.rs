//! Puts the model, the images and the logits that the host's runtime computes from them into
//! `OUT_DIR`, so that the program on the board can check every answer that it is timed for.
//!
//! `TENFOLD_MODEL` names the model file (default: `models/nano`), `TENFOLD_IMAGES` says how many
//! of the MNIST test images to take (default: 100), `TENFOLD_SUITE` names a file of networks for
//! `suite` (default: none). The model's weights are put in the order that is best for the core, unless
//! `TENFOLD_ORDER` is `file`: then they are left in the order of the file.

use std::env;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use tenfold_runtime::format::{self, Core};
use tenfold_runtime::{Model, Recognizer};

fn main() -> Result<()> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let model_path =
        variable("TENFOLD_MODEL").map_or_else(|| repository.join("models/nano/nano.postcard"), PathBuf::from);
    let count: usize = match variable("TENFOLD_IMAGES") {
        Some(count) => count.parse().context("TENFOLD_IMAGES is not a number")?,
        None => 100,
    };
    let data = repository.join("trainer/data/mnist/t10k-images-idx3-ubyte.gz");
    println!("cargo::rerun-if-changed={}", model_path.display());
    println!("cargo::rerun-if-changed={}", data.display());

    let file = ordered(fs::read(&model_path).with_context(|| model_path.display().to_string())?)
        .with_context(|| model_path.display().to_string())?;
    // Aligned, as the loader asks for.
    let mut words = vec![0_u64; file.len().div_ceil(size_of::<u64>())];
    let (bytes, _) = bytemuck::cast_slice_mut::<_, u8>(&mut words).split_at_mut(file.len());
    bytes.copy_from_slice(&file);
    let model = Model::load(bytes).with_context(|| model_path.display().to_string())?;
    let size = model.input().row() * usize::from(model.input().height);
    let images = test_images(&data, count, size).with_context(|| data.display().to_string())?;

    let mut scratch = vec![0_u64; model.scratch_bytes().div_ceil(size_of::<u64>())];
    let mut recognizer = Recognizer::new(&model, bytemuck::cast_slice_mut(&mut scratch))?;
    let logits: Vec<u8> = images
        .chunks_exact(size)
        .flat_map(|image| recognizer.recognize(image).logits)
        .flat_map(i32::to_le_bytes)
        .collect();

    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("model.postcard"), &file)?;
    fs::write(out.join("images"), images)?;
    fs::write(out.join("logits"), logits)?;
    let suite = match variable("TENFOLD_SUITE") {
        Some(path) => {
            println!("cargo::rerun-if-changed={path}");
            fs::read(&path).context(path)?
        }
        // No networks at all.
        None => 0_u32.to_le_bytes().into(),
    };
    fs::write(out.join("suite"), suite)?;
    link_for_machine(&repository.join("firmware/bench/memory"), &out)
}

/// Puts the memory of the machine that the core is emulated on where the linker finds it.
fn link_for_machine(memories: &Path, out: &Path) -> Result<()> {
    let target = env::var("TARGET")?;
    let machine = match env::var("CARGO_ENCODED_RUSTFLAGS") {
        Ok(flags) if flags.contains("target-cpu=cortex-m55") => "mps3-an547",
        _ if target.starts_with("thumbv8m.main-") => "mps2-an505",
        _ if target.starts_with("riscv32") => "virt",
        _ => "mps2",
    };
    let memory = memories.join(machine).with_extension("x");
    println!("cargo::rerun-if-changed={}", memory.display());
    fs::copy(&memory, out.join("memory.x")).with_context(|| memory.display().to_string())?;
    println!("cargo::rustc-link-search={}", out.display());
    Ok(())
}

/// The model with its weights as the core wants them.
fn ordered(file: Vec<u8>) -> Result<Vec<u8>> {
    match variable("TENFOLD_ORDER").as_deref() {
        None => {
            let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
            let core = Core::of_target(&env::var("TARGET")?, &flags);
            Ok(format::reorder_for(&file, core)?)
        }
        Some("file") => Ok(file),
        Some(other) => bail!("TENFOLD_ORDER is {other:?}, expected \"file\" or nothing"),
    }
}

fn variable(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var(name).ok()
}

/// The first `count` images of an IDX file.
fn test_images(path: &Path, count: usize, size: usize) -> Result<Vec<u8>> {
    if count == 0 {
        // Of whatever size: the model may be one for other images.
        return Ok(Vec::new());
    }
    let mut idx = GzDecoder::new(File::open(path)?);
    let mut header = [[0; 4]; 4];
    for field in &mut header {
        idx.read_exact(field)?;
    }
    let [_, stored, height, width] = header.map(u32::from_be_bytes).map(|field| field as usize);
    if height * width != size || stored < count {
        bail!("{count} images of {size} pixels wanted, {stored} of {height}x{width} found");
    }
    let mut images = vec![0; count * size];
    idx.read_exact(&mut images)?;
    Ok(images)
}
