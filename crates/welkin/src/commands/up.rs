//! `welkin up`: the cloud in the foreground.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use gateway::{Gateway, Server};
use pki::Authority;
use serde_json::json;
use service::{Clock, CloudConfig, Random, Store};

use super::Failure;
use crate::cli::{Auth, Durability, Up};
use crate::cloud;

pub fn run(up: &Up) -> Result<ExitCode, Failure> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("WELKIN_LOG");
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(up))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(up: &Up) -> Result<(), Failure> {
    let server = Server::bind(&up.listen).await.map_err(|error| {
        format!("{error}; is another cloud running there? Choose another port with --listen 127.0.0.1:PORT")
    })?;
    let port = server.address().map_or(4566, |address| address.port());
    let state = State::open(up)?;
    let endpoint = format!("http://127.0.0.1:{port}");
    let config = CloudConfig {
        region: up.region.clone(),
        default_account: up.default_account.clone(),
        strict: up.auth == Auth::Strict,
        endpoint: endpoint.clone(),
        files: state.files.clone(),
        authority: state.folder.as_deref().unwrap_or(&state.files).join("ca.pem"),
    };
    let dynamodb = if up.throttle_dynamodb { dynamodb::DynamoDb::throttling() } else { dynamodb::DynamoDb::default() };
    let assembled = cloud::assemble(
        state.store.clone(),
        Clock::system(),
        Random::system(),
        config,
        cloud::functions(&state.files, port),
        if up.dynamodb_delays { dynamodb.with_delays() } else { dynamodb },
    );
    let root_key = match up.auth {
        Auth::Strict => assembled.root_key(&up.default_account)?,
        Auth::Default => None,
    };
    let authority = Arc::new(match &state.folder {
        Some(folder) => Authority::open(folder)?,
        None => Authority::open(&state.files)?,
    });
    let gateway = Arc::new(Gateway::new(assembled.cloud.clone(), assembled.pipeline.clone()));
    cloud::start(&assembled.cloud);
    banner(up, &endpoint, &state, root_key.as_ref());
    server.run(gateway, Some(authority.server_config()?), stopped()).await;
    state.store.sync()?;
    Ok(())
}

/// Resolves at the first signal to stop.
async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}

/// Where the state is.
struct State {
    store: Store,
    /// `None` for a cloud in memory.
    folder: Option<PathBuf>,
    files: PathBuf,
    /// Removes the files of a cloud in memory at its end.
    _temporary: Option<tempfile::TempDir>,
}

impl State {
    fn open(up: &Up) -> Result<State, Failure> {
        if up.ephemeral {
            let temporary = tempfile::Builder::new().prefix("welkin-").tempdir()?;
            let files = temporary.path().to_owned();
            return Ok(State { store: Store::memory(), folder: None, files, _temporary: Some(temporary) });
        }
        let folder = up.state.clone().unwrap_or_else(cloud::default_state);
        std::fs::create_dir_all(&folder).map_err(|error| {
            format!("cannot make the state folder {}: {error}; choose another with --state", folder.display())
        })?;
        let folder = std::path::absolute(&folder)?;
        let durability = match up.durability {
            Durability::Window => store::Durability::Window,
            Durability::Sync => store::Durability::Sync,
        };
        let store = Store::open(&folder.join("store"), durability)?;
        Ok(State { store, files: folder.join("files"), folder: Some(folder), _temporary: None })
    }
}

fn banner(up: &Up, endpoint: &str, state: &State, root_key: Option<&(String, String)>) {
    let folder =
        state.folder.as_deref().map_or_else(|| "none (ephemeral)".to_owned(), |folder| folder.display().to_string());
    if up.json {
        let mut line =
            json!({ "endpoint": endpoint, "state": folder, "region": up.region, "account": up.default_account });
        if let Some((id, secret)) = root_key {
            line["rootKey"] = json!({ "accessKeyId": id, "secretAccessKey": secret });
        }
        println!("{line}");
        return;
    }
    println!("Welkin {} is up.", env!("CARGO_PKG_VERSION"));
    println!();
    println!("  endpoint   {endpoint}  (https on the same port)");
    println!("  state      {folder}");
    println!("  account    {}   region {}", up.default_account, up.region);
    println!("  compute    {}", compute());
    if let Some((id, secret)) = root_key {
        println!("  root key   {id} {secret}  (shown only once)");
    }
    println!();
    println!("  connect    eval \"$(welkin env)\"   or   welkin run -- aws sts get-caller-identity");
    println!("  stop       Ctrl-C");
}

/// The backend is probed when the first function starts, so that the port answers at once.
fn compute() -> &'static str {
    "chosen at the first function (welkin doctor shows it)"
}
