use std::path::Path;

use super::*;
use crate::notify::command::Command;
use crate::notify::worker::{Delivery, Message};

fn script(text: &str, more: &str) -> Command {
    let text = serde_json::Value::from(text);
    let toml = format!("[[command]]\nrun = [\"sh\", \"-c\", {text}]\n{more}");
    Command::new(1, &settings(&toml).command[0]).expect("it is right")
}

fn deliver(command: &mut Command, event: StreamEvent) -> Delivery {
    let message = Message::new(Change::New, Arc::new(event), 1);
    command.deliver(&message, &Stop::default())
}

fn alive(pid_file: &Path) -> bool {
    let Ok(pid) = std::fs::read_to_string(pid_file) else {
        return true;
    };
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    // Dead, but nobody has asked yet.
    status.is_ok_and(|status| !status.contains(") Z "))
}

#[test]
fn a_program_gets_the_event() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let text = format!(
        "cat > {0}; echo \" $L3NET_EVENT_KIND $L3NET_EVENT_STREAM $L3NET_EVENT_ID $L3NET_EVENT_CHANGE\" >> {0}",
        out.display()
    );
    let event = event("Front door", Kind::Mute);
    assert_eq!(
        deliver(&mut script(&text, ""), event.clone()),
        Delivery::Done
    );
    let written = std::fs::read_to_string(out).expect("it was written");
    let (json, environment) = written.split_once("} ").expect("both");
    let json: serde_json::Value = serde_json::from_str(&format!("{json}}}")).expect("JSON");
    assert_eq!(
        (&json["change"], &json["kind"]),
        (&"new".into(), &"mute".into())
    );
    let expected = format!("mute Front door {} new\n", event.id);
    assert_eq!(environment, expected);
}

#[test]
fn a_program_need_not_read() {
    assert_eq!(
        deliver(&mut script("exec <&-", ""), event("a", Kind::Mute)),
        Delivery::Done
    );
}

#[test]
fn a_failure_says_the_code_and_the_first_line() {
    let mut command = script("echo out; echo no such lamp >&2; echo more >&2; exit 3", "");
    let Delivery::Failed(cause) = deliver(&mut command, event("a", Kind::Mute)) else {
        panic!("it failed")
    };
    assert_eq!(cause, "it ends with exit status: 3: no such lamp");
}

#[test]
fn a_program_that_takes_too_long_is_killed_with_its_children() {
    let folder = tempfile::tempdir().expect("a folder");
    let pids = ["child", "shell"].map(|name| folder.path().join(name));
    let text = format!(
        "sleep 300 & echo $! > {}; echo $$ > {}; wait",
        pids[0].display(),
        pids[1].display()
    );
    let mut command = script(&text, "timeout_s = 0.5");
    let started = Instant::now();
    let delivery = deliver(&mut command, event("a", Kind::Mute));
    assert!(started.elapsed() < PATIENCE);
    let expected = Delivery::Failed("it took too long and was killed".into());
    assert_eq!(delivery, expected);
    until("both are dead", || {
        pids.iter().all(|pid| pid.exists() && !alive(pid))
    });
}

#[test]
fn children_that_stay_do_not_hold_up_the_next_event() {
    let mut command = script("sleep 15 & exit 0", "timeout_s = 60");
    let started = Instant::now();
    assert_eq!(
        deliver(&mut command, event("a", Kind::Mute)),
        Delivery::Done
    );
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn events_come_one_after_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let out = out.display();
    // The first takes longest.
    let text = format!(
        "echo begin >> {out}; [ $L3NET_EVENT_STREAM = s0 ] && sleep 0.1; echo $L3NET_EVENT_STREAM >> {out}"
    );
    let hub = Hub::new();
    let quick = Quick::start(script(&text, "when.kinds = [\"mute\"]"), &hub, 10, PATIENCE);
    for n in 0..4 {
        tell(&hub, Change::New, &event(&format!("s{n}"), Kind::Mute));
        tell(&hub, Change::New, &event("other", Kind::Loud));
    }
    assert_eq!(quick.finish().sent, 4);
    let written = std::fs::read_to_string(folder.path().join("out")).expect("it was written");
    let expected: String = (0..4).map(|n| format!("begin\ns{n}\n")).collect();
    assert_eq!(written, expected);
}

#[test]
fn what_is_wrong_is_found_at_the_start() {
    let file = tempfile::NamedTempFile::new().expect("a file that is no program");
    let file = file.path().display();
    for (toml, part) in [
        (&*format!("[[command]]\nrun = [\"{file}\"]"), "can be run"),
        ("[[command]]\nrun = []", "give a program"),
        (
            "[[command]]\nrun = [\"no-such-program\", \"T0psecret\"]",
            "\"no-such-program\"",
        ),
        ("[[command]]\nrun = [\"true\"]\ntimeout_s = 0", "timeout_s"),
    ] {
        let error = wrong(toml);
        assert!(
            error.starts_with("command 1: ") && error.contains(part),
            "{error}"
        );
        assert!(!error.contains("T0p"), "{error}");
    }
}
