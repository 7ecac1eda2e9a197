//! Texts with placeholders, such as `%{num_sent}` and `{{user}}`.

/// Replaces each placeholder between `open` and `close` by its value. Those without one stay.
pub(super) fn replace(
    text: &str,
    [open, close]: [&str; 2],
    mut value: impl FnMut(&str) -> Option<String>,
) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        replaced.push_str(before);
        let named = after.split_once(close);
        if let Some((value, after)) = named.and_then(|(name, after)| Some((value(name)?, after))) {
            replaced.push_str(&value);
            rest = after;
        } else {
            replaced.push_str(open);
            rest = after;
        }
    }
    replaced + rest
}
