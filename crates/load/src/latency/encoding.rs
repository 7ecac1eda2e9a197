//! The binary form of `HdrHistogram`, version 2, compressed: that of its interval logs.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::Latency;

/// The cookies of the two layers of the form, each with the code of its version and word size.
const COOKIE: u32 = 0x1c84_9313;
const COMPRESSED_COOKIE: u32 = 0x1c84_9314;

impl Latency {
    /// Returns the distribution in nanoseconds in the compressed binary form of `HdrHistogram`,
    /// version 2. Base64 of it is a histogram of an interval log.
    pub fn to_hdr(&self) -> Vec<u8> {
        let counts = self.encoded_counts();
        let mut plain = Vec::with_capacity(40 + counts.len());
        plain.extend(COOKIE.to_be_bytes());
        plain.extend(length(&counts));
        // The normalizing index offset is for histograms that were shifted.
        plain.extend(0_u32.to_be_bytes());
        plain.extend(u32::from(self.histogram.sigfig()).to_be_bytes());
        plain.extend(self.histogram.low().to_be_bytes());
        plain.extend(self.histogram.high().to_be_bytes());
        // The ratio of conversion from integers, which is not used.
        plain.extend(1_f64.to_be_bytes());
        plain.extend(counts);
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        let compressed = encoder.write_all(&plain).and_then(|()| encoder.finish());
        // Writing to memory cannot fail.
        let compressed = compressed.unwrap_or_default();
        [&COMPRESSED_COOKIE.to_be_bytes(), &length(&compressed)[..], &compressed].concat()
    }

    /// Encodes the counts up to the last one that is not zero: each as a number, and several zeros
    /// in a row as their negative number.
    fn encoded_counts(&self) -> Vec<u8> {
        let mut encoded = Vec::new();
        let mut zeros = 0_i64;
        for value in self.histogram.iter_all() {
            let count = value.count_at_value();
            if count == 0 {
                zeros += 1;
                continue;
            }
            match std::mem::take(&mut zeros) {
                0 => {}
                1 => push_number(&mut encoded, 0),
                zeros => push_number(&mut encoded, -zeros),
            }
            push_number(&mut encoded, i64::try_from(count).unwrap_or(i64::MAX));
        }
        encoded
    }
}

/// Returns a length as the form has it. A histogram has some thousand counts of nine bytes at most.
fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// Appends a signed number: zigzag, then seven bits a byte, lowest first, but eight in the ninth.
fn push_number(encoded: &mut Vec<u8>, number: i64) {
    let zigzag = number.wrapping_shl(1) ^ (number >> 63);
    let mut rest = u64::from_ne_bytes(zigzag.to_ne_bytes());
    for _ in 0..8 {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            encoded.push(low);
            return;
        }
        encoded.push(low | 0x80);
    }
    let [low, ..] = rest.to_le_bytes();
    encoded.push(low);
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::time::Duration;

    use flate2::read::ZlibDecoder;

    use super::*;

    #[test]
    fn numbers_have_one_to_nine_bytes() {
        for (number, expected) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[126]),
            (64, &[0x80, 1]),
            (i64::MIN, &[0xff; 9]),
        ] {
            let mut encoded = Vec::new();
            push_number(&mut encoded, number);
            assert_eq!(encoded, expected, "{number}");
        }
    }

    #[test]
    fn a_histogram_has_its_header_and_counts() {
        let mut latency = Latency::new();
        latency.record(Duration::from_nanos(3), 5);
        latency.record(Duration::from_nanos(5), 1);
        let encoded = latency.to_hdr();
        assert_eq!(encoded[..4], COMPRESSED_COOKIE.to_be_bytes());
        assert_eq!(encoded[4..8], length(&encoded[8..]));
        let mut plain = Vec::new();
        ZlibDecoder::new(&encoded[8..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain[..4], COOKIE.to_be_bytes());
        // Three zeros, 5, a zero, 1.
        assert_eq!(plain[40..], [5, 10, 0, 2]);
    }
}
