//! What other engines take for the same networks: `tests/peers.toml`, measured elsewhere.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;
use tenfold_tests::emulator::root;

/// The engine that the first table compares with.
pub(crate) const MAIN: &str = "CMSIS-NN";

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peers {
    engine: Vec<Engine>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Engine {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Of one inference, by network, then by core.
    instructions: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Peers {
    /// Reads the file.
    pub(crate) fn read() -> Result<Self> {
        let path = root().join("tests/peers.toml");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Engines, best known first.
    pub(crate) fn engines(&self) -> &[Engine] {
        &self.engine
    }

    /// What the main engine takes.
    pub(crate) fn main(&self, network: &str, core: &str) -> Option<u64> {
        self.engine.iter().find(|engine| engine.name == MAIN)?.instructions(network, core)
    }
}

impl Engine {
    /// What it takes, where that was measured.
    pub(crate) fn instructions(&self, network: &str, core: &str) -> Option<u64> {
        self.instructions.get(network)?.get(core).copied()
    }
}
