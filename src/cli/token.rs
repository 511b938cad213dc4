//! `mozpool token`: who may use the API, made and taken back on the server itself, while the daemon runs.
//!
//! It works on the store and needs no token: whoever may write to the store may do everything anyway.

use super::Failure;
use super::local::{self, LocalError};
use super::show::{self, Column, Terminal};
use super::when;
use crate::access::{NAME_MAX, Role, Secret, Wish};
use crate::api::access::by_hand;
use crate::api::time::rfc3339;
use crate::config::Config;
use crate::logic::time::Timestamp;
use crate::store::{Store, TokenRow};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::ExitCode;

/// Tokens for the API of this server and its pool: make them, list them, take them back
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  mozpool token create ann --role admin             prints the token, and nothing else, on standard output
  mozpool token create ci --role requester --environment tests --days 365
  mozpool token create ann@example.com --role operator --proxy
  mozpool token list
  mozpool token revoke ci

Roles: viewer reads; requester asks for boards, too; operator works on them, too; admin does everything; server reads, and tells what
happens to devices. It works on the store that the configuration names, as the daemon's user or as root, while the daemon runs or not.

Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no such token.";

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a token and print it, this once: only a digest of it is kept
    Create {
        /// Whose it is, or what for: it stands in the audit log
        name: String,
        /// What its holder may do
        #[arg(long, value_name = "ROLE", value_parser = role())]
        role: Role,
        /// Only there; may be given several times [default: everywhere]
        #[arg(long, value_name = "ENVIRONMENT")]
        environment: Vec<String>,
        /// For so many days [default: until it is revoked]
        #[arg(long, value_name = "N")]
        days: Option<i64>,
        /// For somebody whom a reverse proxy names so (auth.proxy_header): there is no secret
        #[arg(long)]
        proxy: bool,
    },
    /// Show all tokens, without their secrets
    List {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Take a token back: within two seconds no server of the pool takes it any more
    Revoke {
        /// Its name
        name: String,
    },
}

/// The roles, for help and completion.
fn role() -> impl clap::builder::TypedValueParser<Value = Role> {
    use clap::builder::TypedValueParser;
    clap::builder::PossibleValuesParser::new(Role::ALL.map(Role::name))
        .map(|name| name.parse::<Role>().expect("only these are possible"))
}

pub(super) fn run(args: &Args, config: &Config) -> Result<ExitCode, Failure> {
    let mut store = local::open(config).map_err(Failure::Local)?;
    let now = when::now();
    match &args.command {
        Command::Create { name, role, environment, days, proxy } => {
            let (environments, proxy) = (environment.clone(), *proxy);
            let wish = Wish { name: name.clone(), role: *role, environments, days: *days, proxy };
            let (row, secret) = create(store.as_mut(), wish, now).map_err(Failure::Local)?;
            let mut out = io::stdout().lock();
            if let Some(secret) = &secret {
                writeln!(out, "{}", secret.token_text())
                    .and_then(|()| out.flush())
                    .map_err(Failure::Output)?;
            }
            super::remote::tell(&told(&row, secret.is_some()));
        }
        Command::List { json } => {
            let tokens = store.tokens().map_err(LocalError::Store).map_err(Failure::Local)?;
            list(&tokens, *json, now).map_err(Failure::Output)?;
        }
        Command::Revoke { name } => {
            let revoked = store.revoke_token(name).map_err(LocalError::Store).map_err(Failure::Local)?;
            if !revoked {
                return Err(Failure::Local(LocalError::NoSuchToken(name.chars().take(NAME_MAX).collect())));
            }
            note(store.as_mut(), "DELETE", format!("/api/token/{name}"), now);
            super::remote::tell(&format!(
                "{name} is revoked; within two seconds no server takes it any more"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn create(
    store: &mut dyn Store,
    wish: Wish,
    now: Timestamp,
) -> Result<(TokenRow, Option<Secret>), LocalError> {
    let row = TokenRow::new(wish.checked().map_err(LocalError::Wish)?, now);
    let secret = if row.proxy { None } else { Some(Secret::new().map_err(LocalError::Random)?) };
    let digest = secret.as_ref().map(Secret::digest);
    if !store.make_token(&row, digest.as_ref()).map_err(LocalError::Store)? {
        return Err(LocalError::Taken(row.name));
    }
    note(store, "POST", format!("/api/token {} {}", row.name, row.role), now);
    Ok((row, secret))
}

/// What was done is done; that it could not be written down is told.
fn note(store: &mut dyn Store, method: &str, path: String, now: Timestamp) {
    let entry = by_hand(&local::who(), method, path, now);
    if let Err(error) = store.append_audit(&[entry], &[]) {
        super::remote::tell(&format!("it was done, but does not stand in the audit log: {error}"));
    }
}

/// What was made, for people.
fn told(row: &TokenRow, has_secret: bool) -> String {
    let TokenRow { name, role, environments, expires, .. } = row;
    let place =
        if environments.is_empty() { String::new() } else { format!(" in {}", environments.join(", ")) };
    let until = expires.map(|end| format!(" until {} UTC", when::plain(&rfc3339(end)))).unwrap_or_default();
    let rest = if has_secret {
        "the token is shown this once"
    } else {
        "it has no secret: the reverse proxy names its holder"
    };
    format!("{name} is {role}{place}{until}; {rest}")
}

const COLUMNS: &[Column<'static>] = &[
    Column::new("name"),
    Column::new("role"),
    Column::new("environments"),
    Column::new("made"),
    Column::new("expires"),
    Column::new("last_used"),
    Column::new("kind"),
];

fn list(tokens: &[TokenRow], as_json: bool, now: Timestamp) -> io::Result<()> {
    let day = |at: Timestamp| rfc3339(at).chars().take(10).collect::<String>();
    let row = |token: &TokenRow| {
        let TokenRow { name, proxy, role, environments, made, expires, used } = token;
        json!({ "name": name, "role": role.name(), "environments": environments, "made": rfc3339(*made),
            "expires": expires.map(rfc3339), "last_used": used.map(day), "proxy": proxy })
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    if as_json {
        show::json(&mut out, &json!({ "tokens": tokens.iter().map(row).collect::<Vec<_>>() }))?;
    } else if tokens.is_empty() {
        writeln!(out, "no tokens: `mozpool token create NAME --role admin` makes the first")?;
    } else {
        let shown: Vec<Value> = tokens
            .iter()
            .map(|token| {
                let mut shown = row(token);
                shown["made"] = day(token.made).into();
                let expires = token.expires.map(|end| match token.is_good(now) {
                    true => day(end),
                    false => format!("{}, over", day(end)),
                });
                shown["expires"] = expires.into();
                shown["kind"] = if token.proxy { "proxy" } else { "token" }.into();
                shown
            })
            .collect();
        show::table(&mut out, Terminal::of_stdout(), COLUMNS, &shown)?;
    }
    out.flush()
}
