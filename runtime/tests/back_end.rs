//! The choice of the kernels' back end by the build script, for targets and flags of every kind.

#[allow(dead_code, reason = "the script as cargo runs it")]
#[path = "../build.rs"]
mod build;

use build::Target;

/// A target, with its flags as a person writes them.
fn target(name: &str, flags: &str) -> Target {
    let [architecture, system] = match name.split_once('-') {
        Some((start, _)) if start.starts_with("thumb") => ["arm", "none"],
        Some((start, rest)) => [start, if rest.contains("linux") { "linux" } else { "none" }],
        None => panic!("{name} is no target"),
    };
    Target {
        name: name.into(),
        architecture: architecture.into(),
        system: system.into(),
        abi: if name.ends_with("eabihf") { "eabihf".into() } else { "eabi".into() },
        features: if flags.contains("+simd128") { "crt-static,simd128".into() } else { "crt-static".into() },
        flags: flags.replace(' ', "\x1f"),
    }
}

#[test]
fn the_back_end_is_the_fastest_of_the_target() {
    for (name, flags, expected) in [
        ("thumbv6m-none-eabi", "", "armv6m"),
        ("thumbv7m-none-eabi", "", "portable"),
        ("thumbv7em-none-eabi", "", "armv7em"),
        ("thumbv7em-none-eabihf", "-Ctarget-cpu=cortex-m7", "armv7em"),
        ("thumbv7em-none-eabihf", "-Ctarget-feature=-dsp", "portable"),
        ("thumbv8m.base-none-eabi", "", "portable"),
        ("riscv32imc-unknown-none-elf", "", "rv32im"),
        ("riscv32i-unknown-none-elf", "", "portable"),
        ("wasm32-unknown-unknown", "-Ctarget-feature=+simd128", "wasm32"),
        ("wasm32-unknown-unknown", "", "portable"),
        ("x86_64-unknown-linux-gnu", "-Ctarget-cpu=native", "x86_64"),
        ("x86_64-unknown-none", "", "portable"),
        ("aarch64-unknown-linux-gnu", "", "portable"),
    ] {
        assert_eq!(target(name, flags).natural(), expected, "{name} {flags}");
    }
}

#[test]
fn of_armv8_m_the_flags_tell() {
    let m55 = "-Ctarget-cpu=cortex-m55";
    for (flags, expected) in [
        ("".to_owned(), "portable"),
        ("-Ctarget-cpu=cortex-m33".to_owned(), "armv7em"),
        ("-C target-cpu=cortex-m35p".to_owned(), "armv7em"),
        ("-Ctarget-cpu=cortex-m33 -Ctarget-feature=-dsp".to_owned(), "portable"),
        ("-Ctarget-cpu=cortex-m33 -C target-feature=-fp64,-dsp -Clto".to_owned(), "portable"),
        ("-Ctarget-cpu=cortex-m33 -Ctarget-feature=-dsp,+dsp".to_owned(), "armv7em"),
        ("-Ctarget-cpu=cortex-m33 -Ctarget-feature=-dsp -Ctarget-feature=+dsp".to_owned(), "armv7em"),
        ("-Ctarget-feature=+dsp -Ctarget-cpu=cortex-m33 -Ctarget-feature=-dsp".to_owned(), "portable"),
        ("-Ctarget-cpu=cortex-m33 -Ctarget-cpu=cortex-m23".to_owned(), "portable"),
        (m55.to_owned(), "armv81m"),
        ("-Copt-level=3 -Ctarget-cpu=cortex-m85 -Clto".to_owned(), "armv81m"),
        (format!("-Ctarget-cpu=cortex-m33 {m55}"), "armv81m"),
        (format!("{m55} -Ctarget-feature=-mve"), "armv7em"),
        (format!("{m55} -Ctarget-feature=-mve.fp"), "armv7em"),
        (format!("{m55} --codegen=target-feature=-mve -Ctarget-feature=+fp64,+mve"), "armv81m"),
        (format!("{m55} -Ctarget-feature=-dsp"), "portable"),
    ] {
        assert_eq!(target("thumbv8m.main-none-eabihf", &flags).natural(), expected, "{flags}");
    }
    assert_eq!(target("thumbv8m.main-none-eabi", m55).natural(), "armv7em");
}

/// What is forced for a board is not for the host, whose runtime the board's build script uses.
#[test]
fn a_back_end_is_for_its_architecture() {
    let m4 = target("thumbv7em-none-eabihf", "");
    let host = target("x86_64-unknown-linux-gnu", "");
    for (back_end, on_m4, on_host) in [
        ("portable", true, true),
        ("armv6m", true, false),
        ("armv7em", true, false),
        ("x86_64", false, true),
        ("wasm32", false, false),
    ] {
        assert_eq!((m4.has(back_end), host.has(back_end)), (on_m4, on_host), "{back_end}");
    }
}
