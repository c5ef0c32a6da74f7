//! Where OpenL3 writes.

use std::path::{Path, PathBuf};

/// The output of an input: `BASE[_WHAT][_SUFFIX].npz` in `folder`, or beside the input.
pub fn output_path(
    input: &Path,
    what: Option<&str>,
    suffix: Option<&str>,
    folder: Option<&Path>,
) -> PathBuf {
    let mut name = input.file_stem().unwrap_or_default().to_owned();
    let suffix = suffix.filter(|suffix| !suffix.is_empty());
    for part in [what, suffix].into_iter().flatten() {
        // OpenL3 takes one that begins with a dot for an extension.
        if what.is_some() || !part.starts_with('.') {
            name.push("_");
        }
        name.push(part);
    }
    name.push(".npz");
    match folder {
        Some(folder) => folder.join(name),
        None => input.with_file_name(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_openl3() {
        let path = |what, suffix, folder: Option<&str>| {
            let input = Path::new("in/a.b.wav");
            let path = output_path(input, what, suffix, folder.map(Path::new));
            path.display().to_string()
        };
        assert_eq!(path(None, None, None), "in/a.b.npz");
        assert_eq!(path(None, Some("x"), Some("out")), "out/a.b_x.npz");
        assert_eq!(path(Some("audio"), None, Some("out")), "out/a.b_audio.npz");
        assert_eq!(path(Some("image"), Some("x"), None), "in/a.b_image_x.npz");
        assert_eq!(path(None, Some(""), None), "in/a.b.npz");
        assert_eq!(path(None, Some(".v2"), None), "in/a.b.v2.npz");
    }
}
