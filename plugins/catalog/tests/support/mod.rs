//! Real servers and stock tools for the tests of this crate.

// Each test file uses its own part of this.
#![allow(dead_code)]

pub mod archiving;
pub mod corpus;
pub mod server;
