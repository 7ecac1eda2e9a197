use crate::protobuf::{Reader, Span, WireError, WireType};

/// The edition number of proto2 files.
pub(super) const PROTO2: u64 = 998;
/// The edition number of proto3 files.
pub(super) const PROTO3: u64 = 999;

/// Rules for the presence and encoding of fields, which files, messages and fields inherit from
/// their parents and change: `google.protobuf.FeatureSet`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a feature of its own")]
pub(super) struct Features {
    /// A scalar field knows whether it is set.
    pub(super) explicit_presence: bool,
    /// Each message must have the field.
    pub(super) required: bool,
    /// An enum has no other values than those declared.
    pub(super) closed: bool,
    /// Repeated numbers are written as one field.
    pub(super) packed: bool,
    /// Strings must be UTF-8.
    pub(super) utf8: bool,
    /// Messages are written as groups.
    pub(super) delimited: bool,
}

impl Features {
    /// The features of a file that sets none. Editions from 2023 on have the same defaults.
    pub(super) fn of_edition(edition: u64) -> Self {
        let proto2 = edition == PROTO2;
        Self {
            explicit_presence: edition != PROTO3,
            required: false,
            closed: proto2,
            packed: !proto2,
            utf8: !proto2,
            delimited: false,
        }
    }

    /// Returns the features with the changes of a serialized `FeatureSet`.
    pub(super) fn with(mut self, set: &[u8]) -> Result<Self, WireError> {
        const IMPLICIT: u64 = 2;
        const REQUIRED: u64 = 3;
        const CLOSED: u64 = 2;
        const PACKED: u64 = 1;
        const VERIFY: u64 = 2;
        const DELIMITED: u64 = 2;

        let mut reader = Reader::new(set, Span::of(set))?;
        while let Some(field) = reader.field()? {
            if field.wire_type != WireType::Varint || field.value == 0 {
                continue;
            }
            match field.number {
                1 => {
                    self.explicit_presence = field.value != IMPLICIT;
                    self.required = field.value == REQUIRED;
                }
                2 => self.closed = field.value == CLOSED,
                3 => self.packed = field.value == PACKED,
                4 => self.utf8 = field.value == VERIFY,
                5 => self.delimited = field.value == DELIMITED,
                _ => {}
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_edition_has_its_defaults() {
        let proto2 = Features::of_edition(PROTO2);
        assert!(proto2.explicit_presence && proto2.closed && !proto2.packed && !proto2.utf8);
        let proto3 = Features::of_edition(PROTO3);
        assert!(!proto3.explicit_presence && !proto3.closed && proto3.packed && proto3.utf8);
        let later = Features::of_edition(1000);
        assert!(later.explicit_presence && !later.closed && later.packed && later.utf8);
        assert_eq!(Features::of_edition(1002), later);
    }

    #[test]
    fn a_feature_set_changes_only_what_it_names() {
        let base = Features::of_edition(1000);
        let changed = base.with(b"\x10\x02\x28\x02").unwrap();
        assert_eq!(changed, Features { closed: true, delimited: true, ..base });
        assert_eq!(base.with(b"\x08\x02").unwrap(), Features { explicit_presence: false, ..base });
        assert_eq!(base.with(b"\x18\x02").unwrap(), Features { packed: false, ..base });
        assert_eq!(base.with(b"\x20\x03").unwrap(), Features { utf8: false, ..base });
        assert!(base.with(b"\x08").is_err());
    }
}
