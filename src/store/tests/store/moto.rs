//! moto, a server that speaks S3.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// As in `requirements-tests.txt` and `scripts/moto.sh`.
const VERSION: &str = "5.2.5";

/// moto takes any signature, but shows nobody's objects to nobody.
const SOMEBODY: &str = "AWS4-HMAC-SHA256 Credential=somebody/20260101/us-east-1/s3/aws4_request, \
                        SignedHeaders=host, Signature=0";

pub struct Moto {
    pub port: u16,
    /// It ends when its standard input does, with this process.
    _child: Child,
}

/// The virtual environment it is in.
fn folder() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = set("L3NET_MOTO") {
        return folder.into();
    }
    let cache = set("L3NET_CACHE").map(PathBuf::from).or_else(|| {
        let caches = set("XDG_CACHE_HOME").map(PathBuf::from);
        let caches = caches.or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")));
        Some(caches?.join("l3net"))
    });
    cache.unwrap_or_default().join(format!("moto-{VERSION}"))
}

impl Moto {
    /// The server of all tests of this process.
    pub fn get() -> &'static Self {
        static MOTO: OnceLock<Moto> = OnceLock::new();
        MOTO.get_or_init(Self::start)
    }

    fn start() -> Self {
        let python = folder().join("bin/python");
        let mut child = Command::new(&python)
            .args(["-c", include_str!("s3_server.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "these tests need the S3 server moto, and {} cannot be run ({error}); \
                     `make test` installs it, and so does `scripts/setup.sh tests`. L3NET_MOTO \
                     names the folder of a virtual environment that has it",
                    python.display()
                )
            });
        let mut line = String::new();
        let out = child.stdout.take().expect("it is piped");
        BufReader::new(out)
            .read_line(&mut line)
            .expect("it is read");
        let port = line.trim().parse().unwrap_or_else(|_| {
            panic!(
                "moto does not start; try `{} -c 'import moto'`",
                python.display()
            )
        });
        Self {
            port,
            _child: child,
        }
    }

    /// A request as it is, and the whole answer: for what the package would not ask.
    pub fn ask(&self, method: &str, path: &str, body: &[u8]) -> String {
        String::from_utf8_lossy(&self.request(method, path, body)).into_owned()
    }

    /// As [`ask`](Self::ask), in bytes.
    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\
             Authorization: {SOMEBODY}\r\nContent-Length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("it reads");
        stream.write_all(body).expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        answer
    }

    /// Whether parts of unfinished uploads are kept.
    pub fn keeps_parts(&self, bucket: &str) -> bool {
        self.ask("GET", &format!("/{bucket}?uploads"), b"")
            .contains("<UploadId>")
    }
}
