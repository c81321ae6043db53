//! The table, and the limits.

use std::fmt::Display;
use std::process::ExitCode;

use crate::measure::Cost;

#[derive(Default)]
pub struct Report {
    limits: Vec<String>,
    is_missed: bool,
}

impl Report {
    /// Begins a scenario.
    pub fn scenario(&self, title: &str) {
        println!("\n{title}");
        println!("  {:<54} {:>10} {:>10} {:>10} {:>9}  git round trips", "", "wall", "CPU", "peak RSS", "registry");
    }

    /// Prints a line; `requests` and `trips` are `-` where there are none to count.
    pub fn row(&self, what: &str, cost: Cost, requests: impl Display, trips: impl Display) {
        let peak = if cost.peak == 0 { "-".to_owned() } else { format!("{:.1} MiB", mebibytes(cost.peak)) };
        let wall = if cost.wall.is_zero() { "-".to_owned() } else { format!("{:.3} s", cost.wall.as_secs_f64()) };
        println!("  {what:<54} {wall:>10} {:>8.3} s {peak:>10} {requests:>9}  {trips}", cost.cpu.as_secs_f64());
    }

    /// Prints a line below a row.
    pub fn note(&self, text: &str) {
        println!("      {text}");
    }

    /// Holds a figure against the most that it may be.
    pub fn at_most(&mut self, what: &str, figure: f64, limit: f64, unit: &str) {
        self.limit(what, figure, limit, unit, "at most", figure <= limit);
    }

    /// Holds a figure against the least that it may be.
    pub fn at_least(&mut self, what: &str, figure: f64, limit: f64, unit: &str) {
        self.limit(what, figure, limit, unit, "at least", figure >= limit);
    }

    fn limit(&mut self, what: &str, figure: f64, limit: f64, unit: &str, word: &str, is_held: bool) {
        let verdict = if is_held { "held  " } else { "MISSED" };
        let line = format!("  {verdict} {what}: {figure:.3}{unit}, {word} {limit}{unit}");
        println!("{line}");
        self.is_missed |= !is_held;
        self.limits.push(line);
    }

    /// Says everything again that was held or missed.
    pub fn end(self) -> ExitCode {
        println!("\nlimits");
        self.limits.iter().for_each(|line| println!("{line}"));
        ExitCode::from(u8::from(self.is_missed))
    }
}

pub fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}
