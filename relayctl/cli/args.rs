//! The command line as a table of what can be said, with the help an operator reads at 3 am.
//!
//! Every mistake ends here with exit code 2 and a sentence saying what would be right; the rest of the program gets
//! checked values only.

use crate::exit;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use relayctl::{Bank, BoardAddress, Framing, PowerState, Relay, RelayAddress, Wiring};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// No operation on a relay board takes an hour; more is a slip of the finger.
const MAX_TIMEOUT_S: f64 = 3600.0;
/// Longest rest of a fake board.
const MAX_RECOVERY_MS: u64 = 60_000;
/// A board is read in milliseconds and rests for a second after each connection. Every two seconds leaves it free for
/// others half of the time.
const INTERVAL_S: std::ops::RangeInclusive<f64> = 2.0..=3600.0;

const ABOUT: &str = "Switch devices on and off through ProXR relay boards, and see whether they are.";

const LONG_ABOUT: &str = "\
Switch devices on and off through ProXR relay boards (National Control Devices), and see whether they are.

A device is found by its relay board, bank and relay: in the inventory's relay_info
`panda-relay-001.example.com:bank1:relay3` the board is panda-relay-001.example.com, the bank 1, the relay 3.";

const BEFORE_CODES: &str = "\
Examples:
  relayctl status panda-relay-001 1 3         is the device behind bank 1, relay 3 on?
  relayctl status panda-relay-001             all devices of the board
  relayctl powercycle panda-relay-001 1 3     off, one second, on again; each step is checked
  relayctl turnoff --timeout 10 10.0.0.5:2101 4 8
  relayctl bank-off panda-relay-001 2         all eight devices of bank 2; asks first
  relayctl watch panda-relay-001              a live table; q ends it
  relayctl test panda-relay-001               is the board there and in run mode?

What on and off mean:
  Always the power of the device, never the position of the relay. With the usual wiring (normally
  closed) a relay that is on cuts its device's power; use --wiring no for a board wired normally open.

Devices that Mozpool looks after:
  Commands that switch ask the daemon first whose power it is, and refuse (exit code 5) if it is a
  device's that the daemon works with. Lock the device out first, or use --force.
  It is asked where `mozpool` would ask, by http: at --server, else $MOZPOOL_URL, else as
  ~/.config/mozpool/client.toml says, else where this machine's daemon listens, else http://localhost.
  Most servers want a token, that of any role: --token-file, else $MOZPOOL_TOKEN, $MOZPOOL_TOKEN_FILE,
  client.toml's token_file, ~/.config/mozpool/token. When a server answers and does not say whose power
  it is (no token, no Mozpool, https), relayctl refuses as well. Only one that does not answer at all
  stops nobody: relayctl says so and goes on.

Exit codes:
";

const AFTER_CODES: &str = "
When it fails:
  refused      The board serves one connection at a time and rests a second after each. relayctl keeps
               trying for 4 seconds. Longer: something holds a connection open, or the port is wrong.
  no answer    Check the board's own power and cable; run `relayctl test HOST`.
  not moved    The board obeyed and the device is not as it should be: wrong bank, relay or --wiring,
               or a worn-out relay.
  `relayctl --verbose ...` shows every byte on the line.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "relayctl", version, about = ABOUT, long_about = LONG_ABOUT)]
pub(crate) struct Args {
    /// Show every connection and every byte on standard error
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// The command line's grammar, with the help that is made from tables.
pub(crate) fn command() -> clap::Command {
    Args::command().after_help(format!("{BEFORE_CODES}{}{AFTER_CODES}", exit::table()))
}

/// What was typed. Exits 2 with the reason when that means nothing.
pub(crate) fn read() -> Args {
    Args::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Print whether devices have power: one, the eight of a bank, or all of a board
    ///
    /// A line for each: `bank B, relay R status: on|off`. on and off are the device's power as its relay gives it, not
    /// the relay's position. Without a bank, banks are read from the first on until one does not answer.
    Status {
        #[arg(value_name = "HOST[:PORT]", help = HOST)]
        board: BoardAddress,
        /// Bank, 1 to 32 [default: all]
        bank: Option<Bank>,
        /// Relay within the bank, 1 to 8 [default: all]
        relay: Option<Relay>,
        #[command(flatten)]
        banks: BanksArg,
        #[command(flatten)]
        line: LineArgs,
    },
    /// Give a device power and check that it has it; prints OK or FAILED
    #[command(visible_alias = "on")]
    Turnon(SwitchArgs),
    /// Take a device's power and check that it is gone; prints OK or FAILED
    #[command(visible_alias = "off")]
    Turnoff(SwitchArgs),
    /// Take a device's power for one second and give it again; prints OK or FAILED
    ///
    /// Each step is checked. If anything fails after the power was cut, relayctl tries to give it again, if need be
    /// on new connections and for up to 5 seconds beyond the time limit, and says what came of it. Control-C does
    /// not interrupt a power cycle.
    Powercycle(SwitchArgs),
    /// Print the power of all eight devices of a bank, a line each as `status` does
    Bank {
        #[arg(value_name = "HOST[:PORT]", help = HOST)]
        board: BoardAddress,
        /// Bank, 1 to 32
        bank: Bank,
        #[command(flatten)]
        line: LineArgs,
    },
    /// Give all eight devices of a bank power and check each; asks first
    BankOn(BankArgs),
    /// Take the power of all eight devices of a bank and check each; asks first
    BankOff(BankArgs),
    /// Show a board's devices as a table that keeps itself up to date; q or Control-C ends it
    ///
    /// The board is connected to only while it is read, so that whoever else needs it gets a turn. On a terminal the
    /// table is drawn in place; otherwise each bank is a line, each time. A board that cannot be reached is said to be
    /// so, and tried again.
    Watch(WatchArgs),
    /// Ask a relay board whether it is there and takes commands; prints OK or FAILED
    ///
    /// This is the two-way test of the ProXR protocol. A board in configuration mode fails it.
    Test {
        #[arg(value_name = "HOST[:PORT]", help = HOST)]
        board: BoardAddress,
        #[command(flatten)]
        line: LineArgs,
    },
    /// Be a relay board: a fake one, for tests, demonstrations and practice
    Fake(FakeArgs),
    /// Print the completion of this command line for a shell
    ///
    /// For bash: relayctl completion bash > /etc/bash_completion.d/relayctl
    Completion {
        /// For which shell
        shell: Shell,
    },
    /// Print the manual page
    ///
    /// To read it: relayctl man | man -l -
    Man {
        /// Write it, and one for each command, as files into this folder instead
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
}

const HOST: &str =
    "The relay board: a name or an address, an IPv6 address in brackets; port 2101 unless given";

/// A relay that is to be switched.
#[derive(Debug, clap::Args)]
pub(crate) struct SwitchArgs {
    #[arg(value_name = "HOST[:PORT]", help = HOST)]
    board: BoardAddress,
    /// Bank, 1 to 32
    bank: Bank,
    /// Relay within the bank, 1 to 8
    relay: Relay,
    #[command(flatten)]
    pub(crate) guard: GuardArgs,
    #[command(flatten)]
    pub(crate) line: LineArgs,
}

impl SwitchArgs {
    pub(crate) fn address(&self) -> RelayAddress {
        let (board, wiring) = (self.board.clone(), self.line.wiring);
        RelayAddress { board, bank: self.bank, relay: self.relay, wiring }
    }
}

/// A bank that is to be switched.
#[derive(Debug, clap::Args)]
pub(crate) struct BankArgs {
    #[arg(value_name = "HOST[:PORT]", help = HOST)]
    pub(crate) board: BoardAddress,
    /// Bank, 1 to 32
    pub(crate) bank: Bank,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) guard: GuardArgs,
    #[command(flatten)]
    pub(crate) line: LineArgs,
}

/// Whether something may be switched.
#[derive(Debug, clap::Args)]
pub(crate) struct GuardArgs {
    /// Switch also what belongs to a device that Mozpool works with, without asking it
    #[arg(short, long)]
    pub(crate) force: bool,
    /// The Mozpool to ask, by http; several of a pool with commas [default: $MOZPOOL_URL, else as client.toml or this machine's
    /// configuration says, else http://localhost]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The file with the token that it asks for [default: $MOZPOOL_TOKEN, which is the token itself, else $MOZPOOL_TOKEN_FILE,
    /// else ~/.config/mozpool/token]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Ask and say what would be done, and switch nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

/// How many banks a board has.
#[derive(Debug, clap::Args)]
pub(crate) struct BanksArg {
    /// Banks of the board
    #[arg(long, default_value = "4")]
    pub(crate) banks: Bank,
}

/// What `watch` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct WatchArgs {
    #[arg(value_name = "HOST[:PORT]", help = HOST)]
    pub(crate) board: BoardAddress,
    #[command(flatten)]
    pub(crate) banks: BanksArg,
    /// Seconds between two looks, 2 to 3600: the board rests for a second after each
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = interval)]
    pub(crate) interval: Duration,
    /// End after so many looks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    #[command(flatten)]
    pub(crate) line: LineArgs,
}

/// What every command to a board takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LineArgs {
    /// Give up after so many seconds, look-up and connection included
    #[arg(short, long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,
    /// Wiring: nc (normally closed: relay on cuts the power) or no (normally open: relay on gives it)
    #[arg(short, long, value_name = "nc|no", default_value_t)]
    pub(crate) wiring: Wiring,
    /// How commands travel: plain (every board) or api (Fusion boards: in packets with checksums)
    #[arg(long, value_name = "plain|api", default_value_t)]
    pub(crate) packets: Framing,
    /// Print one JSON object instead of words
    #[arg(short, long)]
    pub(crate) json: bool,
}

/// A shell that completion is made for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

const FAKE_AFTER: &str = "\
The first line is `listening on ADDRESS`; then comes a line for each device whose power changes:
`bank 1, relay 3: on`. It stops on SIGTERM and SIGINT with exit code 0.

Like the real ones, it serves one connection at a time and refuses others meanwhile and for a rest
after each. With --recovery-ms 0 it lets others wait in line instead.

Examples:
  relayctl fake                               then, elsewhere: relayctl powercycle localhost 1 3
  relayctl fake --listen 127.0.0.1:0 --recovery-ms 0 --banks 1
  relayctl fake --on-change './power.sh rack1'
      runs `./power.sh rack1 1 3 on` when the device behind bank 1, relay 3 gets power: a script that
      starts and kills a virtual machine makes it a board with a power supply.";

/// What a fake board can be told.
#[derive(Debug, clap::Args)]
#[command(after_help = FAKE_AFTER)]
pub(crate) struct FakeArgs {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:2101", value_parser = listen)]
    pub(crate) listen: SocketAddr,
    /// Banks of eight relays, 1 to 32; commands to others are not answered
    #[arg(long, default_value = "4")]
    pub(crate) banks: Bank,
    /// Milliseconds for which connections are refused after each one
    #[arg(long, value_name = "N", default_value = "1000", value_parser = milliseconds)]
    pub(crate) recovery_ms: Duration,
    /// Shell command to run for each change of power, with the arguments BANK RELAY on|off, in order
    #[arg(long, value_name = "COMMAND")]
    pub(crate) on_change: Option<String>,
    /// Power of all devices at the start
    #[arg(long, value_name = "on|off", default_value = "off")]
    pub(crate) initial: PowerState,
    /// Wiring: nc (normally closed: relay on cuts the power) or no (normally open: relay on gives it)
    #[arg(long, value_name = "nc|no", default_value_t)]
    pub(crate) wiring: Wiring,
    /// Be a Fusion board: answer with the bank's status, and API packets with API packets
    #[arg(long)]
    pub(crate) fusion: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|s| *s > 0.0 && *s <= MAX_TIMEOUT_S);
    seconds
        .map(Duration::from_secs_f64)
        .ok_or(format!("write a number of seconds above 0, at most {MAX_TIMEOUT_S}"))
}

fn interval(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|s| INTERVAL_S.contains(s));
    let (from, to) = (INTERVAL_S.start(), INTERVAL_S.end());
    seconds.map(Duration::from_secs_f64).ok_or(format!(
        "write a number of seconds from {from} to {to}: the board rests after each look, and others need it, too"
    ))
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let ms = text.parse().ok().filter(|ms| *ms <= MAX_RECOVERY_MS);
    ms.map(Duration::from_millis)
        .ok_or(format!("write a whole number of milliseconds, at most {MAX_RECOVERY_MS}"))
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, for example 127.0.0.1:2101 or [::1]:0".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn times_are_within_reason() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "nan", "inf", "3601", "1e300", "ten", ""] {
            assert!(seconds(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(milliseconds("0"), Ok(Duration::ZERO));
        assert!(milliseconds("60001").is_err() && milliseconds("-1").is_err());
        assert_eq!(interval("2"), Ok(Duration::from_secs(2)));
        for wrong in ["0", "1.9", "3601", "nan", "-5", "often"] {
            assert!(interval(wrong).is_err(), "{wrong:?}");
        }
    }
}
