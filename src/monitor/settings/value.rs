//! Values of settings that are more than numbers and words.

use std::time::Duration;

use bytesize::ByteSize;
use jiff::{Span, SpanRelativeTo};
use serde::de::{Deserialize, Deserializer, Error};

/// A text in which `${NAME}` stands for a variable of the environment, for secrets. Debug
/// does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// A text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text with its variables filled in.
    pub fn get(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Text(…)")
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Unspoken)
    }
}

/// Reads a text and never says what it was: it may be a password.
struct Unspoken;

impl Unspoken {
    fn wrong<E: Error>() -> E {
        E::custom("is to be a text: write it in quotes")
    }
}

impl serde::de::Visitor<'_> for Unspoken {
    type Value = Text;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a text in quotes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        let filled = filled(text, |name| std::env::var(name).ok());
        filled.map(Text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Text, E> {
        Err(Self::wrong())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Text, E> {
        Err(Self::wrong())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Text, E> {
        Err(Self::wrong())
    }
}

/// `$$` is a dollar; a dollar before anything but `{` stands for itself.
fn filled(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let (name, after) = after
                .split_once('}')
                .ok_or("a ${ without its }; write $$ for a dollar")?;
            let value = variable(name).ok_or_else(|| {
                format!("${{{name}}} is not in the environment; set {name} before the start")
            })?;
            out.push_str(&value);
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// A time in seconds, from 0 to a year.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seconds(pub f64);

impl Seconds {
    /// As a duration.
    pub fn get(self) -> Duration {
        Duration::from_secs_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged, expecting = "a number of seconds")]
        enum Number {
            Whole(i64),
            Real(f64),
        }
        let seconds = match Number::deserialize(from)? {
            Number::Whole(seconds) => seconds as f64,
            Number::Real(seconds) => seconds,
        };
        match (0.0..=31_536_000.0).contains(&seconds) {
            true => Ok(Self(seconds)),
            false => Err(D::Error::custom(format!(
                "{seconds} is not between 0 and 31536000 seconds"
            ))),
        }
    }
}

/// A size such as "50GB".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let size: Result<ByteSize, _> = text.parse();
        size.map(|size| Self(size.0))
            .map_err(|_| D::Error::custom(format!("{text} is not a size such as \"50GB\"")))
    }
}

/// An age such as "30d".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age(pub Duration);

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || D::Error::custom(format!("{text} is not a time such as \"30d\" or \"12h\""));
        let span: Span = text.parse().map_err(|_| wrong())?;
        let age = span
            .to_duration(SpanRelativeTo::days_are_24_hours())
            .map_err(|_| wrong())?;
        let age = Duration::try_from(age).map_err(|_| wrong())?;
        if age.is_zero() {
            Err(wrong())
        } else {
            Ok(Self(age))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let known = |name: &str| (name == "PW").then(|| "s3$cret".to_owned());
        for (text, expected) in [
            ("plain", "plain"),
            ("rtsp://me:${PW}@cam/1", "rtsp://me:s3$cret@cam/1"),
            ("${PW}${PW}", "s3$crets3$cret"),
            ("5$ and $$ and $${PW}", "5$ and $ and ${PW}"),
            ("ends in $", "ends in $"),
        ] {
            assert_eq!(filled(text, known).as_deref(), Ok(expected), "{text}");
        }
        let missing = filled("${NOPE}", known).expect_err("there is none");
        assert!(missing.contains("set NOPE"), "{missing}");
        assert!(filled("${open", known).is_err());
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert!(!format!("{:?}", Text::new("secret")).contains("secret"));
    }
}
