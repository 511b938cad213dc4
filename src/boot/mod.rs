//! What a board gets when it asks the network what to boot.
//!
//! A pure function of device state: `description` is what a board is to boot, `pxelinux` writes it as its boot loader reads it,
//! `render` goes from a PXE config to that text, `table` holds it where the TFTP thread finds it without asking anybody, `path`
//! reads the names that boot loaders ask for, and `uboot_script` is for those that ask for a script first.

pub mod description;
pub mod path;
pub mod pxelinux;
pub mod render;
pub mod table;
pub mod uboot_script;
