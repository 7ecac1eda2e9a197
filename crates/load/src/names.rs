//! Names of the settings that are closed sets, for command lines and reports.

use std::error::Error;
use std::fmt;

/// The error for a text that names no value of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownName {
    pub(crate) known: &'static [&'static str],
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be one of: {}", self.known.join(", "))
    }
}

impl Error for UnknownName {}

/// Gives each variant of an enum its name: `ALL`, `name`, `Display` and `FromStr`.
macro_rules! impl_names {
    ($type:ident { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $type {
            /// All values, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the name, which [`FromStr`](std::str::FromStr) parses.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::names::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                const KNOWN: &[&str] = &[$($name),+];
                let unknown = $crate::names::UnknownName { known: KNOWN };
                Self::ALL.iter().copied().find(|value| value.name() == name).ok_or(unknown)
            }
        }
    };
}

pub(crate) use impl_names;

#[cfg(test)]
#[expect(unreachable_pub, reason = "the names are public where they are used")]
mod tests {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Order {
        FirstOne,
        Last,
    }

    impl_names!(Order { FirstOne => "first-one", Last => "last" });

    #[test]
    fn every_name_is_parsed_back() {
        for order in Order::ALL {
            assert_eq!(order.to_string().parse(), Ok(*order));
        }
        assert_eq!(Order::FirstOne.name(), "first-one");
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let error = "First-one".parse::<Order>().unwrap_err();
        assert_eq!(error.to_string(), "must be one of: first-one, last");
    }
}
