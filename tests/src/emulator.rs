//! The cores that the programs of `firmware/bench` are built for, and the machines that emulate them.
//!
//! [`CORES`] is the one table of them: a new core is a row of it, and a target in
//! `tests/tools/board-cargo` and `tests/run`.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A core, how to build for it and where to run the result.
#[derive(Debug)]
pub struct Core {
    /// What the benchmark, its budget, the tests and the documents call it.
    pub name: &'static str,
    /// The compiler's target.
    pub target: &'static str,
    /// The compiler's name for the processor, where the target does not tell.
    pub processor: Option<&'static str>,
    /// QEMU's program.
    pub emulator: &'static str,
    /// QEMU's machine, with whatever else it needs to start; `firmware/bench/build.rs` knows its memory.
    pub machine: &'static [&'static str],
    /// What runs there, in words.
    pub note: &'static str,
}

/// Every core that programs are tested and measured on.
pub const CORES: [Core; 6] = [
    Core {
        name: "cortex-m0",
        target: "thumbv6m-none-eabi",
        processor: None,
        emulator: "qemu-system-arm",
        // Large enough for any model, as no emulated machine with a Cortex-M0 is.
        machine: &["mps2-an386"],
        note: "ARMv6-M code on an emulated Cortex-M4, which executes the same instructions",
    },
    Core {
        name: "cortex-m4",
        target: "thumbv7em-none-eabihf",
        processor: None,
        emulator: "qemu-system-arm",
        machine: &["mps2-an386"],
        note: "Cortex-M4 of an emulated MPS2",
    },
    Core {
        name: "cortex-m7",
        target: "thumbv7em-none-eabihf",
        processor: Some("cortex-m7"),
        emulator: "qemu-system-arm",
        machine: &["mps2-an500"],
        note: "Cortex-M7 of an emulated MPS2",
    },
    Core {
        name: "cortex-m33",
        target: "thumbv8m.main-none-eabihf",
        processor: Some("cortex-m33"),
        emulator: "qemu-system-arm",
        machine: &["mps2-an505"],
        note: "Cortex-M33 with DSP of an emulated MPS2",
    },
    Core {
        name: "cortex-m55",
        target: "thumbv8m.main-none-eabihf",
        processor: Some("cortex-m55"),
        emulator: "qemu-system-arm",
        machine: &["mps3-an547"],
        note: "Cortex-M55 with Helium of an emulated MPS3",
    },
    Core {
        name: "riscv32imc",
        target: "riscv32imc-unknown-none-elf",
        processor: None,
        emulator: "qemu-system-riscv32",
        machine: &["virt", "-bios", "none"],
        note: "QEMU's RISC-V machine",
    },
];

/// Seconds after which a build or an emulation is ended.
const TIMEOUT: &str = "900";

impl Core {
    /// The core with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        CORES.iter().find(|core| core.name == name)
    }

    /// Builds programs of `firmware/bench`, with variables for its build script; their folder, in
    /// `directory`.
    ///
    /// # Errors
    ///
    /// What the compiler said.
    pub fn build(
        &self,
        programs: &[&str],
        variables: &[(&str, &OsStr)],
        directory: &Path,
    ) -> Result<PathBuf> {
        let mut cargo = cargo("firmware/bench");
        cargo.args(["build", "--quiet", "--locked", "--release", "--target", self.target]);
        cargo.args(programs.iter().flat_map(|program| ["--bin", program]));
        if let Some(processor) = self.processor {
            // By `cfg`, because cargo overlooks settings for a target whose name has a dot.
            let flags = format!(r#"target.'cfg(target_os="none")'.rustflags=["-Ctarget-cpu={processor}"]"#);
            cargo.args(["--config", &flags]);
        }
        cargo.envs(variables.iter().copied());
        output(cargo.env("CARGO_TARGET_DIR", directory))?;
        Ok(directory.join(self.target).join("release"))
    }

    /// Runs a program to its end, which must be a success; what it printed.
    ///
    /// # Errors
    ///
    /// What the program said where it failed.
    pub fn run(&self, program: &Path, plugin: Option<&str>) -> Result<String> {
        let mut emulator = bounded(Path::new(self.emulator));
        emulator.arg("-machine").args(self.machine);
        emulator.args(["-nographic", "-monitor", "none", "-serial", "null"]);
        emulator.args(["-semihosting-config", "enable=on,target=native"]);
        if let Some(plugin) = plugin {
            emulator.args(["-plugin", plugin]);
        }
        output(emulator.arg("-kernel").arg(program))
    }
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A cargo that builds for boards, in a folder of the repository.
pub(crate) fn cargo(folder: &str) -> Command {
    let mut cargo = bounded(&root().join("tests/tools/board-cargo"));
    // What whoever started this told cargo is not meant for the boards.
    for (name, _) in env::vars() {
        let is_of_cargo =
            name.starts_with("CARGO_") && name != "CARGO_HOME" && !name.starts_with("CARGO_NET_");
        if is_of_cargo || name.starts_with("TENFOLD_") || name == "RUSTFLAGS" {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(root().join(folder));
    cargo
}

/// A command that ends in time, with all that it started.
fn bounded(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg(TIMEOUT).arg(program);
    command
}

/// Runs a command that must succeed; its standard output.
///
/// # Errors
///
/// All that it wrote, where it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let name = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name}: 'tests/run --setup' installs what is missing"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, complaints) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{name}: {}\n{printed}{complaints}", output.status);
    Ok(printed)
}
