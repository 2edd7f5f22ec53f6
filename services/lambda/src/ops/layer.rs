//! Layers: packages that functions share, in versions that never change.

use lambda_api::{
    Architecture, DeleteLayerVersion, DeleteLayerVersionRequest, GetLayerVersion, GetLayerVersionByArn,
    GetLayerVersionByArnRequest, GetLayerVersionRequest, GetLayerVersionResponse, LayerVersionContentOutput,
    LayerVersionsListItem, LayersListItem, ListLayerVersions, ListLayerVersionsRequest, ListLayerVersionsResponse,
    ListLayers, ListLayersRequest, ListLayersResponse, PublishLayerVersion, PublishLayerVersionRequest,
    PublishLayerVersionResponse, Runtime,
};
use service::{Access, Context, Key, Range, StoreError, encode_token, from_record, operation, to_record};
use wire::Unit;

use super::code::{Upload, obtain};
use super::function::marker_key;
use crate::Lambda;
use crate::download;
use crate::error::Error;
use crate::function::last_modified;
use crate::store::{self as records, Layer, LayerUse, ResourcePolicy};

operation! {
    Lambda, PublishLayerVersion,
    access: |_s, cx, request| access(cx, "lambda:PublishLayerVersion", &request.layer_name, None),
    handler: publish_layer_version
}
operation! {
    Lambda, GetLayerVersion,
    access: |_s, cx, request| access(cx, "lambda:GetLayerVersion", &request.layer_name, Some(request.version_number)),
    handler: get_layer_version
}
operation! { Lambda, GetLayerVersionByArn, action: "lambda:GetLayerVersion" on |_cx, request| &request.arn, handler: get_layer_version_by_arn }
operation! { Lambda, ListLayers, action: "lambda:ListLayers" on |_cx, _request| "*", handler: list_layers }
operation! { Lambda, ListLayerVersions, action: "lambda:ListLayerVersions" on |_cx, _request| "*", handler: list_layer_versions }
operation! {
    Lambda, DeleteLayerVersion,
    access: |_s, cx, request| access(cx, "lambda:DeleteLayerVersion", &request.layer_name, Some(request.version_number)),
    handler: delete_layer_version
}

/// How many layers a function may have.
const LAYERS_LIMIT: usize = 5;

/// A layer, perhaps one version of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    region: String,
    account: String,
    name: String,
}

impl Name {
    fn parse(cx: &Context, text: &str) -> Option<Self> {
        let new = |region: &str, account: &str, name: &str| Self {
            region: region.into(),
            account: account.into(),
            name: name.into(),
        };
        match text.split(':').collect::<Vec<_>>()[..] {
            ["arn", _, "lambda", region, account, "layer", name] => Some(new(region, account, name)),
            [name] => Some(new(cx.region(), cx.account(), name)),
            _ => None,
        }
    }

    pub fn new(cx: &Context, text: &str) -> Result<Self, Error> {
        Self::parse(cx, text).ok_or_else(|| Error::InvalidParameterValue(format!("Invalid layer name: {text}")))
    }

    fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:{}:layer:{}", self.region, self.account, self.name)
    }

    pub fn version_arn(&self, version: u64) -> String {
        format!("{}:{version}", self.arn())
    }

    pub fn key(&self) -> Key {
        records::layers_key(&self.account, &self.region).text(&self.name)
    }
}

/// The ARN of a layer version, apart.
pub fn parse_version(cx: &Context, arn: &str) -> Option<(Name, u64)> {
    let (layer, version) = arn.rsplit_once(':')?;
    Some((Name::parse(cx, layer)?, version.parse().ok()?))
}

pub fn access(cx: &Context, action: &str, layer: &str, version: Option<i64>) -> Result<Vec<Access>, Error> {
    let name = Name::new(cx, layer)?;
    let arn = version.map_or_else(|| name.arn(), |version| name.version_arn(version.unsigned_abs()));
    Ok(vec![Access::new(action, arn)])
}

/// The layers that a function asks for. Those of other accounts need the permission of their policies, and all of them the
/// caller's own.
pub fn find(cx: &Context, arns: &[String]) -> Result<Vec<LayerUse>, Error> {
    if arns.len() > LAYERS_LIMIT {
        return Err(Error::InvalidParameterValue(format!("Cannot reference more than {LAYERS_LIMIT} layers.")));
    }
    let mut names = Vec::new();
    let mut found = Vec::new();
    for arn in arns {
        let missing = || Error::InvalidParameterValue(format!("Layer version {arn} does not exist."));
        let (name, version) = parse_version(cx, arn).ok_or_else(missing)?;
        let access = Access::new("lambda:GetLayerVersion", arn).owned_by(&name.account);
        if name.account != cx.account()
            && let Some(lambda) = cx.cloud.service("lambda")
        {
            let allowed = cx.cloud.stages().authorize(cx, &**lambda, &access);
            allowed.map_err(|error| Error::Reply(Box::new(error)))?;
        }
        let layer = get(cx, &name, version)?.ok_or_else(missing)?;
        if names.contains(&name) {
            return Err(Error::InvalidParameterValue(format!(
                "Two different versions of the same layer are not allowed to be referenced in the same function: {}.",
                name.arn()
            )));
        }
        names.push(name);
        found.push(LayerUse { arn: arn.clone(), size: layer.code.size, key: layer.code.key });
    }
    Ok(found)
}

pub fn get(cx: &Context, name: &Name, version: u64) -> Result<Option<Layer>, StoreError> {
    let record = cx.store().get(name.key().number(version).as_slice())?;
    record.map(|record| from_record(&record)).transpose()
}

async fn publish_layer_version(
    lambda: &Lambda,
    cx: &Context,
    request: PublishLayerVersionRequest,
) -> Result<PublishLayerVersionResponse, Error> {
    let name = Name::new(cx, &request.layer_name)?;
    let package = obtain(cx, Upload::from(request.content)).await?;
    lambda.runner.unpack(cx.store(), &package.code.key, package.bytes.clone()).await?;
    let names = |architectures: Vec<Architecture>| architectures.iter().map(|one| one.as_str().to_owned()).collect();
    let mut layer = Layer {
        version: 0,
        description: request.description.unwrap_or_default(),
        runtimes: request
            .compatible_runtimes
            .map(|runtimes| runtimes.iter().map(|one| one.as_str().to_owned()).collect()),
        architectures: request.compatible_architectures.map(names),
        license: request.license_info,
        created: cx.now().millis(),
        code: package.code,
        policy: ResourcePolicy::default(),
    };
    let layer = cx.store().write(|tx| {
        let counter = records::layer_count_key(&name.account, &name.region, &name.name);
        let count: u64 =
            tx.get(counter.as_slice())?.map(|record| from_record(&record)).transpose()?.unwrap_or_default();
        layer.version = count + 1;
        tx.put(counter, to_record(&layer.version)?);
        records::put_code(tx, &layer.code.key, &package.bytes)?;
        records::change_use(tx, &name.version_arn(layer.version), &[], &[&layer.code.key])?;
        tx.put(name.key().number(layer.version), to_record(&layer)?);
        Ok::<_, Error>(layer)
    })?;
    let shown = describe(cx, &name, layer)?;
    Ok(PublishLayerVersionResponse {
        content: shown.content,
        layer_arn: shown.layer_arn,
        layer_version_arn: shown.layer_version_arn,
        description: shown.description,
        created_date: shown.created_date,
        version: shown.version,
        compatible_architectures: shown.compatible_architectures,
        compatible_runtimes: shown.compatible_runtimes,
        license_info: shown.license_info,
    })
}

async fn get_layer_version(
    _: &Lambda,
    cx: &Context,
    request: GetLayerVersionRequest,
) -> Result<GetLayerVersionResponse, Error> {
    let name = Name::new(cx, &request.layer_name)?;
    show(cx, &name, request.version_number.unsigned_abs())
}

async fn get_layer_version_by_arn(
    _: &Lambda,
    cx: &Context,
    request: GetLayerVersionByArnRequest,
) -> Result<GetLayerVersionResponse, Error> {
    let invalid = || Error::InvalidParameterValue(format!("Invalid layer version ARN: {}", request.arn));
    let (name, version) = parse_version(cx, &request.arn).ok_or_else(invalid)?;
    show(cx, &name, version)
}

fn show(cx: &Context, name: &Name, version: u64) -> Result<GetLayerVersionResponse, Error> {
    let missing = || Error::ResourceNotFound("The resource you requested does not exist.".into());
    describe(cx, name, get(cx, name, version)?.ok_or_else(missing)?)
}

fn describe(cx: &Context, name: &Name, layer: Layer) -> Result<GetLayerVersionResponse, Error> {
    let content = LayerVersionContentOutput {
        location: Some(download::link(cx, &layer.code.key)?),
        code_sha256: Some(layer.code.sha256_base64.clone()),
        code_size: Some(layer.code.size),
        ..LayerVersionContentOutput::default()
    };
    let item = item(name, layer);
    Ok(GetLayerVersionResponse {
        content: Some(content),
        layer_arn: Some(name.arn()),
        layer_version_arn: item.layer_version_arn,
        description: item.description,
        created_date: item.created_date,
        version: item.version,
        compatible_architectures: item.compatible_architectures,
        compatible_runtimes: item.compatible_runtimes,
        license_info: item.license_info,
    })
}

fn item(name: &Name, layer: Layer) -> LayerVersionsListItem {
    LayerVersionsListItem {
        layer_version_arn: Some(name.version_arn(layer.version)),
        version: Some(layer.version as i64),
        description: Some(layer.description),
        created_date: Some(last_modified(layer.created)),
        compatible_architectures: layer
            .architectures
            .map(|list| list.iter().map(|one| Architecture::from(one.as_str())).collect()),
        compatible_runtimes: layer.runtimes.map(|list| list.iter().map(|one| Runtime::from(one.as_str())).collect()),
        license_info: layer.license,
    }
}

/// Whether a layer says that it is for a runtime and an architecture; one that says nothing is for all.
fn suits(layer: &Layer, runtime: Option<&Runtime>, architecture: Option<&Architecture>) -> bool {
    let lists = |list: &Option<Vec<String>>, wanted: Option<&str>| match (list, wanted) {
        (Some(list), Some(wanted)) => list.iter().any(|one| one == wanted),
        _ => true,
    };
    lists(&layer.runtimes, runtime.map(Runtime::as_str))
        && lists(&layer.architectures, architecture.map(Architecture::as_str))
}

async fn list_layers(_: &Lambda, cx: &Context, request: ListLayersRequest) -> Result<ListLayersResponse, Error> {
    let limit = request.max_items.map_or(50, |limit| limit.clamp(1, 50)) as usize;
    let prefix = records::layers_key(cx.account(), cx.region());
    let after = request.marker.as_deref().filter(|marker| !marker.is_empty()).map(marker_key).transpose()?;
    let range = Range::prefix(prefix.clone());
    let range = match after {
        Some(key) => range.after(key),
        None => range,
    };
    let (mut layers, mut next_marker, mut last) = (Vec::<LayersListItem>::new(), None, Vec::new());
    for entry in cx.store().scan(range) {
        let (key, record) = entry?;
        let layer: Layer = from_record(&record)?;
        let Some((text, _)) = Key::read_text(&key, prefix.as_slice().len()) else { continue };
        if !suits(&layer, request.compatible_runtime.as_ref(), request.compatible_architecture.as_ref()) {
            continue;
        }
        let name = Name { region: cx.region().into(), account: cx.account().into(), name: text };
        // Versions come in order, so the last one seen of a layer is its latest.
        if layers.last().is_none_or(|item| item.layer_name.as_deref() != Some(&name.name)) {
            if layers.len() == limit {
                next_marker = Some(encode_token(&last));
                break;
            }
            layers.push(LayersListItem {
                layer_name: Some(name.name.clone()),
                layer_arn: Some(name.arn()),
                latest_matching_version: None,
            });
        }
        if let Some(shown) = layers.last_mut() {
            shown.latest_matching_version = Some(item(&name, layer));
        }
        last = key.to_vec();
    }
    Ok(ListLayersResponse { layers: Some(layers), next_marker })
}

async fn list_layer_versions(
    _: &Lambda,
    cx: &Context,
    request: ListLayerVersionsRequest,
) -> Result<ListLayerVersionsResponse, Error> {
    let name = Name::new(cx, &request.layer_name)?;
    let limit = request.max_items.map_or(50, |limit| limit.clamp(1, 50)) as usize;
    let before = request.marker.as_deref().filter(|marker| !marker.is_empty()).map(marker_key).transpose()?;
    let range = Range::prefix(name.key());
    let range = match before {
        Some(key) => range.before(key),
        None => range,
    };
    let (mut versions, mut next_marker, mut last) = (Vec::new(), None, Vec::new());
    for entry in cx.store().scan(range).rev() {
        let (key, record) = entry?;
        let layer: Layer = from_record(&record)?;
        if !suits(&layer, request.compatible_runtime.as_ref(), request.compatible_architecture.as_ref()) {
            continue;
        }
        if versions.len() == limit {
            next_marker = Some(encode_token(&last));
            break;
        }
        versions.push(item(&name, layer));
        last = key.to_vec();
    }
    Ok(ListLayerVersionsResponse { layer_versions: Some(versions), next_marker })
}

/// Functions that use the version keep its package.
async fn delete_layer_version(
    lambda: &Lambda,
    cx: &Context,
    request: DeleteLayerVersionRequest,
) -> Result<Unit, Error> {
    let name = Name::new(cx, &request.layer_name)?;
    let version = request.version_number.unsigned_abs();
    let removed = cx.store().write(|tx| {
        let key = name.key().number(version);
        let Some(record) = tx.get(key.as_slice())? else { return Ok(Vec::new()) };
        let layer: Layer = from_record(&record)?;
        tx.delete(key);
        records::change_use(tx, &name.version_arn(version), &[&layer.code.key], &[]).map_err(Error::from)
    })?;
    for key in removed {
        lambda.runner.forget_code(cx.store(), &key);
    }
    Ok(Unit::default())
}
