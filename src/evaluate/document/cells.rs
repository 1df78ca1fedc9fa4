//! Figures → cells of a table.

use crate::evaluate::outcome::Outcome;
use crate::evaluate::report::Cell;
use crate::evaluate::stats::Interval;

/// A number with so many digits, or the reason why there is none.
pub fn number(outcome: &Outcome<f64>, digits: usize) -> Cell {
    outcome.get().map_or_else(Cell::missing, |&value| Cell::number(value, digits))
}

/// A number with its interval, or the reason.
pub fn interval(outcome: &Outcome<Interval>, digits: usize) -> Cell {
    outcome.get().map_or_else(Cell::missing, |interval| {
        let Interval { value, low, high, .. } = *interval;
        Cell::Interval { value, low, high, digits }
    })
}

/// A share as a percentage.
pub fn percent(share: &Outcome<Interval>) -> Outcome<Interval> {
    share.clone().map(|share| share.scaled(100.0))
}

/// One of several numbers, or the reason.
pub fn nth(outcome: &Outcome<Vec<f64>>, at: usize, digits: usize) -> Cell {
    match outcome.get() {
        Ok(values) => values
            .get(at)
            .map_or_else(|| Cell::missing("there is no such figure"), |&v| Cell::number(v, digits)),
        Err(reason) => Cell::missing(reason),
    }
}

/// Several numbers of one thing, or the reason.
pub fn together(outcome: &Outcome<Vec<f64>>, digits: usize) -> Cell {
    outcome.get().map_or_else(Cell::missing, |values| {
        let words: Vec<String> = values.iter().map(|value| format!("{value:.digits$}")).collect();
        Cell::text(words.join(" / "))
    })
}

/// A p-value: below one in a thousand it says no more.
pub fn p_value(p: f64) -> Cell {
    if p <= 0.001 { Cell::text("≤ 0.001") } else { Cell::number(p, 3) }
}
