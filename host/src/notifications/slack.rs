//! The shape of Slack's incoming webhooks, in the part that Mattermost, Rocket.Chat and Discord (`…/slack`) take too:
//! text and one attachment, without markup.

use serde_json::{Value, json};

use super::notice::Notice;
use crate::config::NoticeKind;

/// Words that ring everybody when they follow an `@`.
const CROWDS: [&str; 5] = ["channel", "here", "everyone", "all", "group"];

pub(super) fn body(notice: &Notice) -> Value {
    let colour = match notice.kind {
        NoticeKind::Failed | NoticeKind::Missed => "danger",
        NoticeKind::Warned => "warning",
        NoticeKind::Started | NoticeKind::Test => "#439fe0",
        NoticeKind::Succeeded | NoticeKind::Recovered => "good",
    };
    let fields: Vec<Value> = notice
        .facts()
        .into_iter()
        .map(|(name, value)| json!({ "title": name, "value": escaped(&value), "short": value.len() < 40 }))
        .collect();
    json!({
        "text": escaped(&notice.title()),
        "mrkdwn": false,
        "parse": "none",
        "link_names": false,
        "attachments": [{
            "color": colour,
            "fallback": escaped(&notice.message),
            "text": escaped(&notice.message),
            "mrkdwn_in": [],
            "fields": fields,
        }],
    })
}

/// Slack's three characters, so that no text becomes a link or a mention; and a zero-width space where `@channel` would ring.
fn escaped(text: &str) -> String {
    let mut escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let lower = escaped.to_ascii_lowercase();
    let mut at: Vec<usize> = lower
        .match_indices('@')
        .map(|(index, _)| index + 1)
        .filter(|index| {
            CROWDS
                .iter()
                .any(|crowd| lower[*index..].starts_with(crowd))
        })
        .collect();
    while let Some(index) = at.pop() {
        escaped.insert(index, '\u{200b}');
    }
    escaped
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_becomes_a_mention() {
        assert_eq!(
            super::escaped("<!channel> & <@U1>"),
            "&lt;!channel&gt; &amp; &lt;@U1&gt;"
        );
        assert_eq!(
            super::escaped("é @Channel a@allen b@c"),
            "é @\u{200b}Channel a@\u{200b}allen b@c"
        );
    }
}
