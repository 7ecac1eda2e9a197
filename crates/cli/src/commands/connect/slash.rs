//! Commands on a terminal: lines that begin with `/`.

use sockeye::{Message, escape};

use super::input::Input;

/// Returns the order of a command; a note where it is wrong.
pub(super) fn parse(line: &str) -> Input {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (name, rest.trim()) {
        ("/ping", "") => Input::Ping,
        ("/quit" | "/close", "") => close("1000", ""),
        ("/close", rest) => {
            let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
            close(code, reason)
        }
        ("/binary", content) if !content.is_empty() => binary(content),
        _ => Input::Note(
            "expected /ping, /close [CODE [REASON]], /binary TEXT|@FILE or /quit".to_owned(),
        ),
    }
}

fn close(code: &str, reason: &str) -> Input {
    let Ok(code) = code.parse() else {
        return Input::Note(format!("{} is no close code", escape(code)));
    };
    Input::close(code, reason).unwrap_or_else(|failure| Input::Note(failure.to_string()))
}

fn binary(content: &str) -> Input {
    let Some(path) = content.strip_prefix('@') else {
        return Input::Message(Message::from(content.as_bytes()));
    };
    match std::fs::read(path) {
        Ok(bytes) => Input::Message(bytes.into()),
        Err(error) => Input::Note(format!("cannot read {}: {error}", escape(path))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_orders_and_mistakes_are_notes() {
        assert!(matches!(parse("/ping"), Input::Ping));
        assert!(matches!(parse("/close 4000 see you"), Input::Close(frame)
            if u16::from(frame.code) == 4000 && frame.reason.as_str() == "see you"));
        assert!(matches!(parse("/binary abc"), Input::Message(Message::Binary(_))));
        for wrong in ["/close 1005", "/close soon", "/binary @/no/such/file", "/dance", "/binary"] {
            assert!(matches!(parse(wrong), Input::Note(_)), "{wrong}");
        }
    }
}
