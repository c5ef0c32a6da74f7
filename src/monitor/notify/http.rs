//! HTTP as webhooks and Frigate need it.
//!
//! Belongs here: addresses and headers that are checked at the start, one call, what its
//! answer means. Does not: when it is called again ([`super::worker`]), what is sent.
//!
//! Nothing that is returned as text has a secret in it: addresses may have passwords, and
//! those of many services are secrets as a whole, so only the host is named.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ureq::http::{HeaderName, HeaderValue, Method, Request, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Timeout};

use super::tls;
use crate::settings::Text;
use crate::time::UtcMs;

/// As much of an answer as is read.
const ANSWER: u64 = 64 * 1024;
/// As much of an answer as is told.
const TOLD: usize = 120;
/// No server asks to be left alone for longer in earnest.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// An address that has been checked.
#[derive(Clone)]
pub(super) struct Address {
    full: String,
    /// Scheme, host and port: what may be told.
    pub(super) safe: String,
}

impl Address {
    /// # Errors
    /// What is wrong, without the address.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let form = "url: give it as http://host or https://host:port/path";
        let uri: Uri = text
            .parse()
            .map_err(|cause| format!("{form} ({cause}; % and spaces have to be encoded)"))?;
        let (scheme, host) = match (uri.scheme_str(), uri.host()) {
            (Some(scheme @ ("http" | "https")), Some(host)) if !host.is_empty() => (scheme, host),
            _ => return Err(form.into()),
        };
        let port = uri.port().map(|p| format!(":{p}")).unwrap_or_default();
        Ok(Self {
            full: text.to_owned(),
            safe: format!("{scheme}://{host}{port}"),
        })
    }

    /// An address below this one.
    pub(super) fn join(&self, path: &str) -> Self {
        Self {
            full: format!("{}{path}", self.full.trim_end_matches('/')),
            safe: self.safe.clone(),
        }
    }
}

/// What an answer means.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// It is well; the body as far as it is text.
    Ok(String),
    /// It will never be. With the status, if the server gave one.
    Final(Option<u16>, String),
    /// It may be later, `after` at the earliest.
    Again {
        cause: String,
        after: Option<Duration>,
    },
}

/// Calls one server.
pub(super) struct Caller {
    agent: Agent,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Duration,
    secrets: Vec<String>,
}

impl Caller {
    /// With these headers in each call.
    ///
    /// # Errors
    /// Which setting is wrong, and why.
    pub(super) fn new(
        address: &Address,
        ca: Option<&Path>,
        headers: &BTreeMap<String, Text>,
        timeout: Duration,
    ) -> Result<Self, String> {
        if timeout.is_zero() {
            return Err("timeout_s: 0 leaves no time for an answer".into());
        }
        let mut checked = Vec::new();
        let mut secrets = secrets_of(&address.full);
        for (name, value) in headers {
            let header = HeaderName::try_from(name.as_str())
                .map_err(|_| format!("headers: {name:?} is not a name of a header"))?;
            let mut content = HeaderValue::try_from(value.get())
                .map_err(|_| format!("headers: {name} has characters that no header may have"))?;
            content.set_sensitive(true);
            checked.push((header, content));
            secrets.extend(value.get().split_whitespace().map(str::to_owned));
        }
        secrets.retain(|secret| secret.len() > 3);
        Ok(Self {
            agent: agent(address, ca)?,
            headers: checked,
            timeout,
            secrets,
        })
    }

    /// Whether a header of this name is in each call.
    pub(super) fn has_header(&self, name: &HeaderName) -> bool {
        self.headers.iter().any(|(own, _)| own == name)
    }

    /// Calls, and waits for the answer for at most `left`.
    pub(super) fn call(
        &self,
        method: &Method,
        address: &Address,
        more_headers: &[(HeaderName, String)],
        body: Option<String>,
        left: Option<Duration>,
    ) -> Answer {
        let timeout = self.timeout.min(left.unwrap_or(self.timeout));
        let mut request = Request::builder().method(method).uri(&address.full);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in more_headers {
            request = request.header(name, value);
        }
        let sent = match body {
            Some(body) => request
                .body(body)
                .map_err(ureq::Error::from)
                .and_then(|r| self.run(r, timeout)),
            None => request
                .body(())
                .map_err(ureq::Error::from)
                .and_then(|r| self.run(r, timeout)),
        };
        let mut response = match sent {
            Ok(response) => response,
            Err(error) => return self.failed(&error, timeout),
        };
        let status = response.status();
        let after = response.headers().get("retry-after");
        let after = after
            .and_then(|v| v.to_str().ok())
            .and_then(|v| retry_after(v, SystemTime::now()));
        // Also of answers that do not matter: only then is the connection used again.
        let body = response.body_mut().with_config().limit(ANSWER);
        let body = body.read_to_string().unwrap_or_default();
        let reason = status.canonical_reason().unwrap_or_default();
        let cause = format!("it answers {} {reason}", status.as_u16());
        let cause = format!("{}{}", cause.trim_end(), self.told(&body));
        match status.as_u16() {
            200..=299 => Answer::Ok(body),
            408 | 425 | 429 | 500.. => Answer::Again { cause, after },
            300..=399 => Answer::Final(
                Some(status.as_u16()),
                format!(
                    "it answers {} and another address; set url to that",
                    status.as_u16()
                ),
            ),
            401 | 403 => {
                let cause = format!("{cause}; set headers or the user in url");
                Answer::Final(Some(status.as_u16()), cause)
            }
            _ => Answer::Final(Some(status.as_u16()), cause),
        }
    }

    fn run<B: ureq::AsSendBody>(
        &self,
        request: Request<B>,
        timeout: Duration,
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let request = self.agent.configure_request(request);
        self.agent
            .run(request.timeout_global(Some(timeout)).build())
    }

    fn failed(&self, error: &ureq::Error, timeout: Duration) -> Answer {
        let cause = match error {
            ureq::Error::Timeout(Timeout::Resolve) => "its name is not found in time".into(),
            ureq::Error::Timeout(_) => {
                format!("no answer within {:.1} s", timeout.as_secs_f64())
            }
            ureq::Error::HostNotFound => {
                "its name is not found; check the host in url and the name server".into()
            }
            ureq::Error::Http(_) | ureq::Error::BadUri(_) => {
                return Answer::Final(None, "the address cannot be called; check url".into());
            }
            other => {
                let text = other.to_string();
                match self.has_secret(&text) {
                    true => "the connection failed".into(),
                    false if text.contains("certificate") => {
                        format!("{text}; if the certificate is your own, set ca")
                    }
                    false => text,
                }
            }
        };
        Answer::Again { cause, after: None }
    }

    /// The beginning of an answer, for people: services say there what is wrong.
    fn told(&self, body: &str) -> String {
        let line = body.lines().map(str::trim).find(|line| !line.is_empty());
        let Some(line) = line.filter(|line| !line.starts_with('<') && !self.has_secret(line))
        else {
            return String::new();
        };
        let told: String = line
            .chars()
            .filter(|c| !c.is_control())
            .take(TOLD)
            .collect();
        format!(": {told}")
    }

    /// Some servers repeat what they were sent.
    fn has_secret(&self, text: &str) -> bool {
        self.secrets.iter().any(|secret| text.contains(secret))
    }
}

/// The parts of an address that may be secret: user, password, path and query.
fn secrets_of(address: &str) -> Vec<String> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let parts = user.split(':').chain(path.split(['/', '?', '&', '=']));
    let parts = parts.filter(|part| part.len() > 7 || user.contains(part));
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

fn agent(address: &Address, ca: Option<&Path>) -> Result<Agent, String> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        // Would take what is secret elsewhere, and turn a POST into a GET.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("l3net/", env!("CARGO_PKG_VERSION")));
    if address.full.starts_with("https:") {
        let roots = tls::roots(ca)?;
        let roots = roots
            .iter()
            .map(|der| Certificate::from_der(der).to_owned());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::from(roots.collect::<Vec<_>>()))
            .unversioned_rustls_crypto_provider(tls::provider());
        config = config.tls_config(tls.build());
    } else if let Some(ca) = ca {
        let ca = ca.display();
        return Err(format!("ca: {ca} is for https://, and url is http://"));
    }
    Ok(config.build().into())
}

/// How long to wait: seconds, or a date as in `Sun, 06 Nov 1994 08:49:37 GMT`.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            let now = jiff::Timestamp::try_from(now).ok()?;
            UtcMs::from(at).since(UtcMs::from(now))
        }
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_of_an_address_is_told() {
        let address = Address::parse("https://me:secret@example.org:8443/hooks/T0ken?key=x");
        let Ok(address) = address else {
            panic!("it is an address")
        };
        assert_eq!(address.safe, "https://example.org:8443");
        assert_eq!(address.join("/api").safe, address.safe);
        for wrong in [
            "",
            "example.org",
            "ftp://me:secret@x",
            "http://",
            "http://a secret/",
        ] {
            let cause = Address::parse(wrong).err().expect("it is none");
            assert!(
                cause.contains("http://host") && !cause.contains("secret"),
                "{cause}"
            );
        }
    }

    #[test]
    fn secrets_are_what_is_not_the_host() {
        let secrets = secrets_of("https://me:pass@example.org/api/webhooks/0123456789?k=abcdefgh");
        assert_eq!(
            secrets,
            ["me", "pass", "webhooks", "0123456789", "abcdefgh"]
        );
        assert!(secrets_of("http://example.org").is_empty());
    }

    #[test]
    fn a_server_says_when_to_come_again() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("99999999999", Some(86_400)),
            ("soon", None),
            ("-3", None),
        ] {
            let wait = retry_after(text, now).map(|wait| wait.as_secs());
            assert_eq!(wait, seconds, "{text}");
        }
    }
}
