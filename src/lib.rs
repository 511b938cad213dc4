//! Mozpool.
