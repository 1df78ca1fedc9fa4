//! Tests in a process of their own.

use std::process::{Command, Output};

const CHILD: &str = "SOFTGPU_TEST_CHILD";

/// Runs the test `name` again in a process of its own, and the body there. What it printed, where the
/// caller is the parent.
pub fn alone(name: &str, environment: &[(&str, &str)], body: impl FnOnce()) -> Option<Output> {
    if std::env::var_os(CHILD).is_some_and(|child| child == name) {
        body();
        return None;
    }
    let executable = std::env::current_exe().unwrap();
    let output = Command::new(executable)
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, name)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} in its own process:\n{text}");
    assert!(text.contains("1 passed"), "{name} did not run:\n{text}");
    Some(output)
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
