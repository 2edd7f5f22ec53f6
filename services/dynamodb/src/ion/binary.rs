//! Reads the items of a file in Ion's binary form.
//!
//! Every value says how long it is, so one that is no item costs itself alone; only a length that cannot be right ends the
//! file. Names are symbols of tables that the file declares; symbols of shared tables have no text here. As in the text,
//! timestamps, symbols and clobs are no attributes.

use std::rc::Rc;

use super::lexer::{Read, Unreadable};
use super::{BINARIES, MAX_DEPTH, NUMBERS, STRINGS};
use crate::value::{AttributeValue, Item};

/// The version marker, which begins every file.
pub const MARKER: [u8; 4] = [0xE0, 0x01, 0x00, 0xEA];
/// What a record may take; an item of 400 KB takes less in this form.
const MAX_RECORD: usize = 2 << 20;
/// How many symbols a file may declare.
const MAX_SYMBOLS: usize = 1 << 20;
const SYSTEM: [&str; 10] = [
    "$0",
    "$ion",
    "$ion_1_0",
    "$ion_symbol_table",
    "name",
    "version",
    "imports",
    "symbols",
    "max_id",
    "$ion_shared_symbol_table",
];
const SYMBOL_TABLE: usize = 3;
const IMPORTS: usize = 6;
const SYMBOLS: usize = 7;
const MAX_ID: usize = 8;

/// The structs of a file; nothing in the place of a value that is none.
pub fn records(bytes: &[u8]) -> Vec<Option<Item>> {
    let mut file = File { symbols: system(), records: Vec::new() };
    let mut input = Input { bytes };
    while !input.bytes.is_empty() {
        if let Some(rest) = input.bytes.strip_prefix(&MARKER) {
            input.bytes = rest;
            file.symbols = system();
        } else if file.top(&mut input).is_err() {
            // Where the next value would begin is not known.
            file.records.push(None);
            break;
        }
    }
    file.records
}

fn system() -> Vec<Option<Rc<str>>> {
    SYSTEM.iter().map(|name| Some(Rc::from(*name))).collect()
}

struct File {
    /// By number; some have no text that is known.
    symbols: Vec<Option<Rc<str>>>,
    records: Vec<Option<Item>>,
}

/// What is left to be read, of a file or of a value.
#[derive(Clone, Copy)]
struct Input<'a> {
    bytes: &'a [u8],
}

/// A value with its content.
#[derive(Clone, Copy)]
struct Raw<'a> {
    kind: u8,
    /// The lower half of the first byte.
    low: u8,
    content: &'a [u8],
}

const NULL: u8 = 15;

impl<'a> Input<'a> {
    fn byte(&mut self) -> Read<u8> {
        let (first, rest) = self.bytes.split_first().ok_or(Unreadable)?;
        self.bytes = rest;
        Ok(*first)
    }

    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Unreadable)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// A number in groups of seven bits, the last of them marked.
    fn var_uint(&mut self) -> Read<usize> {
        let mut number = 0usize;
        loop {
            let byte = self.byte()?;
            number = number.checked_mul(128).ok_or(Unreadable)? | usize::from(byte & 0x7F);
            if byte & 0x80 != 0 {
                return Ok(number);
            }
        }
    }

    /// The same with a sign in the second bit.
    fn var_int(&mut self) -> Read<i64> {
        let first = self.byte()?;
        let negative = first & 0x40 != 0;
        let mut number = i64::from(first & 0x3F);
        let mut last = first;
        while last & 0x80 == 0 {
            last = self.byte()?;
            number = number.checked_mul(128).ok_or(Unreadable)? | i64::from(last & 0x7F);
        }
        Ok(if negative { -number } else { number })
    }

    fn value(&mut self) -> Read<Raw<'a>> {
        let first = self.byte()?;
        let (kind, low) = (first >> 4, first & 0x0F);
        let length = match (kind, low) {
            (_, NULL) | (1, _) => 0,
            // A struct whose fields are in order.
            (13, 1) | (_, 14) => self.var_uint()?,
            (_, low) => usize::from(low),
        };
        Ok(Raw { kind, low, content: self.take(length)? })
    }
}

impl File {
    /// One value of the file.
    fn top(&mut self, input: &mut Input<'_>) -> Read<()> {
        let value = input.value()?;
        if value.is_padding() {
            return Ok(());
        }
        if let Ok((annotations, inner)) = value.annotated()
            && annotations.first() == Some(&SYMBOL_TABLE)
            && inner.kind == 13
        {
            return self.declare(inner);
        }
        let members = match value.annotated() {
            Ok((_, inner)) if inner.kind == 11 && inner.low != NULL => Some(Input { bytes: inner.content }),
            _ => None,
        };
        match members {
            // A list around all of them.
            Some(mut members) => {
                while !members.bytes.is_empty() {
                    let member = members.value()?;
                    self.record(member);
                }
            }
            None => self.record(value),
        }
        Ok(())
    }

    fn record(&mut self, value: Raw<'_>) {
        let read = || match self.read(value, 0).ok()? {
            AttributeValue::M(members) => Some(members),
            _ => None,
        };
        let record = if value.content.len() > MAX_RECORD { None } else { read() };
        if !value.is_padding() {
            self.records.push(record);
        }
    }

    /// A symbol table takes the place of the one before, or is added to it.
    fn declare(&mut self, table: Raw<'_>) -> Read<()> {
        let mut fields = Input { bytes: table.content };
        let (mut symbols, mut added) = (system(), Vec::new());
        while !fields.bytes.is_empty() {
            let name = fields.var_uint()?;
            let value = fields.value()?;
            match name {
                IMPORTS if value.kind == 7 && number(value.content)? == SYMBOL_TABLE as u128 => {
                    symbols = self.symbols.clone();
                }
                IMPORTS if value.kind == 11 => {
                    let mut imports = Input { bytes: value.content };
                    while !imports.bytes.is_empty() {
                        // Of a table that is kept elsewhere only its size matters.
                        let unknown = shared(imports.value()?)?;
                        if symbols.len().saturating_add(unknown) > MAX_SYMBOLS {
                            return Err(Unreadable);
                        }
                        symbols.extend(std::iter::repeat_n(None, unknown));
                    }
                }
                SYMBOLS if value.kind == 11 => {
                    let mut texts = Input { bytes: value.content };
                    while !texts.bytes.is_empty() {
                        let text = texts.value()?;
                        let known =
                            (text.kind == 8 && text.low != NULL).then(|| std::str::from_utf8(text.content).ok());
                        added.push(known.flatten().map(Rc::from));
                    }
                }
                _ => {}
            }
            if symbols.len() + added.len() > MAX_SYMBOLS {
                return Err(Unreadable);
            }
        }
        symbols.extend(added);
        self.symbols = symbols;
        Ok(())
    }

    fn name(&self, symbol: usize) -> Read<&Rc<str>> {
        self.symbols.get(symbol).and_then(Option::as_ref).filter(|_| symbol != 0).ok_or(Unreadable)
    }

    fn read(&self, value: Raw<'_>, depth: usize) -> Read<AttributeValue> {
        if depth > MAX_DEPTH {
            return Err(Unreadable);
        }
        let (annotations, value) = value.annotated()?;
        let names = annotations.iter().map(|symbol| self.name(*symbol)).collect::<Read<Vec<_>>>()?;
        let bare = self.bare(value, depth)?;
        let set = names.iter().find(|name| [STRINGS, NUMBERS, BINARIES].contains(&&****name));
        match set {
            Some(set) => super::reader::set(set, bare),
            None => Ok(bare),
        }
    }

    fn bare(&self, value: Raw<'_>, depth: usize) -> Read<AttributeValue> {
        if value.low == NULL && value.kind < 14 {
            return Ok(AttributeValue::Null(true));
        }
        match value.kind {
            1 if value.low < 2 => Ok(AttributeValue::Bool(value.low == 1)),
            2 => Ok(AttributeValue::N(number(value.content)?.to_string())),
            3 => match number(value.content)? {
                0 => Err(Unreadable),
                magnitude => Ok(AttributeValue::N(format!("-{magnitude}"))),
            },
            4 => float(value.content),
            5 => decimal(value.content),
            8 => Ok(AttributeValue::S(String::from_utf8(value.content.to_vec()).map_err(|_| Unreadable)?)),
            10 => Ok(AttributeValue::B(value.content.to_vec().into())),
            11 => {
                let mut members = Input { bytes: value.content };
                let mut list = Vec::new();
                while !members.bytes.is_empty() {
                    let member = members.value()?;
                    if !member.is_padding() {
                        list.push(self.read(member, depth + 1)?);
                    }
                }
                Ok(AttributeValue::L(list))
            }
            13 => {
                let mut fields = Input { bytes: value.content };
                let mut map = Item::new();
                while !fields.bytes.is_empty() {
                    let name = fields.var_uint()?;
                    let field = fields.value()?;
                    if field.is_padding() {
                        continue;
                    }
                    // A struct may repeat a field, a map may not.
                    if map.insert(self.name(name)?.to_string(), self.read(field, depth + 1)?).is_some() {
                        return Err(Unreadable);
                    }
                }
                Ok(AttributeValue::M(map))
            }
            _ => Err(Unreadable),
        }
    }
}

impl<'a> Raw<'a> {
    fn is_padding(self) -> bool {
        self.kind == 0 && self.low != NULL
    }

    /// The annotations of a value, and the value itself.
    fn annotated(self) -> Read<(Vec<usize>, Raw<'a>)> {
        if self.kind != 14 {
            return Ok((Vec::new(), self));
        }
        let mut input = Input { bytes: self.content };
        let length = input.var_uint()?;
        let mut symbols = Input { bytes: input.take(length)? };
        let mut annotations = Vec::new();
        while !symbols.bytes.is_empty() {
            annotations.push(symbols.var_uint()?);
        }
        let inner = input.value()?;
        // Annotations are not nested, and there is exactly one value.
        let sound = !annotations.is_empty() && inner.kind != 14 && !inner.is_padding() && input.bytes.is_empty();
        if sound { Ok((annotations, inner)) } else { Err(Unreadable) }
    }
}

/// How many symbols an import stands for.
fn shared(import: Raw<'_>) -> Read<usize> {
    let mut fields = Input { bytes: if import.kind == 13 { import.content } else { &[] } };
    let mut size = 0;
    while !fields.bytes.is_empty() {
        let name = fields.var_uint()?;
        let value = fields.value()?;
        if name == MAX_ID && value.kind == 2 && value.low != NULL {
            size = usize::try_from(number(value.content)?).map_err(|_| Unreadable)?;
        }
    }
    Ok(size)
}

/// A magnitude; more digits than a number may have need no more than these bits.
fn number(bytes: &[u8]) -> Read<u128> {
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = &bytes[first..];
    if digits.len() > 16 {
        return Err(Unreadable);
    }
    Ok(digits.iter().fold(0, |number, byte| number << 8 | u128::from(*byte)))
}

fn float(bytes: &[u8]) -> Read<AttributeValue> {
    let text = match bytes.len() {
        0 => "0".to_owned(),
        4 => {
            let number = f32::from_be_bytes(bytes.try_into().map_err(|_| Unreadable)?);
            Some(number).filter(|number| number.is_finite()).ok_or(Unreadable)?.to_string()
        }
        8 => {
            let number = f64::from_be_bytes(bytes.try_into().map_err(|_| Unreadable)?);
            Some(number).filter(|number| number.is_finite()).ok_or(Unreadable)?.to_string()
        }
        _ => return Err(Unreadable),
    };
    Ok(AttributeValue::N(text))
}

/// An exponent, and a coefficient with its sign in the first bit.
fn decimal(bytes: &[u8]) -> Read<AttributeValue> {
    let mut input = Input { bytes };
    if bytes.is_empty() {
        return Ok(AttributeValue::N("0".to_owned()));
    }
    let exponent = input.var_int()?;
    let mut coefficient = input.bytes.to_vec();
    let negative = coefficient.first().is_some_and(|first| first & 0x80 != 0);
    coefficient.iter_mut().take(1).for_each(|first| *first &= 0x7F);
    let magnitude = number(&coefficient)?;
    let sign = if negative && magnitude != 0 { "-" } else { "" };
    Ok(AttributeValue::N(format!("{sign}{magnitude}E{exponent}")))
}

#[cfg(test)]
mod tests;
