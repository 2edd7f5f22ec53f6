// A directory bucket through the JavaScript SDK, by path and by host name.
import http from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(process.env.TOOLS + '/package.json');
const s3 = require('@aws-sdk/client-s3');

const [endpoint, account, Bucket] = process.argv.slice(2);
// Not every machine knows the names below localhost.
const lookup = (_, options, done) =>
  options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
const client = new s3.S3Client({
  endpoint,
  region: 'us-east-1',
  credentials: { accessKeyId: account, secretAccessKey: 'x' },
  requestHandler: { httpAgent: new http.Agent({ lookup }) },
});
const send = (name, input) => client.send(new s3[`${name}Command`](input));

const Location = { Type: 'AvailabilityZone', Name: 'use1-az4' };
const kept = { Type: 'Directory', DataRedundancy: 'SingleAvailabilityZone' };
await send('CreateBucket', { Bucket, CreateBucketConfiguration: { Location, Bucket: kept } });
const { BucketLocationName: zone } = await send('HeadBucket', { Bucket });
await send('PutObject', { Bucket, Key: 'a', Body: 'hello' });
await send('CopyObject', { Bucket, Key: 'b', CopySource: `${Bucket}/a` });
await send('RenameObject', { Bucket, Key: 'c/d', RenameSource: `/${Bucket}/b` });
const { Body } = await send('GetObject', { Bucket, Key: 'c/d' });
const { Contents } = await send('ListObjectsV2', { Bucket });
const { Buckets } = await send('ListDirectoryBuckets', {});
for (const Key of ['a', 'c/d']) await send('DeleteObject', { Bucket, Key });
await send('DeleteBucket', { Bucket });
console.log(
  JSON.stringify({
    zone,
    body: await Body.transformToString(),
    keys: Contents.map((one) => one.Key),
    buckets: Buckets.map((one) => one.Name),
  }),
);
