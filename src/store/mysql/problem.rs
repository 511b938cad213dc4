//! What an error of the database means: for the transaction it happened in, for the connection, and for an operator.
//!
//! Numbers are those of MariaDB (mariadb.com/kb/en/mariadb-error-code-reference).

use crate::store::conn::ConnError;
use mysql::{DriverError, Error};

/// What is left after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Everything but this statement.
    All,
    /// The connection; its transaction is lost because somebody else's came first, and can be made again.
    Connection,
    /// Nothing. Whether the statement was done is not known.
    Nothing,
}

/// An error, sorted.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) left: Left,
    pub(super) error: ConnError,
}

/// A row was locked for too long, or two transactions waited for each other; on a cluster also: another node's was first.
const CONFLICTS: [u16; 3] = [
    1213, // ER_LOCK_DEADLOCK
    1205, // ER_LOCK_WAIT_TIMEOUT
    1020, // ER_CHECKREAD
];
/// The node cannot work, and another may.
const NOT_HERE: [u16; 10] = [
    1040, // ER_CON_COUNT_ERROR
    1047, // ER_UNKNOWN_COM_ERROR: a node of a cluster that is not part of it
    1053, // ER_SERVER_SHUTDOWN
    1077, // ER_NORMAL_SHUTDOWN
    1079, // ER_SHUTDOWN_COMPLETE
    1180, // ER_ERROR_DURING_COMMIT: on a cluster, the group was lost in the middle of it
    1290, // ER_OPTION_PREVENTS_STATEMENT: read-only
    1836, // ER_READ_ONLY_MODE
    1927, // ER_CONNECTION_KILLED
    4031, // ER_CLIENT_INTERACTION_TIMEOUT
];

/// Another one was first.
pub(super) fn is_conflict(code: u16) -> bool {
    CONFLICTS.contains(&code)
}

/// Sorts an error of the node at `endpoint`, in words.
pub(super) fn sort(endpoint: &str, error: &Error) -> Problem {
    if let Error::CodecError(e) = error
        && e.to_string().contains("larger than max_allowed_packet")
    {
        let text = format!("{endpoint}: {e}, which is the database's own setting");
        return Problem { left: Left::All, error: ConnError::TooLong(text) };
    }
    let Error::MySqlError(said) = error else {
        return Problem {
            left: Left::Nothing,
            error: ConnError::Other(format!("{endpoint}: {}", lost(error))),
        };
    };
    let text = |remedy: &str| format!("{endpoint}: {} (error {}){remedy}", said.message, said.code);
    let other = |remedy: &str| ConnError::Other(text(remedy));
    let left = match said.code {
        code if is_conflict(code) => Left::Connection,
        code if NOT_HERE.contains(&code) => Left::Nothing,
        _ => Left::All,
    };
    let error = match said.code {
        1062 | 1586 => ConnError::Duplicate(said.message.clone()),
        1216 | 1217 | 1451 | 1452 => ConnError::Reference(said.message.clone()),
        1406 => ConnError::TooLong(text("")),
        1045 | 1698 => {
            other("; the user or the password is wrong, or the user may not come from this machine")
        }
        1044 | 1142 | 1143 | 1227 => other("; GRANT ALL ON the database TO the user"),
        1049 => other("; CREATE DATABASE it, or name another one"),
        1146 => other("; is this the database that mozpool has made?"),
        1040 => other("; raise max_connections"),
        1047 => other("; this node has lost its cluster, look at wsrep_cluster_status"),
        1205 => other("; another program has held a lock for seconds, find it with SHOW PROCESSLIST"),
        1290 | 1836 => other("; a read-only node cannot hold the store"),
        1461 => other("; raise max_prepared_stmt_count"),
        1153 | 1301 => other("; raise max_allowed_packet"),
        1021 | 1114 => other("; the database's disk is full, free some space on it"),
        1969 => other("; raise statement_s in the database's address if it may take longer"),
        1194 | 1712 | 1877 => ConnError::Corrupt(text(
            "; the database's files are damaged, look at its log and restore a backup",
        )),
        _ => other(""),
    };
    Problem { left, error }
}

/// An error that is not the database's word, in ours.
fn lost(error: &Error) -> String {
    match error {
        Error::IoError(e)
            if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
        {
            "the database does not answer in time".into()
        }
        Error::IoError(e) => format!("the connection to the database broke: {e}"),
        // What is below the protocol comes as its error, too, and says what it is in its text alone.
        Error::CodecError(e) => below(&e.to_string()),
        Error::DriverError(DriverError::ConnectTimeout) => "it does not answer".into(),
        Error::DriverError(DriverError::CouldNotConnect(Some((_, why, _)))) => {
            format!("it cannot be reached: {why}")
        }
        Error::DriverError(DriverError::TlsNotSupported) => {
            "it does not speak TLS; set it up there, or write tls=off in its address".into()
        }
        Error::TlsError(e) => no_tls(e),
        other => other.to_string(),
    }
}

fn below(text: &str) -> String {
    if text.contains("certificate") {
        no_tls(text)
    } else if ["timed out", "temporarily unavailable"].iter().any(|t| text.contains(t)) {
        "the database does not answer in time".into()
    } else {
        format!("the connection to the database broke: {text}")
    }
}

fn no_tls(why: impl std::fmt::Display) -> String {
    format!("no TLS with it: {why}; name the certificate of its maker with ca=")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: u16) -> Problem {
        let said = mysql::MySqlError { state: "HY000".into(), message: "No".into(), code };
        sort("db:3306", &Error::MySqlError(said))
    }

    #[test]
    fn each_error_says_what_is_left() {
        for (code, left) in [
            (1213, Left::Connection),
            (1205, Left::Connection),
            (1062, Left::All),
            (1406, Left::All),
            (1047, Left::Nothing),
            (1053, Left::Nothing),
        ] {
            assert_eq!(said(code).left, left, "{code}");
        }
        let broken = Error::IoError(std::io::ErrorKind::BrokenPipe.into());
        let problem = sort("db:3306", &broken);
        assert_eq!(problem.left, Left::Nothing);
        assert!(
            matches!(problem.error, ConnError::Other(text) if text.starts_with("db:3306: the connection"))
        );
    }

    #[test]
    fn errors_are_told_apart_and_have_a_remedy() {
        assert!(matches!(said(1062).error, ConnError::Duplicate(_)));
        assert!(matches!(said(1452).error, ConnError::Reference(_)));
        assert!(matches!(said(1406).error, ConnError::TooLong(_)));
        assert!(matches!(said(1712).error, ConnError::Corrupt(_)));
        let ConnError::Other(text) = said(1049).error else { panic!("another") };
        assert_eq!(text, "db:3306: No (error 1049); CREATE DATABASE it, or name another one");
    }
}
