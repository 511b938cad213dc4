//! What a board gets when it asks the network what to boot.
//!
//! A pure function of device state: `render` makes the text, `table` holds it where the TFTP thread finds it without asking
//! anybody, `path` reads the names that boot loaders ask for.

pub mod path;
pub mod render;
pub mod table;
