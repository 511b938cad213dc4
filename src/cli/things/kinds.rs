//! What differs between the kinds of things: one table.

use crate::cli::remote::escape;
use crate::cli::show::{Column, Is};

/// What differs between the kinds of things.
#[derive(Debug)]
pub(super) struct Thing {
    /// In sentences.
    pub(super) kind: &'static str,
    /// In a lab file, and in exports.
    pub(super) rows: &'static str,
    /// The path of one, without its name.
    path: &'static str,
    /// What a table shows.
    pub(super) columns: &'static [Column<'static>],
    /// Its name has a second part, behind a slash.
    has_model: bool,
}

const DEVICE: Thing = Thing {
    kind: "device",
    rows: "device",
    path: "device",
    columns: &[
        Column::new("name"),
        Column::of("state", Is::DeviceState),
        Column::new("environment"),
        Column::new("hardware_type"),
        Column::new("hardware_model"),
        Column::new("image"),
        Column::titled("request_id", "request"),
        Column::long("tags"),
        Column::long("comments"),
    ],
    has_model: false,
};
const HARDWARE: Thing = Thing {
    kind: "hardware type",
    rows: "hardware_type",
    path: "hardware_type",
    columns: &[
        Column::new("type"),
        Column::new("model"),
        Column::new("ping_steady_s"),
        Column::long("limits"),
    ],
    has_model: true,
};
const IMAGE: Thing = Thing {
    kind: "image",
    rows: "image",
    path: "image",
    columns: &[
        Column::new("name"),
        Column::new("check"),
        Column::new("second_stage"),
        Column::long("boot_config_keys"),
        Column::new("can_reuse"),
        Column::new("hidden"),
        Column::long("pxe"),
    ],
    has_model: false,
};
const PXE: Thing = Thing {
    kind: "PXE config",
    rows: "pxe_config",
    path: "bmm/pxe_config",
    columns: &[Column::new("name"), Column::new("active"), Column::long("description")],
    has_model: false,
};
const RELAY: Thing = Thing {
    kind: "relay board",
    rows: "relay_board",
    path: "relay",
    columns: &[Column::new("name"), Column::new("fqdn"), Column::new("imaging_server")],
    has_model: false,
};

/// One kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Kind {
    Device,
    Hardware,
    Image,
    Pxe,
    Relay,
}

impl Kind {
    pub(super) fn thing(self) -> &'static Thing {
        match self {
            Self::Device => &DEVICE,
            Self::Hardware => &HARDWARE,
            Self::Image => &IMAGE,
            Self::Pxe => &PXE,
            Self::Relay => &RELAY,
        }
    }
}

impl Thing {
    /// Type and model, or the name and nothing.
    fn key<'n>(&self, name: &'n str) -> (&'n str, &'n str) {
        if self.has_model { name.split_once('/').unwrap_or((name, "")) } else { (name, "") }
    }

    pub(super) fn path(&self, name: &str) -> String {
        let (first, model) = self.key(name);
        let model = if model.is_empty() { String::new() } else { format!("/{}", escape(model)) };
        format!("{}/{}{model}", self.path, escape(first))
    }
}
