//! Black Mobile Magic, the hardware layer's parts: asking boards whether they are well, and the workers that do it.
//!
//! Each file knows one thing: a codec, a conversation, a kind of check. Queues for relay boards are `logic::dispatch`,
//! the thread that joins it all is `layers::bmm`. Nothing here knows a device's state.

pub mod answers;
pub mod check;
pub mod error;
pub mod icmp;
pub mod names;
pub mod ping;
pub mod pings;
pub mod pool;
pub mod power;
pub mod probes;
pub mod sut;
pub mod workers;

pub use error::CheckError;
pub use ping::{PingError, PingSockets};

/// Names one probe of a board or one ping by hand, from its beginning to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a board said to a question; an error also says whether it is the board's own.
pub type Said = Result<(), CheckError>;
