//! Which experiments the data allow.

use std::path::PathBuf;

use super::AllArgs;
use super::folders::{ClassFolder, Data, patterns};
use crate::cmd::data::escaped;
use crate::corpus::warn_of_unused_patterns;
use crate::report::all::SectionFiles;

/// Units are judged by this many files.
const MIN_FILES_OF_UNITS: usize = 5;
/// A map of fewer files shows nothing.
const MIN_FILES_OF_MAP: usize = 10;

/// All experiments, in the order of the paper.
pub(super) struct Plan {
    pub experiments: Vec<Planned>,
}

/// One experiment.
pub(super) struct Planned {
    /// Its heading.
    pub title: String,
    /// The name of its files, without extensions.
    pub name: String,
    words: Vec<String>,
    /// A picture that it writes, relative to the page.
    pub picture: Option<String>,
    /// A page that it writes, relative to the page.
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

    /// The files of its section.
    pub fn files(&self) -> SectionFiles {
        SectionFiles {
            figures: format!("{}.json", self.name),
            picture: self.picture.clone(),
            page: self.page.clone(),
        }
    }

    /// The command line after `l3net eval`.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// The command line, quoted for a shell.
    pub fn command(&self) -> String {
        let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
        let quoted = self.words.iter().map(|word| match word.chars().all(plain) {
            true => word.clone(),
            false => format!("'{}'", word.replace('\'', r"'\''")),
        });
        format!("l3net eval {}", quoted.collect::<Vec<_>>().join(" "))
    }
}

/// `--test` with those patterns that match these files.
fn held_out_by<'a>(test: &'a [String], files: &[PathBuf]) -> impl Iterator<Item = &'a str> {
    let test = patterns(test, files);
    let option = (!test.is_empty()).then_some("--test");
    option.into_iter().chain(test)
}

/// Folders as one value of `synth:` and `classes:`.
fn joined<'a>(kinds: impl Iterator<Item = &'a ClassFolder>) -> String {
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
                    // Two are seen, and a third is heard that is not.
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
            // Shards are split as for training, by recording; single recordings are too
            // few for that.
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
            plan.unsupervised(kind, args);
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

    /// An experiment that classifies.
    fn classes(&mut self, what: &str, title: &str, kind: &ClassFolder, test: &[String]) {
        let name = &kind.name;
        let path = kind.folder.display().to_string();
        let mut words = vec![what, &path];
        words.extend(held_out_by(test, &kind.files));
        self.push(format!("{title}: {name}"), format!("{what}-{name}"), &words);
    }

    /// Clusters, units and t-SNE of held-out files.
    fn unsupervised(&mut self, kind: &ClassFolder, args: &AllArgs) {
        let name = &kind.name;
        let path = kind.folder.display().to_string();
        let mut shared = vec![path.as_str(), "--of", kind.of.name(), "--held-out"];
        shared.extend(held_out_by(&args.test, &kind.files));
        // The kind of file tells the two experiments on shards apart.
        let of = |what: &str| format!("{what} of {}: {name}", kind.of.name());
        let file = |what: &str| format!("{what}-{name}-{}", kind.of.name());
        let at = |file: &str| args.output.join(file).display().to_string();
        // The paper's 64 clusters and 30 neighbours, fewer if few files are held out.
        let files = kind.held_out(&args.test);
        let clusters = (files / 2).clamp(2, 64).to_string();
        let perplexity = (files / 4).clamp(2, 30).to_string();
        let words = [&["clusters"], &shared[..], &["--clusters", &clusters]].concat();
        self.push(of("Clusters"), file("clusters"), &words);
        if files < MIN_FILES_OF_UNITS {
            return;
        }
        let folder = file("units");
        let output = at(&folder);
        let words = [&["units"], &shared[..], &["-o", &output]].concat();
        let planned = self.push(of("Units"), folder.clone(), &words);
        planned.picture = Some(format!("{folder}/units.png"));
        planned.page = Some(format!("{folder}/index.html"));
        if files < MIN_FILES_OF_MAP {
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
