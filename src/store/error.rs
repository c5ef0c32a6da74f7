//! What goes wrong with a store, in one line: where, why, and what to do.
//!
//! Belongs here: how answers and broken connections become words. Does not: what is tried
//! again, which is for who tries.
//!
//! `object_store` hides the type that has the status and the answer, so both are read from
//! its words; a test in `tests/` holds each of them against a real answer.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use object_store::client::{HttpError, HttpErrorKind};

use crate::location::{Location, Scheme};

/// Why something could not be read from a store or written there.
///
/// `at` is the URL, without secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The URL or the key cannot be.
    #[error("{at}: {cause}")]
    Url {
        /// The URL.
        at: String,
        /// What is wrong with it.
        cause: String,
    },
    /// What the environment says of the store cannot be, or this process cannot connect.
    #[error("object store: {cause}")]
    Settings {
        /// What is wrong.
        cause: String,
    },
    /// There is no such bucket (Azure: container).
    #[error("{at}: there is no such bucket; check its name, and the endpoint ({variables})")]
    NoBucket {
        /// The URL.
        at: String,
        /// Which environment variables say where the store is.
        variables: &'static str,
    },
    /// The store does not let us.
    #[error("{at}: denied ({cause}); check {variables}, and what they may do with the bucket")]
    Denied {
        /// The URL.
        at: String,
        /// What the store says.
        cause: String,
        /// Which environment variables say who we are.
        variables: &'static str,
    },
    /// No answer, or none but faults, for as long as was tried.
    #[error(
        "{at}: gave up after {seconds:.0} s ({cause}); check the network and the endpoint \
         ({variables}), then run this again"
    )]
    Unreachable {
        /// The URL.
        at: String,
        /// What came last.
        cause: String,
        /// How long was tried.
        seconds: f64,
        /// Which environment variables say where the store is.
        variables: &'static str,
    },
    /// There is no such object.
    #[error("{at}: there is no such object; check the key")]
    NotThere {
        /// The URL.
        at: String,
    },
    /// The object is longer than it may be.
    #[error("{at}: has {bytes} bytes and may have {at_most}; check that this is the right object")]
    TooLong {
        /// The URL.
        at: String,
        /// How long it is.
        bytes: u64,
        /// How long it may be.
        at_most: u64,
    },
    /// What was read or sent became another meanwhile.
    #[error("{at}: changed while it was read; run this again when nobody writes it")]
    Changed {
        /// The URL, or the path of the file that was sent.
        at: String,
    },
    /// The store answers that it will not.
    #[error("{at}: refused ({cause})")]
    Refused {
        /// The URL.
        at: String,
        /// What the store says.
        cause: String,
    },
    /// A file here cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It was asked to stop.
    #[error("stopped")]
    Stopped,
}

impl StoreError {
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn unreachable(at: &Location, cause: &str, since: Instant) -> Self {
        Self::Unreachable {
            at: at.to_string(),
            cause: cause.to_owned(),
            seconds: since.elapsed().as_secs_f64(),
            variables: at.scheme.endpoint(),
        }
    }

    /// What a request came to that began at this time.
    pub(crate) fn of(at: &Location, error: &object_store::Error, since: Instant) -> Self {
        let answer = Answer::of(error);
        let code = answer.as_ref().map_or("", |answer| answer.code.as_str());
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        let cause = answer
            .as_ref()
            .map_or_else(|| innermost(error), Answer::words);
        let url = || at.to_string();
        let denied = |cause: String| Self::Denied {
            at: url(),
            cause,
            variables: at.scheme.credentials(),
        };
        if NO_BUCKET.contains(&code) {
            return Self::NoBucket {
                at: url(),
                variables: at.scheme.endpoint(),
            };
        }
        match error {
            // Of listings only the status says it.
            _ if matches!(status, 401 | 403)
                || BAD_CREDENTIALS.contains(&code)
                || without_credentials(error) =>
            {
                denied(cause)
            }
            object_store::Error::InvalidPath { source } => Self::Url {
                at: url(),
                cause: format!(
                    "{}: such a key cannot be asked for; copy the object to another key",
                    one_line(&source.to_string())
                ),
            },
            object_store::Error::NotFound { .. } if code != "NoSuchUpload" => {
                Self::NotThere { at: url() }
            }
            object_store::Error::Precondition { .. } => Self::Changed { at: url() },
            _ if matches!(status, 408 | 429 | 500..) => Self::unreachable(at, &cause, since),
            _ if matches!(status, 300..400) || cause.contains("redirect") => Self::Refused {
                at: url(),
                cause: format!("{cause}; check {}", at.scheme.endpoint()),
            },
            _ if status == 0 && cause.contains("scheme is not allowed") => Self::Settings {
                cause: format!(
                    "{at}: the endpoint is http:// and that is not allowed; use https://, or say \
                     so: {}",
                    at.scheme.endpoint()
                ),
            },
            _ if status == 0 && transport(error).is_some() => Self::unreachable(at, &cause, since),
            _ => Self::Refused { at: url(), cause },
        }
    }

    /// Whether another try may go better: the connection's fault, not the request's.
    pub(crate) const fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// Of S3 and Google, and of Azure.
const NO_BUCKET: [&str; 2] = ["NoSuchBucket", "ContainerNotFound"];

/// What comes with another status than 401 and 403.
const BAD_CREDENTIALS: [&str; 3] = ["ExpiredToken", "InvalidToken", "AuthenticationFailed"];

impl Scheme {
    /// The variables that say where the store is.
    pub(crate) const fn endpoint(self) -> &'static str {
        match self {
            Self::S3 => "AWS_ENDPOINT_URL, AWS_REGION, AWS_ALLOW_HTTP",
            Self::Gs => "GOOGLE_BASE_URL, GOOGLE_ALLOW_HTTP",
            Self::Az => "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ENDPOINT, AZURE_ALLOW_HTTP",
        }
    }

    /// The variables that say who we are.
    pub(crate) const fn credentials(self) -> &'static str {
        match self {
            Self::S3 => {
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (files of the \
                 AWS tools are not read; AWS_SKIP_SIGNATURE=true for what is public)"
            }
            Self::Gs => "GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT",
            Self::Az => {
                "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or \
                 AZURE_STORAGE_SAS_KEY"
            }
        }
    }
}

/// What a store answered.
struct Answer {
    status: u16,
    /// As in the XML of S3, Google and Azure; empty if there is none.
    code: String,
    message: String,
}

impl Answer {
    fn of(error: &dyn Error) -> Option<Self> {
        chain(error).find_map(|error| Self::read(&error.to_string()))
    }

    fn read(words: &str) -> Option<Self> {
        let rest = words.strip_prefix("Server returned non-2xx status code: ");
        let (status, body) = match rest {
            Some(rest) => rest.split_once(": ").unwrap_or((rest, "")),
            // A fault that came with status 200.
            None => (
                "503",
                words.strip_prefix("Server returned error response: ")?,
            ),
        };
        Some(Self {
            status: status.split(' ').next()?.parse().ok()?,
            code: element(body, "Code"),
            message: element(body, "Message"),
        })
    }

    fn words(&self) -> String {
        let mut words = format!("status {}", self.status);
        for part in [&self.code, &self.message] {
            if !part.is_empty() {
                words.push_str(", ");
                words.push_str(part);
            }
        }
        words
    }
}

/// The text of an XML element. Other elements than code and message are not repeated: some
/// stores answer with what was signed.
fn element(xml: &str, name: &str) -> String {
    let text = xml
        .split_once(&format!("<{name}>"))
        .and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
    one_line(text.map_or("", |(text, _)| text))
}

fn chain<'a>(error: &'a dyn Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&error| error.source())
}

fn transport(error: &dyn Error) -> Option<HttpErrorKind> {
    chain(error).find_map(|error| error.downcast_ref().map(HttpError::kind))
}

/// Without variables `object_store` asks a service that there is in the provider's data
/// centre.
fn without_credentials(error: &dyn Error) -> bool {
    let asked = |word: &str| {
        let (_, rest) = word.split_once("://")?;
        let path = &rest[rest.find('/')?..];
        let of_service = METADATA.iter().any(|begin| path.starts_with(begin));
        of_service.then_some(())
    };
    let mut words = chain(error).map(ToString::to_string);
    words.any(|words| words.split_whitespace().any(|word| asked(word).is_some()))
}

/// Amazon's, Google's and Azure's, whatever the host.
const METADATA: [&str; 4] = [
    "/latest/api/token",
    "/latest/meta-data",
    "/computeMetadata/",
    "/metadata/identity",
];

/// The last cause: what is around it says again what was asked.
fn innermost(error: &object_store::Error) -> String {
    let last = chain(error).last().map(ToString::to_string);
    let last = last.unwrap_or_else(|| error.to_string());
    if without_credentials(error) {
        return "no credentials are set".to_owned();
    }
    match transport(error) {
        Some(HttpErrorKind::Timeout) => format!("timeout: {}", one_line(&last)),
        _ => one_line(&last),
    }
}

/// In one line, of a length to be read, without what follows `?` and goes before `@` in
/// URLs.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        let Some((scheme, rest)) = word.split_once("://") else {
            return word.to_owned();
        };
        let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        format!("{scheme}://{host}{path}")
    });
    let line = words.collect::<Vec<_>>().join(" ");
    let line = line.replace(char::is_control, "\u{fffd}");
    line.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_from_words() {
        let words = "Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\n\
                     <Error><Code>SignatureDoesNotMatch</Code>\n<Message>The signature\nis \
                     wrong</Message><StringToSign>AWS4 hush</StringToSign></Error>";
        let answer = Answer::read(words).expect("one");
        assert_eq!(
            answer.words(),
            "status 403, SignatureDoesNotMatch, The signature is wrong"
        );
        let slow = "Server returned error response: <Error><Code>SlowDown</Code></Error>";
        assert_eq!(
            Answer::read(slow).expect("one").words(),
            "status 503, SlowDown"
        );
        assert!(Answer::read("connection refused").is_none());
        assert!(Answer::read("Server returned non-2xx status code: ").is_none());
    }

    #[test]
    fn secrets_of_urls_are_left_out() {
        let said = one_line("GET https://me:hush@host/a?sig=hush\n failed");
        assert_eq!(said, "GET https://host/a failed");
    }
}
