//! Between a client and the server: passes requests on, or does not.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What becomes of a request.
#[derive(Clone, Copy)]
pub enum Fault {
    /// Nothing.
    None,
    /// Nothing, but others wait until it is done: moto looks whether an object is there,
    /// and then writes it, while it does the same for others. Stores do not.
    InTurn,
    /// It is answered here: a status and a body.
    Answer(u16, &'static str),
    /// Of the answer's body so many bytes come, then the connection ends.
    Cut(usize),
    /// Of the answer's body so many bytes come, then nothing more.
    Stall(usize),
    /// It is carried out, and the connection ends before the answer.
    Lose,
    /// It is not carried out, and there is no answer.
    Silence,
}

/// A request.
pub struct Asked {
    /// Such as `GET /bucket/key`.
    pub line: String,
    pub range: Option<String>,
    /// How many requests there were before, of any kind.
    pub before: usize,
}

pub struct Proxy {
    pub port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub fn new(to: u16, fault: impl Fn(&Asked) -> Fault + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it has one").port();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (fault, log) = (Arc::new(fault), Arc::clone(&asked));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (fault, log) = (Arc::clone(&fault), Arc::clone(&log));
                // A client that goes away is none of ours.
                std::thread::spawn(move || serve(client, to, &*fault, &log));
            }
        });
        Self { port, asked }
    }

    /// All requests so far, with their ranges.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }

    pub fn count(&self, begin: &str) -> usize {
        let asked = self.asked();
        asked.iter().filter(|line| line.starts_with(begin)).count()
    }
}

fn serve(
    mut client: TcpStream,
    to: u16,
    fault: &dyn Fn(&Asked) -> Fault,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let Some((head, body)) = request(&mut client)? else {
        return Ok(());
    };
    let line = head.lines().next().unwrap_or_default();
    let line = line.trim_end_matches(" HTTP/1.1").to_owned();
    let range = header(&head, "range").map(str::to_owned);
    let asked = {
        let mut log = log.lock().expect("no panic");
        let range = range.as_deref().unwrap_or_default();
        log.push(format!("{line} {range}").trim_end().to_owned());
        Asked {
            before: log.len() - 1,
            line,
            range: Some(range.to_owned()).filter(|range| !range.is_empty()),
        }
    };
    let fault = fault(&asked);
    if let Fault::Answer(status, body) = fault {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} So\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        return client.write_all(format!("{head}{body}").as_bytes());
    }
    if !matches!(fault, Fault::Silence) {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = matches!(fault, Fault::InTurn).then(|| TURN.lock());
        let answer = pass_on(to, &head, &body)?;
        drop(turn);
        let end = end_of_head(&answer).unwrap_or(answer.len());
        let sent = match fault {
            Fault::None | Fault::InTurn => answer.len(),
            Fault::Cut(bytes) | Fault::Stall(bytes) => (end + bytes).min(answer.len()),
            _ => 0,
        };
        client.write_all(&answer[..sent])?;
    }
    if matches!(fault, Fault::Stall(_) | Fault::Silence) {
        // Until the client has enough of it.
        while client.read(&mut [0; 1024])? > 0 {}
    }
    Ok(())
}

fn request(client: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 1 << 16];
    let end = loop {
        if let Some(end) = end_of_head(&bytes) {
            break end;
        }
        match client.read(&mut buffer)? {
            0 => return Ok(None),
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length = header(&head, "content-length").and_then(|length| length.parse().ok());
    while body.len() < length.unwrap_or(0) {
        match client.read(&mut buffer)? {
            0 => return Ok(None),
            n => body.extend_from_slice(&buffer[..n]),
        }
    }
    Ok(Some((head, body)))
}

fn pass_on(to: u16, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(("127.0.0.1", to))?;
    let (line, rest) = head.split_once("\r\n").unwrap_or((head, "\r\n"));
    server.write_all(format!("{line}\r\nConnection: close\r\n{rest}").as_bytes())?;
    server.write_all(body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(answer)
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(at + 4)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
