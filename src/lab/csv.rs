//! Comma-separated values (RFC 4180) as records of texts with their lines, strictly: what is not that is an error with a line.
//!
//! By hand, because it is a page, and because every message is to name its line. Also semicolons, which spreadsheets of half of Europe write, where the first line has them and no comma outside of quotes.

use std::fmt;

/// One record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Where it begins, from 1.
    pub(super) line: usize,
    pub(super) cells: Vec<String>,
}

/// What is wrong with the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) line: usize,
    what: &'static str,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

/// All records; lines with nothing in them are none.
pub(super) fn read(text: &str) -> Result<Vec<Record>, Bad> {
    let separator = separator(text);
    let mut records = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while !rest.is_empty() {
        let begin = line;
        let mut cells = Vec::new();
        loop {
            let (cell, after) = cell(rest, separator, &mut line)?;
            cells.push(cell);
            rest = after;
            match rest.strip_prefix(separator) {
                Some(after) => rest = after,
                None => break,
            }
        }
        if let Some(after) = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')) {
            (rest, line) = (after, line + 1);
        }
        if cells != [""] {
            records.push(Record { line: begin, cells });
        }
    }
    Ok(records)
}

fn separator(text: &str) -> char {
    let head = text.lines().next().unwrap_or_default();
    if head.contains(';') && !head.contains(',') { ';' } else { ',' }
}

/// One cell and what follows it: a separator, the end of a line, or nothing.
fn cell<'t>(text: &'t str, separator: char, line: &mut usize) -> Result<(String, &'t str), Bad> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([separator, '\n']).unwrap_or(text.len());
        let (cell, after) = text.split_at(end);
        // The carriage return belongs to the end of the line.
        let (cell, after) = match cell.strip_suffix('\r') {
            Some(_) if after.starts_with('\n') => text.split_at(end - 1),
            _ => (cell, after),
        };
        if cell.contains('"') {
            return Err(Bad {
                line: *line,
                what: "a quotation mark within a cell; put the whole cell in quotation marks and write the mark twice",
            });
        }
        return Ok((cell.to_owned(), after));
    };
    let begin = *line;
    let mut cell = String::new();
    loop {
        let Some(quote) = rest.find('"') else {
            return Err(Bad { line: begin, what: "a quotation mark is not closed" });
        };
        let (part, after) = rest.split_at(quote);
        *line += part.matches('\n').count();
        cell.push_str(part);
        rest = &after[1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                cell.push('"');
                rest = after;
            }
            None => break,
        }
    }
    if rest.is_empty() || rest.starts_with([separator, '\n']) || rest.starts_with("\r\n") {
        return Ok((cell, rest));
    }
    Err(Bad {
        line: *line,
        what: "something follows a closing quotation mark; write a mark within a cell twice",
    })
}

/// One record as a line.
pub(super) fn write(out: &mut String, cells: &[String]) {
    for (i, cell) in cells.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        let plain = !cell.contains([',', ';', '"', '\n', '\r']);
        if plain {
            out.push_str(cell);
        } else {
            out.push('"');
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &[(usize, &[&str])]) {
        let records = read(text).unwrap();
        let got: Vec<(usize, Vec<&str>)> =
            records.iter().map(|r| (r.line, r.cells.iter().map(String::as_str).collect())).collect();
        let want: Vec<(usize, Vec<&str>)> = want.iter().map(|(l, c)| (*l, c.to_vec())).collect();
        assert_eq!(got, want, "{text:?}");
    }

    #[test]
    fn records_are_read_with_their_lines() {
        check("", &[]);
        check("\n\r\n", &[]);
        check("a,b\r\n1,2", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("a\n\n\"x\ny\"\nz\n", &[(1, &["a"]), (3, &["x\ny"]), (5, &["z"])]);
        check("a,\n,\n", &[(1, &["a", ""]), (2, &["", ""])]);
        check("\"say \"\"hi\"\"\",\"\"\n", &[(1, &["say \"hi\"", ""])]);
        check("a;b\n1,5;2\n", &[(1, &["a", "b"]), (2, &["1,5", "2"])]);
        check("a,b\n1;5,2\n", &[(1, &["a", "b"]), (2, &["1;5", "2"])]);
        check("a\rb\n", &[(1, &["a\rb"])]);
    }

    #[test]
    fn what_is_no_csv_is_an_error_with_its_line() {
        for (text, line) in [("a\nb\"c", 2), ("a\n\"b\nc", 2), ("\"a\nb\"c", 2), ("\"a\" ,b", 1)] {
            assert_eq!(read(text).unwrap_err().line, line, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let cells = ["", "a", "a,b", "say \"x\"", "two\r\nlines", ";", " ", "é"].map(String::from);
        let mut text = String::new();
        write(&mut text, &["x".into()]);
        write(&mut text, &cells);
        let records = read(&text).unwrap();
        assert_eq!(records[1].cells, cells);
    }
}
