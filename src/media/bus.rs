//! What a pipeline's bus says, in words for a person.

use gst::glib;
use gstreamer as gst;

use super::error::MediaError;

/// Turns an error message of the bus into the cause and the next step.
/// `missing` is the decoder that an earlier message asked for, if one did.
pub(super) fn explain(message: &gst::message::Error, missing: Option<&str>) -> MediaError {
    let error = message.error();
    let debug = message.debug().map(|d| d.to_string()).unwrap_or_default();
    explain_error(&error, &debug, missing)
}

fn explain_error(error: &glib::Error, debug: &str, missing: Option<&str>) -> MediaError {
    use gst::{CoreError as C, ResourceError as R, StreamError as S};
    let text = one_line(&error.to_string());
    let detail = detail(debug).map_or_else(|| text.clone(), |d| format!("{text} ({d})"));
    if let Some(missing) = missing
        && (error.matches(C::MissingPlugin) || error.matches(S::CodecNotFound))
    {
        return MediaError::MissingPlugin(missing.to_owned());
    }
    match error {
        e if e.matches(S::Decrypt) || e.matches(S::DecryptNokey) => MediaError::Encrypted,
        e if e.matches(S::TypeNotFound) => {
            MediaError::NotMedia("no known container or codec was found in it".into())
        }
        e if e.matches(S::WrongType) => MediaError::NotMedia(text),
        e if e.matches(S::CodecNotFound) || e.matches(C::MissingPlugin) => {
            MediaError::MissingPlugin(detail)
        }
        e if e.matches(S::Decode) || e.matches(S::Demux) || e.matches(S::Format) => {
            MediaError::Damaged(detail)
        }
        e if e.matches(S::Failed) && debug.contains("not-negotiated") => {
            MediaError::Pipeline(format!("the elements cannot agree on a format: {detail}"))
        }
        e if e.matches(S::Failed) => MediaError::Damaged(detail),
        e if e.matches(R::NotFound) => MediaError::Pipeline(format!("not found: {detail}")),
        e if e.matches(R::OpenRead) || e.matches(R::Read) || e.matches(R::Busy) => {
            MediaError::Network(detail)
        }
        _ => MediaError::Pipeline(detail),
    }
}

/// The last part of GStreamer's debug text says what happened; before it stand
/// file names and element paths of its own source.
fn detail(debug: &str) -> Option<String> {
    let last = debug.lines().map(str::trim).rfind(|l| !l.is_empty())?;
    // A lone source position says nothing to anybody else.
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

/// The decoder that a message asks for, if it is such a message.
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
            explain_error(&error, debug, None),
            MediaError::Damaged("This file is corrupt (no moov)".into())
        );
    }

    #[test]
    fn a_missing_decoder_is_named() {
        let error = glib::Error::new(gst::CoreError::MissingPlugin, "x");
        assert_eq!(
            explain_error(&error, "", Some("AV9 decoder")),
            MediaError::MissingPlugin("AV9 decoder".into())
        );
    }
}
