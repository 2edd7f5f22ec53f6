//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// An AWS-compatible cloud on this machine.
#[derive(Debug, Parser)]
#[command(name = "welkin", version, about, propagate_version = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the cloud in the foreground.
    Up(Up),
    /// Print the environment variables that point AWS tools at the cloud.
    Env(Target),
    /// Run a command with the environment that points AWS tools at the cloud.
    Run(Run),
    /// Start a shell with that environment.
    Shell(Target),
    /// Show whether the cloud runs, its services and how much of each is there.
    Status(Query),
    /// Show what this machine can run, and how to enable the rest.
    Doctor(Doctor),
    /// Run a lab on a cloud of its own: `welkin lab serverless-basic`.
    Lab(Lab),
    /// Forget everything in the running cloud.
    Reset(Target),
    /// Show or set the cloud's clock.
    Clock(Clock),
    /// Ask about policies.
    Policy(Policy),
}

#[derive(Debug, Args)]
pub struct Up {
    /// Address and port to listen on.
    #[arg(long, default_value = "127.0.0.1:4566", env = "WELKIN_LISTEN")]
    pub listen: String,
    /// Folder that holds the state.
    #[arg(long, env = "WELKIN_STATE", conflicts_with = "ephemeral")]
    pub state: Option<PathBuf>,
    /// Keep no state: everything is gone when the cloud stops.
    #[arg(long)]
    pub ephemeral: bool,
    /// `default` takes any unknown key for the root of the default account; `strict` accepts only issued keys.
    #[arg(long, value_enum, default_value_t = Auth::Default)]
    pub auth: Auth,
    /// Region of requests that name none.
    #[arg(long, default_value = "us-east-1", env = "WELKIN_REGION")]
    pub region: String,
    /// Account of unknown access keys.
    #[arg(long, default_value = "000000000000", env = "WELKIN_DEFAULT_ACCOUNT", value_parser = account)]
    pub default_account: String,
    /// When a write counts as done: when the operating system has it, or when the disk has.
    #[arg(long, value_enum, default_value_t = Durability::Window)]
    pub durability: Durability,
    /// Throttle provisioned DynamoDB tables as AWS does.
    #[arg(long)]
    pub throttle_dynamodb: bool,
    /// Let DynamoDB tables and indexes take as long as on AWS to be made, changed and deleted.
    #[arg(long)]
    pub dynamodb_delays: bool,
    /// Print the banner as one line of JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    Default,
    Strict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    Window,
    Sync,
}

/// Which cloud a command talks to.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// Endpoint of the cloud.
    #[arg(long, default_value = "http://127.0.0.1:4566", env = "WELKIN_ENDPOINT")]
    pub endpoint: String,
    /// Region of the printed environment.
    #[arg(long, default_value = "us-east-1", env = "WELKIN_REGION")]
    pub region: String,
}

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub target: Target,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Query {
    #[command(flatten)]
    pub target: Target,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Lab {
    /// Name of the lab; `list` shows all.
    pub name: String,
    /// Keep the cloud up when the lab is done.
    #[arg(long)]
    pub keep: bool,
    /// Folder of the labs.
    #[arg(long, default_value = "labs")]
    pub folder: PathBuf,
}

#[derive(Debug, Args)]
pub struct Clock {
    #[command(flatten)]
    pub query: Query,
    #[command(subcommand)]
    pub action: Option<ClockAction>,
}

#[derive(Debug, Subcommand)]
pub enum ClockAction {
    /// Move the clock on: `90s`, `15m`, `2h`, `7d`.
    Advance { by: String },
    /// Run this much ahead of the system's time (or behind, with a minus).
    #[command(allow_negative_numbers = true)]
    Offset {
        #[arg(allow_hyphen_values = true)]
        by: String,
    },
    /// Stop the clock, now or at a time such as `2030-01-01T00:00:00Z`.
    Freeze { at: Option<String> },
    /// Let a stopped clock run on.
    Resume,
}

#[derive(Debug, Args)]
pub struct Policy {
    #[command(subcommand)]
    pub action: PolicyAction,
}

#[derive(Debug, Subcommand)]
pub enum PolicyAction {
    /// Say why the last call was denied.
    Explain(Query),
}

fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("an account has twelve digits".to_owned())
    }
}
