use super::super::base64;
use super::super::error::{Problem, Result, TranscodeError};
use super::super::number::{self, Integer};
use super::super::tables::FieldTable;
use super::Parser;
use crate::descriptor::{EnumId, Kind};
use crate::protobuf::{close_len, open_len};

impl<'t> Parser<'_, 't, '_> {
    /// Reads a value of a kind that is neither a message nor has a length, as its bits on the wire;
    /// `None` for the unknown name of an enum value that is ignored.
    #[inline]
    pub(super) fn scalar(&mut self, kind: Kind) -> Result<Option<u64>> {
        match kind {
            Kind::Bool => self.json.boolean().map(|value| Some(u64::from(value))),
            Kind::Enum(id) => self.enumeration(id),
            Kind::Double => {
                self.float("a number", "a number in the range of a double", number::double)
            }
            Kind::Float => {
                self.float("a number", "a number in the range of a float", number::float)
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
        let quoted = self.json.peek();
        let start = self.json.offset();
        match quoted {
            b'"' => {
                let text = self.json.string("a number")?;
                let valid = number::is_number(&text);
                Ok((if valid { number::integer(&text) } else { None }, start))
            }
            b'-' | b'0'..=b'9' => match self.json.small_integer() {
                Some(integer) => Ok((Some(integer), start)),
                None => Ok((number::integer(self.json.number()?), start)),
            },
            _ => Err(self.json.other_type(number::range(kind))),
        }
    }

    fn float(
        &mut self,
        expected: &'static str,
        range: &'static str,
        parse: impl Fn(&str) -> Option<u64>,
    ) -> Result<Option<u64>> {
        let first = self.json.peek();
        let start = self.json.offset();
        let value = match first {
            b'"' => parse(&self.json.string(expected)?),
            b'-' | b'0'..=b'9' => parse(self.json.number()?),
            _ => return Err(self.json.other_type(expected)),
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
        let begin = self.out.len();
        self.out.extend_from_slice(field.tag());
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
        self.out.extend_from_slice(field.tag());
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
