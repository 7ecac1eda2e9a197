use std::borrow::Cow;
use std::ops::Range;

use super::entry::Route;
use super::options::MultiSegmentDecoding;
use super::{MethodKind, Segment, Template, Variable, percent};

/// The route of a request, with the segments of the request's path.
#[derive(Debug)]
pub struct Match<'r, 'p, T> {
    pub(super) route: &'r Route<T>,
    pub(super) index: usize,
    /// The segments as they are written, without the verb.
    pub(super) raw: Vec<&'p str>,
    /// The segments without escapes and verb.
    pub(super) decoded: Vec<Cow<'p, str>>,
    pub(super) decoding: MultiSegmentDecoding,
}

/// The value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathBinding<'r, 'p> {
    /// The path of the field, such as `book.name`.
    pub field_path: &'r str,
    /// The value.
    pub value: Cow<'p, str>,
}

impl<'r, 'p, T> Match<'r, 'p, T> {
    /// Returns the value of the route.
    pub fn value(&self) -> &'r T {
        &self.route.value
    }

    /// Returns the index of the route in [`Router::routes`](super::Router::routes).
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the methods of the route.
    pub fn kind(&self) -> &'r MethodKind {
        &self.route.kind
    }

    /// Returns the template of the route.
    pub fn template(&self) -> &'r Template {
        &self.route.template
    }

    /// Returns the values of the template's variables, in the order of the template.
    pub fn bindings(&self) -> impl Iterator<Item = PathBinding<'r, 'p>> {
        self.route.template.variables().iter().map(|variable| PathBinding {
            field_path: variable.field_path(),
            value: self.value_of(variable),
        })
    }

    fn value_of(&self, variable: &Variable) -> Cow<'p, str> {
        let range = self.segments_of(variable);
        if !variable.is_multi() {
            return self.decoded[range.start].clone();
        }
        if let [segment] = self.raw[range.clone()] {
            return self.decode(segment);
        }
        let mut value = String::new();
        for (index, segment) in self.raw[range].iter().enumerate() {
            if index > 0 {
                value.push('/');
            }
            value.push_str(&self.decode(segment));
        }
        Cow::Owned(value)
    }

    /// Returns the range of the path's segments that a variable takes.
    fn segments_of(&self, variable: &Variable) -> Range<usize> {
        let segments = self.route.template.segments();
        let multi = segments.iter().position(|segment| *segment == Segment::Multi);
        // Places after `**` have a fixed distance from the end.
        let shifted = |place: usize| match multi {
            Some(multi) if place > multi => self.raw.len() + place - segments.len(),
            _ => place,
        };
        let Range { start, end } = variable.range();
        shifted(start)..shifted(end)
    }

    fn decode(&self, segment: &'p str) -> Cow<'p, str> {
        let decoded = match self.decoding {
            MultiSegmentDecoding::KeepReserved => {
                percent::decode_except(segment, percent::is_reserved)
            }
            MultiSegmentDecoding::KeepSlash => percent::decode_except(segment, |byte| byte == b'/'),
            MultiSegmentDecoding::All => percent::decode(segment),
        };
        // The lookup decoded the whole segment. Keeping some escapes of ASCII characters does not
        // make the rest malformed.
        decoded.unwrap_or(Cow::Borrowed(segment))
    }
}
