package com.amazonaws.services.lambda.runtime;

/** A handler of values: the input is read from JSON, the result written as JSON. */
public interface RequestHandler<I, O> {
    O handleRequest(I input, Context context);
}
