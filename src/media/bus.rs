//! Turns messages of a pipeline's bus into errors for users.

use gst::glib;
use gstreamer as gst;

use super::error::MediaError;
use super::secrets::without_secrets;
use super::source::SourceKind;

/// Turns an error message into the cause and the next step. `missing` is the decoder
/// that an earlier message asked for, if any.
pub(super) fn explain(
    message: &gst::message::Error,
    kind: &SourceKind,
    missing: Option<&str>,
) -> MediaError {
    let error = message.error();
    let debug = message.debug().map(|d| d.to_string()).unwrap_or_default();
    explain_error(&error, &debug, kind, missing)
}

fn explain_error(
    error: &glib::Error,
    debug: &str,
    kind: &SourceKind,
    missing: Option<&str>,
) -> MediaError {
    use gst::{CoreError as C, ResourceError as R, StreamError as S};
    let text = shown(&one_line(&error.to_string()), kind);
    let detail = detail(debug).map(|detail| shown(&detail, kind));
    let detail = detail.map_or_else(|| text.clone(), |d| format!("{text} ({d})"));
    if let Some(missing) = missing
        && (error.matches(C::MissingPlugin) || error.matches(S::CodecNotFound))
    {
        return MediaError::MissingPlugin(missing.to_owned());
    }
    let of_resource = error.is::<R>();
    match (error, kind) {
        (e, _) if e.matches(S::Decrypt) || e.matches(S::DecryptNokey) => MediaError::Encrypted,
        (e, _) if e.matches(S::TypeNotFound) => {
            MediaError::NotMedia("no known container or codec was found in it".into())
        }
        (e, _) if e.matches(S::WrongType) => MediaError::NotMedia(text),
        (e, _) if e.matches(S::CodecNotFound) || e.matches(C::MissingPlugin) => {
            MediaError::MissingPlugin(detail)
        }
        (e, _) if e.matches(S::Decode) || e.matches(S::Demux) || e.matches(S::Format) => {
            MediaError::Damaged(detail)
        }
        (e, SourceKind::File(_)) if e.matches(S::Failed) && debug.contains("not-negotiated") => {
            MediaError::Pipeline(format!(
                "its pixels or samples are in a format that GStreamer does not know here: \
                 re-encode it, for example with ffmpeg -pix_fmt yuv420p ({detail})"
            ))
        }
        (e, _) if e.matches(S::Failed) && debug.contains("not-negotiated") => {
            MediaError::Pipeline(format!("the elements cannot agree on a format: {detail}"))
        }
        (e, SourceKind::Uri { .. }) if e.matches(R::NotAuthorized) => MediaError::Network(format!(
            "wrong user name or password, or none: write USER:PASSWORD@ before the host, with \
             other characters than letters and digits as in %40 for @ ({detail})"
        )),
        (e, SourceKind::Uri { .. }) if e.matches(R::NotFound) => MediaError::Network(format!(
            "the server has no such stream: check the path in the address ({detail})"
        )),
        (e, SourceKind::Uri { .. }) if e.matches(R::OpenReadWrite) => MediaError::Network(format!(
            "no server answers: check host and port, and whether it is switched on ({detail})"
        )),
        // If a source fails, the element after it reports a failed stream.
        (e, SourceKind::Uri { .. }) if of_resource || e.matches(S::Failed) => {
            MediaError::Network(detail)
        }
        (e, SourceKind::Camera(_)) if of_resource || e.matches(S::Failed) => {
            MediaError::Device(detail)
        }
        (e, _) if e.matches(S::Failed) => MediaError::Damaged(detail),
        (e, _) if e.matches(R::NotFound) => MediaError::Pipeline(format!("not found: {detail}")),
        (e, SourceKind::File(_)) if e.matches(R::OpenRead) || e.matches(R::Read) => {
            MediaError::Unreadable(detail)
        }
        (e, _) if e.matches(R::OpenRead) || e.matches(R::Read) || e.matches(R::Busy) => {
            MediaError::Network(detail)
        }
        _ => MediaError::Pipeline(detail),
    }
}

fn shown(text: &str, kind: &SourceKind) -> String {
    match kind {
        SourceKind::Uri { uri, .. } => without_secrets(text, uri),
        _ => text.to_owned(),
    }
}

/// The last line of GStreamer's debug text says what happened; the lines before it are
/// source locations and element paths.
fn detail(debug: &str) -> Option<String> {
    let last = debug.lines().map(str::trim).rfind(|l| !l.is_empty())?;
    // A source location alone says nothing to users.
    if last.contains(".c(") || last.starts_with("../") {
        return None;
    }
    Some(last.to_owned())
}

fn one_line(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .trim_end_matches('.')
        .to_owned()
}

/// The decoder that a missing-plugin message asks for.
pub(super) fn missing_plugin(message: &gst::MessageRef) -> Option<String> {
    let structure = message.structure()?;
    if structure.name() != "missing-plugin" {
        return None;
    }
    let name = structure.get::<String>("name").ok()?;
    Some(one_line(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_cause_without_source_positions() {
        let error = glib::Error::new(gst::StreamError::Demux, "This file is\ncorrupt.");
        let debug =
            "../gst/isomp4/qtdemux.c(123): parse ():\n/GstPipeline:p/GstQTDemux:d:\nno moov";
        assert_eq!(
            explain_error(&error, debug, &SourceKind::Test(None), None),
            MediaError::Damaged("This file is corrupt (no moov)".into())
        );
    }

    #[test]
    fn a_missing_decoder_is_named() {
        let error = glib::Error::new(gst::CoreError::MissingPlugin, "x");
        assert_eq!(
            explain_error(&error, "", &SourceKind::Test(None), Some("AV9 decoder")),
            MediaError::MissingPlugin("AV9 decoder".into())
        );
    }

    #[test]
    fn what_fails_is_named_after_its_source_and_no_password_is_told() {
        let uri = "http://me:p4ss@host/a.ts?token=t0ken".to_owned();
        let network = SourceKind::Uri { uri, live: false };
        let refused = glib::Error::new(gst::ResourceError::Read, "Refused.");
        let debug = "URL: http://me:p4ss@host/a.ts?token=t0ken, of me:p4ss";
        let found = explain_error(&refused, debug, &network, None);
        assert_eq!(
            found,
            MediaError::Network("Refused (URL: http://host/a.ts?token=…, of …)".into())
        );
        for (error, step) in [
            (
                gst::ResourceError::NotAuthorized,
                "wrong user name or password",
            ),
            (gst::ResourceError::NotFound, "check the path"),
            (gst::ResourceError::OpenReadWrite, "check host and port"),
        ] {
            let found = explain_error(&glib::Error::new(error, "x"), debug, &network, None);
            let told = found.to_string();
            assert!(told.contains(step) && !told.contains("p4ss"), "{told}");
        }
        let failed = glib::Error::new(gst::StreamError::Failed, "Internal error.");
        let is_network = |kind| {
            let found = explain_error(&failed, "", kind, None);
            matches!(found, MediaError::Network(_))
        };
        assert!(is_network(&network) && !is_network(&SourceKind::Test(None)));
        let busy = glib::Error::new(gst::ResourceError::Busy, "In use.");
        let found = explain_error(&busy, "", &SourceKind::Camera(0), None);
        assert_eq!(found, MediaError::Device("In use".into()));
    }
}
