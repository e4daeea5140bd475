//! The one style of progress bar, and its plain form for logs.

use core::time::Duration;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// How often a line is written where standard error is not a terminal.
const LOG_INTERVAL: Duration = Duration::from_secs(15);

/// A bar of `length` steps on standard error, with rate and remaining time; `unit` is the plural
/// of what is counted (`images`). Use `set_prefix` for the phase and `set_message` for figures such
/// as the loss. Where standard error is not a terminal, a plain line appears now and then.
pub fn progress(length: u64, unit: &str) -> ProgressBar {
    // Braces are the template language's.
    let unit = unit.replace(['{', '}'], "");
    let counts = format!("{{human_pos}}/{{human_len}} {unit}, {{per_sec}}, {{eta}} left");
    let terminal = io::stderr().is_terminal();
    let (bar, template) = if terminal {
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(10));
        (bar, format!("{{prefix}} [{{bar:24}}] {counts} {{msg}}"))
    } else {
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(Log::new(LOG_INTERVAL)), 1);
        (ProgressBar::with_draw_target(Some(length), target), format!("{{prefix}} {counts} {{msg}}"))
    };
    // The template is fixed but for the unit, whose braces are gone; it always parses.
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> ").with_key(
        "per_sec",
        |state: &indicatif::ProgressState, out: &mut dyn core::fmt::Write| {
            let rate = state.per_sec();
            // A rate of a bar that has just begun means nothing.
            let _ = if rate.is_finite() && rate < 1e9 {
                write!(out, "{}/s", super::thousands(rate.round() as u64))
            } else {
                write!(out, "-/s")
            };
        },
    ));
    bar
}

/// A "terminal" that turns the redrawing of a bar into one line every so often.
#[derive(Debug)]
struct Log {
    interval: Duration,
    state: Mutex<LogState>,
}

#[derive(Debug)]
struct LogState {
    line: String,
    written: Instant,
}

impl Log {
    fn new(interval: Duration) -> Log {
        Log { interval, state: Mutex::new(LogState { line: String::new(), written: Instant::now() }) }
    }

    fn with_state<R>(&self, action: impl FnOnce(&mut LogState) -> R) -> R {
        // A panic elsewhere leaves nothing half-done here.
        action(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl TermLike for Log {
    fn width(&self) -> u16 {
        160
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.with_state(|state| state.line.push_str(text));
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.with_state(|state| state.line.clear());
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let due = self.with_state(|state| {
            let line = core::mem::take(&mut state.line);
            let due = state.written.elapsed() >= self.interval && !line.trim().is_empty();
            if due {
                state.written = Instant::now();
            }
            due.then_some(line)
        });
        match due {
            Some(line) => writeln!(io::stderr(), "{}", line.trim_end()),
            None => Ok(()),
        }
    }
}
