// Loads a Node.js handler and answers invocations through the Lambda Runtime API.
//
// A handler may be CommonJS or ESM, asynchronous or with a callback, or one that streams (stream.cjs). What console.* writes
// goes out as whole records (logs.cjs). With WELKIN_ASSIGNMENT the process starts before its function is known and is told later.
'use strict';

const http = require('node:http');
const fs = require('node:fs');
const path = require('node:path');
const util = require('node:util');
const { pathToFileURL } = require('node:url');
const logs = require('./logs.cjs');
const streaming = require('./stream.cjs');

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
let requestId;
// The response that is being streamed.
let responding;

globalThis.awslambda = { streamifyResponse: streaming.streamifyResponse, HttpResponseStream: streaming.HttpResponseStream };

// ---- The Runtime API

function call(method, where, body, headers) {
  return new Promise((resolve, reject) => {
    const options = { host, port, agent, method, path: '/2018-06-01/' + where, headers: { ...headers } };
    if (body !== undefined) options.headers['content-length'] = Buffer.byteLength(body);
    const request = http.request(options, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

function postError(where, error) {
  const type = String(typeOf(error)).replace(/[^\x20-\x7e]/g, '');
  const body = JSON.stringify(shape(error, 'trace'));
  if (responding?.begun) return responding.fail(type, body);
  return call('POST', where, body, { 'content-type': 'application/json', 'lambda-runtime-function-error-type': type });
}

// The SDK tells every function that its Node.js will be too old one day; the machine's owner decides that, not the function.
const [printWarning] = process.listeners('warning');
process.removeAllListeners('warning');
process.on('warning', (warning) => {
  if (!String(warning.message).startsWith('NodeVersionSupportWarning')) printWarning?.(warning);
});

// ---- Errors

const isError = (value) => value instanceof Error || util.types.isNativeError(value);
const typeOf = (error) => (isError(error) ? error.name : typeof error);

class RuntimeError extends Error {
  constructor(name, message, stack) {
    super(message);
    this.name = 'Runtime.' + name;
    if (stack) this.stack = stack;
  }
}

function shape(error, stackName) {
  if (!isError(error)) return { errorType: typeof error, errorMessage: String(error), [stackName]: [] };
  return { errorType: error.name, errorMessage: error.message, [stackName]: String(error.stack ?? '').split('\n') };
}

async function die(what, error, status) {
  logs.error(what, error, shape);
  const where = requestId === undefined ? 'runtime/init/error' : `runtime/invocation/${requestId}/error`;
  await postError(where, error).catch(() => {});
  process.exit(status);
}

process.on('uncaughtException', (error) => die('Uncaught Exception', error, 129));
process.on('unhandledRejection', (reason, promise) => {
  const error = new RuntimeError('UnhandledPromiseRejection', String(reason), isError(reason) ? `Runtime.UnhandledPromiseRejection: ${reason}\n${String(reason.stack).split('\n').slice(1).join('\n')}` : undefined);
  error.reason = isError(reason) ? shape(reason, 'stack') : reason;
  error.promise = promise;
  return die('Unhandled Promise Rejection', error, 128);
});

// ---- The handler

function moduleFile(root, directory, name) {
  const base = path.resolve(root, directory, name);
  const file = ['', '.js', '.mjs', '.cjs'].map((suffix) => base + suffix).find((file) => fs.statSync(file, { throwIfNoEntry: false })?.isFile());
  if (file) return file;
  try {
    return require.resolve(base);
  } catch {
    return undefined;
  }
}

function isModule(file) {
  if (!file.endsWith('.js')) return file.endsWith('.mjs');
  for (let directory = path.dirname(file); ; directory = path.dirname(directory)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(directory, 'package.json'), 'utf8')).type === 'module';
    } catch (error) {
      if (error.code !== 'ENOENT') return false;
    }
    if (directory === path.dirname(directory)) return false;
  }
}

async function loadHandler(root, handler) {
  const [, module, name] = /^([^.]*)\.(.+)$/.exec(path.basename(handler)) ?? [];
  if (!module) throw new RuntimeError('MalformedHandlerName', 'Bad handler');
  if (handler.includes('..')) {
    throw new RuntimeError('MalformedHandlerName', `'${handler}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const file = moduleFile(root, path.dirname(handler), module);
  if (!file) {
    const wanted = path.join(path.dirname(handler), module);
    throw new RuntimeError('ImportModuleError', `Error: Cannot find module '${wanted}'\nRequire stack:\n- /var/runtime/index.mjs`);
  }
  let exported;
  try {
    exported = isModule(file) ? await import(pathToFileURL(file).href) : require(file);
  } catch (error) {
    if (error instanceof SyntaxError) throw new RuntimeError('UserCodeSyntaxError', `SyntaxError: ${error.message}`, error.stack);
    if (['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND'].includes(error?.code)) throw new RuntimeError('ImportModuleError', `Error: ${error.message}`, error.stack);
    throw error;
  }
  const find = (from) => name.split('.').reduce((value, part) => value?.[part], from);
  const found = find(exported) ?? find(exported?.default);
  if (found === undefined) throw new RuntimeError('HandlerNotFound', `${handler} is undefined or not exported`);
  if (typeof found !== 'function') throw new RuntimeError('HandlerNotFound', `${handler} is not a function`);
  return found;
}

// ---- Invocations

function newContext(headers, settle) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const parse = (name) => (headers[name] ? JSON.parse(headers[name]) : undefined);
  const context = {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parse('lambda-runtime-client-context'),
    identity: parse('lambda-runtime-cognito-identity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    tenantId: headers['lambda-runtime-aws-tenant-id'],
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
    succeed: (result) => settle(undefined, result),
    fail: (error) => settle(error ?? 'handled'),
    done: (error, result) => settle(error, result),
  };
  return context;
}

// An asynchronous handler settles with its promise; one with a callback also waits until nothing is left to do, unless its
// context says otherwise. When nothing is left to do and nobody has answered, the answer is null.
function run(handler, event, headers) {
  return new Promise((resolve, reject) => {
    let answer;
    const finish = () => {
      process.removeListener('beforeExit', finish);
      const { error, result } = answer ?? { result: null };
      if (error !== undefined && error !== null) reject(error);
      else resolve(result);
    };
    const settle = (error, result) => {
      if (answer) return;
      answer = { error, result };
      if (!context.callbackWaitsForEmptyEventLoop) finish();
    };
    const context = newContext(headers, settle);
    process.on('beforeExit', finish);
    try {
      const returned = handler(event, context, settle);
      if (typeof returned?.then === 'function') {
        const end = (error, result) => {
          answer = { error, result };
          finish();
        };
        returned.then((result) => end(undefined, result), (error) => end(error ?? new Error(String(error))));
      } else if (handler.length < 3 && returned !== undefined) {
        answer ??= { result: null };
      }
    } catch (error) {
      answer = { error: error ?? new Error(String(error)) };
      finish();
    }
  });
}

function serialise(result) {
  try {
    return JSON.stringify(result === undefined ? null : result) ?? 'null';
  } catch (error) {
    throw new RuntimeError('MarshalError', `Unable to stringify response body: ${error.message}`, error.stack);
  }
}

// Ends when the stream has, as AWS's runtime does: a stream that is never ended keeps the function until its timeout.
async function stream(handler, event, headers, where) {
  const { succeed, fail, done, ...context } = newContext(headers);
  const alive = setInterval(() => {}, 1 << 30);
  const opened = streaming.open(handler, { host, port, agent, path: `/2018-06-01/${where}/response` });
  responding = opened.stream;
  try {
    await Promise.race([handler(event, opened.stream, context), opened.finished.then(() => new Promise(() => {}))]);
    await opened.finished;
  } finally {
    clearInterval(alive);
  }
}

async function serve(handler) {
  for (;;) {
    const { headers, body } = await call('GET', 'runtime/invocation/next');
    logs.context.tenantId = headers['lambda-runtime-aws-tenant-id'];
    requestId = logs.context.requestId = headers['lambda-runtime-aws-request-id'];
    process.env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id'] ?? '';
    const where = `runtime/invocation/${requestId}`;
    try {
      const event = JSON.parse(body || 'null');
      responding = undefined;
      if (handler[streaming.MARK]) {
        await stream(handler, event, headers, where);
        continue;
      }
      const response = serialise(await run(handler, event, headers));
      await call('POST', `${where}/response`, response, { 'content-type': 'application/json' });
    } catch (error) {
      logs.error('Invoke Error', error, shape);
      await postError(`${where}/error`, error);
    }
  }
}

// ---- Assignment to a function after the start

// Loads now, while nobody waits, what nearly every function needs, and makes one request that cannot arrive: it loads what
// the SDK loads only when it is first used.
async function rehearse() {
  for (const module of ['node:https', 'node:stream/promises', 'node:crypto', 'node:zlib', 'node:fs/promises']) require(module);
  try {
    const { DynamoDBClient } = await import('@aws-sdk/client-dynamodb');
    const { DynamoDBDocumentClient, ScanCommand } = await import('@aws-sdk/lib-dynamodb');
    const credentials = { accessKeyId: 'none', secretAccessKey: 'none' };
    const client = new DynamoDBClient({ region: 'us-east-1', endpoint: 'http://127.0.0.1:1', credentials, maxAttempts: 1 });
    await DynamoDBDocumentClient.from(client).send(new ScanCommand({ TableName: 'none' })).catch(() => {});
    client.destroy();
  } catch {
    // The SDK is not installed; a function that needs it will say so itself.
  }
}

async function assignment() {
  delete process.env.WELKIN_ASSIGNMENT;
  await rehearse();
  const { env, flags } = JSON.parse((await call('GET', 'welkin/assignment')).body);
  Object.assign(process.env, env);
  require('node:v8').setFlagsFromString(flags);
  require('node:module').Module._initPaths();
  process.chdir(process.env.LAMBDA_TASK_ROOT);
}

// Without a file system of our own, modules (ESM) would not find the SDK: NODE_PATH is not for them.
function resolveModulesIn(directory) {
  const parent = JSON.stringify(pathToFileURL(path.join(directory, '..', 'any.mjs')).href);
  const hooks = `export const resolve = (name, context, next) => next(name, context).catch((error) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return next(name, { ...context, parentURL: ${parent} }).catch(() => { throw error; });
  });`;
  require('node:module').register('data:text/javascript,' + encodeURIComponent(hooks));
}

async function main() {
  if (process.env.WELKIN_MODULES) resolveModulesIn(process.env.WELKIN_MODULES);
  if (process.env.WELKIN_ASSIGNMENT) await assignment();
  logs.configure(process.env);
  let handler;
  try {
    handler = await loadHandler(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
  } catch (error) {
    return die('Uncaught Exception', error, 128);
  }
  await serve(handler);
}

main();
