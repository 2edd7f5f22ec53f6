//! Another encryption for an object that is there: its body and annotations are encrypted anew, and everything that is told of it
//! stays as it was. Where only the key of KMS changes, the data key stays and is wrapped by the other one.

use s3_api::{ObjectEncryption, UpdateObjectEncryption, UpdateObjectEncryptionRequest, UpdateObjectEncryptionResponse};
use service::{Arn, Context, Snapshot, Transaction, operation};

use super::{bucket_of, charge, find, load, on_existing, root};
use crate::annotation::{Copies, release};
use crate::blob::{Draft, Place, receive};
use crate::encryption::{Asked, Encryption, unlock};
use crate::lock::Guard;
use crate::range::Span;
use crate::store::{Bucket, Kms, Object};
use crate::{Error, S3, versions};

const NO_ARN: &str = "Requests that modify an object's encryption type to SSE-KMS require an AWS KMS key Amazon Resource Name (ARN). Modify the request to specify a KMS key ARN, and then try again.";
pub const BAD_ARN: &str = "Requests that modify an object's encryption type to SSE-KMS require a valid AWS KMS key Amazon Resource Name (ARN). Confirm that you have a correctly formatted KMS key ARN in your request, and then try again.";
const NO_TYPE: &str = "Requests that modify an object encryption configuration require a valid new encryption type. Valid values are SSEKMS. Modify the request to specify SSE-KMS for the updated encryption type, and then try again.";
const OTHER_TYPE: &str = "The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or SSE-C. Only source objects encrypted with SSE-S3 or SSE-KMS are supported.";
const OTHER_ACCOUNT: &str = "The AWS KMS key in the request must be owned by the same account as the bucket. Modify the request to specify a KMS key from the same account, and then try again.";
const LOCKED: &str = "The encryption type for the specified object can't be updated because that object is protected by S3 Object Lock. If the object has a governance-mode retention period or a legal hold, you must first remove the Object Lock status on the object before you issue your UpdateObjectEncryption request. You can't use the UpdateObjectEncryption operation with objects that have an Object Lock compliance mode retention period applied to them.";

operation! {
    S3, UpdateObjectEncryption,
    access: |_, cx, request| {
        let id = request.version_id.as_deref();
        on_existing(cx, "s3:UpdateObjectEncryption", &request.bucket, &request.key, id).map(|access| vec![access])
    },
    handler: update_object_encryption
}

fn invalid(text: &str) -> Error {
    Error::InvalidRequest(text.to_owned())
}

/// What the request asks for: the one kind that there is.
fn asked(request: &UpdateObjectEncryptionRequest, bucket: &Bucket) -> Result<Asked, Error> {
    let Some(ObjectEncryption::Ssekms(kms)) = &request.object_encryption else { return Err(invalid(NO_TYPE)) };
    if kms.kms_key_arn.is_empty() {
        return Err(invalid(NO_ARN));
    }
    let arn = Arn::parse(&kms.kms_key_arn).ok_or_else(|| invalid(BAD_ARN))?;
    if arn.account != bucket.account {
        return Err(Error::AccessDenied(OTHER_ACCOUNT.to_owned()));
    }
    Ok(Asked {
        method: Some("aws:kms".to_owned()),
        key_id: Some(kms.kms_key_arn.clone()),
        bucket_key: Some(kms.bucket_key_enabled == Some(true)),
        ..Asked::default()
    })
}

fn check(object: &Object, cx: &Context) -> Result<(), Error> {
    let dual = object.kms.as_ref().is_some_and(|kms| kms.method != "aws:kms");
    if object.customer_key.is_some() || dual {
        return Err(invalid(OTHER_TYPE));
    }
    match object.lock.guard(cx.now()) {
        Guard::Free => Ok(()),
        _ => Err(Error::AccessDenied(LOCKED.to_owned())),
    }
}

/// The object's body and annotations, encrypted anew. `None` where the object is replaced meanwhile.
async fn rewritten(
    s3: &S3,
    cx: &Context,
    snapshot: Snapshot,
    target: &Target<'_>,
    object: &Object,
    to: &Encryption,
) -> Result<Option<(Draft, Copies)>, Error> {
    let from = unlock(cx, (target.bucket, target.key), object, None)?;
    let whole = Span { start: 0, len: object.size };
    let body = s3.blobs.open(root(cx), cx.store(), &snapshot, &object.body, whole, from.as_ref())?;
    let copies = Copies::make(&s3.blobs, cx, &snapshot, object, (from.as_ref(), to.key.as_ref())).await?;
    let (Some(body), Some(copies)) = (body, copies) else { return Ok(None) };
    drop(snapshot);
    let place = Place::of(&cx.cloud);
    let mut received = receive(place, cx.random(), Some(body), u64::MAX, Vec::new(), to.key.as_ref()).await?;
    received.draft.embed();
    Ok(Some((received.draft, copies)))
}

/// Which version is meant.
struct Target<'a> {
    bucket: &'a str,
    key: &'a str,
    id: Option<&'a str>,
}

impl Target<'_> {
    fn load(&self, tx: &Transaction<'_>, cx: &Context) -> Result<Object, Error> {
        let object = load(tx, self.bucket, self.key, self.id)?;
        check(&object, cx).map(|()| object)
    }

    /// The data key stays. Says whether the object was still as it was seen.
    fn rewrap(&self, cx: &Context, seen: &Object, kms: &Kms) -> Result<bool, Error> {
        cx.store().write(|tx| {
            let mut object = self.load(tx, cx)?;
            let same = object.kms == seen.kms;
            if same {
                object.kms = Some(kms.clone());
                versions::save(tx, self.bucket, self.key, &object)?;
            }
            Ok(same)
        })
    }

    /// Puts what was encrypted anew in the place of what was there. Says whether the object was still as it was seen.
    fn replace(
        &self,
        s3: &S3,
        cx: &Context,
        seen: &Object,
        encryption: &Encryption,
        (draft, copies): (Draft, Copies),
    ) -> Result<bool, Error> {
        let removed = cx.store().write(|tx| {
            let mut object = self.load(tx, cx)?;
            let unchanged = object.seq == seen.seq && object.version == seen.version && object.body == seen.body;
            if !unchanged || object.kms != seen.kms || object.annotations != seen.annotations {
                return Ok(None);
            }
            let removed = release(tx, &object)?;
            draft.commit(tx);
            object.body = draft.segments.clone();
            object.kms = encryption.kms.clone();
            copies.enter(tx, cx, &mut object)?;
            versions::save(tx, self.bucket, self.key, &object)?;
            Ok::<_, Error>(Some(removed))
        })?;
        let Some(removed) = removed else { return Ok(false) };
        draft.keep();
        copies.keep();
        s3.blobs.remove(root(cx), &removed);
        Ok(true)
    }
}

async fn update_object_encryption(
    s3: &S3,
    cx: &Context,
    request: UpdateObjectEncryptionRequest,
) -> Result<UpdateObjectEncryptionResponse, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    let target = Target { bucket: &bucket.name, key: &request.key, id: request.version_id.as_deref() };
    let asked = asked(&request, &bucket)?;
    // An object that is changed at this moment is looked up again.
    loop {
        let snapshot = cx.store().snapshot();
        let seen = find(s3, cx, &snapshot, target.bucket, target.key, target.id)?;
        check(&seen, cx)?;
        let encryption = asked.decide(cx, &bucket, target.key)?;
        let keys = seen.kms.as_ref().zip(encryption.kms.as_ref());
        let done = match keys.filter(|(old, new)| old.key == new.key && old.context == new.context) {
            Some((old, new)) => target.rewrap(cx, &seen, &Kms { bucket_key: new.bucket_key, ..old.clone() })?,
            None => match rewritten(s3, cx, snapshot, &target, &seen, &encryption).await? {
                Some(anew) => target.replace(s3, cx, &seen, &encryption, anew)?,
                None => false,
            },
        };
        if done {
            return Ok(UpdateObjectEncryptionResponse { request_charged });
        }
    }
}
