//! What becomes of bodies: files come and go with the objects that refer to them. And which operation a path is for.

use futures_util::StreamExt as _;
use s3_api::{
    AbortMultipartUpload, AbortMultipartUploadRequest, CopyObject, CopyObjectRequest, CreateMultipartUpload,
    CreateMultipartUploadRequest, DeleteBucket, DeleteBucketRequest, HeadObject, HeadObjectRequest, ListParts,
    ListPartsRequest, PutObject, PutObjectRequest, UploadPart, UploadPartRequest,
};
use service::{ByteStream, Bytes, Service as _};
use wire::StreamError;

use crate::testing::Bench;

const LARGE: usize = 1_000_000;

fn body(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

async fn read(bench: &Bench, key: &str) -> Vec<u8> {
    bench.open(key).await.unwrap().collect(usize::MAX).await.unwrap().to_vec()
}

#[tokio::test]
async fn small_bodies_lie_in_the_store_and_large_ones_in_files() {
    let bench = Bench::new().await;
    bench.put("small", body(65_536)).await;
    assert_eq!(bench.files().len(), 0);
    bench.put("large", body(LARGE)).await;
    assert_eq!(bench.files().len(), 1);
    assert_eq!(read(&bench, "small").await, body(65_536));
    assert_eq!(read(&bench, "large").await, body(LARGE));
    bench.put("large", body(70_000)).await;
    assert_eq!((bench.files().len(), read(&bench, "large").await), (1, body(70_000)));
    bench.delete("large").await;
    assert_eq!(bench.files().len(), 0);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing() {
    let bench = Bench::new().await;
    let broken = StreamError { code: "IncompleteBody", message: String::new() };
    let pieces = vec![Ok(Bytes::from(body(LARGE))), Err(broken)];
    let request = PutObjectRequest {
        bucket: "bucket".into(),
        key: "k".into(),
        content_length: Some(LARGE as i64 * 2),
        body: Some(ByteStream::new(futures_util::stream::iter(pieces), None)),
        ..Default::default()
    };
    assert_eq!(bench.error::<PutObject>(request).await, "IncompleteBody");
    assert_eq!(bench.files().len(), 0);
    assert_eq!(bench.open("k").await.unwrap_err().code, "NoSuchKey");
}

#[tokio::test]
async fn a_write_that_is_refused_leaves_the_object_before() {
    let bench = Bench::new().await;
    bench.put("k", body(LARGE)).await;
    let request = PutObjectRequest {
        bucket: "bucket".into(),
        key: "k".into(),
        body: Some(ByteStream::from(Bytes::from(body(LARGE + 1)))),
        if_none_match: Some("*".into()),
        ..Default::default()
    };
    assert_eq!(bench.error::<PutObject>(request).await, "PreconditionFailed");
    assert_eq!((bench.files().len(), read(&bench, "k").await), (1, body(LARGE)));
}

#[tokio::test]
async fn a_reader_keeps_what_it_reads() {
    let bench = Bench::new().await;
    bench.put("k", body(LARGE)).await;
    let opened = bench.open("k").await.unwrap();
    bench.put("k", body(3)).await;
    assert_eq!(bench.files().len(), 1);
    assert_eq!(opened.collect(usize::MAX).await.unwrap().to_vec(), body(LARGE));
    drop(opened);
    assert_eq!(bench.files().len(), 0);
    assert_eq!(read(&bench, "k").await, body(3));
}

#[tokio::test]
async fn a_changed_file_is_noticed() {
    let bench = Bench::new().await;
    bench.put("k", body(LARGE)).await;
    let path = bench.files().remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[LARGE - 1] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let mut stream = bench.open("k").await.unwrap().take();
    let mut last = None;
    while let Some(chunk) = stream.next().await {
        last = Some(chunk);
    }
    assert_eq!(last.unwrap().unwrap_err().code, "InternalError");
}

#[tokio::test]
async fn what_a_stop_left_behind_is_swept() {
    let bench = Bench::new().await;
    bench.put("k", body(LARGE)).await;
    let kept = bench.files();
    let folder = bench.folder.path().join("s3");
    std::fs::create_dir_all(folder.join("tmp")).unwrap();
    std::fs::create_dir_all(folder.join("ab")).unwrap();
    std::fs::write(folder.join("tmp/half"), "half").unwrap();
    std::fs::write(folder.join("ab/abcdef"), "nobody's").unwrap();
    bench.s3.start(&bench.cloud);
    while bench.files() != kept {
        std::thread::yield_now();
    }
    assert_eq!(read(&bench, "k").await, body(LARGE));
}

#[tokio::test]
async fn copies_stand_for_themselves() {
    let bench = Bench::new().await;
    bench.put("a", body(LARGE)).await;
    let request = CopyObjectRequest {
        bucket: "bucket".into(),
        key: "b".into(),
        copy_source: "/bucket/a".into(),
        ..Default::default()
    };
    bench.ok::<CopyObject>(request).await;
    bench.delete("a").await;
    assert_eq!((bench.files().len(), read(&bench, "b").await), (1, body(LARGE)));
}

#[tokio::test]
async fn times_have_whole_seconds() {
    let bench = Bench::new().await;
    bench.put("k", body(1)).await;
    let request = HeadObjectRequest { bucket: "bucket".into(), key: "k".into(), ..Default::default() };
    assert_eq!(bench.ok::<HeadObject>(request).await.last_modified.unwrap().millis(), 1_700_000_000_000);
}

#[tokio::test]
async fn parts_go_with_their_upload() {
    let bench = Bench::new().await;
    let (bucket, key) = ("bucket".to_owned(), "k".to_owned());
    let begin = || CreateMultipartUploadRequest { bucket: bucket.clone(), key: key.clone(), ..Default::default() };
    for abort in [true, false] {
        let upload_id = bench.ok::<CreateMultipartUpload>(begin()).await.upload_id.unwrap();
        for _ in 0..2 {
            let part = UploadPartRequest {
                bucket: bucket.clone(),
                key: key.clone(),
                upload_id: upload_id.clone(),
                part_number: 1,
                body: Some(ByteStream::from(Bytes::from(body(LARGE)))),
                ..Default::default()
            };
            bench.ok::<UploadPart>(part).await;
        }
        assert_eq!(bench.files().len(), 1);
        if abort {
            let request = AbortMultipartUploadRequest {
                bucket: bucket.clone(),
                key: key.clone(),
                upload_id: upload_id.clone(),
                ..Default::default()
            };
            bench.ok::<AbortMultipartUpload>(request).await;
        } else {
            bench.ok::<DeleteBucket>(DeleteBucketRequest { bucket: bucket.clone(), ..Default::default() }).await;
        }
        assert_eq!(bench.files().len(), 0);
        let list = ListPartsRequest { bucket: bucket.clone(), key: key.clone(), upload_id, ..Default::default() };
        assert_eq!(bench.error::<ListParts>(list).await, if abort { "NoSuchUpload" } else { "NoSuchBucket" });
    }
}

#[tokio::test]
async fn a_reset_forgets_bodies() {
    let bench = Bench::new().await;
    bench.put("k", body(LARGE)).await;
    bench.cloud.reset().unwrap();
    assert_eq!(bench.files().len(), 0);
}

#[test]
fn what_a_request_has_tells_operations_of_one_path_apart() {
    let router = wire::protocol::Router::new(&s3_api::SERVICE_MODEL);
    let route = |method: &str, query: &str, header: Option<&'static str>| {
        let mut headers = http::HeaderMap::new();
        headers.extend(header.map(|name| (http::HeaderName::from_static(name), http::HeaderValue::from_static("x"))));
        let query = wire::rest::parse_query(query);
        router.route(method, "/bucket/key", &query, &headers).unwrap().0.name
    };
    let source = Some("x-amz-copy-source");
    assert_eq!(route("PUT", "", None), "PutObject");
    assert_eq!(route("PUT", "", source), "CopyObject");
    assert_eq!(route("PUT", "partNumber=1&uploadId=a", None), "UploadPart");
    assert_eq!(route("PUT", "partNumber=1&uploadId=a", source), "UploadPartCopy");
    assert_eq!(route("PUT", "tagging", None), "PutObjectTagging");
    assert_eq!(route("GET", "", None), "GetObject");
    assert_eq!(route("GET", "uploadId=a", None), "ListParts");
    assert_eq!(route("DELETE", "", None), "DeleteObject");
    assert_eq!(route("DELETE", "uploadId=a", None), "AbortMultipartUpload");
    assert_eq!(route("POST", "uploads", None), "CreateMultipartUpload");
    assert_eq!(route("POST", "uploadId=a", None), "CompleteMultipartUpload");
}
