//! Answers in words or as one JSON object, and the exit code that goes with them.
//!
//! The one place that prints answers. Standard output has the answer, standard error the reason of a failure.

use relayctl::{Bank, BankPower, BoardAddress, PowerAfter, PowerState, Relay, RelayAddress, RelayError};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// What succeeded.
pub(crate) enum Answer {
    Switched(RelayAddress, PowerState),
    Status(RelayAddress, PowerState),
    Bank(BoardAddress, Bank, BankPower),
    Test(BoardAddress),
}

/// How to say it.
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// Prints the result of the program and gives its exit code.
    pub(crate) fn finish(&self, result: Result<Answer, RelayError>) -> ExitCode {
        let (text, code) = match &result {
            Ok(answer) if self.json => (format!("{}\n", answer.json()), ExitCode::SUCCESS),
            Ok(answer) => (answer.words(), ExitCode::SUCCESS),
            Err(error) if self.json => (format!("{}\n", failure(error)), ExitCode::FAILURE),
            Err(_) => ("FAILED\n".into(), ExitCode::FAILURE),
        };
        // A reader that has gone away is no reason to panic; the exit code still says what happened.
        let _ = io::stdout().write_all(text.as_bytes());
        if let Err(error) = result {
            let _ = writeln!(io::stderr(), "relayctl: {error}");
        }
        code
    }
}

impl Answer {
    fn words(&self) -> String {
        let line = |bank: Bank, relay: Relay, power| format!("bank {bank}, relay {relay} status: {power}\n");
        match self {
            Self::Switched(..) | Self::Test(_) => "OK\n".into(),
            Self::Status(at, power) => line(at.bank, at.relay, *power),
            Self::Bank(_, bank, power) => Relay::all().fold(String::new(), |mut text, relay| {
                let _ = text.write_str(&line(*bank, relay, power.of(relay)));
                text
            }),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Switched(at, power) | Self::Status(at, power) => json!({
                "ok": true, "board": at.board.to_string(), "bank": at.bank.number(), "relay": at.relay.number(),
                "power": power.to_string(),
            }),
            Self::Bank(board, bank, power) => {
                let relays: serde_json::Map<String, Value> = Relay::all()
                    .map(|relay| (relay.to_string(), json!(power.of(relay).to_string())))
                    .collect();
                json!({ "ok": true, "board": board.to_string(), "bank": bank.number(), "relays": relays })
            }
            Self::Test(board) => json!({ "ok": true, "board": board.to_string() }),
        }
    }
}

fn failure(error: &RelayError) -> Value {
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
