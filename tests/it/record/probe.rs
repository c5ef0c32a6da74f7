//! What ffmpeg says of a clip.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn output(program: &str, arguments: &[&str], file: &Path, more: &[&str]) -> (String, String) {
    let mut command = Command::new(program);
    let done = command.args(arguments).arg(file).args(more).output();
    let done = done.unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{program} {}: {err}", file.display());
    (out, err)
}

/// Names of files in a folder, in order.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// All of it decodes without a word.
pub fn assert_decodes(file: &Path) {
    let (_, errors) = output(
        "ffmpeg",
        &["-v", "error", "-xerror", "-i"],
        file,
        &["-f", "null", "-"],
    );
    assert_eq!(errors, "", "{}", file.display());
}

/// Of an MP4: so that it plays while it is loaded.
pub fn assert_index_comes_first(file: &Path) {
    if file.extension().is_some_and(|ending| ending == "mp4") {
        let bytes = std::fs::read(file).expect("a file");
        let find = |name: &[u8; 4]| bytes.windows(4).position(|part| part == name);
        assert!(find(b"moov") < find(b"mdat"), "{}", file.display());
    }
}

#[derive(Debug)]
struct Packet {
    is_picture: bool,
    is_key: bool,
    pts_s: f64,
    dts_s: Option<f64>,
}

/// A file as ffprobe sees it.
#[derive(Debug)]
pub struct Probed {
    pub seconds: f64,
    streams: usize,
    packets: Vec<Packet>,
}

impl Probed {
    pub fn of(file: &Path) -> Self {
        let show = [
            "-v",
            "error",
            "-of",
            "json",
            "-show_packets",
            "-show_streams",
            "-show_format",
        ];
        let (json, _) = output("ffprobe", &show, file, &[]);
        let json: Value = serde_json::from_str(&json).expect("JSON");
        let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
        let packets = json["packets"].as_array().expect("packets").iter();
        Self {
            seconds: number(&json["format"]["duration"]).expect("a length"),
            streams: json["streams"].as_array().expect("streams").len(),
            packets: packets
                .map(|packet| Packet {
                    is_picture: packet["codec_type"] == "video",
                    is_key: packet["flags"]
                        .as_str()
                        .is_some_and(|flags| flags.starts_with('K')),
                    pts_s: number(&packet["pts_time"]).expect("a time"),
                    dts_s: number(&packet["dts_time"]),
                })
                .collect(),
        }
    }

    pub fn streams(&self) -> usize {
        self.streams
    }

    /// Begins at zero with a key picture; sound begins at most a packet later. Times of
    /// decoding ascend and are not after those of presentation.
    pub fn assert_begins_well(&self) {
        for is_picture in [true, false] {
            let mut packets = self
                .packets
                .iter()
                .filter(|p| p.is_picture == is_picture)
                .peekable();
            let Some(first) = packets.peek() else {
                continue;
            };
            assert!(first.is_key, "{first:?}");
            let latest = if is_picture { 0.000_1 } else { 0.1 };
            assert!((0.0..=latest).contains(&first.pts_s), "{first:?}");
            let mut last = f64::MIN;
            for packet in packets {
                let dts = packet.dts_s.unwrap_or(packet.pts_s);
                assert!(dts >= last && dts <= packet.pts_s + 1e-4, "{packet:?}");
                last = dts;
            }
        }
    }
}

/// The packets of a kind: times in seconds and hashes of their data, without what
/// containers add to it.
fn packets(file: &Path, kind: &str) -> Vec<(f64, String)> {
    let (codec, _) = output(
        "ffprobe",
        &[
            "-v",
            "error",
            "-select_streams",
            kind,
            "-show_entries",
            "stream=codec_name",
            "-of",
            "csv=p=0",
        ],
        file,
        &[],
    );
    let codec = codec.trim().trim_end_matches(',');
    let ending = file
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    let filter = match codec.lines().next().unwrap_or_default() {
        "" => return Vec::new(),
        // Slices: parameter sets are between them, or in the header.
        "h264" => "h264_mp4toannexb,filter_units=pass_types=1-5",
        "hevc" => "hevc_mp4toannexb,filter_units=pass_types=0-31",
        "aac" if ending == "ts" => "aac_adtstoasc",
        _ => "null",
    };
    let map = format!("0:{kind}:0");
    let more = [
        "-map",
        &map,
        "-c",
        "copy",
        "-copyts",
        "-bsf",
        filter,
        "-f",
        "framehash",
        "-hash",
        "md5",
        "-",
    ];
    let (lines, _) = output("ffmpeg", &["-v", "error", "-i"], file, &more);
    let base = lines.lines().find_map(|line| line.strip_prefix("#tb 0: "));
    let (num, den) = base
        .and_then(|base| base.split_once('/'))
        .expect("a time base");
    let unit = num.parse::<f64>().expect("a number") / den.parse::<f64>().expect("a number");
    let packets = lines
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            // stream, dts, pts, duration, size, hash
            let fields: Vec<_> = line.split(',').map(str::trim).collect();
            let pts = fields[2].parse::<f64>().expect("a time");
            (pts * unit, fields[5].to_owned())
        });
    packets.collect()
}

/// The clip's packets are consecutive packets of the source, and all are as much earlier:
/// sound and picture to a millisecond.
pub fn assert_copied(clip: &Path, source: &Path) {
    let mut offsets = Vec::new();
    for kind in ["v", "a"] {
        let (copied, whole) = (packets(clip, kind), packets(source, kind));
        assert_eq!(
            copied.is_empty(),
            whole.is_empty(),
            "{}: {kind}",
            clip.display()
        );
        if copied.is_empty() {
            continue;
        }
        let part = (0..whole.len()).find_map(|at| {
            // Pictures that follow the first and are shown before it depend on others.
            let is_shown = |packet: &&(f64, String)| packet.0 >= whole[at].0;
            let part = whole[at..].iter().filter(is_shown).take(copied.len());
            let part: Vec<_> = part.collect();
            let hashes = part.iter().map(|packet| &packet.1);
            hashes
                .eq(copied.iter().map(|packet| &packet.1))
                .then_some(part)
        });
        let part = part.unwrap_or_else(|| panic!("{}: other {kind} packets", clip.display()));
        let pairs = part.into_iter().zip(&copied);
        offsets.extend(pairs.map(|((from, _), (to, _))| (kind, from - to)));
    }
    let first = offsets[0].1;
    let off = |offset: f64| (offset - first).abs();
    for (kind, offset) in offsets {
        assert!(
            off(offset) < 0.001_1,
            "{}: {kind} {offset} {first}",
            clip.display()
        );
    }
}
