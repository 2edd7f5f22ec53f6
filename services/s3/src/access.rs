//! What beside the caller's own policies decides an access: the policy of the bucket, and access control lists where those
//! are not disabled.

use service::policy::{Effect, Policy, Source};
use service::{Access, Context, Service as _, StoreError};

use crate::store::{Acl, known_bucket};
use crate::{S3, acl, versions};

/// See the module.
pub fn policy(s3: &S3, cx: &Context, access: &Access) -> Result<Option<Source>, StoreError> {
    let source = s3.resource_policy(cx, &access.resource)?;
    let Some(path) = access.resource.strip_prefix("arn:aws:s3:::") else { return Ok(source) };
    let (name, key) = path.split_once('/').map_or((path, None), |(name, key)| (name, Some(key)));
    let Some(bucket) = known_bucket(cx.store(), name)?.filter(|bucket| !bucket.enforces_owner()) else {
        return Ok(source);
    };
    let ignore = bucket.public_access.unwrap_or_default().ignore_acls;
    let caller = cx.principal().account();
    let own = Acl::private(&bucket.account);
    let list = bucket.acl.as_ref().unwrap_or(&own);
    // Writing and deleting objects is a matter of the bucket's list.
    let resource = if key.is_some() { format!("arn:aws:s3:::{name}/*") } else { access.resource.clone() };
    let mut statements = acl::statements(list, true, &resource, caller, ignore);
    let mut foreign = false;
    if let Some(key) = key {
        let id = access.conditions.iter().find(|(name, _)| name == "s3:VersionId").and_then(|(_, ids)| ids.first());
        let snapshot = cx.store().snapshot();
        let object = match id {
            None => versions::current(&snapshot, name, key)?,
            Some(id) => versions::version(&snapshot, name, key, id)?,
        };
        if let Some(object) = object {
            let list = object.acl.as_ref().unwrap_or(&own);
            foreign = list.owner != bucket.account && access.account.as_ref() == Some(&list.owner);
            statements.extend(acl::statements(list, false, &access.resource, caller, ignore));
        }
    }
    let document = serde_json::json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    let lists = if statements.is_empty() {
        Vec::new()
    } else {
        let parsed = Policy::parse(&document)
            .map_err(|error| StoreError::Corrupt(format!("the access control list of {path}: {error}")))?;
        parsed.statements
    };
    Ok(match source {
        None if lists.is_empty() => None,
        None => {
            let policy = Policy::new(false, lists);
            Some(Source { name: format!("access control list of {path}"), policy: policy.into() })
        }
        Some(source) => {
            let mut policy = Policy::clone(&source.policy);
            // A bucket's policy allows nothing on what others own in it.
            policy.statements.retain(|statement| !foreign || statement.effect == Effect::Deny);
            policy.statements.extend(lists);
            Some(Source { name: source.name, policy: policy.into() })
        }
    })
}
