//! One file a noun: the caller, roles, sessions.

mod caller;
mod role;
mod session;
