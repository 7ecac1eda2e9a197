//! Messages as the kind, the id and the fields in their order.

use bytes::{Buf, Bytes};

use super::field::{Field, Malformed};
use super::message::Body;
use super::{Envelope, Undecodable};

pub(super) fn encode<T: Body>(id: Option<u64>, body: &T) -> Bytes {
    let mut out = vec![body.kind()];
    id.unwrap_or(0).put(&mut out);
    body.put(&mut out);
    out.into()
}

pub(super) fn decode<T: Body>(mut input: Bytes) -> Result<Envelope<T>, Undecodable> {
    let malformed = |id, fault: Malformed| Undecodable::new(id, fault.to_string());
    let kind = input.try_get_u8().map_err(|_| malformed(None, Malformed::Truncated))?;
    let id = u64::take(&mut input).map_err(|fault| malformed(None, fault))?;
    let id = Some(id).filter(|id| *id != 0);
    let Some(body) = T::take(kind, &mut input) else {
        return Err(Undecodable::unknown(id, format!("the message of kind {kind} is unknown")));
    };
    let body = body.map_err(|fault| malformed(id, fault))?;
    if !input.is_empty() {
        return Err(malformed(id, Malformed::Trailing(input.len())));
    }
    Ok(Envelope { id, body })
}
