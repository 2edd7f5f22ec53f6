//! From the names of a model to the names of Rust.

/// `TableName` → `table_name`, `KMSKeyId` → `kms_key_id`, `ETag` → `e_tag`.
pub fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, c) in chars.iter().enumerate() {
        let upper_after_lower = at > 0 && c.is_uppercase() && !chars[at - 1].is_uppercase();
        let last_of_uppers = at > 0
            && c.is_uppercase()
            && chars[at - 1].is_uppercase()
            && chars.get(at + 1).is_some_and(|next| next.is_lowercase());
        if (upper_after_lower || last_of_uppers) && !out.ends_with('_') {
            out.push('_');
        }
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !out.ends_with('_') {
            out.push('_');
        }
    }
    out
}

/// A field name, with keywords made raw identifiers.
pub fn field(name: &str) -> String {
    let name = snake(name);
    const KEYWORDS: &[&str] = &[
        "as", "break", "const", "continue", "else", "enum", "extern", "false", "fn", "for", "if", "impl", "in", "let",
        "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "static", "struct", "trait", "true", "type",
        "unsafe", "use", "where", "while", "async", "await", "dyn", "abstract", "box", "final", "macro", "override",
        "priv", "try", "typeof", "virtual", "yield", "gen",
    ];
    if KEYWORDS.contains(&name.as_str()) { format!("r#{name}") } else { name }
}

/// `TableName` → `TABLE_NAME`.
pub fn constant(name: &str) -> String {
    snake(name).to_uppercase()
}

/// A variant name: `PAY_PER_REQUEST` → `PayPerRequest`, `nodejs20.x` → `Nodejs20X`, `aws:kms` → `AwsKms`.
pub fn variant(value: &str) -> String {
    let mut out = String::new();
    for word in value.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let shouting = word.chars().all(|c| !c.is_lowercase());
        let mut chars = word.chars();
        out.extend(chars.next().into_iter().flat_map(char::to_uppercase));
        for c in chars {
            if shouting { out.extend(c.to_lowercase()) } else { out.push(c) }
        }
    }
    match out.chars().next() {
        None => "Empty".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("V{out}"),
        _ if out == "Self" || out == "Unknown" => format!("{out}Value"),
        _ => out,
    }
}

/// A type name that shadows nothing of Rust's prelude.
pub fn type_name(name: &str) -> String {
    let mut chars = name.chars();
    let name: String = chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect());
    const PRELUDE: &[&str] = &[
        "String",
        "Option",
        "Result",
        "Vec",
        "Box",
        "Default",
        "Some",
        "None",
        "Ok",
        "Err",
        "Self",
        "Send",
        "Sync",
        "Copy",
        "Clone",
        "Drop",
        "Fn",
        "From",
        "Into",
        "Iterator",
        "Debug",
        "Bytes",
        "Timestamp",
        "ByteStream",
        "Schema",
        "Member",
        "Location",
    ];
    if PRELUDE.contains(&name.as_str()) { format!("{name}Shape") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(snake("SSEKMSKeyId"), "ssekms_key_id");
        assert_eq!(snake("ETag"), "e_tag");
        assert_eq!(snake("S3Bucket"), "s3_bucket");
        assert_eq!(field("Type"), "r#type");
        assert_eq!(constant("KeySchemaElement"), "KEY_SCHEMA_ELEMENT");
        assert_eq!(variant("PAY_PER_REQUEST"), "PayPerRequest");
        assert_eq!(variant("nodejs20.x"), "Nodejs20X");
        assert_eq!(variant("s3:ObjectCreated:*"), "S3ObjectCreated");
    }
}
