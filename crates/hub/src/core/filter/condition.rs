use super::decimal::{Decimal, Parts};

/// The demand of a filter on one tag. The names in parentheses are those of centrifugo.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// The tag is present and has this value (`eq`).
    Equals(Box<str>),
    /// The tag is absent or has another value (`neq`).
    NotEquals(Box<str>),
    /// The tag is present and has one of these values (`in`).
    In(Vec<Box<str>>),
    /// The tag is absent or has none of these values (`nin`).
    NotIn(Vec<Box<str>>),
    /// The tag is present (`ex`).
    Exists,
    /// The tag is absent (`nex`).
    NotExists,
    /// The tag is present and its value starts with this text (`sw`).
    StartsWith(Box<str>),
    /// The tag is present and its value ends with this text (`ew`).
    EndsWith(Box<str>),
    /// The tag is present and its value contains this text (`ct`).
    Contains(Box<str>),
    /// The tag's value is a number greater than this one (`gt`).
    Greater(Decimal),
    /// The tag's value is a number greater than or equal to this one (`gte`).
    GreaterOrEqual(Decimal),
    /// The tag's value is a number less than this one (`lt`).
    Less(Decimal),
    /// The tag's value is a number less than or equal to this one (`lte`).
    LessOrEqual(Decimal),
}

impl Condition {
    /// Returns whether a tag's value fulfils the condition; `None` is an absent tag.
    pub(super) fn matches(&self, value: Option<&str>) -> bool {
        let number = || Parts::parse(value?);
        match self {
            Self::Equals(text) => value == Some(text),
            Self::NotEquals(text) => value != Some(text),
            Self::In(texts) => value.is_some_and(|value| contains(texts, value)),
            Self::NotIn(texts) => !value.is_some_and(|value| contains(texts, value)),
            Self::Exists => value.is_some(),
            Self::NotExists => value.is_none(),
            Self::StartsWith(text) => value.is_some_and(|value| value.starts_with(&**text)),
            Self::EndsWith(text) => value.is_some_and(|value| value.ends_with(&**text)),
            Self::Contains(text) => value.is_some_and(|value| value.contains(&**text)),
            Self::Greater(limit) => number().is_some_and(|number| number > limit.parts()),
            Self::GreaterOrEqual(limit) => number().is_some_and(|number| number >= limit.parts()),
            Self::Less(limit) => number().is_some_and(|number| number < limit.parts()),
            Self::LessOrEqual(limit) => number().is_some_and(|number| number <= limit.parts()),
        }
    }

    /// Sorts the values, so that they can be searched.
    pub(super) fn sort(&mut self) {
        if let Self::In(texts) | Self::NotIn(texts) = self {
            texts.sort_unstable();
            texts.dedup();
            texts.shrink_to_fit();
        }
    }

    /// Returns the number of values and the sum of their lengths in bytes.
    pub(super) fn values(&self) -> (usize, usize) {
        match self {
            Self::In(texts) | Self::NotIn(texts) => {
                (texts.len(), texts.iter().map(|text| text.len()).sum())
            }
            Self::Exists | Self::NotExists => (0, 0),
            Self::Equals(text)
            | Self::NotEquals(text)
            | Self::StartsWith(text)
            | Self::EndsWith(text)
            | Self::Contains(text) => (1, text.len()),
            Self::Greater(limit)
            | Self::GreaterOrEqual(limit)
            | Self::Less(limit)
            | Self::LessOrEqual(limit) => (1, limit.len()),
        }
    }
}

/// Returns whether a sorted list contains a text.
fn contains(texts: &[Box<str>], text: &str) -> bool {
    texts.binary_search_by(|candidate| (**candidate).cmp(text)).is_ok()
}
