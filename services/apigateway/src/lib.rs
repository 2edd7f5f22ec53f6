//! API Gateway REST APIs.

mod definition;
mod error;
mod gateway_response;
mod integration;
mod log;
mod parameters;
mod patch;
mod path;
mod proxy;
mod request;
mod validation;
