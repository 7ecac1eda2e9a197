//! The programs of the book: each page below `docs/` that has Rust code is a module here, whose
//! examples `cargo test --doc` compiles.

macro_rules! pages {
    ($($name:ident: $path:literal;)*) => {$(
        #[doc = include_str!(concat!("../../../docs/", $path))]
        pub mod $name {}
    )*};
}

pages! {
    first_steps: "first-steps.md";
    library: "library.md";
    browser: "browser.md";
    mux: "mux.md";
    hub: "hub.md";
    gateway: "gateway.md";
    from_tokio_tungstenite: "migrate/tokio-tungstenite.md";
    from_axum: "migrate/axum.md";
    from_gorilla: "migrate/gorilla.md";
    from_centrifugo: "migrate/centrifugo.md";
    from_grpc_gateway: "migrate/grpc-gateway.md";
}
