//! Model files that are wrong in every way they can be: each error names the
//! file, the culprit and what to do.

use std::path::Path;

use l3net::net::{Conv1Stride, ModelError, StoreAs, Variant, Weights};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

type Entry = (String, Dtype, Vec<usize>, Vec<u8>);

fn metadata() -> Vec<(&'static str, &'static str)> {
    vec![
        ("format", "l3net/1"),
        ("conv1_stride", "2"),
        ("audio_frontend", "log-magnitude"),
    ]
}

/// A whole model in bf16, all values zero.
fn entries() -> Vec<Entry> {
    Variant::PAPER
        .layout()
        .into_iter()
        .map(|slot| {
            (
                slot.name.clone(),
                Dtype::BF16,
                slot.shape.clone(),
                vec![0; slot.len() * 2],
            )
        })
        .collect()
}

fn file(entries: &[Entry], metadata: &[(&str, &str)]) -> Vec<u8> {
    let views = entries.iter().map(|(name, dtype, shape, data)| {
        (
            name,
            TensorView::new(*dtype, shape.clone(), data).expect("a tensor"),
        )
    });
    let metadata = metadata
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    safetensors::serialize(views, Some(metadata)).expect("a file")
}

fn edited(edit: impl FnOnce(&mut Vec<Entry>)) -> Vec<u8> {
    let mut entries = entries();
    edit(&mut entries);
    file(&entries, &metadata())
}

fn entry<'a>(entries: &'a mut [Entry], name: &str) -> &'a mut Entry {
    entries
        .iter_mut()
        .find(|e| e.0 == name)
        .expect("a tensor of the network")
}

#[track_caller]
fn refused(bytes: &[u8], says: &[&str]) -> ModelError {
    let error = Weights::from_bytes(bytes, Path::new("broken.safetensors")).expect_err("broken");
    let line = error.to_string();
    assert!(line.starts_with("broken.safetensors: "), "{line}");
    assert!(!line.contains('\n'), "{line}");
    for part in says {
        assert!(line.contains(part), "{part:?} is not in: {line}");
    }
    error
}

#[test]
fn a_whole_file_is_read() {
    let weights = Weights::from_bytes(&file(&entries(), &metadata()), Path::new("whole"));
    let weights = weights.expect("nothing is wrong");
    assert!(weights.is_trained());
    assert_eq!(weights.conv1_stride(), Conv1Stride::Two);
}

#[test]
fn a_missing_file_is_named() {
    let error = Weights::read(Path::new("no/such.safetensors")).expect_err("no file");
    let line = error.to_string();
    assert!(
        line.starts_with("no/such.safetensors: ") && line.contains("check the path"),
        "{line}"
    );
}

#[test]
fn a_missing_tensor_is_named() {
    let bytes = edited(|e| e.retain(|e| !e.0.starts_with("audio.bn3_2")));
    refused(
        &bytes,
        &["tensor audio.bn3_2.weight is missing (and 3 more)"],
    );
}

#[test]
fn an_extra_tensor_is_named() {
    let bytes = edited(|e| {
        e.push((
            "vision.conv5_1.bias".into(),
            Dtype::F32,
            vec![1],
            vec![0; 4],
        ))
    });
    refused(
        &bytes,
        &["tensor vision.conv5_1.bias is not of the network;"],
    );
}

#[test]
fn a_misshapen_tensor_is_named_with_both_shapes() {
    let bytes = edited(|e| entry(e, "vision.conv1_1.weight").2 = vec![3, 64, 3, 3]);
    refused(
        &bytes,
        &["vision.conv1_1.weight", "[3, 64, 3, 3]", "[64, 3, 3, 3]"],
    );
}

#[test]
fn a_tensor_of_whole_numbers_is_named() {
    let bytes = edited(|e| entry(e, "fusion.fc2.bias").1 = Dtype::I16);
    refused(&bytes, &["fusion.fc2.bias", "I16", "f16, bf16 or f32"]);
}

#[test]
fn a_value_that_is_not_finite_is_named() {
    let bytes = edited(|e| entry(e, "fusion.fc1.weight").3[..2].copy_from_slice(&[0x80, 0x7f]));
    refused(&bytes, &["fusion.fc1.weight", "not finite"]);
}

#[test]
fn a_negative_variance_is_named() {
    let bytes =
        edited(|e| entry(e, "audio.bn1_1.running_var").3[..2].copy_from_slice(&[0x80, 0xbf]));
    refused(&bytes, &["audio.bn1_1.running_var", "negative variance"]);
}

#[test]
fn a_truncated_file_names_the_tensor_it_ends_in() {
    let whole = file(&entries(), &metadata());
    let (header, parsed) = SafeTensors::read_metadata(&whole).expect("a header");
    for slot in [&Variant::PAPER.layout()[0], &Variant::PAPER.layout()[60]] {
        let info = parsed.info(&slot.name).expect("a tensor");
        let middle = 8 + header + (info.data_offsets.0 + info.data_offsets.1) / 2;
        let error = refused(&whole[..middle], &["truncated", &slot.name]);
        let ModelError::Truncated {
            expected, actual, ..
        } = error
        else {
            panic!("{error:?}");
        };
        assert_eq!(expected, (8 + header + info.data_offsets.1) as u64);
        assert_eq!(actual, middle as u64);
    }
    refused(&whole[..100], &["truncated", "the header"]);
    refused(&whole[..5], &["not a safetensors file"]);
}

#[test]
fn bytes_behind_the_end_are_damage() {
    let mut bytes = file(&entries(), &metadata());
    bytes.push(0);
    refused(&bytes, &["damaged", "after the last tensor"]);
}

#[test]
fn places_that_do_not_fit_the_shapes_are_damage() {
    let text = String::from_utf8_lossy(&file(&[], &metadata())[8..])
        .trim()
        .to_owned();
    let tensor = r#","a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#;
    let header = text[..text.len() - 1].to_owned() + tensor;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend([0; 8]);
    refused(&bytes, &["damaged"]);
}

#[test]
fn other_formats_are_called_by_their_name() {
    refused(b"", &["empty"]);
    refused(
        b"PK\x03\x04archive/data.pkl",
        &["pickle", "never opens", "save_file"],
    );
    refused(b"\x80\x02}q\x00.and so on", &["pickle", "never opens"]);
    refused(b"\x89HDF\r\n\x1a\n", &["HDF5"]);
    refused(
        b"Dear reader, this is a letter and no model at all.",
        &["something else"],
    );
    refused(&[0; 64], &["broken.safetensors"]);
}

#[test]
fn metadata_must_say_what_the_file_is() {
    let with = |key: &str, value: Option<&'static str>| {
        let mut metadata = metadata();
        metadata.retain(|(k, _)| *k != key);
        let key = ["format", "conv1_stride", "audio_frontend"]
            .into_iter()
            .find(|k| *k == key);
        metadata.extend(key.zip(value));
        file(&entries(), &metadata)
    };
    refused(
        &with("format", None),
        &["`format` is missing", "\"l3net/1\""],
    );
    refused(
        &with("format", Some("l3net/2")),
        &["`format` is \"l3net/2\""],
    );
    refused(
        &with("conv1_stride", Some("3")),
        &["`conv1_stride` is \"3\"", "\"1\" or \"2\""],
    );
    refused(
        &with("audio_frontend", Some("mel")),
        &["`audio_frontend` is \"mel\""],
    );
}

#[test]
fn a_header_that_asks_for_random_weights_must_say_which() {
    let with = |extra: &[(&'static str, &'static str)]| file(&[], &[&metadata(), extra].concat());
    refused(
        &with(&[]),
        &["tensor vision.conv1_1.weight is missing (and 99 more)"],
    );
    refused(&with(&[("init", "glorot")]), &["`init` is \"glorot\""]);
    refused(&with(&[("init", "he")]), &["`seed` is missing"]);
    let random = Weights::from_bytes(&with(&[("init", "he"), ("seed", "9")]), Path::new("random"));
    let (random, same) = (
        random.expect("weights"),
        Weights::random(9, Conv1Stride::Two),
    );
    assert_eq!(
        random.tensor("fusion.fc1.weight"),
        same.tensor("fusion.fc1.weight")
    );
    assert!(!random.is_trained());
}

#[test]
fn what_is_written_is_read_and_says_that_it_is_untrained() {
    let folder = tempfile::tempdir().expect("a folder");
    let weights = Weights::random(4, Conv1Stride::One);
    for (store_as, tolerance) in [
        (StoreAs::F32, 0.0),
        (StoreAs::F16, 5e-4),
        (StoreAs::Bf16, 4e-3),
    ] {
        let path = folder.path().join(format!("{store_as:?}.safetensors"));
        weights.write(&path, store_as).expect("a file");
        let read = Weights::read(&path).expect("weights");
        assert_eq!(read.conv1_stride(), Conv1Stride::One);
        assert!(!read.is_trained());
        for slot in Variant::PAPER.layout() {
            for (a, b) in weights
                .tensor(&slot.name)
                .iter()
                .zip(read.tensor(&slot.name))
            {
                assert!(
                    (a - b).abs() <= tolerance * a.abs() + 1e-7,
                    "{}: {a} {b}",
                    slot.name
                );
            }
        }
        let again = folder.path().join("again.safetensors");
        read.write(&again, store_as).expect("a file");
        assert!(std::fs::read(&path).expect("bytes") == std::fs::read(&again).expect("bytes"));
    }
}

#[test]
fn a_write_that_fails_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).expect("a folder");
    let error = Weights::random(4, Conv1Stride::Two)
        .write(&taken, StoreAs::F16)
        .expect_err("a folder");
    assert!(
        error.to_string().contains("cannot write the model"),
        "{error}"
    );
    assert_eq!(
        std::fs::read_dir(folder.path()).expect("entries").count(),
        1
    );
    let gone = folder.path().join("no/such/folder.safetensors");
    assert!(
        Weights::random(4, Conv1Stride::Two)
            .write(&gone, StoreAs::F16)
            .is_err()
    );
}
