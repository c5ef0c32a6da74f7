//! Which broker, and who we are there.
//!
//! Belongs here: the settings, checked; what errors of a connection mean to people. Does
//! not: the connection ([`super::link`]).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use rumqttc::{
    ConnectReturnCode, ConnectionError, LastWill, MqttOptions, QoS, StateError, TlsConfiguration,
    Transport,
};

use super::super::{NotifyError, tls};
use crate::settings::{Discovery, Mqtt};

/// How long a broker may be silent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The largest that MQTT knows. Other programs' discovery comes to us too, and a message
/// over the bound would end the connection each time.
const LARGEST: usize = 268_435_455;

/// A broker, with settings that have been checked.
pub(in super::super) struct Broker {
    /// Scheme, host and port: what may be told.
    safe: String,
    pub(super) options: MqttOptions,
    pub(super) prefix: String,
    pub(super) discovery: Option<String>,
    /// Events that may wait.
    pub(super) spool: usize,
    /// The streams of the settings. Topics of others are those of former runs.
    pub(super) streams: Vec<String>,
}

impl Broker {
    /// # Errors
    /// Which setting is wrong, and why.
    pub(in super::super) fn new(of: &Mqtt, streams: Vec<&str>) -> Result<Self, NotifyError> {
        let wrong = |cause| NotifyError::wrong("mqtt", cause);
        let url = Url::parse(of.url.get()).map_err(wrong)?;
        topic("prefix", &of.prefix).map_err(wrong)?;
        let Discovery { enabled, prefix } = &of.discovery;
        topic("discovery.prefix", prefix).map_err(wrong)?;
        let client_id = of.client_id.clone();
        let client_id = client_id.unwrap_or_else(|| default_id(&of.prefix));
        if client_id.is_empty() || client_id.chars().any(char::is_control) {
            return Err(wrong(
                "client_id: give it one without control characters".into(),
            ));
        }
        let mut options = MqttOptions::new(client_id, &url.host, url.port);
        if url.encrypted {
            let client = tls::client(of.ca.as_deref()).map_err(wrong)?;
            let tls = TlsConfiguration::Rustls(Arc::new(client));
            options.set_transport(Transport::tls_with_config(tls));
        } else if let Some(ca) = of.ca.as_deref().map(Path::display) {
            return Err(wrong(format!(
                "ca: {ca} is for mqtts://, and url is mqtt://"
            )));
        }
        let own = of.user.as_ref().map(|user| user.get().to_owned());
        match (own.or(url.user), of.password.as_ref()) {
            (Some(user), password) => {
                let password = password.map(|own| own.get().to_owned());
                options.set_credentials(user, password.or(url.password).unwrap_or_default());
            }
            (None, Some(_)) => return Err(wrong("password: there is no user for it".into())),
            (None, None) => {}
        }
        let will = LastWill::new(available(&of.prefix), "offline", QoS::AtLeastOnce, true);
        options
            .set_last_will(will)
            .set_keep_alive(KEEP_ALIVE)
            // Everything that matters is kept here, and sent again to a broker that has
            // forgotten us.
            .set_clean_session(true)
            .set_max_packet_size(LARGEST, LARGEST);
        Ok(Self {
            safe: url.safe,
            options,
            prefix: of.prefix.clone(),
            discovery: enabled.then(|| prefix.clone()),
            spool: of.spool,
            streams: streams.into_iter().map(str::to_owned).collect(),
        })
    }

    /// For people, without secrets.
    pub(in super::super) fn name(&self) -> String {
        format!("mqtt ({})", self.safe)
    }
}

/// Where it is said whether we are there.
pub(super) fn available(prefix: &str) -> String {
    format!("{prefix}/available")
}

/// Stable, so that a broker recognises who comes back and does not tell of an absence later.
fn default_id(prefix: &str) -> String {
    let system = rustix::system::uname();
    let machine = system.nodename().to_string_lossy();
    format!("{prefix}-{machine}")
}

fn topic(key: &str, prefix: &str) -> Result<(), String> {
    let bad = |c: char| matches!(c, '+' | '#') || c.is_control();
    let edge = prefix.is_empty() || prefix.starts_with(['/', '$']) || prefix.ends_with('/');
    match edge || prefix.contains(bad) || prefix.len() > 200 {
        true => Err(format!(
            "{key}: {prefix:?} cannot be the first part of a topic; give one such as \"l3net\""
        )),
        false => Ok(()),
    }
}

struct Url {
    encrypted: bool,
    user: Option<String>,
    password: Option<String>,
    host: String,
    port: u16,
    safe: String,
}

impl Url {
    /// By hand: passwords that are put in from the environment have `/`, `#` and `@`, with
    /// which a parser of URLs would find another host, and say it.
    fn parse(text: &str) -> Result<Self, String> {
        let form = || {
            "url: give it as mqtt://host, mqtts://host or mqtt://user:password@host:port; \
             a password with unusual characters as password"
                .to_owned()
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
        let (encrypted, usual_port) = match scheme {
            "mqtt" | "tcp" => (false, 1883),
            "mqtts" | "ssl" => (true, 8883),
            _ => return Err(form()),
        };
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        let (host, port) = match place.rsplit_once(':') {
            // The colons of an address in brackets are its own.
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| form())?),
            _ => (place, usual_port),
        };
        let odd = |c: char| !(c.is_alphanumeric() || "-_.:[]%".contains(c));
        if host.is_empty() || host.contains(odd) || port == 0 {
            return Err(form());
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, "")))
        {
            Some((user, password)) => (Some(decoded(user)), Some(decoded(password))),
            None => (None, None),
        };
        Ok(Self {
            encrypted,
            user,
            password,
            host: host.to_owned(),
            port,
            safe: format!("{scheme}://{host}:{port}"),
        })
    }
}

/// What is wrong with a connection, and the next step where there is one. Has no secrets.
pub(super) fn cause(error: &ConnectionError) -> String {
    use ConnectReturnCode as Code;
    match error {
        ConnectionError::ConnectionRefused(code) => match code {
            Code::BadUserNamePassword | Code::NotAuthorized => {
                "it refuses our user or password; set user and password of [mqtt]".into()
            }
            Code::BadClientId => "it refuses our client_id; set another".into(),
            Code::ServiceUnavailable => "it is not available at present".into(),
            Code::RefusedProtocolVersion => "it does not speak MQTT 3.1.1".into(),
            other => format!("it refuses us: {other:?}"),
        },
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
            "it does not answer in time; check url and the network".into()
        }
        ConnectionError::MqttState(StateError::Io(error)) | ConnectionError::Io(error) => io(error),
        ConnectionError::MqttState(StateError::AwaitPingResp) => "it has fallen silent".into(),
        ConnectionError::MqttState(StateError::ConnectionAborted) => closed(),
        ConnectionError::Tls(error) => {
            let certificate = error.to_string();
            format!("{certificate}; if its certificate is your own, set ca of [mqtt]")
        }
        ConnectionError::NotConnAck(_) => "it does not answer as a broker; check url".into(),
        other => other.to_string(),
    }
}

fn io(error: &std::io::Error) -> String {
    use std::io::ErrorKind as Kind;
    let text = error.to_string();
    match error.kind() {
        Kind::ConnectionRefused => "nobody listens there; start it or check url".into(),
        Kind::ConnectionAborted | Kind::ConnectionReset | Kind::UnexpectedEof => closed(),
        _ if text.contains("failed to lookup address") => {
            "its name is not found; check the host in url and the name server".into()
        }
        _ if text.contains("certificate") => {
            format!("{text}; if the certificate is your own, set ca of [mqtt]")
        }
        _ => text,
    }
}

fn closed() -> String {
    "it closes the connection; is another client connected with our client_id?".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Text;

    #[test]
    fn a_url_is_taken_apart() {
        for (text, expected) in [
            ("mqtt://broker", (false, None, None, "broker", 1883)),
            ("mqtts://broker/", (true, None, None, "broker", 8883)),
            ("mqtt://me@b:99", (false, Some("me"), Some(""), "b", 99)),
            (
                "mqtt://me:a%25%20b@b",
                (false, Some("me"), Some("a% b"), "b", 1883),
            ),
            // As it comes from ${PASSWORD}.
            (
                "mqtt://me:p@/#:1@b:2",
                (false, Some("me"), Some("p@/#:1"), "b", 2),
            ),
            ("mqtt://[::1]", (false, None, None, "[::1]", 1883)),
            ("mqtt://[::1]:2", (false, None, None, "[::1]", 2)),
        ] {
            let url = Url::parse(text).expect(text);
            let (user, password) = (url.user.as_deref(), url.password.as_deref());
            let got = (url.encrypted, user, password, &*url.host, url.port);
            assert_eq!(got, expected, "{text}");
            assert!(
                !url.safe.contains("me:") && !url.safe.contains('@'),
                "{}",
                url.safe
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for url in [
            "broker",
            "http://me:hidden@broker",
            "mqtt://me:hidden@",
            "mqtt://me:hidden@broker:port",
            "mqtt://me:hidden@broker:0",
            "mqtt://me:hidden@bro ker",
            "mqtt://me:hidden@broker/topic",
        ] {
            let error = Broker::new(&Mqtt::at(Text::new(url)), Vec::new());
            let error = error.err().expect(url).to_string();
            assert!(error.starts_with("mqtt: url: give it as"), "{error}");
            assert!(!error.contains("hidden"), "{error}");
        }
        for prefix in ["", "a/#", "/a", "a/", "$SYS", "a\nb"] {
            let mut mqtt = Mqtt::at(Text::new("mqtt://broker"));
            mqtt.prefix = prefix.into();
            let error = Broker::new(&mqtt, Vec::new()).err().expect(prefix);
            assert!(error.to_string().contains("prefix"), "{error}");
        }
        let mut mqtt = Mqtt::at(Text::new("mqtts://broker"));
        mqtt.ca = Some("/nowhere/ca.pem".into());
        let error = Broker::new(&mqtt, Vec::new()).err().expect("no file");
        assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
    }
}
