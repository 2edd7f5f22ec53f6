// What console.* writes: whole records, in AWS's text format or as JSON, from the level on that the function asked for.
'use strict';

const fs = require('node:fs');
const util = require('node:util');

const descriptor = Number(process.env._LAMBDA_TELEMETRY_LOG_FD || 0);
delete process.env._LAMBDA_TELEMETRY_LOG_FD;

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const METHODS = { log: 'INFO', info: 'INFO', debug: 'DEBUG', warn: 'WARN', error: 'ERROR', trace: 'TRACE', fatal: 'FATAL' };

const context = { requestId: undefined, tenantId: undefined };
let json = false;
let lowest = 0;

// One record on the log descriptor: magic, length, time in microseconds, text. Without it, a line on standard output.
function write(text) {
  if (!descriptor) return void fs.writeSync(1, text + '\n');
  const body = Buffer.from(text);
  const frame = Buffer.allocUnsafe(16 + body.length);
  frame.writeUInt32BE(0xa55a0003, 0);
  frame.writeUInt32BE(body.length, 4);
  frame.writeBigUInt64BE(BigInt(Date.now()) * 1000n, 8);
  body.copy(frame, 16);
  for (let at = 0; at < frame.length; ) at += fs.writeSync(descriptor, frame, at);
}

function describe(error) {
  const stackTrace = typeof error.stack === 'string' ? error.stack.split('\n') : [];
  return { errorType: error.constructor?.name ?? 'UnknownError', errorMessage: error.message, stackTrace };
}

// A single value stays what it is; several become one text, beside the first error among them.
function record(level, values) {
  const record = { timestamp: new Date().toISOString(), level, ...context };
  if (values.length === 1) {
    const replace = (_, value) => (value instanceof Error ? { ...describe(value), ...value } : value);
    try {
      return JSON.stringify({ ...record, message: values[0] }, replace);
    } catch {
      return JSON.stringify({ ...record, message: util.format(values[0]) });
    }
  }
  const error = values.find((value) => value instanceof Error);
  return JSON.stringify({ ...record, message: util.format(...values), ...(error && describe(error)) });
}

function log(level, values) {
  if (LEVELS.indexOf(level) < lowest) return;
  if (json) write(record(level, values));
  else write(`${new Date().toISOString()}\t${context.requestId}\t${level}\t${util.format(...values)}`);
}

for (const [method, level] of Object.entries(METHODS)) console[method] = (...values) => log(level, values);

function configure(environment) {
  json = environment.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';
  lowest = json ? Math.max(0, LEVELS.indexOf(environment.AWS_LAMBDA_LOG_LEVEL?.toUpperCase())) : 0;
}

// An error that nobody handled.
function error(what, error, shape) {
  if (json) return log('ERROR', [util.types.isNativeError(error) ? error : new Error(String(error))]);
  const { errorType, errorMessage, stack } = shape(error, 'stack');
  const extra = error instanceof Error ? Object.fromEntries(Object.entries(error).filter(([key]) => key !== 'name')) : {};
  let text;
  try {
    text = JSON.stringify({ errorType, errorMessage, ...extra, stack });
  } catch {
    text = JSON.stringify({ errorType, errorMessage, stack });
  }
  log('ERROR', [`${what} \t${text}`]);
}

module.exports = { configure, context, error };
