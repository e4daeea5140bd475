//! Candidates by seed: random combinations of the choices, without those that are no network, that do not meet the
//! budget, or that were drawn before.

use std::collections::HashSet;

use anyhow::{Context, Result, bail};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::Serialize;
use toml::Value;

use super::budget::{Excess, Footprint};
use super::space::Space;
use crate::augment::mix;
use crate::config::Config;
use crate::report::{count, thousands};

/// Spaces of up to so many combinations are gone through to the last.
const MAX_SHUFFLED: usize = 1 << 16;
/// Most combinations that are looked at for candidates.
const MAX_DRAWS: usize = 1 << 16;

/// A network that is to be trained.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Number of its draw among those that became candidates, from 1.
    pub number: usize,
    /// The whole recipe.
    pub config: Config,
    /// What it takes of a board.
    pub footprint: Footprint,
    /// What it changes.
    pub changes: Vec<(String, Value)>,
}

impl Candidate {
    /// The name of its directory.
    pub fn directory(&self) -> String {
        format!("{:04}", self.number)
    }

    /// What it changes, in a line: `layers.4: filters 10, bits 4; training: learning_rate 0.003`.
    pub fn in_words(&self) -> String {
        let mut text = String::new();
        let mut last = None;
        for (path, value) in &self.changes {
            let (place, key) = path.rsplit_once('.').filter(|(place, _)| *place != "layers").unzip();
            match (place, key) {
                (Some(place), Some(key)) if last == Some(place) => text.push_str(&format!(", {key} {value}")),
                (Some(place), Some(key)) => text.push_str(&format!("; {place}: {key} {value}")),
                _ => text.push_str(&format!("; {path}: {value}")),
            }
            last = place;
        }
        if text.is_empty() { "the base".to_owned() } else { text.split_off("; ".len()) }
    }
}

/// What became of the combinations that were drawn.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Combinations that were drawn.
    pub drawn: usize,
    /// Those that are to be trained.
    pub candidates: usize,
    /// Those that make the same network and recipe as one before.
    pub repeated: usize,
    /// Those that make no network.
    pub impossible: usize,
    /// What was wrong with the first of these.
    pub impossible_because: Option<String>,
    /// Those with too many bytes of weights and biases.
    pub beyond_weight_bytes: usize,
    /// Those with too many multiply-accumulates, of the others.
    pub beyond_macs: usize,
    /// Those with too much scratch, of the others.
    pub beyond_scratch_bytes: usize,
    /// Those that use too little of the bytes.
    pub too_small: usize,
    /// Whether every combination of the space was drawn.
    pub exhausted: bool,
}

impl Counts {
    /// In words, without what did not happen.
    pub fn text(&self) -> String {
        let skipped = [
            (self.repeated, "the same again"),
            (self.impossible, "no network"),
            (self.beyond_weight_bytes, "too many bytes"),
            (self.beyond_macs, "too many MACs"),
            (self.beyond_scratch_bytes, "too much scratch"),
            (self.too_small, "too small"),
        ];
        let skipped = skipped.iter().filter(|(count, _)| *count > 0);
        let skipped: Vec<String> =
            skipped.map(|(count, what)| format!("{} {what}", thousands(*count as u64))).collect();
        let mut text = format!(
            "{} of {}{}",
            count(self.candidates, "candidate"),
            count(self.drawn, "combination"),
            if self.exhausted { ", which are all there are" } else { "" }
        );
        if !skipped.is_empty() {
            text.push_str(&format!("; not trained: {}", skipped.join(", ")));
        }
        text
    }
}

/// Draws so many candidates; of more, the first are the same.
///
/// # Errors
///
/// Where not a single combination makes a network within the budget.
pub fn draw(space: &Space, trials: usize) -> Result<(Vec<Candidate>, Counts)> {
    let (mut combinations, count) = combinations(space);
    let mut counts = Counts::default();
    let mut candidates = Vec::new();
    let mut seen = HashSet::new();
    let mut least: Option<Footprint> = None;
    while candidates.len() < trials && counts.drawn < MAX_DRAWS {
        let Some(picks) = combinations.next() else { break };
        counts.drawn += 1;
        let (mut config, plan) = match space.build(&picks) {
            Ok(built) => built,
            Err(error) => {
                counts.impossible += 1;
                counts.impossible_because.get_or_insert_with(|| format!("{error:#}"));
                continue;
            }
        };
        if !seen.insert(config.to_toml()?) {
            counts.repeated += 1;
            continue;
        }
        let footprint = match Footprint::of(&plan) {
            Ok(footprint) => footprint,
            Err(error) => {
                counts.impossible += 1;
                counts.impossible_because.get_or_insert_with(|| format!("{error:#}"));
                continue;
            }
        };
        least = Some(least.map_or(footprint, |least| smaller(&least, &footprint)));
        match space.budget.excess(&footprint) {
            Some(Excess::WeightBytes) => counts.beyond_weight_bytes += 1,
            Some(Excess::Macs) => counts.beyond_macs += 1,
            Some(Excess::ScratchBytes) => counts.beyond_scratch_bytes += 1,
            Some(Excess::TooSmall) => counts.too_small += 1,
            None => {
                let number = candidates.len() + 1;
                config.name = format!("{}-{number:04}", space.base.name);
                config.check().with_context(|| space.origin.clone())?; // of the longer name
                candidates.push(Candidate { number, config, footprint, changes: space.changes(&picks) });
            }
        }
    }
    counts.candidates = candidates.len();
    counts.exhausted = count == Some(counts.drawn);
    if candidates.is_empty() {
        return nothing(space, &counts, least);
    }
    Ok((candidates, counts))
}

/// The smaller figure of each.
fn smaller(a: &Footprint, b: &Footprint) -> Footprint {
    Footprint {
        weight_bytes: a.weight_bytes.min(b.weight_bytes),
        macs: a.macs.min(b.macs),
        scratch_bytes: a.scratch_bytes.min(b.scratch_bytes),
    }
}

/// Why there is no candidate, and what to do about it.
fn nothing<T>(space: &Space, counts: &Counts, least: Option<Footprint>) -> Result<T> {
    let Some(least) = least else {
        bail!(
            "{}: [choices]: none of {} combinations makes a network, the first because of: {}",
            space.origin,
            thousands(counts.drawn as u64),
            counts.impossible_because.as_deref().unwrap_or("nothing")
        );
    };
    let smallest = [least.weight_bytes, least.macs, least.scratch_bytes];
    for ((key, limit), smallest) in space.budget.limits().into_iter().zip(smallest) {
        if let Some(limit) = limit.filter(|limit| smallest > *limit) {
            bail!(
                "{}: [budget] {key} = {limit}: no candidate: the smallest of {} combinations has {smallest}; raise \
                 it, or give smaller values among the [choices]",
                space.origin,
                thousands(counts.drawn as u64)
            );
        }
    }
    bail!(
        "{}: [budget]: no candidate meets all of it at once ({}); raise a limit, lower `least`, or give other values \
         among the [choices]",
        space.origin,
        counts.text()
    )
}

type Combinations<'a> = Box<dyn Iterator<Item = Vec<usize>> + 'a>;

/// Random combinations of the choices, none of them twice; and how many there are, where these are few.
fn combinations(space: &Space) -> (Combinations<'_>, Option<usize>) {
    let sizes = space.sizes();
    let mut rng = StdRng::seed_from_u64(mix(mix(space.seed)));
    let count = sizes.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
    if let Some(count) = count.filter(|count| *count <= MAX_SHUFFLED) {
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut rng);
        let digits = move |mut number: usize| {
            let digit = |size: &usize| {
                let digit = number % size;
                number /= size;
                digit
            };
            sizes.iter().map(digit).collect()
        };
        return (Box::new(order.into_iter().map(digits)), Some(count));
    }
    let mut seen = HashSet::new();
    let next = move || {
        // There are many more than are drawn: a new one soon comes.
        loop {
            let picks = space.draw(&mut rng);
            if seen.insert(picks.clone()) {
                return Some(picks);
            }
        }
    };
    (Box::new(core::iter::from_fn(next)), None)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn space(text: &str) -> Space {
        Space::parse(&format!("base = \"nano\"\n{text}"), "mine.toml", Path::new("")).unwrap()
    }

    #[test]
    fn candidates_are_drawn_once_and_the_first_stay_the_first() {
        let space =
            space("[choices]\nlayers.1.filters = [4, 6, 8]\ntraining.learning_rate = [0.001, 0.002]\n");
        let (all, counts) = draw(&space, 100).unwrap();
        assert_eq!((all.len(), counts.drawn, counts.exhausted), (6, 6, true));
        let few = draw(&space, 4).unwrap().0;
        for (few, all) in few.iter().zip(&all) {
            assert_eq!((few.number, &few.config), (all.number, &all.config));
        }
        assert_eq!(all[0].config.name, "nano-0001");
        let words = all[0].in_words();
        assert!(
            words.starts_with("layers.1: filters ") && words.contains("; training: learning_rate 0.00"),
            "{words}"
        );
        let other = Space { seed: 2, ..space };
        let differs = draw(&other, 6).unwrap().0.iter().zip(&all).any(|(a, b)| a.changes != b.changes);
        assert!(differs);
    }

    #[test]
    fn what_does_not_fit_is_counted_and_not_trained() {
        // Three times layers 10 to 12 leave too little for layer 14, but where layer 4, and its stride, is left out;
        // then its bits mean nothing, and the dense layer is too large.
        let space = space(
            "[budget]\nweight_bytes = 11000\nleast = 0.5\n[choices]\nlayers.10.filters = [2, 16, 40]\n\
             layers.10-12.repeat = [1, 3]\nlayers.4-6.repeat = [1, 0]\nlayers.4.bits = [8, 4]\n",
        );
        let (candidates, counts) = draw(&space, 100).unwrap();
        let because = counts.impossible_because.clone().unwrap();
        assert!(because.contains("layer "), "{because}");
        let expected = Counts {
            drawn: 24,
            candidates: 2,
            repeated: 6,
            impossible: 6,
            impossible_because: Some(because),
            beyond_weight_bytes: 8,
            too_small: 2,
            exhausted: true,
            ..Counts::default()
        };
        assert_eq!(counts, expected);
        for candidate in &candidates {
            assert!((5500..=11000).contains(&candidate.footprint.weight_bytes), "{candidate:?}");
        }
        assert_eq!(
            counts.text(),
            "2 candidates of 24 combinations, which are all there are; not trained: 6 the same again, 6 no network, \
             8 too many bytes, 2 too small"
        );
    }

    #[test]
    fn changes_are_told_place_by_place() {
        let mut candidate = draw(&space("[choices]\nlayers.1.filters = [8]\n"), 1).unwrap().0.remove(0);
        assert_eq!(candidate.in_words(), "the base");
        let change = |path: &str, value: i64| (path.to_owned(), Value::Integer(value));
        candidate.changes = vec![
            change("layers.4.bits", 4),
            change("layers.4.filters", 10),
            change("layers.13", 1),
            change("layers.14.bits", 2),
            change("pixels", 3),
            change("training.ema", 0),
        ];
        let expected =
            "layers.4: bits 4, filters 10; layers.13: 1; layers.14: bits 2; pixels: 3; training: ema 0";
        assert_eq!(candidate.in_words(), expected);
    }

    #[test]
    fn a_budget_that_nothing_meets_is_named_with_what_there_is() {
        let error = |budget: &str| {
            let space = space(&format!("[budget]\n{budget}\n[choices]\nlayers.1.filters = [4, 8]\n"));
            draw(&space, 3).unwrap_err().to_string()
        };
        let message = error("weight_bytes = 5000");
        assert!(
            message.starts_with("mine.toml: [budget] weight_bytes = 5000: no candidate: the smallest of 2")
        );
        assert!(error("scratch_bytes = 100").contains("[budget] scratch_bytes = 100"));
        assert!(error("macs = 1000").contains("give smaller values"));
        assert!(error("weight_bytes = 100000\nleast = 0.9").contains("lower `least`"));
    }

    #[test]
    fn a_large_space_is_drawn_from_as_well() {
        let list = |layer| format!("layers.{layer}.filters = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]\n");
        let space = space(&format!("[choices]\n{}", [1, 4, 7, 10, 14].map(list).concat()));
        let (combinations, count) = combinations(&space);
        let first: Vec<Vec<usize>> = combinations.take(500).collect();
        let distinct: HashSet<&Vec<usize>> = first.iter().collect();
        assert_eq!((distinct.len(), count), (500, None));
    }
}
