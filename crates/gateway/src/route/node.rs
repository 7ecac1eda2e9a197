use std::borrow::Cow;
use std::collections::HashMap;

use super::{MethodKind, Segment};

/// A place in the trie of templates.
#[derive(Debug, Default)]
pub(super) struct Node {
    literals: HashMap<Box<str>, Node>,
    single: Option<Box<Node>>,
    /// The places after `**`, by the number of segments that follow it, from the largest. That
    /// number fixes where the segments after `**` are in a path, so that no place is entered twice
    /// for one path.
    multi: Vec<(usize, Node)>,
    /// The templates that end here.
    ends: Vec<End>,
}

/// The end of a template in the trie.
#[derive(Debug)]
pub(super) struct End {
    pub(super) verb: Option<Box<str>>,
    pub(super) kind: MethodKind,
    /// The index of the route.
    pub(super) route: usize,
}

impl Node {
    /// Returns the place of a template, and creates it where it is missing.
    pub(super) fn entry(&mut self, segments: &[Segment]) -> &mut Self {
        let mut node = self;
        for (index, segment) in segments.iter().enumerate() {
            node = match segment {
                Segment::Literal(literal) => node.literals.entry(literal.clone()).or_default(),
                Segment::Single => node.single.get_or_insert_default(),
                Segment::Multi => node.multi_entry(segments.len() - index - 1),
            };
        }
        node
    }

    fn multi_entry(&mut self, tail: usize) -> &mut Self {
        let place = self.multi.binary_search_by(|(other, _)| tail.cmp(other));
        let index = place.unwrap_or_else(|index| {
            self.multi.insert(index, (tail, Self::default()));
            index
        });
        &mut self.multi[index].1
    }

    pub(super) fn ends(&self) -> &[End] {
        &self.ends
    }

    pub(super) fn push_end(&mut self, end: End) {
        self.ends.push(end);
    }

    /// Visits the places where templates that match the decoded segments end, in the order of
    /// precedence, until `visit` returns a value. The depth of the recursion is that of the trie.
    pub(super) fn visit<T>(
        &self,
        segments: &[Cow<'_, str>],
        visit: &mut impl FnMut(&Self) -> Option<T>,
    ) -> Option<T> {
        if let Some((first, rest)) = segments.split_first() {
            if let Some(found) =
                self.literals.get(&**first).and_then(|node| node.visit(rest, visit))
            {
                return Some(found);
            }
            let single = self.single.as_ref().filter(|_| !first.is_empty());
            if let Some(found) = single.and_then(|node| node.visit(rest, visit)) {
                return Some(found);
            }
        } else if let Some(found) = visit(self) {
            return Some(found);
        }
        self.multi.iter().find_map(|(tail, node)| {
            let start = segments.len().checked_sub(*tail)?;
            node.visit(&segments[start..], visit)
        })
    }
}
