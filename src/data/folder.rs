//! The folder of a stream, by its name.
//!
//! Belongs here: turning any name into a safe path. Does not: creating the folder.

use crate::hash::fnv1a;

/// The folder of a stream: a relative path without `..`, different for every stream, and
/// always the same for one.
///
/// A safe name, such as `lectures/clip 1.mp4`, is unchanged. In any other (an address,
/// `../x`, control characters, a component that is too long or looks like one of our
/// pictures) unsafe characters become `_`, and `~` with a hash of the name is appended.
/// Safe names contain no `~`.
pub fn folder_of(stream: &str) -> String {
    if !stream.is_empty() && stream.split('/').all(is_harmless) {
        return stream.to_owned();
    }
    let flat: String = stream
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    let flat = flat.trim_matches(['_', '.', ' ']);
    let start = flat.len().saturating_sub(100);
    let start = (start..).find(|&i| flat.is_char_boundary(i)).unwrap_or(0);
    format!("{}~{:016x}", &flat[start..], fnv1a(stream.as_bytes()))
}

fn is_harmless(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= 200
        && part.chars().all(is_plain)
        && !part.starts_with(['.', ' '])
        && !part.ends_with(['.', ' '])
        && !part.ends_with(".png")
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || " ._-+,=()[]@".contains(c)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn harmless_names_stay_as_they_are() {
        for name in ["clip.mp4", "Ä b/2024-01-01 (1).mkv", "a/b/c.mov"] {
            assert_eq!(folder_of(name), name);
        }
    }

    #[test]
    fn an_address_can_still_be_read() {
        let folder = folder_of("rtsp://10.0.0.5:554/cam?ch=1");
        assert!(
            folder.starts_with("rtsp___10.0.0.5_554_cam_ch=1~"),
            "{folder}"
        );
    }

    #[test]
    fn names_that_differ_in_what_is_harmful_have_folders_that_differ() {
        let names = [
            "",
            ".",
            "..",
            "/",
            "a",
            "/a",
            "./a",
            "../a",
            "a/",
            "a//b",
            "a/b",
            "a\\b",
            "a:b",
            "a\nb",
            "a_b",
            "a?b",
            "a~b",
            "C:a",
            "a/000000.png",
            "a ",
            " a",
            "a.",
            ".a",
        ];
        let folders: HashSet<String> = names.iter().map(|n| folder_of(n)).collect();
        assert_eq!(folders.len(), names.len());
    }

    proptest! {
        #[test]
        fn no_name_leads_out_of_the_folder(name in "\\PC*|[./~:a\\\\\\n]{0,12}|a{90,400}") {
            let folder = folder_of(&name);
            let path = Path::new(&folder);
            prop_assert!(path.components().all(|c| matches!(c, Component::Normal(_))));
            prop_assert!(path.components().count() >= 1);
            prop_assert!(folder.split('/').all(|part| part.len() <= 255));
            prop_assert!(!folder.chars().any(char::is_control));
            prop_assert_eq!(folder_of(&name), folder);
        }
    }
}
