//! The benchmark, with few images: no figure is above its budget, and what it tells adds up.
//!
//! Needs QEMU and a compiler for the boards' targets; `tests/run --setup` sets both up. Where they
//! are missing these tests fail: they are never skipped.

use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;

/// Runs build programs of the same name in the same place.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Also builds and runs every core's program: their logits are those of the host.
#[test]
fn figures_are_within_budget() {
    println!("{}", benchmark(&["--check"]));
}

/// On the cores that are farthest from each other: one stores with vectors.
#[test]
fn layers_add_up() {
    for core in ["cortex-m55", "riscv32imc"] {
        let text = benchmark(&["--core", core, "--model", "nano", "--images", "2", "--json"]);
        let figures: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let figures = &figures[0];
        let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{value} in {text}"));
        let [mean, least, most] =
            ["mean", "least", "most"].map(|name| number(&figures["instructions"][name]));
        assert!(least <= mean && mean <= most, "{text}");

        let layers = figures["layers"].as_array().expect("layers");
        assert_eq!(layers.len(), 6, "{text}");
        let macs: u64 = layers.iter().map(|layer| number(&layer["macs"])).sum();
        assert_eq!(macs, number(&figures["macs"]), "{text}");
        for layer in layers {
            // A vector instruction multiplies sixteen times.
            assert!(number(&layer["instructions"]) > number(&layer["macs"]) / 16, "{layer} in {text}");
        }
        let in_layers: u64 = layers.iter().map(|layer| number(&layer["instructions"])).sum();
        assert!(in_layers < mean && in_layers * 10 > mean * 9, "{in_layers} of {mean} in layers: {text}");
    }
}

/// Runs the benchmark, which must succeed; what it printed.
fn benchmark(options: &[&str]) -> String {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut command = Command::new(env!("CARGO_BIN_EXE_benchmark"));
    let output = command.args(options).stdin(Stdio::null()).output().expect("the benchmark");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, progress) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{options:?}: {}\n{printed}{progress}", output.status);
    printed
}
