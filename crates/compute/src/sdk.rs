//! The AWS SDKs that functions may import without bundling them, and for Java what loads its handlers, compiled.
//!
//! Installed once for each interpreter version, on request, with the package manager of the language; visible at once when
//! complete, because an installation is made aside and renamed. Nothing is fetched unless [`SdkCache::ensure`] is called; for
//! Java nothing is fetched at all.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio::sync::Mutex;

use crate::bootstraps;
use crate::interpreters::{Interpreter, Language};

/// The clients of version 3 for JavaScript that functions find here.
const NODE_PACKAGES: &[&str] = &[
    "@aws-sdk/client-apigatewaymanagementapi",
    "@aws-sdk/client-cloudwatch-logs",
    "@aws-sdk/client-dynamodb",
    "@aws-sdk/client-eventbridge",
    "@aws-sdk/client-kinesis",
    "@aws-sdk/client-lambda",
    "@aws-sdk/client-s3",
    "@aws-sdk/client-secrets-manager",
    "@aws-sdk/client-sfn",
    "@aws-sdk/client-sns",
    "@aws-sdk/client-sqs",
    "@aws-sdk/client-ssm",
    "@aws-sdk/client-sts",
    "@aws-sdk/lib-dynamodb",
    "@aws-sdk/s3-request-presigner",
    "@aws-sdk/util-dynamodb",
];

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not run {program}: {source}")]
    Program { program: String, source: io::Error },
    #[error("{program} failed: {message}")]
    Failed { program: String, message: String },
}

pub struct SdkCache {
    directory: PathBuf,
    installing: Mutex<()>,
}

impl SdkCache {
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), installing: Mutex::new(()) }
    }

    /// The directory to mount for an interpreter, if it has been installed.
    pub fn installed(&self, interpreter: &Interpreter) -> Option<PathBuf> {
        Some(self.path(interpreter)).filter(|path| path.is_dir())
    }

    /// Installs what is missing. `progress` is told once, in words, when something has to be fetched.
    pub async fn ensure(&self, interpreter: &Interpreter, progress: impl FnOnce(&str)) -> Result<PathBuf, Error> {
        let _one_at_a_time = self.installing.lock().await;
        let path = self.path(interpreter);
        if path.is_dir() {
            return Ok(path);
        }
        progress(match interpreter.language {
            Language::Node => "Installing the AWS SDK for JavaScript for functions (once).",
            Language::Python => "Installing the AWS SDK for Python for functions (once).",
            Language::Java => "Compiling what loads Java functions (once).",
        });
        let aside = path.with_extension("incomplete");
        let file_error = |source| Error::Program { program: aside.display().to_string(), source };
        let _ = tokio::fs::remove_dir_all(&aside).await;
        tokio::fs::create_dir_all(&aside).await.map_err(file_error)?;
        let packages = install(interpreter, &aside).await?;
        tokio::fs::rename(&packages, &path).await.map_err(file_error)?;
        let _ = tokio::fs::remove_dir_all(&aside).await;
        Ok(path)
    }

    fn path(&self, interpreter: &Interpreter) -> PathBuf {
        let (major, minor) = interpreter.version;
        self.directory.join(match interpreter.language {
            Language::Node => "node_modules".to_owned(),
            Language::Python => format!("python{major}_{minor}"),
            // What was compiled from other sources is of no use.
            Language::Java => format!("java{major}_{:016x}", bootstraps::java_fingerprint()),
        })
    }
}

/// Returns the directory below `aside` that holds the packages.
async fn install(interpreter: &Interpreter, aside: &Path) -> Result<PathBuf, Error> {
    match interpreter.language {
        Language::Node => {
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--omit=dev", "--ignore-scripts"]);
            npm.arg("--prefix").arg(aside).args(NODE_PACKAGES);
            run("npm", npm).await?;
            Ok(aside.join("node_modules"))
        }
        Language::Python => {
            let mut pip = Command::new(&interpreter.program);
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
            pip.arg(aside.join("packages")).arg("boto3");
            run("pip", pip).await?;
            Ok(aside.join("packages"))
        }
        Language::Java => {
            let sources = bootstraps::write_java(&aside.join("sources"));
            let sources = sources.map_err(|source| Error::Program { program: "javac".into(), source })?;
            let mut javac = Command::new(interpreter.compiler());
            javac.args(["-nowarn", "-encoding", "UTF-8", "-d"]).arg(aside.join("packages")).args(sources);
            run("javac", javac).await?;
            Ok(aside.join("packages"))
        }
    }
}

async fn run(program: &str, mut command: Command) -> Result<(), Error> {
    let started = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = started.map_err(|source| Error::Program { program: program.into(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let message = text.lines().rev().take(3).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(" ");
    Err(Error::Failed { program: program.into(), message })
}
