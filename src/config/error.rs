//! What can be wrong with a configuration, said so that an admin can put it right.
//!
//! All faults of a file are reported together, in the order of its lines: nobody wants to restart a server once per typing error.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no configuration to run with. The program exits 2 on it.
#[derive(Debug)]
pub enum ConfigError {
    /// The file that was asked for cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// How it came to be this file: `--config`, `$MOZPOOL_CONFIG` or by default.
        named_by: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The file is read, but says something that cannot be.
    Invalid {
        /// The file.
        path: PathBuf,
        /// At least one, by line.
        faults: Vec<Fault>,
    },
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Line in the file, from 1.
    pub line: usize,
    /// The key and what is wrong with it.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, named_by, source } => write!(
                f,
                "cannot read the configuration {} (named by {named_by}): {source}; \
                 create it, correct its name, or make it readable for this user",
                path.display()
            ),
            Self::Invalid { path, faults } => {
                for (i, fault) in faults.iter().enumerate() {
                    let end = if i == 0 { "" } else { "\n" };
                    write!(f, "{end}{}:{}: {}; {}", path.display(), fault.line, fault.problem, fault.remedy)?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::Invalid { .. } => None,
        }
    }
}
