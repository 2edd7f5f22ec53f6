//! Who is asking.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use service::{Context, operation};
use sts_api::{
    DecodeAuthorizationMessage, DecodeAuthorizationMessageRequest, DecodeAuthorizationMessageResponse,
    GetAccessKeyInfo, GetAccessKeyInfoRequest, GetAccessKeyInfoResponse, GetCallerIdentity, GetCallerIdentityRequest,
    GetCallerIdentityResponse,
};

use crate::{Error, Sts};

operation! { Sts, GetCallerIdentity, action: none, handler: get_caller_identity }

/// Needs no permission: even a caller that is denied everything may ask.
async fn get_caller_identity(
    _: &Sts,
    cx: &Context,
    _: GetCallerIdentityRequest,
) -> Result<GetCallerIdentityResponse, Error> {
    let principal = cx.principal();
    Ok(GetCallerIdentityResponse {
        user_id: Some(principal.user_id()),
        account: Some(cx.account().to_owned()),
        arn: Some(principal.arn()),
    })
}

operation! { Sts, GetAccessKeyInfo, action: "sts:GetAccessKeyInfo" on |_, _| "*", handler: get_access_key_info }

async fn get_access_key_info(
    _: &Sts,
    cx: &Context,
    request: GetAccessKeyInfoRequest,
) -> Result<GetAccessKeyInfoResponse, Error> {
    let account = match cx.cloud.directory().credential(&request.access_key_id)? {
        Some(credential) => credential.principal.account().to_owned(),
        // Real keys carry their account in themselves; keys that nobody issued belong to the default account.
        None => cx.cloud.config.default_account.clone(),
    };
    Ok(GetAccessKeyInfoResponse { account: Some(account) })
}

operation! {
    Sts, DecodeAuthorizationMessage,
    action: "sts:DecodeAuthorizationMessage" on |_, _| "*",
    handler: decode_authorization_message
}

/// Messages are JSON in URL-safe base64, made where a service encodes why it denied.
async fn decode_authorization_message(
    _: &Sts,
    _: &Context,
    request: DecodeAuthorizationMessageRequest,
) -> Result<DecodeAuthorizationMessageResponse, Error> {
    let invalid = || Error::InvalidAuthorizationMessage("Message is not valid".to_owned());
    let bytes = URL_SAFE_NO_PAD.decode(&request.encoded_message).map_err(|_| invalid())?;
    let message: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
    if message.get("allowed").is_none() {
        return Err(invalid());
    }
    Ok(DecodeAuthorizationMessageResponse { decoded_message: Some(message.to_string()) })
}
