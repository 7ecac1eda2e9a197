//! Follows the prices of an exchange: subscribes again after each reconnection, and when a number
//! of its sequence is missing.
//!
//!     cargo run -p sockeye --example exchange_feed -- wss://exchange.example/feed BTC-USD ETH-USD
//!
//! The server speaks a protocol as many exchanges have it: `{"type":"subscribe",…}` is answered by
//! a `snapshot` for each product, then by `ticker`s whose `sequence` increases by one.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;

use serde::Deserialize;
use serde_json::json;
use sockeye::Client;
use sockeye::reconnect::{Event, Reconnecting};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: exchange_feed URL PRODUCT…")?;
    let mut feed = Feed::new(Client::new(url), arguments.collect());
    while let Some(update) = feed.next().await? {
        println!("{update}");
    }
    Ok(())
}

/// A change that the feed reports to its program.
#[derive(Debug, PartialEq)]
pub(crate) enum Update {
    /// A new price. It follows the one before without a hole.
    Price { product: String, price: String },
    /// Prices of a product may be missing before the next one.
    Missed { product: String },
    /// The connection was lost; prices are old until it is back.
    Stale,
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Price { product, price } => write!(f, "{product} {price}"),
            Self::Missed { product } => write!(f, "{product} may have missed prices"),
            Self::Stale => f.write_str("no connection"),
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Incoming {
    Snapshot(Ticker),
    Ticker(Ticker),
    Error {
        message: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Ticker {
    product: String,
    price: String,
    sequence: u64,
}

pub(crate) struct Feed {
    connection: Reconnecting,
    products: Vec<String>,
    /// The last number of each product that has a snapshot.
    sequences: HashMap<String, u64>,
}

impl Feed {
    pub(crate) fn new(client: Client, products: Vec<String>) -> Self {
        Self { connection: Reconnecting::new(client), products, sequences: HashMap::new() }
    }

    /// Returns the next update; `None` when the exchange has closed the connection for good.
    pub(crate) async fn next(&mut self) -> Result<Option<Update>> {
        while let Some(event) = self.connection.next().await? {
            match event {
                Event::Connected => {
                    let products = self.products.clone();
                    self.subscribe(&products).await?;
                }
                Event::Message(message) => {
                    let update = self.handle(serde_json::from_slice(message.as_bytes())?).await?;
                    if update.is_some() {
                        return Ok(update);
                    }
                }
                Event::Lost(_) | Event::Closed(_) => {
                    self.sequences.clear();
                    return Ok(Some(Update::Stale));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    async fn handle(&mut self, incoming: Incoming) -> Result<Option<Update>> {
        match incoming {
            Incoming::Snapshot(Ticker { product, price, sequence }) => {
                self.sequences.insert(product.clone(), sequence);
                Ok(Some(Update::Price { product, price }))
            }
            Incoming::Ticker(Ticker { product, price, sequence }) => {
                let Some(last) = self.sequences.get_mut(&product) else {
                    // A snapshot is on its way.
                    return Ok(None);
                };
                if sequence <= *last {
                    return Ok(None);
                }
                if sequence == *last + 1 {
                    *last = sequence;
                    return Ok(Some(Update::Price { product, price }));
                }
                self.sequences.remove(&product);
                self.subscribe(std::slice::from_ref(&product)).await?;
                Ok(Some(Update::Missed { product }))
            }
            Incoming::Error { message } => Err(format!("the exchange refused: {message}").into()),
            Incoming::Other => Ok(None),
        }
    }

    async fn subscribe(&mut self, products: &[String]) -> Result {
        let request = json!({ "type": "subscribe", "products": products });
        self.connection.send(request.to_string()).await?;
        Ok(())
    }
}
