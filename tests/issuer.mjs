// A minimal OpenID Connect issuer: serves its discovery document and keys, prints one token for each line of claims on
// standard input. The first line it prints is its address.
import { createServer } from 'node:http';
import { createSign, generateKeyPairSync } from 'node:crypto';
import { createInterface } from 'node:readline';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256', use: 'sig' };
const server = createServer((request, response) => {
    const base = `http://${request.headers.host}`;
    const body = request.url === '/keys' ? { keys: [key] } : { issuer: base, jwks_uri: `${base}/keys` };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(body));
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
createInterface({ input: process.stdin })
    .on('line', (line) => {
        const signed = `${part({ alg: 'RS256', kid: 'one' })}.${part(JSON.parse(line))}`;
        console.log(`${signed}.${createSign('RSA-SHA256').update(signed).sign(privateKey, 'base64url')}`);
    })
    .on('close', () => server.close());
