//! *Lifeguard* and *Mozpool* as layers: real, on a store in memory, without threads, sockets or waiting.
//!
//! The machines have their own tests; here it is messages that get lost, stores that fail and processes that die.

mod admin;
mod boots;
mod changes;
mod chaos;
mod devices;
mod faulty;
mod inventory;
mod pool;
mod requests;
mod restart;
mod world;
