//! Routes from HTTP requests to methods by path templates.
