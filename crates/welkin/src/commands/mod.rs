//! One file a command.

mod ask;
mod clock;
mod doctor;
mod environment;
mod lab;
mod up;

use std::process::ExitCode;

use crate::cli::{Arguments, Command, PolicyAction};

/// What a failed command prints: what happened, why, and what to do next.
pub type Failure = Box<dyn std::error::Error>;

pub fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Up(up) => up::run(&up),
        Command::Env(target) => environment::print(&target),
        Command::Run(run) => environment::run(&run),
        Command::Shell(target) => environment::shell(&target),
        Command::Status(query) => ask::status(&query),
        Command::Doctor(doctor) => doctor::run(&doctor),
        Command::Lab(lab) => lab::run(&lab),
        Command::Reset(target) => ask::reset(&target),
        Command::Clock(clock) => clock::run(&clock),
        Command::Policy(policy) => match policy.action {
            PolicyAction::Explain(query) => ask::explain(&query),
        },
    }
}
