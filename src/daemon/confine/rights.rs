//! Capabilities (capabilities(7)) and the way to new ones.
//!
//! Nothing that the daemon does once its ports are open needs any; only who stays root has to get at files of others.

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// What a daemon keeps that is to stay root: the store and what is served may belong to another user, and SQLite gives its files to
/// the owner of the database.
const OF_ROOT: CapabilitySet =
    CapabilitySet::DAC_OVERRIDE.union(CapabilitySet::CHOWN).union(CapabilitySet::FOWNER);

/// Gives them up, and says what is left; or why nothing is certain.
pub(super) fn give_up() -> Result<String, String> {
    let keep = if nix::unistd::geteuid().is_root() { OF_ROOT } else { CapabilitySet::empty() };
    set_no_new_privs(true).map_err(|e| format!("no_new_privs is refused: {e}"))?;
    // Programs that it runs get none; there may be no such set (Linux before 4.3).
    let _ = clear_ambient_capability_set();
    let had = capabilities(None).map_err(|e| format!("capabilities cannot be read: {e}"))?;
    if had.permitted.contains(CapabilitySet::SETPCAP) {
        for one in had.permitted.difference(keep).iter() {
            let _ = remove_capability_from_bounding_set(one);
        }
    }
    let left = had.permitted.intersection(keep);
    let wanted = CapabilitySets { effective: left, permitted: left, inheritable: CapabilitySet::empty() };
    // A filter of the service manager's may refuse it; then what is left does little, for raw sockets are refused as well.
    let _ = set_capabilities(None, wanted);
    let has = capabilities(None).map_err(|e| format!("capabilities cannot be read: {e}"))?;
    Ok(format!("no new privileges, capabilities {}", names(has.permitted)))
}

fn names(set: CapabilitySet) -> String {
    let names: Vec<String> = set.iter_names().map(|(name, _)| name.to_lowercase()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_named_as_setcap_writes_them() {
        assert_eq!(names(CapabilitySet::empty()), "none");
        assert_eq!(names(CapabilitySet::NET_RAW | CapabilitySet::CHOWN), "chown net_raw");
    }
}
