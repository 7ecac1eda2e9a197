//! Timeouts of calls in the header forms of the dialects.
