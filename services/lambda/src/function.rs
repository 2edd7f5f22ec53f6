//! What a function may be, and how it is described.
//!
//! A function is `Pending` while what its runtime needs is installed and `Active` from then on. Each change gives its latest
//! configuration a new revision; a published version never changes. Features that would change how a function runs and are
//! not real here are refused, so that no answer claims them.

use std::collections::BTreeMap;

use compute::environment::{Level, LogFormat};
use lambda_api as api;
use managed_keys::ManagedKey;
use service::{Context, Timestamp};

use crate::arn::{LATEST, Reference};
use crate::error::Error;
use crate::store::{Configuration, Function, LayerUse, State, Update};

pub const DEFAULT_TIMEOUT: i32 = 3;
pub const DEFAULT_MEMORY: i32 = 128;
pub const DEFAULT_EPHEMERAL: i32 = 512;
const ENVIRONMENT_LIMIT: usize = 4096;

/// Variables that Lambda sets and a function may not.
const RESERVED: [&str; 21] = [
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "WELKIN_ASSIGNMENT",
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
];

/// The members that create and update requests share.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub runtime: Option<api::Runtime>,
    pub role: Option<String>,
    pub handler: Option<String>,
    pub description: Option<String>,
    pub timeout: Option<i32>,
    pub memory_size: Option<i32>,
    pub environment: Option<api::Environment>,
    pub ephemeral_storage: Option<api::EphemeralStorage>,
    pub logging_config: Option<api::LoggingConfig>,
    pub layers: Option<Vec<String>>,
    pub vpc_config: Option<api::VpcConfig>,
    pub dead_letter_config: Option<api::DeadLetterConfig>,
    pub tracing_config: Option<api::TracingConfig>,
    pub file_system_configs: Option<Vec<api::FileSystemConfig>>,
    pub image_config: Option<api::ImageConfig>,
    pub kms_key_arn: Option<String>,
    pub snap_start: Option<api::SnapStart>,
    pub tenancy: Option<api::TenancyConfig>,
    /// Members of the request that nothing here gives a meaning to, by name.
    pub foreign: Vec<&'static str>,
}

impl From<api::CreateFunctionRequest> for Settings {
    fn from(request: api::CreateFunctionRequest) -> Self {
        Self {
            runtime: request.runtime,
            role: Some(request.role),
            handler: request.handler,
            description: request.description,
            timeout: request.timeout,
            memory_size: request.memory_size,
            environment: request.environment,
            ephemeral_storage: request.ephemeral_storage,
            logging_config: request.logging_config,
            layers: request.layers,
            vpc_config: request.vpc_config,
            dead_letter_config: request.dead_letter_config,
            tracing_config: request.tracing_config,
            file_system_configs: request.file_system_configs,
            image_config: request.image_config,
            kms_key_arn: request.kms_key_arn,
            snap_start: request.snap_start,
            tenancy: request.tenancy_config,
            foreign: given([
                (request.capacity_provider_config.is_some(), "CapacityProviderConfig"),
                (request.durable_config.is_some(), "DurableConfig"),
                (request.runtime_config.is_some(), "RuntimeConfig"),
                (request.accelerator_config.is_some(), "AcceleratorConfig"),
                (request.publish_to.is_some(), "PublishTo"),
                (request.code.source_kms_key_arn.is_some(), "SourceKMSKeyArn"),
            ]),
        }
    }
}

fn given<const N: usize>(members: [(bool, &'static str); N]) -> Vec<&'static str> {
    members.into_iter().filter(|(given, _)| *given).map(|(_, name)| name).collect()
}

impl From<api::UpdateFunctionConfigurationRequest> for Settings {
    fn from(request: api::UpdateFunctionConfigurationRequest) -> Self {
        Self {
            runtime: request.runtime,
            role: request.role,
            handler: request.handler,
            description: request.description,
            timeout: request.timeout,
            memory_size: request.memory_size,
            environment: request.environment,
            ephemeral_storage: request.ephemeral_storage,
            logging_config: request.logging_config,
            layers: request.layers,
            vpc_config: request.vpc_config,
            dead_letter_config: request.dead_letter_config,
            tracing_config: request.tracing_config,
            file_system_configs: request.file_system_configs,
            image_config: request.image_config,
            kms_key_arn: request.kms_key_arn,
            snap_start: request.snap_start,
            tenancy: None,
            foreign: given([
                (request.capacity_provider_config.is_some(), "CapacityProviderConfig"),
                (request.durable_config.is_some(), "DurableConfig"),
                (request.runtime_config.is_some(), "RuntimeConfig"),
                (request.accelerator_config.is_some(), "AcceleratorConfig"),
            ]),
        }
    }
}

/// Checks the key that an environment is to be encrypted with: the account's managed key `aws/lambda` is the only one there is.
fn check_key(cx: &Context, name: &str) -> Result<(), Error> {
    if ManagedKey::need(cx, cx.account(), cx.region(), "lambda")?.is_named(name) {
        return Ok(());
    }
    Err(Error::InvalidParameterValue(format!(
        "Lambda was unable to configure access to your environment variables because the KMS key is invalid for CreateGrant. \
         Please check your KMS key settings. KMS Exception: NotFoundException KMS Message: {}",
        managed_keys::not_found(name, cx.account(), cx.region())
    )))
}

impl Settings {
    /// Checks what only the rest of the cloud knows.
    pub fn check(&self, cx: &Context) -> Result<(), Error> {
        match self.kms_key_arn.as_deref() {
            None | Some("") => Ok(()),
            Some(name) => check_key(cx, name),
        }
    }

    /// Applies what is given to a configuration.
    pub fn apply(self, configuration: &mut Configuration) -> Result<(), Error> {
        if let Some(runtime) = &self.runtime {
            configuration.runtime = supported(runtime)?;
        }
        self.check_limits()?;
        self.check_snapshots(&configuration.runtime)?;
        self.refuse_what_is_not_real()?;
        if let Some(environment) = self.environment {
            configuration.environment = Some(check_environment(environment.variables.unwrap_or_default())?);
        }
        if let Some(logging) = self.logging_config {
            logging_config(logging, configuration)?;
        }
        if let Some(arn) = self.kms_key_arn {
            configuration.kms_key = Some(arn).filter(|arn| !arn.is_empty());
        }
        if let Some(tenancy) = self.tenancy {
            configuration.tenancy = Some(tenancy.tenant_isolation_mode.as_str().to_owned());
        }
        set(&mut configuration.role, self.role);
        set(&mut configuration.handler, self.handler);
        set(&mut configuration.description, self.description);
        set(&mut configuration.timeout, self.timeout);
        set(&mut configuration.memory_mb, self.memory_size);
        set(&mut configuration.ephemeral_mb, self.ephemeral_storage.map(|storage| storage.size));
        Ok(())
    }

    /// The limits of functions that do not run on instances of one's own; the model states those of functions that do.
    fn check_limits(&self) -> Result<(), Error> {
        let ephemeral = self.ephemeral_storage.as_ref().map(|storage| storage.size);
        let limits = [
            (self.timeout, "timeout", 900),
            (self.memory_size, "memorySize", 10_240),
            (ephemeral, "ephemeralStorage.size", 10_240),
        ];
        for (value, path, most) in limits {
            if let Some(value) = value.filter(|value| *value > most) {
                let constraint = format!("Member must have value less than or equal to {most}");
                return Err(Error::violation(&value, path, &constraint));
            }
        }
        Ok(())
    }

    /// <https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html#snapstart-runtimes>
    fn check_snapshots(&self, runtime: &str) -> Result<(), Error> {
        let wanted = self.snap_start.as_ref().and_then(|config| config.apply_on.as_ref());
        let able = ["java", "python3.12", "python3.13", "python3.14", "dotnet8", "dotnet10"];
        if wanted != Some(&api::SnapStartApplyOn::PublishedVersions) || able.iter().any(|one| runtime.starts_with(one))
        {
            return Ok(());
        }
        Err(Error::InvalidParameterValue(format!("{runtime} is not supported for SnapStart enabled functions.")))
    }

    fn refuse_what_is_not_real(&self) -> Result<(), Error> {
        let vpc = self.vpc_config.as_ref();
        let in_vpc =
            vpc.is_some_and(|vpc| vpc.subnet_ids.iter().chain(&vpc.security_group_ids).any(|ids| !ids.is_empty()));
        let dead_letter = self.dead_letter_config.as_ref().and_then(|config| config.target_arn.as_deref());
        let traced = self.tracing_config.as_ref().and_then(|config| config.mode.as_ref());
        let snapshots = self.snap_start.as_ref().and_then(|config| config.apply_on.as_ref());
        let asked = [
            (in_vpc, "VpcConfig"),
            (dead_letter.is_some_and(|arn| !arn.is_empty()), "DeadLetterConfig"),
            (traced == Some(&api::TracingMode::Active), "TracingConfig with Active tracing"),
            (snapshots == Some(&api::SnapStartApplyOn::PublishedVersions), "SnapStart"),
            (self.file_system_configs.as_ref().is_some_and(|configs| !configs.is_empty()), "FileSystemConfigs"),
            (self.image_config.is_some(), "ImageConfig"),
        ];
        let asked = asked.iter().find(|(asked, _)| *asked).map(|(_, what)| *what);
        match asked.or(self.foreign.first().copied()) {
            Some(what) => Err(Error::NotImplemented(format!("{what} is not implemented for functions."))),
            None => Ok(()),
        }
    }
}

/// What is not given stays as it was; levels belong to JSON only.
fn logging_config(logging: api::LoggingConfig, configuration: &mut Configuration) -> Result<(), Error> {
    let json = match logging.log_format {
        Some(format) => format == api::LogFormat::Json,
        None => configuration.log_levels.is_some(),
    };
    let (application, system) = (logging.application_log_level, logging.system_log_level);
    if !json && (application.is_some() || system.is_some()) {
        return Err(Error::InvalidParameterValue(
            "LogLevel is not supported when LogFormat is set to \"Text\". Remove LogLevel from your request or change the LogFormat to \"Json\" and try again.".into(),
        ));
    }
    let mut levels = configuration.log_levels.take().unwrap_or_default();
    set(&mut levels.application, application.map(|level| level.as_str().to_owned()));
    set(&mut levels.system, system.map(|level| level.as_str().to_owned()));
    configuration.log_levels = json.then_some(levels);
    if logging.log_group.is_some() {
        configuration.log_group = logging.log_group;
    }
    Ok(())
}

/// How the function's log is written.
pub fn log_format(configuration: &Configuration) -> LogFormat {
    let level = |name: &str| Level::parse(name).unwrap_or_default();
    match &configuration.log_levels {
        Some(levels) => LogFormat::Json { application: level(&levels.application), system: level(&levels.system) },
        None => LogFormat::Text,
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// A configuration with AWS's defaults.
pub fn defaults() -> Configuration {
    Configuration {
        version: LATEST.into(),
        timeout: DEFAULT_TIMEOUT,
        memory_mb: DEFAULT_MEMORY,
        ephemeral_mb: DEFAULT_EPHEMERAL,
        architecture: "x86_64".into(),
        ..Configuration::default()
    }
}

/// Runtimes with which AWS makes no functions any more.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html#runtimes-deprecated>
const DEPRECATED: [&str; 25] = [
    "nodejs",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "nodejs16.x",
    "python2.7",
    "python3.6",
    "python3.7",
    "python3.8",
    "java8",
    "go1.x",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "dotnet5.0",
    "dotnet6",
    "dotnet7",
    "ruby2.5",
    "ruby2.7",
    "provided",
];

pub fn unknown_runtime(name: &str) -> Error {
    Error::InvalidParameterValue(format!(
        "Value {name} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, nodejs22.x, nodejs24.x, python3.9, python3.10, python3.11, python3.12, python3.13, python3.14, provided.al2, provided.al2023] or be a valid ARN"
    ))
}

/// The name of a runtime that can run here.
pub fn supported(runtime: &api::Runtime) -> Result<String, Error> {
    let name = runtime.as_str();
    if let api::Runtime::Unknown(_) = runtime {
        return Err(unknown_runtime(name));
    }
    if DEPRECATED.contains(&name) {
        return Err(Error::InvalidParameterValue(format!(
            "The runtime parameter of {name} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
        )));
    }
    match compute::interpreters::Runtime::parse(name) {
        Some(_) => Ok(name.to_owned()),
        None => Err(Error::NotImplemented(format!("The runtime {name} is not implemented."))),
    }
}

/// The only architecture that functions run on here is the machine's own, which is not checked: interpreted code does not
/// mind, and a bootstrap for another machine fails to start.
pub fn architecture(asked: Option<Vec<api::Architecture>>) -> Option<String> {
    asked.and_then(|list| list.first().map(|architecture| architecture.as_str().to_owned()))
}

fn check_environment(variables: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Error> {
    let reserved: Vec<&str> = variables.keys().map(String::as_str).filter(|name| RESERVED.contains(name)).collect();
    if !reserved.is_empty() {
        return Err(Error::InvalidParameterValue(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    let size: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > ENVIRONMENT_LIMIT {
        let measured = serde_json::to_string(&variables).unwrap_or_default();
        return Err(Error::InvalidParameterValue(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {measured}"
        )));
    }
    Ok(variables)
}

/// A version of a function as AWS shows it. `arn` is that of the function or, where a version was asked for, of that.
pub fn describe(function: &Function, configuration: &Configuration, arn: String) -> api::FunctionConfiguration {
    let group = configuration.log_group.clone().unwrap_or_else(|| default_log_group(&function.name));
    let pending = configuration.state == State::Pending;
    let updating = configuration.update == Update::InProgress;
    let reason = |yes: bool| yes.then(|| "The function is being created.".to_owned());
    let variables = configuration.environment.clone();
    let levels = configuration.log_levels.as_ref();
    api::FunctionConfiguration {
        function_name: Some(function.name.clone()),
        function_arn: Some(arn),
        runtime: Some(api::Runtime::from(configuration.runtime.as_str())),
        role: Some(configuration.role.clone()),
        handler: Some(configuration.handler.clone()).filter(|handler| !handler.is_empty()),
        code_size: Some(configuration.code.size),
        description: Some(configuration.description.clone()),
        timeout: Some(configuration.timeout),
        memory_size: Some(configuration.memory_mb),
        last_modified: Some(last_modified(configuration.last_modified)),
        code_sha256: Some(configuration.code.sha256_base64.clone()),
        version: Some(configuration.version.clone()),
        environment: variables.map(|variables| api::EnvironmentResponse { variables: Some(variables), error: None }),
        tracing_config: Some(api::TracingConfigResponse { mode: Some(api::TracingMode::PassThrough) }),
        kms_key_arn: configuration.kms_key.clone(),
        revision_id: Some(configuration.revision_id.clone()),
        state: Some(if pending { api::State::Pending } else { api::State::Active }),
        state_reason: reason(pending),
        state_reason_code: pending.then_some(api::StateReasonCode::Creating),
        last_update_status: (!pending).then_some(if updating {
            api::LastUpdateStatus::InProgress
        } else {
            api::LastUpdateStatus::Successful
        }),
        last_update_status_reason: reason(!pending && updating),
        last_update_status_reason_code: (!pending && updating).then(|| "Creating".into()),
        layers: (!configuration.layers.is_empty()).then(|| configuration.layers.iter().map(layer).collect()),
        package_type: Some(api::PackageType::Zip),
        architectures: Some(vec![api::Architecture::from(configuration.architecture.as_str())]),
        ephemeral_storage: Some(api::EphemeralStorage { size: configuration.ephemeral_mb }),
        snap_start: Some(api::SnapStartResponse {
            apply_on: Some(api::SnapStartApplyOn::None),
            optimization_status: Some(api::SnapStartOptimizationStatus::Off),
        }),
        runtime_version_config: Some(api::RuntimeVersionConfig {
            runtime_version_arn: Some(runtime_version(&function.region, &configuration.runtime)),
            error: None,
        }),
        tenancy_config: configuration
            .tenancy
            .as_deref()
            .map(|mode| api::TenancyConfig { tenant_isolation_mode: mode.into() }),
        logging_config: Some(api::LoggingConfig {
            log_format: Some(if levels.is_some() { api::LogFormat::Json } else { api::LogFormat::Text }),
            application_log_level: levels.map(|levels| levels.application.as_str().into()),
            system_log_level: levels.map(|levels| levels.system.as_str().into()),
            log_group: Some(group),
        }),
        ..api::FunctionConfiguration::default()
    }
}

/// What lists show of a version: not how it is doing.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html>
pub fn describe_in_list(function: &Function, configuration: &Configuration, arn: String) -> api::FunctionConfiguration {
    api::FunctionConfiguration {
        state: None,
        state_reason: None,
        state_reason_code: None,
        last_update_status: None,
        last_update_status_reason: None,
        last_update_status_reason_code: None,
        runtime_version_config: None,
        ..describe(function, configuration, arn)
    }
}

fn layer(used: &LayerUse) -> api::Layer {
    api::Layer { arn: Some(used.arn.clone()), code_size: Some(used.size), ..api::Layer::default() }
}

pub fn default_log_group(name: &str) -> String {
    format!("/aws/lambda/{name}")
}

fn runtime_version(region: &str, runtime: &str) -> String {
    format!("arn:aws:lambda:{region}::runtime:{runtime}")
}

/// `2024-01-01T00:00:00.000+0000`
pub fn last_modified(millis: i64) -> String {
    Timestamp::from_millis(millis).iso8601_millis().replace('Z', "+0000")
}

pub fn not_found(reference: &Reference) -> Error {
    Error::ResourceNotFound(format!("Function not found: {reference}"))
}

/// Refuses to change a function that is still being made, or changed.
pub fn check_settled(function: &Function) -> Result<(), Error> {
    let refused =
        |why: String| Err(Error::ResourceConflict(format!("The operation cannot be performed at this time. {why}")));
    if function.latest.state == State::Pending {
        return refused("The function is currently in the following state: Pending".into());
    }
    if function.latest.update == Update::InProgress {
        return refused(format!("An update is in progress for resource: {}", function.reference()));
    }
    Ok(())
}

/// Refuses a change by somebody who has not seen the latest revision.
pub fn check_revision(current: &str, expected: Option<&str>) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != current => Err(Error::PreconditionFailed(
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id".into(),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_made_is_not_changed() {
        let mut function = Function { name: "f".into(), ..Function::default() };
        assert!(
            matches!(check_settled(&function), Err(Error::ResourceConflict(text)) if text.ends_with("state: Pending"))
        );
        function.latest.state = State::Active;
        assert!(check_settled(&function).is_ok());
        function.latest.update = Update::InProgress;
        assert!(
            matches!(check_settled(&function), Err(Error::ResourceConflict(text)) if text.contains("An update is in progress"))
        );
    }

    #[test]
    fn levels_belong_to_json() {
        let mut configuration = defaults();
        let logging = |format: Option<&str>, level: Option<&str>| api::LoggingConfig {
            log_format: format.map(api::LogFormat::from),
            application_log_level: level.map(api::ApplicationLogLevel::from),
            ..api::LoggingConfig::default()
        };
        assert!(logging_config(logging(None, Some("WARN")), &mut configuration).is_err());
        assert!(logging_config(logging(Some("JSON"), Some("WARN")), &mut configuration).is_ok());
        let json = LogFormat::Json { application: Level::Warn, system: Level::Info };
        assert_eq!(log_format(&configuration), json);
        assert!(logging_config(logging(Some("Text"), None), &mut configuration).is_ok());
        assert_eq!(log_format(&configuration), LogFormat::Text);
    }
}
