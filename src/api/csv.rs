//! Comma-separated values (RFC 4180) for spreadsheets, which take some texts for formulas.

/// Adds a record of these cells.
pub(super) fn write<'c>(text: &mut String, cells: impl IntoIterator<Item = &'c str>) {
    for (n, cell) in cells.into_iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        if cell.contains(['"', ',', '\r', '\n']) {
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(cell);
        }
    }
    text.push_str("\r\n");
}

/// Text of somebody else's as a cell: where a spreadsheet would compute it, it gets a `'` in front, which says that it is text.
/// Blanks and what is not seen before it do not help it.
pub(super) fn harmless(text: &str) -> String {
    let unseen =
        |c: char| c.is_whitespace() || c.is_control() || "\u{feff}\u{200b}\u{200c}\u{200d}".contains(c);
    let begins = text.trim_start_matches(unseen);
    if begins.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) || text.starts_with(['\t', '\r'])
    {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let mut text = String::new();
        write(&mut text, ["a", "", "b,c", "d\"e", "f\r\ng"]);
        write(&mut text, ["only"]);
        assert_eq!(text, "a,,\"b,c\",\"d\"\"e\",\"f\r\ng\"\r\nonly\r\n");
    }

    #[test]
    fn no_text_becomes_a_formula() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\u{feff}\n=1", "＝1", "\tx"] {
            assert_eq!(harmless(formula), format!("'{formula}"));
        }
        for text in ["", "a=1", "panda-1", "1-2", "'=1"] {
            assert_eq!(harmless(text), text);
        }
    }
}
