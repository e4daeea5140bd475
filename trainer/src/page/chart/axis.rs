//! An axis: from values to places, and the ticks worth a line.

/// Most ticks that fit.
const MAX_TICKS: usize = 7;

/// Share of an axis between two of its ticks, at least.
const MIN_GAP: f64 = 0.075;

/// One axis of a chart.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    /// Values with their labels.
    pub(super) ticks: Vec<(f64, String)>,
    pub(super) title: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    Linear,
    Log,
    /// Of a share: as much room from 90 to 99 % as from 99 to 99.9 %.
    Nines,
}

impl Scale {
    fn apply(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Log => value.max(1e-12).log10(),
            Scale::Nines => -(1.0 - value).max(1e-6).log10(),
        }
    }
}

impl Axis {
    /// Equal steps from `low` to `high`, at round numbers.
    pub(crate) fn linear(title: &str, low: f64, high: f64) -> Axis {
        let span = (high - low).max(1e-9);
        let raw = span / (MAX_TICKS - 1) as f64;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= raw);
        let step = step.unwrap_or(raw);
        let first = (low / step).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        let ticks = (first..=last).map(|index| index as f64 * step).map(|value| (value, short(value)));
        Axis { scale: Scale::Linear, low, high, ticks: ticks.collect(), title: title.to_owned() }
    }

    /// Equal factors; the ticks are 1, 2 and 5 times powers of ten, or the powers alone.
    pub(crate) fn log(title: &str, values: impl Iterator<Item = f64>) -> Axis {
        let (low, high) = bounds(values.filter(|value| *value > 0.0)).unwrap_or((0.1, 1.0));
        let (low, high) = (low / 1.15, high * 1.15);
        let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let of = |factors: &[f64]| -> Vec<(f64, String)> {
            let values = powers.clone().flat_map(|power| factors.iter().map(move |f| f * 10f64.powi(power)));
            values.filter(|value| (low..=high).contains(value)).map(|value| (value, short(value))).collect()
        };
        let fine = of(&[1.0, 2.0, 5.0]);
        let ticks = if fine.len() <= MAX_TICKS + 1 { fine } else { of(&[1.0]) };
        Axis { scale: Scale::Log, low, high, ticks, title: title.to_owned() }
    }

    /// Shares of right answers, 0 to 1; room goes to the errors that are left.
    pub(crate) fn accuracy(title: &str, values: impl Iterator<Item = f64>) -> Axis {
        let (low, high) = bounds(values).unwrap_or((0.0, 0.9));
        let room = |value: f64, factor: f64| 1.0 - (1.0 - value).max(5e-5) * factor;
        let (low, high) = (room(low, 1.15).max(0.0), room(high, 0.8).max(0.5));
        let all = [0.0, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999];
        let inside = all.into_iter().filter(|value| (low..=high).contains(value));
        let ticks = inside.map(|value| (value, format!("{} %", short(value * 100.0)))).collect();
        let mut axis = Axis { scale: Scale::Nines, low, high, ticks, title: title.to_owned() };
        axis.thin();
        axis
    }

    /// Whole numbers from 0 to `last`.
    pub(crate) fn count(title: &str, last: usize) -> Axis {
        let mut axis = Axis::linear(title, 0.0, last.max(1) as f64);
        axis.ticks.retain(|(value, _)| value.fract() == 0.0);
        axis
    }

    /// The same axis with other words for its ticks.
    pub(crate) fn labelled(mut self, label: impl Fn(f64) -> String) -> Axis {
        for (value, text) in &mut self.ticks {
            *text = label(*value);
        }
        self
    }

    /// The same axis with ticks at those of the values that are on it and not too near to each other.
    pub(crate) fn ticked(mut self, values: &[f64], label: impl Fn(f64) -> String) -> Axis {
        let inside = values.iter().filter(|value| (self.low..=self.high).contains(value));
        self.ticks = inside.map(|value| (*value, label(*value))).collect();
        self.thin();
        self
    }

    /// Leaves out ticks that are too near to the one above them.
    fn thin(&mut self) {
        let ticks = core::mem::take(&mut self.ticks);
        let mut above = f64::INFINITY;
        for tick in ticks.into_iter().rev() {
            let place = self.place(tick.0);
            if above - place >= MIN_GAP {
                above = place;
                self.ticks.insert(0, tick);
            }
        }
    }

    /// Place of a value, 0 at the low end, 1 at the high end; a value beyond is at the end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let [low, high, value] = [self.low, self.high, value].map(|value| self.scale.apply(value));
        if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 }
    }
}

/// The least and the largest of the numbers.
fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| value.is_finite()).fold(None, |bounds, value| {
        let (low, high) = bounds.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

/// A number as short as it is exact enough for a label: `0.02`, `1e-5`, `12`.
fn short(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e6).contains(&magnitude) {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.5}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(labels(&Axis::linear("", -0.3, 0.31)), ["-0.2", "0", "0.2"]);
        assert_eq!(labels(&Axis::count("", 2)), ["0", "1", "2"]);
        assert_eq!(labels(&Axis::count("", 33)), ["0", "10", "20", "30"]);
        assert_eq!(
            labels(&Axis::log("", [0.02, 2.0].into_iter())),
            ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]
        );
        assert_eq!(
            labels(&Axis::log("", [1e-6, 1e-2].into_iter())),
            ["1e-6", "1e-5", "0.0001", "0.001", "0.01"]
        );
        assert_eq!(
            labels(&Axis::accuracy("", [0.93, 0.9951].into_iter())),
            ["95 %", "98 %", "99 %", "99.5 %"]
        );
        let axis = Axis::accuracy("", [0.99, 0.995].into_iter());
        let ticked = axis.ticked(&[0.9, 0.99, 0.9901, 0.9945, 0.9999], |value| format!("{value}"));
        assert_eq!(labels(&ticked), ["0.9901", "0.9945"]);
        let empty = Axis::log("", core::iter::empty());
        assert!(empty.place(0.5) > 0.0 && empty.place(f64::INFINITY) == 1.0);
        assert_eq!(Axis::linear("", 1.0, 1.0).place(1.0), 0.5);
    }

    #[test]
    fn nines_have_equal_room() {
        let axis =
            Axis { scale: Scale::Nines, low: 0.9, high: 0.999, ticks: Vec::new(), title: String::new() };
        assert!((axis.place(0.99) - 0.5).abs() < 1e-9);
        assert_eq!((axis.place(0.5), axis.place(1.0)), (0.0, 1.0));
    }
}
