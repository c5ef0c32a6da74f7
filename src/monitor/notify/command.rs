//! `[[command]]`: a program that is run for events.
//!
//! Belongs here: running it, with what it gets and how long it may take. Does not: the queue
//! ([`super::worker`]): one event at a time, in order, never twice.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::NotifyError;
use super::pace::Stop;
use super::webhook::json;
use super::worker::{Channel, Delivery, Message};
use crate::event::{Change, StreamEvent};
use crate::settings::{self, When};

/// As much of its complaint as is told.
const TOLD: u64 = 200;
/// How long a complaint may take after the program has ended: its children may still have
/// the other end of the pipe.
const COMPLAINT: Duration = Duration::from_millis(200);

/// A command that has been checked.
pub(super) struct Command {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    timeout: Duration,
    when: When,
}

impl Command {
    /// The command at this place in the settings, from 1.
    ///
    /// # Errors
    /// Which setting is wrong, and why.
    pub(super) fn new(place: usize, of: &settings::Command) -> Result<Self, NotifyError> {
        let name = format!("command {place}");
        let wrong = |cause| NotifyError::wrong(&name, cause);
        let Some((program, arguments)) = of.run.split_first() else {
            return Err(wrong(
                "run: give a program, such as [\"/usr/bin/logger\"]".into(),
            ));
        };
        let found = which::which(program).map_err(|_| {
            wrong(format!(
                "run: there is no program {program:?} that can be run; install it or give its path"
            ))
        })?;
        if of.timeout_s.get().is_zero() {
            return Err(wrong("timeout_s: 0 leaves it no time to run".into()));
        }
        Ok(Self {
            name: format!("{name} ({program})"),
            program: found,
            arguments: arguments.to_vec(),
            timeout: of.timeout_s.get(),
            when: of.when.clone(),
        })
    }

    fn start(&self, message: &Message) -> std::io::Result<Child> {
        let event = &message.event;
        Process::new(&self.program)
            .args(&self.arguments)
            .env("L3NET_EVENT_KIND", event.kind.name())
            .env("L3NET_EVENT_STREAM", &*event.stream)
            .env("L3NET_EVENT_ID", event.id.to_string())
            .env("L3NET_EVENT_CHANGE", message.change.name())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // A group of its own, so that its children can be killed with it.
            .process_group(0)
            .spawn()
    }
}

impl Channel for Command {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn wants(&mut self, change: Change, event: &StreamEvent) -> bool {
        self.when.wants(change, event)
    }

    fn deliver(&mut self, message: &Message, stop: &Stop) -> Delivery {
        let mut child = match self.start(message) {
            Ok(child) => child,
            Err(cause) => return Delivery::Failed(format!("it cannot be run: {cause}")),
        };
        let complaint = first_line(&mut child);
        if let Some(mut stdin) = child.stdin.take() {
            // Much smaller than a pipe, so this never waits. A program need not read it.
            let _ = stdin.write_all(json(message.change, &message.event).as_bytes());
        }
        let ended = wait(&mut child, self.timeout, stop);
        let said = complaint.recv_timeout(COMPLAINT).ok();
        let said = said.filter(|line| !line.is_empty());
        let said = said.map(|line| format!(": {line}")).unwrap_or_default();
        match ended {
            Ok(Some(status)) if status.success() => Delivery::Done,
            Ok(Some(status)) => Delivery::Failed(format!("it ends with {status}{said}")),
            Ok(None) => Delivery::Failed(format!("it took too long and was killed{said}")),
            Err(cause) => Delivery::Failed(format!("it cannot be waited for: {cause}")),
        }
    }
}

/// Waits for a program's end; `None` if it took too long, and was killed with its children.
fn wait(child: &mut Child, timeout: Duration, stop: &Stop) -> std::io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let no_time = stop.left().is_some_and(|left| left.is_zero());
        if started.elapsed() >= timeout || no_time {
            kill(child);
            // Takes the place in the table of processes; it is dead, so it does not wait.
            return child.wait().map(|_| None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn kill(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let killed = group.is_some_and(|group| kill_process_group(group, Signal::KILL).is_ok());
    if !killed {
        let _ = child.kill();
    }
}

/// What a program complains of first. All else that it says is read and thrown away: a full
/// pipe would hold it up.
fn first_line(child: &mut Child) -> Receiver<String> {
    let (tell, told) = mpsc::sync_channel(1);
    if let Some(stderr) = child.stderr.take() {
        // Ends with the last process that has the pipe.
        let _ = std::thread::Builder::new()
            .name("notify-stderr".into())
            .spawn(move || {
                let mut stderr = BufReader::new(stderr);
                let mut line = Vec::new();
                let _ = stderr.by_ref().take(TOLD).read_until(b'\n', &mut line);
                let line = String::from_utf8_lossy(&line);
                let shown = line.chars().filter(|c| !c.is_control());
                let _ = tell.send(shown.collect::<String>().trim().to_owned());
                let _ = std::io::copy(&mut stderr, &mut std::io::sink());
            });
    }
    told
}
