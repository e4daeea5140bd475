//! Turns the float ONNX file of the shipped model into burn code.

use std::path::Path;

// burn-import is the name under which users look for it; it now hands on to burn-onnx and says so.
#[allow(deprecated)]
use burn_import::onnx::ModelGen;

fn main() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/nano/nano.float.onnx");
    println!("cargo:rerun-if-changed={}", model.display());
    let Some(path) = model.to_str().filter(|_| model.is_file()) else {
        eprintln!("{} is missing; `trainer export` writes it", model.display());
        std::process::exit(1);
    };
    ModelGen::new().input(path).out_dir("model/").run_from_script();
}
