//! AWS Identity and Access Management: users, groups, roles, policies and keys.
//!
//! The model: every record belongs to an account and is found by its name without regard to case. What a principal may
//! do is read from here by the whole cloud through [`IamDirectory`], whose cache every change empties.

mod aws_managed;
mod directory;
mod entity;
mod error;
mod ops;
mod store;

use std::sync::Arc;

use service::{AnyOperation, ApiError, Service};
use wire::{DecodeError, ServiceModel, Violations};

pub use directory::IamDirectory;
pub use error::Error;

service::operations! { Iam, iam_api:
    AddRoleToInstanceProfile,
    AddUserToGroup,
    AttachGroupPolicy,
    AttachRolePolicy,
    AttachUserPolicy,
    CreateAccessKey,
    CreateAccountAlias,
    CreateGroup,
    CreateInstanceProfile,
    CreateOpenIDConnectProvider,
    CreatePolicy,
    CreatePolicyVersion,
    CreateRole,
    CreateUser,
    DeleteAccessKey,
    DeleteAccountAlias,
    DeleteGroup,
    DeleteGroupPolicy,
    DeleteInstanceProfile,
    DeleteOpenIDConnectProvider,
    DeletePolicy,
    DeletePolicyVersion,
    DeleteRole,
    DeleteRolePermissionsBoundary,
    DeleteRolePolicy,
    DeleteUser,
    DeleteUserPermissionsBoundary,
    DeleteUserPolicy,
    DetachGroupPolicy,
    DetachRolePolicy,
    DetachUserPolicy,
    GetGroup,
    GetGroupPolicy,
    GetInstanceProfile,
    GetOpenIDConnectProvider,
    GetPolicy,
    GetPolicyVersion,
    GetRole,
    GetRolePolicy,
    GetUser,
    GetUserPolicy,
    ListAccessKeys,
    ListAccountAliases,
    ListAttachedGroupPolicies,
    ListAttachedRolePolicies,
    ListAttachedUserPolicies,
    ListEntitiesForPolicy,
    ListGroupPolicies,
    ListGroups,
    ListGroupsForUser,
    ListInstanceProfiles,
    ListInstanceProfilesForRole,
    ListOpenIDConnectProviders,
    ListPolicies,
    ListPolicyVersions,
    ListRolePolicies,
    ListRoleTags,
    ListRoles,
    ListUserPolicies,
    ListUserTags,
    ListUsers,
    PutGroupPolicy,
    PutRolePermissionsBoundary,
    PutRolePolicy,
    PutUserPermissionsBoundary,
    PutUserPolicy,
    RemoveRoleFromInstanceProfile,
    RemoveUserFromGroup,
    SetDefaultPolicyVersion,
    TagRole,
    TagUser,
    UntagRole,
    UntagUser,
    UpdateAccessKey,
    UpdateAssumeRolePolicy,
    UpdateGroup,
    UpdateRole,
    UpdateRoleDescription,
    UpdateUser,
}

/// See the module.
pub struct Iam {
    directory: Arc<IamDirectory>,
}

impl Iam {
    pub fn new(directory: Arc<IamDirectory>) -> Self {
        Iam { directory }
    }
}

impl Service for Iam {
    fn model(&self) -> &'static ServiceModel {
        &iam_api::SERVICE_MODEL
    }

    fn resources(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("users", "iam/user\0\u{1}"),
            ("groups", "iam/group\0\u{1}"),
            ("roles", "iam/role\0\u{1}"),
            ("policies", "iam/policy\0\u{1}"),
        ]
    }

    fn operations(&self) -> &'static [&'static dyn AnyOperation] {
        OPERATIONS
    }

    fn invalid(&self, violations: &Violations) -> ApiError {
        ApiError::new(400, "ValidationError", violations.to_string())
    }

    fn malformed(&self, error: &DecodeError) -> ApiError {
        ApiError::new(400, "MalformedInput", error.to_string())
    }

    fn reset(&self) {
        self.directory.invalidate();
    }
}
