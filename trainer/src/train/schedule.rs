//! The learning rate over a phase: a linear rise, then half a cosine down to zero.

/// Learning rate of each step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) peak: f64,
    pub(super) warmup: usize,
    pub(super) steps: usize,
}

impl Schedule {
    /// Learning rate of a step, counted from 0.
    pub(super) fn rate(&self, step: usize) -> f64 {
        // A short trial would never leave the warm-up.
        let warmup = self.warmup.min(self.steps / 4);
        if step < warmup {
            return self.peak * (step + 1) as f64 / warmup as f64;
        }
        let done = (step - warmup) as f64 / (self.steps - warmup).max(1) as f64;
        self.peak * 0.5 * (1.0 + (core::f64::consts::PI * done.min(1.0)).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_and_falls() {
        let schedule = Schedule { peak: 2.0, warmup: 10, steps: 110 };
        assert_eq!(schedule.rate(0), 0.2);
        assert_eq!(schedule.rate(9), 2.0);
        assert_eq!(schedule.rate(10), 2.0);
        assert!((schedule.rate(60) - 1.0).abs() < 1e-9);
        assert!(schedule.rate(109) < 0.01 && schedule.rate(110) < 1e-9);
        assert!(Schedule { peak: 1.0, warmup: 200, steps: 3 }.rate(0) > 0.9);
    }
}
