//! `serde` straight from the tree, so that validation and typed values cannot disagree. Errors carry spans.

use crate::tree::{Entry, Kind, Node};
use aic_base::Span;
use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, Deserialize, DeserializeSeed, EnumAccess, IntoDeserializer, VariantAccess, Visitor};
use std::fmt;

/// A tree does not have the form of a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DeError {
    /// Where; none where only the caller knows.
    pub span: Option<Span>,
    /// What is wrong.
    pub message: String,
}

impl de::Error for DeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { span: None, message: message.to_string() }
    }
}

impl DeError {
    /// The innermost place wins.
    fn at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }
}

/// Reads a value from a tree.
///
/// # Errors
/// [`DeError`], with the place of the first thing that does not fit.
pub fn from_node<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T, DeError> {
    T::deserialize(node)
}

impl<'de> IntoDeserializer<'de, DeError> for &'de Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn pair(entry: &Entry) -> (&Node, &Node) {
    (&entry.key, &entry.value)
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        let value = match &self.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(is) => visitor.visit_bool(*is),
            Kind::Int(number) => visitor.visit_i64(*number),
            Kind::Float(number) => visitor.visit_f64(*number),
            Kind::Str(text) => visitor.visit_borrowed_str(text),
            Kind::Seq(items) => visitor.visit_seq(SeqDeserializer::new(items.iter())),
            Kind::Map(entries) => visitor.visit_map(MapDeserializer::new(entries.iter().map(pair))),
        };
        value.map_err(|error| error.at(self.span))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.text() {
            Some(text) => visitor.visit_borrowed_str(text).map_err(|error: DeError| error.at(self.span)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        let value = match (&self.kind, self.entries()) {
            (Kind::Str(text), _) => visitor.visit_enum(StrDeserializer::new(text)),
            (_, [entry]) => visitor.visit_enum(OneKey(entry)),
            _ => Err(de::Error::custom(format!("expected a word or a map of one key, not {}", self.describe()))),
        };
        value.map_err(|error: DeError| error.at(self.span))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct ignored_any
    }
}

/// `{variant: content}`.
struct OneKey<'de>(&'de Entry);

impl<'de> EnumAccess<'de> for OneKey<'de> {
    type Error = DeError;
    type Variant = Content<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), DeError> {
        Ok((seed.deserialize(&self.0.key)?, Content(&self.0.value)))
    }
}

struct Content<'de>(&'de Node);

impl<'de> VariantAccess<'de> for Content<'de> {
    type Error = DeError;

    fn unit_variant(self) -> Result<(), DeError> {
        if self.0.is_null() {
            Ok(())
        } else {
            Err(DeError { span: Some(self.0.span), message: "expected nothing here".into() })
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DeError> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DeError> {
        de::Deserializer::deserialize_any(self.0, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, DeError> {
        de::Deserializer::deserialize_any(self.0, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Limits {
        steps: u32,
        cost: Option<f64>,
        name: String,
        kind: Kind,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Plain,
        Given { by: String },
    }

    #[test]
    fn a_type_is_read_from_the_tree() {
        let root = crate::parse("steps: 5\ncost: ~\nname: 12\nkind: {given: {by: me}}\n").root.unwrap();
        let limits: Limits = from_node(&root).unwrap();
        assert_eq!(limits, Limits { steps: 5, cost: None, name: "12".into(), kind: Kind::Given { by: "me".into() } });
        let root = crate::parse("steps: 5\nname: x\nkind: plain\n").root.unwrap();
        assert_eq!(from_node::<Limits>(&root).unwrap().kind, Kind::Plain);
    }

    #[test]
    fn an_error_carries_the_innermost_place() {
        let text = "steps: five\nname: x\nkind: plain\n";
        let root = crate::parse(text).root.unwrap();
        let error = from_node::<Limits>(&root).unwrap_err();
        assert_eq!(error.span.map(|span| span.of(text)), Some("five"));
    }
}
