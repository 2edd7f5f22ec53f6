//! Inline and attached policies of users, groups and roles: the same seven operations for each.

use iam_api::AttachedPolicy;
use policy::Policy;
use service::{Context, operation};
use wire::Unit;

use super::{Entity, change, encoded, slice};
use crate::entity::{Grants, Group, ManagedPolicy, Role, User};
use crate::store::{load, save};
use crate::{Error, Iam, aws_managed};

/// Managed policies on one entity.
const MAX_ATTACHED: usize = 10;

trait Grantee: Entity {
    /// Characters of all inline policies together, without white space.
    const MAX_INLINE: usize;
    /// In the names of quotas.
    const TITLE: &'static str;
    fn grants(&self) -> &Grants;
    fn grants_mut(&mut self) -> &mut Grants;
}

macro_rules! grantees {
    ($($type:ty, $title:literal, $max:literal;)*) => {$(
        impl Grantee for $type {
            const MAX_INLINE: usize = $max;
            const TITLE: &'static str = $title;
            fn grants(&self) -> &Grants { &self.grants }
            fn grants_mut(&mut self) -> &mut Grants { &mut self.grants }
        }
    )*};
}

grantees! {
    User, "User", 2_048;
    Group, "Group", 5_120;
    Role, "Role", 10_240;
}

fn put<T: Grantee>(iam: &Iam, cx: &Context, entity: &str, name: String, document: String) -> Result<Unit, Error> {
    check_identity(&document)?;
    change(iam, cx, |tx| {
        let mut entity = T::find_in(tx, cx.account(), entity)?;
        entity.grants_mut().inline.insert(name, document);
        let size: usize = entity.grants().inline.values().map(|text| size_of(text)).sum();
        if size > T::MAX_INLINE {
            let text = format!(
                "Maximum policy size of {} bytes exceeded for {} {}",
                T::MAX_INLINE,
                T::NOUN,
                entity.key_name()
            );
            return Err(Error::LimitExceeded(text));
        }
        Ok(save(tx, cx.account(), &entity)?)
    })?;
    Ok(Unit {})
}

/// Sizes are counted without white space.
pub(super) fn size_of(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

/// What IAM says of a document that is no identity policy.
pub(super) fn check_identity(document: &str) -> Result<(), Error> {
    let checked = Policy::parse(document).and_then(|policy| policy.check_identity());
    checked.map_err(|malformed| Error::MalformedPolicyDocument(malformed.0))
}

fn missing_inline<T: Grantee>(name: &str) -> Error {
    Error::NoSuchEntity(format!("The {} policy with name {name} cannot be found.", T::NOUN))
}

fn document_of<T: Grantee>(cx: &Context, entity: &str, name: &str) -> Result<String, Error> {
    let entity = T::find(&cx.store().snapshot(), cx.account(), entity)?;
    let document = entity.grants().inline.get(name).ok_or_else(|| missing_inline::<T>(name))?;
    Ok(encoded(document))
}

fn delete<T: Grantee>(iam: &Iam, cx: &Context, entity: &str, name: &str) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let mut entity = T::find_in(tx, cx.account(), entity)?;
        entity.grants_mut().inline.remove(name).ok_or_else(|| missing_inline::<T>(name))?;
        Ok(save(tx, cx.account(), &entity)?)
    })?;
    Ok(Unit {})
}

fn attach<T: Grantee>(iam: &Iam, cx: &Context, entity: &str, arn: String) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let mut entity = T::find_in(tx, cx.account(), entity)?;
        let own = load::<ManagedPolicy>(tx, cx.account(), arn.rsplit('/').next().unwrap_or_default())?;
        let exists = aws_managed::find(&arn).is_some()
            || own.is_some_and(|policy| super::policy::arn_of(&policy, cx.account()) == arn);
        if !exists {
            return Err(Error::NoSuchEntity(format!("Policy {arn} does not exist or is not attachable.")));
        }
        if entity.grants().attached.contains(&arn) {
            return Ok(());
        }
        if entity.grants().attached.len() >= MAX_ATTACHED {
            return Err(Error::LimitExceeded(format!(
                "Cannot exceed quota for PoliciesPer{}: {MAX_ATTACHED}",
                T::TITLE
            )));
        }
        entity.grants_mut().attached.push(arn);
        Ok(save(tx, cx.account(), &entity)?)
    })?;
    Ok(Unit {})
}

fn detach<T: Grantee>(iam: &Iam, cx: &Context, entity: &str, arn: &str) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let mut entity = T::find_in(tx, cx.account(), entity)?;
        let attached = &mut entity.grants_mut().attached;
        let before = attached.len();
        attached.retain(|other| other != arn);
        if attached.len() == before {
            return Err(Error::NoSuchEntity(format!("Policy {arn} was not found.")));
        }
        Ok(save(tx, cx.account(), &entity)?)
    })?;
    Ok(Unit {})
}

pub(super) fn show_attached(arn: &str) -> AttachedPolicy {
    let name = arn.rsplit('/').next().unwrap_or(arn);
    AttachedPolicy { policy_name: Some(name.to_owned()), policy_arn: Some(arn.to_owned()) }
}

/// The condition of all operations that attach or detach.
fn with_policy(action: &str, resource: String, arn: &str) -> Result<Vec<service::Access>, Error> {
    Ok(vec![service::Access::new(action, resource).with("iam:PolicyARN", arn)])
}

/// Declares the seven operations of one kind of entity.
macro_rules! grant_operations {
    ($entity:ident, $field:ident:
        $put:ident($put_request:ident), $get:ident($get_request:ident) -> $get_response:ident,
        $delete:ident($delete_request:ident), $list:ident($list_request:ident) -> $list_response:ident,
        $attach:ident($attach_request:ident), $detach:ident($detach_request:ident),
        $attached:ident($attached_request:ident) -> $attached_response:ident in $module:ident) => {
        mod $module {
            use iam_api::{
                $attach, $attach_request, $attached, $attached_request, $attached_response, $delete, $delete_request,
                $detach, $detach_request, $get, $get_request, $get_response, $list, $list_request, $list_response, $put,
                $put_request,
            };

            use super::*;

            operation! { Iam, $put, access: |_, cx, request| Ok::<_, Error>(vec![
                service::Access::new(concat!("iam:", stringify!($put)), $entity::arn_of(cx, &request.$field))
            ]), handler: put_policy }

            async fn put_policy(iam: &Iam, cx: &Context, request: $put_request) -> Result<Unit, Error> {
                put::<$entity>(iam, cx, &request.$field, request.policy_name, request.policy_document)
            }

            operation! { Iam, $get, access: |_, cx, request| Ok::<_, Error>(vec![
                service::Access::new(concat!("iam:", stringify!($get)), $entity::arn_of(cx, &request.$field))
            ]), handler: get_policy }

            async fn get_policy(_: &Iam, cx: &Context, request: $get_request) -> Result<$get_response, Error> {
                Ok($get_response {
                    policy_document: document_of::<$entity>(cx, &request.$field, &request.policy_name)?,
                    $field: request.$field,
                    policy_name: request.policy_name,
                })
            }

            operation! { Iam, $delete, access: |_, cx, request| Ok::<_, Error>(vec![
                service::Access::new(concat!("iam:", stringify!($delete)), $entity::arn_of(cx, &request.$field))
            ]), handler: delete_policy }

            async fn delete_policy(iam: &Iam, cx: &Context, request: $delete_request) -> Result<Unit, Error> {
                delete::<$entity>(iam, cx, &request.$field, &request.policy_name)
            }

            operation! { Iam, $list, access: |_, cx, request| Ok::<_, Error>(vec![
                service::Access::new(concat!("iam:", stringify!($list)), $entity::arn_of(cx, &request.$field))
            ]), handler: list_policies }

            async fn list_policies(_: &Iam, cx: &Context, request: $list_request) -> Result<$list_response, Error> {
                let entity = $entity::find(&cx.store().snapshot(), cx.account(), &request.$field)?;
                let page = slice(entity.grants.inline.into_keys().collect(), request.marker, request.max_items)?;
                Ok($list_response { policy_names: page.items, is_truncated: page.is_truncated, marker: page.marker })
            }

            operation! { Iam, $attach, access: |_, cx, request| {
                with_policy(concat!("iam:", stringify!($attach)), $entity::arn_of(cx, &request.$field), &request.policy_arn)
            }, handler: attach_policy }

            async fn attach_policy(iam: &Iam, cx: &Context, request: $attach_request) -> Result<Unit, Error> {
                attach::<$entity>(iam, cx, &request.$field, request.policy_arn)
            }

            operation! { Iam, $detach, access: |_, cx, request| {
                with_policy(concat!("iam:", stringify!($detach)), $entity::arn_of(cx, &request.$field), &request.policy_arn)
            }, handler: detach_policy }

            async fn detach_policy(iam: &Iam, cx: &Context, request: $detach_request) -> Result<Unit, Error> {
                detach::<$entity>(iam, cx, &request.$field, &request.policy_arn)
            }

            operation! { Iam, $attached, access: |_, cx, request| Ok::<_, Error>(vec![
                service::Access::new(concat!("iam:", stringify!($attached)), $entity::arn_of(cx, &request.$field))
            ]), handler: list_attached }

            async fn list_attached(_: &Iam, cx: &Context, request: $attached_request) -> Result<$attached_response, Error> {
                let entity = $entity::find(&cx.store().snapshot(), cx.account(), &request.$field)?;
                let attached = entity.grants.attached.iter().map(|arn| show_attached(arn)).collect();
                let page = slice(attached, request.marker, request.max_items)?;
                Ok($attached_response {
                    attached_policies: Some(page.items),
                    is_truncated: page.is_truncated,
                    marker: page.marker,
                })
            }
        }
    };
}

grant_operations! { User, user_name:
PutUserPolicy(PutUserPolicyRequest), GetUserPolicy(GetUserPolicyRequest) -> GetUserPolicyResponse,
DeleteUserPolicy(DeleteUserPolicyRequest), ListUserPolicies(ListUserPoliciesRequest) -> ListUserPoliciesResponse,
AttachUserPolicy(AttachUserPolicyRequest), DetachUserPolicy(DetachUserPolicyRequest),
ListAttachedUserPolicies(ListAttachedUserPoliciesRequest) -> ListAttachedUserPoliciesResponse in of_users }

grant_operations! { Group, group_name:
PutGroupPolicy(PutGroupPolicyRequest), GetGroupPolicy(GetGroupPolicyRequest) -> GetGroupPolicyResponse,
DeleteGroupPolicy(DeleteGroupPolicyRequest), ListGroupPolicies(ListGroupPoliciesRequest) -> ListGroupPoliciesResponse,
AttachGroupPolicy(AttachGroupPolicyRequest), DetachGroupPolicy(DetachGroupPolicyRequest),
ListAttachedGroupPolicies(ListAttachedGroupPoliciesRequest) -> ListAttachedGroupPoliciesResponse in of_groups }

grant_operations! { Role, role_name:
PutRolePolicy(PutRolePolicyRequest), GetRolePolicy(GetRolePolicyRequest) -> GetRolePolicyResponse,
DeleteRolePolicy(DeleteRolePolicyRequest), ListRolePolicies(ListRolePoliciesRequest) -> ListRolePoliciesResponse,
AttachRolePolicy(AttachRolePolicyRequest), DetachRolePolicy(DetachRolePolicyRequest),
ListAttachedRolePolicies(ListAttachedRolePoliciesRequest) -> ListAttachedRolePoliciesResponse in of_roles }
