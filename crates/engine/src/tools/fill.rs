//! `${args.x}`, `${NAME}` and `${secret:NAME}` in a tool's `run`: each is inserted once, in the form its place needs.

use aic_model::{KeySource, Scrub};
use aic_spec::Template;
use secrecy::ExposeSecret;
use serde_json::Value;

/// What may be inserted, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Part of an address: whatever could end the part is encoded. No secrets.
    Address,
    /// A word of a program, or a body. No secrets.
    Word,
    /// A header or a variable of the environment: secrets are allowed.
    Secret,
}

/// Where values come from.
pub(super) struct Values<'a> {
    pub args: &'a Value,
    /// The spec's variables.
    pub variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
    pub keys: &'a dyn KeySource,
}

impl Values<'_> {
    /// The text with everything inserted. Secrets that were used are hidden by `scrub` from then on.
    pub fn fill(&self, text: &str, place: Place, scrub: &mut Scrub) -> Result<String, String> {
        let mut wrong = None;
        let filled = Template::parse(text).render(|name| {
            let value = self.value(name, place, scrub);
            match value {
                Ok(value) => Some(value),
                Err(why) => {
                    wrong.get_or_insert(why);
                    None
                }
            }
        });
        filled.map_err(|missing| wrong.unwrap_or_else(|| missing.to_string()))
    }

    fn value(&self, name: &str, place: Place, scrub: &mut Scrub) -> Result<String, String> {
        if let Some(secret) = name.strip_prefix("secret:") {
            if place != Place::Secret {
                return Err(format!("`${{{name}}}` is allowed in `headers` and `env` only"));
            }
            let key = self.keys.key(secret).ok_or_else(|| format!("the secret `{secret}` is not set"))?;
            let value = key.expose_secret().to_owned();
            scrub.hide(key);
            return Ok(value);
        }
        let value = match argument(name) {
            Some(path) => {
                let value = at(self.args, path).ok_or_else(|| format!("the argument `{path}` is missing"))?;
                plain(value)
            }
            None => (self.variable)(name).ok_or_else(|| format!("`${{{name}}}` has no value"))?,
        };
        match (place, argument(name)) {
            (Place::Address, Some(path)) if value.is_empty() => Err(format!("the argument `{path}` is empty")),
            (Place::Address, Some(_)) => Ok(encoded(&value)),
            _ => Ok(value),
        }
    }
}

/// `x.y` of `args.x.y`.
fn argument(name: &str) -> Option<&str> {
    name.strip_prefix("args.")
}

fn at<'v>(args: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(args, |value, key| value.get(key)).filter(|value| !value.is_null())
}

/// A value as a word: text as it is, the rest as JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The names of the arguments that a template uses.
pub(super) fn used(text: &str) -> Vec<String> {
    let template = Template::parse(text);
    let names = template.variables().filter_map(|variable| argument(&variable.name));
    names.map(|path| path.split('.').next().unwrap_or(path).to_owned()).collect()
}

/// Percent-encodes everything but letters, digits and `-_.~`, so that a value stays inside its part of an address.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use aic_model::NoKeys;
    use serde_json::json;

    fn fill(text: &str, args: &Value, place: Place) -> Result<String, String> {
        let variable = |name: &str| (name == "REGION").then(|| "eu".to_owned());
        Values { args, variable: &variable, keys: &NoKeys }.fill(text, place, &mut Scrub::default())
    }

    #[test]
    fn a_value_stays_in_its_part_and_is_not_read_again() {
        let args = json!({"id": "a/../b?x=1#y ${secret:K}", "n": {"m": 4}});
        let filled = fill("https://${REGION}.x/${args.id}/${args.n.m}", &args, Place::Address).unwrap();
        assert_eq!(filled, "https://eu.x/a%2F..%2Fb%3Fx%3D1%23y%20%24%7Bsecret%3AK%7D/4");
        assert_eq!(fill("${args.id}", &args, Place::Word).unwrap(), "a/../b?x=1#y ${secret:K}");
    }

    #[test]
    fn what_is_missing_or_misplaced_is_said() {
        let args = json!({"e": "", "nul": null});
        for (text, place, why) in [
            ("${args.x}", Place::Word, "the argument `x` is missing"),
            ("${args.nul}", Place::Word, "the argument `nul` is missing"),
            ("/${args.e}", Place::Address, "the argument `e` is empty"),
            ("${NOPE}", Place::Word, "`${NOPE}` has no value"),
            ("${secret:K}", Place::Word, "`${secret:K}` is allowed in `headers` and `env` only"),
            ("${secret:K}", Place::Secret, "the secret `K` is not set"),
        ] {
            assert_eq!(fill(text, &args, place).unwrap_err(), why, "{text}");
        }
    }
}
