//! What a board would get from the network now, and why. The text comes from the boot table that TFTP reads, so that it is
//! what the board gets, and not what it should get.

use super::*;
use crate::boot::description;
use crate::boot::path::asked_names;
use crate::boot::render::{HIDDEN, RenderError, render, try_out};
use crate::boot::table::Answer;
use crate::layers::messages::NetworkBoot;
use crate::logic::ids::LOCAL_BOOT_PXE_CONFIG;

impl Lifeguard {
    /// `None` when this server does not have the device.
    pub(super) fn explain(&mut self, device: &DeviceName) -> Result<Option<NetworkBoot>, StoreError> {
        let Some(entry) = self.devices.get(device) else { return Ok(None) };
        let (machine, info) = (&entry.machine, &entry.info);
        let hardware = format!("{} {}", info.hardware_type, info.hardware_model).trim_end().to_owned();
        let (mut why, mut error) = (self.why(entry, &hardware), None);
        let names = asked_names(info.mac, info.fqdn.parse().ok());
        let mut found = names.iter().filter_map(|name| match self.boot.answer(name) {
            Answer::Text(text) => Some((name.clone(), text)),
            Answer::NotFound | Answer::NotOurs => None,
        });
        let (gets, text) = found.next().unwrap_or_else(|| (String::new(), [].into()));
        drop(found);
        // The first name is the board's own, if it has one.
        let own = info.mac.is_some() && names.first() == Some(&gets);
        let offered = machine.boot.as_ref().map(|boot| boot.pxe_config.to_string());
        if offered.is_some() && !own {
            let rendered = match info.mac {
                Some(_) => boot_text(self.store.as_mut(), &self.settings, machine, info),
                None => Ok(String::new()),
            };
            error = Some(match (rendered, info.mac) {
                (Err(why), _) => why.to_string(),
                (Ok(_), None) => "the device has no MAC address to offer it to".to_owned(),
                (Ok(_), Some(_)) => "it is not published yet; the next power cycle does".to_owned(),
            });
            why.push_str("; that cannot be offered, so it gets what every board gets");
        }
        let pxe_config = if own { offered } else { None }.unwrap_or_else(|| LOCAL_BOOT_PXE_CONFIG.to_owned());
        let described =
            self.store.pxe_config(&pxe_config)?.is_some_and(|config| description::is_one(&config.contents));
        Ok(Some(NetworkBoot {
            state: machine.state,
            image: machine.next.as_ref().map(|next| next.image.to_string()),
            hardware,
            pxe_config,
            described,
            why,
            error,
            asks_for: names,
            gets,
            text: without_token(&String::from_utf8_lossy(&text), machine),
        }))
    }

    /// What the device's boot loader would read if a PXE config had these contents, and the device booted for `install`; without
    /// one, with made-up words for what the template wants of a boot config. `None` when this server does not have the device.
    pub(super) fn draft(
        &mut self,
        device: &DeviceName,
        contents: &str,
        install: Option<&Install>,
    ) -> Result<Option<Result<String, RenderError>>, StoreError> {
        const NAME: &str = "draft";
        let Some(entry) = self.devices.get(device) else { return Ok(None) };
        let boot_config = install.map_or("", |i| &*i.boot_config);
        let about = (device, &entry.info);
        let mut values = values_for(self.store.as_mut(), &self.settings, about, install, boot_config)?;
        values.boot_token = HIDDEN.to_owned();
        Ok(Some(match install {
            Some(_) => render(NAME, contents, &values),
            None => try_out(NAME, contents, &values),
        }))
    }

    fn why(&self, entry: &Entry, hardware: &str) -> String {
        let machine = &entry.machine;
        let state = machine.state;
        let Some(boot) = &machine.boot else {
            return format!("in state {state} nothing is offered to it: it boots its own disk");
        };
        let config = &boot.pxe_config;
        let of_image = machine
            .next
            .as_ref()
            .filter(|next| self.catalog.pxe_config(&next.image, entry.info.hardware) == Some(config));
        match of_image {
            Some(next) => format!(
                "in state {state} it is to boot for image {}, which is {config} on {hardware}",
                next.image
            ),
            None => format!("in state {state} it is offered {config}, chosen by hand"),
        }
    }
}

/// Whoever may look at a device must not be able to speak for it.
fn without_token(text: &str, machine: &Device) -> String {
    machine.boot_token.map_or_else(|| text.to_owned(), |token| text.replace(&token.text(), HIDDEN))
}
