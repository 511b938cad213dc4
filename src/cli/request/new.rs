//! `mozpool request new`: asking for a board, and what is to happen once there is one.

use super::{assignee, run as with_command, wait};
use crate::cli::boot_config::BootConfig;
use crate::cli::period::Period;
use crate::cli::remote::{Client, ClientConfig, Done, Remote, RemoteError, escape, tell};
use clap::ValueEnum;
use serde_json::{Map, Value};
use std::process::ExitCode;
use std::time::Duration;

/// Ask for a board with an image on it
///
/// Prints the request's number, at once. With --wait it waits until the board is ready, shows how far it is on standard error, and
/// prints which board it is; Ctrl-C meanwhile takes the request back.
///
/// With -- COMMAND it waits, runs COMMAND, keeps the board for as long as COMMAND runs, and gives it back whatever happens: when
/// COMMAND ends, and on Ctrl-C, SIGQUIT, SIGTERM and SIGHUP, which COMMAND gets first. Where this is not the terminal's own, COMMAND
/// has six seconds to end then. It ends with COMMAND's exit status. COMMAND finds in its environment:
///
///   MOZPOOL_DEVICE        the board's name
///   MOZPOOL_DEVICE_FQDN   its address
///   MOZPOOL_REQUEST       the request's number
///   MOZPOOL_REQUEST_URL   the request in the API
///   MOZPOOL_EXPIRES       until when it is held, in UTC; it is renewed before that
///   MOZPOOL_URL           the server
#[derive(Debug, clap::Args)]
#[command(after_long_help = after_help(), verbatim_doc_comment)]
pub(super) struct Args {
    /// What is to run on the board; `mozpool image list` has those that there are
    #[arg(value_name = "IMAGE")]
    image: String,
    #[command(flatten)]
    boot_config: BootConfig,
    /// This board and no other
    #[arg(long, value_name = "NAME", help_heading = "Which board")]
    device: Option<String>,
    /// Of this pool; several with commas: any of them
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Which board")]
    environment: Vec<String>,
    /// Of this hardware type; several with commas: any of them
    #[arg(long, value_name = "TYPE", value_delimiter = ',', help_heading = "Which board")]
    hardware_type: Vec<String>,
    /// Of this model; several with commas: any of them
    #[arg(long, value_name = "MODEL", value_delimiter = ',', help_heading = "Which board")]
    hardware_model: Vec<String>,
    /// With this processor; several with commas: any of them
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Which board")]
    processor: Vec<String>,
    /// With this tag; several with commas: one of them; more than once: all of them
    #[arg(long, value_name = "TAG", help_heading = "Which board")]
    tag: Vec<String>,
    /// How long it is wanted, such as 45m or 1h30m [default: as the client configuration says, else 1h]
    #[arg(long, value_name = "TIME")]
    duration: Option<Period>,
    /// Wait so long for a free board, and no longer [default: the server's: 10m; 10s for a board that is named]
    #[arg(long, value_name = "TIME")]
    queue_limit: Option<Period>,
    /// Who asks [default: as the client configuration says, else you, at this machine]
    #[arg(long, value_name = "WHO")]
    assignee: Option<String>,
    /// What for; people read it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Wait until the board is ready
    #[arg(short, long)]
    wait: bool,
    /// What happens to COMMAND when the board is lost: its request expired, or somebody else returned it
    #[arg(long, value_name = "WHAT", default_value = "term", requires = "command")]
    on_loss: OnLoss,
    /// Run this with the board, and give it back at the end
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OnLoss {
    /// End it with SIGTERM, six seconds later with SIGKILL; exit with 122
    Term,
    /// Let it run, and say so
    Ignore,
}

fn after_help() -> String {
    let codes = crate::cli::exit::CODES.iter().map(|(code, means)| format!("  {code:<6} {means}\n"));
    format!("Exit codes:\n{}", codes.collect::<String>())
}

/// Tries when the server is busy, and how long the first pause is; it doubles.
const BUSY_TRIES: u32 = 5;
const BUSY_PAUSE: Duration = Duration::from_millis(500);

pub(super) fn run(args: &Args, remote: &Remote, client: &Client) -> Done {
    let defaults = ClientConfig::load()?;
    let duration = args.duration.or(defaults.duration).unwrap_or(Period::HOUR);
    let who = match &args.assignee {
        Some(who) => who.clone(),
        None => assignee()?,
    };
    let body = body(args, duration, &who)?;
    let path = format!("device/{}/request", escape(args.device.as_deref().unwrap_or("any")));
    let signals = match args.wait || !args.command.is_empty() {
        // Before there is anything to be given back.
        true => Some(super::signals::listen()?),
        false => None,
    };
    let made = make(client, &path, &body);
    let made = if args.command.is_empty() { made? } else { with_command::our_own(made)? };
    let request = &made["request"];
    let Some(id) = request["id"].as_i64() else {
        let why = "its answer names no request".into();
        return Err(RemoteError::Strange { url: client.base().to_owned(), why });
    };
    let Some(signals) = signals else {
        return remote.show(request, |out, _| {
            tell(&format!("request {id} is made; `mozpool request wait {id}` waits for its board"));
            writeln!(out, "{id}")
        });
    };
    let mut held = super::keep::Held::new(client, id, &who);
    match args.command.is_empty() {
        true => match wait::for_board(client, id, Some(&signals))? {
            wait::Ended::Ready => {
                held.leave();
                wait::show(id, remote, client)
            }
            wait::Ended::Signal(signal) => {
                held.give_back("interrupted while it waited", &signals);
                Ok(ExitCode::from(signals.exit_code(signal)))
            }
        },
        false => with_command::run(
            &with_command::Job {
                client,
                id,
                duration,
                command: &args.command,
                on_loss: args.on_loss,
                signals: &signals,
            },
            held,
        ),
    }
}

/// Asks; a server that is busy is asked again, for nothing was done then.
fn make(client: &Client, path: &str, body: &Value) -> Result<Value, RemoteError> {
    let mut pause = BUSY_PAUSE;
    for _ in 1..BUSY_TRIES {
        match client.post(path, body) {
            Err(RemoteError::Refused { status: 503, code, .. }) if code == "busy" => {
                std::thread::sleep(pause);
                pause *= 2;
            }
            other => return other,
        }
    }
    client.post(path, body)
}

/// Keys of the body that say what is wanted, and so cannot be told to an image by `-k`.
const OURS: [&str; 12] = [
    "assignee",
    "requester",
    "duration",
    "image",
    "environment",
    "hardware_type",
    "hardware_model",
    "processor",
    "tags",
    "queue_limit",
    "reason",
    "boot_config",
];

fn body(args: &Args, duration: Period, who: &str) -> Result<Value, RemoteError> {
    let mut body: Map<String, Value> = args.boot_config.read()?;
    if let Some(key) = body.keys().find(|key| OURS.contains(&key.as_str())) {
        let option = key.replace('_', "-");
        let why = format!(
            "`{key}` is not for the image but for the server; --help says which option it is (--{option}?)"
        );
        return Err(RemoteError::Usage { why });
    }
    let mut set = |key: &str, value: Value| body.insert(key.to_owned(), value);
    set("image", args.image.as_str().into());
    set("duration", duration.seconds().into());
    set("assignee", who.into());
    for (key, values) in [
        ("environment", &args.environment),
        ("hardware_type", &args.hardware_type),
        ("hardware_model", &args.hardware_model),
        ("processor", &args.processor),
    ] {
        if !values.is_empty() {
            set(key, values.clone().into());
        }
    }
    if !args.tag.is_empty() {
        // A list in a list: one of these.
        let tags: Vec<Value> = args.tag.iter().map(|tag| tag.split(',').collect::<Value>()).collect();
        set("tags", tags.into());
    }
    if let Some(limit) = args.queue_limit {
        set("queue_limit", limit.seconds().into());
    }
    if let Some(reason) = &args.reason {
        set("reason", reason.as_str().into());
    }
    Ok(body.into())
}
