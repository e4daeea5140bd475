//! What the programs may take: `tests/budget.toml`, checked by a test and written by `--bless`.

use core::fmt::Write;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tenfold_tests::emulator::root;

use crate::measure::Figures;

/// Growth that is let pass, in percent.
const TOLERANCE: u64 = 1;

const HEADER: &str = "\
# What the boards' programs may take. A test fails when a figure grows by more than 1 %.
# Written by: cargo run --release -p tenfold-tests --bin benchmark -- --bless
#
# instructions: of one inference, mean over the first `images` MNIST test images
# load: instructions to load and check the model where a program does that when it runs, once
# code: bytes of flash without the model, which the compiler has verified
# loading_code: the same where the program loads the model when it runs
# ram: bytes of scratch, peak stack and other statics

";

/// The file.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Budget {
    /// What compiled the programs.
    pub(crate) compiler: String,
    /// MNIST test images to measure with.
    pub(crate) images: usize,
    /// By core, then by network.
    #[serde(flatten)]
    limits: BTreeMap<String, BTreeMap<String, Limits>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    instructions: u64,
    load: u64,
    code: u64,
    loading_code: u64,
    ram: u64,
}

impl Limits {
    fn of(figures: &Figures) -> Self {
        let Figures { instructions, flash, ram, .. } = figures;
        Self {
            instructions: instructions.mean,
            load: instructions.load,
            code: flash.code,
            loading_code: flash.loading_code,
            ram: ram.sum(),
        }
    }

    fn named(self) -> [(&'static str, u64); 5] {
        let Self { instructions, load, code, loading_code, ram } = self;
        [
            ("instructions", instructions),
            ("load", load),
            ("code", code),
            ("loading_code", loading_code),
            ("ram", ram),
        ]
    }
}

/// What a check found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// One line for each figure that is over its limit, or has none.
    pub(crate) over: Vec<String>,
    /// One line for each figure that is so far below its limit that the limit should follow.
    pub(crate) below: Vec<String>,
}

impl Budget {
    /// Reads the file.
    pub(crate) fn read() -> Result<Self> {
        let path = path();
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Writes the file.
    pub(crate) fn write(&self) -> Result<()> {
        let path = path();
        fs::write(&path, format!("{HEADER}{}", toml::to_string(self)?))
            .with_context(|| path.display().to_string())
    }

    /// Compares figures with the limits. With `is_complete`, a limit without a figure is a fault too.
    pub(crate) fn check(&self, figures: &[Figures], is_complete: bool) -> Verdict {
        let mut verdict = Verdict::default();
        for figures in figures {
            let (core, network) = (figures.core, &figures.network);
            let limits = self.limits.get(core).and_then(|networks| networks.get(network));
            let Some(limits) = limits else {
                verdict.over.push(format!("{core}, {network}: no budget yet"));
                continue;
            };
            for ((name, limit), (_, found)) in limits.named().into_iter().zip(Limits::of(figures).named()) {
                let line =
                    || format!("{core}, {network}: {name} {found}, budget {limit}{}", change(limit, found));
                if found * 100 > limit * (100 + TOLERANCE) {
                    verdict.over.push(line());
                } else if found * (100 + TOLERANCE) < limit * 100 {
                    verdict.below.push(line());
                }
            }
        }
        if is_complete {
            let measured =
                |core: &str, network: &str| figures.iter().any(|f| f.core == core && f.network == network);
            for (core, networks) in &self.limits {
                let gone = networks.keys().filter(|network| !measured(core, network));
                verdict
                    .over
                    .extend(gone.map(|network| format!("{core}, {network}: in the budget, but not there")));
            }
        }
        verdict
    }

    /// Takes figures as the new limits; with `is_complete`, they are the only ones.
    pub(crate) fn bless(&mut self, figures: &[Figures], compiler: &str, is_complete: bool) {
        if is_complete {
            self.limits.clear();
            self.compiler = compiler.to_owned();
        }
        for figures in figures {
            let networks = self.limits.entry(figures.core.to_owned()).or_default();
            networks.insert(figures.network.clone(), Limits::of(figures));
        }
    }
}

impl Verdict {
    /// What to print, and what to do about it.
    pub(crate) fn text(&self, compiler: &str, budget: &Budget) -> String {
        let mut text = String::new();
        let mut list = |title: &str, lines: &[String]| {
            if !lines.is_empty() {
                let _ = writeln!(text, "{title}\n  {}", lines.join("\n  "));
            }
        };
        list("OVER BUDGET:", &self.over);
        list("below budget (tighten it with --bless):", &self.below);
        if !self.over.is_empty() && compiler != budget.compiler {
            let _ = writeln!(text, "The budget was made with {}, this is {compiler}.", budget.compiler);
        }
        text
    }
}

fn path() -> PathBuf {
    root().join("tests/budget.toml")
}

/// By how much, in percent.
fn change(limit: u64, found: u64) -> String {
    let percent = (found as f64 / limit as f64 - 1.0) * 100.0;
    format!(" ({percent:+.1} %)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Flash, Instructions, Ram};

    fn figures(network: &str, instructions: u64) -> Figures {
        Figures {
            core: "core",
            network: network.to_owned(),
            has_random_weights: false,
            macs: 1,
            instructions: Instructions { mean: instructions, least: 1, most: 1, load: 10 },
            layers: Vec::new(),
            flash: Flash { image: 11, code: 10, loading_code: 20, model: 1, weights: 1 },
            ram: Ram { scratch: 5, stack: 4, other_statics: 1 },
            compiler: String::new(),
        }
    }

    fn budget() -> Budget {
        let mut budget = Budget { compiler: String::new(), images: 1, limits: BTreeMap::new() };
        budget.bless(&[figures("a", 1000), figures("b", 1000)], "rustc", true);
        toml::from_str(&toml::to_string(&budget).expect("TOML")).expect("what was written")
    }

    #[test]
    fn one_percent_more_passes_and_the_next_does_not() {
        let verdict = |instructions| budget().check(&[figures("a", instructions)], false);
        assert!(verdict(1010).over.is_empty());
        assert_eq!(verdict(1011).over, ["core, a: instructions 1011, budget 1000 (+1.1 %)"]);
    }

    #[test]
    fn less_passes_and_is_told() {
        let verdict = |instructions| budget().check(&[figures("a", instructions)], false);
        assert!(verdict(995).below.is_empty());
        assert_eq!(verdict(900).below, ["core, a: instructions 900, budget 1000 (-10.0 %)"]);
        assert!(verdict(900).over.is_empty());
    }

    #[test]
    fn what_has_no_budget_or_no_figure_does_not_pass() {
        let verdict = budget().check(&[figures("a", 1000), figures("c", 1)], true);
        assert_eq!(verdict.over, ["core, c: no budget yet", "core, b: in the budget, but not there"]);
    }

    #[test]
    fn blessing_a_part_keeps_the_rest() {
        let mut budget = budget();
        budget.bless(&[figures("a", 5)], "another", false);
        assert_eq!(budget.compiler, "rustc");
        assert!(budget.check(&[figures("a", 5), figures("b", 1000)], true).over.is_empty());
        assert_eq!(budget.check(&[figures("a", 6), figures("b", 1020)], true).over.len(), 2);
    }
}
