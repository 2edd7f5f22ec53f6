//! Policy documents. <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use serde_json::{Map, Value};

use crate::condition::Condition;

/// Why a document is not a policy, in IAM's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

type Result<T> = std::result::Result<T, Malformed>;

fn malformed<T>(text: impl Into<String>) -> Result<T> {
    Err(Malformed(text.into()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// A parsed policy document.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub id: Option<String>,
    /// Variables are only replaced in documents of version 2012-10-17.
    pub variables: bool,
    pub statements: Vec<Statement>,
    /// Whether a statement looks at anything but caller, action and resource: it has conditions or variables.
    pub contextual: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub sid: Option<String>,
    pub effect: Effect,
    pub principal: Option<Principals>,
    pub action: Matcher,
    /// Absent in trust policies.
    pub resource: Option<Matcher>,
    pub(crate) conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    pub negated: bool,
    pub patterns: Vec<String>,
}

/// `Principal` or `NotPrincipal`: pairs of a kind (`AWS`, `Service`, `Federated`, `CanonicalUser`) and a value. The plain
/// `"*"` is the kind `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principals {
    pub negated: bool,
    pub list: Vec<(String, String)>,
}

impl Statement {
    fn is_contextual(&self, variables: bool) -> bool {
        let in_resource =
            || self.resource.iter().flat_map(|resource| &resource.patterns).any(|text| text.contains("${"));
        !self.conditions.is_empty() || (variables && in_resource())
    }
}

impl Policy {
    /// A policy of statements that were parsed before.
    pub fn new(variables: bool, statements: Vec<Statement>) -> Policy {
        let contextual = statements.iter().any(|statement| statement.is_contextual(variables));
        Policy { id: None, variables, statements, contextual }
    }

    /// A policy that grants and denies nothing.
    pub fn empty() -> Policy {
        Policy::new(true, Vec::new())
    }

    /// Parses a document of any kind. Which elements a kind of policy must or must not have is asked of
    /// [`Policy::check_identity`] and its like.
    pub fn parse(text: &str) -> Result<Policy> {
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(_) => return malformed("Syntax errors in policy."),
        };
        let Value::Object(document) = value else { return malformed("Syntax errors in policy.") };
        for key in document.keys() {
            if !["Version", "Id", "Statement"].contains(&key.as_str()) {
                return malformed("Syntax errors in policy.");
            }
        }
        let variables = match document.get("Version") {
            None => false,
            Some(Value::String(version)) if version == "2008-10-17" => false,
            Some(Value::String(version)) if version == "2012-10-17" => true,
            Some(_) => return malformed("The policy must contain a valid version string"),
        };
        let statements = match document.get("Statement") {
            Some(Value::Array(list)) => list.iter().map(statement).collect::<Result<Vec<_>>>()?,
            Some(one @ Value::Object(_)) => vec![statement(one)?],
            _ => return malformed("Syntax errors in policy."),
        };
        let mut sids: Vec<&String> = statements.iter().filter_map(|statement| statement.sid.as_ref()).collect();
        sids.sort();
        if sids.windows(2).any(|pair| pair[0] == pair[1]) {
            return malformed("Statement IDs (SID) in a single policy must be unique.");
        }
        let id = document.get("Id").and_then(Value::as_str).map(str::to_owned);
        Ok(Policy { id, ..Policy::new(variables, statements) })
    }

    /// What IAM asks of a policy of a user, group or role.
    pub fn check_identity(&self) -> Result<()> {
        if self.statements.is_empty() {
            return malformed("Syntax errors in policy.");
        }
        for statement in &self.statements {
            if statement.principal.is_some() {
                return malformed("Policy document should not specify a principal.");
            }
            let Some(resource) = &statement.resource else {
                return malformed("Policy statement must contain resources.");
            };
            check_actions(statement)?;
            for pattern in &resource.patterns {
                if pattern != "*" && !pattern.starts_with("arn:") && !pattern.starts_with("${") {
                    return malformed(format!("Resource {pattern} must be in ARN format or \"*\"."));
                }
                if pattern.starts_with("arn:") && pattern.split(':').count() < 6 && !pattern.ends_with('*') {
                    return malformed(format!("Resource {pattern} must be in ARN format or \"*\"."));
                }
            }
        }
        Ok(())
    }

    /// What IAM asks of the policy that says who may assume a role.
    pub fn check_trust(&self) -> Result<()> {
        if self.statements.is_empty() {
            return malformed("Syntax errors in policy.");
        }
        for statement in &self.statements {
            if statement.resource.is_some() {
                return malformed("Has prohibited field Resource");
            }
            match &statement.principal {
                Some(principals) if !principals.list.is_empty() => {}
                _ => return malformed("AssumeRole policy must contain principals"),
            }
            let assumes = |action: &String| action == "*" || action.to_ascii_lowercase().starts_with("sts:");
            if statement.action.patterns.iter().any(|action| !assumes(action)) {
                return malformed("AssumeRole policy may only specify STS AssumeRole actions.");
            }
        }
        Ok(())
    }
}

/// Identity policies must name a vendor in every action.
fn check_actions(statement: &Statement) -> Result<()> {
    for action in &statement.action.patterns {
        let Some((vendor, _)) = action.split_once(':') else {
            if action == "*" {
                continue;
            }
            return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
        };
        if vendor.is_empty() || !vendor.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return malformed(format!("Vendor {vendor} is not valid"));
        }
    }
    Ok(())
}

fn statement(value: &Value) -> Result<Statement> {
    let Value::Object(object) = value else { return malformed("Syntax errors in policy.") };
    const KEYS: [&str; 9] =
        ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    if object.keys().any(|key| !KEYS.contains(&key.as_str())) {
        return malformed("Syntax errors in policy.");
    }
    let effect = match object.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        _ => return malformed("Syntax errors in policy."),
    };
    let Some(action) = matcher(object, "Action", "NotAction")? else {
        return malformed("Policy statement must contain actions.");
    };
    let sid = match object.get("Sid") {
        None => None,
        Some(Value::String(sid)) if sid.is_empty() => None,
        Some(Value::String(sid)) => Some(sid.clone()),
        Some(_) => return malformed("Syntax errors in policy."),
    };
    let principal = match (object.get("Principal"), object.get("NotPrincipal")) {
        (None, None) => None,
        (Some(value), None) => Some(Principals { negated: false, list: principals(value)? }),
        (None, Some(value)) => Some(Principals { negated: true, list: principals(value)? }),
        _ => return malformed("Syntax errors in policy."),
    };
    let conditions = match object.get("Condition") {
        None => Vec::new(),
        Some(Value::Object(blocks)) => Condition::parse(blocks)?,
        Some(_) => return malformed("Syntax errors in policy."),
    };
    let resource = matcher(object, "Resource", "NotResource")?;
    Ok(Statement { sid, effect, principal, action, resource, conditions })
}

fn matcher(object: &Map<String, Value>, positive: &str, negative: &str) -> Result<Option<Matcher>> {
    let (negated, value) = match (object.get(positive), object.get(negative)) {
        (None, None) => return Ok(None),
        (Some(value), None) => (false, value),
        (None, Some(value)) => (true, value),
        _ => return malformed("Syntax errors in policy."),
    };
    Ok(Some(Matcher { negated, patterns: strings(value)? }))
}

/// One string or a list of them. Conditions also take numbers and booleans.
pub(crate) fn strings(value: &Value) -> Result<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(boolean) => Ok(boolean.to_string()),
        _ => malformed("Syntax errors in policy."),
    };
    match value {
        Value::Array(list) => list.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

fn principals(value: &Value) -> Result<Vec<(String, String)>> {
    match value {
        Value::String(text) if text == "*" => Ok(vec![("*".to_owned(), "*".to_owned())]),
        Value::Object(kinds) => {
            let mut list = Vec::new();
            for (kind, values) in kinds {
                if !["AWS", "Service", "Federated", "CanonicalUser"].contains(&kind.as_str()) {
                    return malformed("Syntax errors in policy.");
                }
                for value in strings(values)? {
                    if value.is_empty() {
                        return malformed(format!("Invalid principal in policy: \"{kind}\":\"\""));
                    }
                    list.push((kind.clone(), value));
                }
            }
            Ok(list)
        }
        _ => malformed("Syntax errors in policy."),
    }
}
