//! An evaluation in the terminal.

use core::fmt::Write as _;
use std::path::PathBuf;

use super::{Evaluation, Mistake};
use crate::data::Dataset;
use crate::report::{Align, Look, bar, percent, picture, table, thousands};

/// Characters of the longest bar.
const BAR: usize = 24;

/// What is told of mistakes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Listing<'a> {
    /// How many, the worst first.
    pub count: usize,
    /// Whether they are drawn.
    pub pictures: bool,
    /// The file of every image, where it has one of its own.
    pub files: Option<&'a [PathBuf]>,
    /// The names of the classes, where they are not the labels.
    pub names: Option<&'a [String]>,
}

impl Evaluation {
    /// The figures in lines and tables; ends with a line break.
    pub fn render(&self, look: Look) -> String {
        let (correct, total) = (self.confusion.correct(), self.confusion.total());
        let wrong = thousands(total - correct);
        let mut text = format!("accuracy  {} ({wrong} wrong)\n", percent(correct, total));
        for (k, correct) in (1..).zip(&self.top).skip(1) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "top {k}     {}", percent(*correct, total));
        }
        let _ = writeln!(text, "loss      {:.4}\n", self.loss);
        text.push_str(&self.confusion.render(look));
        let _ = writeln!(text, "\n{}\n\n{}", self.classes(look), self.reliability(look));
        text
    }

    /// Precision, recall and F1 of each class, and their means.
    fn classes(&self, look: Look) -> String {
        let confusion = &self.confusion;
        let share =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{:.2} %", 100.0 * value));
        let ratio = |(part, whole): (u64, u64)| (whole > 0).then(|| part as f64 / whole as f64);
        let row =
            |class| [ratio(confusion.precision(class)), ratio(confusion.recall(class)), confusion.f1(class)];
        let mut rows: Vec<Vec<String>> = (0..confusion.classes())
            .map(|class| {
                let images = thousands(confusion.recall(class).1);
                [class.to_string(), images].into_iter().chain(row(class).map(share)).collect()
            })
            .collect();
        let mean = |column: usize| {
            let values: Vec<f64> = (0..confusion.classes()).filter_map(|class| row(class)[column]).collect();
            share((!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64))
        };
        rows.push(vec!["mean".to_owned(), thousands(confusion.total()), mean(0), mean(1), mean(2)]);
        let header = [
            ("class", Align::Left),
            ("images", Align::Right),
            ("precision", Align::Right),
            ("recall", Align::Right),
            ("F1", Align::Right),
        ];
        table(look, &header, &rows)
    }

    /// The calibration: how often answers of a probability are right.
    fn reliability(&self, look: Look) -> String {
        let rows: Vec<Vec<String>> = self
            .calibration
            .bins()
            .map(|(from, to, bin)| {
                vec![
                    format!("{:.0} to {:.0} %", 100.0 * from, 100.0 * to),
                    thousands(bin.images),
                    format!("{:.2} %", 100.0 * bin.confidence()),
                    format!("{:.2} %", 100.0 * bin.accuracy()),
                    bar(look, bin.accuracy(), BAR),
                ]
            })
            .collect();
        let header = [
            ("probability", Align::Left),
            ("answers", Align::Right),
            ("mean", Align::Right),
            ("right", Align::Right),
            ("", Align::Left),
        ];
        let error = 100.0 * self.calibration.error();
        format!("{}\n\ncalibration error (ECE) {error:.2} %", table(look, &header, &rows))
    }

    /// The worst mistakes on a set; ends with a line break.
    pub fn render_mistakes(&self, look: Look, dataset: &Dataset, listing: &Listing<'_>) -> String {
        let Listing { count, pictures, files, names } = *listing;
        let worst = &self.mistakes[..count.min(self.mistakes.len())];
        let name = |class: usize| match names.and_then(|names| names.get(class)) {
            Some(name) => format!("{class} {name}"),
            None => class.to_string(),
        };
        if worst.is_empty() {
            return "no mistakes\n".to_owned();
        }
        let share = |value: f64| format!("{:.2} %", 100.0 * value);
        let file = |mistake: &Mistake| {
            let file = files.and_then(|files| files.get(mistake.index));
            file.map_or_else(String::new, |file| file.display().to_string())
        };
        let row = |mistake: &Mistake| {
            vec![
                mistake.index.to_string(),
                name(mistake.label),
                name(mistake.prediction),
                share(mistake.probability),
                share(mistake.label_probability),
                file(mistake),
            ]
        };
        let class = if names.is_some() { Align::Left } else { Align::Right };
        let header = [
            ("image", Align::Right),
            ("label", class),
            ("answer", class),
            ("probability", Align::Right),
            ("of the label", Align::Right),
            (if files.is_some() { "file" } else { "" }, Align::Left),
        ];
        let columns = if files.is_some() { 6 } else { 5 };
        let rows: Vec<Vec<String>> = worst.iter().map(|mistake| row(mistake)[..columns].to_vec()).collect();
        let title =
            format!("the worst {} of {} mistakes", worst.len(), thousands(self.mistakes.len() as u64));
        let mut text = format!("{title}\n\n{}\n", table(look, &header[..columns], &rows));
        if pictures {
            for mistake in worst {
                let Mistake { index, label, prediction, .. } = mistake;
                let drawing = picture(look, dataset.image(*index), dataset.width);
                let (label, answer) = (name(*label), name(*prediction));
                let _ = write!(text, "\nimage {index}: {label}, answered {answer}\n{drawing}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> Dataset {
        Dataset {
            images: [[0; 4], [255; 4], [0; 4]].concat(),
            labels: vec![1, 0, 0],
            height: 2,
            width: 2,
            classes: 2,
            source: "test".to_owned(),
        }
    }

    #[test]
    fn tables_say_what_was_measured() {
        let evaluation =
            Evaluation::new(&[1, 0, 0], 2, &[vec![0.0, 2.0], vec![0.0, 3.0], vec![9.0, 0.0]], 1.0);
        let text = evaluation.render(Look::PLAIN);
        assert!(text.starts_with("accuracy  66.67 % (1 wrong)\ntop 2     100.00 %\nloss      1.0"), "{text}");
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        for line in ["0 2 100.00 % 50.00 % 66.67 %", "mean 3 75.00 % 75.00 % 66.67 %"] {
            let line: Vec<&str> = line.split(' ').collect();
            assert!(words.contains(&line), "{text}");
        }
        assert!(text.contains("90 to 100 %") && text.contains("calibration error (ECE) "), "{text}");

        let files = [PathBuf::from("a.png"), PathBuf::from("b.png"), PathBuf::from("c.png")];
        let listing = Listing { count: 5, pictures: true, files: Some(&files), names: None };
        let text = evaluation.render_mistakes(Look::PLAIN, &data(), &listing);
        assert!(text.starts_with("the worst 1 of 1 mistakes"), "{text}");
        assert!(text.contains("95.26 %") && text.contains("4.74 %") && text.contains("b.png"), "{text}");
        assert!(text.ends_with("image 1: 0, answered 1\n@@\n"), "{text}");
        let listing = Listing { count: 5, ..Listing::default() };
        assert!(!evaluation.render_mistakes(Look::PLAIN, &data(), &listing).contains("image 1:"));

        let names = ["cat", "dog"].map(str::to_owned);
        let listing = Listing { count: 5, pictures: true, files: None, names: Some(&names) };
        let text = evaluation.render_mistakes(Look::PLAIN, &data(), &listing);
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(words.windows(5).any(|line| line == ["1", "0", "cat", "1", "dog"]), "{text}");
        assert!(text.ends_with("image 1: 0 cat, answered 1 dog\n@@\n"), "{text}");
    }

    #[test]
    fn no_mistakes_are_said_to_be_none() {
        let evaluation =
            Evaluation::new(&[1, 0, 0], 2, &[vec![0.0, 2.0], vec![9.0, 3.0], vec![9.0, 0.0]], 1.0);
        let listing = Listing { count: 5, ..Listing::default() };
        assert_eq!(evaluation.render_mistakes(Look::PLAIN, &data(), &listing), "no mistakes\n");
    }
}
