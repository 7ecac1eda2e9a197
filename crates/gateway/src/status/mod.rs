//! gRPC status codes, their HTTP forms, and bodies of errors.
