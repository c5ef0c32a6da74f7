//! Memory and open files of a process, for tests of whether it grows. Test modules of several
//! packages include this file.

use std::process::Command;

/// What one takes.
#[derive(Clone, Copy, Debug)]
pub struct Footprint {
    /// Resident memory in MB.
    pub memory_mb: f64,
    /// Open files, sockets and the like.
    pub files: usize,
}

impl Footprint {
    /// Of this process.
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
        let kilobytes = status.lines().find_map(|line| {
            let text = line.strip_prefix("VmRSS:")?.strip_suffix("kB")?;
            text.trim().parse::<f64>().ok()
        });
        Self {
            memory_mb: kilobytes.expect("its memory") / 1024.0,
            files: std::fs::read_dir("/proc/self/fd").expect("Linux").count(),
        }
    }
}

/// Runs a test in a process of its own: others that run beside it in threads would count, too.
/// `test` is its name with that of its module.
pub fn alone(test: &str, run: impl FnOnce()) {
    const ALONE: &str = "L3NET_TEST_ALONE";
    let set = |name| std::env::var_os(name);
    let of_its_own = set("NEXTEST_EXECUTION_MODE").is_some_and(|mode| mode == "process-per-test");
    if of_its_own || set(ALONE).is_some() {
        return run();
    }
    let program = std::env::current_exe().expect("this program");
    let mut again = Command::new(program);
    again.args([test, "--exact", "--nocapture"]).env(ALONE, "1");
    let done = again.output().expect("it starts");
    let said = String::from_utf8_lossy(&done.stdout);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}{errors}");
    assert!(said.contains("1 passed"), "no test {test}: {said}");
}
