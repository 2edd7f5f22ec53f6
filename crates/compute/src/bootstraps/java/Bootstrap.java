package welkin;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Loads a Java handler and answers invocations through the Lambda Runtime API. */
public final class Bootstrap {
    private static final String API = "http://" + System.getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/";

    /** What is done with the bytes of an event. */
    private interface Handler {
        byte[] handle(byte[] event, Context context) throws Throwable;
    }

    /** A failure under a name of its own. */
    private static final class Fault extends Exception {
        final String kind;

        Fault(String kind, String message) {
            super(message);
            this.kind = kind;
        }
    }

    public static void main(String[] arguments) throws Exception {
        Handler handler;
        try {
            handler = load(System.getenv("_HANDLER"));
        } catch (Throwable error) {
            fail("init/error", error);
            System.exit(1);
            return;
        }
        while (true) serve(handler);
    }

    // ---- The Runtime API

    private static HttpURLConnection call(String where, byte[] body, String kind) throws IOException {
        HttpURLConnection connection = (HttpURLConnection) new URL(API + where).openConnection();
        if (body != null) {
            connection.setRequestMethod("POST");
            connection.setDoOutput(true);
            connection.setRequestProperty("Content-Type", "application/json");
            if (kind != null) connection.setRequestProperty("Lambda-Runtime-Function-Error-Type", kind);
            connection.setFixedLengthStreamingMode(body.length);
            try (OutputStream out = connection.getOutputStream()) {
                out.write(body);
            }
        }
        connection.getResponseCode();
        return connection;
    }

    private static byte[] read(HttpURLConnection connection) throws IOException {
        InputStream stream = connection.getResponseCode() < 400 ? connection.getInputStream() : connection.getErrorStream();
        if (stream == null) return new byte[0];
        try (stream) {
            return stream.readAllBytes();
        }
    }

    private static void serve(Handler handler) throws IOException {
        HttpURLConnection next = call("invocation/next", null, null);
        byte[] event = read(next);
        Invocation context = new Invocation(next);
        String trace = next.getHeaderField("Lambda-Runtime-Trace-Id");
        if (trace != null) System.setProperty("com.amazonaws.xray.traceHeader", trace);
        String where = "invocation/" + context.getAwsRequestId();
        try {
            byte[] answer = handler.handle(event, context);
            System.out.flush();
            read(call(where + "/response", answer, null));
        } catch (Throwable error) {
            fail(where + "/error", error);
        }
    }

    private static void fail(String where, Throwable error) throws IOException {
        Map<String, Object> described = describe(error);
        System.out.println(described.get("errorMessage") + ": " + described.get("errorType"));
        error.printStackTrace(System.out);
        System.out.flush();
        read(call(where, Json.write(described).getBytes(StandardCharsets.UTF_8), String.valueOf(described.get("errorType"))));
    }

    /** An error in the shape that callers see, without the frames of this file. */
    private static Map<String, Object> describe(Throwable error) {
        Map<String, Object> described = new LinkedHashMap<>();
        described.put("errorMessage", error.getMessage());
        described.put("errorType", error instanceof Fault ? ((Fault) error).kind : error.getClass().getName());
        List<String> trace = new ArrayList<>();
        for (StackTraceElement frame : error.getStackTrace()) {
            String owner = frame.getClassName();
            if (owner.startsWith("welkin.") || owner.startsWith("jdk.internal.reflect.") || owner.startsWith("java.lang.reflect.")) continue;
            trace.add(owner + "." + frame.getMethodName() + "(" + frame.getFileName() + ":" + frame.getLineNumber() + ")");
        }
        if (!(error instanceof Fault)) described.put("stackTrace", trace);
        if (error.getCause() != null && error.getCause() != error) described.put("cause", describe(error.getCause()));
        return described;
    }

    // ---- The handler

    private static Handler load(String name) throws Throwable {
        String[] parts = name.split("::", 2);
        Class<?> type;
        try {
            type = Class.forName(parts[0]);
        } catch (ClassNotFoundException error) {
            throw new Fault("java.lang.ClassNotFoundException", "Class not found: " + parts[0]);
        }
        boolean whole = parts.length == 1 || parts[1].equals("handleRequest");
        if (whole && RequestStreamHandler.class.isAssignableFrom(type)) {
            RequestStreamHandler handler = (RequestStreamHandler) make(type);
            return (event, context) -> {
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                handler.handleRequest(new ByteArrayInputStream(event), out, context);
                return out.toByteArray();
            };
        }
        if (parts.length == 1 && !RequestHandler.class.isAssignableFrom(type)) {
            throw new Fault("java.lang.Exception", "Class " + parts[0] + " does not implement an appropriate handler interface");
        }
        Method method = find(type, parts.length == 1 ? "handleRequest" : parts[1]);
        Object target = Modifier.isStatic(method.getModifiers()) ? null : make(type);
        method.setAccessible(true);
        return (event, context) -> invoke(method, target, event, context);
    }

    private static Object make(Class<?> type) throws Throwable {
        try {
            Constructor<?> constructor = type.getDeclaredConstructor();
            constructor.setAccessible(true);
            return constructor.newInstance();
        } catch (NoSuchMethodException error) {
            throw new Fault("java.lang.Exception", "Class " + type.getName() + " has no public zero-argument constructor");
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
    }

    /** The method of that name with the most parameters that a handler can have; one that takes a context comes first. */
    private static Method find(Class<?> type, String name) throws Fault {
        Method found = null;
        for (Method method : type.getMethods()) {
            if (!method.getName().equals(name) || method.isBridge() || method.getParameterCount() > 3) continue;
            if (found == null || method.getParameterCount() > found.getParameterCount()) found = method;
        }
        if (found != null) return found;
        throw new Fault("java.lang.NoSuchMethodException",
            "No public method named " + name + " with appropriate method signature found on class class " + type.getName());
    }

    private static byte[] invoke(Method method, Object target, byte[] event, Context context) throws Throwable {
        Type[] types = method.getGenericParameterTypes();
        Object[] values = new Object[types.length];
        ByteArrayOutputStream out = null;
        for (int index = 0; index < types.length; index++) {
            if (types[index] == Context.class) {
                values[index] = context;
            } else if (types[index] == InputStream.class) {
                values[index] = new ByteArrayInputStream(event);
            } else if (types[index] == OutputStream.class) {
                values[index] = out = new ByteArrayOutputStream();
            } else {
                values[index] = input(event, types[index]);
            }
        }
        Object result;
        try {
            result = method.invoke(target, values);
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
        if (out != null) return out.toByteArray();
        return Json.write(result).getBytes(StandardCharsets.UTF_8);
    }

    private static Object input(byte[] event, Type type) throws Throwable {
        try {
            return Json.convert(Json.parse(new String(event, StandardCharsets.UTF_8)), type);
        } catch (Json.Malformed error) {
            throw new RuntimeException("An error occurred during JSON parsing", error);
        }
    }

    // ---- The context

    private static final class Invocation implements Context {
        private final HttpURLConnection headers;

        Invocation(HttpURLConnection headers) {
            this.headers = headers;
        }

        private String header(String name) {
            return headers.getHeaderField("Lambda-Runtime-" + name);
        }

        private Map<?, ?> object(String header) {
            Object value = header(header) == null ? null : Json.parse(header(header));
            return value instanceof Map ? (Map<?, ?>) value : null;
        }

        public String getAwsRequestId() {
            return header("Aws-Request-Id");
        }

        public String getLogGroupName() {
            return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
        }

        public String getLogStreamName() {
            return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
        }

        public String getFunctionName() {
            return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
        }

        public String getFunctionVersion() {
            return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
        }

        public String getInvokedFunctionArn() {
            return header("Invoked-Function-Arn");
        }

        public String getTenantId() {
            return header("Aws-Tenant-Id");
        }

        public int getRemainingTimeInMillis() {
            return (int) Math.max(0, Long.parseLong(header("Deadline-Ms")) - System.currentTimeMillis());
        }

        public int getMemoryLimitInMB() {
            return Integer.parseInt(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
        }

        public CognitoIdentity getIdentity() {
            Map<?, ?> identity = object("Cognito-Identity");
            return new CognitoIdentity() {
                public String getIdentityId() {
                    return text(identity, "cognitoIdentityId");
                }

                public String getIdentityPoolId() {
                    return text(identity, "cognitoIdentityPoolId");
                }
            };
        }

        public ClientContext getClientContext() {
            Map<?, ?> context = object("Client-Context");
            if (context == null) return null;
            Map<?, ?> client = context.get("client") instanceof Map ? (Map<?, ?>) context.get("client") : null;
            return new ClientContext() {
                public Client getClient() {
                    return client == null ? null : new Named(client);
                }

                public Map<String, String> getCustom() {
                    return texts(context.get("custom"));
                }

                public Map<String, String> getEnvironment() {
                    return texts(context.get("env"));
                }
            };
        }

        public LambdaLogger getLogger() {
            return new LambdaLogger() {
                public void log(String message) {
                    System.out.print(message);
                    System.out.flush();
                }

                public void log(byte[] message) {
                    System.out.write(message, 0, message.length);
                    System.out.flush();
                }
            };
        }
    }

    private static final class Named implements Client {
        private final Map<?, ?> client;

        Named(Map<?, ?> client) {
            this.client = client;
        }

        public String getInstallationId() {
            return text(client, "installation_id");
        }

        public String getAppTitle() {
            return text(client, "app_title");
        }

        public String getAppVersionName() {
            return text(client, "app_version_name");
        }

        public String getAppVersionCode() {
            return text(client, "app_version_code");
        }

        public String getAppPackageName() {
            return text(client, "app_package_name");
        }
    }

    private static String text(Map<?, ?> members, String name) {
        Object value = members == null ? null : members.get(name);
        return value == null ? null : value.toString();
    }

    private static Map<String, String> texts(Object value) {
        if (!(value instanceof Map)) return null;
        Map<String, String> texts = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
            texts.put(String.valueOf(entry.getKey()), String.valueOf(entry.getValue()));
        }
        return texts;
    }
}
