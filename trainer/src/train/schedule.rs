//! The learning rate over a phase: a linear rise, then the course that the recipe names.
//!
//! ```text
//! rate |    _---._            cosine, after a warm-up of `warmup` steps
//!      |   /      `-._        (exponential, step and one-cycle begin at the same place)
//!      |  /           `-.__
//!      +--+----------------+ step
//! ```

use core::f64::consts::PI;

use crate::config::{self, Training};

/// Share of the steps in which one-cycle rises.
const RISE: f64 = 0.3;
/// What one-cycle begins with, as a divisor of its peak.
const FIRST_DIVISOR: f64 = 25.0;
/// What one-cycle ends with, as a divisor of what it begins with.
const LAST_DIVISOR: f64 = 1e4;

/// Learning rate of each step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    course: config::Schedule,
    peak: f64,
    warmup: usize,
    steps: usize,
    decay_rate: f64,
    decay_steps: usize,
}

impl Schedule {
    /// That of a phase of so many steps.
    pub(super) fn new(training: &Training, steps: usize) -> Self {
        Self {
            course: training.schedule,
            peak: training.learning_rate,
            // A short trial would never leave the warm-up.
            warmup: training.warmup_steps.min(steps / 4),
            steps,
            decay_rate: training.decay_rate.unwrap_or(1.0),
            decay_steps: training.decay_steps.unwrap_or(1),
        }
    }

    /// Learning rate of a step, counted from 0.
    pub(super) fn rate(&self, step: usize) -> f64 {
        match step.checked_sub(self.warmup) {
            Some(step) => self.course(step),
            None => self.course(0) * (step + 1) as f64 / self.warmup as f64,
        }
    }

    /// Learning rate of a step, counted from the end of the warm-up.
    fn course(&self, step: usize) -> f64 {
        let length = (self.steps - self.warmup).max(1) as f64;
        let decays = step as f64 / self.decay_steps as f64;
        match self.course {
            config::Schedule::Cosine => self.peak * fall(step as f64 / length),
            config::Schedule::Constant => self.peak,
            config::Schedule::Exponential => self.peak * self.decay_rate.powf(decays),
            config::Schedule::Step => self.peak * self.decay_rate.powf(decays.floor()),
            config::Schedule::OneCycle => {
                let (first, rise) = (self.peak / FIRST_DIVISOR, RISE * length);
                let last = first / LAST_DIVISOR;
                match step as f64 {
                    step if step < rise => self.peak - (self.peak - first) * fall(step / rise),
                    step => last + (self.peak - last) * fall((step - rise) / (length - rise)),
                }
            }
        }
    }
}

/// Half a cosine, from 1 at 0 to 0 at 1 and beyond.
fn fall(done: f64) -> f64 {
    0.5 * (1.0 + (PI * done.min(1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(course: config::Schedule, warmup_steps: usize, steps: usize) -> Schedule {
        let decays = matches!(course, config::Schedule::Exponential | config::Schedule::Step);
        let training = Training {
            schedule: course,
            learning_rate: 2.0,
            warmup_steps,
            decay_rate: decays.then_some(0.25),
            decay_steps: decays.then_some(20),
            ..Training::default()
        };
        Schedule::new(&training, steps)
    }

    #[test]
    fn cosine_rises_and_falls() {
        let schedule = schedule(config::Schedule::Cosine, 10, 110);
        assert_eq!(schedule.rate(0), 0.2);
        assert_eq!(schedule.rate(9), 2.0);
        assert_eq!(schedule.rate(10), 2.0);
        assert!((schedule.rate(60) - 1.0).abs() < 1e-9);
        assert!(schedule.rate(109) < 0.01 && schedule.rate(110) < 1e-9);
        assert!(self::schedule(config::Schedule::Cosine, 200, 3).rate(0) > 1.8);
    }

    #[test]
    fn decays_count_from_the_end_of_the_warmup() {
        let rates = |course, warmup| {
            let schedule = schedule(course, warmup, 1000);
            [0, 10, 20, 30, 40].map(|step| schedule.rate(warmup + step))
        };
        for warmup in [0, 8] {
            assert_eq!(rates(config::Schedule::Constant, warmup), [2.0; 5]);
            assert_eq!(rates(config::Schedule::Exponential, warmup), [2.0, 1.0, 0.5, 0.25, 0.125]);
            assert_eq!(rates(config::Schedule::Step, warmup), [2.0, 2.0, 0.5, 0.5, 0.125]);
        }
        assert_eq!(schedule(config::Schedule::Step, 8, 1000).rate(3), 1.0);
    }

    #[test]
    fn one_cycle_is_one_cycle() {
        let schedule = schedule(config::Schedule::OneCycle, 0, 100);
        assert!((schedule.rate(0) - 0.08).abs() < 1e-12);
        assert!((schedule.rate(15) - 1.04).abs() < 1e-12);
        assert!((schedule.rate(30) - 2.0).abs() < 1e-12);
        assert!((schedule.rate(65) - 1.000_004).abs() < 1e-9);
        assert!((schedule.rate(100) - 8e-6).abs() < 1e-12);
        let rates: Vec<f64> = (0..100).map(|step| schedule.rate(step)).collect();
        assert!(rates[..31].is_sorted() && rates[30..].iter().rev().is_sorted());
    }
}
