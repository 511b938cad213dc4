//! `mozpool request renew` and `return`.

use super::{assignee, is_over, list};
use crate::cli::confirm::Confirm;
use crate::cli::period::Period;
use crate::cli::remote::{Client, ClientConfig, Done, Remote};
use crate::cli::show;
use serde_json::{Value, json};

/// Keep a board for longer: so long from now
#[derive(Debug, clap::Args)]
pub(super) struct RenewArgs {
    /// Its number
    #[arg(value_name = "REQUEST")]
    id: i64,
    /// How long from now [default: as the client configuration says, else 1h]
    #[arg(long, value_name = "TIME")]
    duration: Option<Period>,
}

/// Give boards back; asks first when somebody else holds one
#[derive(Debug, clap::Args)]
pub(super) struct ReturnArgs {
    /// Their numbers
    #[arg(value_name = "REQUEST", required = true)]
    ids: Vec<i64>,
    /// Why; the logs of request and board say it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    confirm: Confirm,
}

pub(super) fn renew(args: &RenewArgs, remote: &Remote, client: &Client) -> Done {
    let duration = args.duration.or(ClientConfig::load()?.duration).unwrap_or(Period::HOUR);
    client.post(&format!("request/{}/renew", args.id), &json!({ "duration": duration.seconds() }))?;
    let request = list::details(client, args.id)?;
    remote.show(&request, |out, _| {
        writeln!(out, "request {} is yours for {duration} from now, until {} UTC", args.id, until(&request))
    })
}

fn until(request: &Value) -> String {
    crate::cli::when::plain(&show::value(&request["expires"]))
}

pub(super) fn hand_back(args: &ReturnArgs, remote: &Remote, client: &Client) -> Done {
    let me = assignee()?;
    let mut requests = Vec::new();
    for id in &args.ids {
        requests.push(list::details(client, *id)?);
    }
    let over = |request: &Value| is_over(request["state"].as_str().unwrap_or_default());
    let foreign: Vec<String> = requests
        .iter()
        .filter(|request| request["assignee"] != me && !over(request))
        .map(|request| {
            let (id, who) = (show::value(&request["id"]), show::value(&request["assignee"]));
            match request["assigned_device"].as_str().unwrap_or_default() {
                "" => format!("request {id} of {who}"),
                device => format!("request {id} of {who}, who holds {}", show::clean(device)),
            }
        })
        .collect();
    if !foreign.is_empty() {
        args.confirm.ask(&format!("This ends {}; you are {}.", foreign.join(", "), show::clean(&me)))?;
    }
    let mut body = json!({ "who": me });
    if let Some(reason) = &args.reason {
        body["reason"] = reason.as_str().into();
    }
    for id in &args.ids {
        client.post(&format!("request/{id}/return"), &body)?;
    }
    let answer: Vec<Value> = requests.iter().map(|r| json!({ "id": r["id"], "was": r["state"] })).collect();
    remote.show(&answer.into(), |out, _| {
        for request in &requests {
            let id = show::value(&request["id"]);
            match over(request) {
                true => writeln!(out, "request {id} had ended already: {}", show::value(&request["state"]))?,
                false => writeln!(out, "request {id} is returned")?,
            }
        }
        Ok(())
    })
}
