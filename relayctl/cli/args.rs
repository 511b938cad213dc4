//! The command line as a table of what can be said, with the help an operator reads at 3 am.
//!
//! Every mistake ends here with exit code 2 and a sentence saying what would be right; the rest of the program gets
//! checked values only.

use clap::{Parser, Subcommand};
use relayctl::{Bank, BoardAddress, PowerState, Relay, RelayAddress, Wiring};
use std::net::SocketAddr;
use std::time::Duration;

/// No operation on a relay board takes an hour; more is a slip of the finger.
const MAX_TIMEOUT_S: f64 = 3600.0;
/// Longest rest of a fake board.
const MAX_RECOVERY_MS: u64 = 60_000;

const ABOUT: &str = "Switch devices on and off through ProXR relay boards, and see whether they are.";

const LONG_ABOUT: &str = "\
Switch devices on and off through ProXR relay boards (National Control Devices), and see whether they are.

A device is found by its relay board, bank and relay: in the inventory's relay_info
`panda-relay-001.example.com:bank1:relay3` the board is panda-relay-001.example.com, the bank 1, the relay 3.";

const AFTER: &str = "\
Examples:
  relayctl status panda-relay-001 1 3         is the device behind bank 1, relay 3 on?
  relayctl powercycle panda-relay-001 1 3     off, one second, on again; each step is checked
  relayctl turnoff --timeout 10 10.0.0.5:2101 4 8
  relayctl test panda-relay-001               is the board there and in run mode?
  relayctl bank --json panda-relay-001 2      all eight devices of bank 2, for a script

What on and off mean:
  Always the power of the device, never the position of the relay. With the usual wiring (normally
  closed) a relay that is on cuts its device's power; use --wiring no for a board wired normally open.

Exit codes:
  0  done, or the answer is printed
  1  failed; the reason and what to do are on standard error
  2  the command line is wrong

When it fails:
  refused      The board serves one connection at a time and rests a second after each. relayctl keeps
               trying for 4 seconds. Longer: something holds a connection open, or the port is wrong.
  no answer    Check the board's own power and cable; run `relayctl test HOST`.
  not moved    The board obeyed and the device is not as it should be: wrong bank, relay or --wiring,
               or a worn-out relay.
  `relayctl --verbose ...` shows every byte on the line.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "relayctl", version, about = ABOUT, long_about = LONG_ABOUT, after_help = AFTER)]
pub(crate) struct Args {
    /// Show every connection and every byte on standard error
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Print whether a device has power: `bank B, relay R status: on|off`
    ///
    /// on and off are the device's power as its relay gives it, not the relay's position.
    Status(RelayArgs),
    /// Give a device power and check that it has it; prints OK or FAILED
    Turnon(RelayArgs),
    /// Take a device's power and check that it is gone; prints OK or FAILED
    Turnoff(RelayArgs),
    /// Take a device's power for one second and give it again; prints OK or FAILED
    ///
    /// Each step is checked. If anything fails after the power was cut, relayctl tries to give it again, if need be
    /// on new connections and for up to 5 seconds beyond the time limit, and says what came of it. Control-C does
    /// not interrupt a power cycle.
    Powercycle(RelayArgs),
    /// Ask a relay board whether it is there and takes commands; prints OK or FAILED
    ///
    /// This is the two-way test of the ProXR protocol. A board in configuration mode fails it.
    Test {
        #[arg(value_name = "HOST[:PORT]", help = HOST)]
        board: BoardAddress,
        #[command(flatten)]
        line: LineArgs,
    },
    /// Print the power of all eight devices of a bank, a line each as `status` does
    Bank {
        #[arg(value_name = "HOST[:PORT]", help = HOST)]
        board: BoardAddress,
        /// Bank, 1 to 32
        bank: Bank,
        #[command(flatten)]
        line: LineArgs,
    },
    /// Be a relay board: a fake one, for tests, demonstrations and practice
    Fake(FakeArgs),
}

const HOST: &str =
    "The relay board: a name or an address, an IPv6 address in brackets; port 2101 unless given";

/// A relay on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct RelayArgs {
    #[arg(value_name = "HOST[:PORT]", help = HOST)]
    board: BoardAddress,
    /// Bank, 1 to 32
    bank: Bank,
    /// Relay within the bank, 1 to 8
    relay: Relay,
    #[command(flatten)]
    pub(crate) line: LineArgs,
}

impl RelayArgs {
    pub(crate) fn address(&self) -> RelayAddress {
        RelayAddress { board: self.board.clone(), bank: self.bank, relay: self.relay }
    }
}

/// What every command to a board takes.
#[derive(Debug, clap::Args)]
pub(crate) struct LineArgs {
    /// Give up after so many seconds, look-up and connection included
    #[arg(short, long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,
    /// Wiring: nc (normally closed: relay on cuts the power) or no (normally open: relay on gives it)
    #[arg(short, long, value_name = "nc|no", default_value_t)]
    pub(crate) wiring: Wiring,
    /// Print one JSON object instead of words
    #[arg(short, long)]
    pub(crate) json: bool,
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
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|s| *s > 0.0 && *s <= MAX_TIMEOUT_S);
    seconds
        .map(Duration::from_secs_f64)
        .ok_or(format!("write a number of seconds above 0, at most {MAX_TIMEOUT_S}"))
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
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn times_are_within_reason() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "nan", "inf", "3601", "1e300", "ten", ""] {
            assert!(seconds(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(milliseconds("0"), Ok(Duration::ZERO));
        assert!(milliseconds("60001").is_err() && milliseconds("-1").is_err());
    }
}
