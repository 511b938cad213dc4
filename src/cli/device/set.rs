//! `mozpool device force`, `comment`, `environment`: what a person says of a board, whatever the machine thinks.

use crate::cli::confirm::Confirm;
use crate::cli::remote::{Client, Done, Remote, escape};
use crate::cli::show;
use serde_json::{Value, json};

/// Put a board into another state against the machine's will; asks first
///
/// Nothing is done to the board itself: the machine goes on as if it had come to this state. It is refused when the board is not
/// in the state FROM any more.
#[derive(Debug, clap::Args)]
pub(super) struct ForceArgs {
    /// Which board
    device: String,
    /// The state that it is in
    from: String,
    /// The state that it is to be in
    to: String,
    #[command(flatten)]
    confirm: Confirm,
}

/// Write down what people should know of a board
#[derive(Debug, clap::Args)]
pub(super) struct CommentArgs {
    /// Which board
    device: String,
    /// What is to be known; '' takes away what is there
    text: String,
}

/// Move a board into another pool
#[derive(Debug, clap::Args)]
pub(super) struct EnvironmentArgs {
    /// Which board
    device: String,
    /// The pool's name
    environment: String,
}

pub(super) fn force(args: &ForceArgs, remote: &Remote, client: &Client) -> Done {
    let (device, from, to) = (show::clean(&args.device), show::clean(&args.from), show::clean(&args.to));
    args.confirm.ask(&format!(
        "This puts {device} from {from} into {to} against the machine's will; whatever is under way with it, a request's work \
         among it, is given up."
    ))?;
    let path = format!(
        "device/{}/state-change/{}/to/{}",
        escape(&args.device),
        escape(&args.from),
        escape(&args.to)
    );
    client.post(&path, &json!({}))?;
    let answer = json!({ "device": args.device, "was": args.from, "state": args.to });
    remote.show(&answer, |out, _| writeln!(out, "{device}: {from} -> {to}"))
}

pub(super) fn comment(args: &CommentArgs, remote: &Remote, client: &Client) -> Done {
    set(&args.device, "comments", &args.text, remote, client)
}

pub(super) fn environment(args: &EnvironmentArgs, remote: &Remote, client: &Client) -> Done {
    set(&args.device, "environment", &args.environment, remote, client)
}

fn set(device: &str, key: &str, value: &str, remote: &Remote, client: &Client) -> Done {
    let body: Value =
        [(key.to_owned(), Value::from(value))].into_iter().collect::<serde_json::Map<_, _>>().into();
    client.post(&format!("device/{}/set-{key}", escape(device)), &body)?;
    let answer = json!({ "device": device, key: value });
    remote.show(&answer, |out, _| match value {
        "" => writeln!(out, "{}: no {key}", show::clean(device)),
        value => writeln!(out, "{}: {key} {}", show::clean(device), show::clean(value)),
    })
}
