//! `mozpool status`: one screen: how many boards are free, used, working, failed and out, who waits, and whether the server is well.

use super::device::list::{group, rows};
use super::exit::Exit;
use super::period::for_eyes;
use super::remote::{Client, Done, Remote, RemoteError};
use super::show::group::Group;
use super::show::{self, Column, Style, Terminal};
use super::when;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// How the pool is, on one screen: boards, queue, and the server's health
///
/// Ends with 1 when a part of the server does not work as it should.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,
}

/// Requests in the queue that are shown; the rest is counted.
const QUEUE_SHOWN: usize = 10;

pub(super) fn run(args: &Args, config: Option<&Path>) -> Done {
    let client = args.remote.client(config)?;
    let status = ask(&client)?;
    let well = status["well"] == true;
    args.remote.show(&status, |out, terminal| shown(out, terminal, &status))?;
    Ok(if well { ExitCode::SUCCESS } else { Exit::Failed.into() })
}

fn ask(client: &Client) -> Result<Value, RemoteError> {
    let health = client.get("health")?;
    let devices = rows(client, "device/list?details=1")?;
    let mut requests = client.get("request/list")?;
    let waits = |request: &Value| matches!(request["state"].as_str(), Some("new" | "finding_device"));
    let requests: Vec<Value> = match requests["requests"].take() {
        Value::Array(rows) => rows,
        _ => Vec::new(),
    };
    let now = when::now();
    let queue: Vec<Value> = requests
        .iter()
        .filter(|request| waits(request))
        .map(|request| {
            let waited = request["created"].as_str().and_then(|at| when::seconds_since(at, now));
            json!({
                "id": request["id"], "assignee": request["assignee"], "image": request["image"],
                "requested_device": request["requested_device"], "environment": request["environment"],
                "waits_s": waited,
            })
        })
        .collect();
    let services = health["services"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ended: Vec<&Value> = services.iter().filter(|s| s["state"] == "ended").map(|s| &s["name"]).collect();
    Ok(json!({
        "url": client.base(), "server": health["server"], "version": health["version"], "started": health["started"],
        "well": health["status"] == "ok" && ended.is_empty(),
        "devices": counts(devices.iter()),
        "environments": by(&devices, "environment", |d| show::value(&d["environment"])),
        "hardware_types": by(&devices, "hardware", |d| {
            format!("{} {}", show::value(&d["hardware_type"]), show::value(&d["hardware_model"])).trim().to_owned()
        }),
        "requests": requests.len(),
        "queue": queue,
        "services": services,
    }))
}

/// How many boards are in each group, and in all.
fn counts<'d>(devices: impl Iterator<Item = &'d Value>) -> Value {
    let mut counts: Map<String, Value> = Group::ALL.iter().map(|g| (g.name().to_owned(), 0.into())).collect();
    let mut total = 0_u64;
    for device in devices {
        total += 1;
        let name = group(device).name();
        let count = counts[name].as_u64().unwrap_or_default() + 1;
        counts[name] = count.into();
    }
    counts.insert("total".into(), total.into());
    counts.into()
}

/// A row of counts for each value.
fn by(devices: &[Value], key: &str, value: impl Fn(&Value) -> String) -> Value {
    let mut groups: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for device in devices {
        groups.entry(value(device)).or_default().push(device);
    }
    let row = |(name, devices): (String, Vec<&Value>)| {
        let mut row = Map::from_iter([(key.to_owned(), Value::from(name))]);
        row.extend(counts(devices.into_iter()).as_object().cloned().unwrap_or_default());
        Value::from(row)
    };
    groups.into_iter().map(row).collect()
}

fn shown(out: &mut dyn Write, terminal: Terminal, status: &Value) -> io::Result<()> {
    let text = |key: &str| show::value(&status[key]);
    let started = when::told(&text("started"), when::now());
    let health = match status["well"] == true {
        true => terminal.paint(Style::Good, "well"),
        false => terminal.paint(Style::Bad, "NOT WELL"),
    };
    let title = terminal.paint(Style::Bold, &text("server"));
    writeln!(out, "{title} ({}), Mozpool {}, started {started}: {health}\n", text("url"), text("version"))?;
    let columns = |key: &'static str| {
        let mut columns = vec![Column::new(key)];
        columns.extend(Group::ALL.iter().map(|group| Column::of(group.name(), show::Is::Count(*group))));
        columns.push(Column::new("total"));
        columns
    };
    for (rows, key) in [("environments", "environment"), ("hardware_types", "hardware")] {
        let rows = status[rows].as_array().map(Vec::as_slice).unwrap_or_default();
        if rows.is_empty() {
            continue;
        }
        let mut rows = rows.to_vec();
        if key == "environment" && rows.len() > 1 {
            let mut all = status["devices"].clone();
            all[key] = "all".into();
            rows.push(all);
        }
        show::table(out, terminal, &columns(key), &rows)?;
        writeln!(out)?;
    }
    queue(out, terminal, status)?;
    services(out, terminal, status)
}

fn queue(out: &mut dyn Write, terminal: Terminal, status: &Value) -> io::Result<()> {
    let queue = status["queue"].as_array().map(Vec::as_slice).unwrap_or_default();
    let count =
        |n: usize, one: &str, many: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {many}") };
    let requests = usize::try_from(status["requests"].as_u64().unwrap_or_default()).unwrap_or_default();
    let all = count(requests, "request", "requests");
    match queue.len() {
        0 => return writeln!(out, "{all}, none waits for a board"),
        n => writeln!(out, "{all}, {} for a board", count(n, "waits", "wait"))?,
    }
    let rows: Vec<Value> = queue
        .iter()
        .take(QUEUE_SHOWN)
        .map(|request| {
            let mut row = request.clone();
            row["waits"] = request["waits_s"].as_i64().map(for_eyes).into();
            row
        })
        .collect();
    let columns = [
        Column::new("id"),
        Column::new("waits"),
        Column::titled("requested_device", "for"),
        Column::new("image"),
        Column::long("environment"),
        Column::long("assignee"),
    ];
    show::table(out, terminal, &columns, &rows)?;
    match queue.len().checked_sub(QUEUE_SHOWN) {
        None | Some(0) => Ok(()),
        Some(more) => writeln!(out, "and {more} more"),
    }
}

fn services(out: &mut dyn Write, terminal: Terminal, status: &Value) -> io::Result<()> {
    let services = status["services"].as_array().map(Vec::as_slice).unwrap_or_default();
    let words = services.iter().map(|service| {
        let (name, state) = (show::value(&service["name"]), show::value(&service["state"]));
        match state.as_str() {
            "running" => name,
            "off" => terminal.paint(Style::Dim, &format!("{name} (off)")),
            _ => terminal.paint(Style::Bad, &format!("{name} {}", state.to_uppercase())),
        }
    });
    writeln!(out, "services: {}", words.collect::<Vec<_>>().join(", "))
}
