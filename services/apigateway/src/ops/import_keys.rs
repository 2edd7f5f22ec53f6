//! API keys from a file: comma-separated, with a line of names on top.

use super::{api_key::insert, arn};
use crate::{ApiGateway, error::Error, store::Place};
use apigateway_api::*;
use execute_api::usage::{key_of, plan_key_id};
use service::{Context, operation};

operation! { ApiGateway, ImportApiKeys, action: "apigateway:POST" on |cx, _| arn(cx, "/apikeys"), handler: import }

/// One line of the file.
struct Line {
    name: String,
    key: String,
    description: Option<String>,
    enabled: bool,
    plans: Vec<String>,
}

/// The fields of a line; a field may stand in quotes, and then have commas.
fn fields(line: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(String::new()),
            c => {
                if let Some(last) = out.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    out.into_iter().map(|field| field.trim().to_owned()).collect()
}

fn parse(body: &[u8]) -> Result<Vec<Line>, Error> {
    let bad = |message: &str| Error::BadRequest(message.to_owned());
    let text = std::str::from_utf8(body).map_err(|_| bad("The file of API keys is not text"))?;
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let names: Vec<String> = fields(lines.next().unwrap_or_default()).iter().map(|name| name.to_lowercase()).collect();
    let at = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
    let (name, key) = (at(&["name"]), at(&["key"]));
    let (Some(name), Some(key)) = (name, key) else {
        return Err(bad("The file of API keys must have the columns name and key"));
    };
    let (description, enabled, plans) = (at(&["description"]), at(&["enabled"]), at(&["usageplanids"]));
    let read = |line: &str| {
        let fields = fields(line);
        let field = |at: Option<usize>| at.and_then(|at| fields.get(at)).filter(|field| !field.is_empty()).cloned();
        Line {
            name: field(Some(name)).unwrap_or_default(),
            key: field(Some(key)).unwrap_or_default(),
            description: field(description),
            enabled: field(enabled).is_none_or(|text| text.eq_ignore_ascii_case("true")),
            plans: field(plans).iter().flat_map(|text| text.split(',')).map(|id| id.trim().to_owned()).collect(),
        }
    };
    Ok(lines.map(read).collect())
}

async fn import(_: &ApiGateway, cx: &Context, request: ImportApiKeysRequest) -> Result<ApiKeyIds, Error> {
    if request.format != ApiKeysFormat::Csv {
        return Err(Error::BadRequest("Invalid format of API keys specified. The format must be csv".to_owned()));
    }
    let lines = parse(&request.body)?;
    cx.store().write(|tx| {
        let place = Place::of_account(cx);
        let (mut ids, mut warnings) = (Vec::new(), Vec::new());
        for line in lines {
            if key_of(cx, tx, &line.key)?.is_some() {
                warnings.push(format!("API Key {} already exists", line.name));
                continue;
            }
            let create = CreateApiKeyRequest {
                name: Some(line.name),
                description: line.description,
                enabled: Some(line.enabled),
                value: Some(line.key),
                ..CreateApiKeyRequest::default()
            };
            let key = insert(cx, tx, create)?;
            let id = key.id.clone().unwrap_or_default();
            for plan in line.plans {
                if place.find::<UsagePlan>(tx, &plan)?.is_none() {
                    warnings.push(format!("Usage Plan {plan} was not found"));
                    continue;
                }
                let member = UsagePlanKey {
                    id: key.id.clone(),
                    r#type: Some("API_KEY".to_owned()),
                    value: key.value.clone(),
                    name: key.name.clone(),
                };
                place.put(tx, &plan_key_id(&plan, &id), &member);
            }
            ids.push(id);
        }
        if request.fail_on_warnings == Some(true) && !warnings.is_empty() {
            return Err(Error::BadRequest(format!("Warnings found during import:\n\t{}", warnings.join("\n\t"))));
        }
        Ok(ApiKeyIds { ids: Some(ids), warnings: Some(warnings) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_by_their_columns() {
        let file = "Name,key,description,Enabled,usageplanIds\nmy,0123456789012345678901,\"a, b\",FALSE,\"p1, p2\"\n\nother,k2,,,\n";
        let lines = parse(file.as_bytes()).unwrap();
        assert_eq!((lines[0].description.as_deref(), lines[0].enabled), (Some("a, b"), false));
        assert_eq!(lines[0].plans, ["p1", "p2"]);
        assert_eq!((lines[1].name.as_str(), lines[1].enabled, lines[1].plans.len()), ("other", true, 0));
        assert!(parse(b"a,b\n1,2").is_err());
    }
}
