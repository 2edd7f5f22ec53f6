//! WebSocket APIs: connections to a stage, the routes that their messages take, and the API that writes to them.
//!
//! A connection lives as long as its client's: nothing of it is stored. Its id leads to it here, and nowhere after a
//! restart, as on AWS after its host is gone.

mod connections;
mod event;
mod front;
mod log;
mod manage;
mod route;
mod session;

pub use front::WebSocketFront;
