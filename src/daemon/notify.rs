//! What the service manager is told: that we are ready, alive, reading our configuration again, or on our way out (sd_notify(3)).
//!
//! A datagram a word to the socket that `$NOTIFY_SOCKET` names, a path or an abstract one. Without it nobody is told, and everything
//! else is the same. It knows nothing of threads.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

const SOCKET: &str = "NOTIFY_SOCKET";
/// Within how many microseconds it wants to hear that we live.
const WATCHDOG: &str = "WATCHDOG_USEC";
/// Whom it means by that.
const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// How long a word may wait for room in the service manager's queue.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where to tell it.
#[derive(Debug)]
pub(super) struct Notifier(Option<(UnixDatagram, SocketAddr)>);

impl Notifier {
    /// As the environment says. A socket that cannot be used is logged, and nobody is told then.
    pub(super) fn from_env() -> Self {
        Self::to(std::env::var_os(SOCKET))
    }

    fn to(name: Option<OsString>) -> Self {
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Self(None) };
        let opened = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            [b'/', ..] => SocketAddr::from_pathname(&name),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither /PATH nor @NAME")),
        }
        .and_then(|to| {
            let socket = UnixDatagram::unbound()?;
            // It may be busy with others, and its queue is short; but one that hangs must not hang us.
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok((socket, to))
        });
        match opened {
            Ok(socket) => Self(Some(socket)),
            Err(error) => {
                log::warn!("cannot tell the service manager anything (${SOCKET} is {name:?}): {error}");
                Self(None)
            }
        }
    }

    /// Somebody listens.
    pub(super) fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// A sentence for `systemctl status`.
    pub(super) fn status(&self, text: &str) {
        self.say(&format!("STATUS={}", one_line(text)));
    }

    /// Everything answers.
    pub(super) fn ready(&self, text: &str) {
        self.say(&format!("READY=1\nSTATUS={}", one_line(text)));
    }

    /// Everything still does.
    pub(super) fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// The configuration is read again; [`Self::ready`] says when that is over.
    pub(super) fn reloading(&self) {
        let now_us = crate::clock::monotonic_us();
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={now_us}\nSTATUS=reading the configuration again"));
    }

    /// We end.
    pub(super) fn stopping(&self, text: &str) {
        self.say(&format!("STOPPING=1\nSTATUS={}", one_line(text)));
    }

    fn say(&self, words: &str) {
        let Some((socket, to)) = &self.0 else { return };
        if let Err(error) = socket.send_to_addr(words.as_bytes(), to) {
            log::warn!("cannot tell the service manager {words:?}: {error}");
        }
    }
}

/// Lines are words of their own to the manager.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// How often the service manager wants to hear that this process lives; `None` when it does not ask.
pub(super) fn watchdog() -> Option<Duration> {
    let asked = |name| std::env::var(name).ok();
    watchdog_of(asked(WATCHDOG).as_deref(), asked(WATCHDOG_PID).as_deref(), std::process::id())
}

fn watchdog_of(every_us: Option<&str>, whom: Option<&str>, us: u32) -> Option<Duration> {
    let every = every_us?.parse().ok().filter(|us| *us > 0).map(Duration::from_micros)?;
    // Children of a process that is watched have its environment.
    whom.is_none_or(|pid| pid.parse() == Ok(us)).then_some(every)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 500];
        let len = socket.recv(&mut bytes).expect("a datagram");
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    }

    #[test]
    fn a_path_and_an_abstract_name_are_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("notify");
        let name = format!("mozpool-test-{}", std::process::id());
        let at = SocketAddr::from_abstract_name(&name).expect("a short name");
        let rows = [
            (path.clone().into_os_string(), UnixDatagram::bind(&path).expect("a new path")),
            (format!("@{name}").into(), UnixDatagram::bind_addr(&at).expect("a name of our own")),
        ];
        for (to, manager) in rows {
            let notifier = Notifier::to(Some(to));
            assert!(notifier.is_heard());
            notifier.ready("all\nwell");
            assert_eq!(heard(&manager), "READY=1\nSTATUS=all well");
            notifier.alive();
            assert_eq!(heard(&manager), "WATCHDOG=1");
            notifier.reloading();
            let said = heard(&manager);
            let at = said.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|r| r.split('\n').next());
            assert!(at.is_some_and(|us| us.parse::<u64>().is_ok_and(|us| us > 0)), "{said}");
            notifier.stopping("over");
            assert_eq!(heard(&manager), "STOPPING=1\nSTATUS=over");
        }
    }

    #[test]
    fn without_a_manager_or_with_one_that_is_gone_all_goes_on() {
        assert!(!Notifier::to(None).is_heard());
        assert!(!Notifier::to(Some(String::new().into())).is_heard());
        assert!(!Notifier::to(Some("relative".into())).is_heard());
        let gone = Notifier::to(Some("/nonexistent/notify".into()));
        gone.ready("nobody hears it");
        assert!(gone.is_heard());
    }

    #[test]
    fn only_who_is_meant_is_watched() {
        let us = |n| Some(Duration::from_micros(n));
        assert_eq!(watchdog_of(Some("3000000"), Some("7"), 7), us(3_000_000));
        assert_eq!(watchdog_of(Some("3000000"), None, 7), us(3_000_000));
        assert_eq!(watchdog_of(Some("3000000"), Some("8"), 7), None);
        for none in [None, Some("0"), Some("-1"), Some("often")] {
            assert_eq!(watchdog_of(none, None, 7), None, "{none:?}");
        }
    }
}
