//! Removes credentials from addresses.

/// `text` without the credentials in `uri`: user and password before the host, values of
/// query keys such as `password`. Results and logs are read by others.
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

/// User and password before the host. A password may contain a slash; then what follows
/// the last colon before it is not a port number.
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
