//! API Gateway's mapping templates: Velocity with `$input`, `$context`, `$stageVariables` and `$util`.

use crate::{
    jsonpath,
    vtl::{self, Engine, Heap, Host, Limits, Template, Unresolved, Value},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use percent_encoding::percent_decode_str;
use serde_json::{Value as Json, json};
use std::{cell::OnceCell, collections::BTreeMap, rc::Rc, sync::Arc};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Template(#[from] vtl::Error),
    /// The template asked for the body as JSON, and it is none.
    #[error("Could not parse request body into json: {0}")]
    Body(String),
}

/// What a template is applied to.
#[derive(Debug, Clone, Default)]
pub struct Input {
    pub body: String,
    pub path: BTreeMap<String, String>,
    pub querystring: BTreeMap<String, String>,
    pub header: BTreeMap<String, String>,
    pub context: Json,
    pub stage_variables: BTreeMap<String, String>,
}

/// What a template made: the text, and what it set in `$context.requestOverride` and `$context.responseOverride`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Output {
    pub body: String,
    pub request_override: Json,
    pub response_override: Json,
}

/// Renders a template as API Gateway does: what does not resolve renders as nothing.
pub fn render(template: &Template, input: &Input) -> Result<Output, Error> {
    let mut engine = Engine::new(Unresolved::Empty, Limits::default());
    let failure = Rc::new(OnceCell::new());

    let mut context = input.context.clone();
    if !context.is_object() {
        context = json!({});
    }
    context["requestOverride"] = json!({"header": {}, "path": {}, "querystring": {}});
    context["responseOverride"] = json!({"header": {}});
    let context = engine.heap.import(&context)?;
    let stage_variables = import(&mut engine.heap, &input.stage_variables)?;
    let root = Root::new(&mut engine.heap, input, failure.clone())?;
    engine.set("context", context);
    engine.set("stageVariables", stage_variables);
    engine.set("input", Value::Host(Rc::new(root)));
    engine.set("util", Value::Host(Rc::new(Util)));

    let body = match engine.render(template) {
        Ok(body) => body,
        Err(error) => return Err(failure.get().cloned().map_or(Error::Template(error), Error::Body)),
    };
    let context = engine.get("context").cloned().unwrap_or(Value::Null);
    let mut context = engine.heap.export(&context)?;
    Ok(Output {
        body,
        request_override: context["requestOverride"].take(),
        response_override: context["responseOverride"].take(),
    })
}

fn import(heap: &mut Heap, values: &BTreeMap<String, String>) -> Result<Value, vtl::Error> {
    heap.map(values.iter().map(|(name, value)| (Arc::from(name.as_str()), Value::text(value.as_str()))))
}

/// `$input`.
struct Root {
    body: String,
    /// The body as JSON, parsed when first asked for; `None` when it is empty.
    document: OnceCell<Option<Json>>,
    params: Value,
    path: BTreeMap<String, String>,
    querystring: BTreeMap<String, String>,
    header: BTreeMap<String, String>,
    failure: Rc<OnceCell<String>>,
}

impl Root {
    fn new(heap: &mut Heap, input: &Input, failure: Rc<OnceCell<String>>) -> Result<Self, vtl::Error> {
        let path = import(heap, &input.path)?;
        let querystring = import(heap, &input.querystring)?;
        let header = import(heap, &input.header)?;
        let params =
            heap.map([("path".into(), path), ("querystring".into(), querystring), ("header".into(), header)])?;
        Ok(Self {
            body: input.body.clone(),
            document: OnceCell::new(),
            params,
            path: input.path.clone(),
            querystring: input.querystring.clone(),
            header: input.header.clone(),
            failure,
        })
    }

    fn document(&self) -> Result<Option<&Json>, vtl::Error> {
        if let Some(document) = self.document.get() {
            return Ok(document.as_ref());
        }
        let parsed = match self.body.trim() {
            "" => None,
            text => match serde_json::from_str(text) {
                Ok(parsed) => Some(parsed),
                Err(error) => {
                    let message = error.to_string();
                    let message = self.failure.get_or_init(|| message);
                    return Err(vtl::Error::Evaluation(message.clone()));
                }
            },
        };
        Ok(self.document.get_or_init(|| parsed).as_ref())
    }

    fn find(&self, heap: &mut Heap, path: &str) -> Result<Option<Json>, vtl::Error> {
        heap.charge(self.body.len())?;
        let parsed = jsonpath::Path::parse(path).map_err(|error| vtl::Error::Evaluation(error.to_string()))?;
        match self.document()? {
            None => Ok(None),
            Some(document) => parsed.query(document).map_err(|error| vtl::Error::Evaluation(error.to_string())),
        }
    }
}

impl Host for Root {
    fn property(&self, heap: &mut Heap, name: &str) -> Result<Value, vtl::Error> {
        heap.charge(self.body.len())?;
        Ok(match name {
            // An empty body reads as an empty object.
            "body" if self.body.is_empty() => Value::text("{}"),
            "body" => Value::text(self.body.as_str()),
            _ => Value::Null,
        })
    }

    fn call(&self, heap: &mut Heap, name: &str, arguments: &[Value]) -> Result<Value, vtl::Error> {
        Ok(match (name, arguments) {
            ("path", [Value::Text(path)]) => match self.find(heap, path)? {
                Some(found) => heap.import(&found)?,
                None => Value::Null,
            },
            ("json", [Value::Text(path)]) => match self.find(heap, path)? {
                Some(found) => {
                    let text = found.to_string();
                    heap.charge(text.len())?;
                    Value::text(text)
                }
                None if self.body.trim().is_empty() && path.trim() == "$" => Value::text("{}"),
                None => Value::text("\"\""),
            },
            ("params", []) => self.params.clone(),
            // A path parameter hides a query parameter, which hides a header.
            ("params", [Value::Text(name)]) => {
                let header = || self.header.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                let found = self.path.get(&**name).or_else(|| self.querystring.get(&**name));
                // A parameter that is not there is an empty text, which templates compare with.
                Value::text(found.or_else(|| header().map(|(_, value)| value)).map_or("", String::as_str))
            }
            ("getBody", []) => self.property(heap, "body")?,
            _ => Value::Null,
        })
    }
}

/// `$util`.
struct Util;

impl Host for Util {
    fn property(&self, _: &mut Heap, _: &str) -> Result<Value, vtl::Error> {
        Ok(Value::Null)
    }

    fn call(&self, heap: &mut Heap, name: &str, arguments: &[Value]) -> Result<Value, vtl::Error> {
        let [argument] = arguments else { return Ok(Value::Null) };
        // Nothing converts to nothing, so that `#set` of it does not keep an older value.
        let text = if argument.is_null() { String::new() } else { heap.display(argument)? };
        let failed = |reason: String| vtl::Error::Method { method: name.to_owned(), reason };
        let made = match name {
            "escapeJavaScript" => escape_javascript(&text),
            "urlEncode" => url_encode(&text),
            "urlDecode" => percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned(),
            "base64Encode" => BASE64.encode(&text),
            "base64Decode" => {
                let bytes = BASE64.decode(text.trim()).map_err(|error| failed(error.to_string()))?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
            "parseJson" => {
                let parsed: Json = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
                return heap.import(&parsed);
            }
            _ => return Ok(Value::Null),
        };
        heap.charge(made.len())?;
        Ok(Value::text(made))
    }
}

/// Escapes for a JavaScript string: quotes of both kinds, slashes, and everything beyond printable ASCII.
fn escape_javascript(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for unit in text.encode_utf16() {
        match char::from_u32(u32::from(unit)) {
            Some('\u{8}') => out.push_str("\\b"),
            Some('\n') => out.push_str("\\n"),
            Some('\t') => out.push_str("\\t"),
            Some('\u{c}') => out.push_str("\\f"),
            Some('\r') => out.push_str("\\r"),
            Some(c @ ('\'' | '"' | '\\' | '/')) => out.extend(['\\', c]),
            Some(c @ ' '..='\u{7f}') => out.push(c),
            _ => out.push_str(&format!("\\u{unit:04X}")),
        }
    }
    out
}

/// Encodes as an HTML form does: a blank becomes `+`.
fn url_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(body: &str) -> Input {
        let pairs = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        Input {
            body: body.to_owned(),
            path: pairs("id", "7"),
            querystring: pairs("q", "a b"),
            header: pairs("Accept", "*/*"),
            context: json!({"stage": "v1", "identity": {"sourceIp": "127.0.0.1"}}),
            stage_variables: pairs("color", "red"),
        }
    }

    fn output(source: &str, body: &str) -> Result<Output, Error> {
        render(&Template::parse(source).map_err(Error::Template)?, &input(body))
    }

    fn text(source: &str, body: &str) -> String {
        output(source, body).unwrap().body
    }

    #[test]
    fn input_offers_body_and_parameters() {
        let body = r#"{"name":"Ann","tags":["x","y"],"in":{"z":1.0,"a":null}}"#;
        for (source, expected) in [
            ("$input.body", body),
            ("$input.json('$')", body),
            ("$input.json('$.tags')", r#"["x","y"]"#),
            ("$input.json('$.missing')", "\"\""),
            ("$input.json('$.name')", "\"Ann\""),
            ("[$input.path('$.missing')]", "[]"),
            ("$input.path('$.name')", "Ann"),
            ("$input.path('$.in')", "{z=1.0, a=null}"),
            ("$input.path('$').tags[1]", "y"),
            ("#foreach($t in $input.path('$.tags'))$t#if($foreach.hasNext),#end#end", "x,y"),
            ("$input.params('id') $input.params('q') $input.params('accept') $input.params('no')|", "7 a b */* |"),
            ("$input.params().path.id $input.params().querystring.get('q') $input.params().header.Accept", "7 a b */*"),
            ("#foreach($k in $input.params().keySet())$k;#end", "path;querystring;header;"),
            ("$context.stage $context.identity.sourceIp $context.nope|", "v1 127.0.0.1 |"),
            (
                "$stageVariables.color ${stageVariables.color} $stageVariables.get('color') $stageVariables['color']",
                "red red red red",
            ),
        ] {
            assert_eq!(text(source, body), expected, "{source}");
        }
    }

    #[test]
    fn util_converts() {
        for (source, expected) in [
            (r#"$util.escapeJavaScript("it's a ""b""/é")"#, r#"it\'s a \"b\"\/\u00E9"#),
            (r#"$util.escapeJavaScript("it's").replaceAll("\\'","'")"#, "it's"),
            ("$util.urlEncode('a b&ü')", "a+b%26%C3%BC"),
            ("$util.urlDecode('a+b%26')", "a b&"),
            ("$util.base64Encode('hello')", "aGVsbG8="),
            ("$util.base64Decode('aGVsbG8=')", "hello"),
            (r#"#set($o = $util.parseJson('{"a":[1,2]}'))$o.a[1]"#, "2"),
        ] {
            assert_eq!(text(source, ""), expected, "{source}");
        }
        assert!(output("$util.parseJson('{')", "").is_err());
    }

    #[test]
    fn an_empty_body_reads_as_an_empty_object() {
        assert_eq!(text("$input.body|$input.json('$')|$input.json('$.a')|$input.path('$.a')", ""), r#"{}|{}|""|"#);
    }

    #[test]
    fn a_body_that_is_not_json_matters_only_when_asked_for() {
        assert_eq!(text("$input.body", "plain"), "plain");
        assert!(matches!(output("$input.json('$')", "plain"), Err(Error::Body(_))));
    }

    #[test]
    fn overrides_are_handed_back() {
        let source = "#set($context.responseOverride.status = 418)\
             #set($context.responseOverride.header.X-Tea = \"$input.path('$.t')\")\
             #set($context.requestOverride.querystring.page = 2)ok";
        let output = output(source, r#"{"t":"green"}"#).unwrap();
        assert_eq!(output.body, "ok");
        assert_eq!(output.response_override, json!({"header": {"X-Tea": "green"}, "status": 418}));
        assert_eq!(output.request_override["querystring"], json!({"page": 2}));
    }

    /// Preflight templates that set the caller's origin, as deployment tools write them.
    #[test]
    fn a_missing_parameter_is_an_empty_text() {
        let source = r#"#set($origin = $input.params("Origin"))
#if($origin == "")
  #set($origin = $input.params("accept"))
#end
#if($origin.matches(".*"))
  #set($context.responseOverride.header.Access-Control-Allow-Origin = $origin)
#end"#;
        let overrides = output(source, "").unwrap().response_override;
        assert_eq!(overrides["header"], json!({"Access-Control-Allow-Origin": "*/*"}));
    }

    /// A block that prints whichever map is at hand, with values that may be null.
    #[test]
    fn a_defined_block_prints_many_maps() {
        let source = r##"#define( $loop ){#foreach($key in $map.keySet())#set( $k = $util.escapeJavaScript($key) )
#set( $v = $util.escapeJavaScript($map.get($key)).replaceAll("\\'", "'") )"$k":"$v"#if( $foreach.hasNext ),#end#end}#end
{"auth":#set( $map = $context.authorizer )$loop,
"header":#set( $map = $input.params().header )$loop,
"identity":#set( $map = $context.identity )$loop}"##;
        let mut input = input("");
        input.header = [("X".to_owned(), "it's".to_owned())].into();
        input.context = json!({"identity": {"sourceIp": "1.1.1.1", "user": null}});
        let made = render(&Template::parse(source).unwrap(), &input).unwrap().body;
        let made: Json = serde_json::from_str(&made).unwrap();
        let expected = json!({"auth": {}, "header": {"X": "it's"}, "identity": {"sourceIp": "1.1.1.1", "user": ""}});
        assert_eq!(made, expected);
    }

    /// The template that the console generates for "method request passthrough".
    #[test]
    fn the_consoles_passthrough_template_makes_json() {
        let source = r#"##  See https://docs.aws.amazon.com/apigateway
#set($allParams = $input.params())
{
"body-json" : $input.json('$'),
"params" : {
#foreach($type in $allParams.keySet())
    #set($params = $allParams.get($type))
"$type" : {
    #foreach($paramName in $params.keySet())
    "$paramName" : "$util.escapeJavaScript($params.get($paramName))"
        #if($foreach.hasNext),#end
    #end
}
    #if($foreach.hasNext),#end
#end
},
"stage-variables" : {
#foreach($key in $stageVariables.keySet())
"$key" : "$util.escapeJavaScript($stageVariables.get($key))"
    #if($foreach.hasNext),#end
#end
},
"context" : { "stage" : "$context.stage", "user" : "$context.identity.user" }
}
"#;
        let made: Json = serde_json::from_str(&text(source, r#"{"a":1}"#).replace("\\/", "/")).unwrap();
        assert_eq!(
            made,
            json!({
                "body-json": {"a": 1},
                "params": {"path": {"id": "7"}, "querystring": {"q": "a b"}, "header": {"Accept": "*/*"}},
                "stage-variables": {"color": "red"},
                "context": {"stage": "v1", "user": ""},
            })
        );
    }
}
