use super::*;

fn classes_in(folder: &Path) {
    for file in ["dog/a.wav", "rain/b.wav"].map(|file| folder.join(file)) {
        std::fs::create_dir_all(file.parent().expect("a class")).expect("a folder");
        std::fs::write(file, "x").expect("a file");
    }
}

#[test]
fn a_folder_with_nothing_in_it_is_refused_by_name() {
    let root = tempfile::tempdir().expect("a folder");
    let [data, empty] = ["data", "empty"].map(|name| root.path().join(name));
    classes_in(&data);
    std::fs::create_dir(&empty).expect("a folder");
    let data = Data::below(&[data, empty.clone()]);
    let error = data.err().expect("refused").to_string();
    assert!(
        error.starts_with(&format!("{}: ", empty.display())),
        "{error}"
    );
    assert!(error.contains("folders of classes"), "{error}");
}

#[test]
fn damaged_data_are_no_class_of_the_folder_above() {
    let root = tempfile::tempdir().expect("a folder");
    for name in ["one", "two"].map(|name| root.path().join(name)) {
        classes_in(&name);
        std::fs::write(name.join("manifest.csv"), "path,split\na,held\n").expect("written");
    }
    let data = Data::below(&[root.path().to_owned()]).expect("told in the log");
    assert_eq!(data.sounds.len(), 0);
}

#[test]
fn patterns_are_for_the_files_that_they_match() {
    let root = tempfile::tempdir().expect("a folder");
    classes_in(root.path());
    let data = Data::below(&[root.path().to_owned()]).expect("classes");
    let test = ["emoji_*", "a.*"].map(str::to_owned);
    assert_eq!(patterns(&test, &data.sounds[0].files), ["a.*"]);
}

#[test]
fn sounds_of_a_class_are_no_films() {
    let root = tempfile::tempdir().expect("a folder");
    for file in ["dog/a.ogg", "dog/b.ogg", "rain/a.ogg", "rain/b.ogg"] {
        let file = root.path().join(file);
        std::fs::create_dir_all(file.parent().expect("a class")).expect("a folder");
        std::fs::write(file, "x").expect("a file");
    }
    let data = Data::below(&[root.path().to_owned()]).expect("classes");
    assert_eq!((data.recordings.len(), data.sounds.len()), (0, 1));
}
