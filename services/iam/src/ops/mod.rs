//! One file a noun. What they share is here: ARNs, pages, tags, and running a change so that the directory notices.

mod access_key;
mod account;
mod boundary;
mod grants;
mod group;
mod instance_profile;
mod oidc_provider;
mod policy;
mod role;
mod tag;
mod user;

use std::collections::BTreeMap;

use iam_api::{AttachedPermissionsBoundary, PermissionsBoundaryAttachmentType, Tag};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use service::{Context, Page, Snapshot, TagError, Transaction, check_tags, decode_token, encode_token, from_record};

use crate::entity::{Group, Role, Tags, User};
use crate::store::{Named, all, get, load};
use crate::{Error, Iam};

/// Runs a change and lets the directory forget what it knew.
pub(crate) fn change<T>(
    iam: &Iam,
    cx: &Context,
    run: impl FnOnce(&mut Transaction<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let result = cx.store().write(run);
    iam.directory.invalidate();
    result
}

/// Something that policies are attached to and that is missed by a sentence of its own.
pub(crate) trait Entity: Named {
    /// `user`, `group`, `role`: also the resource type in ARNs.
    const NOUN: &'static str;
    fn path(&self) -> &str;

    fn missing(name: &str) -> Error {
        Error::NoSuchEntity(format!("The {} with name {name} cannot be found.", Self::NOUN))
    }

    fn arn(&self, account: &str) -> String {
        format!("arn:aws:iam::{account}:{}{}{}", Self::NOUN, self.path(), self.key_name())
    }

    /// The entity, or AWS's sentence that there is none.
    fn find(snapshot: &Snapshot, account: &str, name: &str) -> Result<Self, Error> {
        get::<Self>(snapshot, account, name)?.ok_or_else(|| Self::missing(name))
    }

    fn find_in(tx: &Transaction<'_>, account: &str, name: &str) -> Result<Self, Error> {
        load::<Self>(tx, account, name)?.ok_or_else(|| Self::missing(name))
    }

    /// The ARN for authorization: with the path of the entity where it exists.
    fn arn_of(cx: &Context, name: &str) -> String {
        match get::<Self>(&cx.store().snapshot(), cx.account(), name) {
            Ok(Some(entity)) => entity.arn(cx.account()),
            _ => format!("arn:aws:iam::{}:{}/{name}", cx.account(), Self::NOUN),
        }
    }
}

impl Entity for User {
    const NOUN: &'static str = "user";
    fn path(&self) -> &str {
        &self.path
    }
}

impl Entity for Group {
    const NOUN: &'static str = "group";
    fn path(&self) -> &str {
        &self.path
    }
}

impl Entity for Role {
    const NOUN: &'static str = "role";
    fn path(&self) -> &str {
        &self.path
    }
}

/// The ARN of an entity that is being created.
pub(crate) fn new_arn(cx: &Context, noun: &str, path: Option<&str>, name: &str) -> String {
    format!("arn:aws:iam::{}:{noun}{}{name}", cx.account(), path.unwrap_or("/"))
}

/// `AIDA…`, `AROA…`, `AGPA…`, `ANPA…`, `AIPA…`
pub(crate) fn new_id(cx: &Context, prefix: &str) -> String {
    format!("{prefix}{}", cx.random().pick(crate::directory::ID_ALPHABET, 17))
}

/// One page of a listing: items, `IsTruncated` and the marker of the next.
pub(crate) struct Listed<T> {
    pub items: Vec<T>,
    pub is_truncated: Option<bool>,
    pub marker: Option<String>,
}

fn invalid_marker() -> Error {
    Error::Validation("Invalid Marker.".to_owned())
}

fn page_size(max_items: Option<i32>) -> usize {
    usize::try_from(max_items.unwrap_or(100)).unwrap_or(100)
}

/// The records of a kind, in the order of their names, below a path.
pub(crate) fn list<T: Named, U>(
    cx: &Context,
    marker: Option<String>,
    max_items: Option<i32>,
    mut show: impl FnMut(T) -> Option<U>,
) -> Result<Listed<U>, Error> {
    let after = marker.map(|marker| decode_token(&marker).ok_or_else(invalid_marker)).transpose()?;
    let page = Page::read(
        &cx.store().snapshot(),
        all::<T>(cx.account()),
        after.as_deref(),
        page_size(max_items),
        |_, value| Ok::<_, Error>(show(from_record(value)?)),
    )?;
    Ok(Listed {
        items: page.items,
        is_truncated: Some(page.next.is_some()),
        marker: page.next.map(|key| encode_token(&key)),
    })
}

/// A page of a list that is at hand; the marker is the position.
pub(crate) fn slice<T>(items: Vec<T>, marker: Option<String>, max_items: Option<i32>) -> Result<Listed<T>, Error> {
    let from = match marker {
        None => 0,
        Some(marker) => marker.parse::<usize>().map_err(|_| invalid_marker())?,
    };
    let most = page_size(max_items);
    let more = items.len() > from + most;
    let items = items.into_iter().skip(from).take(most).collect();
    Ok(Listed { items, is_truncated: Some(more), marker: more.then(|| (from + most).to_string()) })
}

/// Documents travel percent-encoded in responses (RFC 3986).
pub(crate) fn encoded(document: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(document, KEPT).to_string()
}

pub(crate) fn to_tags(tags: Option<Vec<Tag>>) -> Result<Tags, Error> {
    let tags = tags.unwrap_or_default();
    check_tags(tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str()))).map_err(tag_error)?;
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

pub(crate) fn tag_error(error: TagError) -> Error {
    Error::InvalidInput(
        match error {
            TagError::Duplicate => "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            TagError::Reserved => "System tags cannot be added/updated by a requester.",
            TagError::TooMany => "The number of tags has reached the maximum limit.",
            TagError::KeyLength => "The tag key is invalid.",
            TagError::ValueLength => "The tag value is invalid.",
        }
        .to_owned(),
    )
}

/// Responses leave an empty list of tags out.
pub(crate) fn show_tags(tags: &BTreeMap<String, String>) -> Option<Vec<Tag>> {
    let list: Vec<Tag> = tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect();
    (!list.is_empty()).then_some(list)
}

pub(crate) fn show_boundary(arn: Option<&String>) -> Option<AttachedPermissionsBoundary> {
    arn.map(|arn| AttachedPermissionsBoundary {
        permissions_boundary_type: Some(PermissionsBoundaryAttachmentType::PermissionsBoundaryPolicy),
        permissions_boundary_arn: Some(arn.clone()),
    })
}
