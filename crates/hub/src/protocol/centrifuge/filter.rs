use std::str::FromStr;

use super::message::FilterNode;
use crate::core::filter::{Condition, Decimal, Filter};
use crate::protocol::Refusal;

/// Converts a client's filter by tags.
pub(super) fn from_wire(node: FilterNode) -> Result<Filter, Refusal> {
    let filter = match node.op.as_str() {
        "" => Filter::tag(&node.key, condition(&node.cmp, node.val, node.vals)?),
        "and" => Filter::all(all_from_wire(node.nodes)?),
        "or" => Filter::any(all_from_wire(node.nodes)?),
        "not" => {
            let mut nodes = all_from_wire(node.nodes)?;
            match (nodes.pop(), nodes.is_empty()) {
                (Some(negated), true) => Filter::not(negated),
                _ => return Err(refuse("a filter with `not` has one node")),
            }
        }
        op => return Err(refuse(format!("the filter's operation {op:?} is not known"))),
    };
    filter.map_err(|error| refuse(error.to_string()))
}

fn all_from_wire(nodes: Vec<FilterNode>) -> Result<Vec<Filter>, Refusal> {
    nodes.into_iter().map(from_wire).collect()
}

fn condition(cmp: &str, val: String, vals: Vec<String>) -> Result<Condition, Refusal> {
    let values = || vals.into_iter().map(Into::into).collect();
    Ok(match cmp {
        "eq" => Condition::Equals(val.into()),
        "neq" => Condition::NotEquals(val.into()),
        "in" => Condition::In(values()),
        "nin" => Condition::NotIn(values()),
        "ex" => Condition::Exists,
        "nex" => Condition::NotExists,
        "sw" => Condition::StartsWith(val.into()),
        "ew" => Condition::EndsWith(val.into()),
        "ct" => Condition::Contains(val.into()),
        "gt" => Condition::Greater(decimal(&val)?),
        "gte" => Condition::GreaterOrEqual(decimal(&val)?),
        "lt" => Condition::Less(decimal(&val)?),
        "lte" => Condition::LessOrEqual(decimal(&val)?),
        _ => return Err(refuse(format!("the filter's comparison {cmp:?} is not known"))),
    })
}

fn decimal(text: &str) -> Result<Decimal, Refusal> {
    Decimal::from_str(text).map_err(|_| refuse(format!("the filter's value {text:?} is no number")))
}

fn refuse(message: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::BAD_REQUEST.because(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(key: &str, cmp: &str, val: &str) -> FilterNode {
        FilterNode { key: key.into(), cmp: cmp.into(), val: val.into(), ..FilterNode::default() }
    }

    fn inner(op: &str, nodes: Vec<FilterNode>) -> FilterNode {
        FilterNode { op: op.into(), nodes, ..FilterNode::default() }
    }

    #[test]
    fn filters_select_by_tags_as_centrifugo_does() {
        let tags =
            |price: &str| vec![("price".into(), price.into()), ("ticker".into(), "BTC".into())];
        let node = inner(
            "and",
            vec![leaf("ticker", "eq", "BTC"), inner("not", vec![leaf("price", "lt", "10")])],
        );
        let filter = from_wire(node).unwrap();
        assert!(filter.matches(&tags("10")));
        assert!(!filter.matches(&tags("9.5")));
        assert!(!filter.matches(&[]));
    }

    #[test]
    fn malformed_filters_are_refused() {
        let deep = (0..20).fold(leaf("a", "ex", ""), |node, _| inner("not", vec![node]));
        for node in [
            inner("xor", vec![]),
            inner("not", vec![]),
            leaf("a", "like", "b"),
            leaf("a", "gt", "ten"),
            deep,
        ] {
            assert_eq!(from_wire(node).unwrap_err().code, 107);
        }
    }
}
