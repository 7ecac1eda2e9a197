//! An address that is already in use is explained.

use crate::program;

#[test]
fn a_taken_port_is_explained() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let error_output = program::error_output(&["serve", "--listen", &address]);
    assert_eq!(
        error_output,
        format!(
            "sockeye: cannot listen on {address}: another program uses this address; stop that \
             program, choose another port, or let the system pick a free one with \
             --listen 127.0.0.1:0\n"
        )
    );
}
