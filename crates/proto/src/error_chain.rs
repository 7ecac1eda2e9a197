use std::error::Error;
use std::fmt;

/// A wrapper that displays an error and its causes in one line, separated by colons.
///
/// A cause is omitted if the line already contains its text. The errors of this workspace end with
/// the text of their cause, so they do not need `ErrorChain`: it is for errors of other crates.
///
/// ```
/// use std::io;
///
/// use sockeye_proto::ErrorChain;
///
/// let error = io::Error::other(sockeye_proto::UsageError::NoMessage);
/// assert_eq!(ErrorChain(&error).to_string(), "there is no message to add a fragment to");
/// ```
#[derive(Debug)]
pub struct ErrorChain<'a>(pub &'a (dyn Error + 'a));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut next = self.0.source();
        while let Some(cause) = next {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            next = cause.source();
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as &(dyn Error + 'static))
        }
    }

    #[test]
    fn each_cause_is_displayed_once() {
        let reset = Layer("reset", None);
        let http = Layer("connection error: reset", Some(Box::new(reset)));
        let outer = Layer("the call failed", Some(Box::new(http)));
        assert_eq!(ErrorChain(&outer).to_string(), "the call failed: connection error: reset");
    }
}
