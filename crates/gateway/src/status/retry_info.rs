use std::time::Duration;

use super::Status;
use crate::protobuf::{put_len_field, put_varint_field};

const TYPE_URL: &str = "type.googleapis.com/google.rpc.RetryInfo";

impl Status {
    /// Adds the time after which a client may try again, as a `google.rpc.RetryInfo`. Replaces
    /// other details.
    pub(crate) fn with_retry_delay(self, delay: Duration) -> Self {
        let mut duration = Vec::new();
        put_varint_field(&mut duration, 1, delay.as_secs());
        put_varint_field(&mut duration, 2, delay.subsec_nanos().into());
        let mut info = Vec::new();
        put_len_field(&mut info, 1, &duration);
        let mut any = Vec::new();
        put_len_field(&mut any, 1, TYPE_URL.as_bytes());
        put_len_field(&mut any, 2, &info);
        let mut status = Vec::new();
        put_varint_field(&mut status, 1, self.code.number().into());
        put_len_field(&mut status, 2, self.message.as_bytes());
        put_len_field(&mut status, 3, &any);
        Self { details: status.into(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Code, StatusDetails};

    #[test]
    fn the_delay_is_a_detail() {
        let status = Status::new(Code::ResourceExhausted, "slow down");
        let status = status.with_retry_delay(Duration::from_millis(1_500));
        let decoded = StatusDetails::decode(&status.details).unwrap();
        assert_eq!((decoded.code, &*decoded.message), (Code::ResourceExhausted, "slow down"));
        let [detail] = &decoded.details[..] else { panic!("{decoded:?}") };
        assert_eq!(detail.type_name(), "google.rpc.RetryInfo");
        // 1: { 1: 1, 2: 500,000,000 }
        assert_eq!(&detail.value[..], b"\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01");
    }
}
