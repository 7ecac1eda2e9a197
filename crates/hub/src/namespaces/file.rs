use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::{Access, Namespaces, Rules};
use crate::core::history::Retention;
use crate::core::outbox::DeliveryPolicy;
use crate::room_options::RoomOptions;

/// The maximum of `history_size`. Chosen: a thousand times the default.
const MAX_SIZE: u64 = 1_000_000;

/// The maximum of `history_bytes`: 1 GiB.
const MAX_BYTES: u64 = 1 << 30;

/// The maximum of `history_age`.
const MAX_AGE: Duration = Duration::from_secs(366 * 86_400);

/// The maximum of `policy_interval`.
const MAX_INTERVAL: Duration = Duration::from_secs(60);

const ACCESS: &str = "one of \"nobody\", \"token\", \"member\", \"user\", \"anybody\"";
const JOIN_ACCESS: &str = "one of \"nobody\", \"token\", \"user\", \"anybody\"";
const POLICIES: &str = "one of \"drop_oldest\", \"drop_newest\", \"latest_by_key\", \
     \"conflate\", \"catch_up\", \"disconnect\"";
const AGE: &str = "a time such as \"90s\", \"10m\", \"6h\" or \"7d\", of at most 366 days";
const INTERVAL: &str = "a time such as \"250ms\" or \"1s\", of at most one minute";

/// The reason why a file of rules is refused, with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamespacesError {
    /// The line, from 1, if the error has a place.
    pub line: Option<usize>,
    /// The key, as it is written there, if the error is one of its value.
    pub key: Option<Box<str>>,
    /// The description of what is wrong, and of what was expected.
    pub message: Box<str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: Option<Section>,
    #[serde(default)]
    namespaces: BTreeMap<Spanned<String>, Section>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    may_join: Option<Spanned<String>>,
    may_publish: Option<Spanned<String>>,
    may_see_presence: Option<Spanned<String>>,
    may_see_history: Option<Spanned<String>>,
    #[serde(default)]
    presence: bool,
    history_size: Option<Spanned<u64>>,
    history_age: Option<Spanned<String>>,
    history_bytes: Option<Spanned<u64>>,
    policy: Option<Spanned<String>>,
    policy_key: Option<Spanned<String>>,
    policy_interval: Option<Spanned<String>>,
}

impl Namespaces {
    /// Reads the rules from a TOML file.
    ///
    /// ```
    /// use sockeye_hub::core::RoomName;
    /// use sockeye_hub::namespaces::{Access, Namespaces};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let namespaces = Namespaces::from_toml(
    ///     r#"
    ///     [default] # rooms without `:`
    ///     may_join = "anybody"
    ///
    ///     [namespaces.chat] # chat:42
    ///     may_join = "token"
    ///     may_publish = "member"
    ///     may_see_presence = "member"
    ///     may_see_history = "member"
    ///     presence = true
    ///     history_size = 1000
    ///     history_age = "6h"
    ///     policy = "catch_up"
    ///     "#,
    /// )?;
    /// assert_eq!(namespaces.rules(&RoomName::new("chat:42")?).join, Access::Token);
    ///
    /// let error = Namespaces::from_toml("[default]\nmay_join = \"all\"").unwrap_err();
    /// assert_eq!((error.line, error.key.as_deref()), (Some(2), Some("may_join")));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// | key | value | default |
    /// |---|---|---|
    /// | `may_join` | `"nobody"`, `"token"`, `"user"` or `"anybody"` | `"nobody"` |
    /// | `may_publish`, `may_see_presence`, `may_see_history` | the same, or `"member"` | `"nobody"` |
    /// | `presence` | `true` if it is known who is in a room | `false` |
    /// | `history_size` | number of publications that are kept, up to 1,000,000; 0 for no history | 0 |
    /// | `history_age` | time for which they are kept, up to 366 days | `"10m"` |
    /// | `history_bytes` | bytes of publications that are kept, up to 1 GiB | 1,048,576 |
    /// | `policy` | treatment of members that read too slowly: `"drop_oldest"`, `"drop_newest"`, `"latest_by_key"`, `"conflate"`, `"catch_up"` or `"disconnect"` | `"drop_oldest"` |
    /// | `policy_key` | tag with the key, for `"latest_by_key"` and `"conflate"` | one key for all |
    /// | `policy_interval` | time between two publications of a key, for `"conflate"` | `"1s"` |
    ///
    /// # Errors
    /// If the text is not TOML, has unknown keys or wrong values, or if values contradict each
    /// other: whoever may see the presence or the history of rooms needs rooms that have one, and
    /// `"catch_up"` needs a history.
    pub fn from_toml(text: &str) -> Result<Self, NamespacesError> {
        let reader = Reader { text };
        let file: File =
            toml::from_str(text).map_err(|error| reader.error_at(error.span(), error.message()))?;
        let mut namespaces = Self::closed();
        if let Some(section) = file.default {
            namespaces = namespaces.default_rules(reader.rules(&section)?);
        }
        for (name, section) in file.namespaces {
            if name.get_ref().is_empty() || name.get_ref().contains(':') {
                let message = "expected a name that is not empty and has no \":\"";
                return Err(reader.error_at(Some(name.span()), message));
            }
            let rules = reader.rules(&section)?;
            namespaces = namespaces.with(name.get_ref(), rules);
        }
        Ok(namespaces)
    }
}

/// The text of a file, in which errors have places.
struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn rules(&self, section: &Section) -> Result<Rules, NamespacesError> {
        let mut rules = Rules::closed();
        rules.join = self.access(section.may_join.as_ref(), JOIN_ACCESS)?;
        if rules.join == Access::Member {
            return Err(self.wrong(section.may_join.as_ref(), JOIN_ACCESS));
        }
        rules.publish = self.access(section.may_publish.as_ref(), ACCESS)?;
        rules.presence = self.access(section.may_see_presence.as_ref(), ACCESS)?;
        rules.history = self.access(section.may_see_history.as_ref(), ACCESS)?;
        if rules.presence != Access::Nobody && !section.presence {
            let expected = "\"nobody\", or presence = true beside it";
            return Err(self.wrong(section.may_see_presence.as_ref(), expected));
        }
        let retention = self.retention(section)?;
        if rules.history != Access::Nobody && retention.is_none() {
            let expected = "\"nobody\", or a history_size beside it";
            return Err(self.wrong(section.may_see_history.as_ref(), expected));
        }
        rules.options = RoomOptions::new().policy(self.policy(section, retention.is_some())?);
        if let Some(retention) = retention {
            rules.options = rules.options.history(retention);
        }
        if section.presence {
            rules.options = rules.options.presence();
        }
        if let Some(key) = &section.policy_key {
            rules.options = rules.options.key_tag(key.get_ref());
        }
        Ok(rules)
    }

    fn access(
        &self,
        value: Option<&Spanned<String>>,
        expected: &str,
    ) -> Result<Access, NamespacesError> {
        let Some(name) = value else { return Ok(Access::Nobody) };
        Access::from_name(name.get_ref()).ok_or_else(|| self.wrong(value, expected))
    }

    fn retention(&self, section: &Section) -> Result<Option<Retention>, NamespacesError> {
        let Retention { age, bytes, .. } = Retention::default();
        let count = section.history_size.as_ref();
        let count = self.number(count, 0, 0..=MAX_SIZE, "a number from 0 to 1000000")?;
        let bytes = self.number(
            section.history_bytes.as_ref(),
            bytes,
            1..=MAX_BYTES,
            "a number of bytes from 1 to 1073741824",
        )?;
        let age = self.time(section.history_age.as_ref(), age, MAX_AGE, AGE)?;
        if count > 0 {
            return Ok(Some(Retention { count, age, bytes }));
        }
        let expected = "a history_size beside it";
        if section.history_age.is_some() {
            return Err(self.wrong(section.history_age.as_ref(), expected));
        }
        if section.history_bytes.is_some() {
            return Err(self.wrong(section.history_bytes.as_ref(), expected));
        }
        Ok(None)
    }

    fn policy(
        &self,
        section: &Section,
        has_history: bool,
    ) -> Result<DeliveryPolicy, NamespacesError> {
        let name = section.policy.as_ref().map(|name| name.get_ref().as_str());
        let interval = section.policy_interval.as_ref();
        let policy = match name {
            None => DeliveryPolicy::default(),
            Some("drop_oldest") => DeliveryPolicy::DropOldest,
            Some("drop_newest") => DeliveryPolicy::DropNewest,
            Some("latest_by_key") => DeliveryPolicy::LatestByKey,
            Some("disconnect") => DeliveryPolicy::Disconnect,
            Some("catch_up") if !has_history => {
                let expected = "a history_size beside \"catch_up\"";
                return Err(self.wrong(section.policy.as_ref(), expected));
            }
            Some("catch_up") => DeliveryPolicy::CatchUp,
            Some("conflate") => DeliveryPolicy::Conflate {
                interval: self.time(interval, Duration::from_secs(1), MAX_INTERVAL, INTERVAL)?,
            },
            Some(_) => return Err(self.wrong(section.policy.as_ref(), POLICIES)),
        };
        if interval.is_some() && name != Some("conflate") {
            return Err(self.wrong(interval, "policy = \"conflate\" beside it"));
        }
        if section.policy_key.is_some() && !policy.is_by_key() {
            let expected = "policy = \"latest_by_key\" or \"conflate\" beside it";
            return Err(self.wrong(section.policy_key.as_ref(), expected));
        }
        Ok(policy)
    }

    fn number(
        &self,
        value: Option<&Spanned<u64>>,
        default: usize,
        range: std::ops::RangeInclusive<u64>,
        expected: &str,
    ) -> Result<usize, NamespacesError> {
        let Some(number) = value else { return Ok(default) };
        let number = Some(*number.get_ref()).filter(|number| range.contains(number));
        let number = number.and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| self.wrong(value, expected))
    }

    fn time(
        &self,
        value: Option<&Spanned<String>>,
        default: Duration,
        maximum: Duration,
        expected: &str,
    ) -> Result<Duration, NamespacesError> {
        let Some(text) = value else { return Ok(default) };
        let time = parse_time(text.get_ref()).filter(|time| !time.is_zero() && *time <= maximum);
        time.ok_or_else(|| self.wrong(value, expected))
    }

    fn wrong<T>(&self, value: Option<&Spanned<T>>, expected: &str) -> NamespacesError {
        self.error_at(value.map(Spanned::span), &format!("expected {expected}"))
    }

    /// Makes an error with the line of a place, and the key on this line.
    fn error_at(&self, span: Option<Range<usize>>, message: &str) -> NamespacesError {
        let before = span.and_then(|span| self.text.get(..span.start));
        let line = before.map(|before| before.matches('\n').count());
        let text = line.and_then(|line| self.text.lines().nth(line));
        let key = text.and_then(|text| text.split_once('=')).map(|(key, _)| key.trim().into());
        NamespacesError { line: line.map(|line| line + 1), key, message: message.into() }
    }
}

/// Parses a whole number with a unit: `ms`, `s`, `m`, `h` or `d`.
fn parse_time(text: &str) -> Option<Duration> {
    let unit = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

impl fmt::Display for NamespacesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl Error for NamespacesError {}
