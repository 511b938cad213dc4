//! `mozpool device please`: asking the machine of one board or of many for something. It may say no, and says why.

use crate::cli::boot_config::BootConfig;
use crate::cli::exit::Exit;
use crate::cli::remote::{Client, Done, Remote, RemoteError, escape, tell};
use crate::cli::show::{self, Style};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Ask for something to be done with boards; each may refuse, and says why
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What
    event: Event,
    /// Which boards
    #[arg(required = true)]
    devices: Vec<String>,
    /// The image to be installed
    #[arg(long, required_if_eq("event", "image"))]
    image: Option<String>,
    #[command(flatten)]
    boot_config: BootConfig,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Event {
    /// Install --image; accepted by boards at rest
    Image,
    /// Off and on, and see that the system comes up; accepted by boards at rest
    PowerCycle,
    /// Test the board; this is how a failed one that was repaired comes back
    SelfTest,
    /// Boot a live system with a shell, to look around
    Maintenance,
    /// Hands off from now on: nothing touches the board; not while a request has it
    Offline,
    /// The end of `offline`: self-test, then back to work
    Online,
}

impl Event {
    /// In the API.
    fn name(self) -> &'static str {
        match self {
            Self::Image => "please_image",
            Self::PowerCycle => "please_power_cycle",
            Self::SelfTest => "please_self_test",
            Self::Maintenance => "please_start_maintenance",
            Self::Offline => "please_offline",
            Self::Online => "please_online",
        }
    }
}

pub(super) fn run(args: &Args, remote: &Remote, client: &Client) -> Done {
    let boot_config = args.boot_config.read()?;
    if args.event != Event::Image && (args.image.is_some() || !boot_config.is_empty()) {
        let why = "--image, -k and --boot-config are for `please image` alone".to_owned();
        return Err(RemoteError::Usage { why });
    }
    let body = match args.event {
        Event::Image => json!({ "image": args.image, "boot_config": boot_config }),
        _ => json!({}),
    };
    let answers = each(&args.devices, |device| {
        client.post(&format!("device/{}/event/{}", escape(device), args.event.name()), &body)
    })?;
    let refused = answers.iter().any(|answer| answer["accepted"] != true);
    remote.show(&answers.clone().into(), |out, terminal| {
        for answer in &answers {
            let text = |key: &str| show::value(&answer[key]);
            let (device, state) = (text("device"), text("state"));
            match answer["accepted"] == true {
                true => writeln!(out, "{device}: {}, now {state}", terminal.paint(Style::Good, "accepted"))?,
                false => {
                    writeln!(out, "{device}: {}: {}", terminal.paint(Style::Bad, "refused"), text("why"))?;
                }
            }
        }
        Ok(())
    })?;
    Ok(if refused { Exit::Failed.into() } else { ExitCode::SUCCESS })
}

/// The same call for each device. One that is refused stands among the answers; a server that does not answer ends it.
pub(super) fn each(
    devices: &[String],
    call: impl Fn(&str) -> Result<Value, RemoteError>,
) -> Result<Vec<Value>, RemoteError> {
    let mut answers = Vec::new();
    for device in devices {
        let mut answer = match call(device) {
            Ok(answer @ Value::Object(_)) => answer,
            Ok(_) => json!({}),
            // Alone it ends as everywhere.
            Err(error @ RemoteError::Refused { .. }) if devices.len() > 1 && !error.may_pass() => {
                json!({ "accepted": false, "why": error.to_string() })
            }
            Err(error) => {
                if !answers.is_empty() {
                    let before = devices[..answers.len()].join(", ");
                    tell(&show::clean(&format!("it ended at {device}; asked before it: {before}")));
                }
                return Err(error);
            }
        };
        answer["device"] = device.as_str().into();
        answers.push(answer);
    }
    Ok(answers)
}
