//! Addresses without what is nobody else's.

/// A text as it may be shown: results and logs are read by others, and what is in the
/// URI before its host, or behind keys like `password`, is for nobody else.
pub(super) fn without_secrets(text: &str, uri: &str) -> String {
    let Some((_, rest)) = uri.split_once("://") else {
        return text.to_owned();
    };
    let mut shown = text.to_owned();
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    if let Some(user) = user_of(place) {
        shown = shown.replace(&format!("{user}@"), "");
        if user.contains(':') {
            shown = shown.replace(user, "…");
        }
    }
    for pair in query.split('&') {
        let key = pair.split('=').next().unwrap_or_default();
        let name = key.to_ascii_lowercase();
        let words = ["pass", "pwd", "token", "secret", "auth", "sig"];
        if key.len() + 1 < pair.len() && words.iter().any(|word| name.contains(word)) {
            shown = shown.replace(pair, &format!("{key}=…"));
        }
    }
    shown
}

/// User and password before the host. There may be a slash in a password: what stands
/// behind the first colon is no port then.
fn user_of(place: &str) -> Option<&str> {
    let authority = place.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let is_cut = !authority.contains('@')
        && !port.ends_with(']')
        && port.bytes().any(|b| !b.is_ascii_digit());
    let (user, _) = if is_cut { place } else { authority }.rsplit_once('@')?;
    Some(user).filter(|user| !user.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_passwords_stay_out() {
        for (uri, shown) in [
            ("http://h/a@b", "http://h/a@b"),
            ("http://h:80/a@b", "http://h:80/a@b"),
            ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
            ("rtsp://me:sec/ret@h/1", "rtsp://h/1"),
            ("rtsp://me@h:554/1", "rtsp://h:554/1"),
            (
                "http://h/c?user=me&PassWord=s&fps=5",
                "http://h/c?user=me&PassWord=…&fps=5",
            ),
        ] {
            assert_eq!(without_secrets(uri, uri), shown);
        }
    }
}
