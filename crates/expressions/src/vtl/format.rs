//! Numbers as Java prints them.

/// `Double.toString`: at least one decimal, and scientific notation outside of 10⁻³ to 10⁷.
pub fn double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-3..1e7).contains(&magnitude) {
        let scientific = format!("{value:E}");
        return match scientific.split_once('E') {
            Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
            _ => scientific,
        };
    }
    let plain = value.to_string();
    if plain.contains('.') { plain } else { plain + ".0" }
}

#[cfg(test)]
mod tests {
    #[test]
    fn doubles_print_as_in_java() {
        for (value, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (-2.5, "-2.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e8, "1.0E8"),
            (1e-4, "1.0E-4"),
            (12_345_678.9, "1.23456789E7"),
            (9_999_999.0, "9999999.0"),
        ] {
            assert_eq!(super::double(value), text);
        }
    }
}
