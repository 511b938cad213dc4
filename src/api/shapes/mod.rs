//! The JSON shapes of the API as it promises them: `types` holds what is really written and read, and the tests hold each
//! answer that they get to the shape that stands here.
//!
//! A key that is added to a type is added here; a key that stands here is never taken away.

mod access;
mod admin;
mod answers;
mod attempts;
mod bodies;
mod candidates;
mod changes;
mod inventory;
mod peers;
mod queries;
mod reports;

pub use access::*;
pub use admin::*;
pub use answers::*;
pub use attempts::*;
pub use bodies::*;
pub use candidates::*;
pub use changes::*;
pub use inventory::*;
pub use peers::*;
pub use queries::*;
pub use reports::*;
