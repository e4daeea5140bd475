//! Chooses the kernels' back end from the target.
//!
//! Cargo tells a crate neither that a Cortex-M has the DSP extension (`target_feature = "dsp"` is
//! unstable) nor the name of its target; a build script is told both the name and the flags.
//! `TENFOLD_BACK_END` overrules the choice, to measure one back end against another.

use std::env;
use std::process::exit;

/// The back ends, as `kernel/mod.rs` knows them.
const BACK_ENDS: [&str; 2] = ["portable", "armv7em"];

fn main() {
    println!("cargo::rerun-if-env-changed=TENFOLD_BACK_END");
    println!(r#"cargo::rustc-check-cfg=cfg(back_end, values("portable", "armv7em"))"#);
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
}

/// The fastest back end that every core of the target can run.
fn natural() -> &'static str {
    let target = target();
    if target.starts_with("thumbv7em-") || (target.starts_with("thumbv8m.main-") && flags_name_a_dsp_core()) {
        "armv7em"
    } else {
        "portable"
    }
}

/// In ARMv8-M the DSP extension is optional: only a named core tells.
fn flags_name_a_dsp_core() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let core = flags.split_once("target-cpu=").map(|(_, rest)| rest.split('\x1f').next().unwrap_or(rest));
    matches!(core, Some("cortex-m33" | "cortex-m35p" | "cortex-m55" | "cortex-m85"))
}

fn target() -> String {
    env::var("TARGET").unwrap_or_default()
}
