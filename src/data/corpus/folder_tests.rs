use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::held_out::unused_patterns;
use super::*;

fn folder(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for file in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a class")).expect("a folder");
        std::fs::write(path, "").expect("a file");
    }
    folder
}

fn read(folder: &Path, rules: &SplitRules) -> ClassFolder {
    ClassFolder::read(&[folder.to_owned()], &["ogg"], rules).expect("a folder of classes")
}

fn names(items: &[&ClassFile]) -> Vec<String> {
    let name = |item: &&ClassFile| {
        item.path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
    };
    items.iter().filter_map(name).collect()
}

#[test]
fn the_manifest_says_what_is_held_out() {
    let folder = folder(&[
        "dog/a.ogg",
        "dog/b.ogg",
        "dog/c.ogg",
        "cat/d.ogg",
        "cat/e.txt",
    ]);
    let manifest = "path,class,split,fold\ndog/a.ogg,dog,test,\ndog/b.ogg,dog,train,5\n";
    std::fs::write(folder.path().join("manifest.csv"), manifest).expect("a manifest");
    let all = read(folder.path(), &SplitRules::default());
    assert_eq!(all.classes().collect::<Vec<_>>(), ["cat", "dog"]);
    assert_eq!(names(&all.of("dog", Split::Test)), ["a.ogg", "b.ogg"]);
    assert_eq!(names(&all.of("dog", Split::Train)), ["c.ogg"]);
    let other_fold = SplitRules {
        test_fold: 1,
        ..SplitRules::default()
    };
    let all = read(folder.path(), &other_fold);
    assert_eq!(names(&all.of("dog", Split::Test)), ["a.ogg"]);
}

#[test]
fn parts_are_folders_of_classes() {
    let train = ["train/dog/1.ogg", "train/dog/2.ogg", "train/cat/1.ogg"];
    let split = |more: &[&str], class: &str, split| {
        let folder = folder(&[&train[..], more].concat());
        let all = read(folder.path(), &SplitRules::default());
        assert_eq!(all.classes().collect::<Vec<_>>(), ["cat", "dog"]);
        // Wherever the folder lies, or the same seed would hold out others there.
        assert!(all.items("dog").iter().any(|item| item.group == "train/1"));
        all.of(class, split).len()
    };
    let val = ["val/dog/1.ogg", "val/cat/1.ogg", "val/cat/2.ogg"];
    let test = ["test/dog/1.ogg"];
    // Without a test, what validates elsewhere is the test.
    assert_eq!(split(&val, "dog", Split::Test), 1);
    assert_eq!(split(&val, "cat", Split::Test), 2);
    let all = [&val[..], &test].concat();
    assert_eq!(split(&all, "dog", Split::Test), 1);
    assert_eq!(split(&all, "cat", Split::Validation), 2);
    assert_eq!(split(&all, "dog", Split::Train), 2);
}

#[test]
fn patterns_hold_out_by_name() {
    let folder = folder(&["dog/noto_1.ogg", "dog/noto_2.ogg", "dog/emoji_1.ogg"]);
    let rules = SplitRules {
        test: vec!["emoji_*".to_owned()],
        ..SplitRules::default()
    };
    let all = read(folder.path(), &rules);
    assert_eq!(names(&all.of("dog", Split::Test)), ["emoji_1.ogg"]);
    let wrong = SplitRules {
        test: vec!["[".to_owned()],
        ..SplitRules::default()
    };
    let error = ClassFolder::read(&[folder.path().to_owned()], &["ogg"], &wrong);
    assert!(error.expect_err("no pattern").to_string().contains('['));
}

#[test]
fn patterns_that_hold_out_nothing_are_known() {
    let files = ["dog/noto_1.ogg", "dog/emoji_1.ogg"].map(Path::new);
    let patterns = ["noto_*", "emojitwo_*", "*_1.ogg", "dog*"].map(str::to_owned);
    let idle: Vec<&str> = unused_patterns(&patterns, files.into_iter()).collect();
    // They are for the file's name, not for its class.
    assert_eq!(idle, ["emojitwo_*", "dog*"]);
}

#[test]
fn links_that_lead_nowhere_hide_no_other_file() {
    use std::os::unix::fs::symlink;
    let folder = folder(&["dog/a.ogg", "dog/b.ogg"]);
    let at = |name: &str| folder.path().join(name);
    symlink("/no/such.ogg", at("dog/gone.ogg")).expect("a link");
    symlink("/no/such", at("cat")).expect("a link");
    symlink("..", at("dog/circle")).expect("a link");
    symlink("notes.txt", at("dog/notes.txt")).expect("a link");
    let all = read(folder.path(), &SplitRules::default());
    assert_eq!(all.classes().collect::<Vec<_>>(), ["dog"]);
    let items: Vec<&ClassFile> = all.items("dog").iter().collect();
    // Reading it fails.
    assert_eq!(names(&items), ["a.ogg", "b.ogg", "gone.ogg"]);
    let none = ClassFolder::read(&[at("no-such")], &["ogg"], &SplitRules::default());
    let text = none.expect_err("no folder").to_string();
    assert!(
        text.ends_with("no-such: No such file or directory (os error 2)"),
        "{text}"
    );
}

#[test]
fn takes_of_a_recording_in_two_classes_are_in_one_split() {
    // Forty recordings of dogs, in every fifth of which a cat is heard, too. The names
    // of files are counted anew in each class, and say nothing.
    let dogs = (0..40).map(|i| (format!("dog/{i}-1.ogg"), i));
    let cats = (0..40)
        .step_by(5)
        .map(|i| (format!("cat/{}-1.ogg", i / 5), i));
    let takes: Vec<(String, i32)> = dogs.chain(cats).collect();
    let files: Vec<&str> = takes.iter().map(|(file, _)| file.as_str()).collect();
    let folder = folder(&files);
    let splits = |all: &ClassFolder| -> BTreeMap<String, BTreeSet<Split>> {
        let mut splits: BTreeMap<String, BTreeSet<Split>> = BTreeMap::new();
        for item in all.classes().flat_map(|class| all.items(class)) {
            let split = splits.entry(item.group.clone()).or_default();
            split.insert(item.split);
        }
        splits
    };
    let of_seed = |seed| {
        let rules = SplitRules {
            seed,
            ..SplitRules::default()
        };
        splits(&read(folder.path(), &rules))
    };
    let is_torn = |seed| of_seed(seed).values().any(|splits| splits.len() > 1);
    assert!((0..20).any(is_torn), "eight of each class are called alike");

    let rows = takes
        .iter()
        .map(|(file, i)| format!("{file},recording {i}\n"));
    let manifest = format!("path,group\n{}", rows.collect::<String>());
    std::fs::write(folder.path().join("manifest.csv"), manifest).expect("written");
    for seed in 0..20 {
        assert_eq!(of_seed(seed).len(), 40);
        assert!(!is_torn(seed), "seed {seed}");
    }
}

#[test]
fn what_a_mac_puts_beside_files_is_none() {
    let folder = folder(&[
        "dog/a.ogg",
        "dog/._a.ogg",
        ".cache/b.ogg",
        "__MACOSX/._c.ogg",
    ]);
    let all = read(folder.path(), &SplitRules::default());
    assert_eq!(all.classes().collect::<Vec<_>>(), ["dog"]);
    let items: Vec<&ClassFile> = all.items("dog").iter().collect();
    assert_eq!(names(&items), ["a.ogg"]);
}

#[test]
fn a_folder_without_classes_is_an_error_that_says_what_was_expected() {
    let folder = folder(&["loose.ogg", "dog/picture.jpg"]);
    let error = ClassFolder::read(
        &[folder.path().to_owned()],
        &["ogg", "wav"],
        &SplitRules::default(),
    );
    let text = error.expect_err("no class").to_string();
    assert!(text.contains("<class>/<file>.{ogg,wav}"), "{text}");
}

proptest! {
    /// Whatever the files are called: every one is in one split, takes of one
    /// recording in the same, and two recordings at least are left to train on.
    #[test]
    fn takes_of_one_recording_never_cross(
        takes in prop::collection::btree_set((0..12_u32, 0..4_u32), 4..40),
        seed in 0..1000_u64,
    ) {
        let mut items: Vec<ClassFile> = takes
            .iter()
            .map(|(recording, take)| ClassFile {
                path: format!("dog/{recording}-{take}.ogg").into(),
                split: Split::Train,
                group: recording.to_string(),
                of_all_classes: false,
                fold: None,
            })
            .collect();
        split_the_rest(&mut items, seed);
        let groups = |split: Split| -> BTreeSet<&str> {
            let of = items.iter().filter(|i| i.split == split);
            of.map(|i| i.group.as_str()).collect()
        };
        let (train, validation) = (groups(Split::Train), groups(Split::Validation));
        let test = groups(Split::Test);
        prop_assert!(train.is_disjoint(&validation) && train.is_disjoint(&test));
        prop_assert!(validation.is_disjoint(&test));
        let all: BTreeSet<_> = takes.iter().map(|(r, _)| *r).collect();
        prop_assert!(train.len() >= all.len().min(2));
        if all.len() >= 7 {
            prop_assert!(!test.is_empty() && !validation.is_empty());
        }
    }
}
