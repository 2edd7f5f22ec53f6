//! What a function's sandbox consists of: its program, its file system and its variables.

use std::path::{Path, PathBuf};

use super::{Error, FunctionSpec, Identity, LogFormat};
use crate::bootstraps;
use crate::interpreters::{Interpreter, Language};
use crate::sandbox::{Backend, Mount, Spec};

pub const TASK: &str = "/var/task";
pub const LAYERS: &str = "/opt";
pub const RUNTIME: &str = "/var/runtime";
/// The address that AWS's own environments use; it is private to each sandbox.
pub const RUNTIME_API: &str = "127.0.0.1:9001";
pub const RUNTIME_API_PORT: u16 = 9001;
/// AWS's limit on processes and threads in an environment.
pub const PROCESSES: u32 = 1024;

/// As many connections can be made to extensions that listen.
const SOCKETS: usize = 4;

/// Where a runtime's own files are on this machine.
#[derive(Clone, Debug)]
pub struct Installation {
    pub interpreter: Option<Interpreter>,
    pub runtime: PathBuf,
    pub sdk: Option<PathBuf>,
}

/// Where a function finds its files: inside a native sandbox, or on the machine itself.
pub struct Places {
    task: PathBuf,
    layers: PathBuf,
    runtime: PathBuf,
    sdk: Option<PathBuf>,
    isolated: bool,
}

impl Places {
    pub fn new(backend: Backend, installation: &Installation, code: Option<&Path>, layers: Option<&Path>) -> Self {
        match backend {
            Backend::Native => {
                let language = installation.interpreter.as_ref().map(|interpreter| interpreter.language);
                let sdk = installation.sdk.as_ref().and(language);
                Self {
                    task: TASK.into(),
                    layers: LAYERS.into(),
                    runtime: RUNTIME.into(),
                    sdk: sdk.map(|language| Path::new(RUNTIME).join(bootstraps::sdk_directory(language))),
                    isolated: true,
                }
            }
            Backend::Process => Self {
                task: code.unwrap_or(Path::new("/")).to_owned(),
                layers: layers.unwrap_or(Path::new(LAYERS)).to_owned(),
                runtime: installation.runtime.clone(),
                sdk: installation.sdk.clone(),
                isolated: false,
            },
        }
    }
}

/// The variables that AWS sets in every environment, then the function's own.
pub fn variables(
    function: &FunctionSpec,
    identity: &Identity,
    places: &Places,
    endpoint_port: u16,
) -> Vec<(String, String)> {
    let (task, layers, runtime) = (places.task.display(), places.layers.display(), places.runtime.display());
    let sdk = places.sdk.as_ref().map(|sdk| sdk.display().to_string()).unwrap_or_default();
    let runtime_name = &function.runtime;
    let mut variables = vec![
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", function.version.clone()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
        (
            "AWS_LAMBDA_INITIALIZATION_TYPE",
            if function.provisioned { "provisioned-concurrency" } else { "on-demand" }.into(),
        ),
        ("AWS_LAMBDA_LOG_GROUP_NAME", function.log_group.clone()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", identity.log_stream.clone()),
        ("AWS_REGION", function.region.clone()),
        ("AWS_DEFAULT_REGION", function.region.clone()),
        ("AWS_ACCESS_KEY_ID", identity.credentials.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", identity.credentials.secret_access_key.clone()),
        ("AWS_SESSION_TOKEN", identity.credentials.session_token.clone()),
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{endpoint_port}")),
        ("AWS_EXECUTION_ENV", format!("AWS_Lambda_{runtime_name}")),
        ("LAMBDA_TASK_ROOT", task.to_string()),
        ("LAMBDA_RUNTIME_DIR", runtime.to_string()),
        ("_HANDLER", function.handler.clone()),
        ("LD_LIBRARY_PATH", format!("{task}:{task}/lib:{layers}/lib")),
    ];
    if let LogFormat::Json { application, .. } = function.log_format {
        variables.push(("AWS_LAMBDA_LOG_FORMAT", "JSON".into()));
        variables.push(("AWS_LAMBDA_LOG_LEVEL", application.name().into()));
    }
    if runtime_name.starts_with("nodejs") {
        let major = runtime_name.trim_start_matches("nodejs").trim_end_matches(".x");
        let own =
            format!("{layers}/nodejs/node{major}/node_modules:{layers}/nodejs/node_modules:{sdk}:{runtime}:{task}");
        variables.push(("NODE_PATH", own));
    }
    if runtime_name.starts_with("nodejs") && !places.isolated && !sdk.is_empty() {
        variables.push(("WELKIN_MODULES", sdk.clone()));
    }
    if runtime_name.starts_with("python") {
        variables.push(("PYTHONPATH", if sdk.is_empty() { runtime.to_string() } else { format!("{runtime}:{sdk}") }));
    }
    let mut variables: Vec<_> = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    variables.extend(function.environment.iter().cloned());
    variables
}

/// What every process starts with, assigned to a function or not.
pub fn base_variables(backend: Backend, installation: &Installation) -> Vec<(String, String)> {
    let prefix = installation.interpreter.as_ref().and_then(|interpreter| interpreter.prefix.as_ref());
    let own = prefix.map(|prefix| format!("{}/bin:", prefix.display())).unwrap_or_default();
    let path = format!("{own}/usr/local/bin:/usr/bin:/bin:/opt/bin");
    let mut variables =
        vec![("PATH", path.as_str()), ("LANG", "en_US.UTF-8"), ("TZ", ":UTC"), ("AWS_LAMBDA_RUNTIME_API", RUNTIME_API)];
    if backend == Backend::Native {
        variables.push(("_LAMBDA_TELEMETRY_LOG_FD", "3"));
    }
    variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// V8's share of the memory, as AWS's own runtime sets it.
pub fn heap_flag(memory_mb: u32) -> String {
    format!("--max-old-space-size={}", memory_mb * 9 / 10)
}

/// Starts what it finds in a directory beside the runtime, each with an end that is told of.
const WITH_EXTENSIONS: &str = r#"for extension in "$0"/*; do
    [ -f "$extension" ] && [ -x "$extension" ] && {
        "$extension" </dev/null
        printf '\0%s %s\n' "$?" "${extension##*/}"
    } >&4 2>&4 &
done
exec "$@" 4>&-
"#;

/// The files of a function's external extensions.
pub fn extensions(function: &FunctionSpec) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = function.layers.as_ref().map(|layers| layers.join("extensions"));
    let files = directory.and_then(|directory| std::fs::read_dir(directory).ok()).into_iter().flatten().flatten();
    let executable = |file: &std::fs::DirEntry| {
        std::fs::metadata(file.path()).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    files.filter(executable).filter_map(|file| file.file_name().into_string().ok()).collect()
}

/// The program and its arguments.
pub fn program(
    installation: &Installation,
    places: &Places,
    function: Option<&FunctionSpec>,
) -> Result<(PathBuf, Vec<String>), Error> {
    let Some(interpreter) = &installation.interpreter else {
        let own = function.is_some_and(|function| function.code.join("bootstrap").exists());
        let directory = if own { &places.task } else { &places.layers };
        return Ok((directory.join("bootstrap"), Vec::new()));
    };
    let bootstrap = places.runtime.join(bootstraps::file(interpreter.language)).display().to_string();
    let arguments = match interpreter.language {
        Language::Node => {
            function.map(|function| heap_flag(function.memory_mb)).into_iter().chain([bootstrap]).collect()
        }
        // Without the machine's site packages, and with unbuffered output.
        Language::Python => vec!["-S".into(), "-u".into(), bootstrap],
        Language::Java => java_arguments(places, function),
    };
    Ok((interpreter.program.clone(), arguments))
}

/// A small heap and little compilation, as AWS sets it; what a package has in `lib` is found too.
fn java_arguments(places: &Places, function: Option<&FunctionSpec>) -> Vec<String> {
    let (task, layers) = (places.task.display(), places.layers.display());
    let own = places.sdk.as_ref().unwrap_or(&places.runtime).display();
    let heap = function.map_or(512, |function| function.memory_mb) * 85 / 100;
    let class_path = format!("{own}:{task}:{task}/lib/*:{layers}/java/lib/*");
    let encodings = ["file", "stdout", "stderr", "sun.stdout", "sun.stderr"];
    let flags = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto"];
    let mut arguments: Vec<String> = flags.map(str::to_owned).to_vec();
    arguments.extend(encodings.map(|stream| format!("-D{stream}.encoding=UTF-8")));
    arguments.extend([format!("-Xmx{heap}m"), "-cp".into(), class_path, bootstraps::JAVA_MAIN.into()]);
    arguments
}

/// A sandbox for a function, or for one that is not known yet.
pub fn sandbox(
    backend: Backend,
    installation: &Installation,
    function: Option<&FunctionSpec>,
    environment: Vec<(String, String)>,
    endpoint_port: u16,
) -> Result<Spec, Error> {
    let code = function.map(|function| function.code.as_path());
    let layers = function.and_then(|function| function.layers.as_deref());
    let places = Places::new(backend, installation, code, layers);
    let (mut program, mut args) = program(installation, &places, function)?;
    let beside = function.is_some_and(|function| !extensions(function).is_empty()) && places.isolated;
    if beside {
        let runtime = std::mem::replace(&mut program, "/bin/sh".into()).display().to_string();
        let directory = places.layers.join("extensions").display().to_string();
        args = ["-c".into(), WITH_EXTENSIONS.into(), directory, runtime].into_iter().chain(args).collect();
    }
    let mut mounts = vec![Mount::new(&installation.runtime, RUNTIME)];
    let mut links = Vec::new();
    if let Some(interpreter) = &installation.interpreter {
        mounts.extend(interpreter.prefix.iter().map(|prefix| Mount::new(prefix, prefix)));
        if let Some(sdk) = &installation.sdk {
            mounts.push(Mount::new(sdk, Path::new(RUNTIME).join(bootstraps::sdk_directory(interpreter.language))));
        }
        if interpreter.language == Language::Node {
            // Modules (ESM) are not looked for along NODE_PATH, but in every parent directory of the importer.
            links.push(("/node_modules".into(), Path::new(RUNTIME).join(bootstraps::sdk_directory(Language::Node))));
        }
    }
    mounts.extend(code.map(|code| Mount::new(code, TASK)));
    mounts.extend(layers.map(|layers| Mount::new(layers, LAYERS)));
    Ok(Spec {
        program,
        args,
        env: environment,
        directory: if backend == Backend::Native { TASK.into() } else { places.task },
        mounts,
        links,
        directories: vec![TASK.into(), LAYERS.into()],
        temporary_bytes: mebibytes(function.map_or(512, |function| function.ephemeral_mb)),
        memory_bytes: mebibytes(function.map_or(512, |function| function.memory_mb)),
        processes: PROCESSES,
        ports: vec![RUNTIME_API_PORT, endpoint_port],
        sockets: SOCKETS,
        beside,
    })
}

pub fn mebibytes(count: u32) -> u64 {
    u64::from(count) << 20
}
