use super::Result;
use super::conn::Conn;
use crate::lab::{Change, Lab};
use crate::logic::time::Timestamp;
pub(super) fn lab<C: Conn>(_c: &mut C, _lab: &Lab, _dry: bool, _now: Timestamp) -> Result<Vec<Change>> {
    Ok(vec![])
}
