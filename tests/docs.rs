//! The documents are true: links lead somewhere, every state, route, value and command is there and is named rightly, and what is
//! marked as runnable runs.
//!
//! A fenced block whose info string is `sh run` or `python run` is executed as it stands, against `mozpool demo`, with `API` set to
//! the demo's address and every HTTP status from 400 up an error. Blocks of one document run in order. All other shell blocks are
//! parsed, and configurations of other programs are given to these.
#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

#[path = "docs/book.rs"]
mod book;
#[path = "docs/commands.rs"]
mod commands;
#[path = "docs/configuration.rs"]
mod configuration;
#[path = "docs/links.rs"]
mod links;
#[path = "docs/monitoring.rs"]
mod monitoring;
#[path = "docs/moving.rs"]
mod moving;
#[path = "docs/names.rs"]
mod names;
#[path = "docs/runs.rs"]
mod runs;
#[path = "docs/samples.rs"]
mod samples;
#[path = "docs/syntax.rs"]
mod syntax;
#[path = "docs/text.rs"]
mod text;
