//! The checksums of the MNIST files that the repository carries.
//!
//! They are of the *uncompressed* files, so a recompressed copy still passes. Every known mirror
//! of MNIST has these sums.

/// File name without `.gz`, and SHA-256 of the uncompressed bytes.
pub(super) const MNIST: [(&str, &str); 4] = [
    ("train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    ("train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    ("t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    ("t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
];

/// The sum that a file of the shipped MNIST must have, by its name with or without `.gz`.
pub(super) fn expected_sum(file_name: &str) -> Option<&'static str> {
    let plain = file_name.strip_suffix(".gz").unwrap_or(file_name);
    MNIST.iter().find(|(name, _)| *name == plain).map(|(_, sum)| *sum)
}
