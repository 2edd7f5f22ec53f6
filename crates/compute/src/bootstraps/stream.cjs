// Response streaming: how a handler asks for it (awslambda.streamifyResponse), and the stream that it then writes to.
//
// The request to the Runtime API is opened with the first write, because only then the kind of the content is known. An
// error after that is told in trailers.
'use strict';

const http = require('node:http');
const { Writable } = require('node:stream');

const MARK = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const INTEGRATION = 'application/vnd.awslambda.http-integration-response';

function streamifyResponse(handler, options) {
  handler[MARK] = 'response';
  if (typeof options?.highWaterMark === 'number') handler[HIGH_WATER_MARK] = parseInt(options.highWaterMark, 10);
  return handler;
}

// A response with a status and headers: they come first, as JSON, and eight NUL bytes end them.
class HttpResponseStream {
  static from(stream, prelude) {
    stream.setContentType(INTEGRATION);
    stream._onBeforeFirstWrite = (write) => {
      write(JSON.stringify(prelude));
      write(new Uint8Array(8));
    };
    return stream;
  }
}

class ResponseStream extends Writable {
  #options;
  #contentType = 'application/octet-stream';
  #request;
  #answered;

  constructor(options, highWaterMark) {
    super({ highWaterMark });
    this.#options = options;
  }

  get begun() {
    return this.#request !== undefined;
  }

  setContentType(contentType) {
    if (this.begun) throw Object.assign(new Error('Cannot set content-type, too late.'), { name: 'Runtime.InvalidStreamingOperation' });
    this.#contentType = contentType;
  }

  write(chunk, ...more) {
    const plain = typeof chunk === 'string' || chunk instanceof Uint8Array;
    return super.write(plain ? chunk : JSON.stringify(chunk), ...more);
  }

  #begin() {
    if (this.begun) return;
    const headers = {
      'content-type': this.#contentType,
      'lambda-runtime-function-response-mode': 'streaming',
      'transfer-encoding': 'chunked',
      trailer: 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body',
    };
    this.#request = http.request({ ...this.#options, method: 'POST', headers });
    this.#answered = new Promise((resolve, reject) => {
      this.#request.on('error', reject);
      this.#request.on('response', (response) => response.on('end', resolve).resume());
    });
    this.#answered.catch(() => {});
    this._onBeforeFirstWrite?.((chunk) => this.#request.write(chunk));
  }

  _write(chunk, encoding, done) {
    this.#begin();
    if (chunk.length === 0) done();
    else this.#request.write(chunk, encoding, (error) => done(error));
  }

  _final(done) {
    this.#begin();
    this.#request.end();
    this.#answered.then(() => done(), done);
  }

  // Ends what was begun with an error.
  fail(type, body) {
    this.#request.addTrailers({
      'Lambda-Runtime-Function-Error-Type': type,
      'Lambda-Runtime-Function-Error-Body': Buffer.from(body).toString('base64'),
    });
    this.#request.end();
    return this.#answered;
  }
}

// A stream for one invocation, and a promise of its end.
function open(handler, options) {
  const stream = new ResponseStream(options, handler[HIGH_WATER_MARK]);
  const finished = new Promise((resolve, reject) => stream.on('finish', resolve).on('error', reject));
  finished.catch(() => {});
  return { stream, finished };
}

module.exports = { MARK, HttpResponseStream, open, streamifyResponse };
