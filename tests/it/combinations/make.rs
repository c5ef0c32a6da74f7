//! Makes the clips with ffmpeg, once: they stay below `target/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Row, in_parallel};

/// The folder of the clips. `None` where there is no ffmpeg.
pub fn all(rows: &[Row]) -> Option<PathBuf> {
    let version = Command::new("ffmpeg").arg("-version").output().ok()?;
    // Other arguments or another ffmpeg make other clips.
    let mut key = String::from_utf8_lossy(&version.stdout).into_owned();
    for row in rows {
        key.extend([row.make.as_str(), "\n"]);
    }
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let name = format!("combinations-{:016x}", l3net::hash::fnv1a(key.as_bytes()));
    let folder = parent.join(&name);
    std::fs::create_dir_all(&folder).expect("target/ is writable");
    // One process makes, others wait for it.
    let lock = std::fs::File::create(folder.join("lock")).expect("target/ is writable");
    lock.lock().expect("a lock");
    for old in std::fs::read_dir(parent).expect("a folder").flatten() {
        let old_name = old.file_name().to_string_lossy().into_owned();
        if old_name.starts_with("combinations-") && old_name != name {
            let _ = std::fs::remove_dir_all(old.path());
        }
    }
    // Sources before what is made from them, and from those what is cut.
    let is_film = |row: &Row| row.make.contains(" tone_") || row.make.contains("-i film_");
    let stages: [&(dyn Fn(&Row) -> bool + Sync); 3] = [
        &|row| row.source && !is_film(row),
        &|row| row.source && is_film(row),
        &|row| !row.source,
    ];
    for stage in stages {
        let rows: Vec<&Row> = rows.iter().filter(|row| stage(row)).collect();
        in_parallel(&rows, |row| one(&folder, row));
    }
    Some(folder)
}

fn one(folder: &Path, row: &Row) {
    let (done, part) = (folder.join(&row.name), format!("{}.part", row.name));
    if done.exists() {
        return;
    }
    let mut words: Vec<&str> = row
        .make
        .split(' ')
        .filter(|word| !word.is_empty())
        .collect();
    assert_eq!(
        words.pop(),
        Some(row.name.as_str()),
        "the last word is the file"
    );
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-threads", "1"])
        .args(&words)
        .arg(&part)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg starts");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{}: {said}", row.name);
    std::fs::rename(folder.join(part), done).expect("renamed");
}
