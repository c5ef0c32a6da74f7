//! `l3net doctor`: what this machine can do, and what is missing.
//!
//! Belongs here: collecting the findings of the modules below into one report, and
//! its verdict. Does not: the checks (`elements`, `devices`, `machine`, `places`) and
//! the human-readable output (`text`).

mod devices;
mod elements;
mod machine;
mod places;
mod text;

use std::io::Write;

use serde::Serialize;

/// Reports what this machine can do, and what is missing
#[derive(clap::Args, Debug, Default)]
pub struct DoctorArgs {
    /// Write one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// The report; `--json` writes it as it is.
#[derive(Debug, Serialize)]
struct Report {
    /// Everything that is always needed is present.
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
    /// The command that installs what is missing, as far as possible.
    remedy: Option<String>,
}

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Missing {
    /// What it is needed for.
    what: String,
    /// Whether it is always needed.
    needed: bool,
    /// The Debian package that provides it.
    package: Option<&'static str>,
    /// The command that provides it, where no package does.
    command: Option<&'static str>,
}

/// Checks the machine and writes the report to `out`.
///
/// Returns whether everything that is always needed is present; cameras, a GPU and
/// rarer formats may be missing.
///
/// # Errors
/// If `out` cannot be written.
pub fn run(args: &DoctorArgs, out: &mut dyn Write) -> anyhow::Result<bool> {
    let report = Report::gather();
    if args.json {
        // As an I/O error, so that the caller recognises a broken pipe.
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
        let gstreamer = elements::check();
        let gpu = machine::gpu();
        let mut missing = gstreamer.missing();
        let model = places::model();
        missing.extend(gpu.missing());
        missing.extend(model.missing());
        missing.sort_by_key(|m| !m.needed);
        let (cameras, microphones) = devices::list();
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

/// One line for a shell.
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
    fn one_command_provides_everything_missing() {
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
    fn without_apt_no_apt_command_is_given() {
        assert_eq!(remedy(&[lacks(Some("a"), None)], true, false), None);
    }

    #[test]
    fn the_table_ends_with_the_remedy_of_the_json() {
        let mut table = Vec::new();
        let ok = run(&DoctorArgs::default(), &mut table).expect("writing to a Vec");
        let table = String::from_utf8(table).expect("it is text");
        let mut json = Vec::new();
        assert_eq!(
            run(&DoctorArgs { json: true }, &mut json).expect("writing to a Vec"),
            ok
        );
        let json: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
        assert_eq!(json["ok"], ok);
        match json["remedy"].as_str() {
            Some(remedy) => assert!(table.trim_end().ends_with(remedy), "{table}"),
            None => assert!(!table.contains("To install it"), "{table}"),
        }
    }
}
