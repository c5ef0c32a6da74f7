use super::*;

/// Everything that a file can say.
const ALL: &str = r#"
[detect]
mute = { after_s = 20 }
loud.over_db = 30.0

[[stream]]
name = "door"
label = "Front door"
source = "rtsp://10.0.0.5/stream"
hop = 0.5
detect.mute.below_dbfs = -60.0
detect.frozen.enabled = false

[[stream]]
name = "yard"
source = "camera:1"

[record]
folder = "/var/lib/l3net"
before_s = 3
max_size = "50GB"
max_age = "7d"

[web]
address = "0.0.0.0:8080"
token = "long"

[mqtt]
url = "mqtt://broker"
discovery = { enabled = false }

[[webhook]]
url = "https://example.org/hook"
method = "PUT"
headers = { Authorization = "Bearer x" }
body = '{"text": {{ event.what | tojson }}}'
when = { on = ["new"], kinds = ["mismatch", "frozen"], min_score = 0.5 }

[frigate]
url = "http://frigate:5000"

[[command]]
run = ["/usr/bin/logger", "-t", "l3net"]
"#;

#[test]
fn a_stream_has_its_own_thresholds_over_those_of_all() {
    let settings = Settings::parse(ALL).expect("it is right");
    let [door, yard] = [0, 1].map(|i| &settings.stream[i].as_ref().detect);
    assert_eq!((door.mute.after_s.0, door.mute.below_dbfs), (20.0, -60.0));
    assert_eq!((yard.mute.after_s.0, yard.mute.below_dbfs), (20.0, -70.0));
    assert_eq!((door.loud.over_db, yard.loud.over_db), (30.0, 30.0));
    assert!(!door.frozen.enabled && yard.frozen.enabled);
    assert_eq!(yard.frozen.after_s.0, 60.0, "the default");
    let record = settings.record.expect("it is there");
    assert_eq!((record.before_s.0, record.after_s.0), (3.0, 5.0));
    assert_eq!(record.max_size.0, 50_000_000_000);
    assert!(settings.webhook[0].when.kinds.len() == 2);
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_key() {
    let stream = "[[stream]]\nname = \"a\"\nsource = \"test\"\n";
    let after = |text: &str| format!("{stream}{text}");
    let cases: [(String, usize, &[&str]); 17] = [
        (
            after("[detect]\nmismatch.sigmas = nan"),
            1,
            &["mismatch.sigmas", "0.5"],
        ),
        (
            after("detect.mismatch.learn_s = 86400"),
            1,
            &["mismatch.learn_s", "14400"],
        ),
        (after("[mqtt]\nurl = 12345678"), 5, &["in quotes"]),
        ("streams = 3".into(), 1, &["unknown field", "streams"]),
        (after("colour = 1"), 4, &["unknown field", "colour"]),
        (after("hop = 0.01"), 1, &["hop", "0.1"]),
        (after("hop = \"fast\""), 4, &["number of seconds"]),
        (
            after("detect.mut.after_s = 3"),
            4,
            &["unknown field", "mut"],
        ),
        (after("detect.mute.after_s = -3"), 4, &["-3", "seconds"]),
        (after("detect.mute = 3"), 4, &["struct", "3"]),
        (
            after("\n[[stream]]\nname = \"a\"\nsource = \"b\""),
            5,
            &["two streams", "\"a\""],
        ),
        (
            "[[stream]]\nname = \"a\"".into(),
            1,
            &["missing field", "source"],
        ),
        (
            "[[stream]]\nname = \" \"\nsource = \"test\"".into(),
            1,
            &["name"],
        ),
        (after("source = \"test\""), 4, &["duplicate"]),
        (
            after("[record]\nfolder = \"x\"\nmax_size = \"big\""),
            6,
            &["big", "50GB"],
        ),
        (
            after("[web]\naddress = \":1\"\ntoken = \"${NO_SUCH_VARIABLE}\""),
            6,
            &["NO_SUCH_VARIABLE"],
        ),
        (
            after("[[webhook]]\nurl = \"x\"\nwhen = { on = [\"newer\"] }"),
            6,
            &["newer"],
        ),
    ];
    for (text, line, parts) in cases {
        let (at, cause) = Settings::parse(&text).expect_err(&text);
        assert_eq!(line_of(&text, at), line, "{text}\n{cause}");
        assert!(!cause.contains('\n'), "{cause}");
        for part in parts {
            assert!(cause.contains(part), "{text}\n{cause}: no {part}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Settings::read(Path::new("/nowhere/streams.toml")).expect_err("it is not there");
    assert!(
        error.to_string().contains("/nowhere/streams.toml"),
        "{error}"
    );
}
