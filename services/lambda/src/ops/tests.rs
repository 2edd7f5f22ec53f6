//! The operations against a real store and real functions, with stand-ins for the rest of the cloud.

mod bench;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lambda_api::*;
use service::{ApiError, Timestamp};

use crate::package::tests::archive;
use bench::{Bench, ROLE, START};

const ECHO: &str = "def handler(event, context):\n    print('got', event)\n    return event\n";

fn create(name: &str, source: &str) -> CreateFunctionRequest {
    CreateFunctionRequest {
        function_name: name.into(),
        runtime: Some("python3.11".into()),
        role: ROLE.into(),
        handler: Some("app.handler".into()),
        code: FunctionCode { zip_file: Some(archive(&[("app.py", source)]).into()), ..FunctionCode::default() },
        timeout: Some(10),
        ..CreateFunctionRequest::default()
    }
}

fn invoke(name: &str, payload: &str) -> InvocationRequest {
    InvocationRequest {
        function_name: name.into(),
        payload: Some(payload.to_owned().into()),
        log_type: Some(LogType::Tail),
        ..InvocationRequest::default()
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, ApiError>) -> (u16, String, String) {
    let error = result.unwrap_err();
    (error.status, error.code, error.message)
}

#[tokio::test]
async fn a_function_from_creation_to_deletion() {
    let bench = Bench::new();
    let created = bench.call::<CreateFunction>(create("f", ECHO)).await.unwrap();
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    assert_eq!(created.function_arn.as_deref(), Some(arn));
    assert_eq!(created.version.as_deref(), Some("$LATEST"));
    assert_eq!((created.timeout, created.memory_size), (Some(10), Some(128)));
    assert_eq!(created.state, Some(State::Pending));
    assert_eq!(created.last_modified.as_deref(), Some("2026-01-01T00:00:00.000+0000"));

    let got =
        bench.call::<GetFunction>(GetFunctionRequest { function_name: "f".into(), qualifier: None }).await.unwrap();
    let configuration = got.configuration.unwrap();
    assert_eq!(
        (configuration.state, configuration.last_update_status),
        (Some(State::Active), Some(LastUpdateStatus::Successful))
    );
    assert_eq!(configuration.revision_id, created.revision_id);

    let location = got.code.unwrap().location.unwrap();
    let (status, package) = bench.fetch(&location).await;
    assert_eq!((status, package), (200, archive(&[("app.py", ECHO)])));
    let forged = location.replace("expires=1", "expires=2");
    assert_eq!(bench.fetch(&forged).await.0, 403);

    let answer = bench.call::<Invoke>(invoke("f", "{\"a\":1}")).await.unwrap();
    assert_eq!((answer.status_code, answer.function_error), (Some(200), None));
    assert_eq!(answer.payload.as_deref(), Some(&b"{\"a\": 1}"[..]));
    assert_eq!(answer.executed_version.as_deref(), Some("$LATEST"));
    let log = String::from_utf8(BASE64_STANDARD.decode(answer.log_result.unwrap()).unwrap()).unwrap();
    assert!(log.contains("\ngot {'a': 1}\nEND RequestId: ") && log.contains("\tInit Duration: "), "{log}");

    let code = UpdateFunctionCodeRequest {
        function_name: "f".into(),
        zip_file: Some(archive(&[("app.py", "def handler(event, context):\n    return 'new'\n")]).into()),
        ..UpdateFunctionCodeRequest::default()
    };
    let updated = bench.call::<UpdateFunctionCode>(code).await.unwrap();
    assert_ne!(updated.code_sha256, created.code_sha256);
    assert_eq!(updated.last_update_status, Some(LastUpdateStatus::InProgress));
    let answer = bench.call::<Invoke>(invoke("f", "{}")).await.unwrap();
    assert_eq!(answer.payload.as_deref(), Some(&b"\"new\""[..]));

    let request = DeleteFunctionRequest { function_name: "f".into(), qualifier: None };
    assert_eq!(bench.call::<DeleteFunction>(request.clone()).await.unwrap().status_code, Some(204));
    let message = format!("Function not found: {arn}");
    assert_eq!(
        refused(bench.call::<DeleteFunction>(request).await),
        (404, "ResourceNotFoundException".into(), message.clone())
    );
    assert_eq!(
        refused(bench.call::<Invoke>(invoke("f", "{}")).await),
        (404, "ResourceNotFoundException".into(), message)
    );
}

#[tokio::test]
async fn the_function_has_its_role_and_variables() {
    let bench = Bench::new();
    let source = "import os\ndef handler(event, context):\n    return {k: os.environ[k] for k in ('AWS_ACCESS_KEY_ID', 'AWS_REGION', 'COLOUR', 'AWS_LAMBDA_FUNCTION_NAME')}\n";
    let variables = [("COLOUR".to_owned(), "blue".to_owned())].into_iter().collect();
    let request =
        CreateFunctionRequest { environment: Some(Environment { variables: Some(variables) }), ..create("f", source) };
    bench.call::<CreateFunction>(request).await.unwrap();
    let answer = bench.call::<Invoke>(invoke("f", "{}")).await.unwrap();
    let seen: serde_json::Value = serde_json::from_slice(&answer.payload.unwrap()).unwrap();
    let expected = serde_json::json!({
        "AWS_ACCESS_KEY_ID": "ASIA-works/f", "AWS_REGION": "us-east-1", "COLOUR": "blue", "AWS_LAMBDA_FUNCTION_NAME": "f",
    });
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn creation_is_refused_in_the_words_of_aws() {
    let bench = Bench::new();
    let invalid = |message: &str| (400, "InvalidParameterValueException".to_owned(), message.to_owned());
    let try_create = |request| async { refused(bench.call::<CreateFunction>(request).await) };

    let zip = |bytes: &'static [u8]| FunctionCode { zip_file: Some(bytes.into()), ..FunctionCode::default() };
    let request = CreateFunctionRequest { code: zip(b"no zip"), ..create("f", ECHO) };
    assert_eq!(
        try_create(request).await,
        invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
    );
    let request = CreateFunctionRequest { handler: None, ..create("f", ECHO) };
    assert_eq!(
        try_create(request).await,
        invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    );
    for role in ["arn:aws:iam::000000000000:role/none", "arn:aws:iam::000000000000:role/untrusting"] {
        let request = CreateFunctionRequest { role: role.into(), ..create("f", ECHO) };
        assert_eq!(
            try_create(request).await,
            invalid("The role defined for the function cannot be assumed by Lambda.")
        );
    }
    let variables = [("AWS_REGION".to_owned(), "x".to_owned())].into_iter().collect();
    let request =
        CreateFunctionRequest { environment: Some(Environment { variables: Some(variables) }), ..create("f", ECHO) };
    assert!(try_create(request).await.2.ends_with("Reserved keys used in this request: AWS_REGION"));
    let request = CreateFunctionRequest { runtime: Some("ruby3.3".into()), ..create("f", ECHO) };
    assert_eq!(try_create(request).await.0, 501);
    let request = GetFunctionRequest { function_name: "f".into(), qualifier: None };
    assert_eq!(refused(bench.call::<GetFunction>(request).await).0, 404, "nothing was created");

    bench.call::<CreateFunction>(create("f", ECHO)).await.unwrap();
    let expected = (409, "ResourceConflictException".to_owned(), "Function already exist: f".to_owned());
    assert_eq!(try_create(create("f", ECHO)).await, expected);
}

#[tokio::test]
async fn payloads_are_checked() {
    let bench = Bench::new();
    bench.call::<CreateFunction>(create("f", ECHO)).await.unwrap();
    let (status, code, message) = refused(bench.call::<Invoke>(invoke("f", "{nope")).await);
    assert_eq!((status, code.as_str()), (400, "InvalidRequestContentException"));
    assert!(message.starts_with("Could not parse request body into json"), "{message}");
    let large = format!("\"{}\"", "x".repeat(6_291_455));
    let (status, code, message) = refused(bench.call::<Invoke>(invoke("f", &large)).await);
    assert_eq!((status, code.as_str()), (413, "RequestTooLargeException"));
    assert_eq!(message, "Request must be smaller than 6291456 bytes for the InvokeFunction operation");
    let dry = InvocationRequest { invocation_type: Some(InvocationType::DryRun), ..invoke("f", "{}") };
    assert_eq!(bench.call::<Invoke>(dry).await.unwrap().status_code, Some(204));
}

#[tokio::test]
async fn versions_stay_and_aliases_move() {
    let bench = Bench::new();
    let request = CreateFunctionRequest { publish: Some(true), ..create("f", "def handler(e, c):\n    return 1\n") };
    let created = bench.call::<CreateFunction>(request).await.unwrap();
    assert_eq!(created.version.as_deref(), Some("1"));
    let publish = || PublishVersionRequest { function_name: "f".into(), ..PublishVersionRequest::default() };
    let same = bench.call::<PublishVersion>(publish()).await.unwrap();
    assert_eq!(same.version.as_deref(), Some("1"), "nothing has changed");
    let alias = CreateAliasRequest {
        function_name: "f".into(),
        name: "live".into(),
        function_version: "1".into(),
        ..CreateAliasRequest::default()
    };
    bench.call::<CreateAlias>(alias.clone()).await.unwrap();
    assert_eq!(refused(bench.call::<CreateAlias>(alias).await).1, "ResourceConflictException");

    let code = UpdateFunctionCodeRequest {
        function_name: "f".into(),
        zip_file: Some(archive(&[("app.py", "def handler(e, c):\n    return 2\n")]).into()),
        ..UpdateFunctionCodeRequest::default()
    };
    bench.call::<UpdateFunctionCode>(code).await.unwrap();
    let second = bench.call::<PublishVersion>(publish()).await.unwrap();
    assert_eq!(second.function_arn.as_deref(), Some("arn:aws:lambda:us-east-1:000000000000:function:f:2"));
    let answer = |name: &'static str| async { bench.call::<Invoke>(invoke(name, "{}")).await.unwrap() };
    assert_eq!(answer("f:live").await.payload.as_deref(), Some(&b"1"[..]));
    assert_eq!(answer("f").await.payload.as_deref(), Some(&b"2"[..]));
    let update = UpdateAliasRequest {
        function_name: "f".into(),
        name: "live".into(),
        function_version: Some("2".into()),
        ..UpdateAliasRequest::default()
    };
    bench.call::<UpdateAlias>(update).await.unwrap();
    let live = answer("f:live").await;
    assert_eq!((live.payload.as_deref(), live.executed_version.as_deref()), (Some(&b"2"[..]), Some("2")));

    let list = ListVersionsByFunctionRequest { function_name: "f".into(), ..ListVersionsByFunctionRequest::default() };
    let versions = bench.call::<ListVersionsByFunction>(list).await.unwrap().versions.unwrap();
    let versions: Vec<_> = versions.into_iter().map(|version| version.version.unwrap()).collect();
    assert_eq!(versions, ["$LATEST", "1", "2"]);
    let delete = |version: &str| DeleteFunctionRequest { function_name: "f".into(), qualifier: Some(version.into()) };
    assert_eq!(refused(bench.call::<DeleteFunction>(delete("2")).await).1, "ResourceConflictException");
    bench.call::<DeleteFunction>(delete("1")).await.unwrap();
    assert_eq!(refused(bench.call::<Invoke>(invoke("f:1", "{}")).await).1, "ResourceNotFoundException");
}

#[tokio::test]
async fn permissions_are_a_policy() {
    let bench = Bench::new();
    bench.call::<CreateFunction>(create("f", ECHO)).await.unwrap();
    let get = || GetPolicyRequest { function_name: "f".into(), qualifier: None };
    assert_eq!(refused(bench.call::<GetPolicy>(get()).await).0, 404);
    let add = AddPermissionRequest {
        function_name: "f".into(),
        statement_id: "api".into(),
        action: "lambda:InvokeFunction".into(),
        principal: "apigateway.amazonaws.com".into(),
        ..AddPermissionRequest::default()
    };
    let added = bench.call::<AddPermission>(add).await.unwrap();
    let policy = bench.call::<GetPolicy>(get()).await.unwrap().policy.unwrap();
    assert!(policy.contains(&added.statement.unwrap()), "{policy}");
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    assert!(bench.resource_policy(arn).is_some());
    assert!(bench.resource_policy(&format!("{arn}:live")).is_none());
    let remove = RemovePermissionRequest {
        function_name: "f".into(),
        statement_id: "api".into(),
        ..RemovePermissionRequest::default()
    };
    bench.call::<RemovePermission>(remove).await.unwrap();
    assert!(bench.resource_policy(arn).is_none());
}

#[tokio::test]
async fn lists_go_page_by_page() {
    let bench = Bench::new();
    for name in ["a", "b", "c"] {
        bench.call::<CreateFunction>(create(name, ECHO)).await.unwrap();
    }
    let list = |marker| ListFunctionsRequest { max_items: Some(2), marker, ..ListFunctionsRequest::default() };
    let names = |page: &ListFunctionsResponse| -> Vec<String> {
        page.functions.iter().flatten().map(|function| function.function_name.clone().unwrap()).collect()
    };
    let first = bench.call::<ListFunctions>(list(None)).await.unwrap();
    assert_eq!(names(&first), ["a", "b"]);
    let second = bench.call::<ListFunctions>(list(first.next_marker)).await.unwrap();
    assert_eq!((names(&second), second.next_marker), (vec!["c".to_owned()], None));
}

#[tokio::test]
async fn logs_are_written_as_the_role() {
    let bench = Bench::new();
    bench.call::<CreateFunction>(create("f", ECHO)).await.unwrap();
    bench.call::<Invoke>(invoke("f", "{}")).await.unwrap();
    let written = bench.logs(4).await;
    assert!(
        written.iter().all(|(stream, _)| stream.starts_with("works/f /aws/lambda/f 2026/01/01/[$LATEST]")),
        "{written:?}"
    );
    let messages: Vec<&str> = written.iter().map(|(_, message)| message.as_str()).collect();
    assert!(messages.contains(&"got {}\n"), "{messages:?}");
}

#[tokio::test]
async fn an_event_that_fails_is_tried_three_times() {
    let bench = Bench::new();
    bench
        .call::<CreateFunction>(create("f", "def handler(event, context):\n    raise ValueError(event)\n"))
        .await
        .unwrap();
    let event = InvocationRequest { invocation_type: Some(InvocationType::Event), ..invoke("f", "\"x\"") };
    assert_eq!(bench.call::<Invoke>(event).await.unwrap().status_code, Some(202));
    bench.starts(1).await;
    assert_eq!(bench.waiting_until(1).await, START + 60_000);
    bench.advance(60_000);
    bench.starts(2).await;
    assert_eq!(bench.waiting_until(2).await, START + 180_000);
    bench.advance(120_000);
    bench.starts(3).await;
    bench.no_events().await;
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let bench = Bench::new();
    bench.call::<CreateFunction>(create("f", ECHO)).await.unwrap();
    let event = crate::store::Event {
        request_id: "accepted-before".into(),
        account: bench::ACCOUNT.into(),
        region: "us-east-1".into(),
        name: "f".into(),
        payload: "{}".into(),
        ..crate::store::Event::default()
    };
    let record = service::to_record(&event).unwrap();
    // A queue that nobody has started: the server stops between accepting the event and running it.
    let queue = crate::events::queue();
    bench.cloud.store.write(|tx| queue.schedule(tx, "job", Timestamp::from_millis(START), record)).unwrap();
    let bench = bench.restart();
    bench.starts(1).await;
    bench.no_events().await;
    let answer = bench.call::<Invoke>(invoke("f", "7")).await.unwrap();
    assert_eq!(answer.payload.as_deref(), Some(&b"7"[..]));
    assert!(bench.cloud.clock.now() == Timestamp::from_millis(START));
}

#[tokio::test]
async fn layers_are_shared_and_outlive_their_deletion() {
    let bench = Bench::new();
    let publish = |text: &str| PublishLayerVersionRequest {
        layer_name: "shared".into(),
        content: LayerVersionContentInput {
            zip_file: Some(archive(&[("python/common.py", text)]).into()),
            ..LayerVersionContentInput::default()
        },
        ..PublishLayerVersionRequest::default()
    };
    let first = bench.call::<PublishLayerVersion>(publish("VALUE = 1\n")).await.unwrap();
    let arn = "arn:aws:lambda:us-east-1:000000000000:layer:shared:1";
    assert_eq!(first.layer_version_arn.as_deref(), Some(arn));
    bench.call::<PublishLayerVersion>(publish("VALUE = 2\n")).await.unwrap();

    let source = "import common\ndef handler(event, context):\n    return common.VALUE\n";
    let request = CreateFunctionRequest { layers: Some(vec![arn.into()]), ..create("f", source) };
    let created = bench.call::<CreateFunction>(request).await.unwrap();
    assert_eq!(created.layers.unwrap()[0].arn.as_deref(), Some(arn));
    let request = CreateFunctionRequest { layers: Some(vec![format!("{arn}0")]), ..create("g", source) };
    let missing = refused(bench.call::<CreateFunction>(request).await);
    assert_eq!(missing.2, format!("Layer version {arn}0 does not exist."));

    let delete = DeleteLayerVersionRequest { layer_name: "shared".into(), version_number: 1 };
    bench.call::<DeleteLayerVersion>(delete).await.unwrap();
    let bench = bench.restart();
    assert_eq!(bench.call::<Invoke>(invoke("f", "{}")).await.unwrap().payload.as_deref(), Some(&b"1"[..]));
    let change = UpdateFunctionConfigurationRequest {
        function_name: "f".into(),
        layers: Some(vec!["arn:aws:lambda:us-east-1:000000000000:layer:shared:2".into()]),
        ..UpdateFunctionConfigurationRequest::default()
    };
    bench.call::<UpdateFunctionConfiguration>(change).await.unwrap();
    assert_eq!(bench.call::<Invoke>(invoke("f", "{}")).await.unwrap().payload.as_deref(), Some(&b"2"[..]));

    let listed = bench.call::<ListLayers>(ListLayersRequest::default()).await.unwrap().layers.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].latest_matching_version.as_ref().unwrap().version, Some(2));
    let list = ListLayerVersionsRequest { layer_name: "shared".into(), ..ListLayerVersionsRequest::default() };
    let versions = bench.call::<ListLayerVersions>(list).await.unwrap().layer_versions.unwrap();
    assert_eq!(versions.iter().map(|version| version.version.unwrap()).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn urls_lead_to_functions() {
    let bench = Bench::new();
    let source = "def handler(event, context):\n    return {'statusCode': 201, 'body': event['rawPath'] + event['queryStringParameters']['q']}\n";
    bench.call::<CreateFunction>(create("f", source)).await.unwrap();
    let request = CreateFunctionUrlConfigRequest {
        function_name: "f".into(),
        auth_type: FunctionUrlAuthType::None,
        ..CreateFunctionUrlConfigRequest::default()
    };
    let created = bench.call::<CreateFunctionUrlConfig>(request.clone()).await.unwrap();
    assert_eq!(refused(bench.call::<CreateFunctionUrlConfig>(request).await).1, "ResourceConflictException");
    let link = format!("{}a/b?q=c", created.function_url);
    assert_eq!(bench.fetch(&link).await, (201, b"/a/bc".to_vec()));
    let update = UpdateFunctionUrlConfigRequest {
        function_name: "f".into(),
        auth_type: Some(FunctionUrlAuthType::AwsIam),
        ..UpdateFunctionUrlConfigRequest::default()
    };
    bench.call::<UpdateFunctionUrlConfig>(update).await.unwrap();
    assert_eq!(bench.fetch(&link).await.0, 403, "not signed");
    bench
        .call::<DeleteFunctionUrlConfig>(DeleteFunctionUrlConfigRequest { function_name: "f".into(), qualifier: None })
        .await
        .unwrap();
    assert_eq!(bench.fetch(&link).await.0, 404);
}

#[tokio::test]
async fn reserved_concurrency_throttles() {
    let bench = Bench::new();
    bench.call::<CreateFunction>(create("f", ECHO)).await.unwrap();
    let put = |reserved| PutFunctionConcurrencyRequest {
        function_name: "f".into(),
        reserved_concurrent_executions: reserved,
    };
    assert_eq!(refused(bench.call::<PutFunctionConcurrency>(put(901)).await).0, 400);
    bench.call::<PutFunctionConcurrency>(put(0)).await.unwrap();
    let (status, code, message) = refused(bench.call::<Invoke>(invoke("f", "{}")).await);
    assert_eq!((status, code.as_str(), message.as_str()), (429, "TooManyRequestsException", "Rate Exceeded."));
    bench
        .call::<DeleteFunctionConcurrency>(DeleteFunctionConcurrencyRequest { function_name: "f".into() })
        .await
        .unwrap();
    assert!(bench.call::<Invoke>(invoke("f", "{}")).await.is_ok());
}
