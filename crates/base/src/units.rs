//! How the language writes durations, sizes, shares and money.

use crate::Usd;
use std::time::Duration;

/// A text is not in the form that is wanted; the message says what the form is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct UnitError {
    text: String,
    wanted: &'static str,
}

/// A hundred years, in seconds: nothing that a spec means is longer.
const LONGEST: f64 = 36_500.0 * 86_400.0;
const TOO_LONG: &str = "a duration that is meant: 36500d at most";
/// A million GB, in bytes.
const LARGEST: f64 = 1e15;
/// In US dollars.
const DEAREST: f64 = 1e9;

fn wrong(text: &str, wanted: &'static str) -> UnitError {
    UnitError { text: text.chars().take(60).collect(), wanted }
}

/// Splits `12.5MB` into its number (finite, not negative) and its unit.
fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..at].parse().ok()?;
    number.is_finite().then_some((number, text[at..].trim()))
}

/// Reads `300ms`, `5s`, `5m`, `1h`, `30d`.
///
/// # Errors
/// Anything else, a bare number included: see [`bare_seconds`].
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    const WANTED: &str = "a duration: write it like 300ms, 5s, 5m, 1h or 30d";
    let (number, unit) = number_and_unit(text).ok_or_else(|| wrong(text, WANTED))?;
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(wrong(text, WANTED)),
    };
    bounded(number * seconds).ok_or_else(|| wrong(text, TOO_LONG))
}

/// Reads a bare number as seconds, as the language does with a hint to write the unit.
///
/// # Errors
/// A negative, undefined or absurdly large number.
pub fn bare_seconds(number: f64) -> Result<Duration, UnitError> {
    let wanted = if number > LONGEST { TOO_LONG } else { "a number of seconds" };
    bounded(number).ok_or_else(|| wrong(&number.to_string(), wanted))
}

fn bounded(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|_| seconds <= LONGEST)
}

/// Reads `64MB` (10⁶) or `64MiB` (2²⁰) as bytes.
///
/// # Errors
/// Anything else.
pub fn size(text: &str) -> Result<u64, UnitError> {
    const WANTED: &str = "a size: write it like 512kB, 64MB, 64MiB or 1GB";
    let (number, unit) = number_and_unit(text).ok_or_else(|| wrong(text, WANTED))?;
    let factor: u64 = match unit {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong(text, WANTED)),
    };
    let bytes = (number * factor as f64).round();
    if bytes > LARGEST {
        return Err(wrong(text, "a size that is meant: 1000000GB at most"));
    }
    Ok(bytes as u64)
}

/// Reads `10%` or `0.1` as a share from 0 to 1.
///
/// # Errors
/// Anything else, or a share above 1.
pub fn share(text: &str) -> Result<f64, UnitError> {
    const WANTED: &str = "a share: write it like 10% or 0.1";
    let (number, unit) = number_and_unit(text).ok_or_else(|| wrong(text, WANTED))?;
    let share = match unit {
        "%" => number / 100.0,
        "" => number,
        _ => return Err(wrong(text, WANTED)),
    };
    if share <= 1.0 { Ok(share) } else { Err(wrong(text, WANTED)) }
}

/// An amount of money and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The dollars.
    pub amount: Usd,
    /// For how long, where it is a rate.
    pub per: Option<Duration>,
}

/// Reads `0.01`, `$10` or `$10/hour`.
///
/// # Errors
/// Anything else.
pub fn money(text: &str) -> Result<Rate, UnitError> {
    const WANTED: &str = "money: write it like 0.01, $10 or $10/hour";
    let (amount, per) = match text.trim().split_once('/') {
        None => (text.trim(), None),
        Some((amount, unit)) => {
            let seconds = match unit.trim() {
                "minute" | "min" => 60,
                "hour" | "h" => 3600,
                "day" | "d" => 86_400,
                _ => return Err(wrong(text, WANTED)),
            };
            (amount.trim(), Some(Duration::from_secs(seconds)))
        }
    };
    match number_and_unit(amount.strip_prefix('$').unwrap_or(amount)) {
        Some((dollars, "")) if dollars > DEAREST => {
            Err(wrong(text, "an amount that is meant: 1000000000 US dollars at most"))
        }
        Some((dollars, "")) => Ok(Rate { amount: Usd::from_dollars(dollars), per }),
        _ => Err(wrong(text, WANTED)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_language_are_read() {
        assert_eq!(duration("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(size("64MB"), Ok(64_000_000));
        assert_eq!(size("64MiB"), Ok(67_108_864));
        assert_eq!(share("10%"), Ok(0.1));
        assert_eq!(share("0.1"), Ok(0.1));
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(money("$10/hour"), Ok(Rate { amount: Usd::from_dollars(10.0), per: hour }));
        assert_eq!(money("0.01"), Ok(Rate { amount: Usd::from_dollars(0.01), per: None }));
    }

    #[test]
    fn anything_else_is_refused_with_the_form_that_is_wanted() {
        for text in ["", "5", "5 minutes", "-5s", "1e9s", "99999999999999999999d", "s", "..s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["99999999999999999999d", "36501d"] {
            assert!(duration(text).unwrap_err().to_string().contains("36500d at most"), "{text}");
        }
        assert!(bare_seconds(1e20).is_err() && bare_seconds(f64::NAN).is_err() && bare_seconds(3e9).is_ok());
        assert!(size("99999999999999999999GB").is_err() && size("1000000GB").is_ok());
        assert!(money("99999999999999999999999").is_err() && money("$1000000000").is_ok());
        assert!(size("64 potatoes").is_err() && share("110%").is_err() && money("10€").is_err());
        assert_eq!(size("x").unwrap_err().to_string(), "`x` is not a size: write it like 512kB, 64MB, 64MiB or 1GB");
    }
}
