//! The instruction counter: a plugin for QEMU, and what it writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tenfold_tests::emulator::{Core, output, root};

/// The plugin, built for the emulator that is installed here.
#[derive(Debug)]
pub(crate) struct Counter {
    plugin: PathBuf,
    counts: PathBuf,
    /// QEMU's version.
    pub(crate) emulator: String,
}

impl Counter {
    /// Compiles the plugin into `directory`.
    pub(crate) fn new(directory: &Path) -> Result<Self> {
        let text = output(Command::new("qemu-system-arm").arg("--version"))?;
        let emulator = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let emulator = emulator.with_context(|| format!("no version in {text:?}"))?.to_owned();
        let major: u32 = emulator.split('.').next().unwrap_or_default().parse().context(text)?;
        let plugin = directory.join("count.so");
        let interface = if major < 9 { "-DAPI=1" } else { "-DAPI=4" };
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-shared", "-fPIC", "-fvisibility=hidden", interface, "-o"]).arg(&plugin);
        output(compiler.arg(root().join("tests/tools/count-instructions.c")))?;
        Ok(Self { plugin, counts: directory.join("counts"), emulator })
    }

    /// Runs a program; what it printed, and the instructions of each region that it marked: all of them,
    /// then those up to a store into each area, where there are any.
    pub(crate) fn run(&self, core: &Core, program: &Path, areas: &[u64]) -> Result<(String, Vec<Vec<u64>>)> {
        let mut plugin = format!("file={},out={}", self.plugin.display(), self.counts.display());
        if !areas.is_empty() {
            let areas: Vec<String> = areas.iter().map(u64::to_string).collect();
            plugin += &format!(",areas={}", areas.join(":"));
        }
        let printed = core.run(program, Some(&plugin))?;
        let counts = fs::read_to_string(&self.counts)?;
        let numbers = |line: &str| line.split(' ').map(str::parse).collect();
        let counts: Result<Vec<Vec<u64>>, _> = counts.lines().map(numbers).collect();
        let counts = counts.context("what the plugin counted")?;
        ensure!(!counts.is_empty(), "{}: no region is marked", program.display());
        Ok((printed, counts))
    }
}
