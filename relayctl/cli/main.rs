//! `relayctl`: device power by hand, and a fake relay board to practise on.
//!
//! Reads the command line, calls the library, prints the answer. Words and exit codes are those of the tool this
//! one takes the place of: `OK` / `FAILED`, `bank B, relay R status: on|off`; 0 done, 1 failed, 2 wrong usage.
#![forbid(unsafe_code)]

mod args;
mod fake;
mod output;
mod signals;
mod trace;

use args::{Args, Task};
use clap::Parser;
use output::{Answer, Output};
use relayctl::{Action, Settings};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a refused connection is tried again: another's power cycle (2 s) and the board's rest (1 s).
const PATIENCE: Duration = Duration::from_secs(4);

fn main() -> ExitCode {
    // Exits 2 with the reason on a wrong command line.
    let args = Args::parse();
    trace::init(args.verbose);
    match args.task {
        Task::Fake(fake) => fake::run(&fake),
        Task::Status(at) => power(Action::Status, &at),
        Task::Turnon(at) => power(Action::PowerOn, &at),
        Task::Turnoff(at) => power(Action::PowerOff, &at),
        Task::Powercycle(at) => {
            // Being killed half-way would leave the device off.
            signals::defer("finishing the power cycle, so that the device is not left without power");
            power(Action::PowerCycle, &at)
        }
        Task::Test { board, line } => {
            let result = relayctl::test(&board, &settings(&line));
            Output { json: line.json }.finish(result.map(|()| Answer::Test(board)))
        }
        Task::Bank { board, bank, line } => {
            let result = relayctl::bank_status(&board, bank, &settings(&line));
            Output { json: line.json }.finish(result.map(|power| Answer::Bank(board, bank, power)))
        }
    }
}

fn power(action: Action, at: &args::RelayArgs) -> ExitCode {
    let address = at.address();
    let result = relayctl::run(&address, action, &settings(&at.line));
    Output { json: at.line.json }.finish(result.map(|power| match action {
        Action::Status => Answer::Status(address, power),
        Action::PowerOn | Action::PowerOff | Action::PowerCycle => Answer::Switched(address, power),
    }))
}

fn settings(line: &args::LineArgs) -> Settings {
    let mut settings = Settings::new(Instant::now() + line.timeout);
    settings.wiring = line.wiring;
    settings.patience = PATIENCE;
    settings
}
