mod fixtures;
mod mapping;
mod options;
mod properties;
mod rest;
mod wire;
