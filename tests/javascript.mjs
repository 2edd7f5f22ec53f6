// Drives the cloud with the AWS SDK for JavaScript v3: node javascript.mjs ENDPOINT ACCOUNT
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(pathToFileURL(`${process.env.TOOLS}/`));
const { STSClient, GetCallerIdentityCommand } = require('@aws-sdk/client-sts');
const { DynamoDBClient, CreateTableCommand, DescribeTableCommand } = require('@aws-sdk/client-dynamodb');
const { DynamoDBDocumentClient, PutCommand, GetCommand } = require('@aws-sdk/lib-dynamodb');

const [, , endpoint, account] = process.argv;
const config = { endpoint, region: 'us-east-1', credentials: { accessKeyId: account, secretAccessKey: 'x' }, maxAttempts: 1 };

const identity = await new STSClient(config).send(new GetCallerIdentityCommand({}));
const client = new DynamoDBClient(config);
await client.send(new CreateTableCommand({
    TableName: 'people',
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    BillingMode: 'PAY_PER_REQUEST',
}));
const documents = DynamoDBDocumentClient.from(client);
await documents.send(new PutCommand({ TableName: 'people', Item: { id: '1', name: 'Kim', tags: new Set(['a', 'b']), age: 3.5 } }));
const { Item } = await documents.send(new GetCommand({ TableName: 'people', Key: { id: '1' } }));
let error = '';
try {
    await client.send(new DescribeTableCommand({ TableName: 'nothing' }));
} catch (caught) {
    error = caught.name;
}
console.log(JSON.stringify({ account: identity.Account, name: Item.name, error }));
