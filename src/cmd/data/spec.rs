//! DATA with a colon: `kind:key=value,key=value+value`.
//!
//! A backslash escapes the special characters: `a\,b`, `a\+b`.

use std::path::PathBuf;

/// `kind:key=value,key=value`.
pub struct Spec {
    /// The text before the colon.
    pub kind: String,
    /// As they are written.
    entries: Vec<(String, String)>,
}

impl Spec {
    /// Reads what was typed.
    ///
    /// # Errors
    /// Names what is no `key=value`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let entries = split(rest, ',')
            .filter(|e| !e.is_empty())
            .map(|entry| match entry.split_once('=') {
                Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
                None => Err(format!("{text}: {entry} is no key=value")),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            kind: kind.to_owned(),
            entries,
        })
    }

    /// Whether all that must be there is, and nothing that may not.
    pub fn check(&self, needed: &[&str], optional: &[&str]) -> Result<(), String> {
        let known: Vec<&str> = [needed, optional, &["test", "weight"]].concat();
        if let Some((key, _)) = self
            .entries
            .iter()
            .find(|(k, _)| !known.contains(&k.as_str()))
        {
            return Err(format!(
                "{}: no such key: {key}; there are {}",
                self.kind,
                known.join(", ")
            ));
        }
        match needed.iter().find(|key| self.get(key).is_none()) {
            Some(key) => Err(format!("{}: {key}= is missing", self.kind)),
            None => Ok(()),
        }
    }

    /// A value as it is written: a number, or several joined.
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut found = self.entries.iter().filter(|(k, _)| k == key);
        found.next().map(|(_, value)| value.as_str())
    }

    /// A value as it is meant.
    pub fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(unescaped)
    }

    /// Several values, joined by `+`.
    pub fn list(&self, key: &str) -> Vec<String> {
        let value = self.get(key).unwrap_or("");
        split(value, '+')
            .filter(|v| !v.is_empty())
            .map(unescaped)
            .collect()
    }

    /// The same as paths.
    pub fn paths(&self, key: &str) -> Vec<PathBuf> {
        self.list(key).into_iter().map(PathBuf::from).collect()
    }

    /// How often it is drawn from, against others.
    ///
    /// # Errors
    /// If it is no number that makes sense.
    pub fn weight(&self) -> Result<f64, String> {
        match self.get("weight").map(str::parse) {
            None => Ok(1.0),
            // As much as anybody needs; the sum of all of them stays a number.
            Some(Ok(weight)) if (1e-6..=1e6).contains(&weight) => Ok(weight),
            Some(_) => Err(format!(
                "{}: weight=W is a number, 0.000001 to 1000000",
                self.kind
            )),
        }
    }
}

/// Characters that a backslash escapes.
const SIGNS: [char; 3] = ['\\', ',', '+'];

/// A name as it is written in a value.
#[cfg(any(test, feature = "eval"))]
pub fn escaped(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if SIGNS.contains(&c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

fn unescaped(text: &str) -> String {
    let mut name = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.next_if(|next| c == '\\' && SIGNS.contains(next)) {
            Some(sign) => name.push(sign),
            None => name.push(c),
        }
    }
    name
}

/// The parts between unescaped `sign`s.
fn split(text: &str, sign: char) -> impl Iterator<Item = &str> {
    let mut is_escaped = false;
    text.split(move |c| {
        let found = c == sign && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_whatever_is_in_them() {
        for names in [
            ["/srv/a+b", "plain"],
            ["x{1,2}*", "c=d"],
            [r"back\slash\", r"\,+\\"],
        ] {
            let both = names.map(escaped).join("+");
            let spec = Spec::parse(&format!("classes:sounds={both},weight=2")).expect("a spec");
            assert_eq!(spec.list("sounds"), names);
            assert_eq!(spec.weight(), Ok(2.0));
        }
        let spec = Spec::parse(r"synth:sprites=C:\art+D:\more,photos=/a\,b").expect("a spec");
        assert_eq!(spec.list("sprites"), [r"C:\art", r"D:\more"]);
        assert_eq!(spec.text("photos").as_deref(), Some("/a,b"));
    }
}
