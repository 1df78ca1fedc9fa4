//! What launches did and what was found, kept for whoever asks.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use super::error::say;
use super::stream::thread_number;
use super::table::lock;
use crate::launch::Report;
use crate::sanitizer::{Finding, FindingKind};

/// Findings kept; later ones are only printed.
const FINDINGS: usize = 10_000;

/// Reports gathered for one asker.
struct Collection {
    /// Only launches of this thread, or of all.
    thread: Option<u64>,
    reports: Vec<Report>,
}

#[derive(Default)]
pub struct Journal {
    last: Mutex<Option<Report>>,
    collections: Mutex<BTreeMap<u64, Collection>>,
    findings: Mutex<Vec<Finding>>,
    file: Option<Mutex<File>>,
}

impl Journal {
    /// # Errors
    /// The report file cannot be opened.
    pub fn new(report: Option<&Path>) -> Result<Self, String> {
        let open = |path: &Path| {
            let opened = OpenOptions::new().create(true).append(true).open(path);
            opened.map_err(|error| format!("SOFTGPU_REPORT={}: {error}", path.display()))
        };
        Ok(Self { file: report.map(open).transpose()?.map(Mutex::new), ..Self::default() })
    }

    /// Takes a launch's report: what the kernel printed goes to stdout, findings to stderr.
    pub fn launch(&self, report: Report) {
        if !report.printed.is_empty() {
            // A closed stdout is the program's own affair.
            let mut stdout = std::io::stdout().lock();
            let _ = stdout.write_all(report.printed.as_bytes()).and_then(|()| stdout.flush());
        }
        if !report.findings.is_empty() {
            say(format_args!("{report}"));
        }
        self.keep(&report.findings);
        if let Some(file) = &self.file {
            let written = serde_json::to_string(&report)
                .map_err(std::io::Error::other)
                .and_then(|line| writeln!(lock(file), "{line}"));
            if let Err(error) = written {
                say(format_args!("the report file: {error}"));
            }
        }
        let thread = thread_number();
        for collection in lock(&self.collections).values_mut() {
            if collection.thread.is_none_or(|wanted| wanted == thread) {
                collection.reports.push(report.clone());
            }
        }
        *lock(&self.last) = Some(report);
    }

    /// Takes something found outside a kernel.
    pub fn found(&self, kind: FindingKind, message: String) {
        let finding = Finding {
            kind,
            kernel: String::new(),
            block: None,
            thread: None,
            ptx_line: 0,
            instruction: String::new(),
            source: None,
            message,
            count: 1,
        };
        say(format_args!("{finding}"));
        self.keep(&[finding]);
    }

    fn keep(&self, found: &[Finding]) {
        let mut findings = lock(&self.findings);
        let room = FINDINGS.saturating_sub(findings.len());
        findings.extend(found.iter().take(room).cloned());
    }

    /// Begins to gather reports, of the calling thread's launches or of all.
    pub fn collect(&self, all_threads: bool) -> u64 {
        let thread = (!all_threads).then(thread_number);
        let key = super::table::next_number();
        lock(&self.collections).insert(key, Collection { thread, reports: Vec::new() });
        key
    }

    /// The reports gathered so far as a JSON array, `None` for a key that is not one.
    pub fn collected(&self, key: u64) -> Option<String> {
        let collections = lock(&self.collections);
        serde_json::to_string(&collections.get(&key)?.reports).ok()
    }

    /// Ends a gathering and forgets its reports.
    pub fn end(&self, key: u64) -> bool {
        lock(&self.collections).remove(&key).is_some()
    }

    /// The last launch's report as JSON.
    pub fn last(&self) -> Option<String> {
        serde_json::to_string(lock(&self.last).as_ref()?).ok()
    }

    /// All findings since cuInit or the last clearing, as a JSON array.
    pub fn findings(&self) -> Option<String> {
        serde_json::to_string(&*lock(&self.findings)).ok()
    }

    pub fn clear_findings(&self) {
        lock(&self.findings).clear();
    }
}
