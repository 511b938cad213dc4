//! The list of metrics is made from the program's own table; here it is made again and compared. `WRITE_DOCS=1 cargo test --test docs
//! monitoring` writes it. And each alert stands in the document.

use super::text::{read, root};
use mozpool::metrics::{FAMILIES, Family};
use std::fmt::Write;
use std::fs;

const DOCUMENT: &str = "docs/monitoring.md";
const WRITE_VARIABLE: &str = "WRITE_DOCS";
const MARK: &str = "<!-- metrics: made by";

fn list() -> String {
    let mut list = String::from("\n| metric | kind | labels | means |\n|---|---|---|---|\n");
    for Family { name, kind, labels, help } in FAMILIES {
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        writeln!(list, "| `{name}` | {} | {labels} | {help} |", kind.name()).unwrap();
    }
    list
}

#[test]
fn the_list_of_metrics_is_what_the_program_knows() {
    let there = read(DOCUMENT);
    let begins = there.find(MARK).expect("the document says where the list is");
    let begins = begins + there[begins..].find('\n').unwrap() + 1;
    let list = list();
    if std::env::var_os(WRITE_VARIABLE).is_some() {
        fs::write(root().join(DOCUMENT), format!("{}{list}", &there[..begins])).unwrap();
        return;
    }
    let differs = list.lines().zip(there[begins..].lines()).find(|(made, there)| made != there);
    let advice = format!("{DOCUMENT} is old; {WRITE_VARIABLE}=1 cargo test --test docs monitoring");
    assert_eq!(differs, None, "{advice}");
    assert_eq!(list.len(), there[begins..].len(), "{advice}");
}

#[test]
fn every_alert_is_documented_and_no_other() {
    let (rules, text) = (read("packaging/monitoring/mozpool-alerts.yml"), read(DOCUMENT));
    let rules: Vec<&str> = rules.lines().filter_map(|l| l.trim().strip_prefix("- alert: ")).collect();
    assert!(!rules.is_empty());
    for alert in &rules {
        assert!(text.contains(&format!("`{alert}`")), "{alert} is not in {DOCUMENT}");
    }
    for word in text.split('`').filter(|word| word.starts_with("Mozpool") && !word.contains(' ')) {
        assert!(rules.contains(&word), "there is no alert {word}");
    }
}
