//! Where files are looked for: the model and the cache folder.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

/// A header of a checkpoint that is longer than this is none.
const LONGEST_HEADER: u64 = 16 << 20;

/// Models that are found without `--model`.
#[derive(Debug, Serialize)]
pub(super) struct Models {
    /// Where a `models` folder is looked for, best first.
    pub searched: Vec<PathBuf>,
    /// The checkpoints there.
    pub found: Vec<Model>,
}

/// A checkpoint.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Model {
    pub path: PathBuf,
    pub bytes: u64,
    /// What its header says of it; none: it is no checkpoint.
    pub header: Option<std::collections::BTreeMap<String, String>>,
}

/// The folder for downloads and unpacked libraries.
#[derive(Debug, Serialize)]
pub(super) struct Cache {
    pub path: PathBuf,
    pub exists: bool,
    /// Free on its disk.
    pub free_bytes: Option<u64>,
}

pub(super) fn models() -> Models {
    let exe = std::env::current_exe().and_then(|p| p.canonicalize()).ok();
    let searched = model_folders(exe.as_deref());
    let found = searched
        .iter()
        .flat_map(|folder| checkpoints(folder))
        .collect();
    Models { searched, found }
}

/// `models` here, beside the binary, where `make install` puts it, and at the root
/// of the clone that the binary was built in (`target/debug/l3net`).
fn model_folders(exe: Option<&Path>) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("models")];
    if let Some(bin) = exe.and_then(Path::parent) {
        folders.push(bin.join("models"));
        if let Some(prefix) = bin.parent() {
            folders.push(prefix.join("share/l3net/models"));
            folders.extend(prefix.parent().map(|root| root.join("models")));
        }
    }
    folders
}

fn checkpoints(folder: &Path) -> Vec<Model> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .map(|path| Model {
            bytes: path.metadata().map_or(0, |m| m.len()),
            header: header(&path),
            path,
        })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The `__metadata__` of a safetensors file: 8 bytes of length, then JSON.
fn header(path: &Path) -> Option<std::collections::BTreeMap<String, String>> {
    let mut file = File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER {
        return None;
    }
    let mut json = Vec::new();
    file.take(length).read_to_end(&mut json).ok()?;
    let mut json: serde_json::Value = serde_json::from_slice(&json).ok()?;
    serde_json::from_value(json.get_mut("__metadata__")?.take()).ok()
}

pub(super) fn cache() -> Cache {
    let path = cache_folder(|name| std::env::var_os(name));
    // A folder that is yet to be made lies on its parent's disk.
    let there = path.ancestors().find(|p| p.exists());
    Cache {
        exists: path.is_dir(),
        free_bytes: there.and_then(free_bytes),
        path,
    }
}

/// As `scripts/libtorch.sh` finds it.
fn cache_folder(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> PathBuf {
    let set = |name| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("L3NET_CACHE").unwrap_or_else(|| {
        set("XDG_CACHE_HOME")
            .or_else(|| set("HOME").map(|home| home.join(".cache")))
            .unwrap_or_else(std::env::temp_dir)
            .join("l3net")
    })
}

/// Through `df`: the standard library does not know, and one number is not worth
/// a binding to the C library.
fn free_bytes(path: &Path) -> Option<u64> {
    let out = Command::new("df")
        .args(["--output=avail", "-B1", "--"])
        .arg(path)
        .output()
        .ok()?;
    String::from_utf8(out.stdout)
        .ok()?
        .lines()
        .nth(1)?
        .trim()
        .parse()
        .ok()
}

/// The CUDA set that `make setup CUDA=1` puts into the cache.
pub(super) fn cuda_set() -> Option<PathBuf> {
    let sets = std::fs::read_dir(cache_folder(|name| std::env::var_os(name))).ok()?;
    sets.flatten()
        .map(|entry| entry.path().join("torch/lib/libtorch_cuda.so"))
        .find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_folder_follows_the_environment() {
        let only = |set: &'static str, value: &'static str| {
            cache_folder(move |name| (name == set).then(|| value.into()))
        };
        assert_eq!(only("L3NET_CACHE", "/big"), Path::new("/big"));
        assert_eq!(only("XDG_CACHE_HOME", "/x"), Path::new("/x/l3net"));
        assert_eq!(only("HOME", "/home/a"), Path::new("/home/a/.cache/l3net"));
    }

    #[test]
    fn models_are_found_in_a_clone_and_where_install_puts_them() {
        let built = model_folders(Some(Path::new("/clone/target/debug/l3net")));
        assert!(built.contains(&PathBuf::from("/clone/models")));
        let installed = model_folders(Some(Path::new("/usr/local/bin/l3net")));
        assert!(installed.contains(&PathBuf::from("/usr/local/share/l3net/models")));
    }

    #[test]
    fn a_checkpoint_is_told_by_its_header_and_rubbish_is_listed_as_such() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let json = br#"{"__metadata__":{"format":"l3net/1"}}"#;
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json);
        std::fs::write(folder.path().join("a.safetensors"), bytes).expect("written");
        std::fs::write(folder.path().join("b.safetensors"), [0xff; 40]).expect("written");
        std::fs::write(folder.path().join("notes.txt"), "no model").expect("written");
        let found = checkpoints(folder.path());
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0]
                .header
                .as_ref()
                .and_then(|h| h.get("format"))
                .map(String::as_str),
            Some("l3net/1")
        );
        assert_eq!(found[1].header, None);
    }

    #[test]
    fn the_disk_of_a_folder_has_free_space() {
        assert!(free_bytes(&std::env::temp_dir()).is_some());
    }
}
