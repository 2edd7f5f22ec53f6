//! Who makes a call.

use policy::{Caller, CallerKind};
use serde::{Deserialize, Serialize};

/// An authenticated caller, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Principal {
    Anonymous,
    /// The root user of an account.
    Root {
        account: String,
    },
    User {
        account: String,
        path: String,
        name: String,
        id: String,
    },
    AssumedRole {
        account: String,
        role_path: String,
        role: String,
        role_id: String,
        session: String,
    },
    FederatedUser {
        account: String,
        name: String,
    },
    /// A service of this cloud acting on its own account: `apigateway.amazonaws.com`.
    Service {
        name: String,
    },
}

impl Principal {
    pub fn service(name: &str) -> Self {
        Principal::Service { name: name.to_owned() }
    }

    /// The account the caller belongs to; empty for anonymous callers and services.
    pub fn account(&self) -> &str {
        match self {
            Principal::Root { account }
            | Principal::User { account, .. }
            | Principal::AssumedRole { account, .. }
            | Principal::FederatedUser { account, .. } => account,
            Principal::Anonymous | Principal::Service { .. } => "",
        }
    }

    /// As GetCallerIdentity shows it. For a service, its name.
    pub fn arn(&self) -> String {
        match self {
            Principal::Anonymous => "anonymous".to_owned(),
            Principal::Root { account } => format!("arn:aws:iam::{account}:root"),
            Principal::User { account, path, name, .. } => format!("arn:aws:iam::{account}:user{path}{name}"),
            Principal::AssumedRole { account, role, session, .. } => {
                format!("arn:aws:sts::{account}:assumed-role/{role}/{session}")
            }
            Principal::FederatedUser { account, name } => format!("arn:aws:sts::{account}:federated-user/{name}"),
            Principal::Service { name } => name.clone(),
        }
    }

    /// `aws:userid`: the account for root, the unique id for a user, `id:session` for a role.
    pub fn user_id(&self) -> String {
        match self {
            Principal::Anonymous => "anonymous".to_owned(),
            Principal::Root { account } => account.clone(),
            Principal::User { id, .. } => id.clone(),
            Principal::AssumedRole { role_id, session, .. } => format!("{role_id}:{session}"),
            Principal::FederatedUser { account, name } => format!("{account}:{name}"),
            Principal::Service { name } => name.clone(),
        }
    }

    /// `aws:PrincipalArn`: for a session the role's ARN, not the session's.
    pub fn principal_arn(&self) -> String {
        match self {
            Principal::AssumedRole { account, role_path, role, .. } => {
                format!("arn:aws:iam::{account}:role{role_path}{role}")
            }
            _ => self.arn(),
        }
    }

    /// `aws:PrincipalType`.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Principal::Anonymous => "Anonymous",
            Principal::Root { .. } => "Account",
            Principal::User { .. } => "User",
            Principal::AssumedRole { .. } => "AssumedRole",
            Principal::FederatedUser { .. } => "FederatedUser",
            Principal::Service { .. } => "Service",
        }
    }

    /// The caller as policies see it.
    pub fn caller(&self) -> Caller {
        let kind = match self {
            Principal::Anonymous => CallerKind::Anonymous,
            Principal::Root { .. } => CallerKind::Root,
            Principal::User { .. } => CallerKind::User,
            Principal::AssumedRole { .. } => CallerKind::AssumedRole,
            Principal::FederatedUser { .. } => CallerKind::FederatedUser,
            Principal::Service { .. } => CallerKind::Service,
        };
        let role_arn = matches!(self, Principal::AssumedRole { .. }).then(|| self.principal_arn());
        Caller { kind, account: self.account().to_owned(), arn: self.arn(), role_arn }
    }
}
