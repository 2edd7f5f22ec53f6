//! A decoder that makes up what it decodes.

use std::cell::Cell;

use bytes::Bytes;
use wire::codec::{EachElement, EachEntry, EachMember, Result};
use wire::{ByteStream, Decoder, Kind, Location, Member, Protocol, Schema, Structure, Timestamp, TimestampFormat};

use crate::form::Form;
use crate::random::Random;

/// Beyond this depth only what a value cannot do without is generated.
const DEPTH: usize = 6;
/// About how many values one tree has.
const SIZE: usize = 120;
/// How long texts, blobs and collections get where the model asks for more.
const LENGTH: usize = 40;

/// A value of a structure, out of a seed.
pub fn generate<T: Structure>(form: Form, seed: u64) -> Result<T> {
    let (random, left) = (Random::new(seed), Cell::new(SIZE));
    let mut generator = Generator {
        random: &random,
        left: &left,
        form,
        schema: T::SCHEMA,
        member: None,
        location: Location::Body,
        depth: 0,
        in_list: false,
    };
    T::decode(&mut generator, &mut false)
}

/// The value at one place.
#[derive(Clone, Copy)]
pub struct Generator<'a> {
    random: &'a Random,
    /// What is left of the tree's size.
    left: &'a Cell<usize>,
    form: Form,
    schema: &'static Schema,
    /// The member, element or value that stands here; the root has none.
    member: Option<&'static Member>,
    location: Location,
    depth: usize,
    in_list: bool,
}

impl Generator<'_> {
    fn at(&self, member: &'static Member) -> Self {
        self.left.set(self.left.get().saturating_sub(1));
        // Bindings count only on members of the message itself.
        let location = if self.depth == 0 { member.location } else { self.location };
        Generator {
            schema: member.schema,
            member: Some(member),
            location,
            depth: self.depth + 1,
            in_list: false,
            ..*self
        }
    }

    fn spent(&self) -> bool {
        self.depth >= DEPTH || self.left.get() == 0
    }

    /// A length that the model allows, and at least `least`.
    fn length(&self, least: usize, usual: usize) -> usize {
        let constraints = &self.schema.constraints;
        let low = constraints.min.map_or(0, |min| min as usize).clamp(least, LENGTH);
        let high = constraints.max.map_or(usize::MAX, |max| max as usize).clamp(low, low + usual);
        self.random.between(low, high)
    }

    fn format(&self) -> TimestampFormat {
        let default = match self.location {
            Location::Header | Location::Headers => TimestampFormat::HttpDate,
            Location::Body | Location::Payload if !self.form.is_xml() && !self.form.is_form() => {
                TimestampFormat::EpochSeconds
            }
            _ => TimestampFormat::Iso8601,
        };
        // CBOR has a time of its own, whatever the model says.
        match self.member {
            Some(member) if self.form.protocol != Protocol::RpcV2Cbor => member.timestamp_or(default),
            _ => default,
        }
    }

    fn text(&self, least: usize) -> String {
        let punctuation = self.form.punctuation(self.location);
        let length = self.length(least, 12);
        let spaced = matches!(self.location, Location::Header | Location::Headers);
        let letter = || char::from(b"abcXYZ0189"[self.random.below(10)]);
        let mut text: String = (0..length)
            .map(|_| if self.random.one_in(3) { self.random.pick(punctuation).unwrap_or('-') } else { letter() })
            .collect();
        if spaced && length > 2 {
            // Inside a header's value a space is kept.
            text.replace_range(..0, "a ");
        }
        text
    }

    /// A map's key; `index` keeps the keys of one map apart.
    fn key(&self, member: &'static Member, index: usize) -> Option<String> {
        match (&member.schema.kind, self.location) {
            (Kind::Enum(values), _) => values.get(index).map(|value| (*value).to_owned()),
            (_, Location::Headers) => Some(format!("k{index}-{}", self.random.below(1000))),
            // A parameter of this name could be one of the operation's own.
            (_, Location::QueryMap) => Some(format!("map-{index}{}", self.at(member).text(0))),
            _ => Some(format!("{}{index}", self.at(member).text(0))),
        }
    }

    /// Whether an optional member of a structure is there.
    fn present(&self, member: &'static Member) -> bool {
        if self.depth == 0 && self.form.implies(member, self.schema) {
            return true;
        }
        !self.spent() && !self.vanishes(member) && !self.ambiguous(member) && self.random.one_in(2)
    }

    fn ambiguous(&self, member: &'static Member) -> bool {
        let twin = |other: &&Member| other.wire_name() == member.wire_name() && other.location == member.location;
        self.form.uses_wire_names() && self.schema.members().iter().filter(twin).count() > 1
    }

    /// A structure without members leaves no trace in a form.
    fn vanishes(&self, member: &'static Member) -> bool {
        self.form.is_form() && matches!(&member.schema.kind, Kind::Structure(members) if members.is_empty())
    }
}

/// How deep a value of this schema must be at the least: how a recursive union finds its way out.
fn least_depth(schema: &'static Schema, limit: usize) -> usize {
    if limit == 0 {
        return 0;
    }
    match &schema.kind {
        Kind::List(_) | Kind::Map(..) => 1,
        Kind::Structure(members) => {
            let depths = members.iter().filter(|member| member.required || schema.union);
            let depths = depths.map(|member| 1 + least_depth(member.schema, limit - 1));
            if schema.union { depths.min().unwrap_or(0) } else { depths.max().unwrap_or(1) }
        }
        _ => 0,
    }
}

impl Decoder for Generator<'_> {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn boolean(&mut self) -> Result<bool> {
        Ok(self.random.one_in(2))
    }

    fn integer(&mut self) -> Result<i64> {
        if self.location == Location::StatusCode {
            return Ok(self.random.between(200, 599) as i64);
        }
        let bits = match self.schema.kind {
            Kind::Integer(bits) => u32::from(bits),
            _ => 64,
        };
        let (low, high) = (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits));
        let constraints = &self.schema.constraints;
        let low = constraints.min.map_or(low, |min| (min as i64).max(low));
        let high = constraints.max.map_or(high, |max| (max as i64).min(high)).max(low);
        let random = (self.random.bits() as i64).clamp(low, high);
        let small = (self.random.below(1000) as i64).clamp(low, high);
        Ok(self.random.pick(&[low, high, random, small]).unwrap_or(low))
    }

    fn double(&mut self) -> Result<f64> {
        let fraction = self.random.bits() as i64 as f64 / 1e9;
        let choices = [0.0, -0.5, 1e-7, 1e21, fraction, fraction.trunc(), f64::INFINITY, f64::NEG_INFINITY];
        Ok(self.random.pick(&choices).unwrap_or_default())
    }

    fn string(&mut self) -> Result<String> {
        if let Kind::Enum(values) = &self.schema.kind
            && !self.random.one_in(8)
            && let Some(value) = self.random.pick(values)
        {
            return Ok(value.to_owned());
        }
        let listed = self.in_list && matches!(self.location, Location::Header | Location::Query);
        let whole = self.location == Location::Uri || (self.location == Location::Payload && self.depth == 1);
        Ok(self.text(usize::from(listed || whole)))
    }

    fn blob(&mut self) -> Result<Bytes> {
        let whole = self.location == Location::Payload && self.depth == 1;
        Ok((0..self.length(usize::from(whole), 12)).map(|_| self.random.bits() as u8).collect())
    }

    fn timestamp(&mut self) -> Result<Timestamp> {
        // The years 1970 to 2100, before and after them, and the epoch itself.
        let millis = match self.random.below(8) {
            0 => 0,
            1 => -(self.random.below(10_000_000_000) as i64),
            2 => self.random.below(4_102_444_800) as i64 * 1000,
            _ => self.random.below(4_102_444_800_000) as i64,
        };
        let timestamp = Timestamp::from_millis(millis);
        Ok(if self.format() == TimestampFormat::HttpDate { Timestamp::from_secs(timestamp.secs()) } else { timestamp })
    }

    fn document(&mut self) -> Result<serde_json::Value> {
        let text = self.text(0);
        let number = self.random.bits() as i64;
        // Not null: an absent member and a null document are the same.
        Ok(serde_json::json!({ "text": text, "number": number, "list": [null, true, 1.5], "nested": {} }))
    }

    fn stream(&mut self) -> Result<ByteStream> {
        Ok(ByteStream::from(self.blob()?))
    }

    fn structure(&mut self, each: EachMember<'_>) -> Result {
        let members = self.schema.members();
        if self.schema.union {
            let shallow = || (0..members.len()).min_by_key(|index| least_depth(members[*index].schema, DEPTH));
            let mut chosen = Some(self.random.below(members.len()));
            if self.spent() || chosen.is_some_and(|index| self.vanishes(&members[index])) {
                chosen = shallow();
            }
            return match chosen.and_then(|index| members.get(index).map(|member| (index, member))) {
                Some((index, member)) => each(index, &mut self.at(member)),
                None => Ok(()),
            };
        }
        let mut empty = true;
        for (index, member) in members.iter().enumerate() {
            if member.required || self.present(member) {
                empty &= self.vanishes(member);
                each(index, &mut self.at(member))?;
            }
        }
        // A form has no trace of a structure without members, so it gets its simplest one.
        if empty && self.form.is_form() && self.depth > 0 {
            let simplest = members.iter().enumerate().min_by_key(|(_, member)| least_depth(member.schema, DEPTH));
            if let Some((index, member)) = simplest {
                each(index, &mut self.at(member))?;
            }
        }
        Ok(())
    }

    fn list(&mut self, each: EachElement<'_>) -> Result {
        let Kind::List(element) = &self.schema.kind else { return Ok(()) };
        let least = self.form.collections_need_an_entry(self.location, self.member, self.schema);
        let length = if self.spent() { usize::from(least) } else { self.length(usize::from(least), 3).min(4) };
        for _ in 0..length {
            each(&mut Generator { in_list: true, ..self.at(element) })?;
        }
        Ok(())
    }

    fn map(&mut self, each: EachEntry<'_>) -> Result {
        let Kind::Map(key, value) = &self.schema.kind else { return Ok(()) };
        let least = self.form.collections_need_an_entry(self.location, self.member, self.schema);
        let length = if self.spent() { usize::from(least) } else { self.length(usize::from(least), 3).min(4) };
        for index in 0..length {
            if let Some(key) = self.key(key, index) {
                each(key, &mut self.at(value))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::Side;

    wire::structures! {
        Tree TREE = "Tree" {
            name: String = Member::new("Name", &wire::simple::STRING).required();
            child: Option<Box<Tree>> = Member::new("Child", &TREE);
            count: Option<i32> = Member::new("Count", &wire::simple::INTEGER);
        }
    }

    #[test]
    fn a_seed_gives_one_value_and_recursion_ends() {
        let form = Form { protocol: Protocol::AwsJson10, side: Side::Request };
        let values: Vec<Tree> = (0..50).map(|seed| generate(form, seed).unwrap()).collect();
        let again: Vec<Tree> = (0..50).map(|seed| generate(form, seed).unwrap()).collect();
        assert_eq!(values, again);
        assert!(values.iter().any(|tree| tree.child.is_some()));
        assert!(values.iter().any(|tree| tree.child.is_none()));
    }
}
