//! `mozpool request list` and `show`: who has which board until when, and who waits.

use super::{assignee, is_over};
use crate::cli::period::for_eyes;
use crate::cli::remote::{Client, Done, Remote, RemoteError, escape};
use crate::cli::show::{self, Column, Is, Style};
use crate::cli::{things, when};
use serde_json::{Map, Value};
use std::io::{self, Write};

/// Show requests that hold boards or wait for one
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Only requests with these values
    #[arg(value_name = "FIELD=VALUE")]
    filters: Vec<String>,
    /// Also those that have ended
    #[arg(short, long)]
    all: bool,
    /// Only my own
    #[arg(short, long)]
    mine: bool,
}

/// Show all about one: its board, until when, or why it still waits
#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// Its number
    #[arg(value_name = "REQUEST")]
    id: i64,
    /// How many lines of its log
    #[arg(short = 'n', long, value_name = "N", default_value_t = 8)]
    lines: usize,
}

pub(super) fn list(args: &ListArgs, remote: &Remote, client: &Client) -> Done {
    let path = if args.all { "request/list?include_closed=1" } else { "request/list" };
    let mut rows = match client.get(path)?["requests"].take() {
        Value::Array(rows) => rows,
        _ => Vec::new(),
    };
    things::retain(&mut rows, &args.filters, "request")?;
    if args.mine {
        let me = assignee()?;
        rows.retain(|row| row["assignee"] == me);
    }
    remote.show(&rows.clone().into(), |out, terminal| {
        let now = when::now();
        for row in &mut rows {
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            let (assigned, requested) = (text("assigned_device"), text("requested_device"));
            let ends = when::seconds_since(&text("expires"), now).filter(|_| !is_over(&text("state")));
            let age = when::seconds_since(&text("created"), now).map(for_eyes);
            row["device"] = if assigned.is_empty() { format!("({requested})") } else { assigned }.into();
            row["ends_in"] = ends.map(|s| for_eyes(-s)).into();
            row["age"] = age.into();
        }
        let columns = [
            Column::new("id"),
            Column::of("state", Is::RequestState),
            Column::new("device"),
            Column::new("device_state"),
            Column::new("image"),
            Column::long("environment"),
            Column::new("assignee"),
            Column::new("age"),
            Column::new("ends_in"),
        ];
        show::table(out, terminal, &columns, &rows)
    })
}

/// All about one, without what the API says twice.
pub(super) fn details(client: &Client, id: i64) -> Result<Value, RemoteError> {
    let mut details = client.get(&format!("request/{id}/details"))?;
    if let Some(map) = details.as_object_mut() {
        map.shift_remove("request");
    }
    Ok(details)
}

/// Which board a request holds, and until when.
pub(super) fn board(out: &mut dyn Write, request: &Value, client: &Client) -> io::Result<()> {
    let name = request["assigned_device"].as_str().unwrap_or_default();
    let device = client.get(&format!("device/{}", escape(name))).unwrap_or_default();
    let mut fields = Map::new();
    for (key, value) in [
        ("request", &request["id"]),
        ("device", &request["assigned_device"]),
        ("address", &device["fqdn"]),
        ("image", &request["image"]),
    ] {
        fields.insert(key.into(), value.clone());
    }
    fields.insert("expires".into(), expires(request).into());
    show::fields(out, &fields.into())
}

fn expires(request: &Value) -> String {
    let at = show::value(&request["expires"]);
    format!("{} UTC ({})", when::plain(&at), when::told(&at, when::now()))
}

pub(super) fn show(args: &ShowArgs, remote: &Remote, client: &Client) -> Done {
    let mut request = details(client, args.id)?;
    let mut log = match client.get(&format!("request/{}/log", args.id))?["log"].take() {
        Value::Array(lines) => lines,
        _ => Vec::new(),
    };
    log.drain(..log.len().saturating_sub(args.lines));
    let ends = expires(&request);
    request["log"] = log.clone().into();
    remote.show(&request, |out, terminal| {
        let mut shown = request.clone();
        if let Some(map) = shown.as_object_mut() {
            map.shift_remove("log");
            map.insert("expires".into(), ends.clone().into());
            map.retain(|_, value| !show::value(value).is_empty());
        }
        show::fields(out, &shown)?;
        if !log.is_empty() {
            writeln!(out, "\n{}", terminal.paint(Style::Bold, "last words"))?;
        }
        log.iter().try_for_each(|line| show::log_line(out, terminal, line))
    })
}
