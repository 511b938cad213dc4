//! Who may do what: roles, tokens, sessions, tickets, environments.
//!
//! Everything here is a value or a decision about values. **Absent:** the store, sockets, threads, what time it is. What calls
//! need stands in their rows of `api::routes`; what is done with it in `api::access`.

mod caller;
mod mode;
mod place;
mod redact;
mod role;
mod ticket;
mod token;
mod wish;

pub use caller::{Caller, Denied, Via};
pub use mode::{Mode, ModeSetting};
pub use place::Place;
pub use redact::redacted;
pub use role::{Needs, NoSuchRole, Role};
pub use ticket::{Errand, TICKET_KEY, TICKET_LIFE_S, Ticket, split_ticket, with_ticket};
pub use token::{Digest, NAME_MAX, Secret, is_name, same};
pub use wish::{BadWish, DAYS, ENVIRONMENTS_MAX, Wish};

/// How long a session lasts: a working day, and whoever works longer logs in once more.
pub const SESSION_LIFE_S: u32 = 12 * 60 * 60;
