//! A launch's report for people: a table, JSON, an annotated listing.

use std::fmt::Write as _;

use crate::counters::{SharedTraffic, Traffic};
use crate::launch::Report;

/// What stands under every table.
pub const CAVEAT: &str = "Counts of a software device: exact for this launch, whatever the schedule. They are not times \
and say nothing of caches, latencies or overlap on hardware. Instructions are those of the PTX; ptxas \
merges, removes and adds some. Occupancy is calculated from shared memory and from the PTX registers \
live at once, which ptxas may undercut or exceed.";

impl Report {
    /// The counters as a table.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let counters = &self.counters;
        let mut line = |name: &str, value: String| {
            let _ = writeln!(out, "  {name:<34} {value:>16}");
        };
        line("blocks, warps", format!("{}, {}", counters.blocks, counters.warps));
        let warps: u64 = counters.warp_instructions.values().sum();
        let lanes: u64 = counters.lane_instructions.values().sum();
        line("instructions (warps)", grouped(warps));
        line("lanes active of 32, mean", mean(lanes, warps));
        for (class, count) in &counters.warp_instructions {
            line(&format!("  {}", class.name()), grouped(*count));
        }
        line("fused multiply-adds", grouped(counters.fmas));
        line("mma multiply-adds", grouped(counters.mma_macs));
        let global = [
            ("global loads", counters.global_loads),
            ("global stores", counters.global_stores),
            ("global atomics", counters.global_atomics),
            ("asynchronous copies", counters.async_copies),
        ];
        for (name, traffic) in global.into_iter().filter(|(_, traffic)| traffic.requests > 0) {
            line(&format!("{name}: requests"), grouped(traffic.requests));
            line("  bytes asked for", grouped(traffic.bytes));
            line("  32-byte sectors", grouped(traffic.sectors));
            line("  of the sectors' bytes asked for", percent(traffic));
        }
        if let Some(bytes) = counters.unique_bytes {
            line("different global bytes touched", grouped(bytes));
        }
        let shared = [
            ("shared loads", counters.shared_loads),
            ("shared stores", counters.shared_stores),
            ("shared atomics", counters.shared_atomics),
            ("ldmatrix", counters.matrix_loads),
        ];
        for (name, traffic) in shared.into_iter().filter(|(_, traffic)| traffic.requests > 0) {
            let SharedTraffic { requests, bytes, wavefronts, conflicts } = traffic;
            line(&format!("{name}: requests"), grouped(requests));
            line("  bytes asked for", grouped(bytes));
            line("  wavefronts", grouped(wavefronts));
            line("  of them for bank conflicts", grouped(conflicts));
        }
        line("divergent branches", grouped(counters.divergent_branches));
        line("barriers (warps)", grouped(counters.barriers));
        line("registers a thread (estimate)", self.registers.to_string());
        line("shared memory a block, bytes", grouped(u64::from(self.shared_bytes)));
        let occupancy = &self.occupancy;
        line("blocks on a multiprocessor", format!("{} ({})", occupancy.blocks, occupancy.limit));
        line("warps on a multiprocessor", occupancy.warps.to_string());
        out
    }

    /// Everything as one JSON object.
    ///
    /// # Errors
    /// None that a report can cause; serde_json's signature.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The functions that ran, in PTX, each line with what it executed in front: warps, and how many of
    /// their 32 lanes on average.
    pub fn listing(&self, text: &str) -> String {
        let mut out = String::new();
        let lines: Vec<&str> = text.lines().collect();
        let mut counts = self.profile.iter().peekable();
        let mut start = 0;
        // A function ends with a brace in the first column.
        for part in lines.split_inclusive(|line| line.starts_with('}')) {
            let end = start + part.len() as u32;
            if counts.peek().is_some_and(|count| count.line <= end) {
                for (at, source) in part.iter().enumerate() {
                    let line = start + at as u32 + 1;
                    let (mut warps, mut active) = (String::new(), String::new());
                    if let Some(count) = counts.next_if(|count| count.line == line) {
                        (warps, active) = (grouped(count.warps), mean(count.lanes, count.warps));
                    }
                    let _ = writeln!(out, "{warps:>12} {active:>5} {line:>6}  {source}");
                }
            }
            start = end;
        }
        out
    }
}

/// 1234567 → 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn mean(sum: u64, count: u64) -> String {
    if count == 0 { "–".to_owned() } else { format!("{:.1}", sum as f64 / count as f64) }
}

/// Share of the moved bytes that lanes asked for; above 100 % where lanes share them.
fn percent(traffic: Traffic) -> String {
    if traffic.sectors == 0 {
        return "–".to_owned();
    }
    format!("{:.0} %", 100.0 * traffic.bytes as f64 / (32 * traffic.sectors) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three_from_the_right() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
    }
}
