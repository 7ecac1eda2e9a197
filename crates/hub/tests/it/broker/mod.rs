//! What the tests of the buses over brokers share.

pub(crate) mod observer;
pub(crate) mod one_order;
pub(crate) mod presence;
