//! Fields read with patience: whatever a field holds, the object around it stays readable.
//!
//! Services change types without notice: an id becomes a number, a list becomes null. A derived reader would drop
//! the whole post. Here a field of the wrong kind reads as absent, and the parser of the shape says whether it can
//! do without. Text is borrowed from the line wherever it holds no escape.
//!
//! The same fields are read from CBOR, which has kinds of value that JSON has not ([`visit_what_json_has_not`]).

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Visits the values that CBOR has and JSON has not: a null of its own, numbers beyond 64 bits, bytes, and links,
/// which come wrapped. None of them stands where a post is read from.
macro_rules! visit_what_json_has_not {
    ($absent:expr, $other:expr) => {
        fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
            Ok($absent)
        }

        fn visit_i128<E: Error>(self, _: i128) -> Result<Self::Value, E> {
            Ok($other)
        }

        fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<Self::Value, E> {
            Ok($other)
        }

        fn visit_newtype_struct<D: Deserializer<'de>>(
            self,
            link: D,
        ) -> Result<Self::Value, D::Error> {
            IgnoredAny::deserialize(link)?;
            Ok($other)
        }
    };
}

/// A field that should hold a text, a number or a truth value.
#[derive(Debug, Default, Clone, PartialEq)]
pub(in crate::feed) enum Scalar<'a> {
    /// The field is missing, or null.
    #[default]
    Absent,
    /// A string.
    Text(Cow<'a, str>),
    /// A whole number that fits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A list or an object, where neither makes sense.
    Other,
}

impl<'a> Scalar<'a> {
    /// The text, if it is one.
    pub(in crate::feed) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text, if it is one, and not empty.
    pub(in crate::feed) fn filled(self) -> Option<Cow<'a, str>> {
        self.text().filter(|text| !text.is_empty())
    }

    /// An opaque id: a filled text, or a whole number written out.
    pub(in crate::feed) fn id(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Int(number) => Some(Cow::Owned(number.to_string())),
            other => other.filled(),
        }
    }

    /// The text, looked at.
    pub(in crate::feed) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is this text.
    pub(in crate::feed) fn is(&self, text: &str) -> bool {
        self.as_text() == Some(text)
    }

    /// Whether it is a text at all.
    pub(in crate::feed) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Whether the field is there and not null.
    pub(in crate::feed) fn is_there(&self) -> bool {
        *self != Self::Absent
    }

    /// Whether it is `true`.
    pub(in crate::feed) fn is_true(&self) -> bool {
        *self == Self::Bool(true)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    visit_what_json_has_not!(Scalar::Absent, Scalar::Other);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Scalar::Other, Scalar::Int))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Float(number))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(truth))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(seq)?;
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(map)?;
        Ok(Scalar::Other)
    }
}

/// A field that should hold an object; anything else reads as none.
#[derive(Debug)]
pub(in crate::feed) struct Maybe<T>(pub(in crate::feed) Option<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MaybeVisitor(PhantomData))
    }
}

struct MaybeVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for MaybeVisitor<T> {
    type Value = Maybe<T>;

    visit_what_json_has_not!(Maybe(None), Maybe(None));

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|object| Maybe(Some(object)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(seq)?;
        Ok(Maybe(None))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Maybe(None))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Maybe(None))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Maybe(None))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Maybe(None))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Maybe(None))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Maybe(None))
    }
}

/// A field that should hold a list; anything else reads as an empty one.
#[derive(Debug)]
pub(in crate::feed) struct List<T>(pub(in crate::feed) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    visit_what_json_has_not!(List::default(), List::default());

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = seq.next_element()? {
            list.push(element);
        }
        Ok(List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(map)?;
        Ok(List::default())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(List::default())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(List::default())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(List::default())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(List::default())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(List::default())
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(List::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Sample<'a> {
        #[serde(borrow)]
        scalar: Scalar<'a>,
        object: Maybe<Inner>,
        list: List<Inner>,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Inner {
        n: u8,
    }

    fn sample(json: &str) -> Sample<'_> {
        serde_json::from_str(json).expect("well-formed")
    }

    #[test]
    fn a_text_without_escapes_is_borrowed() {
        let read = sample(r#"{"scalar":"plain"}"#).scalar;
        assert!(matches!(read, Scalar::Text(Cow::Borrowed("plain"))));
        assert!(sample(r#"{"scalar":"\u0023x"}"#).scalar.is("#x"));
    }

    #[test]
    fn a_value_of_another_kind_reads_as_absent_and_breaks_nothing() {
        for value in [
            "5",
            "-5",
            "1.5",
            "true",
            "null",
            r#""text""#,
            r#"{"n":1}"#,
            r#"[{"n":1}]"#,
        ] {
            let json = format!(r#"{{"scalar":{value},"object":{value},"list":{value}}}"#);
            let read = sample(&json);
            assert_eq!(read.object.0.is_some(), value.starts_with('{'), "{value}");
            assert_eq!(
                read.list.0.len(),
                usize::from(value.starts_with('[')),
                "{value}"
            );
            assert_eq!(read.scalar.is_text(), value.starts_with('"'), "{value}");
        }
    }

    #[test]
    fn an_id_may_be_a_whole_number_but_never_empty() {
        assert_eq!(Scalar::Int(7).id().as_deref(), Some("7"));
        assert_eq!(Scalar::Text("".into()).id(), None);
        assert_eq!(Scalar::Float(7.5).id(), None);
    }
}
