//! What a new store holds before anybody has said anything: the PXE configs that come with the program, and the two
//! images that the device machine uses by itself.
//!
//! Written once, with the first schema; from then on they are rows like others, and people may change them.

use super::Result;
use super::conn::{Conn, Doing, args};
use super::sql;
use crate::logic::check::Check;
use crate::logic::ids::{LOCAL_BOOT_PXE_CONFIG, MAINTENANCE_IMAGE, SELF_TEST_IMAGE};

/// Name, what it is for, template.
pub(super) const PXE_CONFIGS: [(&str, &str, &str); 4] = [
    (
        LOCAL_BOOT_PXE_CONFIG,
        "boots the board's own disk",
        include_str!("../../pxe-templates/local-boot.toml"),
    ),
    (
        "image",
        "boots the live system, which installs the image that the device is to get",
        include_str!("../../pxe-templates/image.toml"),
    ),
    (
        "maintenance",
        "boots the live system and waits for somebody to log in",
        include_str!("../../pxe-templates/maintenance.toml"),
    ),
    (
        "self-test",
        "boots the live system, which tests the board",
        include_str!("../../pxe-templates/self-test.toml"),
    ),
];

/// Name and second stage.
const IMAGES: [(&str, &str); 2] = [(SELF_TEST_IMAGE, "self-test.sh"), (MAINTENANCE_IMAGE, "maintenance.sh")];

/// The daemon has it for boards that nothing else is offered to.
pub(super) fn is_built_in(pxe_config: &str) -> bool {
    pxe_config == LOCAL_BOOT_PXE_CONFIG
}

/// The device machine uses it by itself.
pub(super) fn is_built_in_image(image: &str) -> bool {
    IMAGES.iter().any(|(name, _)| *name == image)
}

/// Fills the tables of the first schema.
pub(super) fn first<C: Conn>(c: &mut C) -> Result<()> {
    const DOING: &str = "write what comes with the program";
    for (name, description, contents) in PXE_CONFIGS {
        c.exec(sql::PXE_CONFIG_INSERT, args![description, contents, true, name]).doing(DOING)?;
    }
    for (name, second_stage) in IMAGES {
        let check = Check::default().to_string();
        c.insert(sql::IMAGE_INSERT, args!["[]", "", false, true, check, second_stage, "{}", name])
            .doing(DOING)?;
    }
    Ok(())
}
