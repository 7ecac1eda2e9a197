//! Rooms, publications and observers for the tests of buses over brokers.

pub(crate) mod observer;
pub(crate) mod one_order;
pub(crate) mod presence;
