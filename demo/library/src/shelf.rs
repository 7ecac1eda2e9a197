//! The books.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::broadcast;
use tonic::Status;

use crate::failure::{invalid_book, unknown_book};
use crate::v1::book_event::Event;
use crate::v1::{Book, Genre};
use crate::validate::{id_of_title, violations};

/// Maximum number of books: less than 10 MiB at their maximum size.
const MAX_BOOKS: usize = 1000;

/// Number of events that are kept for callers that read slowly. Beyond it, the oldest are lost to
/// them, and counted.
const BACKLOG: usize = 256;

/// Number of ids in the status of a call for an unknown book.
const MAX_KNOWN_IDS: usize = 5;

/// The books by their ids. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    books: Arc<Mutex<BTreeMap<String, Book>>>,
    events: broadcast::Sender<Event>,
}

/// The properties of books that a caller asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) author: String,
    pub(crate) genre: i32,
}

impl Filter {
    fn matches(&self, book: &Book) -> bool {
        let author = self.author.to_lowercase();
        (self.genre == i32::from(Genre::Unspecified) || self.genre == book.genre)
            && book.author.to_lowercase().contains(&author)
    }
}

impl Default for Shelf {
    /// Creates a library with some books.
    fn default() -> Self {
        let shelf = Self { books: Arc::default(), events: broadcast::Sender::new(BACKLOG) };
        let books = [
            ("The Northern River", "Ada Lind", 1987, Genre::Novel, 312),
            ("Salt and Signal", "Mika Oduya", 2004, Genre::Science, 204),
            ("The Counting House", "Rosa Velasco", 1962, Genre::Novel, 288),
            ("Maps of Fog", "Ines Harrow", 2015, Genre::Poetry, 96),
            ("Engines at Rest", "Tomas Eide", 1999, Genre::History, 421),
        ];
        for (title, author, year, genre, pages) in books {
            let book = Book {
                title: title.to_owned(),
                author: author.to_owned(),
                year,
                genre: genre.into(),
                pages: Some(pages),
                ..Book::default()
            };
            // The books are valid and different: see the tests.
            let _ = shelf.add(book);
        }
        shelf
    }
}

impl Shelf {
    pub(crate) fn find(&self, id: &str) -> Result<Book, Status> {
        let books = self.books();
        books.get(id).cloned().ok_or_else(|| unknown(id, &books))
    }

    /// Returns at most `count` books after the one with the id `after`, and whether there are more.
    pub(crate) fn list(&self, filter: &Filter, after: &str, count: usize) -> (Vec<Book>, bool) {
        let books = self.books();
        let range = books.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        let mut found = range.map(|(_, book)| book).filter(|book| filter.matches(book));
        let page = found.by_ref().take(count).cloned().collect();
        (page, found.next().is_some())
    }

    /// Adds a book, which gets an id of its title if it has none.
    pub(crate) fn add(&self, mut book: Book) -> Result<Book, Status> {
        if book.id.is_empty() {
            book.id = id_of_title(&book.title);
        }
        let violations = violations(&book);
        if !violations.is_empty() {
            return Err(invalid_book(violations));
        }
        book.added = Some(SystemTime::now().into());
        let mut books = self.books();
        if books.contains_key(&book.id) {
            return Err(Status::already_exists(format!("there is a book {:?} already", book.id)));
        }
        if books.len() >= MAX_BOOKS {
            let message = format!("the library has {MAX_BOOKS} books, and space for no more");
            return Err(Status::resource_exhausted(message));
        }
        books.insert(book.id.clone(), book.clone());
        self.tell(Event::Added(book.clone()));
        Ok(book)
    }

    /// Changes the fields of a book that `paths` names; all that `changes` has if there are none.
    pub(crate) fn update(&self, changes: Book, paths: &[String]) -> Result<Book, Status> {
        const FIELDS: [&str; 6] = ["title", "author", "year", "genre", "pages", "tags"];
        let unknown_path = paths.iter().find(|path| !FIELDS.contains(&path.as_str()));
        if let Some(path) = unknown_path {
            let message = format!("update_mask has {path:?}; it may have {}", FIELDS.join(", "));
            return Err(Status::invalid_argument(message));
        }
        let mut books = self.books();
        let Some(old) = books.get(&changes.id).cloned() else {
            return Err(unknown(&changes.id, &books));
        };
        let mut book = changes;
        let names = |path: &str| paths.is_empty() || paths.iter().any(|named| named == path);
        if !names("title") {
            book.title = old.title;
        }
        if !names("author") {
            book.author = old.author;
        }
        if !names("year") {
            book.year = old.year;
        }
        if !names("genre") {
            book.genre = old.genre;
        }
        if !names("pages") {
            book.pages = old.pages;
        }
        if !names("tags") {
            book.tags = old.tags;
        }
        book.added = old.added;
        let violations = violations(&book);
        if !violations.is_empty() {
            return Err(invalid_book(violations));
        }
        books.insert(book.id.clone(), book.clone());
        self.tell(Event::Updated(book.clone()));
        Ok(book)
    }

    pub(crate) fn remove(&self, id: &str) -> Result<(), Status> {
        let mut books = self.books();
        if books.remove(id).is_none() {
            return Err(unknown(id, &books));
        }
        self.tell(Event::Removed(id.to_owned()));
        Ok(())
    }

    /// Returns all books, and the events from then on.
    pub(crate) fn watch(&self) -> (Vec<Book>, broadcast::Receiver<Event>) {
        let books = self.books();
        (books.values().cloned().collect(), self.events.subscribe())
    }

    /// Tells an event while the books are locked, so that the events are in order.
    fn tell(&self, event: Event) {
        // Nobody may be watching.
        let _ = self.events.send(event);
    }

    fn books(&self) -> MutexGuard<'_, BTreeMap<String, Book>> {
        // A panic leaves a consistent state behind: each book is replaced in one step.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(id: &str, books: &BTreeMap<String, Book>) -> Status {
    unknown_book(id, books.keys().take(MAX_KNOWN_IDS).cloned().collect())
}
