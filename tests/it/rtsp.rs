//! `live` on a real RTSP server: another process, which tests start, kill and start again.
//!
//! On a machine that is busy with other things moments may be dropped as `overload`; all
//! else must be right.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use l3net::result::Verdict;

use crate::common::{
    Running, StreamRecords, by_stream, kill, l3net, only, run, streams_in, wait_for,
};

/// White and black in turn, as H.264.
pub const PICTURE: &str = "videotestsrc is-live=true pattern=white \
     ! video/x-raw,format=I420,width=160,height=120,framerate=25/1 ! identity name=picture \
     ! x264enc tune=zerolatency key-int-max=25 ! rtph264pay name=pay0 pt=96";

/// A tone and silence in turn, by its encoder and payloader.
pub fn sound(rate: u32, rest: &str) -> String {
    format!(
        "audiotestsrc is-live=true volume=0.5 ! audio/x-raw,format=S16LE,rate={rate},channels=1 \
         ! identity name=sound ! {rest} name=pay1"
    )
}

/// The server, until it is dropped.
pub struct Server {
    process: Child,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(address: SocketAddr, arguments: &[String]) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_l3net"))
            .with_file_name("examples")
            .join("rtsp-server");
        let process = Command::new(&program)
            .arg(address.to_string())
            .args(arguments)
            .stdin(Stdio::null())
            .spawn();
        let process = process.unwrap_or_else(|error| {
            panic!(
                "{}: {error}: `cargo build --examples` builds it",
                program.display()
            )
        });
        let server = Self { process, address };
        wait_for("the server", || TcpStream::connect(address).is_ok());
        server
    }

    /// Sends it a signal by its name.
    pub fn signal(&self, name: &str) {
        assert!(kill(self.process.id(), name), "kill -{name}");
    }

    /// The address of a stream. By `rtspt` all goes over one TCP connection.
    pub fn uri(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where nobody listens.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0");
    listener.and_then(|l| l.local_addr()).expect("a free port")
}

fn middle_ns(moment: &Verdict) -> u64 {
    moment.start_ns.0.midpoint(moment.end_ns.0)
}

/// The mean brightness of a moment's picture, 0 to 255.
fn brightness(file: &Path) -> f64 {
    let picture = image::open(file).expect("a picture").into_luma8();
    let sum: f64 = picture.pixels().map(|pixel| f64::from(pixel[0])).sum();
    sum / f64::from(picture.width() * picture.height())
}

/// Nothing is missing but what was too much for the machine, and frames are in the middle.
fn assert_whole(told: &StreamRecords, seconds: u64) {
    assert!(told.errors.is_empty(), "{told:?}");
    for gap in &told.gaps {
        assert_eq!(gap.why.name(), "overload", "{told:?}");
    }
    let lost: u64 = told.gaps.iter().map(|gap| gap.lost).sum();
    let judged = told.moments.len() as u64;
    assert!(
        (seconds - 1..=seconds).contains(&(judged + lost)),
        "{told:?}"
    );
    assert_in_the_middle(told);
}

fn assert_in_the_middle(told: &StreamRecords) {
    for moment in &told.moments {
        // Half of the time between two frames, and what a drifting clock is followed behind.
        let off = moment.frame_ns.0.abs_diff(middle_ns(moment));
        assert!(off < 60_000_000, "{} ms: {moment:?}", off / 1_000_000);
    }
}

#[test]
fn sound_and_picture_of_an_rtsp_camera_stay_together() {
    let g711 = sound(8_000, "mulawenc ! rtppcmupay");
    let aac = sound(16_000, "audioconvert ! avenc_aac ! rtpmp4gpay");
    // Its clock runs 2 % fast, so that there are more samples than the timestamps tell.
    let drifting = sound(
        8_160,
        "mulawenc ! capssetter caps=audio/x-mulaw,rate=8000,channels=1 ! rtppcmupay",
    );
    let streams = [("g711", g711), ("aac", aac), ("drifting", drifting)];
    let arguments = streams.map(|(name, sound)| format!("/{name}={PICTURE} {sound}"));
    let server = Server::start(free_address(), &arguments);
    let uris = [
        server.uri("rtsp", "/g711"),
        server.uri("rtspt", "/aac"),
        server.uri("rtsp", "/drifting"),
    ];
    let dir = tempfile::tempdir().expect("a folder");
    let mut args = vec!["live".to_owned()];
    args.extend(uris.clone());
    args.extend(["--seconds", "10", "--heatmaps"].map(str::to_owned));
    args.push(dir.path().to_str().expect("text").to_owned());
    let done = run(args);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let streams = by_stream(done.records());
    for uri in &uris {
        let told = &streams[uri];
        assert_whole(told, 10);
        let (mut loud, mut silent) = (0, 0);
        for moment in &told.moments {
            let file = dir
                .path()
                .join(moment.heatmap.file.as_ref().expect("a picture"));
            let level = moment.audio.rms_dbfs;
            // In between, the tone begins or ends within the second.
            if level > -9.6 {
                loud += 1;
                assert!(brightness(&file) > 150.0, "{moment:?}");
            } else if level < -50.0 {
                silent += 1;
                assert!(brightness(&file) < 100.0, "{moment:?}");
            }
        }
        assert!(loud > 0 && silent > 0, "{told:?}");
    }
}

#[test]
fn an_rtsp_server_that_is_killed_and_comes_back_is_one_gap() {
    let arguments = [format!(
        "/s={PICTURE} {}",
        sound(8_000, "mulawenc ! rtppcmupay")
    )];
    let server = Server::start(free_address(), &arguments);
    let dir = tempfile::tempdir().expect("a folder");
    let json = dir.path().join("live.jsonl");
    let text = json.to_str().expect("text");
    let uri = server.uri("rtspt", "/s");
    let running = Running::start(l3net(["live", &uri, "--json", text]));
    let lines = || std::fs::read_to_string(&json).unwrap_or_default();
    let moments = || lines().matches("\"moment\"").count();
    wait_for("two moments", || moments() >= 2);
    let address = server.address;
    drop(server);
    let _server = Server::start(address, &arguments);
    wait_for("the gap", || lines().contains("\"gap\""));
    let before = moments();
    wait_for("moments after it", || moments() >= before + 2);
    running.signal("INT");
    let done = running.wait();
    done.assert_no_panic();
    assert_eq!(done.code, Some(0), "{}", done.err);
    let told = only(streams_in(&json));
    let outages: Vec<_> = told
        .gaps
        .iter()
        .filter(|g| g.why.name() != "overload")
        .collect();
    // What it takes from the reopening to the first sound may follow as a second one.
    let (from, until) = (outages[0].start_ns, outages[outages.len() - 1].end_ns);
    assert!(until.0 - from.0 < 10_000_000_000, "{outages:?}");
    for (place, gap) in outages.iter().enumerate() {
        assert_eq!(gap.why.name(), "discontinuity", "{outages:?}");
        assert_eq!(gap.lost > 0, place == 0, "{outages:?}");
    }
    let mut spans: Vec<_> = (told.moments.iter().map(|m| (m.start_ns, m.end_ns)))
        .chain(told.gaps.iter().map(|g| (g.start_ns, g.end_ns)))
        .collect();
    spans.sort();
    assert!(spans.windows(2).all(|two| two[0].1 == two[1].0), "{told:?}");
    let is_outside = |m: &Verdict| m.end_ns <= from || m.start_ns >= until;
    assert!(told.moments.iter().all(is_outside), "{told:?}");
    assert_in_the_middle(&told);
}

#[test]
fn what_is_wrong_with_an_address_is_named_and_it_is_tried_again() {
    let stream = format!("/s={PICTURE} {}", sound(8_000, "mulawenc ! rtppcmupay"));
    let open = Server::start(free_address(), std::slice::from_ref(&stream));
    let locked = Server::start(free_address(), &["me:s3cret".to_owned(), stream]);
    let nobody = free_address();
    let cases = [
        (format!("rtsp://{nobody}/s"), "no server answers"),
        (open.uri("rtsp", "/other"), "no such stream"),
        (
            locked.uri("rtsp", "/s"),
            "wrong user name or password, or none",
        ),
        (
            format!("rtsp://me:wr0ng@{}/s", locked.address),
            "wrong user name or password, or none",
        ),
    ];
    let check = |uri: &str, cause: &str| {
        let done = run(["live", uri, "--seconds", "2"]);
        assert_eq!(done.code, Some(1), "{uri}: {}", done.err);
        assert!(done.err.contains("opening it again"), "{}", done.err);
        let told = only(by_stream(done.records()));
        let [error] = &told.errors[..] else {
            panic!("{uri}: {told:?}");
        };
        assert!(error.error.contains(cause), "{uri}: {}", error.error);
        let all = format!("{}{}", done.out, done.err);
        assert!(!all.contains("wr0ng") && !all.contains("s3cret"), "{all}");
    };
    // Side by side: they mostly wait.
    std::thread::scope(|scope| {
        for (uri, cause) in &cases {
            scope.spawn(|| check(uri, cause));
        }
    });
    let right = format!("rtsp://me:s3cret@{}/s", locked.address);
    let done = run(["live", &right, "--seconds", "3"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(!format!("{}{}", done.out, done.err).contains("s3cret"));
}
