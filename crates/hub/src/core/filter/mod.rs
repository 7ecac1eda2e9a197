//! Filters by the tags of publications.

mod condition;
mod decimal;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;

pub use condition::Condition;
pub use decimal::{Decimal, ParseDecimalError};

/// A condition on the tags of publications: a member with a filter receives only what matches it.
///
/// Immutable and bounded, so that a client may supply it: [`MAX_DEPTH`](Self::MAX_DEPTH),
/// [`MAX_NODES`](Self::MAX_NODES) and [`MAX_TEXT`](Self::MAX_TEXT) hold for every filter.
///
/// ```
/// use sockeye_hub::core::filter::{Condition, Filter};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let football = Filter::tag("sport", Condition::Equals("football".into()))?;
/// let important = Filter::tag("priority", Condition::GreaterOrEqual(5_i64.into()))?;
/// let filter = Filter::all([football, important])?;
///
/// let tags = [("priority".into(), "7".into()), ("sport".into(), "football".into())];
/// assert!(filter.matches(&tags));
/// assert!(!filter.matches(&tags[1..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    expression: Expression,
    depth: usize,
    nodes: usize,
    text: usize,
}

/// The outermost operation of a [`Filter`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expression {
    /// Matches what all filters match: everything, if there are none.
    All(Vec<Filter>),
    /// Matches what at least one filter matches: nothing, if there are none.
    Any(Vec<Filter>),
    /// Matches what the filter does not match.
    Not(Box<Filter>),
    /// Matches what has a tag that fulfils a condition.
    Tag {
        /// The name of the tag.
        name: Box<str>,
        /// The demand on the tag.
        condition: Condition,
    },
}

impl Filter {
    /// The maximum number of expressions inside each other, which bounds the recursion of an
    /// evaluation. "Any" of "all" of "not" of tags, inside an "all" with a filter of the server, is
    /// five deep.
    pub const MAX_DEPTH: usize = 8;

    /// The maximum number of expressions and of values that tags are compared with, together. It
    /// bounds the time of an evaluation.
    pub const MAX_NODES: usize = 128;

    /// The maximum length of all names and values together, in bytes. With
    /// [`MAX_NODES`](Self::MAX_NODES) it bounds the memory of a filter to 24 KiB.
    pub const MAX_TEXT: usize = 4096;

    /// Creates a filter from its outermost operation.
    ///
    /// # Errors
    /// When the filter is too large.
    pub fn new(mut expression: Expression) -> Result<Self, FilterError> {
        let (depth, nodes, text) = match &mut expression {
            Expression::All(filters) | Expression::Any(filters) => {
                filters.shrink_to_fit();
                size(&*filters)
            }
            Expression::Not(filter) => size([&**filter]),
            Expression::Tag { name, condition } => {
                let (values, text) = condition.values();
                (0, values, name.len() + text)
            }
        };
        let (depth, nodes) = (depth + 1, nodes + 1);
        if depth > Self::MAX_DEPTH {
            return Err(FilterError::TooDeep { depth });
        }
        if nodes > Self::MAX_NODES {
            return Err(FilterError::TooManyNodes { nodes });
        }
        if text > Self::MAX_TEXT {
            return Err(FilterError::TooLong { length: text });
        }
        if let Expression::Tag { condition, .. } = &mut expression {
            condition.sort();
        }
        Ok(Self { expression, depth, nodes, text })
    }

    /// Creates a filter that matches publications by one of their tags.
    ///
    /// # Errors
    /// When the filter is too large.
    pub fn tag(name: &str, condition: Condition) -> Result<Self, FilterError> {
        Self::new(Expression::Tag { name: name.into(), condition })
    }

    /// Creates a filter that matches what all of the filters match.
    ///
    /// # Errors
    /// When the filter is too large.
    pub fn all(filters: impl IntoIterator<Item = Self>) -> Result<Self, FilterError> {
        Self::new(Expression::All(filters.into_iter().collect()))
    }

    /// Creates a filter that matches what at least one of the filters matches.
    ///
    /// # Errors
    /// When the filter is too large.
    pub fn any(filters: impl IntoIterator<Item = Self>) -> Result<Self, FilterError> {
        Self::new(Expression::Any(filters.into_iter().collect()))
    }

    /// Creates a filter that matches what the filter does not match.
    ///
    /// # Errors
    /// When the filter is too large.
    #[expect(clippy::should_implement_trait, reason = "the operator cannot fail")]
    pub fn not(filter: Self) -> Result<Self, FilterError> {
        Self::new(Expression::Not(Box::new(filter)))
    }

    /// Returns the outermost operation. The values of [`Condition::In`] and [`Condition::NotIn`]
    /// are sorted, each once.
    pub const fn expression(&self) -> &Expression {
        &self.expression
    }

    /// Returns whether a publication with these tags matches. The tags are names and values, sorted
    /// by name, each name once.
    pub fn matches(&self, tags: &[(Box<str>, Box<str>)]) -> bool {
        match &self.expression {
            Expression::All(filters) => filters.iter().all(|filter| filter.matches(tags)),
            Expression::Any(filters) => filters.iter().any(|filter| filter.matches(tags)),
            Expression::Not(filter) => !filter.matches(tags),
            Expression::Tag { name, condition } => {
                let found = tags.binary_search_by(|(candidate, _)| candidate.cmp(name));
                condition.matches(found.ok().map(|index| &*tags[index].1))
            }
        }
    }
}

/// Returns the depth, nodes and text of filters side by side.
fn size<'a>(filters: impl IntoIterator<Item = &'a Filter>) -> (usize, usize, usize) {
    filters.into_iter().fold((0, 0, 0), |(depth, nodes, text), filter| {
        (depth.max(filter.depth), nodes + filter.nodes, text + filter.text)
    })
}

/// A filter is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterError {
    /// More than [`Filter::MAX_DEPTH`] expressions are inside each other.
    TooDeep {
        /// The number of expressions inside each other.
        depth: usize,
    },
    /// The filter has more than [`Filter::MAX_NODES`] expressions and values.
    TooManyNodes {
        /// The number of expressions and values.
        nodes: usize,
    },
    /// The names and values have more than [`Filter::MAX_TEXT`] bytes.
    TooLong {
        /// The length of the names and values in bytes.
        length: usize,
    },
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep { depth } => {
                write!(f, "a filter is {depth} expressions deep, more than {}", Filter::MAX_DEPTH)
            }
            Self::TooManyNodes { nodes } => {
                let limit = Filter::MAX_NODES;
                write!(f, "a filter has {nodes} expressions and values, more than {limit}")
            }
            Self::TooLong { length } => {
                let limit = Filter::MAX_TEXT;
                write!(f, "a filter has {length} bytes of names and values, more than {limit}")
            }
        }
    }
}

impl Error for FilterError {}
