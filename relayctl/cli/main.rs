//! `relayctl`: device power by hand, and a fake relay board to practise on.
//!
//! Reads the command line, calls the library, prints the answer. Words are those of the tool this one takes the place of:
//! `OK` / `FAILED`, `bank B, relay R status: on|off`. It knows of Mozpool only what its guard asks of the API.
#![forbid(unsafe_code)]

mod args;
mod exit;
mod fake;
mod guard;
mod output;
mod pages;
mod place;
mod signals;
mod trace;
mod watch;

use args::{BankArgs, GuardArgs, SwitchArgs, Task};
use output::{Answer, Failed, Output, say};
use relayctl::{Action, Bank, BoardAddress, PowerState, Relay, RelayAddress, Settings};
use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a refused connection is tried again: another's power cycle (2 s) and the board's rest (1 s).
const PATIENCE: Duration = Duration::from_secs(4);

fn main() -> ExitCode {
    let args = args::read();
    trace::init(args.verbose);
    match args.task {
        Task::Fake(fake) => fake::run(&fake),
        Task::Watch(args) => watch::run(&args),
        Task::Completion { shell } => pages::completion(shell),
        Task::Man { dir } => pages::man(dir.as_deref()),
        Task::Status { board, bank, relay, banks, line } => {
            let settings = settings(&line);
            let result = match (bank, relay) {
                (Some(bank), Some(relay)) => {
                    let at = RelayAddress { board, bank, relay, wiring: line.wiring };
                    relayctl::run(&at, Action::Status, &settings).map(|power| Answer::Status(at, power))
                }
                (Some(bank), None) => bank_status(board, bank, &line),
                (None, _) => relayctl::board_status(&board, banks.banks, line.wiring, &settings)
                    .map(|banks| Answer::Board(board, banks)),
            };
            Output { json: line.json }.finish(result.map_err(Failed::from))
        }
        Task::Turnon(at) => switch(Action::PowerOn, &at),
        Task::Turnoff(at) => switch(Action::PowerOff, &at),
        Task::Powercycle(at) => switch(Action::PowerCycle, &at),
        Task::BankOn(at) => switch_bank(PowerState::On, &at),
        Task::BankOff(at) => switch_bank(PowerState::Off, &at),
        Task::Test { board, line } => {
            let result = relayctl::test(&board, &settings(&line)).map_err(Failed::from);
            Output { json: line.json }.finish(result.map(|()| Answer::Test(board)))
        }
        Task::Bank { board, bank, line } => {
            Output { json: line.json }.finish(bank_status(board, bank, &line).map_err(Failed::from))
        }
    }
}

fn bank_status(
    board: BoardAddress,
    bank: Bank,
    line: &args::LineArgs,
) -> Result<Answer, relayctl::RelayError> {
    let power = relayctl::bank_status(&board, bank, line.wiring, &settings(line))?;
    Ok(Answer::Bank(board, bank, power))
}

fn switch(action: Action, at: &SwitchArgs) -> ExitCode {
    let address = at.address();
    let verb = match action {
        Action::PowerOn => "switch on",
        Action::PowerOff => "switch off",
        Action::PowerCycle => "power-cycle",
        Action::Status => unreachable!("nothing is switched to look"),
    };
    let RelayAddress { board, bank, relay, .. } = &address;
    let what = format!("{verb} bank {bank}, relay {relay} of relay board {board}");
    let result = guarded(&at.guard, board, *bank, Some(*relay), &what).unwrap_or_else(|| {
        if action == Action::PowerCycle {
            // Being killed half-way would leave the device off.
            signals::defer("finishing the power cycle, so that the device is not left without power");
        }
        let power = relayctl::run(&address, action, &settings(&at.line))?;
        Ok(Answer::Switched(address.clone(), power))
    });
    Output { json: at.line.json }.finish(result)
}

fn switch_bank(power: PowerState, at: &BankArgs) -> ExitCode {
    let BankArgs { board, bank, .. } = at;
    let what = format!("switch {power} all eight devices of bank {bank} of relay board {board}");
    let result = guarded(&at.guard, board, *bank, None, &what).unwrap_or_else(|| {
        confirmed(at, &what)?;
        let seen = relayctl::switch_bank(board, *bank, power, at.line.wiring, &settings(&at.line))?;
        Ok(Answer::BankSwitched(board.clone(), *bank, seen))
    });
    Output { json: at.line.json }.finish(result)
}

/// The end of it where nothing is to be switched: refused, or only tried out. `None`: go on.
fn guarded(
    args: &GuardArgs,
    board: &BoardAddress,
    bank: Bank,
    relay: Option<Relay>,
    what: &str,
) -> Option<Result<Answer, Failed>> {
    if !args.force
        && let Err(why) = guard::ask(args, board, bank, relay)
    {
        return Some(Err(Failed::Refused { board: board.clone(), fault: "guarded", why }));
    }
    args.dry_run.then(|| Ok(Answer::DryRun(board.clone(), what.into())))
}

/// Eight devices at once are asked for twice.
fn confirmed(at: &BankArgs, what: &str) -> Result<(), Failed> {
    if at.yes {
        return Ok(());
    }
    let refused =
        |why: &str| Failed::Refused { board: at.board.clone(), fault: "not_confirmed", why: why.into() };
    if !io::stdin().is_terminal() {
        return Err(refused(
            "nobody is there to be asked whether eight devices are to be switched: add --yes",
        ));
    }
    let _ = write!(io::stderr(), "relayctl: about to {what}. Type yes to go on: ");
    let mut answer = String::new();
    match io::stdin().lock().read_line(&mut answer) {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        Ok(_) => Err(refused("not confirmed, nothing was switched")),
        Err(error) => {
            say(&format!("cannot read the answer: {error}"));
            Err(refused("not confirmed, nothing was switched"))
        }
    }
}

fn settings(line: &args::LineArgs) -> Settings {
    let mut settings = Settings::new(Instant::now() + line.timeout);
    settings.patience = PATIENCE;
    settings.framing = line.packets;
    settings
}
