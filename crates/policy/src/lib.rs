//! The IAM policy language and its evaluation, as pure functions.
//!
//! - [`Policy`] is a parsed document; parsing accepts what IAM accepts and names what it does not.
//! - [`Request`] is what somebody wants to do, with the values that conditions can ask for.
//! - [`decide`] is the whole decision of AWS's evaluation logic, with the statement that decided.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

mod condition;
mod decide;
mod document;
mod pattern;
mod request;

pub use decide::{Decision, Denial, Policies, PolicyKind, Source, decide, trusts};
pub use document::{Effect, Malformed, Policy, Statement};
pub use pattern::matches;
pub use request::{Caller, CallerKind, Conditions, Request};
