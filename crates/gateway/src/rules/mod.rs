//! HTTP rules of methods, from annotations and from files.
