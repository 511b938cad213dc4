//! `mozpool device power` and `ping`: the board's relay and its network, without asking the machine.

use super::please::each;
use crate::cli::confirm::Confirm;
use crate::cli::exit::Exit;
use crate::cli::remote::{Client, Done, Remote, RemoteError, escape};
use crate::cli::show::{self, Style};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Give boards power
    On(Devices),
    /// Take boards' power, until somebody gives it again; asks first
    Off {
        #[command(flatten)]
        devices: Devices,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Take boards' power and give it again; asks first when a request holds one
    ///
    /// It returns at once, and the cycle runs on. The machine follows it and sees whether the system comes up, as after any
    /// power cycle. `mozpool device please power-cycle` asks the machine, which refuses where it would disturb.
    Cycle {
        #[command(flatten)]
        devices: Devices,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Ask the relays whether boards have power: on, off or unknown
    Status(Devices),
}

#[derive(Debug, clap::Args)]
pub(super) struct Devices {
    /// Which boards
    #[arg(required = true, value_name = "DEVICE")]
    devices: Vec<String>,
}

/// Ask boards whether they answer ping
#[derive(Debug, clap::Args)]
pub(super) struct PingArgs {
    #[command(flatten)]
    devices: Devices,
}

pub(super) fn run(command: &Command, remote: &Remote, client: &Client) -> Done {
    match command {
        Command::On(devices) => switch(&devices.devices, "power-on", "has power", remote, client),
        Command::Off { devices: Devices { devices }, confirm } => {
            let held = held(devices, client)?;
            confirm.ask(&format!(
                "This takes the power of {}{} until somebody gives it again.",
                names(devices),
                whose(&held)
            ))?;
            switch(devices, "power-off", "has no power", remote, client)
        }
        Command::Cycle { devices: Devices { devices }, confirm } => {
            let held = held(devices, client)?;
            if !held.is_empty() {
                confirm.ask(&format!("This power-cycles {}{}.", names(devices), whose(&held)))?;
            }
            switch(devices, "power-cycle", "is power-cycled", remote, client)
        }
        Command::Status(devices) => {
            let answers = each(&devices.devices, |device| client.get(&path(device, "power")))?;
            report(&answers, remote, |answer| (show::value(&answer["power"]), answer["power"] == "on"), false)
        }
    }
}

pub(super) fn ping(args: &PingArgs, remote: &Remote, client: &Client) -> Done {
    let answers = each(&args.devices.devices, |device| client.get(&path(device, "ping")))?;
    let words = |answer: &Value| match answer["success"] == true {
        true => ("answers".to_owned(), true),
        false => ("does not answer".to_owned(), false),
    };
    report(&answers, remote, words, true)
}

fn path(device: &str, what: &str) -> String {
    format!("device/{}/{what}", escape(device))
}

fn switch(devices: &[String], what: &str, said: &str, remote: &Remote, client: &Client) -> Done {
    let answers = each(devices, |device| {
        client.post(&path(device, what), &json!({}))?;
        Ok(json!({ "accepted": true }))
    })?;
    report(&answers, remote, |_| (said.to_owned(), true), true)
}

/// A line per board; with `must` what is not good is a failure.
fn report(answers: &[Value], remote: &Remote, words: impl Fn(&Value) -> (String, bool), must: bool) -> Done {
    let refused = |answer: &Value| answer["accepted"] == false;
    let bad = answers.iter().any(|answer| refused(answer) || must && !words(answer).1);
    remote.show(&answers.to_vec().into(), |out, terminal| {
        for answer in answers {
            let (said, good) = match refused(answer) {
                true => (format!("refused: {}", show::value(&answer["why"])), false),
                false => words(answer),
            };
            let style = if good { Style::Good } else { Style::Bad };
            writeln!(out, "{}: {}", show::value(&answer["device"]), terminal.paint(style, &said))?;
        }
        Ok(())
    })?;
    Ok(if bad { Exit::Failed.into() } else { ExitCode::SUCCESS })
}

fn names(devices: &[String]) -> String {
    show::clean(&devices.join(", "))
}

/// The requests that hold one of these boards, with their boards.
fn held(devices: &[String], client: &Client) -> Result<Vec<(i64, String)>, RemoteError> {
    let mut held = Vec::new();
    for device in devices {
        let details = client.get(&format!("device/{}", escape(device)))?;
        held.extend(details["request_id"].as_i64().map(|id| (id, device.clone())));
    }
    Ok(held)
}

fn whose(held: &[(i64, String)]) -> String {
    if held.is_empty() {
        return String::new();
    }
    let each = held.iter().map(|(id, device)| format!("request {id} holds {}", show::clean(device)));
    format!(" ({})", each.collect::<Vec<_>>().join(", "))
}
