//! The five groups that states are told in, the same words everywhere, and states in words for people.

use super::terminal::Style;
use clap::ValueEnum;

/// What a board is good for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(in crate::cli) enum Group {
    /// Ready, and nobody's
    Free,
    /// Ready, and held by a request
    Used,
    /// The machine is at it, with or without a request
    Working,
    /// Given up, for now or for good
    Failed,
    /// Locked out, in maintenance, or not known yet
    Out,
}

impl Group {
    pub(in crate::cli) const ALL: [Self; 5] =
        [Self::Free, Self::Used, Self::Working, Self::Failed, Self::Out];

    /// Of a device in this state.
    pub(in crate::cli) fn of(state: &str, held: bool) -> Self {
        match state {
            "ready" if held => Self::Used,
            "ready" => Self::Free,
            "locked_out" | "maintenance_mode" | "troubleshooting" | "new" | "unknown" => Self::Out,
            failed if failed.starts_with("failed_") => Self::Failed,
            _ => Self::Working,
        }
    }

    pub(in crate::cli) fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Used => "used",
            Self::Working => "working",
            Self::Failed => "failed",
            Self::Out => "out",
        }
    }

    pub(in crate::cli) fn style(self) -> Style {
        match self {
            Self::Free => Style::Good,
            Self::Used => Style::Used,
            Self::Working => Style::Busy,
            Self::Failed => Style::Bad,
            Self::Out => Style::Dim,
        }
    }
}

/// Of a request in this state.
pub(in crate::cli) fn style_of_request(state: &str) -> Style {
    match state {
        "ready" => Style::Good,
        "closed" | "expired" => Style::Dim,
        failed if failed.starts_with("failed_") => Style::Bad,
        _ => Style::Busy,
    }
}

/// A working device's state in words for people.
pub(in crate::cli) fn words(state: &str) -> String {
    match state {
        "pxe_power_cycling" | "pc_power_cycling" | "image_ping_power_cycle" | "sut_verify_power_cycle" => {
            "power cycle".into()
        }
        "start_pxe_boot" => "is about to be installed".into(),
        "pxe_booting" => "boots over the network".into(),
        "mobile_init_started" => "live system is up".into(),
        "image_downloading" | "android_downloading" | "b2g_downloading" => "downloads the image".into(),
        "image_extracting" | "android_extracting" | "b2g_extracting" => "writes the image".into(),
        "image_pinging" => "new system is to come up".into(),
        "pc_rebooting" | "pc_pinging" | "pc_sut_rebooting" => "reboots".into(),
        "start_self_test" | "self_test_running" => "tests itself".into(),
        "operation_complete" => "is done".into(),
        other => other.replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::lifeguard::State;
    use crate::logic::report;

    #[test]
    fn every_state_is_in_the_group_that_reports_sort_it_into() {
        for state in State::ALL {
            for held in [false, true] {
                let reported = report::Group::of(*state, held);
                assert_eq!(Group::of(state.name(), held).name(), reported.name(), "{}", state.name());
            }
        }
        // What this program does not know yet is something that a newer server does.
        assert_eq!(Group::of("a_new_state", false), Group::Working);
    }
}
