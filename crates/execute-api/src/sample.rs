//! The template that API Gateway draws from a model: it copies what the model describes.

use serde_json::Value as Json;

pub fn template(schema: &str) -> String {
    let schema: Json = serde_json::from_str(schema).unwrap_or_default();
    format!("#set($inputRoot = $input.path('$'))\n{}", sample(&schema, "$inputRoot", 0))
}

fn sample(schema: &Json, path: &str, depth: usize) -> String {
    let pad = "  ".repeat(depth + 1);
    match schema["type"].as_str() {
        Some("object") if schema["properties"].is_object() => {
            let members = schema["properties"].as_object().into_iter().flatten();
            let members: Vec<String> = members
                .map(|(name, inner)| {
                    format!("{pad}\"{name}\" : {}", sample(inner, &format!("{path}.{name}"), depth + 1))
                })
                .collect();
            format!("{{\n{}\n{}}}", members.join(",\n"), "  ".repeat(depth))
        }
        Some("array") => {
            let inner = sample(&schema["items"], "$elem", depth + 1);
            format!(
                "[\n#foreach($elem in {path})\n{pad}{inner}#if($foreach.hasNext),#end\n#end\n{}]",
                "  ".repeat(depth)
            )
        }
        Some("string") => format!("\"{path}\""),
        Some("integer" | "number" | "boolean") => path.to_owned(),
        _ => "{ }".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_copy_what_a_model_describes() {
        let pet = r#"{"type":"object","properties":{"id":{"type":"integer"},"tags":{"type":"array","items":{"type":"string"}}}}"#;
        let made = template(pet);
        assert!(made.starts_with("#set($inputRoot = $input.path('$'))\n{\n  \"id\" : $inputRoot.id,"), "{made}");
        assert!(made.contains("#foreach($elem in $inputRoot.tags)"), "{made}");
        assert!(template("{}").ends_with("{ }"));
    }
}
