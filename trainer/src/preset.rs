//! The networks that ship: configurations in TOML that a user can copy and edit.

use std::path::Path;

use anyhow::{Result, bail};

use crate::config::Config;

/// A configuration that ships with the trainer.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// What `train NAME` takes.
    pub name: &'static str,
    /// One line for the help.
    pub summary: &'static str,
    /// The TOML, as `train --show NAME` prints it.
    pub toml: &'static str,
}

/// All presets; the first is the default.
pub const PRESETS: [Preset; 3] = [
    Preset {
        name: "nano",
        summary: "5 narrow convolutions with batch norm; 9,992 bytes of weights, 0.4 M MACs (default)",
        toml: include_str!("../presets/nano.toml"),
    },
    Preset {
        name: "keras-cnn",
        summary: "the tutorials' CNN: 3 convolutions, 2 dense; 130,890 parameters, 2.8 M MACs",
        toml: include_str!("../presets/keras-cnn.toml"),
    },
    Preset {
        name: "lenet5",
        summary: "LeNet-5 with ReLU and max-pool; 44,426 parameters, 0.28 M MACs",
        toml: include_str!("../presets/lenet5.toml"),
    },
];

/// The preset of that name.
pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// The configuration that `train NAME-OR-FILE` means: a preset's name, else a file.
///
/// # Errors
///
/// Where it is neither, or not a valid configuration.
pub fn resolve(name_or_path: &str) -> Result<Config> {
    if let Some(preset) = find(name_or_path) {
        return Config::parse(preset.toml, &format!("preset {}", preset.name));
    }
    let path = Path::new(name_or_path);
    if !path.exists() {
        let names = PRESETS.map(|preset| preset.name).join(", ");
        bail!(
            "{name_or_path}: neither a preset ({names}) nor a file; \
             `trainer train --show nano > my.toml` writes a file to start from"
        );
    }
    Config::read(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_named_after_itself() {
        for preset in &PRESETS {
            let config = resolve(preset.name).unwrap();
            assert_eq!(config.name, preset.name);
            let again = Config::parse(&config.to_toml().unwrap(), "again").unwrap();
            assert_eq!(config, again);
        }
    }

    #[test]
    fn a_name_that_is_nothing_lists_the_presets() {
        let message = resolve("nanno").unwrap_err().to_string();
        assert!(message.contains("nanno") && message.contains("keras-cnn"), "{message}");
    }
}
