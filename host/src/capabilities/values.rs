//! Cells and parameters: PostgreSQL's binary format to the contract's values, and values to text parameters.

use std::error::Error;
use std::fmt::Write;

use fallible_iterator::FallibleIterator;
use jiff::civil::{Date, DateTime};
use jiff::{Span, ToSpan};
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

use super::v0_1_0::orchestrator::plugin::types::Value;

type Failed = Box<dyn Error + Sync + Send>;

/// A cell of any type that the contract can carry; others fail, and the statement must cast them to text.
pub(super) struct Cell(pub Value);

impl<'a> FromSql<'a> for Cell {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Failed> {
        decode(ty, raw).map(Cell)
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failed> {
        Ok(Cell(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn decode(ty: &Type, raw: &[u8]) -> Result<Value, Failed> {
    Ok(match *ty {
        Type::BOOL => Value::Boolean(bool::from_sql(ty, raw)?),
        Type::INT2 => Value::Integer(i16::from_sql(ty, raw)?.into()),
        Type::INT4 => Value::Integer(i32::from_sql(ty, raw)?.into()),
        Type::INT8 => Value::Integer(i64::from_sql(ty, raw)?),
        Type::OID
        | Type::XID
        | Type::CID
        | Type::REGCLASS
        | Type::REGTYPE
        | Type::REGPROC
        | Type::REGNAMESPACE
        | Type::REGROLE => Value::Integer(u32::from_be_bytes(raw.try_into()?).into()),
        Type::FLOAT4 => Value::Float(f32::from_sql(ty, raw)?.into()),
        Type::FLOAT8 => Value::Float(f64::from_sql(ty, raw)?),
        Type::BYTEA => Value::Bytes(raw.to_vec()),
        Type::CHAR => Value::Text(
            raw.first()
                .filter(|byte| **byte != 0)
                .map(|byte| char::from(*byte))
                .into_iter()
                .collect(),
        ),
        // One version byte, then text.
        Type::JSONB => {
            Value::Text(std::str::from_utf8(raw.get(1..).unwrap_or_default())?.to_owned())
        }
        Type::UUID => Value::Text(uuid::Uuid::from_slice(raw)?.to_string()),
        Type::PG_LSN => {
            let lsn = u64::from_be_bytes(raw.try_into()?);
            Value::Text(format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff))
        }
        Type::DATE => Value::Text(date(i32::from_be_bytes(raw.try_into()?))?),
        Type::TIMESTAMP => Value::Text(timestamp(i64::from_be_bytes(raw.try_into()?), "")?),
        Type::TIMESTAMPTZ => Value::Text(timestamp(i64::from_be_bytes(raw.try_into()?), "+00")?),
        Type::NUMERIC => Value::Text(numeric(raw)?),
        Type::VOID => Value::Null,
        _ => match ty.kind() {
            Kind::Domain(base) => decode(base, raw)?,
            Kind::Enum(_) => Value::Text(std::str::from_utf8(raw)?.to_owned()),
            Kind::Array(element) => Value::Text(array(element, raw)?),
            _ if <String as FromSql>::accepts(ty) || *ty == Type::JSON || *ty == Type::XML => {
                Value::Text(std::str::from_utf8(raw)?.to_owned())
            }
            _ => return Err(format!(
                "a value of type {ty} cannot cross into a plugin; cast it to text in the statement"
            )
            .into()),
        },
    })
}

/// Days since 2000-01-01.
fn date(days: i32) -> Result<String, Failed> {
    match days {
        i32::MAX => return Ok("infinity".into()),
        i32::MIN => return Ok("-infinity".into()),
        _ => {}
    }
    let date = Date::constant(2000, 1, 1).checked_add(days.days())?;
    Ok(date.to_string())
}

/// Microseconds since 2000-01-01, printed as PostgreSQL's ISO style.
fn timestamp(microseconds: i64, zone: &str) -> Result<String, Failed> {
    match microseconds {
        i64::MAX => return Ok("infinity".into()),
        i64::MIN => return Ok("-infinity".into()),
        _ => {}
    }
    let epoch = DateTime::constant(2000, 1, 1, 0, 0, 0, 0);
    let span = Span::new().try_microseconds(microseconds)?;
    let moment = epoch.checked_add(span)?;
    let mut text = moment.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let fraction = moment.subsec_nanosecond() / 1000;
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        write!(text, ".{}", digits.trim_end_matches('0'))?;
    }
    text.push_str(zone);
    Ok(text)
}

/// Groups of four decimal digits (`numeric_send` in `numeric.c`).
fn numeric(raw: &[u8]) -> Result<String, Failed> {
    let word = |index: usize| -> Result<u16, Failed> {
        let bytes = raw
            .get(index * 2..index * 2 + 2)
            .ok_or("a numeric value is cut")?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    };
    let (count, weight, sign, scale) = (word(0)?, word(1)?.cast_signed(), word(2)?, word(3)?);
    match sign {
        0xC000 => return Ok("NaN".into()),
        0xD000 => return Ok("Infinity".into()),
        0xF000 => return Ok("-Infinity".into()),
        _ => {}
    }
    let group = |position: i32| -> Result<u16, Failed> {
        match usize::try_from(position) {
            Ok(index) if index < usize::from(count) => word(4 + index),
            _ => Ok(0),
        }
    };
    let mut text = String::new();
    if sign == 0x4000 {
        text.push('-');
    }
    let whole_start = text.len();
    for position in 0..=i32::from(weight).max(0) {
        let digits = if weight < 0 { 0 } else { group(position)? };
        if text.len() == whole_start {
            write!(text, "{digits}")?;
        } else {
            write!(text, "{digits:04}")?;
        }
    }
    if scale > 0 {
        let mut fraction = String::new();
        let mut position = i32::from(weight) + 1;
        // Groups between the point and the first stored one are zeros.
        for _ in 0..(-1 - i32::from(weight)).max(0) {
            fraction.push_str("0000");
        }
        if weight < -1 {
            position = 0;
        }
        while fraction.len() < usize::from(scale) {
            write!(fraction, "{:04}", group(position)?)?;
            position += 1;
        }
        fraction.truncate(usize::from(scale));
        text.push('.');
        text.push_str(&fraction);
    }
    Ok(text)
}

/// PostgreSQL's text form of a one-dimensional array (`array_out`).
fn array(element: &Type, raw: &[u8]) -> Result<String, Failed> {
    let parsed = postgres_protocol::types::array_from_sql(raw)?;
    if parsed.dimensions().count()? > 1 {
        return Err("an array of several dimensions cannot cross into a plugin; cast it to text in the statement".into());
    }
    let mut items = Vec::new();
    let mut values = parsed.values();
    while let Some(value) = values.next()? {
        items.push(match value {
            None => "NULL".to_owned(),
            Some(raw) => match decode(element, raw)? {
                Value::Null => "NULL".to_owned(),
                Value::Boolean(value) => if value { "t" } else { "f" }.to_owned(),
                Value::Integer(value) => value.to_string(),
                Value::Float(value) => value.to_string(),
                Value::Text(value) => quoted(&value),
                Value::Bytes(value) => quoted(&format!("\\x{}", hex::encode(value))),
            },
        });
    }
    Ok(format!("{{{}}}", items.join(",")))
}

fn quoted(item: &str) -> String {
    let plain = !item.is_empty()
        && !item.eq_ignore_ascii_case("null")
        && !item.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | '"' | '\\'));
    if plain {
        return item.to_owned();
    }
    format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A parameter, sent as text: PostgreSQL reads it by the type that the statement gives it.
#[derive(Debug)]
pub(super) struct Parameter(pub Option<String>);

impl From<Value> for Parameter {
    fn from(value: Value) -> Self {
        Self(match value {
            Value::Null => None,
            Value::Boolean(value) => Some(value.to_string()),
            Value::Integer(value) => Some(value.to_string()),
            Value::Float(value) if value.is_infinite() => {
                Some(if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned())
            }
            Value::Float(value) => Some(value.to_string()),
            Value::Text(value) => Some(value),
            Value::Bytes(value) => Some(format!("\\x{}", hex::encode(value))),
        })
    }
}

impl ToSql for Parameter {
    fn to_sql(&self, _: &Type, out: &mut bytes::BytesMut) -> Result<IsNull, Failed> {
        match &self.0 {
            None => Ok(IsNull::Yes),
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_postgresql_prints_them() {
        let encode = |words: &[u16]| {
            words
                .iter()
                .flat_map(|word| word.to_be_bytes())
                .collect::<Vec<_>>()
        };
        // 12345.6700, -0.00005, 0, 10000
        assert_eq!(
            numeric(&encode(&[3, 1, 0, 4, 1, 2345, 6700])).unwrap(),
            "12345.6700"
        );
        assert_eq!(
            numeric(&encode(&[1, 0xFFFE, 0x4000, 5, 5000])).unwrap(),
            "-0.00005"
        );
        assert_eq!(numeric(&encode(&[0, 0, 0, 0])).unwrap(), "0");
        assert_eq!(numeric(&encode(&[1, 1, 0, 0, 1])).unwrap(), "10000");
        assert_eq!(numeric(&encode(&[0, 0, 0xC000, 0])).unwrap(), "NaN");
    }

    #[test]
    fn moments_print_in_iso_style() {
        assert_eq!(timestamp(0, "+00").unwrap(), "2000-01-01 00:00:00+00");
        assert_eq!(timestamp(-1_500_000, "").unwrap(), "1999-12-31 23:59:58.5");
        assert_eq!(date(i32::MAX).unwrap(), "infinity");
        assert_eq!(date(366).unwrap(), "2001-01-01");
    }

    #[test]
    fn array_items_are_quoted_where_they_must_be() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("null"), "\"null\"");
        assert_eq!(quoted("a \"b\"\\"), "\"a \\\"b\\\"\\\\\"");
    }
}
