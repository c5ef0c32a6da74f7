//! `live` on servers and disks that fail for a while, and come back.
//!
//! | fault | by a simulated clock | on real servers and disks |
//! |---|---|---|
//! | server away, connection reset | `week`, `outages` | `rtsp`: killed and back |
//! | connection half open, hang | `week`, `outages` | here |
//! | stall, then all at once | `week`, `timestamps` | here |
//! | other size or format | `week`: size | here |
//! | timestamps that jump | `week`, `timestamps`, `media/timeline/tests` | |
//! | sound that begins late | `week` | here |
//! | a sound clock that drifts | `week`: 100 ppm; `media/timeline/tests/drift` | `rtsp`: 2 % |
//! | network too slow | `week`, `ending` | `live` |
//! | full disk | | here: timeline; `record`: clips; `cli`: lines |
//! | broker away | | `monitor/notify/mqtt/tests/lost` |
//! | events, once each; memory, files | `week`; `monitor/monitor/tests/week` | |
//!
//! (`week`, `outages`, `timestamps`, `ending`: `engine/simulated_tests`.)
//!
//! On a machine that is busy with other things moments may be dropped as `overload`; all
//! else must be right.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use l3net::result::{Gap, Verdict};
use l3net_monitor::store::Reader;
use l3net_monitor::time::UtcMs;

use crate::common::{Done, Running, StreamRecords, l3net, only, streams_in, wait_for};
use crate::rtsp::{PICTURE, Server, free_address, sound};

const SECOND_NS: u64 = 1_000_000_000;

/// `live` with its lines in a file.
struct Live {
    running: Running,
    folder: tempfile::TempDir,
}

impl Live {
    fn start(source: &str) -> Self {
        Self::with(source, |_| {})
    }

    fn with(source: &str, add: impl FnOnce(&mut Command)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = l3net(["live", source, "--json"]);
        command.arg(folder.path().join("live.jsonl"));
        add(&mut command);
        let running = Running::start(command);
        Self { running, folder }
    }

    fn lines(&self) -> String {
        fs::read_to_string(self.folder.path().join("live.jsonl")).unwrap_or_default()
    }

    fn moments(&self) -> usize {
        self.lines().matches("\"moment\"").count()
    }

    /// Waits for so many more moments.
    fn more(&self, moments: usize) {
        let before = self.moments();
        wait_for("moments", || self.moments() >= before + moments);
    }

    fn finish(self) -> (Done, StreamRecords) {
        self.running.signal("INT");
        let done = self.running.wait();
        done.assert_no_panic();
        assert_eq!(done.code, Some(0), "{}", done.err);
        let told = only(streams_in(&self.folder.path().join("live.jsonl")));
        assert_told_once(&told);
        (done, told)
    }
}

/// Every second is a moment or in a gap, once. What is left of a second where a source comes
/// back is neither.
fn assert_told_once(told: &StreamRecords) {
    let moments = told.moments.iter().map(|m| (m.start_ns.0, m.end_ns.0));
    let gaps = told.gaps.iter().map(|g| (g.start_ns.0, g.end_ns.0));
    let mut spans: Vec<_> = moments.chain(gaps).collect();
    spans.sort_unstable();
    let mut covered = 0;
    for (start, end) in spans {
        assert!(start >= covered, "{covered} to {start} twice: {told:?}");
        assert!(
            start - covered < SECOND_NS,
            "{covered} to {start}: {told:?}"
        );
        covered = end;
    }
    assert!(told.errors.is_empty(), "{told:?}");
}

/// The gaps that are no fault of this machine.
fn outages(told: &StreamRecords) -> Vec<&Gap> {
    let gaps = told.gaps.iter();
    gaps.filter(|gap| gap.why.name() != "overload").collect()
}

fn camera(encoder: &str) -> String {
    format!("{encoder} {}", sound(8_000, "mulawenc ! rtppcmupay"))
}

/// A server that hangs, and so do its connections: they stay open, and nothing comes. New
/// ones are accepted by the system, and not answered.
#[test]
fn a_connection_that_is_half_open_is_given_up_and_the_camera_comes_back() {
    let server = Server::start(free_address(), &[format!("/s={}", camera(PICTURE))]);
    let live = Live::start(&server.uri("rtspt", "/s"));
    live.more(2);
    server.signal("STOP");
    wait_for("the gap", || live.lines().contains("\"discontinuity\""));
    server.signal("CONT");
    live.more(3);
    let (done, told) = live.finish();
    assert!(
        done.err.contains("nothing came for 10 seconds"),
        "{}",
        done.err
    );
    let outage = outages(&told)[0];
    assert!(
        outage.end_ns.0 - outage.start_ns.0 >= 10 * SECOND_NS,
        "{outage:?}"
    );
    assert!(outage.lost >= 10, "{outage:?}");
}

/// Shorter than what is taken for a camera that is lost.
#[test]
fn what_a_stalled_server_sends_at_once_is_judged_in_time_or_told_as_lost() {
    let server = Server::start(free_address(), &[format!("/s={}", camera(PICTURE))]);
    let live = Live::start(&server.uri("rtspt", "/s"));
    live.more(2);
    server.signal("STOP");
    // Real time: this is what a stalled network takes.
    std::thread::sleep(std::time::Duration::from_secs(6));
    server.signal("CONT");
    live.more(4);
    let (done, told) = live.finish();
    assert!(!done.err.contains("opening it again"), "{}", done.err);
    for moment in &told.moments {
        assert!(moment.latency_ms.total <= 2_000.0, "{moment:?}");
    }
    assert!(!told.gaps.is_empty(), "{told:?}");
}

#[test]
fn pictures_that_change_their_size_go_on() {
    let picture = "videotestsrc is-live=true \
         ! capsfilter name=size caps=video/x-raw,format=I420,width=640,height=360,framerate=25/1 \
         ! x264enc tune=zerolatency key-int-max=25 ! rtph264pay name=pay0 pt=96 config-interval=-1";
    let server = Server::start(free_address(), &[format!("/s={}", camera(picture))]);
    let live = Live::start(&server.uri("rtspt", "/s"));
    let widths = |moments: &[Verdict]| {
        let mut widths: Vec<_> = moments.iter().map(|moment| moment.video.width).collect();
        widths.dedup();
        widths
    };
    let lines = || live.lines();
    wait_for("both sizes", || {
        lines().contains("\"width\":640") && lines().contains("\"width\":320")
    });
    live.more(8);
    let (done, told) = live.finish();
    assert!(!done.err.contains("opening it again"), "{}", done.err);
    assert!(outages(&told).is_empty(), "{told:?}");
    let widths = widths(&told.moments);
    assert!(widths.len() >= 3, "{widths:?}");
    assert!(
        widths.iter().all(|width| [320, 640].contains(width)),
        "{widths:?}"
    );
}

/// A sender of an MPEG transport stream, until it is dropped.
struct Sender(Child);

impl Sender {
    /// Of a picture and a sound by their encoders, to a port, in real time.
    fn start(port: u16, picture: &str, sound: &str) -> Self {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-re", "-f", "lavfi", "-i"]);
        ffmpeg.args(picture.split(' ').take(1));
        ffmpeg.args(["-re"]);
        let sound = sound.replace('@', "-f lavfi -i");
        let (input, encoder) = sound.split_once(" | ").expect("INPUT | ENCODER");
        ffmpeg.args(input.split_whitespace());
        ffmpeg.args(picture.split(' ').skip(1));
        ffmpeg.args(encoder.split_whitespace());
        let address = format!("udp://127.0.0.1:{port}?pkt_size=1316");
        ffmpeg.args(["-f", "mpegts", &address]).stdin(Stdio::null());
        Self(ffmpeg.spawn().expect("ffmpeg is there"))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Nobody answers at a port of UDP: a sender that is replaced by another one is all that a
/// receiver sees.
#[test]
fn sound_that_begins_late_and_a_sender_with_other_formats_go_on() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("bound").port();
    drop(socket);
    let live = Live::start(&format!("udp://127.0.0.1:{port}"));
    let first = Sender::start(
        port,
        "testsrc2=s=640x360:r=25 -c:v libx264 -preset ultrafast -tune zerolatency -g 25",
        "-itsoffset 5 @ sine=r=48000 | -c:a aac",
    );
    live.more(3);
    drop(first);
    let second = Sender::start(
        port,
        "testsrc2=s=320x240:r=15 -c:v libx265 -preset ultrafast -tune zerolatency -g 15 \
         -x265-params log-level=none",
        "@ sine=r=44100 | -c:a mp2 -ar 44100",
    );
    wait_for("the other size", || live.lines().contains("\"width\":320"));
    live.more(3);
    drop(second);
    let (_, told) = live.finish();
    let of = |width| {
        let mut moments = told.moments.iter();
        moments.find(move |moment| moment.video.width == width)
    };
    assert!(of(640).is_some() && of(320).is_some(), "{told:?}");
    for moment in &told.moments {
        assert!(!moment.audio.silent, "{moment:?}");
    }
}

/// A limit to the size of files stands for the full disk: it can be lifted while the program
/// runs. What could not be kept is kept then.
#[test]
fn a_timeline_on_a_full_disk_is_kept_once_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let record = folder.path().join("record");
    let json = folder.path().join("live.jsonl");
    let mut limited = Command::new("bash");
    limited.args(["-c", "trap '' XFSZ; ulimit -S -f 96; exec \"$@\"", "bash"]);
    let source = "door=videotestsrc is-live=true pattern=ball \
         ! video/x-raw,width=64,height=64,framerate=10/1 ! video.  \
         audiotestsrc is-live=true wave=ticks ! audio.";
    let mut inner = l3net(["live", source, "--json"]);
    inner.arg(&json).arg("--record").arg(&record);
    limited
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(inner.get_current_dir().expect("the repo"))
        .stdin(Stdio::null());
    let running = Running::start(limited);
    let lines = || fs::read_to_string(&json).unwrap_or_default();
    let moments = || lines().matches("\"moment\"").count();
    let path = record.join("timeline.sqlite");
    let kept = || judged_seconds(&path);
    wait_for("a full disk", || kept() + 5 < moments());
    let id = running.child.id().to_string();
    let lifted = Command::new("prlimit")
        .args(["--pid", &id, "--fsize=unlimited"])
        .status();
    assert!(lifted.expect("it comes with util-linux").success());
    let there = moments();
    wait_for("the timeline", || kept() >= there);
    running.signal("INT");
    let done = running.wait();
    done.assert_no_panic();
    assert_eq!(done.code, Some(0), "{}", done.err);
    let said = done
        .err
        .matches("is kept in memory and tried again")
        .count();
    assert_eq!(said, 1, "{}", done.err);
}

/// Judged seconds of the only stream.
fn judged_seconds(timeline: &Path) -> usize {
    let Ok(reader) = Reader::open(timeline) else {
        return 0;
    };
    let now = UtcMs::now();
    let from = now.minus(std::time::Duration::from_secs(600));
    let (from, to) = (
        UtcMs(from.0 / 1000 * 1000),
        UtcMs(now.0 / 1000 * 1000 + 2000),
    );
    let read = reader.timeline("door", from, to, 602);
    read.map_or(0, |timeline| timeline.mean.iter().flatten().count())
}
