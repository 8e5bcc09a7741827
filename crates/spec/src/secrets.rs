//! Literal secrets in a spec: the message names the place and never shows the text.

use crate::Diagnostic;
use crate::codes::SECRET;
use crate::cx::{Cx, Doc};
use crate::tree::{Node, Style, place_in_scalar};
use aic_base::Span;
use regex::Regex;
use std::sync::LazyLock;

/// Texts with the form of a vendor's credential. The forms are those that the vendors document.
static SHAPES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"\bsk-(?:ant-|proj-|svcacct-|or-v1-|live-|test-)?[A-Za-z0-9_-]{20,}",
        r"|\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}",
        r"|\bAIza[0-9A-Za-z_-]{35}",
        r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
        r"|\bgh[pousr]_[A-Za-z0-9]{36,}",
        r"|\bgithub_pat_[A-Za-z0-9_]{40,}",
        r"|\bglpat-[A-Za-z0-9_-]{20,}",
        r"|\bxox[abprs]-[A-Za-z0-9-]{10,}",
        r"|\bhf_[A-Za-z0-9]{30,}",
        r"|\bgsk_[A-Za-z0-9]{40,}",
        r"|\bpcsk_[A-Za-z0-9_]{40,}",
        r"|\bnpm_[A-Za-z0-9]{36}\b",
        r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
        r"|\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@$]{0,100}:[^\s/@$]{3,200}@",
        r"|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    ))
    .ok()
});

/// Keys whose value is a secret unless it names a variable.
const SECRET_KEYS: [&str; 8] =
    ["authorization", "api_key", "apikey", "x-api-key", "password", "secret", "access_token", "token"];

/// What is shorter is no credential, in bytes: each of the forms above takes more.
const SHORTEST: usize = 12;

/// Reports every literal secret of a document.
pub(crate) fn scan(cx: &mut Cx<'_>, doc: &Doc, root: &Node) {
    let mut stack: Vec<(&Node, Option<&str>, bool)> = vec![(root, None, false)];
    while let Some((node, key, in_map_of_values)) = stack.pop() {
        if node.style == Style::Alias {
            continue;
        }
        for entry in node.entries() {
            // Where values go out: what stands here under a telling name is a credential, whatever its form.
            let values = matches!(entry.key.text(), Some("headers" | "env" | "extra"));
            stack.push((&entry.value, entry.key.text(), values));
            stack.push((&entry.key, None, false));
            if in_map_of_values || values {
                for inner in entry.value.entries() {
                    stack.push((&inner.value, inner.key.text(), true));
                }
            }
        }
        stack.extend(node.items().iter().map(|item| (item, key, in_map_of_values)));
        let Some(text) = node.text() else { continue };
        for inside in secrets_in(text, key, in_map_of_values) {
            if cx.secrets.len() < 200 {
                cx.secrets.push(inside.of(text).to_owned());
            }
            let span = place_in_scalar(&doc.text, node, inside);
            let message = "this looks like a secret, and specs are shared: name the variable that holds it (`api_key_env`, `${secret:NAME}`), \
                           and revoke it if it was ever committed";
            cx.report(doc.find(SECRET, span, message));
        }
    }
}

/// Takes out of a message what would show a secret, cut short or not.
pub(crate) fn hide(found: &mut Diagnostic, secrets: &[String]) {
    const TELLING: usize = 8;
    for secret in secrets {
        let start = secret.get(..secret.floor_char_boundary(TELLING)).unwrap_or(secret);
        let shows = |text: &str| text.contains(start);
        if shows(&found.message) {
            let title = found.code.doc().map_or("wrong value", |doc| doc.title);
            found.message = format!("{title} (not shown: it looks like a secret)");
        }
        if found.help.as_deref().is_some_and(shows) {
            found.help = None;
        }
        if found.fix.as_ref().is_some_and(|fix| shows(&fix.title) || fix.edits.iter().any(|(_, with)| shows(with))) {
            found.fix = None;
        }
        found.related.retain(|related| !shows(&related.message));
    }
}

fn secrets_in(text: &str, key: Option<&str>, is_value: bool) -> Vec<Span> {
    // Most texts of a spec are shorter than any credential.
    if text.len() < SHORTEST {
        return Vec::new();
    }
    let Some(shapes) = SHAPES.as_ref() else { return Vec::new() };
    // One text full of secrets needs no list of them all.
    let mut found: Vec<Span> = shapes.find_iter(text).take(20).map(|found| Span::from(found.range())).collect();
    let telling = is_value && key.is_some_and(|key| SECRET_KEYS.contains(&key.to_lowercase().as_str()));
    let literal = text.split_whitespace().last().unwrap_or("");
    if found.is_empty() && telling && literal.len() >= SHORTEST && !text.contains("${") {
        found.push(Span::new(0, text.len()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_vendors_are_recognised_and_names_of_variables_are_not() {
        let key = ["sk-", "proj-", "abcdefghijklmnopqrstuvwx1234"].concat();
        assert_eq!(secrets_in(&format!("Bearer {key}"), None, false).len(), 1);
        assert_eq!(secrets_in("postgres://app:hunter22@db/users", None, false).len(), 1);
        assert!(secrets_in("https://app:${secret:DB}@db/users", None, false).is_empty());
        for text in ["OPENAI_API_KEY", "sk-short", "${secret:ORDERS_TOKEN}", "ask-someone-else-about-it", "risk-free"] {
            assert!(secrets_in(text, None, false).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_header_with_a_literal_credential_is_a_secret_whatever_its_form() {
        assert_eq!(secrets_in("Bearer 0123456789abcdef", Some("Authorization"), true).len(), 1);
        assert!(secrets_in("Bearer ${secret:T}", Some("Authorization"), true).is_empty());
        assert!(secrets_in("application/json; charset", Some("Accept"), true).is_empty());
    }
}
