use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use serde::Deserialize;
use toml::Spanned;

use super::raw::RawRule;
use super::{Binding, ParsedRules, RuleError, RuleFault};

/// HTTP rules by the names of methods, from a TOML file.
///
/// ```
/// use sockeye_gateway::rules::{Body, RuleFile};
///
/// let file = RuleFile::from_toml(
///     r#"
///     [[http.rules]]
///     selector = "library.v1.Library.GetBook"
///     get = "/v1/{name=shelves/*/books/*}"
///     additional_bindings = [
///         { post = "/v1/books:get", body = "*" },
///         { custom = { kind = "PURGE", path = "/v1/{name=shelves/*/books/*}" } },
///     ]
///     "#,
/// )?;
/// let rules = file.bindings("library.v1.Library.GetBook");
/// assert_eq!(rules.len(), 3);
/// assert_eq!(rules[1].body, Body::Whole);
/// # Ok::<_, sockeye_gateway::rules::RuleFileError>(())
/// ```
///
/// The keys are those of `google.api.Http` and its `HttpRule`: a file of grpc-gateway in YAML has
/// the same shape. `type` and `config_version` beside `http` are accepted and ignored. A selector
/// is the full name of a method, without wildcards. Rules with the same selector are all valid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleFile {
    methods: BTreeMap<Box<str>, Vec<Binding>>,
    faults: Vec<(usize, RuleError)>,
    fully_decode_reserved_expansion: bool,
}

/// A file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleFileError {
    /// The line, from 1, if the error has a place.
    pub line: Option<usize>,
    /// The column, in characters from 1, if the error has a place.
    pub column: Option<usize>,
    /// The description of what is wrong, and of what was expected.
    pub message: Box<str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "type")]
    _type: Option<String>,
    #[serde(rename = "config_version")]
    _config_version: Option<u32>,
    http: Option<Http>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    #[serde(default)]
    rules: Vec<SelectedRule>,
    #[serde(default)]
    fully_decode_reserved_expansion: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SelectedRule {
    selector: Spanned<String>,
    get: Option<String>,
    put: Option<String>,
    post: Option<String>,
    delete: Option<String>,
    patch: Option<String>,
    custom: Option<Custom>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    response_body: String,
    #[serde(default)]
    additional_bindings: Vec<AdditionalRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdditionalRule {
    get: Option<String>,
    put: Option<String>,
    post: Option<String>,
    delete: Option<String>,
    patch: Option<String>,
    custom: Option<Custom>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    response_body: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Custom {
    kind: String,
    path: String,
}

/// The paths of a rule, in the order of their fields' numbers.
type Patterns = [Option<(&'static str, String)>; 5];

impl RuleFile {
    /// Reads the rules of a file. Rules with a fault are left out: see [`faults`](Self::faults).
    ///
    /// # Errors
    /// [`RuleFileError`] if the text is not TOML, has unknown keys or values of wrong types, or has
    /// a selector that cannot be the name of a method.
    pub fn from_toml(text: &str) -> Result<Self, RuleFileError> {
        let file: File = toml::from_str(text).map_err(|error| {
            let place = error.span().map(|span| place(text, span.start));
            RuleFileError::new(place, error.message())
        })?;
        let Some(http) = file.http else { return Ok(Self::default()) };
        let mut rules = Self {
            fully_decode_reserved_expansion: http.fully_decode_reserved_expansion,
            ..Self::default()
        };
        for rule in http.rules {
            let (line, column) = place(text, rule.selector.span().start);
            let selector = rule.selector.get_ref();
            let name = selector.strip_prefix('.').unwrap_or(selector);
            if !is_method_name(name) {
                let message = format!(
                    "the selector {selector:?} must be the full name of a method, \
                     package.Service.Method, without wildcards"
                );
                return Err(RuleFileError::new(Some((line, column)), &message));
            }
            rules.insert(line, name.into(), rule);
        }
        Ok(rules)
    }

    /// Returns the bindings of a method by its full name, `package.Service.Method`.
    pub fn bindings(&self, method: &str) -> &[Binding] {
        self.methods.get(method).map_or(&[], Vec::as_slice)
    }

    /// Returns the names of the methods that have bindings, in alphabetical order. A name that no
    /// service has is probably a mistake.
    pub fn selectors(&self) -> impl Iterator<Item = &str> {
        self.methods.keys().map(|name| &**name)
    }

    /// Returns the rules that were left out, with their lines from 1.
    pub fn faults(&self) -> &[(usize, RuleError)] {
        &self.faults
    }

    /// Reports whether the file has `fully_decode_reserved_expansion`: variables of several
    /// segments then keep no escapes
    /// ([`MultiSegmentDecoding::All`](crate::route::MultiSegmentDecoding::All)).
    pub fn fully_decode_reserved_expansion(&self) -> bool {
        self.fully_decode_reserved_expansion
    }

    fn insert(&mut self, line: usize, method: Box<str>, rule: SelectedRule) {
        let mut parsed = ParsedRules::default();
        match rule.into_raw() {
            Ok(raw) => raw.parse_into(&method, &mut parsed),
            Err(binding) => {
                let fault = RuleFault::SecondPattern;
                parsed.errors.push(RuleError { method: method.clone(), binding, fault });
            }
        }
        self.faults.extend(parsed.errors.into_iter().map(|error| (line, error)));
        if !parsed.bindings.is_empty() {
            self.methods.entry(method).or_default().extend(parsed.bindings);
        }
    }
}

impl SelectedRule {
    /// Returns the rule, or the number of the binding that has two paths.
    fn into_raw(self) -> Result<RawRule, usize> {
        let Self { get, put, post, delete, patch, custom, body, response_body, .. } = self;
        let pattern =
            pattern(patterns([get, put, post, delete, patch]), custom).map_err(|_| 0_usize)?;
        let additional = self.additional_bindings.into_iter().enumerate();
        let additional_bindings = additional
            .map(|(index, rule)| rule.into_raw().map_err(|_| index + 1))
            .collect::<Result<_, _>>()?;
        Ok(RawRule { pattern, body, response_body, additional_bindings })
    }
}

impl AdditionalRule {
    fn into_raw(self) -> Result<RawRule, SecondPattern> {
        let Self { get, put, post, delete, patch, custom, body, response_body } = self;
        let pattern = pattern(patterns([get, put, post, delete, patch]), custom)?;
        Ok(RawRule { pattern, body, response_body, additional_bindings: Vec::new() })
    }
}

fn patterns(paths: [Option<String>; 5]) -> Patterns {
    let [get, put, post, delete, patch] = paths;
    let kinds = [("GET", get), ("PUT", put), ("POST", post), ("DELETE", delete), ("PATCH", patch)];
    kinds.map(|(kind, path)| path.map(|path| (kind, path)))
}

/// A rule has two paths.
struct SecondPattern;

/// Returns the only pattern, if there is one.
fn pattern(
    patterns: Patterns,
    custom: Option<Custom>,
) -> Result<Option<(String, String)>, SecondPattern> {
    let mut all = patterns
        .into_iter()
        .flatten()
        .map(|(kind, path)| (kind.to_owned(), path))
        .chain(custom.map(|Custom { kind, path }| (kind, path)));
    let first = all.next();
    if all.next().is_some() { Err(SecondPattern) } else { Ok(first) }
}

/// Returns the line and the column of an offset in a text, both from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// Reports whether a text has the form of `Service.Method` with or without a package.
fn is_method_name(text: &str) -> bool {
    let is_identifier = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    text.contains('.') && text.split('.').all(is_identifier)
}

impl RuleFileError {
    fn new(place: Option<(usize, usize)>, message: &str) -> Self {
        let (line, column) = place.unzip();
        Self { line, column, message: message.into() }
    }
}

impl fmt::Display for RuleFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl Error for RuleFileError {}
