//! Several models asked at once: the majority of their answers.
//!
//! A class with the most votes wins. Where several have as many, the one of them with the largest sum of
//! probabilities over all models does, and the first class where that is equal too.

use anyhow::{Result, ensure};
use serde::Serialize;

use super::{Engine, best_class, softmax};
use crate::config::Pixels;
use crate::data::Dataset;

/// A model, and how it takes its images.
#[derive(Debug)]
pub struct Candidate {
    /// The model.
    pub engine: Engine,
    /// What is done to an image before this model sees it.
    pub pixels: Pixels,
}

/// How often the models are right, each alone and together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Vote {
    /// Images.
    pub images: u64,
    /// The models in the order in which they were given.
    pub models: Vec<Voter>,
    /// Images that the majority gets right.
    pub correct: u64,
    /// Images on which all models agree.
    pub unanimous: u64,
    /// Images on which the probabilities decided between classes of as many votes.
    pub ties: u64,
    /// Images that at least one model gets right: what no vote can exceed.
    pub any_correct: u64,
}

/// One model of a [`Vote`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Voter {
    /// Name of the model.
    pub model: String,
    /// Whether it computes in integers.
    pub integer: bool,
    /// Images that it gets right alone.
    pub correct: u64,
}

/// Runs all images, as they come, through all models, prepared for each of them. `progress` is called on this thread with the number of images
/// finished since its last call; each model counts all images.
///
/// # Errors
///
/// Where models and images do not fit each other, or an engine fails.
pub fn vote(candidates: &[Candidate], dataset: &Dataset, progress: &dyn Fn(usize)) -> Result<Vote> {
    ensure!(!candidates.is_empty(), "a vote needs a model");
    let mut voters = Vec::new();
    let mut probabilities: Vec<Vec<Vec<f64>>> = vec![Vec::with_capacity(candidates.len()); dataset.len()];
    for Candidate { engine, pixels } in candidates {
        dataset.expect_size(engine.input().height, engine.input().width)?;
        ensure!(
            engine.classes() == dataset.classes,
            "{}: {} classes, but {} of the others and of the images",
            engine.name(),
            engine.classes(),
            dataset.classes
        );
        let logits = engine.run(&dataset.prepared(*pixels), progress)?;
        let labels = dataset.labels.iter().map(|label| usize::from(*label));
        let correct = logits.iter().zip(labels).filter(|(logits, label)| best_class(logits) == *label);
        voters.push(Voter {
            model: engine.name().to_owned(),
            integer: engine.is_integer(),
            correct: correct.count() as u64,
        });
        for (image, logits) in probabilities.iter_mut().zip(&logits) {
            image.push(softmax(logits, engine.logit_scale()));
        }
    }
    let mut vote = Vote {
        images: dataset.len() as u64,
        models: voters,
        correct: 0,
        unanimous: 0,
        ties: 0,
        any_correct: 0,
    };
    for (image, label) in probabilities.iter().zip(&dataset.labels) {
        let Ballot { winner, is_tie } = ballot(image);
        let choices: Vec<usize> = image.iter().map(|one| best_class(one)).collect();
        vote.correct += u64::from(winner == usize::from(*label));
        vote.ties += u64::from(is_tie);
        vote.unanimous += u64::from(choices.iter().all(|choice| *choice == winner));
        vote.any_correct += u64::from(choices.contains(&usize::from(*label)));
    }
    Ok(vote)
}

/// The outcome for one image.
#[derive(Debug, PartialEq, Eq)]
struct Ballot {
    winner: usize,
    is_tie: bool,
}

/// The majority of models, each with its probabilities of all classes.
fn ballot(models: &[Vec<f64>]) -> Ballot {
    let classes = models.first().map_or(0, Vec::len);
    let mut votes = vec![0; classes];
    let mut sums = vec![0.0; classes];
    for probabilities in models {
        if let Some(count) = votes.get_mut(best_class(probabilities)) {
            *count += 1;
        }
        sums.iter_mut().zip(probabilities).for_each(|(sum, probability)| *sum += probability);
    }
    let most = votes.iter().copied().max().unwrap_or(0);
    let leading = |class: &usize| votes[*class] == most;
    let is_tie = (0..classes).filter(leading).count() > 1;
    // Of the others, none is better.
    let sums: Vec<f64> =
        (0..classes).map(|class| if leading(&class) { sums[class] } else { f64::NEG_INFINITY }).collect();
    Ballot { winner: best_class(&sums), is_tie }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn winner(models: &[[f64; 3]]) -> (usize, bool) {
        let Ballot { winner, is_tie } = ballot(&models.iter().map(|one| one.to_vec()).collect::<Vec<_>>());
        (winner, is_tie)
    }

    #[test]
    fn the_majority_wins_and_probabilities_decide_ties() {
        // Two that are hardly sure outvote one that is certain.
        assert_eq!(winner(&[[0.4, 0.35, 0.25], [0.0, 1.0, 0.0], [0.4, 0.3, 0.3]]), (0, false));
        // One vote each: the sums are 0.8, 0.9 and 1.3.
        assert_eq!(winner(&[[0.6, 0.2, 0.2], [0.1, 0.5, 0.4], [0.1, 0.2, 0.7]]), (2, true));
        // Class 2 has the largest sum, but no vote.
        assert_eq!(winner(&[[0.51, 0.0, 0.49], [0.0, 0.52, 0.48]]), (1, true));
        assert_eq!(winner(&[[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]), (0, false));
        assert_eq!(winner(&[[0.2, 0.5, 0.3]]), (1, false));
    }

    fn nano(pixels: Pixels) -> Candidate {
        let path = crate::data::repository_path("models/nano/nano.postcard").unwrap();
        Candidate { engine: Engine::open(&path).unwrap(), pixels }
    }

    fn test_images() -> Dataset {
        let mut test =
            crate::data::load(&crate::data::default_directory().unwrap(), crate::data::Part::Test).unwrap();
        test.truncate(300);
        test
    }

    #[test]
    fn every_model_has_its_own_images() {
        let test = test_images();
        let correct = |pixels: Pixels| {
            let logits = nano(pixels).engine.run(&test.clone().with_pixels(pixels).images, &|_| {}).unwrap();
            let right =
                logits.iter().zip(&test.labels).filter(|(l, label)| best_class(l) == usize::from(**label));
            right.count() as u64
        };
        let alone = [Pixels::Raw, Pixels::L2].map(correct);
        assert_ne!(alone[0], alone[1], "images of norm 1 are not what it learned from");
        for order in [[0, 1], [1, 0]] {
            let candidates = order.map(|which| nano([Pixels::Raw, Pixels::L2][which]));
            let vote = vote(&candidates, &test, &|_| {}).unwrap();
            let found: Vec<u64> = vote.models.iter().map(|voter| voter.correct).collect();
            assert_eq!(found, order.map(|which| alone[which]));
        }
    }

    #[test]
    fn a_model_that_votes_thrice_is_itself() {
        let candidates: Vec<Candidate> = (0..3).map(|_| nano(Pixels::Raw)).collect();
        let vote = vote(&candidates, &test_images(), &|_| {}).unwrap();
        assert_eq!((vote.images, vote.unanimous, vote.ties), (300, 300, 0));
        assert!(vote.models.iter().all(|voter| voter.correct == vote.correct && voter.integer));
        assert!(vote.correct > 290 && vote.any_correct == vote.correct);
    }
}
