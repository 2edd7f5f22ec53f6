//! One file a noun: the caller, roles, sessions, web identities.

mod caller;
mod role;
mod session;
mod web_identity;
