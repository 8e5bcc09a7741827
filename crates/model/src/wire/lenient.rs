//! Reading JSON as servers really send it: a missing key, `null`, an empty object and an unknown word are all nothing.

use super::Finish;
use crate::error::{Again, ModelError};
use serde_json::Value;
use std::time::Duration;

/// The most of a provider's words that an error repeats, in bytes.
const SHOWN: usize = 500;

/// A text that says something.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A count; a float without a fraction is one too.
pub(crate) fn count(value: &Value, key: &str) -> Option<u64> {
    let number = value.get(key)?;
    // `as` saturates.
    number.as_u64().or_else(|| number.as_f64().filter(|float| *float >= 0.0).map(|float| float as u64))
}

/// The elements of a list; none where there is no list.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The reason in OpenAI's words, which most servers share.
pub(crate) fn openai_finish(word: &str) -> Finish {
    match word {
        "stop" | "eos" | "end_turn" | "completed" => Finish::Stop,
        "tool_calls" | "function_call" => Finish::Tools,
        "length" | "max_tokens" | "max_output_tokens" => Finish::Length,
        "content_filter" => Finish::Filter,
        _ => Finish::Other,
    }
}

/// What a provider says of an error, in any of the shapes in use, cut short.
pub(crate) fn error_message(body: &Value) -> String {
    let error = body.get("error").unwrap_or(body);
    let said = match error {
        Value::String(text) => text.clone(),
        error => {
            let kind = text(error, "type").or_else(|| text(error, "status")).or_else(|| text(error, "code"));
            let message = text(error, "message").or_else(|| text(error, "detail")).or_else(|| text(error, "msg"));
            match (kind, message) {
                (Some(kind), Some(message)) => format!("{message} ({kind})"),
                (Some(only), None) | (None, Some(only)) => only.to_owned(),
                (None, None) => error.to_string(),
            }
        }
    };
    shortened(&said)
}

/// Cut at a character's boundary, without control characters.
pub(crate) fn shortened(said: &str) -> String {
    let mut end = said.len().min(SHOWN);
    while !said.is_char_boundary(end) {
        end -= 1;
    }
    let cut = if end < said.len() { "…" } else { "" };
    let shown: String = said[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{}{cut}", shown.trim())
}

/// Whether a provider's word for an error means that it may pass.
pub(crate) fn is_passing(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    ["overloaded", "rate_limit", "server_error", "api_error", "timeout", "unavailable", "internal", "exhausted"]
        .iter()
        .any(|word| kind.contains(word))
}

/// An error told inside the stream.
pub(crate) fn stream_error(body: &Value) -> ModelError {
    let error = body.get("error").unwrap_or(body);
    let kind = text(error, "type").or_else(|| text(error, "status")).or_else(|| text(error, "code")).unwrap_or("");
    let status = count(error, "code").or_else(|| count(error, "status"));
    let passing = is_passing(kind) || status.is_some_and(|status| status == 429 || status >= 500);
    ModelError::Stream { message: error_message(body), passing }
}

/// Whether a frame is nothing but an error.
pub(crate) fn has_error(frame: &Value) -> bool {
    frame.get("error").is_some_and(|error| match error {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    })
}

/// What the headers say about calling again. A date is compared with `now`, in seconds since the epoch.
pub(crate) fn again<'a>(header: impl Fn(&str) -> Option<&'a str>, now: i64) -> Again {
    let seconds = |text: &str, unit: f64| {
        let number: f64 = text.trim().parse().ok()?;
        Duration::try_from_secs_f64(number * unit).ok()
    };
    let after = header("retry-after-ms").and_then(|text| seconds(text, 1e-3)).or_else(|| {
        let text = header("retry-after")?;
        seconds(text, 1.0).or_else(|| {
            let at = http_date(text)?;
            Some(Duration::from_secs(u64::try_from(at - now).unwrap_or(0)))
        })
    });
    let should = header("x-should-retry").and_then(|text| match text.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    });
    Again { after, should }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, in seconds since the epoch.
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.trim().split(' ').filter(|word| !word.is_empty());
    let _weekday = words.next()?;
    let day: i64 = words.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let year: i64 = words.next()?.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock =
        words.next()?.split(':').map(|part| part.parse::<i64>().ok().filter(|part| (0..=60).contains(part)));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    // Days since the epoch, counting years from March so that a leap day is the year's last.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(pairs: &[(&'static str, &'static str)]) -> Again {
        again(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| *value), 784_111_777)
    }

    #[test]
    fn the_headers_about_calling_again_are_read_in_their_order() {
        let ms = Some(Duration::from_millis(1500));
        assert_eq!(said(&[("retry-after-ms", "1500"), ("retry-after", "9")]).after, ms);
        assert_eq!(said(&[("retry-after", "1.5")]).after, ms);
        assert_eq!(said(&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")]).after, Some(Duration::from_secs(10)));
        assert_eq!(said(&[("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT")]).after, Some(Duration::ZERO));
        assert_eq!(said(&[("x-should-retry", "false")]).should, Some(false));
    }

    #[test]
    fn nonsense_in_a_header_is_nothing() {
        for text in ["", "-5", "NaN", "1e400", "soon", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov"] {
            assert_eq!(said(&[("retry-after", text), ("x-should-retry", text)]), Again::default(), "{text}");
        }
    }

    #[test]
    fn an_error_is_found_in_every_shape_in_use() {
        for (body, expected) in [
            (json!({"error": {"message": "m", "type": "t"}}), "m (t)"),
            (json!({"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}), "m (INVALID_ARGUMENT)"),
            (json!({"error": "plain"}), "plain"),
            (json!({"detail": "fast"}), "fast"),
            (
                json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
                "Overloaded (overloaded_error)",
            ),
        ] {
            assert_eq!(error_message(&body), expected);
        }
    }

    #[test]
    fn long_words_of_a_provider_are_cut_between_characters() {
        let shown = shortened(&"ä".repeat(600));
        assert!(shown.len() <= SHOWN + 3 && shown.ends_with('…'));
    }
}
