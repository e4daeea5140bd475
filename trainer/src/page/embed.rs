//! Maps of the images in a plane, by t-SNE (van der Maaten and Hinton 2008): images that a representation holds
//! for similar are neighbours.

use anyhow::{Context, Result};
use bhtsne::{Neighbor, tSNE};
use indicatif::ProgressBar;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

use super::measure;
use super::subject::Subject;
use crate::data::Dataset;
use crate::report::progress;

/// Images on a map.
const IMAGES: usize = 1000;
/// Fewer make no map.
const FEWEST: usize = 30;
const PERPLEXITY: f32 = 30.0;
const ITERATIONS: usize = 1000;
/// Accuracy of the forces between far points; smaller is slower.
const THETA: f32 = 0.5;
/// Neighbours whose classes are compared.
const NEIGHBOURS: usize = 10;

/// A map of the first images.
#[derive(Clone, Debug)]
pub(super) struct Map {
    pub(super) name: &'static str,
    pub(super) about: String,
    /// A place an image.
    pub(super) points: Vec<[f32; 2]>,
    /// Share of the nearest neighbours, before the projection, that are of the class of their image.
    pub(super) purity: f64,
}

/// Maps of the pixels, and of the last hidden features before and after training; none where there are too few
/// images.
pub(super) fn maps(subject: &Subject, images: &Dataset) -> Result<Vec<Map>> {
    let mut images = images.clone();
    images.truncate(IMAGES);
    if images.len() < FEWEST {
        return Ok(Vec::new());
    }
    let pixels: Vec<Vec<f32>> = (0..images.len())
        .map(|index| images.image(index).iter().map(|pixel| f32::from(*pixel) / 256.0).collect())
        .collect();
    let mut inputs = vec![("Pixels", format!("The {} grey levels themselves", pixels[0].len()), pixels)];
    if let Some([untrained, trained]) = measure::features(subject, &images)? {
        let width = trained.first().map_or(0, Vec::len);
        let about = |when: &str| format!("The {width} features before the last layer, {when}");
        inputs.push(("Untrained network", about("with the weights that training began with"), untrained));
        inputs.push(("Trained network", about("as they are now"), trained));
    }
    let bar = progress((inputs.len() * ITERATIONS) as u64, "iterations");
    bar.set_prefix("t-SNE");
    // A thread a map, so that sums are always of the same order.
    let maps: Result<Vec<Map>> = inputs
        .into_par_iter()
        .map(|(name, about, rows)| {
            let pool = ThreadPoolBuilder::new().num_threads(1).build().context("starting a thread")?;
            Ok(pool.install(|| map(name, about, &rows, &images.labels, subject.provenance.seed, &bar)))
        })
        .collect();
    bar.finish_and_clear();
    maps
}

fn map(
    name: &'static str,
    about: String,
    rows: &[Vec<f32>],
    labels: &[u8],
    seed: u64,
    bar: &ProgressBar,
) -> Map {
    let perplexity = PERPLEXITY.min((rows.len() - 1) as f32 / 3.0);
    let neighbours = nearest(rows, (3.0 * perplexity) as usize);
    let same = neighbours.iter().enumerate().flat_map(|(index, near)| {
        near.iter().take(NEIGHBOURS).map(move |neighbour| labels[neighbour.index] == labels[index])
    });
    let same: Vec<bool> = same.collect();
    let purity = same.iter().filter(|same| **same).count() as f64 / same.len().max(1) as f64;
    let mut rng = StdRng::seed_from_u64(seed);
    let start: Vec<f32> = (0..2 * rows.len()).map(|_| rng.random_range(-1e-4..1e-4)).collect();
    let mut fit: tSNE<'_, f32, Vec<f32>> = tSNE::new(rows);
    fit.perplexity(perplexity)
        .epochs(ITERATIONS)
        .initial_embedding(start)
        .epoch_callback(|_, _| bar.inc(1))
        .barnes_hut_with_neighbors(THETA, &neighbours);
    let embedding = fit.embedding();
    let (points, _) = embedding.as_chunks::<2>();
    Map { name, about, points: points.to_vec(), purity }
}

/// The `count` nearest rows to each row, the nearest first.
fn nearest(rows: &[Vec<f32>], count: usize) -> Vec<Vec<Neighbor<f32>>> {
    let near = |index: usize| {
        let mut all: Vec<Neighbor<f32>> = (0..rows.len())
            .filter(|other| *other != index)
            .map(|other| {
                let pairs = rows[index].iter().zip(&rows[other]);
                let distance: f32 = pairs.map(|(a, b)| (a - b) * (a - b)).sum();
                Neighbor { index: other, distance: distance.sqrt() }
            })
            .collect();
        all.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.index.cmp(&b.index)));
        all.truncate(count);
        all
    };
    (0..rows.len()).map(near).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_stay_apart_and_maps_repeat() {
        let rows: Vec<Vec<f32>> =
            (0..60).map(|i| vec![(i % 2) as f32 * 50.0 + (i / 2) as f32 * 0.1, (i * 7 % 5) as f32]).collect();
        let labels: Vec<u8> = (0..60).map(|i| i % 2).collect();
        let pool = || ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let make = || {
            let bar = ProgressBar::hidden();
            pool().install(|| map("", String::new(), &rows, &labels, 1, &bar))
        };
        let (first, again) = (make(), make());
        assert_eq!(first.points, again.points);
        assert_eq!(first.purity, 1.0);
        assert!(first.points.iter().flatten().all(|value| value.is_finite()));
    }

    #[test]
    fn equal_rows_do_no_harm() {
        let rows = vec![vec![0.0; 4]; 40];
        let map = map("", String::new(), &rows, &[0; 40], 1, &ProgressBar::hidden());
        assert_eq!(map.points.len(), 40);
    }
}
