use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use crate::route::{EscapeError, percent};

/// The maximum number of parameters in a query. Chosen: as in Python's `cgi` and PHP.
pub const MAX_PARAMETERS: usize = 1000;

/// The names and values of a query.
pub type Parameters<'q> = Vec<(Cow<'q, str>, Cow<'q, str>)>;

/// The reason why a query cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryError {
    /// A name or value cannot be decoded.
    Escape(EscapeError),
    /// There are more parameters than [`MAX_PARAMETERS`].
    TooMany,
}

/// Returns the names and values of a query, decoded, in order.
///
/// Parameters are separated by `&`, and a `+` is a space. A parameter without `=` has an empty
/// value. Parameters without a name are left out.
///
/// ```
/// use sockeye_gateway::route::binding::parse_query;
///
/// let parameters = parse_query("name=a+b%2B&empty&=x")?;
/// assert_eq!(parameters, [("name".into(), "a b+".into()), ("empty".into(), "".into())]);
/// # Ok::<_, sockeye_gateway::route::binding::QueryError>(())
/// ```
///
/// # Errors
/// [`QueryError`], also for faults in parameters without a name.
pub fn parse_query(query: &str) -> Result<Parameters<'_>, QueryError> {
    let mut parameters = Vec::new();
    for (index, parameter) in query.split('&').filter(|text| !text.is_empty()).enumerate() {
        if index == MAX_PARAMETERS {
            return Err(QueryError::TooMany);
        }
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (name, value) = (percent::decode_query(name)?, percent::decode_query(value)?);
        if !name.is_empty() {
            parameters.push((name, value));
        }
    }
    Ok(parameters)
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Escape(error) => write!(f, "the query is malformed: {error}"),
            Self::TooMany => write!(f, "the query has more than {MAX_PARAMETERS} parameters"),
        }
    }
}

impl Error for QueryError {}

impl From<EscapeError> for QueryError {
    fn from(error: EscapeError) -> Self {
        Self::Escape(error)
    }
}
