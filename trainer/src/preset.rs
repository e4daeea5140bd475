//! The networks that ship: configurations in TOML that a user can copy and edit.

use std::path::Path;

use anyhow::{Result, bail};

use crate::baseline::Method;
use crate::config::Config;

/// A configuration that ships with the trainer.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// What `train NAME` takes.
    pub name: &'static str,
    /// One line for the help.
    pub summary: &'static str,
    /// Whose recipe it is.
    pub recipe: Recipe,
    /// The TOML, as `train --show NAME` prints it.
    pub toml: &'static str,
}

/// Whose idea of how to train a preset is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Recipe {
    /// Tenfold's.
    Ours,
    /// That of the network's authors, so that their figures can be compared with ours.
    Authors {
        /// Accuracy on the test set that they report, in percent, from the least to the most; none where
        /// they give no figure.
        reported: Option<[f64; 2]>,
    },
}

/// A preset from the file of its name.
macro_rules! preset {
    ($name:literal, $recipe:expr, $summary:literal) => {
        Preset {
            name: $name,
            summary: $summary,
            recipe: $recipe,
            toml: include_str!(concat!("../presets/", $name, ".toml")),
        }
    };
}

const fn reported(least: f64, most: f64) -> Recipe {
    Recipe::Authors { reported: Some([least, most]) }
}

use Recipe::Ours;

/// All presets; the first is the default.
pub const PRESETS: &[Preset] = &[
    preset!(
        "nano",
        Ours,
        "5 narrow convolutions with batch norm; 9,992 bytes of weights, 0.4 M MACs (default)"
    ),
    preset!("pico", Ours, "nano with 8, 4 and 2 bits a weight; 2,984 bytes of weights"),
    preset!("nano-4bit", Ours, "7 narrow convolutions, 4 bits a weight; 11,812 bytes of weights, 0.5 M MACs"),
    preset!(
        "micro",
        Ours,
        "6 convolutions for parts with 128 KB of flash; 60,240 bytes of weights, 2.6 M MACs"
    ),
    preset!("keras-cnn", Ours, "the tutorials' CNN: 3 convolutions, 2 dense; 130,890 parameters, 2.8 M MACs"),
    preset!("lenet5", Ours, "LeNet-5 with ReLU and max-pool; 44,426 parameters, 0.28 M MACs"),
    preset!("keras-cnn-rmsprop", reported(99.14, 99.19), "keras-cnn: RMSProp, 10 epochs; 99.14 to 99.19 %"),
    preset!(
        "ultimate",
        reported(99.47, 99.47),
        "5x5x64, 5x5x32, dense 1024, batch norm; 99.47 % after 210,000 steps"
    ),
    preset!(
        "ultimate-v2",
        reported(99.37, 99.37),
        "half as wide (layers are ours); 99.37 % after 257,000 steps"
    ),
    preset!(
        "baseline",
        Recipe::Authors { reported: None },
        "a quarter as wide, no batch norm (layers are ours)"
    ),
    preset!(
        "lenet-vanilla",
        reported(97.25, 97.25),
        "LeNet-5 with tanh and average-pool, pixels in [0, 1]; 97.25 %"
    ),
    preset!("lenet-normalized", reported(97.98, 97.98), "the same, pixels in [-1, 1]; 97.98 %"),
    preset!("lenet-batch64", reported(98.36, 98.36), "the same in batches of 64; 98.36 %"),
    preset!("lenet-batch32", reported(98.48, 98.48), "the same in batches of 32; 98.48 %"),
    preset!("lenet-lr5e-4", reported(98.73, 98.73), "the same at a learning rate of 5e-4; 98.73 %"),
    preset!("deeper", reported(99.05, 99.05), "3 convolutions, dense 100; Adam; 99.05 %"),
    preset!("deeper-sgd", reported(99.2, 99.2), "the same with momentum; 99.2 %"),
    preset!("mlp-128-32", reported(97.83, 97.83), "dense 128, 32; Adagrad, 15,000 steps; 97.83 %"),
    preset!("mlp-256", reported(97.77, 98.0), "dense 256; RMSProp, 10 epochs; 97.77 to 98.0 %"),
    preset!("mlp-128-128", reported(96.62, 96.62), "dense 128, 128 over images of norm 1; Adam; 96.62 %"),
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
        if Method::ALL.iter().any(|(name, _)| *name == name_or_path) {
            bail!("{name_or_path}: no network; `trainer baseline {name_or_path}` fits it");
        }
        if name_or_path == "vote3" {
            bail!("vote3: no network; `trainer evaluate A B C` lets three models vote");
        }
        let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        bail!(
            "{name_or_path}: neither a preset ({}) nor a file; \
             `trainer train --show nano > my.toml` writes a file to start from",
            names.join(", ")
        );
    }
    Config::read(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Augmentation;

    #[test]
    fn every_preset_is_valid_and_named_after_itself() {
        for preset in PRESETS {
            let config = resolve(preset.name).unwrap();
            assert_eq!(config.name, preset.name);
            let again = Config::parse(&config.to_toml().unwrap(), "again").unwrap();
            assert_eq!(config, again);
        }
    }

    #[test]
    fn recipes_of_others_do_nothing_of_ours() {
        for preset in PRESETS.iter().filter(|preset| preset.recipe != Ours) {
            let Config { training, augmentation, .. } = resolve(preset.name).unwrap();
            assert_eq!((training.label_smoothing, training.warmup_steps, training.ema), (0.0, 0, 0.0));
            assert_eq!(training.weight_decay(), 0.0, "{}", preset.name);
            let Augmentation { shift, scale, elastic, .. } = augmentation;
            assert_eq!([shift, scale, elastic], [0.0; 3], "{}", preset.name);
            assert!(preset.toml.starts_with(&format!("# {}: ", preset.name)), "{}", preset.name);
        }
    }

    #[test]
    fn a_name_that_is_nothing_lists_the_presets() {
        let message = resolve("nanno").unwrap_err().to_string();
        assert!(message.contains("nanno") && message.contains("keras-cnn"), "{message}");
    }
}
