//! The properties of descriptors and rules.

use bytes::Bytes;

use super::transcoding::check_message;
use crate::catalog::Schema;
use crate::descriptor::Pool;
use crate::reflection::FileSet;
use crate::route::Template;
use crate::rules::{Binding, RuleFile, annotation_rules};
use crate::transcode::Tables;

/// Maximum number of messages that are tried with a set.
const MAX_MESSAGES: usize = 16;

pub(super) fn check(input: &[u8]) {
    let Ok(pool) = Pool::from_set(input) else { return };
    for service in pool.services() {
        for method in &service.methods {
            let path = format!("{}/{}", service.full_name, method.name);
            assert!(pool.find_method(&path).is_some());
        }
    }
    let Ok(tables) = Tables::new(&pool) else { return };
    for message in pool.messages().iter().take(MAX_MESSAGES) {
        // Names of hostile sets may be there twice.
        let Some(id) = tables.find_message(&message.full_name) else { continue };
        check_message(&tables, id, input);
    }
}

pub(super) fn check_file_set(input: &[u8]) {
    let Ok(set) = FileSet::from_descriptor_set(Bytes::copy_from_slice(input)) else { return };
    assert!(set.files().all(|file| file.len() <= input.len()));
    let Ok(schema) = Schema::new(&set) else { return };
    for name in schema.services() {
        assert!(schema.pool().find_service(name).is_some());
    }
}

pub(super) fn check_rules(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else { return };
    if kind % 2 == 0 {
        let parsed = annotation_rules("pkg.Service.Method", rest);
        parsed.bindings.iter().for_each(check_binding);
        return;
    }
    let Ok(text) = std::str::from_utf8(rest) else { return };
    if let Ok(file) = RuleFile::from_toml(text) {
        for selector in file.selectors() {
            file.bindings(selector).iter().for_each(check_binding);
        }
    }
}

fn check_binding(binding: &Binding) {
    let template = &binding.template;
    assert_eq!(Template::parse(template.as_str()).as_ref(), Ok(template));
}
