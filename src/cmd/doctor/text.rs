//! The human-readable report.

use std::io::{Result, Write};

use super::{Report, devices::Device, elements::Importance};

/// Width of the left column.
const LEFT: usize = 14;

pub(super) fn write(report: &Report, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "l3net {}", report.version)?;
    writeln!(out)?;
    processor(report, out)?;
    gpu(report, out)?;
    gstreamer(report, out)?;
    list(out, "cameras", &report.cameras, "none found")?;
    list(out, "microphones", &report.microphones, "none found")?;
    model(report, out)?;
    let cache = &report.cache;
    let mut text = cache.path.display().to_string();
    if !cache.exists {
        text += " (does not exist yet)";
    }
    if let Some(free) = cache.free_bytes {
        text += &format!(", {} free", size(free));
    }
    line(out, "cache", &text)?;
    verdict(report, out)
}

fn line(out: &mut dyn Write, left: &str, text: &str) -> Result<()> {
    writeln!(out, "{left:LEFT$}{text}")
}

fn processor(report: &Report, out: &mut dyn Write) -> Result<()> {
    let cpu = &report.cpu;
    let mut text = cpu.name.clone().unwrap_or_else(|| "unknown".to_owned());
    text += &format!(
        ", {} core{}",
        cpu.cores,
        if cpu.cores == 1 { "" } else { "s" }
    );
    if let Some(memory) = cpu.memory_bytes {
        text += &format!(", {} of memory", size(memory));
    }
    line(out, "processor", &text)?;
    let sets = match cpu.features.as_slice() {
        [] => "no AVX2: the network runs slowly here".to_owned(),
        sets => sets.join(", "),
    };
    line(out, "", &sets)?;
    let compared = match cpu.bf16_time {
        Some(ratio) => format!("bf16 takes {ratio:.2} of the time of f32"),
        None => "no instructions for bf16".to_owned(),
    };
    let auto = cpu.auto_precision;
    let own = format!("f32 by own convolutions ({})", cpu.convolutions);
    line(
        out,
        "",
        &format!("--precision auto is {auto}: {compared}; {own}"),
    )?;
    let torch = &report.libtorch;
    let version = torch.version.as_deref().unwrap_or("of unknown version");
    let threads = if torch.threads == 1 {
        "thread"
    } else {
        "threads"
    };
    let mut text = format!("{version}, {} {threads}", torch.threads);
    if let Some(path) = &torch.path {
        text += &format!(", {}", path.display());
    }
    line(out, "libtorch", &text)
}

fn gpu(report: &Report, out: &mut dyn Write) -> Result<()> {
    let gpu = &report.gpu;
    if gpu.devices.is_empty() && !gpu.driver && gpu.usable == 0 {
        return line(out, "GPU", "no NVIDIA GPU");
    }
    let state = if gpu.usable > 0 {
        "ready"
    } else {
        "NOT USABLE"
    };
    if gpu.devices.is_empty() {
        line(out, "GPU", &format!("{} found, {state}", gpu.usable.max(1)))?;
    }
    for (n, device) in gpu.devices.iter().enumerate() {
        let left = if n == 0 { "GPU" } else { "" };
        line(out, left, &format!("cuda:{n}  {device}, {state}"))?;
    }
    match (&gpu.library, &gpu.error) {
        (_, Some(error)) => line(out, "", error),
        (Some(path), None) => line(out, "", &path.display().to_string()),
        (None, None) => Ok(()),
    }
}

fn gstreamer(report: &Report, out: &mut dyn Write) -> Result<()> {
    let gst = &report.gstreamer;
    if !gst.built_in {
        return line(
            out,
            "GStreamer",
            "not built in (cargo feature gst): no media, only models and benches",
        );
    }
    match (&gst.version, &gst.error) {
        (_, Some(error)) => line(out, "GStreamer", &format!("cannot be initialised: {error}"))?,
        (Some(version), None) => line(out, "GStreamer", version)?,
        (None, None) => {}
    }
    let mut group = "";
    for purpose in &gst.purposes {
        let left = if purpose.group == group {
            ""
        } else {
            purpose.group
        };
        group = purpose.group;
        let state = match (purpose.element, purpose.weight) {
            (Some(element), _) => element.to_owned(),
            (None, Importance::Extra) => format!("- ({})", purpose.any_of[0]),
            (None, _) => format!(
                "MISSING {} (package {})",
                purpose.any_of[0], purpose.package
            ),
        };
        writeln!(
            out,
            "  {left:width$}{:31} {state}",
            purpose.what,
            width = LEFT - 2
        )?;
    }
    Ok(())
}

fn list(out: &mut dyn Write, left: &str, devices: &[Device], none: &str) -> Result<()> {
    if devices.is_empty() {
        return line(out, left, none);
    }
    for (n, device) in devices.iter().enumerate() {
        let left = if n == 0 { left } else { "" };
        line(out, left, &format!("{:12} {}", device.source, device.name))?;
    }
    Ok(())
}

fn model(report: &Report, out: &mut dyn Write) -> Result<()> {
    let model = &report.model;
    let text = match (&model.source, &model.error) {
        (Some(source), _) => source.display().to_string(),
        (None, Some(error)) => format!("NOT USABLE: {error}"),
        (None, None) => "none".to_owned(),
    };
    line(out, "model", &text)?;
    if model.source.is_some() && !model.trained {
        line(
            out,
            "",
            "untrained: its results mean nothing; use a trained one with --model",
        )?;
    }
    Ok(())
}

fn verdict(report: &Report, out: &mut dyn Write) -> Result<()> {
    writeln!(out)?;
    if report.missing.is_empty() {
        return writeln!(out, "Nothing is missing.");
    }
    let head = if report.ok {
        "Everything that is always needed is present. Missing for some uses:"
    } else {
        "Needed and missing:"
    };
    writeln!(out, "{head}")?;
    for missing in &report.missing {
        let mark = if missing.needed { "needed: " } else { "" };
        writeln!(out, "  {mark}{}", missing.what)?;
    }
    match &report.remedy {
        Some(command) => writeln!(out, "To install it:\n  {command}"),
        None => Ok(()),
    }
}

/// Bytes in powers of ten, as disks are sold.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_readable_unit() {
        assert_eq!(size(512), "0 kB");
        assert_eq!(size(19_041_484), "19 MB");
        assert_eq!(size(72_000_000_000), "72.0 GB");
    }
}
