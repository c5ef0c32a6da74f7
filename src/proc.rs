//! Files of `/proc` that have a line `name: value` for each thing that they tell.

/// The value of the first line of this name.
pub fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(key, _)| key.trim() == name)?;
    Some(value.trim())
}

/// The same of `/proc/self/status`.
pub fn of_this_process(name: &str) -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    field(&status, name).map(str::to_owned)
}

/// Bytes of a value in kB.
pub fn bytes(value: &str) -> Option<u64> {
    let kb: u64 = value.strip_suffix("kB")?.trim().parse().ok()?;
    kb.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_name_counts() {
        let text = "processor\t: 0\nflags\t\t: fpu avx2\nprocessor\t: 1\nMemTotal:  16 kB\n";
        assert_eq!(field(text, "processor"), Some("0"));
        assert_eq!(field(text, "flags"), Some("fpu avx2"));
        assert_eq!(field(text, "flag"), None);
        assert_eq!(field(text, "MemTotal").and_then(bytes), Some(16_384));
        assert_eq!(bytes("16 MB"), None);
    }
}
