//! What the environment says about the device, read by cuInit:
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `SOFTGPU_SEED` | orders blocks and warps | 0 |
//! | `SOFTGPU_WORKERS` | threads that run blocks, 0 for one per core | 0 |
//! | `SOFTGPU_CHECKS` | `all`, or `bounds`: no checks for races and unwritten memory | `all` |
//! | `SOFTGPU_FAIL` | `1`: every finding fails its launch; `0`: only those that end the kernel | `1` |
//! | `SOFTGPU_WATCHDOG` | most instructions of a thread, 0 for no limit | 2000000000 |
//! | `SOFTGPU_PERTURB` | share of the documented error added to approximate functions, 0 to 1 | 0 |
//! | `SOFTGPU_MEMORY` | device memory in bytes, with `K`, `M` or `G` behind the number | 16G |
//! | `SOFTGPU_REPORT` | a file to which each launch appends one line of JSON | none |

use std::path::PathBuf;

use crate::gpu::Options;
use crate::sanitizer::Checks;

/// What cuInit makes a device of.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub options: Options,
    pub report: Option<PathBuf>,
}

impl Config {
    /// Reads the variables through `get`.
    ///
    /// # Errors
    /// The variable, its value and what it should be.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut config = Self::default();
        let options = &mut config.options;
        let value = |name: &'static str| {
            get(name).map(|text| Value { name, text }).filter(|value| !value.text.is_empty())
        };
        if let Some(seed) = value("SOFTGPU_SEED") {
            options.seed = seed.number()?;
        }
        if let Some(workers) = value("SOFTGPU_WORKERS") {
            options.workers = workers.number()?;
        }
        if let Some(checks) = value("SOFTGPU_CHECKS") {
            options.checks = match checks.text.as_str() {
                "all" => Checks::ALL,
                "bounds" => Checks::NONE,
                _ => return Err(checks.wrong("`all` or `bounds`")),
            };
        }
        if let Some(fail) = value("SOFTGPU_FAIL") {
            options.fail_on_findings = match fail.text.as_str() {
                "1" => true,
                "0" => false,
                _ => return Err(fail.wrong("0 or 1")),
            };
        }
        if let Some(watchdog) = value("SOFTGPU_WATCHDOG") {
            options.watchdog = watchdog.number()?;
        }
        if let Some(perturb) = value("SOFTGPU_PERTURB") {
            let share = perturb.text.trim().parse::<f32>().ok();
            options.perturb = share
                .filter(|share| (0.0..=1.0).contains(share))
                .ok_or_else(|| perturb.wrong("a number from 0 to 1"))?;
        }
        if let Some(memory) = value("SOFTGPU_MEMORY") {
            options.properties.memory_bytes = memory.bytes()?;
        }
        config.report = value("SOFTGPU_REPORT").map(|path| path.text.into());
        Ok(config)
    }
}

/// A variable that is set.
struct Value {
    name: &'static str,
    text: String,
}

impl Value {
    fn wrong(&self, wanted: &str) -> String {
        format!("{}={}: wanted {wanted}", self.name, self.text)
    }

    fn number<T: std::str::FromStr>(&self) -> Result<T, String> {
        self.text.trim().parse().map_err(|_| self.wrong("a whole number that is not negative"))
    }

    fn bytes(&self) -> Result<usize, String> {
        let text = self.text.trim();
        let (digits, shift) = match text.char_indices().next_back() {
            Some((at, 'K' | 'k')) => (&text[..at], 10),
            Some((at, 'M' | 'm')) => (&text[..at], 20),
            Some((at, 'G' | 'g')) => (&text[..at], 30),
            _ => (text, 0),
        };
        let count = digits.parse::<usize>().ok().filter(|count| *count > 0);
        count
            .and_then(|count| count.checked_mul(1 << shift))
            .ok_or_else(|| self.wrong("bytes above 0, perhaps with K, M or G behind"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, text: &str) -> Result<Config, String> {
        Config::read(|asked| (asked == name).then(|| text.to_owned()))
    }

    #[test]
    fn values_reach_the_options() {
        assert_eq!(with("SOFTGPU_SEED", "18446744073709551615").unwrap().options.seed, u64::MAX);
        assert_eq!(with("SOFTGPU_WORKERS", "3").unwrap().options.workers, 3);
        assert_eq!(with("SOFTGPU_CHECKS", "bounds").unwrap().options.checks, Checks::NONE);
        assert!(!with("SOFTGPU_FAIL", "0").unwrap().options.fail_on_findings);
        assert_eq!(with("SOFTGPU_WATCHDOG", "7").unwrap().options.watchdog, 7);
        let memory = |text| with("SOFTGPU_MEMORY", text).unwrap().options.properties.memory_bytes;
        assert_eq!((memory("12"), memory("3K"), memory("5G")), (12, 3 << 10, 5 << 30));
        assert_eq!(with("SOFTGPU_REPORT", "a/b").unwrap().report, Some("a/b".into()));
        assert_eq!(with("SOFTGPU_SEED", "").unwrap().options.seed, 0);
    }

    #[test]
    fn a_bad_value_is_refused_with_its_name_instead_of_ignored() {
        for (name, text) in [
            ("SOFTGPU_SEED", "-1"),
            ("SOFTGPU_WORKERS", "two"),
            ("SOFTGPU_CHECKS", "none"),
            ("SOFTGPU_FAIL", "yes"),
            ("SOFTGPU_WATCHDOG", "1e9"),
            ("SOFTGPU_PERTURB", "NaN"),
            ("SOFTGPU_PERTURB", "1.5"),
            ("SOFTGPU_MEMORY", "0"),
            ("SOFTGPU_MEMORY", "G"),
            ("SOFTGPU_MEMORY", "99999999999G"),
            ("SOFTGPU_MEMORY", "4é"),
        ] {
            let message = with(name, text).expect_err(text);
            assert!(message.contains(name) && message.contains(text), "{message}");
        }
    }
}
