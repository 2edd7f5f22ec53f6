package welkin;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** JSON as text, as plain values (maps, lists, strings, numbers), and as objects with setters and getters. */
final class Json {
    static final class Malformed extends RuntimeException {
        Malformed(String message) {
            super(message);
        }
    }

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    // ---- Reading

    static Object parse(String text) {
        Json json = new Json(text);
        Object value = json.value();
        json.space();
        if (json.at < text.length()) throw json.unexpected();
        return value;
    }

    private Malformed unexpected() {
        return new Malformed(at < text.length() ? "unexpected '" + text.charAt(at) + "' at " + at : "unexpected end of JSON");
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
    }

    private char peek() {
        if (at >= text.length()) throw unexpected();
        return text.charAt(at);
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) throw unexpected();
        at += word.length();
        return value;
    }

    private Object value() {
        space();
        switch (peek()) {
            case '{': return object();
            case '[': return array();
            case '"': return string();
            case 't': return word("true", true);
            case 'f': return word("false", false);
            case 'n': return word("null", null);
            default: return number();
        }
    }

    private Map<String, Object> object() {
        Map<String, Object> members = new LinkedHashMap<>();
        at++;
        space();
        if (peek() == '}') {
            at++;
            return members;
        }
        while (true) {
            space();
            if (peek() != '"') throw unexpected();
            String name = string();
            space();
            if (peek() != ':') throw unexpected();
            at++;
            members.put(name, value());
            space();
            char next = peek();
            at++;
            if (next == '}') return members;
            if (next != ',') throw unexpected();
        }
    }

    private List<Object> array() {
        List<Object> items = new ArrayList<>();
        at++;
        space();
        if (peek() == ']') {
            at++;
            return items;
        }
        while (true) {
            items.add(value());
            space();
            char next = peek();
            at++;
            if (next == ']') return items;
            if (next != ',') throw unexpected();
        }
    }

    private String string() {
        StringBuilder out = new StringBuilder();
        at++;
        while (true) {
            char next = peek();
            at++;
            if (next == '"') return out.toString();
            if (next != '\\') {
                out.append(next);
                continue;
            }
            char escaped = peek();
            at++;
            int known = "\"\\/bfnrt".indexOf(escaped);
            if (known >= 0) {
                out.append("\"\\/\b\f\n\r\t".charAt(known));
            } else if (escaped == 'u' && at + 4 <= text.length()) {
                out.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                at += 4;
            } else {
                throw unexpected();
            }
        }
    }

    private Object number() {
        int from = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) at++;
        String digits = text.substring(from, at);
        try {
            BigDecimal number = new BigDecimal(digits);
            if (digits.matches("-?\\d+")) {
                if (number.abs().compareTo(BigDecimal.valueOf(Integer.MAX_VALUE)) <= 0) return number.intValue();
                if (number.abs().compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) <= 0) return number.longValue();
                return number.toBigInteger();
            }
            return number.doubleValue();
        } catch (NumberFormatException error) {
            at = from;
            throw unexpected();
        }
    }

    // ---- Plain values to objects

    static Object convert(Object value, Type type) throws ReflectiveOperationException {
        if (type instanceof WildcardType) return convert(value, ((WildcardType) type).getUpperBounds()[0]);
        if (type instanceof TypeVariable) return convert(value, ((TypeVariable<?>) type).getBounds()[0]);
        if (type instanceof GenericArrayType) return array(value, ((GenericArrayType) type).getGenericComponentType());
        Class<?> raw = raw(type);
        if (raw == Object.class) return value;
        if (value == null) return raw.isPrimitive() ? Array.get(Array.newInstance(raw, 1), 0) : null;
        if (raw == String.class) {
            if (value instanceof Map || value instanceof List) throw mismatch(value, raw);
            return value.toString();
        }
        if (raw == boolean.class || raw == Boolean.class) {
            if (value instanceof Boolean) return value;
            throw mismatch(value, raw);
        }
        if (raw.isPrimitive() || Number.class.isAssignableFrom(raw)) return number(value, raw);
        if (raw.isEnum()) {
            for (Object constant : raw.getEnumConstants()) if (((Enum<?>) constant).name().equals(value)) return constant;
            throw mismatch(value, raw);
        }
        if (raw.isArray()) return array(value, raw.getComponentType());
        Type[] arguments = type instanceof ParameterizedType ? ((ParameterizedType) type).getActualTypeArguments() : new Type[0];
        if (Collection.class.isAssignableFrom(raw)) {
            if (!(value instanceof List)) throw mismatch(value, raw);
            Collection<Object> items = Set.class.isAssignableFrom(raw) ? new LinkedHashSet<>() : new ArrayList<>();
            Type item = arguments.length > 0 ? arguments[0] : Object.class;
            for (Object one : (List<?>) value) items.add(convert(one, item));
            return items;
        }
        if (!(value instanceof Map)) throw mismatch(value, raw);
        Map<?, ?> members = (Map<?, ?>) value;
        if (Map.class.isAssignableFrom(raw)) {
            Map<Object, Object> converted = new LinkedHashMap<>();
            Type item = arguments.length > 1 ? arguments[1] : Object.class;
            for (Map.Entry<?, ?> one : members.entrySet()) converted.put(one.getKey(), convert(one.getValue(), item));
            return converted;
        }
        return raw.isRecord() ? fillRecord(members, raw) : fill(members, raw);
    }

    private static Class<?> raw(Type type) {
        return (Class<?>) (type instanceof ParameterizedType ? ((ParameterizedType) type).getRawType() : type);
    }

    private static Malformed mismatch(Object value, Class<?> type) {
        return new Malformed("Cannot deserialize value of type `" + type.getName() + "` from " + write(value));
    }

    private static Object number(Object value, Class<?> type) {
        BigDecimal number;
        try {
            number = new BigDecimal(value.toString());
        } catch (NumberFormatException error) {
            throw mismatch(value, type);
        }
        if (type == int.class || type == Integer.class) return number.intValue();
        if (type == long.class || type == Long.class) return number.longValue();
        if (type == double.class || type == Double.class) return number.doubleValue();
        if (type == float.class || type == Float.class) return number.floatValue();
        if (type == short.class || type == Short.class) return number.shortValue();
        if (type == byte.class || type == Byte.class) return number.byteValue();
        if (type == java.math.BigInteger.class) return number.toBigInteger();
        return number;
    }

    private static Object array(Object value, Type item) throws ReflectiveOperationException {
        if (!(value instanceof List)) throw mismatch(value, Object[].class);
        List<?> items = (List<?>) value;
        Object made = Array.newInstance(raw(item), items.size());
        for (int index = 0; index < items.size(); index++) Array.set(made, index, convert(items.get(index), item));
        return made;
    }

    private static Object fill(Map<?, ?> members, Class<?> type) throws ReflectiveOperationException {
        Constructor<?> constructor = type.getDeclaredConstructor();
        constructor.setAccessible(true);
        Object made = constructor.newInstance();
        for (Method method : type.getMethods()) {
            if (!method.getName().startsWith("set") || method.getName().length() == 3 || method.getParameterCount() != 1) continue;
            String name = decapitalised(method.getName().substring(3));
            Object key = members.containsKey(name) ? name : method.getName().substring(3);
            if (members.containsKey(key)) method.invoke(made, convert(members.get(key), method.getGenericParameterTypes()[0]));
        }
        for (Field field : type.getFields()) {
            boolean open = !Modifier.isStatic(field.getModifiers()) && !Modifier.isFinal(field.getModifiers());
            if (open && members.containsKey(field.getName())) field.set(made, convert(members.get(field.getName()), field.getGenericType()));
        }
        return made;
    }

    private static Object fillRecord(Map<?, ?> members, Class<?> type) throws ReflectiveOperationException {
        RecordComponent[] components = type.getRecordComponents();
        Class<?>[] types = new Class<?>[components.length];
        Object[] values = new Object[components.length];
        for (int index = 0; index < components.length; index++) {
            types[index] = components[index].getType();
            values[index] = convert(members.get(components[index].getName()), components[index].getGenericType());
        }
        Constructor<?> constructor = type.getDeclaredConstructor(types);
        constructor.setAccessible(true);
        return constructor.newInstance(values);
    }

    private static String decapitalised(String name) {
        return name.substring(0, 1).toLowerCase() + name.substring(1);
    }

    // ---- Writing

    static String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out);
        return out.toString();
    }

    private static void write(Object value, StringBuilder out) {
        if (value == null || value instanceof Boolean || value instanceof Number) {
            out.append(value);
        } else if (value instanceof Map) {
            String separator = "{";
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                out.append(separator);
                quote(String.valueOf(entry.getKey()), out);
                out.append(':');
                write(entry.getValue(), out);
                separator = ",";
            }
            out.append(separator.equals("{") ? "{}" : "}");
        } else if (value instanceof Iterable) {
            String separator = "[";
            for (Object item : (Iterable<?>) value) {
                out.append(separator);
                write(item, out);
                separator = ",";
            }
            out.append(separator.equals("[") ? "[]" : "]");
        } else if (value.getClass().isArray()) {
            List<Object> items = new ArrayList<>();
            for (int index = 0; index < Array.getLength(value); index++) items.add(Array.get(value, index));
            write(items, out);
        } else if (value instanceof CharSequence || value instanceof Character || value instanceof Enum || value.getClass().getName().startsWith("java.")) {
            quote(value.toString(), out);
        } else {
            write(members(value), out);
        }
    }

    private static Map<String, Object> members(Object value) {
        Map<String, Object> members = new LinkedHashMap<>();
        try {
            if (value.getClass().isRecord()) {
                for (RecordComponent component : value.getClass().getRecordComponents()) {
                    component.getAccessor().setAccessible(true);
                    members.put(component.getName(), component.getAccessor().invoke(value));
                }
                return members;
            }
            for (Method method : value.getClass().getMethods()) {
                String name = method.getName();
                int prefix = name.startsWith("get") ? 3 : name.startsWith("is") ? 2 : 0;
                boolean getter = prefix > 0 && name.length() > prefix && method.getParameterCount() == 0 && !name.equals("getClass");
                if (!getter || Modifier.isStatic(method.getModifiers())) continue;
                method.setAccessible(true);
                members.put(decapitalised(name.substring(prefix)), method.invoke(value));
            }
            for (Field field : value.getClass().getFields()) {
                if (!Modifier.isStatic(field.getModifiers())) members.put(field.getName(), field.get(value));
            }
        } catch (ReflectiveOperationException error) {
            throw new Malformed(error.toString());
        }
        return members;
    }

    private static void quote(String text, StringBuilder out) {
        out.append('"');
        for (int index = 0; index < text.length(); index++) {
            char letter = text.charAt(index);
            int known = "\"\\\b\f\n\r\t".indexOf(letter);
            if (known >= 0) out.append('\\').append("\"\\bfnrt".charAt(known));
            else if (letter < ' ') out.append(String.format("\\u%04x", (int) letter));
            else out.append(letter);
        }
        out.append('"');
    }
}
