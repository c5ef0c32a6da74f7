//! `l3net doctor`: what this machine can do, and what is missing.
//!
//! Belongs here: gathering what the rooms below find into one report, and the
//! verdict on it. Does not: looking (`elements`, `devices`, `machine`,
//! `places`) and writing for people (`text`).

mod devices;
mod elements;
mod machine;
mod places;
mod text;

use std::io::Write;

use serde::Serialize;

/// Tells what this machine can do, and what is missing
#[derive(clap::Args, Debug, Default)]
pub struct DoctorArgs {
    /// Write one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// All that doctor finds; `--json` writes it as it is.
#[derive(Debug, Serialize)]
struct Report {
    /// Nothing that every use needs is missing.
    ok: bool,
    version: &'static str,
    cpu: machine::Cpu,
    libtorch: machine::Libtorch,
    gpu: machine::Gpu,
    gstreamer: elements::GStreamer,
    cameras: Vec<devices::Device>,
    microphones: Vec<devices::Device>,
    model: places::Model,
    cache: places::Cache,
    missing: Vec<Missing>,
    /// Brings all that is missing, as far as a command can.
    remedy: Option<String>,
}

/// Something that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Missing {
    /// What cannot be done without it.
    what: String,
    /// Nothing works without it.
    needed: bool,
    /// The Debian package that brings it.
    package: Option<&'static str>,
    /// Brings it, where no package does.
    command: Option<&'static str>,
}

/// Looks at the machine and writes the report to `out`.
///
/// True if all that every use of the program needs is there; cameras, a GPU and
/// rarer formats may be missing.
///
/// # Errors
/// Fails only where `out` cannot be written to.
pub fn run(args: &DoctorArgs, out: &mut dyn Write) -> anyhow::Result<bool> {
    let report = Report::gather();
    if args.json {
        // As an I/O error, so that the caller can tell a broken pipe.
        serde_json::to_writer_pretty(&mut *out, &report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        text::write(&report, out)?;
    }
    out.flush()?;
    Ok(report.ok)
}

impl Report {
    fn gather() -> Self {
        let gstreamer = elements::look();
        let gpu = machine::gpu();
        let mut missing = gstreamer.missing();
        let model = places::model();
        missing.extend(gpu.missing());
        missing.extend(model.missing());
        missing.sort_by_key(|m| !m.needed);
        let (cameras, microphones) = devices::look();
        Self {
            ok: !missing.iter().any(|m| m.needed),
            version: env!("CARGO_PKG_VERSION"),
            cpu: machine::cpu(),
            libtorch: machine::libtorch(),
            gpu,
            gstreamer,
            cameras,
            microphones,
            model,
            cache: places::cache(),
            remedy: remedy(&missing, machine::is_root(), machine::has_apt()),
            missing,
        }
    }
}

/// One line to paste into a shell.
fn remedy(missing: &[Missing], root: bool, apt: bool) -> Option<String> {
    let mut packages: Vec<_> = missing.iter().filter_map(|m| m.package).collect();
    packages.sort_unstable();
    packages.dedup();
    let mut commands: Vec<String> = Vec::new();
    if !packages.is_empty() && apt {
        let sudo = if root { "" } else { "sudo " };
        commands.push(format!("{sudo}apt-get install -y {}", packages.join(" ")));
    }
    for command in missing.iter().filter_map(|m| m.command) {
        if !commands.iter().any(|c| c == command) {
            commands.push(command.to_owned());
        }
    }
    (!commands.is_empty()).then(|| commands.join(" && "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacks(package: Option<&'static str>, command: Option<&'static str>) -> Missing {
        Missing {
            what: "something".to_owned(),
            needed: false,
            package,
            command,
        }
    }

    #[test]
    fn one_command_brings_all_that_is_missing() {
        let missing = [
            lacks(Some("b"), None),
            lacks(None, Some("make setup CUDA=1")),
            lacks(Some("a"), None),
            lacks(Some("b"), None),
        ];
        assert_eq!(
            remedy(&missing, false, true).as_deref(),
            Some("sudo apt-get install -y a b && make setup CUDA=1")
        );
        assert_eq!(
            remedy(&missing[..1], true, true).as_deref(),
            Some("apt-get install -y b")
        );
    }

    #[test]
    fn where_there_is_no_apt_no_apt_command_is_given() {
        assert_eq!(remedy(&[lacks(Some("a"), None)], true, false), None);
    }

    #[test]
    fn the_table_ends_with_what_to_do_and_json_tells_the_same() {
        let mut table = Vec::new();
        let ok = run(&DoctorArgs::default(), &mut table).expect("a Vec takes all");
        let table = String::from_utf8(table).expect("it is text");
        let mut json = Vec::new();
        assert_eq!(
            run(&DoctorArgs { json: true }, &mut json).expect("a Vec takes all"),
            ok
        );
        let json: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
        assert_eq!(json["ok"], ok);
        match json["remedy"].as_str() {
            Some(remedy) => assert!(table.trim_end().ends_with(remedy), "{table}"),
            None => assert!(!table.contains("To bring it"), "{table}"),
        }
    }
}
