//! The ranges of a configuration's values.

use anyhow::{Result, bail, ensure};

use super::training::{MAX_EPOCHS, learning_rate};
use super::{Augmentation, Config, Distillation, Ensemble};
use crate::files::reserved_ending;

impl Config {
    /// Checks every value that does not need the shapes of the network.
    ///
    /// # Errors
    ///
    /// Names the first key whose value is out of range, the value, and the range.
    pub fn check(&self) -> Result<()> {
        let name_fits = !self.name.is_empty()
            && self.name.len() <= 64
            && self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && !self.name.starts_with(['.', '-']);
        ensure!(
            name_fits,
            "name = {:?}: expected 1 to 64 letters, digits, '-', '_' or '.', not starting with '.' or '-' (it names files)",
            self.name
        );
        if let Some(ending) = reserved_ending(&self.name) {
            bail!(
                "name = {:?}: expected a name that does not end in {ending:?}, by which the files of one model are \
                 told apart",
                self.name
            );
        }
        ensure!(
            i64::try_from(self.seed).is_ok(),
            "seed = {}: expected at most {}, the largest number of a TOML file",
            self.seed,
            i64::MAX
        );
        self.data.check()?;
        self.training.check()?;
        ensure!(
            self.quantization.qat_epochs <= MAX_EPOCHS,
            "[quantization] qat_epochs = {}: expected at most {MAX_EPOCHS}",
            self.quantization.qat_epochs
        );
        learning_rate("[quantization] qat_learning_rate", self.quantization.qat_learning_rate)?;
        self.augmentation.check("[augmentation]")?;
        self.distillation.as_ref().map_or(Ok(()), Distillation::check)?;
        self.ensemble.as_ref().map_or(Ok(()), Ensemble::check)?;
        check_bits("[quantization] bits", self.quantization.bits)?;
        ensure!(
            self.quantization.calibration_images > 0,
            "[quantization] calibration_images = 0: expected at least 1"
        );
        Ok(())
    }
}

impl Augmentation {
    /// Checks every bound; `section` is where they stand.
    ///
    /// # Errors
    ///
    /// Names the first bound that is out of range, its value, and the range.
    pub(crate) fn check(&self, section: &str) -> Result<()> {
        for (key, value, most) in [
            ("rotation", self.rotation, 180.0),
            ("shift", self.shift, 1000.0),
            ("scale", self.scale, 0.9),
            ("shear", self.shear, 10.0),
            ("elastic", self.elastic, 1000.0),
            ("thickness", self.thickness, 5.0),
            ("noise", self.noise, 255.0),
        ] {
            ensure!((0.0..=most).contains(&value), "{section} {key} = {value:?}: expected 0 to {most}");
        }
        ensure!(
            (1.0..=1000.0).contains(&self.elastic_grid),
            "{section} elastic_grid = {:?}: expected 1 to 1000 pixels",
            self.elastic_grid
        );
        Ok(())
    }
}

/// Refuses a number of bits that the runtime has no kernel for.
pub(crate) fn check_bits(key: &str, bits: u8) -> Result<()> {
    ensure!(matches!(bits, 8 | 4 | 2), "{key} = {bits}: expected 8, 4 or 2");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_named() {
        let config = crate::preset::resolve("nano").unwrap();
        type Change = fn(&mut Config);
        let cases: [(Change, &str); 9] = [
            (|config| config.name = "a.golden".to_owned(), "name = \"a.golden\""),
            (|config| config.name = "a.cortex-m4".to_owned(), "does not end in \".cortex-m4\""),
            (|config| config.seed = u64::MAX, "seed = 18446744073709551615"),
            (|config| config.training.epochs = Some(0), "[training] epochs = 0: expected 1 to 100000"),
            (|config| config.training.epochs = Some(usize::MAX), "[training] epochs"),
            (|config| config.quantization.qat_epochs = usize::MAX, "[quantization] qat_epochs"),
            (|config| config.training.learning_rate = 1e300, "learning_rate = 1e300: expected 1e-9 to 10"),
            (|config| config.training.learning_rate = f64::NAN, "learning_rate = NaN"),
            (|config| config.training.beta1 = Some(-1e300), "beta1 = -1e300"),
        ];
        for (change, expected) in cases {
            let mut config = config.clone();
            change(&mut config);
            let message = config.check().unwrap_err().to_string();
            assert!(message.contains(expected) && message.len() < 200, "{message}");
        }
        config.check().unwrap();
    }
}
