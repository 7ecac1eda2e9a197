use std::borrow::Cow;
use std::collections::HashSet;
use std::mem;

use http::Method;

use super::captures::Match;
use super::entry::Route;
use super::node::{End, Node};
use super::options::RouterOptions;
use super::{Allowed, DuplicateRoute, EscapeError, MethodKind, RouteError, Template, percent};

/// A table of routes, each with a value of type `T`.
///
/// The path of a request is split at its slashes, and each segment is decoded afterwards, so that
/// `a%2Fb` is one segment. A path with a malformed escape, or one that is not UTF-8 once decoded,
/// has no route.
///
/// Of several templates that match, the one that has a literal where the others have wildcards
/// wins, then the one with `*` rather than `**`, at the leftmost segment where the templates
/// differ. Of several `**` at one place, the one with the most segments after it wins. The order of
/// insertion has no influence.
///
/// A colon in the last segment separates a verb if a template with that verb matches; such
/// templates win over those without a verb. Else it is data. An encoded colon is always data.
///
/// A route for another method does not count as a match. Where no template fits the method but
/// some match the path, the error says which methods have one.
///
/// A lookup enters each place of the table at most once for each verb that the path may have, and
/// there are at most as many of those as colons in the length of the longest verb.
#[derive(Debug)]
pub struct Router<T> {
    options: RouterOptions,
    root: Node,
    routes: Vec<Route<T>>,
    verbs: HashSet<Box<str>>,
    /// The length of the longest verb, in bytes.
    max_verb_length: usize,
}

/// The path of a request between its slashes.
struct Path<'p> {
    raw: Vec<&'p str>,
    decoded: Vec<Cow<'p, str>>,
}

impl<T> Router<T> {
    /// Creates an empty table.
    pub fn new(options: RouterOptions) -> Self {
        Self {
            options,
            root: Node::default(),
            routes: Vec::new(),
            verbs: HashSet::new(),
            max_verb_length: 0,
        }
    }

    /// Inserts a route and returns its index: the number of routes before.
    ///
    /// # Errors
    /// [`DuplicateRoute`] if a route has the same kind of methods, and a template that differs in
    /// its variables only. The table is then unchanged.
    pub fn insert(
        &mut self,
        kind: MethodKind,
        template: Template,
        value: T,
    ) -> Result<usize, DuplicateRoute> {
        let node = self.root.entry(template.segments());
        let existing = |end: &&End| end.kind == kind && end.verb.as_deref() == template.verb();
        if let Some(end) = node.ends().iter().find(existing) {
            return Err(DuplicateRoute {
                existing: end.route,
                kind,
                template: template.as_str().into(),
                existing_template: self.routes[end.route].template.as_str().into(),
            });
        }
        let verb: Option<Box<str>> = template.verb().map(Into::into);
        let route = self.routes.len();
        node.push_end(End { verb: verb.clone(), kind: kind.clone(), route });
        if let Some(verb) = verb {
            self.max_verb_length = self.max_verb_length.max(verb.len());
            self.verbs.insert(verb);
        }
        self.routes.push(Route { kind, template, value });
        Ok(route)
    }

    /// Finds the route of a request. `path` is the raw path, without a query.
    ///
    /// # Errors
    /// [`RouteError`] if the path is malformed or has no route, or none for this method.
    pub fn find<'r, 'p>(
        &'r self,
        method: &Method,
        path: &'p str,
    ) -> Result<Match<'r, 'p, T>, RouteError> {
        let mut path = Path::new(path)?;
        if self.options.refuse_dot_segments && path.has_dot_segment() {
            return Err(RouteError::DotSegment);
        }
        let mut allowed = Vec::new();
        if let Some(found) = self.find_exact(method, &mut path, &mut allowed)? {
            return Ok(found);
        }
        if self.options.ignore_trailing_slash
            && path.remove_trailing_slash()
            && let Some(found) = self.find_exact(method, &mut path, &mut allowed)?
        {
            return Ok(found);
        }
        if allowed.is_empty() {
            return Err(RouteError::NotFound);
        }
        Err(RouteError::MethodNotAllowed(Allowed::new(allowed)))
    }

    /// Returns the route with an index.
    pub fn route(&self, index: usize) -> Option<&Route<T>> {
        self.routes.get(index)
    }

    /// Returns the routes in the order of insertion.
    pub fn routes(&self) -> &[Route<T>] {
        &self.routes
    }

    /// Finds the route of a path and takes the path's segments. If there is no route, adds the
    /// methods of the path's routes to `allowed`.
    fn find_exact<'r, 'p>(
        &'r self,
        method: &Method,
        path: &mut Path<'p>,
        allowed: &mut Vec<Method>,
    ) -> Result<Option<Match<'r, 'p, T>>, RouteError> {
        let last = path.last();
        for (stem, verb) in self.verbs_of(last) {
            path.set_last(stem)?;
            if let Some(index) = self.lookup(method, &path.decoded, Some(&verb), allowed) {
                return Ok(Some(self.found(index, path)));
            }
        }
        path.set_last(last)?;
        let index = self.lookup(method, &path.decoded, None, allowed);
        Ok(index.map(|index| self.found(index, path)))
    }

    fn found<'r, 'p>(&'r self, index: usize, path: &mut Path<'p>) -> Match<'r, 'p, T> {
        Match {
            route: &self.routes[index],
            index,
            raw: mem::take(&mut path.raw),
            decoded: mem::take(&mut path.decoded),
            decoding: self.options.multi_segment_decoding,
        }
    }

    /// Returns the verbs that a path may have by its last segment, from the longest, each with the
    /// rest of the segment.
    fn verbs_of<'p>(&self, last: &'p str) -> Vec<(&'p str, Cow<'p, str>)> {
        // An escape takes three bytes for one.
        let tail_length = self.max_verb_length.saturating_mul(3).saturating_add(1);
        let first_colon = last.len().saturating_sub(tail_length);
        let colons = last.bytes().enumerate().skip(first_colon).filter(|(_, byte)| *byte == b':');
        let split = colons.filter_map(|(colon, _)| {
            let verb = percent::decode(&last[colon + 1..]).ok()?;
            self.verbs.contains(&*verb).then(|| (&last[..colon], verb))
        });
        split.collect()
    }

    fn lookup(
        &self,
        method: &Method,
        segments: &[Cow<'_, str>],
        verb: Option<&str>,
        allowed: &mut Vec<Method>,
    ) -> Option<usize> {
        self.root.visit(segments, &mut |node| {
            let mut best: Option<(u8, usize)> = None;
            for end in node.ends().iter().filter(|end| end.verb.as_deref() == verb) {
                if let Some(fit) = end.kind.fit(method) {
                    best = best.max(Some((fit, end.route)));
                } else if let MethodKind::Exact(other) = &end.kind {
                    allowed.push(other.clone());
                }
            }
            best.map(|(_, route)| route)
        })
    }
}

impl<T> Default for Router<T> {
    fn default() -> Self {
        Self::new(RouterOptions::default())
    }
}

impl<'p> Path<'p> {
    fn new(path: &'p str) -> Result<Self, RouteError> {
        // The form `*` of OPTIONS, and the empty path of CONNECT, have no segments.
        let path = path.strip_prefix('/').ok_or(RouteError::NotFound)?;
        let raw: Vec<_> = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
        let decoded =
            raw.iter().map(|segment| percent::decode(segment)).collect::<Result<_, _>>()?;
        Ok(Self { raw, decoded })
    }

    /// Returns the last segment as it is written, or an empty one if there is none.
    fn last(&self) -> &'p str {
        self.raw.last().copied().unwrap_or_default()
    }

    /// Replaces the last segment, if there is one.
    fn set_last(&mut self, segment: &'p str) -> Result<(), EscapeError> {
        if let (Some(raw), Some(decoded)) = (self.raw.last_mut(), self.decoded.last_mut()) {
            *decoded = percent::decode(segment)?;
            *raw = segment;
        }
        Ok(())
    }

    fn has_dot_segment(&self) -> bool {
        self.decoded.iter().any(|segment| matches!(&**segment, "." | ".."))
    }

    /// Removes the empty segment after a trailing slash, and reports whether there was one.
    fn remove_trailing_slash(&mut self) -> bool {
        let has_one = self.raw.last().is_some_and(|last| last.is_empty());
        if has_one {
            self.raw.pop();
            self.decoded.pop();
        }
        has_one
    }
}
