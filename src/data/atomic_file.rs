//! Files that appear whole or not at all.
//!
//! Belongs here: how a file takes its place, whatever is in it. Does not: files that
//! grow and are resumed (`sink::archive`).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes a file beside its name and renames it: nobody reads half of one.
///
/// Where the name is a link, what it leads to is written and the link stays. What is
/// no file (a device, a pipe, `>(command)`) is written to as it is: a file in its place
/// would be of no use to who reads it.
///
/// # Errors
/// What the system says; an old file stays as it was.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, |_| Ok(()))
}

/// As [`write()`], and outlasts a power cut: for what took long to make.
///
/// # Errors
/// As [`write()`].
pub fn write_to_disk(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, File::sync_all)
}

fn put(path: &Path, bytes: &[u8], settle: fn(&File) -> io::Result<()>) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => replace(&fs::canonicalize(path)?, bytes, settle),
        Ok(_) => File::options().write(true).open(path)?.write_all(bytes),
        // A link to what is not there yet; links that lead in a circle are another error.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
            put(&path.with_file_name(fs::read_link(path)?), bytes, settle)
        }
        Err(_) => replace(path, bytes, settle),
    }
}

fn replace(path: &Path, bytes: &[u8], settle: fn(&File) -> io::Result<()>) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = File::create(&part)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| settle(&file)))
        .and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        // What is left of a failed write helps nobody; the first error counts.
        let _ = fs::remove_file(&part);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.json");
        for text in ["old", "new"] {
            write(&file, text.as_bytes()).expect("a file");
            assert_eq!(fs::read_to_string(&file).expect("a file"), text);
        }
        fs::create_dir(folder.path().join("b.json")).expect("a folder");
        write(&folder.path().join("b.json"), b"x").expect_err("a folder is there");
        write(&folder.path().join("none/a.json"), b"x").expect_err("no folder");
        let left = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 2, "nothing else lies about");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_what_it_leads_to_is_written() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("store")).expect("a folder");
        fs::write(at("store/there"), "old").expect("a file");
        for (link, target) in [
            ("one", "store/there"),
            ("two", "one"),
            ("three", "store/new"),
        ] {
            symlink(target, at(link)).expect("a link");
        }
        for (link, file) in [
            ("one", "store/there"),
            ("two", "store/there"),
            ("three", "store/new"),
        ] {
            write_to_disk(&at(link), link.as_bytes()).expect("written");
            assert!(at(link).is_symlink(), "{link}");
            assert_eq!(fs::read_to_string(at(file)).expect("a file"), link);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_stays_one_and_gets_all_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo");
        let from = pipe.clone();
        let reader = std::thread::spawn(move || fs::read(from).expect("read"));
        write_to_disk(&pipe, &[7; 100_000]).expect("written");
        assert!(!pipe.is_file(), "it was replaced");
        assert_eq!(reader.join().expect("read"), [7; 100_000]);
    }
}
