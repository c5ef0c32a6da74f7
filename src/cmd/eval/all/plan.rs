//! Which experiments the data allow.

use std::path::PathBuf;

use super::AllArgs;
use super::folders::{Data, Kind, patterns};
use crate::cmd::data::escaped;
use crate::corpus::warn_of_unused_patterns;

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
        warn_of_unused_patterns(&args.test, files.flatten().map(PathBuf::as_path));
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
