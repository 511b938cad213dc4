//! Why a connection's words are no call that is answered: each reason with its status, its word for programs, and its counter.

use crate::api::reply::ApiError;

/// A reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is no HTTP, or could be read in two ways.
    Malformed(&'static str),
    /// It is another version than 1.0 or 1.1.
    Version,
    /// A transfer coding that nobody here knows.
    Coding,
    /// The first line has no end.
    TargetTooLong,
    /// The head has no end.
    HeadTooLong,
    /// The head has more lines than [`super::head::LINES_MAX`].
    TooManyLines,
    /// The head or a short body has not arrived in time.
    TooSlow,
    /// As many calls wait as may.
    Busy,
}

impl Refusal {
    /// As an error of the API.
    pub(super) fn error(self) -> ApiError {
        match self {
            Self::Malformed(why) => ApiError::BadCall { why },
            Self::Version => ApiError::BadVersion,
            Self::Coding => ApiError::BadCoding,
            Self::TargetTooLong => ApiError::TargetTooLong,
            Self::HeadTooLong | Self::TooManyLines => ApiError::HeadTooLong,
            Self::TooSlow => ApiError::TooSlow,
            Self::Busy => ApiError::CallsFull,
        }
    }
}
