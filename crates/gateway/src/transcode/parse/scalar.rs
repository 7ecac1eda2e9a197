use super::super::base64;
use super::super::decimal::Decimal;
use super::super::error::{Problem, Result, TranscodeError};
use super::super::number::{self, Integer};
use super::super::tables::FieldTable;
use super::Parser;
use crate::descriptor::{EnumId, Kind};
use crate::protobuf::{close_len, open_len, put_bytes};

impl<'t> Parser<'_, 't, '_> {
    /// Reads a value of a kind that is neither a message nor has a length, as its bits on the wire;
    /// `None` for the unknown name of an enum value that is ignored.
    #[inline]
    pub(super) fn scalar(&mut self, kind: Kind) -> Result<Option<u64>> {
        match kind {
            Kind::Bool => self.json.boolean().map(|value| Some(u64::from(value))),
            Kind::Enum(id) => self.enumeration(id),
            Kind::Double => {
                let start = self.json.offset();
                match self.json.decimal().and_then(Decimal::to_f64) {
                    Some(value) => Ok(Some(value.to_bits())),
                    None => self.float(start, "a number in the range of a double", number::double),
                }
            }
            Kind::Float => {
                let start = self.json.offset();
                match self.json.decimal().and_then(Decimal::to_f32) {
                    Some(value) => Ok(Some(u64::from(value.to_bits()))),
                    None => self.float(start, "a number in the range of a float", number::float),
                }
            }
            _ => {
                let (integer, start) = self.integer(kind)?;
                let Some(value) = integer.and_then(|integer| integer.to_wire(kind)) else {
                    let expected = number::range(kind);
                    return Err(TranscodeError::new(Problem::Value { expected }, start));
                };
                Ok(Some(value))
            }
        }
    }

    /// Reads a number, quoted or not, and returns it with its offset; `None` if it is not whole.
    #[inline]
    fn integer(&mut self, kind: Kind) -> Result<(Option<Integer>, usize)> {
        self.json.peek();
        let start = self.json.offset();
        if let Some(Decimal { negative, magnitude, scale: 0, .. }) = self.json.decimal() {
            return Ok((Some(Integer { negative, magnitude }), start));
        }
        self.json.rewind(start);
        Ok((self.long_integer(kind)?, start))
    }

    /// As [`integer`](Self::integer), for numbers however they are written.
    fn long_integer(&mut self, kind: Kind) -> Result<Option<Integer>> {
        match self.json.peek() {
            b'"' => {
                let text = self.json.string("a number")?;
                Ok(if number::is_number(&text) { number::integer(&text) } else { None })
            }
            b'-' | b'0'..=b'9' => Ok(number::integer(self.json.number()?)),
            _ => Err(self.json.other_type(number::range(kind))),
        }
    }

    /// Reads a floating-point number, quoted or not, at `offset`.
    fn float(
        &mut self,
        offset: usize,
        range: &'static str,
        parse: fn(&str) -> Option<u64>,
    ) -> Result<Option<u64>> {
        const EXPECTED: &str = "a number";

        self.json.rewind(offset);
        let first = self.json.peek();
        let start = self.json.offset();
        let value = match first {
            b'"' => parse(&self.json.string(EXPECTED)?),
            b'-' | b'0'..=b'9' => parse(self.json.number()?),
            _ => return Err(self.json.other_type(EXPECTED)),
        };
        match value {
            Some(value) => Ok(Some(value)),
            None => Err(TranscodeError::new(Problem::Value { expected: range }, start)),
        }
    }

    #[expect(clippy::cast_sign_loss, reason = "the wire has two's complement")]
    fn enumeration(&mut self, id: EnumId) -> Result<Option<u64>> {
        let values = self.tables.enumeration(id);
        let first = self.json.peek();
        let start = self.json.offset();
        let number = match first {
            b'"' => {
                let name = self.json.string("the name of an enum value")?;
                values.number_of(&name)
            }
            b'-' | b'0'..=b'9' => {
                let integer = self.integer(Kind::Int32)?.0;
                let Some(number) = integer.and_then(Integer::as_i32) else {
                    let expected = number::range(Kind::Int32);
                    return Err(TranscodeError::new(Problem::Value { expected }, start));
                };
                values.admits(number).then_some(number)
            }
            b'n' if values.null => {
                self.json.null()?;
                Some(0)
            }
            _ => return Err(self.json.other_type("the name or number of an enum value")),
        };
        match number {
            Some(number) => Ok(Some(i64::from(number) as u64)),
            None if self.options.ignore_unknown => Ok(None),
            None => Err(TranscodeError::new(Problem::UnknownEnumValue, start)),
        }
    }

    /// Reads a string and writes it with its tag, unless it is empty and not `explicit`.
    #[inline]
    pub(super) fn string(&mut self, field: &'t FieldTable, explicit: bool) -> Result<()> {
        if let Some(text) = self.json.plain_string("a string")? {
            if explicit || !text.is_empty() {
                field.put_tag(self.out);
                put_bytes(self.out, text.as_bytes());
            }
            return Ok(());
        }
        let begin = self.out.len();
        field.put_tag(self.out);
        let start = open_len(self.out);
        self.json.string_into(self.out)?;
        self.close(begin, start, explicit);
        Ok(())
    }

    /// Reads base64 and writes its bytes with a tag, unless there are none and not `explicit`.
    pub(super) fn bytes(&mut self, field: &'t FieldTable, explicit: bool) -> Result<()> {
        let begin = self.out.len();
        self.json.peek();
        let offset = self.json.offset();
        let text = self.json.string("a string in base64")?;
        field.put_tag(self.out);
        let start = open_len(self.out);
        if !base64::decode(text.as_bytes(), self.out) {
            return Err(TranscodeError::new(Problem::Value { expected: "base64" }, offset));
        }
        self.close(begin, start, explicit);
        Ok(())
    }

    #[inline]
    fn close(&mut self, begin: usize, start: usize, explicit: bool) {
        if self.out.len() == start && !explicit {
            self.out.truncate(begin);
        } else {
            close_len(self.out, start);
        }
    }
}
