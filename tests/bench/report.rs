//! What was measured, as rows; as Markdown between the markers of a document; as JSON.

use crate::document::grouped;
use serde::Serialize;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// The tables stand between these two lines of the document.
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// One measured case.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Row {
    /// The table that it belongs to.
    pub(crate) table: &'static str,
    /// What was done.
    pub(crate) case: String,
    /// How many devices the lab has.
    pub(crate) devices: usize,
    /// Its figures, each under the heading of its column.
    pub(crate) figures: Vec<Figure>,
}

/// A figure as it is shown, and as a number.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// The column.
    pub(crate) column: &'static str,
    /// With its unit, as people read it.
    pub(crate) shown: String,
    /// For programs.
    pub(crate) value: Option<f64>,
}

impl Row {
    /// A row without figures.
    pub(crate) fn new(table: &'static str, case: impl Into<String>, devices: usize) -> Self {
        Self { table, case: case.into(), devices, figures: Vec::new() }
    }

    /// This with one more figure, shown with so many digits after the point.
    pub(crate) fn with(mut self, column: &'static str, value: f64, digits: usize) -> Self {
        self.figures.push(Figure { column, shown: grouped(value, digits), value: Some(value) });
        self
    }

    /// This with one more figure that is words.
    pub(crate) fn with_text(mut self, column: &'static str, text: impl Into<String>) -> Self {
        self.figures.push(Figure { column, shown: text.into(), value: None });
        self
    }
}

/// Everything that a run has measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Where; see [`crate::machine`].
    pub(crate) machine: String,
    /// The rows, in the order of their measurement.
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// The tables, in the order in which they first turn up; their columns likewise.
    pub(crate) fn markdown(&self) -> String {
        const FINE: &str = "writing to a String does not fail";
        let mut text = format!("Measured on: {}.\n", self.machine);
        let mut tables: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !tables.contains(&row.table) {
                tables.push(row.table);
            }
        }
        for table in tables {
            let rows: Vec<&Row> = self.rows.iter().filter(|r| r.table == table).collect();
            let mut columns: Vec<&str> = Vec::new();
            for figure in rows.iter().flat_map(|r| &r.figures) {
                if !columns.contains(&figure.column) {
                    columns.push(figure.column);
                }
            }
            write!(text, "\n### {table}\n\n| case | devices |").expect(FINE);
            for column in &columns {
                write!(text, " {column} |").expect(FINE);
            }
            write!(text, "\n|---|--:|{}\n", "--:|".repeat(columns.len())).expect(FINE);
            for row in rows {
                write!(text, "| {} | {} |", row.case, grouped(to_f64(row.devices), 0)).expect(FINE);
                for column in &columns {
                    let shown = row.figures.iter().find(|f| f.column == *column).map_or("", |f| &f.shown);
                    write!(text, " {shown} |").expect(FINE);
                }
                text.push('\n');
            }
        }
        text
    }

    /// Puts the tables between the markers of the document at `path`.
    ///
    /// # Errors
    /// It cannot be read or written, or has no markers.
    pub(crate) fn rewrite(&self, path: &Path) -> io::Result<()> {
        crate::document::rewrite(path, BEGIN, END, &self.markdown())
    }

    /// Writes everything as JSON.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write_json(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        std::fs::write(path, text + "\n")
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
pub(crate) fn to_f64(n: usize) -> f64 {
    n as f64
}
