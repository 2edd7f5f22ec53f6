//! Links to deployment packages, as GetFunction gives them: anybody who has one may fetch the package for ten minutes.
//!
//! A link carries its expiry and a code over both that only this cloud can make. AWS's links lead to S3; these lead to the
//! gateway.

use std::sync::Arc;

use aws_lc_rs::hmac::{HMAC_SHA256, Key as Secret, sign, verify};
use http::{HeaderMap, Method, Response, StatusCode};
use service::{BoxFuture, Cloud, Context, Front, FrontRequest, FrontResponse, Key, StoreError, hex};
use wire::ByteStream;

use crate::store as records;

const PATH: &str = "/_lambda/code/";
const VALIDITY: i64 = 10 * 60 * 1000;

/// A link to a package.
pub fn link(cx: &Context, package: &str) -> Result<String, StoreError> {
    let expires = cx.now().millis() + VALIDITY;
    let code = sign(&secret(&cx.cloud)?, text(package, expires).as_bytes());
    Ok(format!("{}{PATH}{package}?expires={expires}&signature={}", cx.cloud.config.endpoint, hex(code.as_ref())))
}

pub struct Download;

impl Front for Download {
    fn matches(&self, _: &service::Cloud, host: &str, path: &str, _headers: &HeaderMap) -> bool {
        // Below other hosts the same path may be an object's.
        matches!(host, "127.0.0.1" | "localhost") && path.starts_with(PATH)
    }

    fn serve(&self, request: FrontRequest) -> BoxFuture<'static, FrontResponse> {
        Box::pin(async move {
            match package(&request) {
                Ok(Some(package)) => answer(StatusCode::OK, "application/zip", package),
                Ok(None) => answer(StatusCode::FORBIDDEN, "text/plain", b"Request has expired".to_vec()),
                Err(error) => {
                    tracing::error!(%error, "a package could not be read");
                    answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", Vec::new())
                }
            }
        })
    }
}

/// The package, if the link is good.
fn package(request: &FrontRequest) -> Result<Option<Vec<u8>>, StoreError> {
    let Some((package, expires, code)) = parse(request.uri.path(), request.uri.query()) else { return Ok(None) };
    let good = verify(&secret(&request.cloud)?, text(package, expires).as_bytes(), &code).is_ok();
    if !good || request.method != Method::GET || expires < request.cloud.clock.now().millis() {
        return Ok(None);
    }
    let bytes = records::code(&request.cloud.store, package)?;
    Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
}

fn parse<'a>(path: &'a str, query: Option<&str>) -> Option<(&'a str, i64, Vec<u8>)> {
    let package = path.strip_prefix(PATH)?;
    let parameter = |name: &str| query?.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    Some((package, parameter("expires")?.parse().ok()?, service::decode_token(parameter("signature")?)?))
}

fn answer(status: StatusCode, kind: &'static str, body: Vec<u8>) -> FrontResponse {
    let mut response = Response::new(ByteStream::from(bytes::Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

fn text(package: &str, expires: i64) -> String {
    format!("{package} {expires}")
}

/// Made when it is first needed, and kept.
fn secret(cloud: &Arc<Cloud>) -> Result<Secret, StoreError> {
    let key = Key::new("lambda/download-secret");
    let stored = cloud.store.write(|tx| {
        if let Some(stored) = tx.get(key.as_slice())? {
            return Ok::<_, StoreError>(stored);
        }
        let mut fresh = vec![0; 32];
        cloud.random.fill(&mut fresh);
        tx.put(key.clone(), fresh.clone());
        Ok(fresh.into())
    })?;
    Ok(Secret::new(HMAC_SHA256, &stored))
}
