pub(crate) mod message;
mod router;
mod table;
mod template;
