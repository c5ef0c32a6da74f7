//! `l3net batch --clips`: one row a clip.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::common::{Done, batch_with, data, streams_in};

/// The table, by stream.
fn table(path: &Path) -> BTreeMap<String, RecordBatch> {
    let file = std::fs::File::open(path).expect("the table is there");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|b| b.build());
    let mut rows = BTreeMap::new();
    for batch in reader.expect("a parquet file") {
        let batch = batch.expect("rows");
        for row in 0..batch.num_rows() {
            let stream = batch["stream"].as_string::<i32>().value(row).to_owned();
            let twice = rows.insert(stream, batch.slice(row, 1));
            assert!(twice.is_none(), "two rows of a clip");
        }
    }
    rows
}

fn double(row: &RecordBatch, name: &str) -> Option<f64> {
    let column = row[name].as_primitive::<Float64Type>();
    column.is_valid(0).then(|| column.value(0))
}

fn chance(row: &RecordBatch) -> Option<(f32, i64)> {
    let z = row["chance_z"].as_primitive::<Float32Type>();
    let clips = row["chance_clips"].as_primitive::<Int64Type>();
    z.is_valid(0).then(|| (z.value(0), clips.value(0)))
}

/// What ffprobe says of the first video stream.
fn probed(clip: &Path, entry: &str) -> Vec<f64> {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-select_streams", "v:0", "-of", "csv=p=0"]);
    ffprobe
        .args(["-show_entries", &format!("stream={entry}")])
        .arg(clip);
    let said = ffprobe.output().expect("ffprobe is there").stdout;
    let said = String::from_utf8(said).expect("text");
    let number = |text: &str| text.trim().parse().expect("a number");
    said.trim().split(['/', ',']).map(number).collect()
}

fn judge(clips: &[PathBuf], out: &Path, table: Option<&Path>) -> Done {
    let clips: Vec<&Path> = clips.iter().map(PathBuf::as_path).collect();
    let asked: &[&str] = match table {
        Some(table) => &["--qc", "--clips", table.to_str().expect("text")],
        None => &[],
    };
    let done = batch_with(&clips, out, &[&["--crop", "center"], asked].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    done
}

#[test]
fn each_clip_has_a_row_of_all_its_moments_whichever_run_judged_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    let clips = [
        "bento.mp4",
        "friday.mp4",
        "grid_sbwe5n.mpg",
        "movie_5.mp4",
        "sample.avi",
    ];
    let made = [
        "anamorphic.mkv",
        "odd_size.webm",
        "still.mkv",
        "two_sounds.mkv",
        "whole_3s_aac.mp4",
        "whole_3s_pcm.avi",
    ];
    let mut all: Vec<PathBuf> = clips.map(|name| data("clips").join(name)).to_vec();
    let earlier = all.len() - 2;
    all.extend(made.map(|name| data("made").join(name)));
    let (out, clips) = (at("out.jsonl"), at("clips.parquet"));
    judge(&all[earlier..=earlier], &out, None);
    let done = judge(&all, &out, Some(&clips));
    assert!(done.err.contains("11 clips: "), "{}", done.err);

    let (rows, streams) = (table(&clips), streams_in(&out));
    assert!(rows.keys().eq(streams.keys()), "{:?}", rows.keys());
    for clip in &all {
        let name = clip.file_name().expect("a name").to_str().expect("text");
        let (row, records) = (&rows[name], &streams[name]);
        let answers = records.moments.iter().map(|m| f64::from(m.correspondence));
        let mean = answers.clone().sum::<f64>() / records.moments.len() as f64;
        let said = double(row, "correspondence_mean").expect("moments");
        assert!((said - mean).abs() < 1e-6, "{name}: {said}, not {mean}");
        let over = answers.filter(|p| *p >= 0.5).count() as f64;
        let share = double(row, "correspondence_share").expect("moments");
        assert!(
            (share * records.moments.len() as f64 - over).abs() < 1e-6,
            "{name}"
        );
        assert_eq!(double(row, "seconds"), Some(records.summaries[0].seconds));
        let loudness = records.measured[0].audio.as_ref().expect("there is sound");
        let loudness = loudness.ebur128.as_ref().and_then(|l| l.integrated_lufs);
        assert_eq!(double(row, "loudness_lufs"), loudness, "{name}");
        let fps = probed(clip, "r_frame_rate");
        let said = double(row, "fps").expect("all of these say it");
        assert!(
            (said - fps[0] / fps[1]).abs() < 0.01,
            "{name}: {said}, not {fps:?}"
        );
        let first = &records.moments[0].video;
        let size = ["width", "height"].map(|side| row[side].as_primitive::<Int64Type>().value(0));
        assert_eq!(size, [first.width, first.height].map(i64::from), "{name}");
        match name {
            // Judged before, without --clips; and there is nothing to hear.
            "movie_5.mp4" => assert_eq!(chance(row), None),
            _ if records.moments.iter().all(|m| m.audio.silent) => assert_eq!(chance(row), None),
            _ => {
                let (z, clips) = chance(row).expect("there are ten clips");
                assert!(
                    z.is_finite() && (8..=10).contains(&clips),
                    "{name}: {z}, {clips}"
                );
            }
        }
    }

    // Nothing new: the same table.
    judge(&all, &out, Some(&clips));
    assert_eq!(table(&clips), rows);
}

#[test]
fn the_table_goes_where_out_goes() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name).display().to_string();
    let bento = data("clips/bento.mp4");
    for (out, clips, said) in [
        ("out.jsonl", "clips", "must be a .parquet file"),
        ("out.jsonl", "clips.csv", "must be a .parquet file"),
        ("out", "clips.parquet", "must be a folder"),
        ("out/", "out/", "is OUT already"),
        ("out.jsonl", "none/clips.parquet", "make the folder first"),
    ] {
        let done = batch_with(&[&bento], Path::new(&at(out)), &["--clips", &at(clips)]);
        assert!(done.err.contains(said), "{clips}: {}", done.err);
        assert_ne!(done.code, Some(0));
    }
    let done = batch_with(
        &[&bento],
        Path::new(&at("parts/")),
        &[
            "--shard",
            "0/2",
            "--clips",
            &at("clips/"),
            "--crop",
            "center",
        ],
    );
    assert_eq!(done.code, Some(0), "{}", done.err);
    let rows = table(&dir.path().join("clips/part-00000-of-00002.parquet"));
    assert_eq!(rows.len(), 1);
    let wrong = batch_with(
        &[&bento],
        Path::new(&at("a.jsonl")),
        &["--clips", &at("c.parquet"), "--threshold", "2"],
    );
    assert_eq!(wrong.code, Some(2), "{}", wrong.err);
}
