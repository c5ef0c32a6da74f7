//! Where an object or a folder of objects is: a URL taken apart.
//!
//! Belongs here: which URLs and keys there are. Does not: whether anything is there.

use std::fmt;

use object_store::path::Path;

use crate::error::StoreError;

/// Who keeps the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    S3,
    Gs,
    Az,
}

impl Scheme {
    const ALL: [Self; 3] = [Self::S3, Self::Gs, Self::Az];

    const fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gs => "gs",
            Self::Az => "az",
        }
    }
}

/// An object, or a prefix of keys, in a bucket (Azure: container).
///
/// The key is taken as it is written, as `aws s3` and `gcloud storage` do: `%`, `+`, `?`
/// and `#` are themselves. It has no slash at either end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    pub(crate) scheme: Scheme,
    pub(crate) bucket: String,
    key: String,
}

impl Location {
    /// `None` if it is no URL of an object store: then it is a path, or wrong, and for
    /// the caller to say.
    ///
    /// # Errors
    /// If the bucket's name or the key cannot be.
    ///
    /// ```
    /// use l3net_store::Location;
    ///
    /// let at = Location::parse("s3://bucket/shards/").expect("a URL")?;
    /// assert_eq!(at.key(), "shards");
    /// assert_eq!(at.join("a.tar").to_string(), "s3://bucket/shards/a.tar");
    /// assert!(Location::parse("/data/shards").is_none());
    /// # Ok::<(), l3net_store::StoreError>(())
    /// ```
    pub fn parse(url: &str) -> Option<Result<Self, StoreError>> {
        let (name, rest) = url.split_once("://")?;
        let scheme = Scheme::ALL
            .into_iter()
            .find(|scheme| scheme.name().eq_ignore_ascii_case(name))?;
        Some(Self::of(scheme, rest))
    }

    fn of(scheme: Scheme, rest: &str) -> Result<Self, StoreError> {
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        // Before the bucket somebody may have written a password: it is not repeated.
        let secret = bucket.rsplit_once('@');
        let at = Self {
            scheme,
            bucket: secret.map_or(bucket, |(_, bucket)| bucket).to_owned(),
            key: key.strip_suffix('/').unwrap_or(key).to_owned(),
        };
        let wrong = |cause: &str| {
            Err(StoreError::Url {
                at: at.to_string(),
                cause: cause.to_owned(),
            })
        };
        if secret.is_some() {
            return wrong("nothing goes before the bucket with @: keys come from the environment");
        }
        if at.bucket.is_empty() {
            return wrong("there is no bucket; write BUCKET or BUCKET/KEY after the two slashes");
        }
        let usual = |c: char| c.is_ascii_alphanumeric() || "-_.$".contains(c);
        if !at.bucket.chars().all(usual) {
            return wrong("a bucket's name has letters, digits, dots, dashes and underscores");
        }
        at.path()?;
        Ok(at)
    }

    /// The key of the object, or what the keys begin with. Empty: the whole bucket.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Another key in the same bucket. Whether the key can be is said where it is used.
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    /// What is called so below this.
    pub fn join(&self, name: &str) -> Self {
        if self.key.is_empty() {
            self.with_key(name)
        } else {
            self.with_key(&format!("{}/{name}", self.key))
        }
    }

    /// The key as requests have it.
    ///
    /// # Errors
    /// If `object_store` cannot ask for this very key. It knows no empty parts, and would
    /// ask for another key than was meant where a slash is at an end.
    pub(crate) fn path(&self) -> Result<Path, StoreError> {
        match Path::parse(&self.key) {
            Ok(path) if path.as_ref() == self.key => Ok(path),
            _ => Err(StoreError::Url {
                at: self.to_string(),
                cause: "the key has an empty part (//), a part . or .., a slash at its end or a \
                        control character; copy the object to another key"
                    .to_owned(),
            }),
        }
    }

    /// As [`Self::path`], of an object.
    pub(crate) fn object(&self) -> Result<Path, StoreError> {
        if self.key.is_empty() {
            return Err(StoreError::Url {
                at: self.to_string(),
                cause: "this is a bucket; add the key of an object".to_owned(),
            });
        }
        self.path()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.bucket)?;
        if !self.key.is_empty() {
            // In one line, whatever the key has.
            write!(f, "/{}", self.key.replace(char::is_control, "\u{fffd}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Location {
        Location::parse(url).expect("a URL").expect("a right one")
    }

    fn wrong(url: &str) -> String {
        let parsed = Location::parse(url).expect("a URL");
        parsed.expect_err("a wrong one").to_string()
    }

    #[test]
    fn a_url_is_what_is_displayed() {
        for url in [
            "s3://b",
            "s3://b/a",
            "gs://b_c.d/a/b/c.tar",
            "az://$web/a",
            "s3://b/für Elise/50 %/a+b=c?d#e%20f",
        ] {
            assert_eq!(parsed(url).to_string(), url);
        }
        assert_eq!(parsed("s3://b/für Elise/a%20b").key(), "für Elise/a%20b");
        assert_eq!(parsed("S3://b/a/"), parsed("s3://b/a"));
        assert_eq!(parsed("s3://b/"), parsed("s3://b"));
    }

    #[test]
    fn what_is_no_store_is_left_to_others() {
        for path in [
            "",
            "a",
            "/a/b",
            "s3:/a",
            "rtsp://host/a",
            "file:///a",
            "s3a://b",
        ] {
            assert!(Location::parse(path).is_none(), "{path}");
        }
    }

    #[test]
    fn below_a_prefix() {
        assert_eq!(parsed("s3://b").join("a").to_string(), "s3://b/a");
        assert_eq!(parsed("s3://b/a").join("c/d").to_string(), "s3://b/a/c/d");
        assert_eq!(parsed("s3://b/a").with_key("c").to_string(), "s3://b/c");
    }

    #[test]
    fn wrong_urls_say_what_is_wrong_in_one_line() {
        assert!(wrong("s3://").contains("no bucket"));
        assert!(wrong("s3:///a").contains("no bucket"));
        assert!(wrong("s3://b c/a").contains("bucket's name"));
        for url in [
            "s3://b/a//c",
            "s3://b//a",
            "s3://b/a/../c",
            "s3://b/a/.",
            "s3://b/a\nc",
        ] {
            let said = wrong(url);
            assert!(said.contains("the key has"), "{said}");
            assert!(!said.contains('\n'), "{said}");
        }
        assert!(parsed("s3://b").object().is_err());
        assert!(parsed("s3://b").with_key("a/").object().is_err());
    }

    #[test]
    fn a_password_is_not_repeated() {
        let said = wrong("s3://AKIA:hush-hush@b/a");
        assert!(said.contains("s3://b/a"), "{said}");
        assert!(!said.contains("hush") && !said.contains("AKIA"), "{said}");
    }
}
