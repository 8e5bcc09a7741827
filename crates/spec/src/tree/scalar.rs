//! What a scalar without quotes is, by the core schema of YAML 1.2: `yes` and `0777` are text and a decimal number.

use super::Kind;

/// The kind of a plain scalar; `tag` is the suffix of a core tag (`str` of `!!str`), which decides where there is one.
pub(crate) fn resolve(text: &str, plain: bool, tag: Option<&str>) -> Kind {
    match tag {
        Some("str") => return Kind::Str(text.to_owned()),
        Some("int" | "float" | "bool" | "null") => {}
        _ if !plain => return Kind::Str(text.to_owned()),
        _ => {}
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Bool(true),
        "false" | "False" | "FALSE" => return Kind::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Kind::Float(f64::NAN),
        _ => {}
    }
    number(text).unwrap_or_else(|| Kind::Str(text.to_owned()))
}

fn number(text: &str) -> Option<Kind> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let negative = text.starts_with('-');
    match unsigned {
        ".inf" | ".Inf" | ".INF" => {
            return Some(Kind::Float(if negative { f64::NEG_INFINITY } else { f64::INFINITY }));
        }
        _ => {}
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let known = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
            return known.then(|| i64::from_str_radix(digits, radix).ok()).flatten().map(Kind::Int);
        }
    }
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (unsigned.get(..at)?, Some(unsigned.get(at + 1..)?)),
        None => (unsigned, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(whole, rest)| (whole, Some(rest)));
    let numeric = digits(whole) && fraction.is_none_or(digits);
    let something = !whole.is_empty() || fraction.is_some_and(|fraction| !fraction.is_empty());
    let exponent_ok = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    if !(numeric && something && exponent_ok) {
        return None;
    }
    if fraction.is_none()
        && exponent.is_none()
        && let Ok(number) = text.strip_prefix('+').unwrap_or(text).parse()
    {
        return Some(Kind::Int(number));
    }
    text.parse().ok().map(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_older_yaml_are_text() {
        for text in [
            "yes",
            "no",
            "on",
            "off",
            "1_000",
            "1:30",
            "2025-06-01",
            "0b1",
            "1e",
            ".",
            "-",
            "+",
            "0x",
            "1.2.3",
            "$10/hour",
        ] {
            assert_eq!(resolve(text, true, None), Kind::Str(text.into()), "{text}");
        }
    }

    #[test]
    fn numbers_of_the_core_schema_are_numbers() {
        assert_eq!(resolve("0o17", true, None), Kind::Int(15));
        assert_eq!(resolve("0xfF", true, None), Kind::Int(255));
        assert_eq!(resolve("+12", true, None), Kind::Int(12));
        assert_eq!(resolve("0777", true, None), Kind::Int(777));
        for (text, number) in [("1.", 1.0), (".5", 0.5), ("-1e3", -1000.0), ("99999999999999999999", 1e20)] {
            assert_eq!(resolve(text, true, None), Kind::Float(number), "{text}");
        }
        assert_eq!(resolve("-.inf", true, None), Kind::Float(f64::NEG_INFINITY));
    }

    #[test]
    fn quotes_and_tags_decide_over_the_form() {
        assert_eq!(resolve("1", false, None), Kind::Str("1".into()));
        assert_eq!(resolve("1", true, Some("str")), Kind::Str("1".into()));
        assert_eq!(resolve("1", false, Some("int")), Kind::Int(1));
    }
}
