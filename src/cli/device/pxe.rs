//! `mozpool device pxe`: what a board boots from the network next, by hand.

use crate::cli::boot_config::BootConfig;
use crate::cli::confirm::Confirm;
use crate::cli::remote::{Client, Done, Remote, escape};
use crate::cli::show;
use serde_json::json;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Offer it nothing: the board's next boot is from its own disk
    Clear {
        /// Which board
        device: String,
    },
    /// Power-cycle it and let it boot this PXE config; asks first when a request holds it
    Boot {
        /// Which board
        device: String,
        /// The PXE config; `mozpool pxe list` has those that there are
        pxe_config: String,
        #[command(flatten)]
        boot_config: BootConfig,
        #[command(flatten)]
        confirm: Confirm,
    },
}

pub(super) fn run(command: &Command, remote: &Remote, client: &Client) -> Done {
    match command {
        Command::Clear { device } => {
            client.post(&format!("device/{}/clear-pxe", escape(device)), &json!({}))?;
            let answer = json!({ "device": device, "pxe_config": null });
            remote.show(&answer, |out, _| writeln!(out, "{}: boots its own disk", show::clean(device)))
        }
        Command::Boot { device, pxe_config, boot_config, confirm } => {
            let path = format!("device/{}", escape(device));
            if let Some(id) = client.get(&path)?["request_id"].as_i64() {
                let (device, pxe_config) = (show::clean(device), show::clean(pxe_config));
                confirm.ask(&format!(
                    "This power-cycles {device}, which request {id} holds, to boot {pxe_config}."
                ))?;
            }
            let body = json!({ "pxe_config": pxe_config, "boot_config": boot_config.read()? });
            client.post(&format!("{path}/power-cycle"), &body)?;
            let answer = json!({ "device": device, "pxe_config": pxe_config });
            remote.show(&answer, |out, _| {
                writeln!(
                    out,
                    "{}: is power-cycled and boots {}",
                    show::clean(device),
                    show::clean(pxe_config)
                )
            })
        }
    }
}
