//! The rules of a book.

use crate::v1::invalid_book::Violation;
use crate::v1::{Book, Genre};

/// Maximum length of an id and of a tag, in bytes.
const MAX_ID: usize = 64;

/// Maximum length of a title and of an author, in bytes.
const MAX_TEXT: usize = 256;

/// Maximum number of tags.
const MAX_TAGS: usize = 16;

/// Maximum year.
const MAX_YEAR: u32 = 9999;

/// Returns the rules that a book breaks.
pub(crate) fn violations(book: &Book) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut check = |field: &str, is_valid: bool, description: String| {
        if !is_valid {
            violations.push(Violation { field: field.to_owned(), description });
        }
    };
    check("id", is_id(&book.id), format!("1 to {MAX_ID} of a-z, 0-9 and -"));
    for (field, text) in [("title", &book.title), ("author", &book.author)] {
        check(field, (1..=MAX_TEXT).contains(&text.len()), format!("1 to {MAX_TEXT} bytes"));
    }
    check("year", book.year <= MAX_YEAR, format!("at most {MAX_YEAR}"));
    check("genre", Genre::try_from(book.genre).is_ok(), "one of the genres".to_owned());
    let are_tags = book.tags.len() <= MAX_TAGS
        && book.tags.iter().all(|tag| (1..=MAX_ID).contains(&tag.len()));
    check("tags", are_tags, format!("at most {MAX_TAGS}, each of 1 to {MAX_ID} bytes"));
    violations
}

fn is_id(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// Returns the id of a book by its title: its letters and digits, with hyphens between words.
pub(crate) fn id_of_title(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut id = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    id.truncate(MAX_ID);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_broken_rule_is_named() {
        let book = Book {
            id: "A b".to_owned(),
            year: 10_000,
            genre: 99,
            tags: vec![String::new()],
            ..Book::default()
        };
        let fields: Vec<_> =
            violations(&book).into_iter().map(|violation| violation.field).collect();
        assert_eq!(fields, ["id", "title", "author", "year", "genre", "tags"]);
    }

    #[test]
    fn an_id_is_made_of_a_title() {
        assert_eq!(id_of_title("Salt & Signal, 2nd edition"), "salt-signal-2nd-edition");
        assert_eq!(id_of_title("…"), "");
        assert_eq!(id_of_title(&"long ".repeat(50)).len(), MAX_ID);
    }
}
