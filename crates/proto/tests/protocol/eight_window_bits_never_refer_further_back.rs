//! zlib has no window of 256 bytes. A window of 512 bytes replaces it, and must not refer further
//! back than 256.

use proptest::prelude::*;
use sockeye_proto::Role;
use sockeye_proto::deflate::{Deflate, Deflater};

fn eight_bits(level: u8, no_context_takeover: bool) -> Deflater {
    let deflate = Deflate::new()
        .no_context_takeover(no_context_takeover)
        .level(level)
        .and_then(|deflate| deflate.max_window_bits(8))
        .unwrap();
    let (parameters, _) = deflate.accept(&[Deflate::new().offer()]).unwrap();
    assert_eq!(parameters.sending(Role::Server).max_window_bits(), 8);
    parameters.deflater(Role::Server, &deflate)
}

#[test]
fn repetitions_at_every_distance_are_found_only_within_the_window() {
    for level in [1, 2, 3, 6, 9] {
        let mut farthest = 0;
        for distance in 1..600usize {
            let pattern: Vec<u8> = (0..distance).map(|n| (n * n % 251 + n / 251) as u8).collect();
            let mut wire = Vec::new();
            eight_bits(level, true).compress(&pattern.repeat(4), true, &mut wire);
            farthest = farthest.max(farthest_reference(&wire));
        }
        assert!((200..=256).contains(&farthest), "level {level}: {farthest}");
    }
}

proptest! {
    #[test]
    fn no_message_refers_further_back(
        level in 0..=9u8,
        no_takeover in any::<bool>(),
        messages in prop::collection::vec(prop::collection::vec(b'a'..b'f', 0..3000), 1..6),
    ) {
        let mut deflater = eight_bits(level, no_takeover);
        let mut wire = Vec::new();
        for message in messages {
            deflater.compress(&message, true, &mut wire);
            wire.extend_from_slice(&[0x00, 0x00, 0xff, 0xff]);
        }
        prop_assert!(farthest_reference(&wire) <= 256);
    }
}

/// Returns the largest distance in DEFLATE data (RFC 1951), and parses nothing else.
pub(crate) fn farthest_reference(data: &[u8]) -> usize {
    let mut reader = Reader { data, position: 0 };
    let mut farthest = 0;
    // A message without its tail ends inside the header of an empty block.
    while reader.left() > 3 + 7 {
        reader.bits(1);
        match reader.bits(2) {
            0 => {
                reader.position = reader.position.next_multiple_of(8);
                if reader.left() < 32 {
                    break;
                }
                let length = reader.bits(16);
                reader.bits(16);
                reader.position += 8 * length;
            }
            1 => {
                let lengths = [vec![8; 144], vec![9; 112], vec![7; 24], vec![8; 8]].concat();
                reader.block(&Codes::new(&lengths), &Codes::new(&[5; 30]), &mut farthest);
            }
            2 => {
                let (literals, distances) = reader.codes();
                reader.block(&literals, &distances, &mut farthest);
            }
            _ => panic!("a reserved block type"),
        }
    }
    farthest
}

/// Codes by length and value, with their symbols.
struct Codes(std::collections::HashMap<(u8, u16), usize>);

impl Codes {
    fn new(lengths: &[u8]) -> Self {
        let mut codes = std::collections::HashMap::new();
        let mut next = 0u16;
        for length in 1..=15 {
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, own)| **own == length) {
                codes.insert((length, next), symbol);
                next += 1;
            }
            next <<= 1;
        }
        Self(codes)
    }
}

struct Reader<'a> {
    data: &'a [u8],
    /// Position in `data`, in bits.
    position: usize,
}

impl Reader<'_> {
    fn left(&self) -> usize {
        (self.data.len() * 8).saturating_sub(self.position)
    }

    fn bits(&mut self, count: usize) -> usize {
        (0..count).fold(0, |bits, index| {
            let byte = self.data[self.position / 8];
            let bit = byte >> (self.position % 8) & 1;
            self.position += 1;
            bits | usize::from(bit) << index
        })
    }

    fn symbol(&mut self, codes: &Codes) -> usize {
        let mut code = 0;
        for length in 1..=15 {
            code = code << 1 | self.bits(1) as u16;
            if let Some(symbol) = codes.0.get(&(length, code)) {
                return *symbol;
            }
        }
        panic!("no such code");
    }

    fn block(&mut self, literals: &Codes, distances: &Codes, farthest: &mut usize) {
        loop {
            let symbol = self.symbol(literals);
            match symbol {
                0..=255 => continue,
                256 => return,
                // Length codes have no, or 1 to 5, extra bits.
                257..=264 | 285 => {}
                _ => {
                    self.bits((symbol - 261) / 4);
                }
            }
            let symbol = self.symbol(distances);
            let further = (symbol / 2).saturating_sub(1);
            let base = if symbol < 4 { symbol } else { (2 + symbol % 2) << further };
            *farthest = (base + self.bits(further) + 1).max(*farthest);
        }
    }

    fn codes(&mut self) -> (Codes, Codes) {
        let literals = self.bits(5) + 257;
        let distances = self.bits(5) + 1;
        let count = self.bits(4) + 4;
        let mut lengths = [0; 19];
        let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        for index in &order[..count] {
            lengths[*index] = self.bits(3) as u8;
        }
        let meta = Codes::new(&lengths);
        let mut lengths: Vec<u8> = Vec::new();
        while lengths.len() < literals + distances {
            let (length, times) = match self.symbol(&meta) {
                16 => (*lengths.last().expect("something to repeat"), 3 + self.bits(2)),
                17 => (0, 3 + self.bits(3)),
                18 => (0, 11 + self.bits(7)),
                length => (length as u8, 1),
            };
            lengths.extend(std::iter::repeat_n(length, times));
        }
        (Codes::new(&lengths[..literals]), Codes::new(&lengths[literals..]))
    }
}
