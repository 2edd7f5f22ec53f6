//! The Rust side of shapes: how a typed value is read from a [`Decoder`] and written to an [`Encoder`], and the
//! macros with which the generated `api` crates declare structures, unions, enums and operations.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::codec::{DecodeError, Decoder, Encoder, Result};
use crate::schema::{OperationModel, Schema};
use crate::stream::ByteStream;
use crate::timestamp::Timestamp;

/// A value that the protocols can carry.
pub trait Shape: Sized {
    /// Reads the value. `missing` is set where a required member was absent; the value then holds a default there.
    fn decode(decoder: &mut dyn Decoder, missing: &mut bool) -> Result<Self>;
    fn encode(&self, encoder: &mut dyn Encoder);
    /// The value is not sent at all.
    fn absent(&self) -> bool {
        false
    }
}

/// A structure or union, which has a schema of its own.
pub trait Structure: Shape + Send + Sync + 'static {
    const SCHEMA: &'static Schema;
}

/// One operation of a service's API, implemented by a unit struct of the operation's name.
pub trait Operation: Send + Sync + 'static {
    type Input: Structure + Clone + std::fmt::Debug;
    type Output: Structure + Clone + std::fmt::Debug + Default;
    const MODEL: &'static OperationModel;
    /// `name` of the service's model.
    const SERVICE: &'static str;
}

impl<T: Shape> Shape for Option<T> {
    fn decode(decoder: &mut dyn Decoder, missing: &mut bool) -> Result<Self> {
        if decoder.null() {
            return Ok(None);
        }
        T::decode(decoder, missing).map(Some)
    }
    fn encode(&self, encoder: &mut dyn Encoder) {
        match self {
            Some(value) => value.encode(encoder),
            None => encoder.null(),
        }
    }
    fn absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Shape> Shape for Box<T> {
    fn decode(decoder: &mut dyn Decoder, missing: &mut bool) -> Result<Self> {
        T::decode(decoder, missing).map(Box::new)
    }
    fn encode(&self, encoder: &mut dyn Encoder) {
        (**self).encode(encoder);
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn decode(decoder: &mut dyn Decoder, missing: &mut bool) -> Result<Self> {
        let mut list = Vec::new();
        decoder.list(&mut |element| {
            list.push(T::decode(element, missing)?);
            Ok(())
        })?;
        Ok(list)
    }
    fn encode(&self, encoder: &mut dyn Encoder) {
        encoder.begin_list(self.len());
        for element in self {
            encoder.element();
            element.encode(encoder);
        }
        encoder.end_list();
    }
}

impl<T: Shape> Shape for BTreeMap<String, T> {
    fn decode(decoder: &mut dyn Decoder, missing: &mut bool) -> Result<Self> {
        let mut map = BTreeMap::new();
        decoder.map(&mut |key, value| {
            map.insert(key, T::decode(value, missing)?);
            Ok(())
        })?;
        Ok(map)
    }
    fn encode(&self, encoder: &mut dyn Encoder) {
        encoder.begin_map(self.len());
        for (key, value) in self {
            encoder.key(key);
            value.encode(encoder);
        }
        encoder.end_map();
    }
}

macro_rules! scalars {
    ($($type:ty, $read:ident, $write:ident, |$value:ident| $convert:expr, $out:expr;)*) => {$(
        impl Shape for $type {
            fn decode(decoder: &mut dyn Decoder, _: &mut bool) -> Result<Self> {
                let $value = decoder.$read()?;
                $convert
            }
            fn encode(&self, encoder: &mut dyn Encoder) {
                let $value = self;
                encoder.$write($out);
            }
        }
    )*};
}

scalars! {
    bool, boolean, boolean, |value| Ok(value), *value;
    i32, integer, integer, |value| narrow(value), i64::from(*value);
    i64, integer, integer, |value| Ok(value), *value;
    f32, double, float, |value| Ok(value as f32), *value;
    f64, double, double, |value| Ok(value), *value;
    String, string, string, |value| Ok(value), value;
    Bytes, blob, blob, |value| Ok(value), value;
    Timestamp, timestamp, timestamp, |value| Ok(value), *value;
    ByteStream, stream, stream, |value| Ok(value), value;
    serde_json::Value, document, document, |value| Ok(value), value;
}

fn narrow(value: i64) -> Result<i32> {
    i32::try_from(value).map_err(|_| DecodeError::Type(format!("{value} is out of range for an integer")))
}

/// True where a member of `required` (a bit set) is not in `seen`.
pub const fn lacks(required: u128, seen: u128) -> bool {
    required & !seen != 0
}

/// Declares structures: `Name SCHEMA = "Name" { … }` with one line a member, `field: Type = Member;`, in the order of the model. The field is a plain
/// type where the member is required, an `Option` where it is not.
#[macro_export]
macro_rules! structures {
    ($($name:ident $schema:ident = $declared:literal $(.$trait:ident($($argument:tt)*))* {
        $($field:ident: $type:ty = $member:expr;)*
    })*) => {$(
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name { $(pub $field: $type,)* }

        pub static $schema: $crate::Schema = {
            static MEMBERS: &[$crate::Member] = &[$($member,)*];
            $crate::Schema::structure($declared, MEMBERS)$(.$trait($($argument)*))*
        };

        impl $crate::Structure for $name {
            const SCHEMA: &'static $crate::Schema = &$schema;
        }

        impl $crate::Shape for $name {
            #[allow(unused_mut, unused_variables, unused_assignments, reason = "structures without members")]
            fn decode(decoder: &mut dyn $crate::Decoder, missing: &mut bool) -> $crate::codec::Result<Self> {
                let mut value = Self::default();
                let mut seen = 0u128;
                let mut lacking = false;
                decoder.structure(&mut |index, decoder| {
                    let mut at = 0;
                    $(
                        if index == at {
                            value.$field = $crate::Shape::decode(decoder, &mut lacking)?;
                            seen |= 1 << at;
                            return Ok(());
                        }
                        at += 1;
                    )*
                    Ok(())
                })?;
                const REQUIRED: u128 = $crate::required(&[$($member.required,)*]);
                *missing |= lacking || $crate::shape::lacks(REQUIRED, seen);
                Ok(value)
            }

            #[allow(unused_mut, unused_variables, unused_assignments, reason = "structures without members")]
            fn encode(&self, encoder: &mut dyn $crate::Encoder) {
                encoder.begin_structure();
                let mut at = 0;
                $(
                    if !$crate::Shape::absent(&self.$field) {
                        encoder.member(at);
                        $crate::Shape::encode(&self.$field, encoder);
                    }
                    at += 1;
                )*
                encoder.end_structure();
            }
        }
    )*};
}

/// The set of required members as bits, for the macro above.
pub const fn required(flags: &[bool]) -> u128 {
    assert!(flags.len() <= 128, "a structure of more than 128 members needs a wider set");
    let mut bits = 0;
    let mut index = 0;
    while index < flags.len() {
        if flags[index] {
            bits |= 1 << index;
        }
        index += 1;
    }
    bits
}

/// Declares unions: enums with one variant a member. A request with no member or with two is refused.
#[macro_export]
macro_rules! unions {
    ($($name:ident $schema:ident = $declared:literal $(.$trait:ident($($argument:tt)*))* {
        $($variant:ident: $type:ty = $member:expr;)*
    })*) => {$(
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name { $($variant($type),)* }

        pub static $schema: $crate::Schema = {
            static MEMBERS: &[$crate::Member] = &[$($member,)*];
            $crate::Schema::structure($declared, MEMBERS).tagged()$(.$trait($($argument)*))*
        };

        impl $crate::Structure for $name {
            const SCHEMA: &'static $crate::Schema = &$schema;
        }

        impl $crate::Shape for $name {
            #[allow(unused_assignments, reason = "the last increment is not read")]
            fn decode(decoder: &mut dyn $crate::Decoder, missing: &mut bool) -> $crate::codec::Result<Self> {
                let mut value = None;
                let mut members = 0;
                let mut lacking = false;
                decoder.structure(&mut |index, decoder| {
                    members += 1;
                    let mut at = 0;
                    $(
                        if index == at {
                            value = Some(Self::$variant($crate::Shape::decode(decoder, &mut lacking)?));
                            return Ok(());
                        }
                        at += 1;
                    )*
                    Ok(())
                })?;
                *missing |= lacking;
                match value {
                    Some(value) if members == 1 => Ok(value),
                    _ => Err($crate::DecodeError::Union { schema: $schema.name.to_owned(), members }),
                }
            }

            #[allow(unused_assignments, reason = "the last increment is not read")]
            fn encode(&self, encoder: &mut dyn $crate::Encoder) {
                encoder.begin_structure();
                let mut at = 0;
                $(
                    if let Self::$variant(value) = self {
                        encoder.member(at);
                        $crate::Shape::encode(value, encoder);
                    }
                    at += 1;
                )*
                encoder.end_structure();
            }
        }
    )*};
}

/// Declares enums with an `Unknown` variant: AWS adds values, and validation wants to name the wrong one.
#[macro_export]
macro_rules! enums {
    ($($name:ident $schema:ident = $declared:literal { $($variant:ident = $value:literal,)* })*) => {$(
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($variant,)* Unknown(Box<str>) }

        pub static $schema: $crate::Schema = $crate::Schema::enumeration($declared, &[$($value,)*]);

        impl $name {
            pub fn as_str(&self) -> &str {
                match self { $(Self::$variant => $value,)* Self::Unknown(value) => value }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::Unknown(Box::default())
            }
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                match value { $($value => Self::$variant,)* other => Self::Unknown(other.into()) }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::Shape for $name {
            fn decode(decoder: &mut dyn $crate::Decoder, _: &mut bool) -> $crate::codec::Result<Self> {
                Ok(Self::from(decoder.string()?.as_str()))
            }
            fn encode(&self, encoder: &mut dyn $crate::Encoder) {
                encoder.string(self.as_str());
            }
        }
    )*};
}

/// Declares a service's operations: those with shapes become types, the others are only known by name. The list
/// `SERVICE` and the macro `for_each_operation!` follow from it.
#[macro_export]
macro_rules! operations_of {
    ($service:ident = $model:expr; $($name:ident($input:ty) -> $output:ty = $operation:expr;)* ; $($other:expr;)*) => {
        $(
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl $crate::Operation for $name {
                type Input = $input;
                type Output = $output;
                const SERVICE: &'static str = SERVICE_NAME;
                const MODEL: &'static $crate::OperationModel = {
                    static MODEL: $crate::OperationModel = ($operation)
                        .shapes(<$input as $crate::Structure>::SCHEMA, <$output as $crate::Structure>::SCHEMA);
                    &MODEL
                };
            }
        )*

        /// The model of the whole service.
        pub static $service: $crate::ServiceModel = {
            static OPERATIONS: &[&$crate::OperationModel] = &[
                $(<$name as $crate::Operation>::MODEL,)*
                $({ static MODEL: $crate::OperationModel = $other; &MODEL },)*
            ];
            $crate::ServiceModel { operations: OPERATIONS, ..$model }
        };

        /// Calls the visitor with every operation whose shapes are known.
        pub fn visit(visitor: &mut impl $crate::OperationVisitor) {
            $(visitor.visit::<$name>();)*
        }
    };
}

/// Visits typed operations one by one; see the generated `visit` functions.
pub trait OperationVisitor {
    fn visit<O: Operation>(&mut self)
    where
        O::Input: PartialEq,
        O::Output: PartialEq;
}

structures! {
    Unit UNIT = "Unit" {}
}
