//! API Gateway REST APIs.

mod definition;
mod error;
mod execution;
#[cfg(test)]
mod execution_tests;
mod gateway_response;
mod integration;
mod log;
mod parameters;
mod patch;
mod path;
mod proxy;
mod request;
mod validation;
