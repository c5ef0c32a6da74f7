//! A real broker, somebody who reads there, and a connection that can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use rustix::process::{Pid, Signal, kill_process};

use super::super::super::tests::until;

/// Where Debian puts it, which is not on everybody's PATH.
const USUAL: &str = "/usr/sbin/mosquitto";

fn program() -> PathBuf {
    let usual = || Path::new(USUAL).exists().then(|| USUAL.into());
    which::which("mosquitto").ok().or_else(usual).expect(
        "these tests need the MQTT broker mosquitto; install it with `scripts/setup.sh tests` \
         or `apt-get install mosquitto`",
    )
}

/// A port that stays free while a broker is away: not one that the system gives to
/// connections.
fn free_port() -> u16 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    loop {
        let n = std::process::id() as usize * 37 + NEXT.fetch_add(1, Relaxed);
        let port = u16::try_from(20_000 + n % 12_000).expect("under 32 000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A mosquitto of this test's own. Keeps what it has over a restart.
pub(super) struct Mosquitto {
    pub(super) port: u16,
    pub(super) folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Mosquitto {
    /// A broker that lets everybody in.
    pub(super) fn start() -> Self {
        Self::with(|_| "allow_anonymous true".into())
    }

    /// A broker with more settings, which may name files in its folder.
    pub(super) fn with(more: impl Fn(&Path) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut broker = Self {
            port: 0,
            folder,
            child: None,
        };
        // Another process may take the port in between.
        for _ in 0..10 {
            broker.port = free_port();
            let path = broker.folder.path();
            let config = format!(
                "listener {} 127.0.0.1\nuser root\npersistence true\npersistence_location {}/\n\
                 max_queued_messages 0\nmax_queued_bytes 0\n{}\n",
                broker.port,
                path.display(),
                more(path)
            );
            std::fs::write(path.join("config"), config).expect("it can be written");
            if broker.up() {
                return broker;
            }
        }
        let log = std::fs::read_to_string(broker.folder.path().join("log"));
        panic!("mosquitto does not start: {log:?}");
    }

    /// Starts it again. Whether it runs.
    pub(super) fn up(&mut self) -> bool {
        let path = self.folder.path();
        let log = std::fs::File::create(path.join("log")).expect("it can be written");
        let mut child = Command::new(program())
            .arg("-c")
            .arg(path.join("config"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mosquitto can be run");
        let mut runs = false;
        // Not by connecting: another's broker may answer.
        until("mosquitto runs or ends", || {
            let log = std::fs::read_to_string(path.join("log")).unwrap_or_default();
            runs = log.contains(" running");
            runs || child.try_wait().expect("it is ours").is_some()
        });
        self.child = Some(child);
        runs
    }

    /// Ends it as a restart of the machine does: it writes down what it has.
    pub(super) fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = Pid::from_child(&child);
            let _ = kill_process(pid, Signal::TERM);
            let _ = child.wait();
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.down();
    }
}

/// Something that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Heard {
    pub(super) topic: String,
    pub(super) payload: String,
    pub(super) retain: bool,
}

/// Reads everything, over restarts of the broker, which keeps what it misses.
pub(super) struct Reader {
    pub(super) client: Client,
    heard: Arc<Mutex<Vec<Heard>>>,
    over: Arc<AtomicBool>,
}

impl Reader {
    /// Returns once it is subscribed.
    pub(super) fn start(port: u16) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let id = format!("reader-{}", NEXT.fetch_add(1, Relaxed));
        let mut options = MqttOptions::new(id, "127.0.0.1", port);
        options
            .set_clean_session(false)
            .set_max_packet_size(1 << 24, 1 << 24);
        let (client, mut connection) = Client::new(options, 1000);
        let (heard, over) = (
            Arc::<Mutex<Vec<_>>>::default(),
            Arc::<AtomicBool>::default(),
        );
        let (tell, told) = std::sync::mpsc::channel();
        let (ours, stop) = (Arc::clone(&heard), Arc::clone(&over));
        client
            .subscribe("#", QoS::AtLeastOnce)
            .expect("it is valid");
        std::thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::SubAck(_))) => drop(tell.send(())),
                    Ok(Event::Incoming(Packet::Publish(message))) => {
                        ours.lock().expect("no panic").push(Heard {
                            topic: message.topic,
                            payload: String::from_utf8_lossy(&message.payload).into_owned(),
                            retain: message.retain,
                        });
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(20)),
                    Ok(_) => {}
                }
                if stop.load(Relaxed) {
                    break;
                }
            }
        });
        told.recv_timeout(Duration::from_secs(20))
            .expect("it is subscribed");
        Self {
            client,
            heard,
            over,
        }
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no panic").clone()
    }

    /// All that came on a topic, in order.
    pub(super) fn all(&self, topic: &str) -> Vec<String> {
        let heard = self.heard().into_iter();
        let of_topic = heard.filter(|heard| heard.topic == topic);
        of_topic.map(|heard| heard.payload).collect()
    }

    /// Waits until the newest on a topic is this.
    pub(super) fn until(&self, topic: &str, payload: &str) {
        until(&format!("{topic} = {payload}"), || {
            self.all(topic).last().is_some_and(|last| last == payload)
        });
    }

    /// Waits until the broker has all that was published here, and all that it has is here.
    pub(super) fn catch_up(&self) {
        let marker = format!("marker/{}", self.heard().len());
        self.publish(&marker, "here", false);
        self.until(&marker, "here");
    }

    /// Waits for something on a topic, and returns the newest.
    pub(super) fn newest(&self, topic: &str) -> String {
        until(topic, || !self.all(topic).is_empty());
        self.all(topic).pop().unwrap_or_default()
    }

    pub(super) fn publish(&self, topic: &str, payload: &str, retain: bool) {
        let sent = self
            .client
            .publish(topic, QoS::AtLeastOnce, retain, payload);
        sent.expect("it is valid");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        let _ = self.client.try_disconnect();
    }
}

/// A way to the broker that can be cut.
pub(super) struct Wire {
    pub(super) port: u16,
    /// Connections so far.
    pub(super) made: Arc<AtomicUsize>,
    open: Arc<AtomicBool>,
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    pub(super) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let wire = Self {
            port: listener.local_addr().expect("it has one").port(),
            made: Arc::default(),
            open: Arc::new(AtomicBool::new(true)),
            ends: Arc::default(),
        };
        let (made, open) = (Arc::clone(&wire.made), Arc::clone(&wire.open));
        let ends = Arc::downgrade(&wire.ends);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Some(ends) = ends.upgrade() else { break };
                made.fetch_add(1, Relaxed);
                if !open.load(Relaxed) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let both = from.try_clone().and_then(|f| Ok((f, to.try_clone()?)));
                    let (from, to) = both.expect("a few more files can be opened");
                    std::thread::spawn(move || copy(from, to));
                }
                ends.lock().expect("no panic").extend([near, far]);
            }
        });
        wire
    }

    pub(super) fn cut(&self) {
        for end in self.ends.lock().expect("no panic").drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn set_open(&self, open: bool) {
        self.open.store(open, Relaxed);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut();
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
