use super::super::error::{Problem, Result, TranscodeError};
use super::super::mask::snake_case;
use super::super::number;
use super::super::tables::Shape;
use super::super::time;
use super::Parser;
use crate::descriptor::MessageId;
use crate::protobuf::{WireType, close_len, open_len, put_bytes, put_tag};

impl Parser<'_, '_, '_> {
    /// Reads a `Timestamp` or a `Duration`.
    pub(super) fn time(&mut self, shape: Shape) -> Result<()> {
        self.json.peek();
        let start = self.json.offset();
        let expected = if shape == Shape::Timestamp { time::TIMESTAMP } else { time::DURATION };
        let text = self.json.string(expected)?;
        let parsed = match shape {
            Shape::Timestamp => time::parse_timestamp(&text),
            _ => time::parse_duration(&text),
        };
        match parsed {
            Some(time) => {
                super::super::encode::put_time(time, self.options.write_zeros, self.out);
                Ok(())
            }
            None => Err(TranscodeError::new(Problem::Value { expected }, start)),
        }
    }

    pub(super) fn field_mask(&mut self) -> Result<()> {
        const PATHS: u32 = 1;

        self.json.peek();
        let start = self.json.offset();
        let text = self.json.string("a string of field paths with commas between them")?;
        for path in text.split(',').filter(|_| !text.is_empty()) {
            let Some(path) = snake_case(path) else {
                let expected = "field paths in lowerCamelCase";
                return Err(TranscodeError::new(Problem::Value { expected }, start));
            };
            put_tag(self.out, PATHS, WireType::Len);
            put_bytes(self.out, path.as_bytes());
        }
        Ok(())
    }

    /// Reads a value of any type: a `google.protobuf.Value`.
    pub(super) fn any_json(&mut self, depth: u32) -> Result<()> {
        const NULL: u32 = 1;
        const NUMBER: u32 = 2;
        const STRING: u32 = 3;
        const BOOL: u32 = 4;
        const STRUCT: u32 = 5;
        const LIST: u32 = 6;

        match self.json.peek() {
            b'{' => {
                put_tag(self.out, STRUCT, WireType::Len);
                let start = open_len(self.out);
                self.structure(depth)?;
                close_len(self.out, start);
            }
            b'[' => {
                put_tag(self.out, LIST, WireType::Len);
                let start = open_len(self.out);
                self.list_value(depth)?;
                close_len(self.out, start);
            }
            b'"' => {
                put_tag(self.out, STRING, WireType::Len);
                let start = open_len(self.out);
                self.json.string_into(self.out)?;
                close_len(self.out, start);
            }
            b't' | b'f' => {
                let value = self.json.boolean()?;
                put_tag(self.out, BOOL, WireType::Varint);
                self.out.push(u8::from(value));
            }
            b'n' => {
                self.json.null()?;
                put_tag(self.out, NULL, WireType::Varint);
                self.out.push(0);
            }
            b'-' | b'0'..=b'9' => {
                let start = self.json.offset();
                let Some(value) = number::double(self.json.number()?) else {
                    let expected = "a number in the range of a double";
                    return Err(TranscodeError::new(Problem::Value { expected }, start));
                };
                put_tag(self.out, NUMBER, WireType::Fixed64);
                self.out.extend_from_slice(&value.to_le_bytes());
            }
            _ => return Err(self.json.other_type("a value")),
        }
        Ok(())
    }

    /// Reads an array of values of any type: a `google.protobuf.ListValue`.
    pub(super) fn list_value(&mut self, depth: u32) -> Result<()> {
        const VALUES: u32 = 1;

        self.enter(depth)?;
        self.json.begin_array("an array")?;
        let mut first = true;
        let mut index = 0;
        while self.json.element(&mut first)? {
            put_tag(self.out, VALUES, WireType::Len);
            let start = open_len(self.out);
            self.any_json(depth + 1).map_err(|error| error.in_element(index))?;
            close_len(self.out, start);
            index += 1;
        }
        Ok(())
    }

    /// Reads an `Any`: an object with `@type`, and the fields of that type or, if it has a form of
    /// its own in JSON, its `value`.
    pub(super) fn any(&mut self, depth: u32) -> Result<()> {
        const TYPE_URL: u32 = 1;
        const VALUE: u32 = 2;

        self.enter(depth)?;
        self.json.begin_object("an object with \"@type\"")?;
        let start = self.json.offset();
        let Some(url) = self.find_type(depth)? else { return Ok(()) };
        self.json.rewind(start);
        let Some(id) = self.type_of(&url) else {
            return Err(TranscodeError::new(Problem::UnknownType, start).in_field("@type"));
        };
        put_tag(self.out, TYPE_URL, WireType::Len);
        put_bytes(self.out, url.as_bytes());
        put_tag(self.out, VALUE, WireType::Len);
        let value = open_len(self.out);
        let table = self.tables.message(id);
        // Implementations differ: some take `Empty` for a type with a form of its own.
        let empty = &*table.full_name == "google.protobuf.Empty";
        if table.shape == Shape::Object && !empty {
            self.members(table, depth, true)?;
        } else {
            self.any_value(id, depth, empty)?;
        }
        close_len(self.out, value);
        Ok(())
    }

    fn type_of(&self, url: &str) -> Option<MessageId> {
        self.tables.find_message(url.rsplit_once('/')?.1)
    }

    /// Reads the members of an `Any` whose type has a form of its own.
    fn any_value(&mut self, id: MessageId, depth: u32, optional: bool) -> Result<()> {
        let (mut first, mut typed, mut found) = (true, false, false);
        loop {
            let start = self.json.offset();
            let Some(key) = self.json.key(&mut first)? else { break };
            let (seen, is_value) = match &*key {
                "@type" => (&mut typed, false),
                "value" => (&mut found, true),
                _ if self.options.ignore_unknown => {
                    self.skip(depth + 1)?;
                    continue;
                }
                _ => return Err(TranscodeError::new(Problem::UnknownField, start).in_field(&key)),
            };
            if std::mem::replace(seen, true) {
                return Err(TranscodeError::new(Problem::DuplicateField, start).in_field(&key));
            }
            if is_value {
                self.message(id, depth + 1).map_err(|error| error.in_field("value"))?;
            } else {
                self.skip(depth)?;
            }
        }
        if !found && !optional {
            let expected = "a member \"value\" for this type";
            return Err(TranscodeError::new(Problem::Value { expected }, self.json.offset()));
        }
        Ok(())
    }

    /// Finds the type of an `Any`, whose members begin here. Without members it has none.
    fn find_type(&mut self, depth: u32) -> Result<Option<String>> {
        let mut last = self.json.offset();
        let mut first = true;
        while let Some(key) = self.json.key(&mut first)? {
            if key == "@type" {
                let url = self.json.string("the URL of a type").map_err(|e| e.in_field("@type"))?;
                return Ok(Some(url.into_owned()));
            }
            self.skip(depth + 1)?;
            // Types that come last, in nested `Any`s, are searched once for each level.
            self.searched += self.json.offset() - last;
            last = self.json.offset();
            if self.searched > MAX_SEARCHES * self.json.length() {
                return Err(TranscodeError::new(Problem::LateType, last));
            }
        }
        let is_empty = first;
        if is_empty {
            return Ok(None);
        }
        let expected = "a member \"@type\"";
        Err(TranscodeError::new(Problem::Value { expected }, self.json.offset()))
    }
}

/// The most times that the text is searched for the types of `Any`s.
const MAX_SEARCHES: usize = 8;
