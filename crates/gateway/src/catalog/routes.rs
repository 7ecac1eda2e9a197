//! Routes of JSON over HTTP, from the rules of all methods.

use std::sync::Arc;

use super::{MethodEntry, RouteConflict};
use crate::descriptor::MessageId;
use crate::route::binding::check_variable;
use crate::route::{Router, RouterOptions};
use crate::rules::{Binding, Body, RuleFile, annotation_rules};
use crate::transcode::FieldPath;

/// The target of a route.
#[derive(Clone, Debug)]
pub struct RouteTarget {
    /// The method.
    pub method: Arc<MethodEntry>,
    /// The part of the request message that the body gives.
    pub body: RouteBody,
    /// The field of the response message that is the body; `None` for the whole message.
    pub response_body: Option<FieldPath>,
}

/// The type of bodies that are bytes of any type, rather than JSON.
const HTTP_BODY: &str = "google.api.HttpBody";

impl RouteTarget {
    /// Reports whether the body of a request is a `google.api.HttpBody`.
    pub(crate) fn has_raw_request(&self) -> bool {
        match &self.body {
            RouteBody::None => false,
            RouteBody::Whole => self.is_http_body(Some(self.method.input())),
            RouteBody::Field(path) => {
                self.is_http_body(path.message(self.method.schema().tables()))
            }
        }
    }

    /// Reports whether the body of a response is a `google.api.HttpBody`.
    pub(crate) fn has_raw_response(&self) -> bool {
        self.is_http_body(match &self.response_body {
            None => Some(self.method.output()),
            Some(path) => path.message(self.method.schema().tables()),
        })
    }

    fn is_http_body(&self, id: Option<MessageId>) -> bool {
        id.is_some_and(|id| self.method.schema().pool().message(id).full_name == HTTP_BODY)
    }
}

/// The part of a request message that the body of a request gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteBody {
    /// Nothing.
    None,
    /// All fields that the path does not give.
    Whole,
    /// One field.
    Field(FieldPath),
}

/// The routes of all methods.
pub(super) struct Routes {
    pub(super) router: Router<RouteTarget>,
    pub(super) conflicts: Vec<RouteConflict>,
    /// Number of routes of the file, which come first.
    of_file: usize,
}

/// Builds the routes of these methods, which must be in order. The rules of the file come first:
/// of two equal routes, the first is kept. Rules that cannot be used are left out, with a warning
/// each.
pub(super) fn build<'a>(
    methods: impl Iterator<Item = &'a Arc<MethodEntry>> + Clone,
    file: Option<&RuleFile>,
    options: RouterOptions,
) -> Routes {
    let mut routes = Routes { router: Router::new(options), conflicts: Vec::new(), of_file: 0 };
    for method in methods.clone() {
        for binding in file.map_or(&[][..], |file| file.bindings(&full_name(method))) {
            routes.insert(method, binding.clone());
        }
    }
    routes.of_file = routes.router.routes().len();
    for method in methods {
        let rules = annotation_rules(&full_name(method), &method.descriptor().options);
        for error in rules.errors {
            tracing::warn!(%error, "an HTTP rule is left out");
        }
        for binding in rules.bindings {
            routes.insert(method, binding);
        }
    }
    routes
}

/// Returns the name by which rules select a method: `package.Service.Method`.
fn full_name(method: &MethodEntry) -> String {
    format!("{}.{}", method.service_name(), method.descriptor().name)
}

impl Routes {
    fn insert(&mut self, method: &Arc<MethodEntry>, binding: Binding) {
        let target = match target(method, &binding) {
            Ok(target) => target,
            Err(problem) => {
                tracing::warn!(method = full_name(method), problem, "an HTTP rule is left out");
                return;
            }
        };
        let Err(error) = self.router.insert(binding.kind, binding.template, target) else { return };
        if error.existing < self.of_file {
            tracing::debug!(method = full_name(method), %error, "an annotation is replaced");
            return;
        }
        tracing::warn!(method = full_name(method), %error, "an HTTP rule is left out");
        if let Some(kept) = self.router.route(error.existing) {
            self.conflicts.push(RouteConflict::new(method, &kept.value().method, error));
        }
    }
}

/// Returns the target of a rule, if the messages of the method have the fields that it names.
fn target(method: &Arc<MethodEntry>, binding: &Binding) -> Result<RouteTarget, String> {
    let tables = method.schema().tables();
    for variable in binding.template.variables() {
        check_variable(tables, method.input(), variable.field_path())
            .map_err(|error| error.to_string())?;
    }
    let body = match &binding.body {
        Body::None => RouteBody::None,
        Body::Whole => RouteBody::Whole,
        Body::Field(name) => RouteBody::Field(
            FieldPath::new(tables, method.input(), name).map_err(|error| error.to_string())?,
        ),
    };
    let response_body = match &binding.response_body {
        None => None,
        Some(name) => {
            Some(FieldPath::new(tables, method.output(), name).map_err(|error| error.to_string())?)
        }
    };
    Ok(RouteTarget { method: Arc::clone(method), body, response_body })
}
