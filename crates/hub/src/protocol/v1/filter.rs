//! Filters as JSON.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::field::{Field, Malformed};
use crate::core::filter::{Condition, Decimal, Expression, Filter};

/// A filter in a message: JSON in both encodings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FilterField(pub(crate) Arc<Filter>);

/// A filter, or a condition on one tag.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    #[serde(borrow)]
    all: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    any: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    not: Option<&'a RawValue>,
    tag: Option<Box<str>>,
    eq: Option<Box<str>>,
    neq: Option<Box<str>>,
    #[serde(rename = "in")]
    is_in: Option<Vec<Box<str>>>,
    nin: Option<Vec<Box<str>>>,
    exists: Option<bool>,
    starts: Option<Box<str>>,
    ends: Option<Box<str>>,
    contains: Option<Box<str>>,
    #[serde(borrow)]
    gt: Option<&'a RawValue>,
    #[serde(borrow)]
    gte: Option<&'a RawValue>,
    #[serde(borrow)]
    lt: Option<&'a RawValue>,
    #[serde(borrow)]
    lte: Option<&'a RawValue>,
}

/// Parses a filter; `depth` bounds the recursion before the filter itself is checked.
fn parse(json: &str, depth: usize) -> Result<Filter, String> {
    if depth == 0 {
        return Err(format!("a filter is more than {} expressions deep", Filter::MAX_DEPTH));
    }
    let fields: Fields<'_> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let nested = |filters: Vec<&RawValue>| -> Result<Vec<Filter>, String> {
        if filters.len() > Filter::MAX_NODES {
            return Err(format!("a filter has more than {} expressions", Filter::MAX_NODES));
        }
        filters.into_iter().map(|filter| parse(filter.get(), depth - 1)).collect()
    };
    let mut expressions = Vec::new();
    if let Some(filters) = fields.all {
        expressions.push(Expression::All(nested(filters)?));
    }
    if let Some(filters) = fields.any {
        expressions.push(Expression::Any(nested(filters)?));
    }
    if let Some(filter) = fields.not {
        expressions.push(Expression::Not(Box::new(parse(filter.get(), depth - 1)?)));
    }
    let number = |value: Option<&RawValue>| value.map(decimal).transpose();
    let conditions = [
        fields.eq.map(Condition::Equals),
        fields.neq.map(Condition::NotEquals),
        fields.is_in.map(Condition::In),
        fields.nin.map(Condition::NotIn),
        fields.exists.map(|yes| if yes { Condition::Exists } else { Condition::NotExists }),
        fields.starts.map(Condition::StartsWith),
        fields.ends.map(Condition::EndsWith),
        fields.contains.map(Condition::Contains),
        number(fields.gt)?.map(Condition::Greater),
        number(fields.gte)?.map(Condition::GreaterOrEqual),
        number(fields.lt)?.map(Condition::Less),
        number(fields.lte)?.map(Condition::LessOrEqual),
    ];
    for condition in conditions.into_iter().flatten() {
        let name = fields.tag.clone().ok_or("a condition of a filter has no `tag`")?;
        expressions.push(Expression::Tag { name, condition });
    }
    match <[Expression; 1]>::try_from(expressions) {
        Ok([expression]) => Filter::new(expression).map_err(|error| error.to_string()),
        Err(_) => Err("expected a filter with one of its fields, such as `all` or `eq`".into()),
    }
}

/// Parses a number, or the text of one. The digits are kept as they are.
fn decimal(json: &RawValue) -> Result<Decimal, String> {
    let json = json.get();
    let text = if json.starts_with('"') { serde_json::from_str(json) } else { Ok(json.into()) };
    let text: String = text.map_err(|error| error.to_string())?;
    text.parse().map_err(|error| format!("{error}, found {text:?}"))
}

fn to_json(filter: &Filter) -> Value {
    let list = |filters: &[Filter]| filters.iter().map(to_json).collect::<Value>();
    let mut object = Map::new();
    match filter.expression() {
        Expression::All(filters) => object.insert("all".into(), list(filters)),
        Expression::Any(filters) => object.insert("any".into(), list(filters)),
        Expression::Not(filter) => object.insert("not".into(), to_json(filter)),
        Expression::Tag { name, condition } => {
            object.insert("tag".into(), Value::from(&**name));
            let texts = |texts: &[Box<str>]| texts.iter().map(|text| &**text).collect::<Value>();
            let (key, value) = match condition {
                Condition::Equals(text) => ("eq", Value::from(&**text)),
                Condition::NotEquals(text) => ("neq", Value::from(&**text)),
                Condition::In(values) => ("in", texts(values)),
                Condition::NotIn(values) => ("nin", texts(values)),
                Condition::Exists => ("exists", true.into()),
                Condition::NotExists => ("exists", false.into()),
                Condition::StartsWith(text) => ("starts", Value::from(&**text)),
                Condition::EndsWith(text) => ("ends", Value::from(&**text)),
                Condition::Contains(text) => ("contains", Value::from(&**text)),
                Condition::Greater(limit) => ("gt", limit.to_string().into()),
                Condition::GreaterOrEqual(limit) => ("gte", limit.to_string().into()),
                Condition::Less(limit) => ("lt", limit.to_string().into()),
                Condition::LessOrEqual(limit) => ("lte", limit.to_string().into()),
            };
            object.insert(key.into(), value)
        }
    };
    object.into()
}

impl Serialize for FilterField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        to_json(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FilterField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let filter = parse(json.get(), Filter::MAX_DEPTH).map_err(D::Error::custom)?;
        Ok(Self(Arc::new(filter)))
    }
}

impl Field for FilterField {
    fn put(&self, out: &mut Vec<u8>) {
        to_json(&self.0).to_string().into_boxed_str().put(out);
    }

    fn take(input: &mut Bytes) -> Result<Self, Malformed> {
        let json = Box::<str>::take(input)?;
        let filter = parse(&json, Filter::MAX_DEPTH).map_err(|_| Malformed::Filter)?;
        Ok(Self(Arc::new(filter)))
    }
}
