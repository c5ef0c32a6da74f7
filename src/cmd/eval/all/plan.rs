//! Which experiments the data allow.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::bail;

use super::AllArgs;
use crate::cmd::data::escaped;
use crate::cmd::eval::labelled::{Kind as Files, Of};
use crate::corpus::shards::holds_shards;
use crate::corpus::{
    ClipRules, Clips, CorpusError, SplitRules, TEST_FOLD, idle_patterns, warn_of_idle_patterns,
};
use crate::eval::labelled::Labelled;

/// What is taken for a recording, by the end of its name.
const MEDIA: [&str; 9] = [
    "avi", "m4v", "mkv", "mov", "mp4", "mpg", "ogv", "ts", "webm",
];

/// What a unit fires on most are so many files.
const LEAST_IN_A_SHEET: usize = 5;

/// A map of fewer files shows nothing.
const LEAST_ON_A_MAP: usize = 10;

/// All experiments, in the order of the paper.
pub(super) struct Plan {
    pub experiments: Vec<Planned>,
}

/// One experiment.
pub(super) struct Planned {
    /// For the page.
    pub title: String,
    /// Of its files.
    pub name: String,
    words: Vec<String>,
    /// A picture that it makes, from the page.
    pub picture: Option<String>,
    /// A page that it makes, from the page.
    pub page: Option<String>,
}

impl Planned {
    fn new(title: String, name: String, words: &[&str]) -> Self {
        Self {
            title,
            name,
            words: words.iter().map(|&w| w.to_owned()).collect(),
            picture: None,
            page: None,
        }
    }

    /// What would be typed behind `l3net eval`.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// All of what would be typed into a shell.
    pub fn command(&self) -> String {
        let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
        let quoted = self.words.iter().map(|word| match word.chars().all(plain) {
            true => word.clone(),
            false => format!("'{}'", word.replace('\'', r"'\''")),
        });
        format!("l3net eval {}", quoted.collect::<Vec<_>>().join(" "))
    }
}

/// What lies in the folders.
#[derive(Default)]
struct Data {
    /// Of the folders; no two are the same.
    names: BTreeSet<String>,
    sounds: Vec<Kind>,
    pictures: Vec<Kind>,
    recordings: Vec<Recordings>,
}

/// Recordings in a folder.
struct Recordings {
    /// For titles and files.
    name: String,
    folder: PathBuf,
    files: Vec<PathBuf>,
    in_shards: bool,
}

/// A folder of classes.
struct Kind {
    of: Of,
    /// For titles and files.
    name: String,
    folder: PathBuf,
    files: Vec<PathBuf>,
    classes: BTreeSet<String>,
    /// All of it PNG: things that were cut out.
    cut_out: bool,
    /// Recordings in shards: pictures and sounds belong together.
    in_shards: bool,
}

/// What of `--test` is for these files; what matches none of them is for those of
/// another folder.
fn patterns<'a>(test: &'a [String], files: &[PathBuf]) -> Vec<&'a str> {
    let files = files.iter().map(PathBuf::as_path);
    let idle: Vec<&str> = idle_patterns(test, files).collect();
    let test = test.iter().map(String::as_str);
    test.filter(|pattern| !idle.contains(pattern)).collect()
}

impl Kind {
    /// How many files are held out.
    fn held_out(&self, test: &[String]) -> usize {
        let extensions = Files::of(self.of).extensions();
        let rules = SplitRules {
            test: (patterns(test, &self.files).into_iter())
                .map(str::to_owned)
                .collect(),
            ..SplitRules::default()
        };
        let held_out = Labelled::read(std::slice::from_ref(&self.folder), extensions, &rules);
        held_out.map_or(0, |data| data.held_out(TEST_FOLD).files.len())
    }
}

impl Data {
    /// Looks at the folders below each, or at itself if none of these is any data.
    fn below(folders: &[PathBuf]) -> anyhow::Result<Self> {
        let mut data = Self::default();
        for folder in folders {
            if !folder.is_dir() {
                bail!("{}: no such folder", folder.display());
            }
            let entries = std::fs::read_dir(folder)?;
            let mut children: Vec<PathBuf> = entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.is_dir())
                .collect();
            children.sort();
            let found = children.iter().filter(|child| data.add(child)).count();
            if found == 0 && !data.add(folder) {
                bail!(
                    "{}: nothing in it that can be looked at; expected folders of classes, \
                     ESC-50, DCASE, shards or two recordings, or folders of these (`l3net eval \
                     sound --help` shows how they are laid out)",
                    folder.display()
                );
            }
        }
        Ok(data)
    }

    /// True if there was something in it, damaged or not.
    fn add(&mut self, folder: &Path) -> bool {
        let in_shards = holds_shards(folder);
        let name = self.free_name(folder);
        // Without GStreamer only what was decoded before.
        let recorded = match in_shards {
            true => recorded_in(folder),
            false if cfg!(feature = "gst") => media_in(folder),
            false => Vec::new(),
        };
        let recordings = in_shards || recorded.len() >= 2;
        let mut found = recordings;
        for (of, kinds) in [
            (Of::Sounds, &mut self.sounds),
            (Of::Pictures, &mut self.pictures),
        ] {
            match classes(folder, &name, of, in_shards) {
                Ok(kind) => kinds.push(kind),
                // A file that cannot be understood is of data; of other folders most are
                // no data at all.
                Err(error) if in_shards || matches!(error, CorpusError::File { .. }) => {
                    tracing::warn!("{} by class: {error}", of.name());
                }
                Err(_) => continue,
            }
            found = true;
        }
        if recordings {
            self.recordings.push(Recordings {
                name: name.clone(),
                folder: folder.to_owned(),
                files: recorded,
                in_shards,
            });
        }
        if found {
            self.names.insert(name);
        }
        found
    }

    /// A folder's name; the second of that name is `NAME-2`, or its files would lie in
    /// the place of the first one's.
    fn free_name(&self, folder: &Path) -> String {
        // Of `.` and `..` it is not in the path.
        let whole = folder.canonicalize().unwrap_or_default();
        let name = folder.file_name().or(whole.file_name());
        let name = name.map_or("data".into(), |name| name.to_string_lossy());
        let numbered = (2..).map(|nth| format!("{name}-{nth}"));
        let mut names = std::iter::once(name.to_string()).chain(numbered);
        let free = names.find(|name| !self.names.contains(name));
        free.expect("numbers do not end")
    }

    /// Those that may be put together with pictures.
    fn single_sounds(&self) -> impl Iterator<Item = &Kind> {
        self.sounds.iter().filter(|sounds| !sounds.in_shards)
    }

    /// The classes of pictures that are heard, too.
    fn shared(&self, pictures: &Kind) -> usize {
        let heard: BTreeSet<&String> = self.single_sounds().flat_map(|s| &s.classes).collect();
        let shared = pictures.classes.iter().filter(|c| heard.contains(c));
        shared.count()
    }
}

/// A folder of labelled files.
fn classes(folder: &Path, name: &str, of: Of, in_shards: bool) -> Result<Kind, CorpusError> {
    let extensions = Files::of(of).extensions();
    let found = Labelled::read_all(&[folder.to_owned()], extensions)?;
    let files = found.files.iter().map(|file| file.media.recorded_as());
    let files: Vec<PathBuf> = files.collect();
    let is_png = |path: &PathBuf| {
        path.extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("png"))
    };
    Ok(Kind {
        of,
        name: name.to_owned(),
        folder: folder.to_owned(),
        cut_out: files.iter().all(is_png),
        files,
        in_shards,
        classes: found.classes.into_iter().collect(),
    })
}

fn media_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_media = |path: &PathBuf| {
        let end = path.extension().map(|e| e.to_ascii_lowercase());
        end.is_some_and(|end| MEDIA.iter().any(|m| end == *m))
    };
    paths.filter(is_media).collect()
}

/// What the clips in shards were cut from. Nothing if they are damaged, which the
/// experiment on them tells.
fn recorded_in(folder: &Path) -> Vec<PathBuf> {
    let opened = Clips::open(&[folder.to_owned()], &ClipRules::default());
    opened.map_or_else(
        |_| Vec::new(),
        |clips| clips.names().map(PathBuf::from).collect(),
    )
}

/// `--test` and its patterns, if any are for these files.
fn held_out_by<'a>(test: &'a [String], files: &[PathBuf]) -> impl Iterator<Item = &'a str> {
    let test = patterns(test, files);
    let option = (!test.is_empty()).then_some("--test");
    option.into_iter().chain(test)
}

/// Folders as one value of `synth:` and `classes:`.
fn joined<'a>(kinds: impl Iterator<Item = &'a Kind>) -> String {
    let folders = kinds.map(|k| escaped(&k.folder.display().to_string()));
    folders.collect::<Vec<_>>().join("+")
}

impl Plan {
    pub fn of(args: &AllArgs) -> anyhow::Result<Self> {
        let data = Data::below(&args.data)?;
        let kinds = data.pictures.iter().chain(&data.sounds);
        let files = kinds.map(|kind| &kind.files);
        let files = files.chain(data.recordings.iter().map(|recordings| &recordings.files));
        warn_of_idle_patterns(&args.test, files.flatten().map(PathBuf::as_path));
        let test: Vec<String> = args.test.iter().map(|pattern| escaped(pattern)).collect();
        let test = test.join("+");
        let test = if test.is_empty() {
            test
        } else {
            format!(",test={test}")
        };
        let (mut pairs, mut scenes) = (Vec::new(), Vec::new());
        pairs.push("synth:objects=1-2".to_owned());
        scenes.push("synth:objects=2-3".to_owned());
        for pictures in &data.pictures {
            let shared = data.shared(pictures);
            if shared < 2 || pictures.in_shards {
                continue;
            }
            let heard = joined(data.single_sounds());
            let shown = joined(std::iter::once(pictures));
            if pictures.cut_out {
                let of = |objects| {
                    format!("synth:objects={objects},sprites={shown},sounds={heard}{test}")
                };
                pairs.push(of("1-2"));
                if shared > 2 {
                    // Two are seen, and another is heard that is not.
                    scenes.push(of("2-3"));
                }
            } else {
                pairs.push(format!("classes:sounds={heard},images={shown}{test}"));
            }
        }
        let mut plan = Self {
            experiments: Vec::new(),
        };
        let count = (args.pairs & !1).to_string();
        plan.drawn(
            "avc",
            "Do picture and sound correspond?",
            "--pairs",
            &count,
            &pairs,
        );
        for recordings in &data.recordings {
            let name = &recordings.name;
            let title = format!("Do picture and sound correspond? {name}");
            let path = recordings.folder.display().to_string();
            // Shards are held out as training does it and as their classes are;
            // single recordings are too few for that.
            let split = if recordings.in_shards { "clip" } else { "time" };
            let mut words = vec!["avc", &path, "--split", split, "--pairs", &count];
            words.extend(held_out_by(&args.test, &recordings.files));
            plan.push(title, format!("avc-{name}"), &words);
        }
        plan.drawn(
            "localize",
            "Where does the sound come from?",
            "--scenes",
            &count,
            &scenes,
        );
        for kind in &data.sounds {
            plan.classes("sound", "Classes of sounds", kind, &args.test);
        }
        for kind in &data.pictures {
            plan.classes("image", "Classes of pictures", kind, &args.test);
        }
        for kind in data.pictures.iter().chain(&data.sounds) {
            plan.looked_at(kind, args);
        }
        Ok(plan)
    }

    fn push(&mut self, title: String, name: String, words: &[&str]) -> &mut Planned {
        self.experiments.push(Planned::new(title, name, words));
        let last = self.experiments.len() - 1;
        &mut self.experiments[last]
    }

    /// An experiment on pairs or scenes of all `data`.
    fn drawn(&mut self, what: &str, title: &str, option: &str, count: &str, data: &[String]) {
        let mut words = vec![what];
        words.extend(data.iter().map(String::as_str));
        words.extend([option, count]);
        self.push(title.to_owned(), what.to_owned(), &words);
    }

    /// An experiment that learns classes.
    fn classes(&mut self, what: &str, title: &str, kind: &Kind, test: &[String]) {
        let name = &kind.name;
        let path = kind.folder.display().to_string();
        let mut words = vec![what, &path];
        words.extend(held_out_by(test, &kind.files));
        self.push(format!("{title}: {name}"), format!("{what}-{name}"), &words);
    }

    /// Clusters, units and t-SNE of what is held out.
    fn looked_at(&mut self, kind: &Kind, args: &AllArgs) {
        let name = &kind.name;
        let path = kind.folder.display().to_string();
        let mut shared = vec![path.as_str(), "--of", kind.of.name(), "--held-out"];
        shared.extend(held_out_by(&args.test, &kind.files));
        // Shards hold both.
        let of = |what: &str| format!("{what} of {}: {name}", kind.of.name());
        let file = |what: &str| format!("{what}-{name}-{}", kind.of.name());
        let at = |file: &str| args.output.join(file).display().to_string();
        // The paper's 64 clusters, and 30 neighbours, fewer where little is held out.
        let files = kind.held_out(&args.test);
        let clusters = (files / 2).clamp(2, 64).to_string();
        let perplexity = (files / 4).clamp(2, 30).to_string();
        let words = [&["clusters"], &shared[..], &["--clusters", &clusters]].concat();
        self.push(of("Clusters"), file("clusters"), &words);
        if files < LEAST_IN_A_SHEET {
            return;
        }
        let folder = file("units");
        let output = at(&folder);
        let words = [&["units"], &shared[..], &["-o", &output]].concat();
        let planned = self.push(of("Units"), folder.clone(), &words);
        planned.picture = Some(format!("{folder}/units.png"));
        planned.page = Some(format!("{folder}/index.html"));
        if files < LEAST_ON_A_MAP {
            return;
        }
        let picture = format!("{}.svg", file("tsne"));
        let output = at(&picture);
        let near = ["--perplexity", &perplexity, "-o", &output];
        let words = [&["tsne"], &shared[..], &near].concat();
        let planned = self.push(of("Map (t-SNE)"), file("tsne"), &words);
        planned.picture = Some(picture);
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
