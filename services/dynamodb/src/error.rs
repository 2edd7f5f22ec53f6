//! What can go wrong, in AWS's words.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Value, json};
use service::{ApiError, Internal};

use crate::codec::Corrupt;
use crate::value::{AttributeValue, Item};

/// A request that breaks a rule of the service: answered as `ValidationException` with this message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub String);

impl Invalid {
    pub fn new(message: &str) -> Invalid {
        Invalid(message.to_owned())
    }

    /// The common opening of AWS's complaints about values.
    pub fn values(detail: impl std::fmt::Display) -> Invalid {
        Invalid(format!("One or more parameter values were invalid: {detail}"))
    }
}

service::errors! {
    pub enum Error {
        /// The request breaks a rule.
        Validation = 400 "ValidationException",
        /// There is no such table or index.
        ResourceNotFound = 400 "ResourceNotFoundException",
        /// What was to be created is already there.
        ResourceInUse = 400 "ResourceInUseException",
        /// There is no such table, in the words of the operations on backups.
        TableNotFound = 400 "TableNotFoundException",
        /// There is a table of this name, in the words of the operations that restore.
        TableAlreadyExists = 400 "TableAlreadyExistsException",
        /// There is no such backup.
        BackupNotFound = 400 "BackupNotFoundException",
        /// The table's past is not kept.
        PointInTimeRecoveryUnavailable = 400 "PointInTimeRecoveryUnavailableException",
        /// A moment that cannot be restored.
        InvalidRestoreTime = 400 "InvalidRestoreTimeException",
        /// A moment that cannot be exported.
        InvalidExportTime = 400 "InvalidExportTimeException",
        /// There is no such export.
        ExportNotFound = 400 "ExportNotFoundException",
        /// There is no such import.
        ImportNotFound = 400 "ImportNotFoundException",
        /// A client token came again with another export.
        ExportConflict = 400 "ExportConflictException",
        /// A client token came again with another import.
        ImportConflict = 400 "ImportConflictException",
        /// The resource has no policy, or another revision of it.
        PolicyNotFound = 400 "PolicyNotFoundException",
        /// There is no such global table (of the version of 2017).
        GlobalTableNotFound = 400 "GlobalTableNotFoundException",
        /// There is a global table of this name (of the version of 2017).
        GlobalTableAlreadyExists = 400 "GlobalTableAlreadyExistsException",
        /// The region belongs to the global table.
        ReplicaAlreadyExists = 400 "ReplicaAlreadyExistsException",
        /// The region does not belong to the global table.
        ReplicaNotFound = 400 "ReplicaNotFoundException",
        /// There is no such index, in the words of global tables.
        IndexNotFound = 400 "IndexNotFoundException",
        /// All that has one partition key, in a table with local indexes.
        ItemCollectionSizeLimitExceeded = 400 "ItemCollectionSizeLimitExceededException",
        /// Too much at once.
        LimitExceeded = 400 "LimitExceededException",
        /// A client token came again with another request.
        IdempotentParameterMismatch = 400 "IdempotentParameterMismatchException",
        /// A shard iterator is older than 15 minutes.
        ExpiredIterator = 400 "ExpiredIteratorException",
        /// A stream's records are kept for a day.
        TrimmedDataAccess = 400 "TrimmedDataAccessException",
        /// What was asked for is not real yet.
        NotImplemented = 501 "NotImplemented",
    }
}

const DUPLICATE: &str = "Duplicate primary key exists in table";

impl Error {
    pub fn internal(reason: impl Into<String>) -> Error {
        Error::Internal(Internal(reason.into()))
    }

    /// A condition did not hold; with the item that failed it, where that was asked for.
    pub fn condition_failed(item: Option<Item>) -> Error {
        let reply = ApiError::new(400, "ConditionalCheckFailedException", "The conditional request failed");
        Error::Reply(Box::new(match item {
            Some(item) => reply.with("Item", item_to_json(&item)),
            None => reply,
        }))
    }

    /// An INSERT found an item with the same key.
    pub fn duplicate(item: Option<Item>) -> Error {
        let reply = ApiError::new(400, "DuplicateItemException", DUPLICATE);
        Error::Reply(Box::new(match item {
            Some(item) => reply.with("Item", item_to_json(&item)),
            None => reply,
        }))
    }

    /// A transaction was cancelled, for the reasons given member by member.
    pub fn cancelled(reasons: &[CancellationReason]) -> Error {
        let codes: Vec<&str> = reasons.iter().map(|reason| reason.code).collect();
        let message = format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        );
        let reasons: Vec<Value> = reasons.iter().map(CancellationReason::to_json).collect();
        Error::Reply(Box::new(
            ApiError::new(400, "TransactionCanceledException", message).with("CancellationReasons", reasons),
        ))
    }
}

impl From<Invalid> for Error {
    fn from(Invalid(message): Invalid) -> Error {
        Error::Validation(message)
    }
}

impl From<Corrupt> for Error {
    fn from(_: Corrupt) -> Error {
        Error::internal("a stored record is damaged")
    }
}

/// What one member of a transaction has to say about its cancellation.
#[derive(Clone, Debug, PartialEq)]
pub struct CancellationReason {
    code: &'static str,
    message: Option<String>,
    item: Option<Item>,
}

impl CancellationReason {
    pub fn none() -> CancellationReason {
        CancellationReason { code: "None", message: None, item: None }
    }

    pub fn condition(item: Option<Item>) -> CancellationReason {
        let message = Some("The conditional request failed".to_owned());
        CancellationReason { code: "ConditionalCheckFailed", message, item }
    }

    pub fn duplicate(item: Option<Item>) -> CancellationReason {
        CancellationReason { code: "DuplicateItem", message: Some(DUPLICATE.to_owned()), item }
    }

    pub fn validation(message: String) -> CancellationReason {
        CancellationReason { code: "ValidationError", message: Some(message), item: None }
    }

    pub fn collection(message: String) -> CancellationReason {
        CancellationReason { code: "ItemCollectionSizeLimitExceeded", message: Some(message), item: None }
    }

    /// The table of the member, or one of its indexes, has no units left; the error says which.
    pub fn throttled(error: Error) -> CancellationReason {
        let message = Some(ApiError::from(error).message);
        CancellationReason { code: "ProvisionedThroughputExceeded", message, item: None }
    }

    pub fn cancels(&self) -> bool {
        self.code != "None"
    }

    fn to_json(&self) -> Value {
        let mut reason = serde_json::Map::new();
        if let Some(item) = &self.item {
            reason.insert("Item".to_owned(), item_to_json(item));
        }
        reason.insert("Code".to_owned(), json!(self.code));
        if let Some(message) = &self.message {
            reason.insert("Message".to_owned(), json!(message));
        }
        Value::Object(reason)
    }
}

/// The item that an error carries.
pub fn item_from_json(json: &Value) -> Option<Item> {
    json.as_object()?.iter().map(|(name, value)| Some((name.clone(), value_from_json(value)?))).collect()
}

/// A value in the form that the protocol has for it.
pub fn value_from_json(json: &Value) -> Option<AttributeValue> {
    let (kind, content) = json.as_object().filter(|object| object.len() == 1)?.iter().next()?;
    let text = || content.as_str().map(str::to_owned);
    let binary = |content: &Value| BASE64.decode(content.as_str()?).ok().map(Bytes::from);
    let texts = || -> Option<Vec<String>> {
        content.as_array()?.iter().map(|member| member.as_str().map(str::to_owned)).collect()
    };
    Some(match kind.as_str() {
        "S" => AttributeValue::S(text()?),
        "N" => AttributeValue::N(text()?),
        "B" => AttributeValue::B(binary(content)?),
        "SS" => AttributeValue::Ss(texts()?),
        "NS" => AttributeValue::Ns(texts()?),
        "BS" => AttributeValue::Bs(content.as_array()?.iter().map(binary).collect::<Option<_>>()?),
        "M" => AttributeValue::M(item_from_json(content)?),
        "L" => AttributeValue::L(content.as_array()?.iter().map(value_from_json).collect::<Option<_>>()?),
        "NULL" => AttributeValue::Null(content.as_bool()?),
        "BOOL" => AttributeValue::Bool(content.as_bool()?),
        _ => return None,
    })
}

/// Members of errors are carried as JSON, in the form that the protocol has for items.
pub fn item_to_json(item: &Item) -> Value {
    item.iter().map(|(name, value)| (name.clone(), value_to_json(value))).collect()
}

fn value_to_json(value: &AttributeValue) -> Value {
    let base64 = |bytes: &Bytes| BASE64.encode(bytes);
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(text) => json!({ "N": text }),
        AttributeValue::B(bytes) => json!({ "B": base64(bytes) }),
        AttributeValue::Ss(members) => json!({ "SS": members }),
        AttributeValue::Ns(members) => json!({ "NS": members }),
        AttributeValue::Bs(members) => json!({ "BS": members.iter().map(base64).collect::<Vec<_>>() }),
        AttributeValue::M(members) => json!({ "M": item_to_json(members) }),
        AttributeValue::L(members) => json!({ "L": members.iter().map(value_to_json).collect::<Vec<_>>() }),
        AttributeValue::Null(is_null) => json!({ "NULL": is_null }),
        AttributeValue::Bool(truth) => json!({ "BOOL": truth }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancellations_list_every_member() {
        let item = Item::from([("a".to_owned(), AttributeValue::L(vec![AttributeValue::N("1".into())]))]);
        let reasons = [CancellationReason::none(), CancellationReason::condition(Some(item))];
        let reply: ApiError = Error::cancelled(&reasons).into();
        assert_eq!(
            reply.message,
            "Transaction cancelled, please refer cancellation reasons for specific reasons [None, \
             ConditionalCheckFailed]"
        );
        assert_eq!(
            reply.members[0].1,
            json!([
                { "Code": "None" },
                {
                    "Item": { "a": { "L": [{ "N": "1" }] } },
                    "Code": "ConditionalCheckFailed",
                    "Message": "The conditional request failed",
                },
            ])
        );
    }
}
