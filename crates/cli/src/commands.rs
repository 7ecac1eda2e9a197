//! The commands of the program, each with its arguments.

pub(crate) mod bench;
pub(crate) mod call;
pub(crate) mod config;
pub(crate) mod connect;
pub(crate) mod exec;
pub(crate) mod gateway;
pub(crate) mod generate;
pub(crate) mod serve;
pub(crate) mod tunnel;
