//! Values of PostgreSQL as JSON, and arguments as values of PostgreSQL.
//!
//! Numbers that JSON holds exactly are numbers; `numeric` is text, digit for digit, since a JSON number would be rounded.
//! Moments are text of ISO 8601, in UTC.

use bytes::BytesMut;
use serde_json::Value;
use std::error::Error;
use std::net::{Ipv4Addr, Ipv6Addr};
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type};

/// How deep arrays and domains may nest.
const DEEPEST: usize = 8;

/// A value as the server sent it, in its binary form.
pub(super) struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Raw<'_> {
    /// Bytes on the wire.
    pub fn len(&self) -> usize {
        self.0.map_or(0, <[u8]>::len)
    }

    /// As JSON; the error names what cannot be shown.
    pub fn shown(&self, kind: &Type) -> Result<Value, String> {
        match self.0 {
            None => Ok(Value::Null),
            Some(raw) => shown(kind, raw, DEEPEST).ok_or_else(|| format!("`{}`", kind.name())),
        }
    }
}

fn shown(kind: &Type, raw: &[u8], deep: usize) -> Option<Value> {
    let deeper = deep.checked_sub(1)?;
    Some(match *kind {
        Type::BOOL => (number::<1>(raw)?[0] != 0).into(),
        Type::INT2 => i16::from_be_bytes(number(raw)?).into(),
        Type::INT4 => i32::from_be_bytes(number(raw)?).into(),
        Type::INT8 => i64::from_be_bytes(number(raw)?).into(),
        Type::OID => u32::from_be_bytes(number(raw)?).into(),
        // Through its shortest text, so that 0.1 stays 0.1.
        Type::FLOAT4 => {
            let value = f32::from_be_bytes(number(raw)?);
            float(value.to_string().parse().unwrap_or_else(|_| f64::from(value)))
        }
        Type::FLOAT8 => float(f64::from_be_bytes(number(raw)?)),
        Type::NUMERIC => numeric(raw)?.into(),
        Type::BYTEA => format!("<{} bytes>", raw.len()).into(),
        Type::JSON => json(raw),
        Type::JSONB => json(raw.strip_prefix(&[1])?),
        Type::UUID => uuid(number(raw)?).into(),
        Type::DATE => match i32::from_be_bytes(number(raw)?) {
            i32::MAX => "infinity".into(),
            i32::MIN => "-infinity".into(),
            days => date(i64::from(days)).into(),
        },
        Type::TIME => time(i64::from_be_bytes(number(raw)?)).into(),
        Type::TIMETZ => {
            let west = i32::from_be_bytes(number(raw.get(8..)?)?);
            format!("{}{}", time(i64::from_be_bytes(number(raw.get(..8)?)?)), offset(west)).into()
        }
        Type::TIMESTAMP => moment(i64::from_be_bytes(number(raw)?), "").into(),
        Type::TIMESTAMPTZ => moment(i64::from_be_bytes(number(raw)?), "Z").into(),
        Type::INTERVAL => interval(raw)?.into(),
        Type::INET | Type::CIDR => address(raw, *kind == Type::CIDR)?.into(),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR | Type::UNKNOWN | Type::XML => text(raw),
        Type::VOID => Value::Null,
        _ => match kind.kind() {
            Kind::Enum(_) => text(raw),
            Kind::Domain(inside) => shown(inside, raw, deeper)?,
            Kind::Array(inside) => array(inside, raw, deeper)?,
            Kind::Simple if kind.name() == "citext" => text(raw),
            _ => return None,
        },
    })
}

fn number<const N: usize>(raw: &[u8]) -> Option<[u8; N]> {
    raw.try_into().ok()
}

fn text(raw: &[u8]) -> Value {
    String::from_utf8_lossy(raw).into()
}

/// JSON has no `NaN` and no infinity: they are text, as in `numeric`.
fn float(value: f64) -> Value {
    match value {
        _ if value.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        _ => value.into(),
    }
}

/// What is too deep or too odd for us stays text.
fn json(raw: &[u8]) -> Value {
    serde_json::from_slice(raw).unwrap_or_else(|_| text(raw))
}

/// Digits of base 10,000 behind a head of four numbers: how many, the first one's power, the sign, the decimals.
fn numeric(raw: &[u8]) -> Option<String> {
    let at = |i: usize| Some(u16::from_be_bytes(number(raw.get(i * 2..i * 2 + 2)?)?));
    let (count, weight, sign, scale) = (at(0)?, i32::from(at(1)?.cast_signed()), at(2)?, usize::from(at(3)?));
    let mut shown = match sign {
        0x0000 => String::new(),
        0x4000 => "-".to_owned(),
        0xC000 => return Some("NaN".into()),
        0xD000 => return Some("Infinity".into()),
        0xF000 => return Some("-Infinity".into()),
        _ => return None,
    };
    let digit = |power: i32| -> Option<u16> {
        match usize::try_from(weight - power) {
            Ok(i) if i < usize::from(count) => at(4 + i),
            _ => Some(0),
        }
    };
    for power in (0..=weight.max(0)).rev() {
        let digit = digit(power)?;
        if power == weight.max(0) { shown.push_str(&digit.to_string()) } else { shown.push_str(&format!("{digit:04}")) }
    }
    if scale > 0 {
        let mut decimals = String::with_capacity(scale + 4);
        let mut power = -1;
        while decimals.len() < scale {
            decimals.push_str(&format!("{:04}", digit(power)?));
            power -= 1;
        }
        decimals.truncate(scale);
        shown.push('.');
        shown.push_str(&decimals);
    }
    Some(shown)
}

fn uuid(bytes: [u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex.get(part).unwrap_or("").to_owned()).join("-")
}

/// A day of the proleptic Gregorian calendar, counted from 2000-01-01.
fn date(days: i64) -> String {
    // Years begin in March here, so that the odd day is the last; 400 of them have 146,097 days.
    let days = days + 730_425;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    // There is no year 0: 1 BC comes before 1 AD.
    if year > 0 { format!("{year:04}-{month:02}-{day:02}") } else { format!("{:04}-{month:02}-{day:02} BC", 1 - year) }
}

/// A time of day, from microseconds.
fn time(micros: i64) -> String {
    let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    format!("{:02}:{:02}:{:02}{}", seconds / 3600, seconds / 60 % 60, seconds % 60, fraction(micros))
}

fn fraction(micros: i64) -> String {
    if micros == 0 { String::new() } else { format!(".{micros:06}").trim_end_matches('0').to_owned() }
}

/// Seconds west of Greenwich.
fn offset(west: i32) -> String {
    let minutes = west.unsigned_abs() / 60;
    format!("{}{:02}:{:02}", if west > 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
}

/// Microseconds since 2000-01-01T00:00:00.
fn moment(micros: i64, zone: &str) -> String {
    const DAY: i64 = 86_400_000_000;
    match micros {
        i64::MAX => "infinity".into(),
        i64::MIN => "-infinity".into(),
        _ => match date(micros.div_euclid(DAY)).strip_suffix(" BC") {
            Some(day) => format!("{day}T{}{zone} BC", time(micros.rem_euclid(DAY))),
            None => format!("{}T{}{zone}", date(micros.div_euclid(DAY)), time(micros.rem_euclid(DAY))),
        },
    }
}

/// Microseconds, days and months, as ISO 8601 writes them.
fn interval(raw: &[u8]) -> Option<String> {
    let micros = i64::from_be_bytes(number(raw.get(..8)?)?);
    let days = i32::from_be_bytes(number(raw.get(8..12)?)?);
    let months = i32::from_be_bytes(number(raw.get(12..)?)?);
    let mut shown = "P".to_owned();
    let part = |value: i64, unit: char, shown: &mut String| {
        if value != 0 {
            shown.push_str(&format!("{value}{unit}"));
        }
    };
    part(i64::from(months / 12), 'Y', &mut shown);
    part(i64::from(months % 12), 'M', &mut shown);
    part(i64::from(days), 'D', &mut shown);
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    if micros != 0 {
        shown.push('T');
        part(seconds / 3600, 'H', &mut shown);
        part(seconds / 60 % 60, 'M', &mut shown);
        let seconds = seconds % 60;
        if seconds != 0 || rest != 0 {
            let sign = if seconds < 0 || rest < 0 { "-" } else { "" };
            shown.push_str(&format!("{sign}{}{}S", seconds.abs(), fraction(rest.abs())));
        }
    }
    Some(if shown == "P" { "PT0S".into() } else { shown })
}

/// Family, bits of the network, whether it is one, length, address.
fn address(raw: &[u8], network: bool) -> Option<String> {
    let (head, ip) = raw.split_at_checked(4)?;
    let (ip, all) = match head.first()? {
        2 => (Ipv4Addr::from(number::<4>(ip)?).to_string(), 32),
        3 => (Ipv6Addr::from(number::<16>(ip)?).to_string(), 128),
        _ => return None,
    };
    let bits = *head.get(1)?;
    Some(if bits == all && !network { ip } else { format!("{ip}/{bits}") })
}

/// How many dimensions, a flag, the elements' type, each dimension's length and first index, then the elements.
fn array(inside: &Type, raw: &[u8], deep: usize) -> Option<Value> {
    let mut rest = raw;
    let mut next = || -> Option<i32> {
        let (head, tail) = rest.split_at_checked(4)?;
        rest = tail;
        Some(i32::from_be_bytes(number(head)?))
    };
    let dimensions = usize::try_from(next()?).ok().filter(|count| *count <= 6)?;
    next()?;
    next()?;
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(usize::try_from(next()?).ok()?);
        next()?;
    }
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (head, tail) = rest.split_at_checked(4)?;
        let length = i32::from_be_bytes(number(head)?);
        rest = tail;
        if length < 0 {
            all.push(Value::Null);
            continue;
        }
        let (element, tail) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        rest = tail;
        all.push(shown(inside, element, deep)?);
    }
    // The last dimension runs fastest.
    for length in lengths.iter().skip(1).rev().filter(|length| **length > 0) {
        all = all.chunks(*length).map(|part| Value::Array(part.to_vec())).collect();
    }
    Some(Value::Array(all))
}

/// An argument, in the text form that the server reads as whatever type the statement wants there.
#[derive(Debug)]
pub(super) struct Bound<'a>(pub &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let is_json = matches!(*kind, Type::JSON | Type::JSONB);
        let text = match (self.0, kind.kind()) {
            (Value::Null, _) => return Ok(IsNull::Yes),
            (value, _) if is_json => value.to_string(),
            (Value::Array(all), Kind::Array(_)) => literal(all),
            (Value::String(text), _) => text.clone(),
            (value, _) => value.to_string(),
        };
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    fn to_sql_checked(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(kind, out)
    }
}

/// An array as PostgreSQL writes it: `{"a","b"}`.
fn literal(all: &[Value]) -> String {
    let element = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        Value::Array(inside) => literal(inside),
        Value::String(text) => quoted(text),
        other => quoted(&other.to_string()),
    };
    format!("{{{}}}", all.iter().map(element).collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_through_leap_years_and_before_christ() {
        for (days, wanted) in [
            (0, "2000-01-01"),
            (59, "2000-02-29"),
            (60, "2000-03-01"),
            (-1, "1999-12-31"),
            (9283, "2025-06-01"),
            (-36_524, "1900-01-01"),
            (36_583, "2100-02-28"),
            (36_584, "2100-03-01"),
            (-730_119, "0001-01-01"),
            (-730_120, "0001-12-31 BC"),
            (2_921_939, "9999-12-31"),
        ] {
            assert_eq!(date(days), wanted);
        }
    }

    #[test]
    fn no_bytes_make_reading_panic() {
        let kinds = [
            Type::BOOL,
            Type::INT8,
            Type::NUMERIC,
            Type::TIMETZ,
            Type::TIMESTAMP,
            Type::INTERVAL,
            Type::INET,
            Type::UUID,
            Type::JSONB,
            Type::NUMERIC_ARRAY,
            Type::TEXT_ARRAY,
            Type::DATE,
            Type::FLOAT4,
        ];
        proptest::proptest!(|(raw in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40))| {
            for kind in &kinds {
                let _ = Raw(Some(&raw)).shown(kind);
            }
        });
        assert_eq!(Raw(Some(&[])).shown(&Type::POINT), Err("`point`".into()));
    }
}
