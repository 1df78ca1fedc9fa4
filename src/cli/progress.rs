//! What the user sees while images load and a network trains.

use super::output;
use dermaglyph::data::Reporter;
use dermaglyph::train::log::Metrics;
use dermaglyph::train::trainer::{Observer, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Seconds between two plain lines where there is no terminal.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// A progress bar on a terminal, a line now and then elsewhere.
pub struct Display {
    bar: ProgressBar,
    is_terminal: bool,
    last_line: Option<Instant>,
    stop: Arc<AtomicBool>,
    metrics: Option<Metrics>,
}

impl Display {
    /// `stop` is the flag that a signal sets.
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
        Self { bar, is_terminal, last_line: None, stop, metrics: None }
    }

    /// A line above the bar, or just a line.
    fn line(&self, line: &str) {
        self.bar.suspend(|| output::note(line));
    }

    /// Whether it is time for a plain line.
    fn line_is_due(&mut self, last: bool) -> bool {
        let now = Instant::now();
        let due = self.last_line.is_none_or(|at| now.duration_since(at) >= PLAIN_EVERY) || last;
        if due && !self.is_terminal {
            self.last_line = Some(now);
            return true;
        }
        false
    }

    /// The time left, for a plain line.
    fn left(&self) -> String {
        match self.bar.eta().as_secs() {
            0 => String::new(),
            seconds => format!(" {seconds} s left"),
        }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Reporter for Display {
    fn progress(&mut self, what: &str, done: usize, total: usize) {
        if self.bar.length() != Some(total as u64) || self.bar.message() != what {
            self.bar.set_style(style("{msg} {wide_bar} {pos}/{len} {eta}"));
            self.bar.reset();
            self.bar.set_length(total as u64);
            self.bar.set_message(what.to_owned());
        }
        self.bar.set_position(done as u64);
        if self.line_is_due(done == total) {
            self.line(&format!("{what}: {done}/{total}{}", self.left()));
        }
    }

    fn warn(&mut self, message: &str) {
        self.line(&format!("warning: {message}"));
    }
}

impl Observer for Display {
    fn started(&mut self, progress: &Progress) {
        self.bar.set_style(style("{prefix} {bar:12} {pos}/{len} {eta} {msg}"));
        self.bar.reset();
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.step);
        // So that the time left is not guessed from the steps of earlier sessions.
        self.bar.reset_eta();
        self.bar.set_message("");
        self.last_line = None;
    }

    fn stepped(&mut self, progress: &Progress) {
        let (epoch, epochs) = epochs(progress);
        self.bar.set_prefix(format!("epoch {epoch}/{epochs}"));
        self.bar.set_position(progress.step);
        if self.line_is_due(progress.step == progress.total) {
            let figures = self.metrics.as_ref().map(figures).unwrap_or_default();
            self.line(&format!(
                "epoch {epoch}/{epochs} step {}/{}{} {figures}",
                progress.step,
                progress.total,
                self.left()
            ));
        }
    }

    fn logged(&mut self, metrics: &Metrics) {
        self.metrics = Some(*metrics);
        self.bar.set_message(figures(metrics));
    }

    fn note(&mut self, message: &str) {
        self.line(message);
    }

    fn wants_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The epoch in progress, counted from 1, and how many there are.
fn epochs(progress: &Progress) -> (u64, u64) {
    let length = progress.steps_per_epoch.max(1);
    (progress.step.div_ceil(length).max(1), progress.total.div_ceil(length))
}

fn figures(m: &Metrics) -> String {
    format!(
        "D {:.3} G {:.3} D(x) {:.2} D(G(z)) {:.2}→{:.2} {:.0} images/s",
        m.loss_d, m.loss_g, m.d_x, m.d_g_z1, m.d_g_z2, m.images_per_second
    )
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
