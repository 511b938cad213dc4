//! Answers in words or as one JSON object, and the exit code that goes with them.
//!
//! The one place that prints answers. Standard output has the answer, standard error the reason of a failure. The JSON's
//! keys are a promise to scripts: `ok` and `board` always; what else there is stands in `docs/operating.md`.

use crate::exit::Exit;
use relayctl::{Bank, BankPower, BoardAddress, PowerAfter, PowerState, Relay, RelayAddress, RelayError};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// What succeeded.
pub(crate) enum Answer {
    Switched(RelayAddress, PowerState),
    Status(RelayAddress, PowerState),
    Bank(BoardAddress, Bank, BankPower),
    BankSwitched(BoardAddress, Bank, BankPower),
    Board(BoardAddress, Vec<(Bank, BankPower)>),
    Test(BoardAddress),
    /// What would have been done.
    DryRun(BoardAddress, String),
}

/// What did not.
pub(crate) enum Failed {
    /// At the board.
    Board(Box<RelayError>),
    /// It was not tried: a short name for machines, and a sentence.
    Refused { board: BoardAddress, fault: &'static str, why: String },
}

impl From<RelayError> for Failed {
    fn from(error: RelayError) -> Self {
        Self::Board(Box::new(error))
    }
}

/// How to say it.
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// Prints the result of the program and gives its exit code.
    pub(crate) fn finish(&self, result: Result<Answer, Failed>) -> ExitCode {
        let (text, exit) = match &result {
            Ok(answer) if self.json => (format!("{}\n", answer.json()), Exit::Done),
            Ok(answer) => (answer.words(), Exit::Done),
            Err(failed) if self.json => (format!("{}\n", failed.json()), failed.exit()),
            Err(failed) => ("FAILED\n".into(), failed.exit()),
        };
        // A reader that has gone away is no reason to panic; the exit code still says what happened.
        let _ = io::stdout().write_all(text.as_bytes());
        if let Err(failed) = result {
            say(&failed.sentence());
        }
        exit.into()
    }
}

/// A line on standard error.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "relayctl: {line}");
}

impl Answer {
    fn words(&self) -> String {
        match self {
            Self::Switched(..) | Self::BankSwitched(..) | Self::Test(_) => "OK\n".into(),
            Self::Status(at, power) => line(at.bank, at.relay, *power),
            Self::Bank(_, bank, power) => lines(*bank, *power),
            Self::Board(_, banks) => banks.iter().map(|(bank, power)| lines(*bank, *power)).collect(),
            Self::DryRun(_, what) => format!("would {what}; nothing was switched\n"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Switched(at, power) | Self::Status(at, power) => json!({
                "ok": true, "board": at.board.to_string(), "bank": at.bank.number(), "relay": at.relay.number(),
                "power": power.to_string(),
            }),
            Self::Bank(board, bank, power) | Self::BankSwitched(board, bank, power) => json!({
                "ok": true, "board": board.to_string(), "bank": bank.number(), "relays": relays(*power),
            }),
            Self::Board(board, banks) => {
                let banks: Map<String, Value> =
                    banks.iter().map(|(bank, power)| (bank.to_string(), relays(*power))).collect();
                json!({ "ok": true, "board": board.to_string(), "banks": banks })
            }
            Self::Test(board) => json!({ "ok": true, "board": board.to_string() }),
            Self::DryRun(board, what) => {
                json!({ "ok": true, "board": board.to_string(), "dry_run": true, "would": what })
            }
        }
    }
}

fn line(bank: Bank, relay: Relay, power: PowerState) -> String {
    format!("bank {bank}, relay {relay} status: {power}\n")
}

fn lines(bank: Bank, power: BankPower) -> String {
    Relay::all().fold(String::new(), |mut text, relay| {
        let _ = text.write_str(&line(bank, relay, power.of(relay)));
        text
    })
}

fn relays(power: BankPower) -> Value {
    Relay::all()
        .map(|relay| (relay.to_string(), json!(power.of(relay).to_string())))
        .collect::<Map<_, _>>()
        .into()
}

impl Failed {
    fn exit(&self) -> Exit {
        match self {
            Self::Board(error) => Exit::of(error),
            Self::Refused { .. } => Exit::Guarded,
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Board(error) => error.to_string(),
            Self::Refused { why, .. } => why.clone(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Board(error) => failure(error),
            Self::Refused { board, fault, why } => json!({
                "ok": false, "board": board.to_string(), "fault": fault, "power": "untouched", "error": why,
            }),
        }
    }
}

/// An operation on a board that failed.
pub(crate) fn failure(error: &RelayError) -> Value {
    let power = match error.power {
        PowerAfter::Untouched => "untouched",
        PowerAfter::Unverified => "unverified",
        PowerAfter::RestoredOn => "restored_on",
        PowerAfter::MayBeOff => "may_be_off",
    };
    json!({
        "ok": false, "board": error.board.to_string(), "operation": error.operation.to_string(),
        "step": error.step.to_string(), "fault": error.fault.name(), "power": power, "error": error.to_string(),
    })
}
