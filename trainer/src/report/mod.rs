//! What the user sees: tables, confusion matrices, pictures in the terminal, progress.
//!
//! Everything here but [`note`] returns text, made for the [`Look`] of its destination, so that it
//! can be tested and sent anywhere.

mod bar;
mod confusion;
mod picture;
mod progress;
mod table;

use std::io::Write as _;

pub use bar::bar;
pub use confusion::Confusion;
pub use picture::picture;
pub use progress::progress;
pub use table::{Align, table};

/// What the destination of a text can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether colour escape sequences are welcome.
    pub color: bool,
    /// Whether characters beyond ASCII are shown as such.
    pub unicode: bool,
}

impl Look {
    /// ASCII without colours.
    pub const PLAIN: Look = Look { color: false, unicode: false };

    /// The look of standard output: colours as `--color`, the terminal and `NO_COLOR` say,
    /// Unicode as the locale says.
    pub fn of_stdout() -> Look {
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        Look { color: choice != anstream::ColorChoice::Never, unicode: locale_is_unicode() }
    }
}

/// Whether the locale's encoding is UTF-8, by POSIX precedence of its variables.
fn locale_is_unicode() -> bool {
    if cfg!(any(windows, target_os = "macos")) {
        return true;
    }
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}

/// Tells the user something on standard error. Where nothing can be written, as onto a full disk, `eprintln!`
/// would end the program, and a training run with it.
pub fn note(line: &str) {
    if cfg!(test) {
        eprintln!("{line}"); // which is shown for tests that fail only
    } else {
        let _ = writeln!(anstream::stderr().lock(), "{line}");
    }
}

/// A line on standard error about what is no failure, but not what the user hoped for.
pub fn warn(text: &str) {
    let style = anstyle::AnsiColor::Yellow.on_default().bold();
    note(&format!("{style}warning:{style:#} {text}"));
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things whose plural is regular: `1 seed`, `2,000 seeds`.
pub fn count(number: usize, thing: &str) -> String {
    format!("{} {thing}{}", thousands(number as u64), if number == 1 { "" } else { "s" })
}

/// A time as people say it.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A share as `98.76 %`; of nothing as `-`.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    format!("{:.2} %", 100.0 * part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(0), "0");
        assert_eq!([count(1, "seed"), count(2000, "seed")], ["1 seed", "2,000 seeds"]);
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(2_831_744), "2,831,744");
        assert_eq!(percent(9_951, 10_000), "99.51 %");
        assert_eq!(percent(0, 0), "-");
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(9.96), "10.0 s");
        assert_eq!(duration(205.4), "3 min 25 s");
        assert_eq!(duration(3_661.0), "1 h 01 min");
    }
}
