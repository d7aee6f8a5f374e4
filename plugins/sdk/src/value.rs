//! Values that cross between a plugin and PostgreSQL, from and to Rust's own types.

use crate::Value;

/// A Rust type that a cell can be read as, without a conversion that could lose something.
///
/// Cells of types that have no case of their own in [`Value`] (numeric, timestamps, uuid, json, arrays, ...) are texts.
pub trait FromValue<'a>: Sized {
    /// The value, or what was expected instead.
    fn from_value(value: &'a Value) -> Result<Self, &'static str>;
}

impl<'a> FromValue<'a> for &'a Value {
    fn from_value(value: &'a Value) -> Result<Self, &'static str> {
        Ok(value)
    }
}

impl<'a, T: FromValue<'a>> FromValue<'a> for Option<T> {
    fn from_value(value: &'a Value) -> Result<Self, &'static str> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl<'a> FromValue<'a> for &'a str {
    fn from_value(value: &'a Value) -> Result<Self, &'static str> {
        match value {
            Value::Text(text) => Ok(text),
            _ => Err("a text"),
        }
    }
}

impl FromValue<'_> for String {
    fn from_value(value: &Value) -> Result<Self, &'static str> {
        <&str>::from_value(value).map(str::to_owned)
    }
}

impl<'a> FromValue<'a> for &'a [u8] {
    fn from_value(value: &'a Value) -> Result<Self, &'static str> {
        match value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err("bytes"),
        }
    }
}

impl FromValue<'_> for bool {
    fn from_value(value: &Value) -> Result<Self, &'static str> {
        match value {
            Value::Boolean(boolean) => Ok(*boolean),
            _ => Err("a boolean"),
        }
    }
}

impl FromValue<'_> for f64 {
    fn from_value(value: &Value) -> Result<Self, &'static str> {
        match value {
            Value::Float(float) => Ok(*float),
            _ => Err("a floating-point number"),
        }
    }
}

macro_rules! integers {
    ($($integer:ty => $expected:literal),+ $(,)?) => {$(
        impl FromValue<'_> for $integer {
            fn from_value(value: &Value) -> Result<Self, &'static str> {
                match value {
                    Value::Integer(integer) => (*integer).try_into().map_err(|_| $expected),
                    _ => Err($expected),
                }
            }
        }
    )+};
}

integers! {
    i16 => "a 16-bit integer",
    i32 => "a 32-bit integer",
    i64 => "an integer",
    u16 => "an unsigned 16-bit integer",
    u32 => "an unsigned 32-bit integer",
    u64 => "an integer that is not negative",
}

macro_rules! parameters {
    ($($rust:ty => $case:ident),+ $(,)?) => {$(
        impl From<$rust> for Value {
            fn from(value: $rust) -> Self {
                Self::$case(value.into())
            }
        }
    )+};
}

parameters! {
    &str => Text,
    String => Text,
    &String => Text,
    bool => Boolean,
    i16 => Integer,
    i32 => Integer,
    i64 => Integer,
    u32 => Integer,
    f64 => Float,
    &[u8] => Bytes,
    Vec<u8> => Bytes,
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use crate::{FromValue, Value};

    #[test]
    fn values_go_there_and_back() {
        assert_eq!(i64::from_value(&7_i32.into()), Ok(7));
        assert_eq!(<&str>::from_value(&"x".into()), Ok("x"));
        assert_eq!(Option::<bool>::from_value(&Value::Null), Ok(None));
        assert_eq!(Option::<bool>::from_value(&true.into()), Ok(Some(true)));
        assert_eq!(Value::from(None::<i64>), Value::Null);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(
            u32::from_value(&Value::Integer(-1)),
            Err("an unsigned 32-bit integer")
        );
        assert_eq!(String::from_value(&Value::Null), Err("a text"));
        assert_eq!(
            f64::from_value(&Value::Integer(1)),
            Err("a floating-point number")
        );
    }
}
