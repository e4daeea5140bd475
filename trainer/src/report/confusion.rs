//! Confusion matrix: true class down, predicted class across.

use core::fmt::Write;

use super::{Look, percent, thousands};

/// Counts of predictions by true class.
#[derive(Clone, Debug)]
pub struct Confusion {
    classes: usize,
    /// `counts[label * classes + prediction]`
    counts: Vec<u64>,
}

impl Confusion {
    /// An empty matrix.
    pub fn new(classes: usize) -> Confusion {
        Confusion { classes, counts: vec![0; classes * classes] }
    }

    /// Counts one image.
    ///
    /// # Panics
    ///
    /// If the label or the prediction is not below the number of classes.
    pub fn add(&mut self, label: usize, prediction: usize) {
        assert!(label < self.classes && prediction < self.classes);
        self.counts[label * self.classes + prediction] += 1;
    }

    /// Images of class `label` that were predicted as `prediction`.
    pub fn count(&self, label: usize, prediction: usize) -> u64 {
        self.counts[label * self.classes + prediction]
    }

    /// All images.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Images whose prediction is their label.
    pub fn correct(&self) -> u64 {
        (0..self.classes).map(|class| self.count(class, class)).sum()
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Right predictions and all images of a class; their ratio is the recall.
    pub fn recall(&self, class: usize) -> (u64, u64) {
        (self.count(class, class), (0..self.classes).map(|prediction| self.count(class, prediction)).sum())
    }

    /// Right predictions of a class and all predictions of it; their ratio is the precision.
    pub fn precision(&self, class: usize) -> (u64, u64) {
        (self.count(class, class), (0..self.classes).map(|label| self.count(label, class)).sum())
    }

    /// Harmonic mean of precision and recall; none where the class is neither there nor predicted.
    pub fn f1(&self, class: usize) -> Option<f64> {
        let ((correct, predicted), (_, images)) = (self.precision(class), self.recall(class));
        (predicted + images > 0).then(|| (2 * correct) as f64 / (predicted + images) as f64)
    }

    /// The rows as nested lists, for JSON.
    pub fn rows(&self) -> Vec<Vec<u64>> {
        self.counts.chunks(self.classes.max(1)).map(<[u64]>::to_vec).collect()
    }

    /// Renders the matrix with the recall of each class; zeros are shown as dots, to let the
    /// errors stand out. Ends with a line break.
    pub fn render(&self, look: Look) -> String {
        let width = self.counts.iter().map(|count| thousands(*count).len()).max().unwrap_or(1).max(3) + 1;
        let (right, wrong, reset) =
            if look.color { ("\x1b[32m", "\x1b[1;31m", "\x1b[0m") } else { ("", "", "") };
        let mut text = String::from("true  predicted\n     ");
        // Writing to a String cannot fail.
        for prediction in 0..self.classes {
            let _ = write!(text, "{prediction:>width$}");
        }
        text.push_str("    recall\n");
        for label in 0..self.classes {
            let _ = write!(text, "{label:>4} ");
            for prediction in 0..self.classes {
                let count = self.count(label, prediction);
                let shown = if count == 0 { ".".to_owned() } else { thousands(count) };
                let color = match count {
                    0 => "",
                    _ if label == prediction => right,
                    _ => wrong,
                };
                let reset = if color.is_empty() { "" } else { reset };
                let _ = write!(text, "{color}{shown:>width$}{reset}");
            }
            let (correct, all) = self.recall(label);
            let _ = writeln!(text, "  {:>8}", percent(correct, all));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_renders() {
        let mut confusion = Confusion::new(3);
        for _ in 0..1200 {
            confusion.add(0, 0);
        }
        confusion.add(1, 1);
        confusion.add(1, 2);
        assert_eq!((confusion.total(), confusion.correct()), (1202, 1201));
        assert_eq!(confusion.recall(1), (1, 2));
        assert_eq!((confusion.precision(1), confusion.precision(2)), ((1, 1), (0, 1)));
        assert_eq!(
            (confusion.f1(0), confusion.f1(1), confusion.f1(2)),
            (Some(1.0), Some(2.0 / 3.0), Some(0.0))
        );
        assert_eq!(Confusion::new(2).f1(0), None);
        assert_eq!(confusion.rows(), [[1200, 0, 0], [0, 1, 1], [0, 0, 0]]);
        let text = confusion.render(Look::PLAIN);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], "   0  1,200     .     .  100.00 %");
        assert_eq!(lines[3], "   1      .     1     1   50.00 %");
        assert_eq!(lines[4], "   2      .     .     .         -");
        assert!(!text.contains('\x1b'));
        assert!(confusion.render(Look { color: true, unicode: true }).contains("\x1b[1;31m"));
    }
}
