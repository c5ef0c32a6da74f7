//! A real browser: Debian's `chromium` without a window, by its DevTools protocol.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

use crate::common::wait_for;

/// A browser with one page. What the page says and loads is noted.
pub struct Browser {
    child: Child,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    calls: u64,
    /// Errors of scripts and lines on the console that are errors.
    pub complaints: Vec<String>,
    /// Addresses that the page has asked for.
    pub requests: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts it, with a window of this size.
    pub fn start(width: u32, height: u32) -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let child = Command::new("chromium")
            .args([
                "--headless=new",
                // Root has no sandbox; what is opened is ours.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--window-size={width},{height}"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium is there: scripts/setup.sh tests installs it");
        let port_file = profile.path().join("DevToolsActivePort");
        let mut port = 0;
        wait_for("the browser", || {
            let text = std::fs::read_to_string(&port_file).unwrap_or_default();
            port = text
                .lines()
                .next()
                .and_then(|line| line.parse().ok())
                .unwrap_or(0);
            port != 0
        });
        let (socket, _) = tungstenite::connect(page_of(port)).expect("it listens");
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            let timeout = Some(Duration::from_secs(60));
            stream.set_read_timeout(timeout).expect("a timeout");
        }
        let mut browser = Self {
            child,
            socket,
            calls: 0,
            complaints: Vec::new(),
            requests: Vec::new(),
            _profile: profile,
        };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Opens an address.
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// The value of an expression.
    pub fn value(&mut self, expression: &str) -> Value {
        let asked =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", asked);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub fn wait_until(&mut self, what: &str, expression: &str) {
        wait_for(what, || {
            std::thread::sleep(Duration::from_millis(100));
            self.value(&format!("Boolean({expression})")) == true
        });
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let text = json!({ "id": id, "method": method, "params": params }).to_string();
        self.socket.send(Message::text(text)).expect("it listens");
        loop {
            let message = self.socket.read().expect("it answers");
            let Ok(text) = message.to_text() else {
                continue;
            };
            let Ok(value) = serde_json::from_str::<Value>(text) else {
                continue;
            };
            if value["id"] == id {
                assert!(value["error"].is_null(), "{method}: {value}");
                return value["result"].clone();
            }
            self.note(&value);
        }
    }

    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(params.to_string()),
            Some("Runtime.consoleAPICalled") if params["type"] == "error" => {
                self.complaints.push(params.to_string());
            }
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                self.complaints.push(params["entry"].to_string());
            }
            Some("Network.requestWillBeSent") => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                self.requests.push(url.to_owned());
            }
            _ => {}
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The socket of the first page.
fn page_of(port: u16) -> String {
    let mut found = None;
    wait_for("a page", || {
        let list = get(port).unwrap_or_default();
        let pages = list
            .find('[')
            .map(|at| serde_json::from_str::<Value>(&list[at..]));
        let Some(Ok(Value::Array(pages))) = pages else {
            return false;
        };
        let page = pages.iter().find(|page| page["type"] == "page");
        found = page.and_then(|page| page["webSocketDebuggerUrl"].as_str().map(str::to_owned));
        found.is_some()
    });
    found.expect("found above")
}

fn get(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    // Its answer has addresses at the host by which it was asked.
    let request =
        format!("GET /json/list HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    // It may keep the connection open: what came counts.
    let _ = stream.read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
