//! `mozpool db schema`: where the store is, which schema version it has, and which one this program knows.
//!
//! For programs that come before the daemon, such as a package's scripts: a version that is found and not known is an answer here
//! and no error. It changes nothing and may run beside the daemon.

use crate::store::{Location, StoreError};

/// Print where the store is, the schema version that it has, and the one that this program knows
///
/// Lines of KEY=VALUE, for scripts: `store` is the store without a password, `file` its file if it is one, `found` the version that
/// it has (0: there is nothing in it yet), `known` the version that this program works with and brings older stores to. It changes
/// nothing and may run beside the daemon, as the daemon's user.
#[derive(Debug, clap::Args)]
pub(super) struct SchemaArgs {}

/// The lines that are printed.
///
/// # Errors
/// [`StoreError`] when the store cannot be read, or is none. A newer version is no error.
pub(super) fn told(location: &Location) -> Result<String, StoreError> {
    let known = Location::known_schema();
    // Opening would make the file.
    let found = match location.path() {
        Some(path) if !path.exists() => 0,
        _ => match location.schema() {
            Ok((found, _)) | Err(StoreError::TooNew { found, .. }) => found,
            Err(error) => return Err(error),
        },
    };
    let file = location.path().map(|path| format!("file={}\n", path.display())).unwrap_or_default();
    Ok(format!("store={location}\n{file}found={found}\nknown={known}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_told_of_and_not_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mozpool.db");
        let location = Location::sqlite(&path);
        let lines = |found: u32, known: u32| {
            let path = path.display();
            format!("store=sqlite:{path}\nfile={path}\nfound={found}\nknown={known}\n")
        };
        let known = Location::known_schema();

        assert_eq!(told(&location).expect("nothing can be read there"), lines(0, known));
        assert!(!path.exists());

        drop(location.open().expect("a new store"));
        assert_eq!(told(&location).expect("it is read"), lines(known, known));
    }
}
