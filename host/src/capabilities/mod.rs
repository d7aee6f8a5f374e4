//! The host side of the contract, one file per WIT interface.
