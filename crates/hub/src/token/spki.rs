//! Public keys as PEM files: `SubjectPublicKeyInfo` of RFC 5280 section 4.1.2.7, in DER.
//!
//! ```text
//!  SEQUENCE { SEQUENCE { algorithm }, BIT STRING { key } }
//!  key of RSA: SEQUENCE { INTEGER modulus, INTEGER exponent }      (RFC 8017 appendix A.1.1)
//!  key of EC:  an uncompressed point                               (RFC 5480 section 2.2)
//! ```

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer, alg_id};

use super::KeyError;
use super::key::Key;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// Reads the first public key of a PEM file.
pub(super) fn read_pem(pem: &[u8]) -> Result<Key, KeyError> {
    if PrivateKeyDer::from_pem_slice(pem).is_ok() {
        return Err(KeyError::PrivateKey);
    }
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| KeyError::NoPublicKey)?;
    read_der(&der)
}

fn read_der(der: &[u8]) -> Result<Key, KeyError> {
    let mut outer = Der(der);
    let mut info = Der(outer.take(SEQUENCE)?);
    let algorithm = info.take(SEQUENCE)?;
    let key = info.take(BIT_STRING)?;
    outer.end()?;
    info.end()?;
    // The first byte is the number of unused bits.
    let key = key.strip_prefix(&[0]).ok_or(KeyError::Encoding)?;
    if algorithm == alg_id::ECDSA_P256.as_ref() {
        return Key::p256(key);
    }
    if algorithm == alg_id::ECDSA_P384.as_ref() {
        return Key::p384(key);
    }
    if algorithm != alg_id::RSA_ENCRYPTION.as_ref() {
        return Err(KeyError::Unsupported);
    }
    let mut outer = Der(key);
    let mut numbers = Der(outer.take(SEQUENCE)?);
    let (modulus, exponent) = (numbers.take(INTEGER)?, numbers.take(INTEGER)?);
    outer.end()?;
    numbers.end()?;
    Key::rsa(modulus, exponent)
}

/// The rest of a sequence of values in DER.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Takes the content of the next value, which must have this tag.
    fn take(&mut self, tag: u8) -> Result<&'a [u8], KeyError> {
        let [first, length, rest @ ..] = self.0 else { return Err(KeyError::Encoding) };
        if *first != tag {
            return Err(KeyError::Encoding);
        }
        // Keys of up to 8,192 bits take lengths of up to two bytes.
        let (length, rest) = match (*length, rest) {
            (length @ 0..=0x7f, rest) => (usize::from(length), rest),
            (0x81, [length, rest @ ..]) => (usize::from(*length), rest),
            (0x82, [high, low, rest @ ..]) => {
                (usize::from(u16::from_be_bytes([*high, *low])), rest)
            }
            _ => return Err(KeyError::Encoding),
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(KeyError::Encoding)?;
        self.0 = rest;
        Ok(content)
    }

    fn end(&self) -> Result<(), KeyError> {
        if self.0.is_empty() { Ok(()) } else { Err(KeyError::Encoding) }
    }
}
