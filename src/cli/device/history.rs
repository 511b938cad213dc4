//! `mozpool device history`: how a board has been, a line for each stretch of time.

use crate::cli::period::for_eyes;
use crate::cli::remote::{Client, Done, Remote, escape};
use crate::cli::show::{self, Column, Is};
use crate::cli::when;
use serde_json::{Value, json};

/// Show how a board has been: free, used, working, failed, out, since when, for how long, and why
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which board
    device: String,
    /// How many lines, the newest first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    lines: u32,
}

pub(super) fn run(args: &Args, remote: &Remote, client: &Client) -> Done {
    let answer = client.get(&format!("device/{}/history?limit={}", escape(&args.device), args.lines))?;
    remote.show(&answer, |out, terminal| {
        let spells = answer["history"].as_array().map(Vec::as_slice).unwrap_or_default();
        let rows: Vec<Value> = spells.iter().map(row).collect();
        let columns = [
            Column::titled("since", "since (UTC)"),
            Column::new("lasted"),
            Column::new("was"),
            Column::of("state", Is::DeviceState),
            Column::titled("request_id", "request"),
            Column::new("image"),
            Column::long("why"),
        ];
        show::table(out, terminal, &columns, &rows)
    })
}

fn row(spell: &Value) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "no board has been anything for that long")]
    let lasted = spell["lasted_s"].as_f64().map(|s| for_eyes(s.round() as i64)).unwrap_or_default();
    let lasts = if spell["lasts"] == true { " so far" } else { "" };
    json!({
        "since": when::plain(&show::value(&spell["at"])), "lasted": format!("{lasted}{lasts}"), "was": spell["group"],
        "state": spell["state"], "request_id": spell["request_id"], "image": spell["image"], "why": spell["cause"],
    })
}
