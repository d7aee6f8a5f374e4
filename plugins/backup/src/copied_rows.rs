//! The rows of a COPY in text format, for questions with many rows: they cross into the plugin as bytes, a megabyte in a call, and not
//! cell by cell.

use orchestrator_sdk::Error;
use orchestrator_sdk::postgres::Transaction;

/// What is read at once.
const READ_BYTES: u32 = 1024 * 1024;

/// A row's cells; NULL is `None`.
pub(crate) type Cells = Vec<Option<String>>;

/// Runs a query, and hands its rows over. All of its columns are printed as text.
pub(crate) fn for_each(
    transaction: &Transaction,
    query: &str,
    mut row: impl FnMut(Cells),
) -> Result<(), Error> {
    let source = transaction.copy_out(&format!("COPY ({query}) TO STDOUT"))?;
    let mut pending: Vec<u8> = Vec::new();
    loop {
        let read = source.read(READ_BYTES)?;
        if read.is_empty() {
            break;
        }
        let Some(end) = read.iter().rposition(|byte| *byte == b'\n') else {
            pending.extend_from_slice(&read);
            continue;
        };
        let (mut whole, rest) = read.split_at(end + 1);
        if !pending.is_empty() {
            // The first of them began in what was read before.
            let first = whole.iter().position(|byte| *byte == b'\n').unwrap_or(end) + 1;
            pending.extend_from_slice(&whole[..first]);
            lines(&pending, &mut row)?;
            pending.clear();
            whole = &whole[first..];
        }
        lines(whole, &mut row)?;
        pending.extend_from_slice(rest);
    }
    match pending.is_empty() {
        true => Ok(()),
        false => Err(Error::corrupt("a COPY ended in the middle of a row")),
    }
}

/// Whole lines, each with its newline.
fn lines(bytes: &[u8], row: &mut impl FnMut(Cells)) -> Result<(), Error> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()]
            .rsplit(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        Error::unsupported(format!(
            "a name, a comment or a definition is not UTF-8, after {:?}",
            String::from_utf8_lossy(line)
        ))
        .hint("in a SQL_ASCII database any bytes can be a name: rename it, or comment anew")
    })?;
    for line in text.split_terminator('\n') {
        row(line.split('\t').map(cell).collect());
    }
    Ok(())
}

/// A cell as COPY writes it: what would end it or the row stands behind a backslash.
fn cell(written: &str) -> Option<String> {
    if written == "\\N" {
        return None;
    }
    let Some(first) = written.find('\\') else {
        return Some(written.to_owned());
    };
    let mut text = String::with_capacity(written.len());
    text.push_str(&written[..first]);
    let mut characters = written[first..].chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => match characters.next() {
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('v') => '\u{b}',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_what_the_server_printed() {
        let mut rows = Vec::new();
        let written = "1\t\\N\t\na\\tb\\nc\\\\N\td\\\\\\\\t\te\\b\\f\\v\\r\n";
        lines(written.as_bytes(), &mut |row| rows.push(row)).expect("rows");
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            rows,
            [
                vec![some("1"), None, some("")],
                vec![
                    some("a\tb\nc\\N"),
                    some("d\\\\t"),
                    some("e\u{8}\u{c}\u{b}\r")
                ],
            ]
        );
        let error = lines(b"1\ta\n2\tgr\xf6\xdfe\n", &mut |_| {}).expect_err("LATIN1");
        assert!(error.message.ends_with("after \"2\\tgr\""), "{error:?}");
        assert!(error.hint.is_some());
    }
}
