//! What was measured where, when and from which commit.

use serde::Serialize;
use std::fmt;
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// Stands for what the system does not say.
const UNKNOWN: &str = "unknown";

/// Where a figure comes from.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: Option<usize>,
    /// What the backend says of itself.
    pub backend: String,
    /// UTC, RFC 3339.
    pub date: String,
    /// The commit of the source folder, with `-dirty` behind it where that differs from the commit; the
    /// version of the program where there is no such folder.
    pub commit: String,
    /// The command line.
    pub command: String,
}

impl Machine {
    /// This machine now, with a backend that describes itself as `backend`, measured by `command`.
    pub fn now(backend: String, command: String) -> Self {
        Self {
            cpu: processor(),
            cores: std::thread::available_parallelism().ok().map(usize::from),
            backend,
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            commit: commit().unwrap_or_else(|| concat!("v", env!("CARGO_PKG_VERSION")).to_owned()),
            command,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, backend, date, commit, command } = self;
        let cores = cores.map_or(UNKNOWN.to_owned(), |n| n.to_string());
        write!(f, "{cpu}, cores: {cores}; {backend}; {date}; commit {commit}  \n`{command}`")
    }
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    model_name(&text).unwrap_or(UNKNOWN).to_owned()
}

/// The first `model name` in the text of /proc/cpuinfo.
fn model_name(cpuinfo: &str) -> Option<&str> {
    let mut pairs = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == "model name").map(|(_, name)| name.trim())
}

/// The commit of the folder that this program was built from.
fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR")])
        .args(["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let commit = String::from_utf8(output.stdout).ok()?;
    let commit = commit.trim();
    (output.status.success() && !commit.is_empty()).then(|| commit.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_name_is_found_or_unknown() {
        let text = "processor\t: 0\nmodel\t\t: 207\nmodel name\t: Some CPU @ 2 GHz\n";
        assert_eq!(model_name(text), Some("Some CPU @ 2 GHz"));
        assert_eq!(model_name("processor\t: 0\nBogoMIPS\t: 50\n"), None);
        assert_eq!(model_name(""), None);
    }

    #[test]
    fn a_date_is_utc_and_every_field_says_something() {
        let machine = Machine::now("cpu, 2 threads".into(), "dermaglyph bench step".into());
        assert_eq!(machine.date.len(), "2026-11-28T00:00:00Z".len());
        assert!(machine.date.ends_with('Z'));
        let said = machine.to_string();
        for part in [&machine.cpu, &machine.backend, &machine.commit, &machine.command] {
            assert!(!part.is_empty() && said.contains(part), "{part:?} in {said}");
        }
    }
}
