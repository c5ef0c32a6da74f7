//! The folder for what can be made again: libtorch, prepared recordings.

use std::ffi::OsString;
use std::path::PathBuf;

/// The cache folder, as `scripts/libtorch.sh` finds it: `L3NET_CACHE`, or `l3net`
/// in the user's cache folder.
pub fn folder() -> PathBuf {
    folder_by(|name| std::env::var_os(name))
}

fn folder_by(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let set = |name| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("L3NET_CACHE").unwrap_or_else(|| {
        set("XDG_CACHE_HOME")
            .or_else(|| set("HOME").map(|home| home.join(".cache")))
            .unwrap_or_else(std::env::temp_dir)
            .join("l3net")
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_cache_folder_follows_the_environment() {
        let only = |set: &'static str, value: &'static str| {
            folder_by(move |name| (name == set).then(|| value.into()))
        };
        assert_eq!(only("L3NET_CACHE", "/big"), Path::new("/big"));
        assert_eq!(only("XDG_CACHE_HOME", "/x"), Path::new("/x/l3net"));
        assert_eq!(only("HOME", "/home/a"), Path::new("/home/a/.cache/l3net"));
    }
}
