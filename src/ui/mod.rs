//! The web page: plain HTML, CSS and ES modules below `assets/`, inside the program, and how they are served.
//!
//! Nothing here knows devices: the page is a client of the API like any other.

pub mod assets;
