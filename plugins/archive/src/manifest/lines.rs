//! JSON as people and programs of lines like to read it: a field of the manifest a line, and a line for each object. Indented all through,
//! the manifest of thousands of small tables would be as large as their data.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Objects and lists this deep begin a line with each of their parts; those in them are on one.
const INDENTED: usize = 2;

/// The value's JSON, without a last line feed.
pub(super) fn write(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut json = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut json, Lines::default());
    value.serialize(&mut serializer)?;
    // serde_json writes UTF-8.
    Ok(String::from_utf8_lossy(&json).into_owned())
}

/// How deep the writer is, and whether anything stands in the innermost value yet.
#[derive(Default)]
struct Lines {
    depth: usize,
    has_parts: bool,
}

impl Lines {
    fn begin<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.has_parts = false;
        writer.write_all(bracket)
    }

    fn end<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        let indented = self.has_parts && self.depth <= INDENTED;
        self.depth -= 1;
        if indented {
            self.new_line(writer)?;
        }
        self.has_parts = true;
        writer.write_all(bracket)
    }

    fn part<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        if self.depth <= INDENTED {
            return self.new_line(writer);
        }
        match first {
            true => Ok(()),
            false => writer.write_all(b" "),
        }
    }

    fn new_line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.part(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_parts = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.part(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_parts = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn an_object_of_a_list_is_a_line() {
        let value = json!({ "a": 1, "b": [{ "c": [1, 2], "d": {} }, { "c": [] }], "e": [], "f": { "g": "x" } });
        let expected = r#"{
  "a": 1,
  "b": [
    {"c": [1, 2], "d": {}},
    {"c": []}
  ],
  "e": [],
  "f": {
    "g": "x"
  }
}"#;
        assert_eq!(super::write(&value).unwrap(), expected);
    }
}
