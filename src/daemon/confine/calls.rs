//! System calls that a daemon like this one never makes (seccomp(2)): they fail with EPERM, as for somebody without rights.
//!
//! A list of what is refused and not of what is allowed: libraries and power programs make calls that nobody lists, and a lab does
//! not stand still because of a wrong guess. It refuses to know why; each line says what for such a call would be good.

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use std::collections::BTreeMap;

/// Refused with any arguments.
#[rustfmt::skip]
const REFUSED: &[i64] = &[
    // Looking into other processes, and steering them.
    libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_pidfd_getfd, libc::SYS_kcmp,
    // Another view of the file system.
    libc::SYS_mount, libc::SYS_umount2, libc::SYS_move_mount, libc::SYS_fsopen, libc::SYS_fsconfig, libc::SYS_fsmount,
    libc::SYS_fspick, libc::SYS_open_tree, libc::SYS_mount_setattr, libc::SYS_pivot_root, libc::SYS_chroot,
    libc::SYS_unshare, libc::SYS_setns, libc::SYS_swapon, libc::SYS_swapoff, libc::SYS_quotactl, libc::SYS_quotactl_fd,
    libc::SYS_open_by_handle_at, libc::SYS_name_to_handle_at, libc::SYS_fanotify_init,
    // Another kernel, or one with something in it.
    libc::SYS_reboot, libc::SYS_kexec_load, libc::SYS_kexec_file_load, libc::SYS_init_module, libc::SYS_finit_module,
    libc::SYS_delete_module, libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_syslog, libc::SYS_lookup_dcookie,
    // Parts of it in which most of its holes were, and that we do not use.
    libc::SYS_userfaultfd, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register,
    libc::SYS_add_key, libc::SYS_request_key, libc::SYS_keyctl, libc::SYS_personality, libc::SYS_vhangup,
    libc::SYS_migrate_pages, libc::SYS_move_pages, libc::SYS_nfsservctl,
    // Clock and name of the host.
    libc::SYS_settimeofday, libc::SYS_clock_settime, libc::SYS_clock_adjtime, libc::SYS_adjtimex, libc::SYS_sethostname,
    libc::SYS_setdomainname, libc::SYS_acct,
];

/// The bits of a socket's type that are no flags (`SOCK_TYPE_MASK`, Linux).
const TYPE_MASK: u64 = 0xf;

/// Refuses them from now on, in this thread and those that it starts.
pub(super) fn refuse() -> Result<String, String> {
    let program = filter().map_err(|e| format!("the filter cannot be made: {e}"))?;
    seccompiler::apply_filter(&program).map_err(|e| format!("this kernel takes no filter: {e}"))?;
    Ok(format!("{} system calls and raw sockets refused", REFUSED.len()))
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, vec![])).collect();
    // Pings have their sockets. Netlink, by which the C library asks for our addresses, is raw, too, and harmless.
    let raw = |family: libc::c_int| -> Result<SeccompRule, seccompiler::BackendError> {
        let family = u64::from(family.unsigned_abs());
        let kind = u64::from(libc::SOCK_RAW.unsigned_abs());
        SeccompRule::new(vec![
            SeccompCondition::new(0, Dword, SeccompCmpOp::Eq, family)?,
            SeccompCondition::new(1, Dword, SeccompCmpOp::MaskedEq(TYPE_MASK), kind)?,
        ])
    };
    // Packets of any kind are somebody else's business.
    let packets = u64::from(libc::AF_PACKET.unsigned_abs());
    let packets = SeccompRule::new(vec![SeccompCondition::new(0, Dword, SeccompCmpOp::Eq, packets)?])?;
    rules.insert(libc::SYS_socket, vec![raw(libc::AF_INET)?, raw(libc::AF_INET6)?, packets]);
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;
    use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

    #[test]
    fn what_is_refused_fails_and_what_is_used_does_not() {
        let open = |family, kind, protocol: Option<SockProtocol>| {
            socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol).map(drop)
        };
        // A filter is a thread's own: the other tests go on as they are.
        let tried = std::thread::spawn(move || {
            let before = nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES);
            let said = refuse();
            let files = nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES);
            let host = nix::unistd::sethostname("another");
            let raw = [AddressFamily::Inet, AddressFamily::Inet6]
                .map(|family| open(family, SockType::Raw, Some(SockProtocol::Icmp)));
            let packet = open(AddressFamily::Packet, SockType::Datagram, None);
            let used = [
                open(AddressFamily::Inet, SockType::Datagram, None),
                open(AddressFamily::Inet6, SockType::Stream, None),
                open(AddressFamily::Unix, SockType::Datagram, None),
                open(AddressFamily::Netlink, SockType::Raw, Some(SockProtocol::NetlinkRoute)),
            ];
            // Threads inherit it.
            let inherits = std::thread::spawn(|| nix::unistd::sethostname("another")).join();
            (before, said, files, host, raw, packet, used, inherits)
        });
        let (before, said, files, host, raw, packet, used, inherits) = tried.join().expect("nothing panics");
        assert_eq!(before, Ok(()), "this test can see a difference");
        assert_eq!(said, Ok(format!("{} system calls and raw sockets refused", REFUSED.len())));
        let refused = Err(Errno::EPERM);
        assert_eq!((files, host, packet), (refused, refused, refused));
        assert_eq!(raw, [refused, refused]);
        assert_eq!(used, [Ok(()); 4]);
        assert_eq!(inherits.expect("no panic"), refused);
    }
}
