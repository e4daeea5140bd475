//! Chooses the kernels' back end from the target.
//!
//! Cargo tells a crate neither that a Cortex-M has the DSP extension (`target_feature = "dsp"` is
//! unstable) nor the name of its target; a build script is told both the name and the flags.
//! `TENFOLD_BACK_END` overrules the choice, to measure one back end against another.

use std::env;
use std::process::exit;

/// The back ends, as `kernel/mod.rs` knows them, and the architecture that each is for.
const BACK_ENDS: [(&str, Option<&str>); 7] = [
    ("portable", None),
    ("armv6m", Some("arm")),
    ("armv7em", Some("arm")),
    ("armv81m", Some("arm")),
    ("rv32im", Some("riscv32")),
    ("wasm32", Some("wasm32")),
    ("x86_64", Some("x86_64")),
];

fn main() {
    let names = BACK_ENDS.map(|(name, _)| name);
    println!("cargo::rerun-if-env-changed=TENFOLD_BACK_END");
    println!(r#"cargo::rustc-check-cfg=cfg(back_end, values("{}"))"#, names.join(r#"", ""#));
    let target = Target {
        name: variable("TARGET"),
        architecture: variable("CARGO_CFG_TARGET_ARCH"),
        system: variable("CARGO_CFG_TARGET_OS"),
        abi: variable("CARGO_CFG_TARGET_ABI"),
        features: variable("CARGO_CFG_TARGET_FEATURE"),
        flags: variable("CARGO_ENCODED_RUSTFLAGS"),
    };
    let back_end = match env::var("TENFOLD_BACK_END") {
        Ok(forced) if !names.contains(&forced.as_str()) => {
            println!("cargo::error=TENFOLD_BACK_END is {forced:?}, expected one of {names:?}");
            exit(1);
        }
        Ok(forced) if target.has(&forced) => forced,
        Ok(forced) if target.name != variable("HOST") => {
            println!("cargo::error=TENFOLD_BACK_END is {forced:?}, which is not for {}", target.name);
            exit(1);
        }
        // What is meant for a board reaches the runtime of its build script, too, which keeps its own.
        _ => target.natural().into(),
    };
    println!("cargo::rustc-cfg=back_end=\"{back_end}\"");
    println!("cargo::rustc-check-cfg=cfg(armv8m)");
    if target.name.starts_with("thumbv8m.main-") {
        println!("cargo::rustc-cfg=armv8m");
    }
    if back_end == "armv81m" {
        // It leaves to the other what it does no better.
        println!("cargo::rustc-cfg=back_end=\"armv7em\"");
    }
    println!("cargo::rustc-env=TENFOLD_CHOSEN_BACK_END={back_end}");
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// What cargo says of a target.
pub(crate) struct Target {
    /// As rustc calls it.
    pub(crate) name: String,
    pub(crate) architecture: String,
    pub(crate) system: String,
    pub(crate) abi: String,
    /// Those that rustc lets a crate ask for.
    pub(crate) features: String,
    /// What rustc is given, separated by 0x1f.
    pub(crate) flags: String,
}

impl Target {
    /// Whether a back end is for this architecture.
    pub(crate) fn has(&self, back_end: &str) -> bool {
        let is_this = |&(name, architecture): &(&str, Option<&str>)| {
            name == back_end && architecture.is_none_or(|architecture| architecture == self.architecture)
        };
        BACK_ENDS.iter().any(is_this)
    }

    /// The fastest back end that every core of the target can run.
    pub(crate) fn natural(&self) -> &'static str {
        let is = |start| self.name.starts_with(start);
        if is("thumbv6m-") {
            return "armv6m";
        }
        if is("riscv32im") {
            return "rv32im";
        }
        if is("x86_64-") && self.system != "none" {
            return "x86_64";
        }
        if is("wasm32") {
            // A module that has the instructions runs nowhere without them: whoever builds it says so.
            let has_vectors = self.features.split(',').any(|one| one == "simd128");
            return if has_vectors { "wasm32" } else { "portable" };
        }
        // In Armv8-M both extensions, DSP and Helium, are optional: only a named core tells.
        let (has_dsp, has_helium) = match self.processor() {
            _ if is("thumbv7em-") => (true, false),
            _ if !is("thumbv8m.main-") => (false, false),
            Some("cortex-m55" | "cortex-m85") => (true, true),
            Some("cortex-m33" | "cortex-m35p") => (true, false),
            _ => (false, false),
        };
        // A core may have been made without what its kind can have. Helium needs the other one.
        if !has_dsp || !self.keeps("dsp") {
            return "portable";
        }
        // Its registers are those of the floating-point unit, which code for another ABI may leave switched off.
        let has_helium = has_helium && self.keeps("mve") && self.keeps("mve.fp") && self.abi == "eabihf";
        if has_helium { "armv81m" } else { "armv7em" }
    }

    /// The processor that the flags name last.
    fn processor(&self) -> Option<&str> {
        self.options("target-cpu=").last()
    }

    /// Whether the last of the flags that names a feature, if any does, switches it on.
    fn keeps(&self, feature: &str) -> bool {
        let named = self.options("target-feature=").flat_map(|list| list.split(','));
        let signs = named.filter_map(|one| Some(one.strip_suffix(feature)?.trim()));
        signs.filter(|sign| matches!(*sign, "+" | "-")).last() != Some("-")
    }

    /// The values of an option of the compiler's code generator: `-Cname=value`, in one word or in two.
    fn options<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let flags = self.flags.split('\x1f');
        flags.filter_map(move |flag| {
            let option = flag.strip_prefix("-C").or_else(|| flag.strip_prefix("--codegen=")).unwrap_or(flag);
            option.trim().strip_prefix(name)
        })
    }
}
