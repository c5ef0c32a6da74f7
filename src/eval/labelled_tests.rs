use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (file, text) in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    folder
}

fn read(folder: &tempfile::TempDir) -> Result<Labelled, CorpusError> {
    let folders = [folder.path().to_owned()];
    Labelled::read(&folders, &["wav"], &SplitRules::default())
}

fn names(data: &Labelled, files: &[usize]) -> Vec<String> {
    let name = |&i: &usize| {
        let name = data.files[i].media.name();
        let name = name.file_name().expect("a name");
        name.to_string_lossy().into_owned()
    };
    files.iter().map(name).collect()
}

#[test]
fn what_folders_were_unpacked_from_is_no_data() {
    let files = [
        "train/cat/1.wav",
        "train/dog/1.wav",
        "test/cat/2.wav",
        "all.tar",
    ];
    let data = read(&folder(&files.map(|file| (file, "")))).expect("folders of classes");
    assert_eq!(data.files.len(), 3);
}

#[test]
fn esc_is_tested_fold_by_fold() {
    let table = "filename,fold,target,category,esc10,src_file,take\n\
                 1-10-A-0.wav,1,0,dog,True,10,A\n\
                 1-11-A-1.wav,1,1,rain,True,11,A\n\
                 2-20-A-0.wav,2,0,dog,True,20,A\n\
                 2-20-B-1.wav,2,1,rain,True,21,B\n\
                 3-30-A-0.wav,3,0,dog,True,30,A\n\
                 3-31-A-1.wav,3,1,rain,True,31,A\n";
    let data = read(&folder(&[("meta/esc50.csv", table), ("audio/x.wav", "")])).expect("ESC");
    assert_eq!(data.classes, ["dog", "rain"]);
    assert_eq!(data.rounds.len(), 3);
    let round = &data.rounds[1];
    assert_eq!(round.name, "fold 2");
    assert_eq!(names(&data, &round.test), ["2-20-A-0.wav", "2-20-B-1.wav"]);
    assert_eq!(round.train.len(), 2);
    assert_eq!(
        names(&data, &round.train[0]),
        ["1-10-A-0.wav", "1-11-A-1.wav"]
    );
}

#[test]
fn takes_of_one_recording_in_two_folds_are_refused() {
    let table = "filename,fold,category,src_file\n\
                 a.wav,1,dog,10\nb.wav,1,rain,11\nc.wav,2,dog,10\nd.wav,2,rain,12\n";
    let error = read(&folder(&[("meta/m.csv", table), ("audio/x.wav", "")]));
    let text = error.expect_err("mixed").to_string();
    assert!(text.contains("takes of one recording"), "{text}");
}

#[test]
fn dcase_is_tested_by_its_lists() {
    let train = "audio/a1.wav\tbus\naudio/b1.wav\toffice\n";
    let test = "audio/a2.wav\tbus\n\naudio/b2.wav\toffice\n";
    let data = read(&folder(&[
        ("evaluation_setup/fold1_train.txt", train),
        ("evaluation_setup/fold1_evaluate.txt", test),
        (
            "evaluation_setup/fold1_test.txt",
            "audio/a2.wav\naudio/b2.wav\n",
        ),
    ]));
    let data = data.expect("DCASE");
    assert_eq!(data.rounds.len(), 1);
    assert_eq!(names(&data, &data.rounds[0].test), ["a2.wav", "b2.wav"]);
    let plain = read(&folder(&[
        ("train.csv", "path,label\na1.wav,bus\nb1.wav,office\n"),
        ("test.csv", "a2.wav,bus\n"),
    ]));
    let plain = plain.expect("lists");
    assert_eq!(plain.files.len(), 3);
    assert_eq!(plain.classes, ["bus", "office"]);
    let error = read(&folder(&[
        ("train.txt", "a1.wav bus\n"),
        ("test.txt", "a2.wav\n"),
    ]));
    let text = error.expect_err("no class").to_string();
    assert!(
        text.contains("line 1") && text.contains("test.txt"),
        "{text}"
    );
}

#[test]
fn lists_may_have_a_header_a_mark_and_paths_with_spaces() {
    let train =
        "\u{feff}filename\tscene_label\r\naudio/a 1.wav\tbus stop\r\naudio/b,1.wav\tbus\r\n";
    let test = "\u{feff}audio/a 2.wav\tbus stop\t0.0\naudio/b2.wav, bus\n";
    let data = read(&folder(&[("train.txt", train), ("test.txt", test)])).expect("lists");
    assert_eq!(data.classes, ["bus", "bus stop"]);
    let files: Vec<usize> = (0..data.files.len()).collect();
    assert_eq!(
        names(&data, &files),
        ["b,1.wav", "b2.wav", "a 1.wav", "a 2.wav"]
    );
}

#[test]
fn a_link_that_leads_nowhere_hides_no_data() {
    let data = folder(&[("dog/a.wav", ""), ("dog/b.wav", ""), ("cat/c.wav", "")]);
    std::os::unix::fs::symlink("/no/such.wav", data.path().join("cat/d.wav")).expect("a link");
    let all = Labelled::read_all(&[data.path().to_owned()], &["wav"]).expect("files");
    assert_eq!((all.classes.len(), all.files.len()), (2, 4));
}

#[test]
fn folders_of_classes_go_by_fold_or_by_split() {
    let files = ["dog/1-1.wav", "dog/2-1.wav", "rain/1-1.wav", "rain/2-1.wav"];
    let empty: Vec<(&str, &str)> = files.iter().map(|f| (*f, "")).collect();
    let by_fold = "path,fold\ndog/1-1.wav,1\ndog/2-1.wav,2\nrain/1-1.wav,1\nrain/2-1.wav,2\n";
    let data = read(&folder(
        &[&empty[..], &[("manifest.csv", by_fold)]].concat(),
    ));
    assert_eq!(data.expect("folds").rounds.len(), 2);
    let by_split = "path,split\ndog/1-1.wav,test\nrain/2-1.wav,test\n";
    let data = read(&folder(
        &[&empty[..], &[("manifest.csv", by_split)]].concat(),
    ));
    let data = data.expect("a split");
    assert_eq!(data.rounds.len(), 1);
    assert_eq!(data.labels(), [0, 0, 1, 1]);
    assert_eq!(data.rounds[0].test, [0, 3]);
}

#[test]
fn what_learns_nothing_needs_nothing_held_out() {
    let one_each = folder(&[("dog/a.wav", ""), ("rain/b.wav", "")]);
    assert!(read(&one_each).is_err());
    let folders = [one_each.path().to_owned()];
    let all = Labelled::read_all(&folders, &["wav"]).expect("files");
    assert_eq!((all.labels(), all.rounds.len()), (vec![0, 1], 0));
    let none = Labelled::read_all(&[folder(&[]).path().to_owned()], &["wav"]);
    assert!(none.is_err());
}

#[test]
fn what_is_held_out_can_stand_alone() {
    let held_out = |manifest: &str| {
        let files = [
            "cat/1.wav",
            "dog/1.wav",
            "dog/2.wav",
            "owl/1.wav",
            "owl/2.wav",
        ];
        let mut all: Vec<(&str, &str)> = files.iter().map(|f| (*f, "")).collect();
        all.push(("manifest.csv", manifest));
        let data = read(&folder(&all)).expect("rounds").held_out(5);
        assert!(data.rounds.is_empty());
        let all: Vec<usize> = (0..data.files.len()).collect();
        (data.classes.join(" "), names(&data, &all), data.labels())
    };
    let by_split = held_out("path,split\ndog/2.wav,test\nowl/2.wav,test\n");
    let expected = ["2.wav", "2.wav"].map(str::to_owned).to_vec();
    assert_eq!(
        by_split,
        ("dog owl".to_owned(), expected.clone(), vec![0, 1])
    );
    // Of folds the one that training does not use.
    let folds = "path,fold\ncat/1.wav,1\ndog/1.wav,1\ndog/2.wav,5\nowl/1.wav,2\nowl/2.wav,5\n";
    assert_eq!(
        held_out(folds),
        ("dog owl".to_owned(), expected, vec![0, 1])
    );
    let (_, all, _) = held_out(&folds.replace(",5", ",3"));
    assert_eq!(all.len(), 5, "there is no fold 5");
}

#[test]
fn what_is_no_data_set_is_shown_the_layouts() {
    let error = read(&folder(&[("notes.txt", ""), ("loose.wav", "")]));
    let text = error.expect_err("nothing").to_string();
    assert!(
        text.contains("evaluation_setup") && text.contains("<class>"),
        "{text}"
    );
    let error = read(&folder(&[("dog/a.wav", ""), ("dog/b.wav", "")]));
    assert!(
        error
            .expect_err("one class")
            .to_string()
            .contains("two are needed")
    );
}

#[test]
fn parts_hold_whole_groups() {
    let groups = ["a", "b", "a", "c", "b", "d", "e", "f"];
    let parts = in_parts(&[0, 1, 2, 3, 4, 5, 6, 7], &groups);
    assert_eq!(parts.len(), 5);
    assert_eq!(parts[0], [0, 2, 7]);
    assert_eq!(parts[1], [1, 4]);
}
