//! The methods.

use std::collections::BTreeSet;
use std::pin::Pin;

use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast::error::RecvError;
use tonic::{Request, Response, Status, Streaming};

use crate::shelf::{Filter, Shelf};
use crate::v1::book_event::Event;
use crate::v1::import_report::Refusal;
use crate::v1::library_server::Library;
use crate::v1::{
    AddBookRequest, Book, BookEvent, GetBookRequest, ImportReport, ListBooksRequest,
    ListBooksResponse, Recommendation, RemoveBookRequest, UpdateBookRequest, WatchBooksRequest,
    Wish,
};

/// Default and maximum number of books on a page.
const DEFAULT_PAGE: usize = 10;
const MAX_PAGE: usize = 100;

/// Maximum number of refusals in a report.
const MAX_REFUSALS: usize = 100;

/// The library. Clones share the books.
#[derive(Clone, Debug, Default)]
pub struct Service {
    shelf: Shelf,
}

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Library for Service {
    async fn get_book(&self, request: Request<GetBookRequest>) -> Result<Response<Book>, Status> {
        self.shelf.find(&request.get_ref().id).map(Response::new)
    }

    async fn list_books(
        &self,
        request: Request<ListBooksRequest>,
    ) -> Result<Response<ListBooksResponse>, Status> {
        let ListBooksRequest { author, genre, page_size, page_token } = request.into_inner();
        let count = match page_size as usize {
            0 => DEFAULT_PAGE,
            count => count.min(MAX_PAGE),
        };
        let (books, has_more) = self.shelf.list(&Filter { author, genre }, &page_token, count);
        let last = books.last().filter(|_| has_more);
        let next_page_token = last.map(|book| book.id.clone()).unwrap_or_default();
        Ok(Response::new(ListBooksResponse { books, next_page_token }))
    }

    async fn add_book(&self, request: Request<AddBookRequest>) -> Result<Response<Book>, Status> {
        self.shelf.add(request.into_inner().book.unwrap_or_default()).map(Response::new)
    }

    async fn update_book(
        &self,
        request: Request<UpdateBookRequest>,
    ) -> Result<Response<Book>, Status> {
        let UpdateBookRequest { book, update_mask } = request.into_inner();
        let paths = update_mask.unwrap_or_default().paths;
        self.shelf.update(book.unwrap_or_default(), &paths).map(Response::new)
    }

    async fn remove_book(
        &self,
        request: Request<RemoveBookRequest>,
    ) -> Result<Response<()>, Status> {
        self.shelf.remove(&request.get_ref().id).map(Response::new)
    }

    type WatchBooksStream = Replies<BookEvent>;

    async fn watch_books(
        &self,
        _request: Request<WatchBooksRequest>,
    ) -> Result<Response<Self::WatchBooksStream>, Status> {
        let (books, events) = self.shelf.watch();
        let present = stream::iter(books).map(Event::Present);
        let changes = stream::unfold(events, |mut events| async move {
            match events.recv().await {
                Ok(event) => Some((event, events)),
                Err(RecvError::Lagged(missed)) => Some((Event::Missed(missed), events)),
                Err(RecvError::Closed) => None,
            }
        });
        let replies = present.chain(changes).map(|event| Ok(BookEvent { event: Some(event) }));
        Ok(Response::new(Box::pin(replies)))
    }

    async fn import_books(
        &self,
        request: Request<Streaming<Book>>,
    ) -> Result<Response<ImportReport>, Status> {
        let mut books = request.into_inner();
        let (mut report, mut index) = (ImportReport::default(), 0);
        while let Some(book) = books.message().await? {
            match self.shelf.add(book) {
                Ok(_) => report.added += 1,
                Err(status) if report.refused.len() < MAX_REFUSALS => {
                    let reason = status.message().to_owned();
                    report.refused.push(Refusal { index, reason });
                }
                Err(_) => {}
            }
            index += 1;
        }
        Ok(Response::new(report))
    }

    type RecommendStream = Replies<Recommendation>;

    async fn recommend(
        &self,
        request: Request<Streaming<Wish>>,
    ) -> Result<Response<Self::RecommendStream>, Status> {
        let (books, mut known) = (self.shelf.clone(), BTreeSet::new());
        let recommend = move |wish: Result<Wish, Status>| -> Result<Recommendation, Status> {
            let Wish { genre, author } = wish?;
            let (found, _) = books.list(&Filter { author, genre }, "", usize::MAX);
            let book = found.into_iter().find(|book| known.insert(book.id.clone()));
            let reason = match &book {
                Some(book) => format!("{} wrote it in {}", book.author, book.year),
                None => "the library has no other book like this".to_owned(),
            };
            Ok(Recommendation { book, reason })
        };
        Ok(Response::new(Box::pin(request.into_inner().map(recommend))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use prost_types::FieldMask;
    use tonic::Code;

    use super::*;
    use crate::v1::Genre;

    async fn ids(service: &Service, request: ListBooksRequest) -> (Vec<String>, String) {
        let page = service.list_books(Request::new(request)).await.unwrap().into_inner();
        (page.books.into_iter().map(|book| book.id).collect(), page.next_page_token)
    }

    #[tokio::test]
    async fn the_library_has_books_in_pages() {
        let service = Service::default();
        let first = ListBooksRequest { page_size: 3, ..Default::default() };
        let (books, token) = ids(&service, first.clone()).await;
        assert_eq!(books, ["engines-at-rest", "maps-of-fog", "salt-and-signal"]);
        let second = ListBooksRequest { page_token: token, ..first };
        let last = ["the-counting-house", "the-northern-river"].map(str::to_owned);
        assert_eq!(ids(&service, second).await, (last.into(), String::new()));
        let poems = ListBooksRequest { genre: Genre::Poetry.into(), ..Default::default() };
        assert_eq!(ids(&service, poems).await.0, ["maps-of-fog"]);
    }

    #[tokio::test]
    async fn a_mask_says_what_changes() {
        let service = Service::default();
        let book = Book { id: "maps-of-fog".into(), year: 2016, ..Default::default() };
        let update_mask = Some(FieldMask { paths: vec!["year".into()] });
        let request = UpdateBookRequest { book: Some(book.clone()), update_mask };
        let changed = service.update_book(Request::new(request)).await.unwrap().into_inner();
        assert_eq!((changed.year, changed.title.as_str()), (2016, "Maps of Fog"));
        let request = UpdateBookRequest { book: Some(book), update_mask: None };
        let status = service.update_book(Request::new(request)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(!status.details().is_empty());
    }

    #[tokio::test]
    async fn watchers_receive_the_books_and_then_the_changes() {
        let service = Service::default();
        let request = Request::new(WatchBooksRequest {});
        let mut events = service.watch_books(request).await.unwrap().into_inner();
        for _ in 0..5 {
            let event = events.next().await.unwrap().unwrap().event;
            assert!(matches!(event, Some(Event::Present(_))), "{event:?}");
        }
        let request = Request::new(RemoveBookRequest { id: "maps-of-fog".into() });
        service.remove_book(request).await.unwrap();
        let event = events.next().await.unwrap().unwrap().event;
        assert_eq!(event, Some(Event::Removed("maps-of-fog".into())));
    }

    #[tokio::test]
    async fn an_unknown_book_is_not_found_and_a_known_one_not_added() {
        let service = Service::default();
        let request = Request::new(GetBookRequest { id: "none".into() });
        let status = service.get_book(request).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, "there is no book \"none\"")
        );
        let request = Request::new(GetBookRequest { id: "maps-of-fog".into() });
        let book = service.get_book(request).await.unwrap().into_inner();
        let request = Request::new(AddBookRequest { book: Some(book) });
        let status = service.add_book(request).await.unwrap_err();
        assert_eq!(status.code(), Code::AlreadyExists);
    }
}
