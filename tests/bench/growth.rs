//! What requests leave in the store: rows and bytes of each table that grows, after so many of them.

use crate::mariadb::Server;
use crate::report::{Row, to_f64};

/// Tables that grow with what happens, and what bounds each.
const TABLES: [(&str, &str); 9] = [
    ("requests", "`requests.retention_days`"),
    ("request_logs", "with their requests"),
    ("device_logs", "`syslog.retention_days`"),
    ("attempts", "with the logs"),
    ("attempt_steps", "with the logs"),
    ("changes", "200,000 rows, a week"),
    ("device_spells", "`reports.retention_days`"),
    ("request_outcomes", "`reports.retention_days`"),
    ("claims", "gone with the reservation"),
];

/// A row for each table, and their sum.
pub(crate) fn rows(maria: &Server, database: &str, requests: usize, boards: usize) -> Vec<Row> {
    const TABLE: &str = "What a request leaves in the store";
    let number = |statement: String| -> f64 {
        let text = maria.sql(&statement);
        text.lines().last().and_then(|line| line.trim().parse().ok()).unwrap_or_default()
    };
    let each = |n: f64| n / to_f64(requests.max(1));
    let mut sum = (0.0, 0.0);
    let mut rows = Vec::new();
    for (table, bound) in TABLES {
        maria.sql(&format!("ANALYZE TABLE {database}.{table}"));
        let count = number(format!("SELECT COUNT(*) FROM {database}.{table}"));
        let bytes = number(format!(
            "SELECT data_length + index_length FROM information_schema.tables \
             WHERE table_schema = '{database}' AND table_name = '{table}'"
        ));
        sum = (sum.0 + count, sum.1 + bytes);
        let row = Row::new(TABLE, table, boards)
            .with("rows a request", each(count), 1)
            .with("bytes a row, with indexes", bytes / count.max(1.0), 0)
            .with("bytes a request", each(bytes), 0)
            .with_text("kept", bound);
        rows.push(row);
    }
    let all = Row::new(TABLE, format!("all, after {requests} requests"), boards)
        .with("rows a request", each(sum.0), 1)
        .with("bytes a request", each(sum.1), 0);
    rows.push(all);
    rows
}
