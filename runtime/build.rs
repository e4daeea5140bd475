//! Chooses the kernels' back end from the target.
//!
//! Cargo tells a crate neither that a Cortex-M has the DSP extension (`target_feature = "dsp"` is
//! unstable) nor the name of its target; a build script is told both the name and the flags.
//! `TENFOLD_BACK_END` overrules the choice, to measure one back end against another.

use std::env;
use std::process::exit;

/// The back ends, as `kernel/mod.rs` knows them.
const BACK_ENDS: [&str; 7] = ["portable", "armv6m", "armv7em", "armv81m", "rv32im", "wasm32", "x86_64"];

fn main() {
    println!("cargo::rerun-if-env-changed=TENFOLD_BACK_END");
    println!(r#"cargo::rustc-check-cfg=cfg(back_end, values("{}"))"#, BACK_ENDS.join(r#"", ""#));
    let back_end = match env::var("TENFOLD_BACK_END") {
        Ok(forced) if BACK_ENDS.contains(&forced.as_str()) => forced,
        Ok(forced) => {
            println!("cargo::error=TENFOLD_BACK_END is {forced:?}, expected one of {BACK_ENDS:?}");
            exit(1);
        }
        Err(_) => natural().into(),
    };
    println!("cargo::rustc-cfg=back_end=\"{back_end}\"");
    println!("cargo::rustc-check-cfg=cfg(armv8m)");
    if target().starts_with("thumbv8m.main-") {
        println!("cargo::rustc-cfg=armv8m");
    }
    if back_end == "armv81m" {
        // It leaves to the other what it does no better.
        println!("cargo::rustc-cfg=back_end=\"armv7em\"");
    }
    println!("cargo::rustc-env=TENFOLD_CHOSEN_BACK_END={back_end}");
}

/// The fastest back end that every core of the target can run.
fn natural() -> &'static str {
    let target = target();
    if target.starts_with("thumbv7em-") {
        return "armv7em";
    }
    if target.starts_with("thumbv6m-") {
        return "armv6m";
    }
    if target.starts_with("riscv32im") {
        return "rv32im";
    }
    if target.starts_with("x86_64-") && env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os != "none") {
        return "x86_64";
    }
    if target.starts_with("wasm32") {
        // A module that has the instructions runs nowhere without them: whoever builds it says so.
        let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
        return if features.split(',').any(|one| one == "simd128") { "wasm32" } else { "portable" };
    }
    if !target.starts_with("thumbv8m.main-") {
        return "portable";
    }
    // In Armv8-M both extensions, DSP and Helium, are optional: only a named core tells.
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let core = flags.split_once("target-cpu=").map(|(_, rest)| rest.split('\x1f').next().unwrap_or(rest));
    match core {
        Some("cortex-m55" | "cortex-m85") => "armv81m",
        Some("cortex-m33" | "cortex-m35p") => "armv7em",
        _ => "portable",
    }
}

fn target() -> String {
    env::var("TARGET").unwrap_or_default()
}
