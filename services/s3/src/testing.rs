//! A cloud for the tests of operations, where everything is allowed. Bodies lie in a folder of the test's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use service::{
    ApiError, ByteStream, Bytes, Clock, Cloud, Context, Implements, Operation, Parts, Random, Service, Store,
    Timestamp, testing,
};

use crate::S3;

pub struct Bench {
    pub s3: Arc<S3>,
    pub cloud: Arc<Cloud>,
    pub folder: tempfile::TempDir,
}

impl Bench {
    /// A cloud with the bucket `bucket`.
    pub async fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::frozen(Timestamp::from_millis(1_700_000_000_789));
        let cloud = Cloud::new(Store::memory(), clock, Random::seeded(1), testing::config(folder.path()));
        let s3 = Arc::new(S3::default());
        let services: BTreeMap<&'static str, Arc<dyn Service>> = [("s3", s3.clone() as Arc<dyn Service>)].into();
        let parts = Parts { services, directory: Arc::new(testing::Unchecked), stages: Arc::new(testing::Unchecked) };
        cloud.assemble(parts);
        s3.start(&cloud);
        let bench = Bench { s3, cloud, folder };
        let request = s3_api::CreateBucketRequest { bucket: "bucket".into(), ..Default::default() };
        bench.ok::<s3_api::CreateBucket>(request).await;
        bench
    }

    pub fn cx(&self) -> Context {
        testing::root(&self.cloud)
    }

    pub async fn call<O: Operation>(&self, input: O::Input) -> Result<O::Output, ApiError>
    where
        S3: Implements<O>,
    {
        let cx = self.cx();
        Implements::<O>::access(&*self.s3, &cx, &input)?;
        Implements::<O>::call(&*self.s3, &cx, input).await
    }

    pub async fn ok<O: Operation>(&self, input: O::Input) -> O::Output
    where
        S3: Implements<O>,
    {
        self.call::<O>(input).await.unwrap_or_else(|error| panic!("{}: {error:?}", O::MODEL.name))
    }

    /// The code of a call that must fail.
    pub async fn error<O: Operation>(&self, input: O::Input) -> String
    where
        S3: Implements<O>,
    {
        match self.call::<O>(input).await {
            Ok(_) => panic!("{} succeeded", O::MODEL.name),
            Err(error) => error.code,
        }
    }

    pub async fn put(&self, key: &str, body: Vec<u8>) -> s3_api::PutObjectOutput {
        let body = Some(ByteStream::from(Bytes::from(body)));
        let request = s3_api::PutObjectRequest { bucket: "bucket".into(), key: key.into(), body, ..Default::default() };
        self.ok::<s3_api::PutObject>(request).await
    }

    pub async fn open(&self, key: &str) -> Result<ByteStream, ApiError> {
        let request = s3_api::GetObjectRequest { bucket: "bucket".into(), key: key.into(), ..Default::default() };
        Ok(self.call::<s3_api::GetObject>(request).await?.body.unwrap_or_default())
    }

    pub async fn delete(&self, key: &str) {
        let request = s3_api::DeleteObjectRequest { bucket: "bucket".into(), key: key.into(), ..Default::default() };
        self.ok::<s3_api::DeleteObject>(request).await;
    }

    /// The files of bodies, temporary ones too.
    pub fn files(&self) -> Vec<std::path::PathBuf> {
        let folders = std::fs::read_dir(self.folder.path().join("s3")).into_iter().flatten().flatten();
        let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten());
        files.map(|file| file.path()).collect()
    }
}
