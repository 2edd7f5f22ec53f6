//! Numbers: decimals of up to 38 significant digits between 1E-130 and 9.99…E+125 in magnitude.
//!
//! A number is kept as an integer without trailing zeros times a power of ten, so each value has exactly one
//! representation and arithmetic is exact. `encode` yields bytes whose order is the numbers' order, for sort keys.

use std::cmp::Ordering;
use std::fmt;

use crate::error::Invalid;

const MAX_DIGITS: u32 = 38;
const MAX_MAGNITUDE: i32 = 125;
const MIN_MAGNITUDE: i32 = -130;

/// Leading bytes of the order-preserving encoding.
const NEGATIVE: u8 = 1;
const ZERO: u8 = 2;
const POSITIVE: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    /// Zero, or an integer that does not end in a zero digit.
    digits: u128,
    exponent: i16,
}

impl Number {
    pub const ZERO: Number = Number { negative: false, digits: 0, exponent: 0 };

    pub fn parse(text: &str) -> Result<Number, Invalid> {
        let bad = || match text {
            "" => Invalid::new("The parameter cannot be converted to a numeric value"),
            _ => Invalid(format!("The parameter cannot be converted to a numeric value: {text}")),
        };
        let bytes = text.as_bytes();
        let mut at = 0;
        let negative = match bytes.first() {
            Some(b'-') => {
                at = 1;
                true
            }
            Some(b'+') => {
                at = 1;
                false
            }
            _ => false,
        };

        let (mut digits, mut significant, mut zeros) = (0u128, 0u32, 0u32);
        let (mut seen, mut point, mut fraction) = (false, false, 0i64);
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'0'..=b'9' => {
                    seen = true;
                    fraction += i64::from(point);
                    let digit = byte - b'0';
                    if digit == 0 {
                        // Leading zeros mean nothing; later ones only once another digit follows them.
                        zeros += u32::from(digits != 0);
                    } else {
                        significant = significant.saturating_add(zeros + 1);
                        if significant > MAX_DIGITS {
                            return Err(too_precise());
                        }
                        digits = digits * 10u128.pow(zeros + 1) + u128::from(digit);
                        zeros = 0;
                    }
                }
                b'.' if !point => point = true,
                _ => break,
            }
            at += 1;
        }
        if !seen {
            return Err(bad());
        }
        let mut exponent = 0i64;
        if let Some(b'e' | b'E') = bytes.get(at) {
            let sign_and_digits = &text[at + 1..];
            let unsigned = sign_and_digits.strip_prefix(['+', '-']).unwrap_or(sign_and_digits);
            if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
                return Err(bad());
            }
            // Anything longer is out of range whatever its digits are.
            exponent = unsigned
                .trim_start_matches('0')
                .get(..7)
                .map_or_else(|| unsigned.parse().unwrap_or(1_000_000), |_| 1_000_000);
            if sign_and_digits.starts_with('-') {
                exponent = -exponent;
            }
            at = bytes.len();
        }
        if at != bytes.len() {
            return Err(bad());
        }
        Number::checked(negative, digits, exponent - fraction + i64::from(zeros))
    }

    /// Normalises and checks the range; `digits` has no trailing zeros unless it is zero.
    fn checked(negative: bool, digits: u128, exponent: i64) -> Result<Number, Invalid> {
        if digits == 0 {
            return Ok(Number::ZERO);
        }
        let magnitude = exponent + i64::from(digits.ilog10());
        if magnitude > i64::from(MAX_MAGNITUDE) {
            return Err(Invalid::new(
                "Number overflow. Attempting to store a number with magnitude larger than supported range",
            ));
        }
        if magnitude < i64::from(MIN_MAGNITUDE) {
            return Err(Invalid::new(
                "Number underflow. Attempting to store a number with magnitude smaller than supported range",
            ));
        }
        let exponent = i16::try_from(exponent).map_err(|_| too_precise())?;
        Ok(Number { negative, digits, exponent })
    }

    pub fn plus(self, other: Number) -> Result<Number, Invalid> {
        if self.digits == 0 {
            return Ok(other);
        }
        if other.digits == 0 {
            return Ok(self);
        }
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        // The lower number's last digit is not zero, so whatever does not fit in 128 bits needs over 38 digits.
        let shift = u32::from((high.exponent - low.exponent).unsigned_abs());
        let scaled =
            10u128.checked_pow(shift).and_then(|power| high.digits.checked_mul(power)).ok_or_else(too_precise)?;
        let (negative, mut digits) = if high.negative == low.negative {
            (high.negative, scaled.checked_add(low.digits).ok_or_else(too_precise)?)
        } else if scaled >= low.digits {
            (high.negative, scaled - low.digits)
        } else {
            (low.negative, low.digits - scaled)
        };
        let mut exponent = i64::from(low.exponent);
        while digits != 0 && digits.is_multiple_of(10) {
            digits /= 10;
            exponent += 1;
        }
        if digits != 0 && digits.ilog10() >= MAX_DIGITS {
            return Err(too_precise());
        }
        Number::checked(negative, digits, exponent)
    }

    pub fn minus(self, other: Number) -> Result<Number, Invalid> {
        self.plus(Number { negative: !other.negative && other.digits != 0, ..other })
    }

    /// The sign, the digits and the power of ten that they are multiplied with.
    pub fn parts(self) -> (bool, u128, i32) {
        (self.negative, self.digits, self.exponent.into())
    }

    /// The number without its fraction, if 64 bits hold it.
    pub fn whole(self) -> Option<i64> {
        let power = 10u128.checked_pow(u32::from(self.exponent.unsigned_abs()));
        let size = match power {
            Some(power) if self.exponent >= 0 => self.digits.checked_mul(power)?,
            Some(power) => self.digits / power,
            None if self.exponent >= 0 => return None,
            None => 0,
        };
        let size = i64::try_from(size).ok()?;
        Some(if self.negative { -size } else { size })
    }

    /// The bytes that AWS counts for a number: one, one more for each two digits before the point and for each two
    /// after it (outer zeros do not count), and one for a minus sign.
    pub fn size(self) -> usize {
        if self.digits == 0 {
            return 1;
        }
        let count = self.count();
        let exponent = i32::from(self.exponent);
        let (whole, fraction) = match () {
            () if exponent >= 0 => (count, 0),
            () if count + exponent <= 0 => (0, count),
            () => (count + exponent, -exponent),
        };
        let halves = |digits: i32| usize::try_from((digits + 1) / 2).unwrap_or_default();
        1 + halves(whole) + halves(fraction) + usize::from(self.negative)
    }

    fn count(self) -> i32 {
        i32::try_from(self.digits.ilog10() + 1).unwrap_or_default()
    }

    /// The power of ten of the first digit.
    fn magnitude(self) -> i32 {
        i32::from(self.exponent) + self.count() - 1
    }

    /// Appends bytes that sort as the numbers do and end where the number ends.
    ///
    /// A sign byte, the magnitude in one byte (there are exactly 256), the digits two to a byte from the first on, and
    /// a terminator; all but the sign are complemented for negative numbers.
    pub fn encode(self, out: &mut Vec<u8>) {
        if self.digits == 0 {
            out.push(ZERO);
            return;
        }
        let flip = if self.negative { 0xFF } else { 0 };
        out.push(if self.negative { NEGATIVE } else { POSITIVE });
        out.push(u8::try_from(self.magnitude() - MIN_MAGNITUDE).unwrap_or(u8::MAX) ^ flip);
        let mut text = [0u8; 40];
        let mut rest = self.digits;
        let count = usize::try_from(self.count()).unwrap_or_default();
        for slot in text[..count].iter_mut().rev() {
            *slot = u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
        for pair in text[..count.next_multiple_of(2)].chunks_exact(2) {
            out.push((pair[0] * 10 + pair[1] + 1) ^ flip);
        }
        out.push(flip);
    }
}

fn too_precise() -> Invalid {
    Invalid::new("Attempting to store more than 38 significant digits in a Number")
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        let sign = |n: &Number| match n {
            Number { digits: 0, .. } => 0,
            Number { negative: true, .. } => -1,
            _ => 1,
        };
        let by_sign = sign(self).cmp(&sign(other));
        if by_sign != Ordering::Equal || self.digits == 0 {
            return by_sign;
        }
        // Equal magnitudes have exponents less than 38 apart, so aligning the digits stays within 38 of them.
        let by_size = self.magnitude().cmp(&other.magnitude()).then_with(|| {
            let lower = self.exponent.min(other.exponent);
            let aligned = |n: &Number| n.digits * 10u128.pow(u32::from((n.exponent - lower).unsigned_abs()));
            aligned(self).cmp(&aligned(other))
        });
        if self.negative { by_size.reverse() } else { by_size }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Plain notation, never scientific, as AWS returns numbers.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        let text = self.digits.to_string();
        let exponent = i32::from(self.exponent);
        let width = |n: i32| usize::try_from(n).unwrap_or_default();
        if exponent >= 0 {
            return write!(f, "{text}{:0<1$}", "", width(exponent));
        }
        let point = i32::try_from(text.len()).unwrap_or_default() + exponent;
        if point <= 0 {
            return write!(f, "0.{:0<1$}{text}", "", width(-point));
        }
        let (whole, fraction) = text.split_at(width(point));
        write!(f, "{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn n(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    fn encoded(number: Number) -> Vec<u8> {
        let mut out = Vec::new();
        number.encode(&mut out);
        out
    }

    #[test]
    fn prints_the_normal_form() {
        for (text, normal) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("+1", "1"),
            ("007", "7"),
            ("1.50", "1.5"),
            ("-.5", "-0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("1E-3", "0.001"),
            ("12345E-2", "123.45"),
            ("0e999999999999", "0"),
            ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        ] {
            assert_eq!(n(text).to_string(), normal, "{text}");
        }
        assert_eq!(n("1E125").to_string(), format!("1{}", "0".repeat(125)));
        assert_eq!(n("1E-130").to_string(), format!("0.{}1", "0".repeat(129)));
    }

    #[test]
    fn refuses_what_aws_refuses() {
        let message = |text: &str| Number::parse(text).unwrap_err().0;
        for text in ["b", "-", ".", "1e", "1e+", "1 ", " 1", "1.2.3", "0x10", "1e5x", "NaN", "é"] {
            assert_eq!(message(text), format!("The parameter cannot be converted to a numeric value: {text}"));
        }
        assert_eq!(message(""), "The parameter cannot be converted to a numeric value");
        let precise = "Attempting to store more than 38 significant digits in a Number";
        assert_eq!(message("123456789012345678901234567890123456789"), precise);
        assert_eq!(message(&format!("1{}1", "0".repeat(200))), precise);
        for text in ["1E126", "-1E126", "1e99999999999999999999"] {
            assert!(message(text).starts_with("Number overflow."), "{text}");
        }
        for text in ["1E-131", "1e-99999999999999999999", "0.9E-130"] {
            assert!(message(text).starts_with("Number underflow."), "{text}");
        }
    }

    #[test]
    fn arithmetic_is_exact() {
        let add = |a: &str, b: &str| n(a).plus(n(b)).map(|n| n.to_string()).map_err(|e| e.0);
        assert_eq!(add("0.1", "0.2").unwrap(), "0.3");
        assert_eq!(add("1", "-1").unwrap(), "0");
        assert_eq!(add("0", "5").unwrap(), "5");
        assert_eq!(add("-3", "1.5").unwrap(), "-1.5");
        assert_eq!(add("99999999999999999999999999999999999999", "1").unwrap(), format!("1{}", "0".repeat(38)));
        assert!(add("1E50", "1").unwrap_err().starts_with("Attempting to store more than 38"));
        assert!(add("9.9E125", "9.9E125").unwrap_err().starts_with("Number overflow"));
        assert_eq!(n("5").minus(n("7")).unwrap().to_string(), "-2");
        assert_eq!(n("5").minus(n("0")).unwrap().to_string(), "5");
    }

    #[test]
    fn whole_parts() {
        for (text, whole) in
            [("0", Some(0)), ("-12.9", Some(-12)), ("1e3", Some(1000)), ("1e-99", Some(0)), ("1e19", None)]
        {
            assert_eq!(n(text).whole(), whole, "{text}");
        }
    }

    #[test]
    fn sizes_are_as_measured() {
        for (text, size) in
            [("0", 1), ("1", 2), ("12", 2), ("123", 3), ("-1", 3), ("1E125", 2), ("0.001", 2), ("1.5", 3)]
        {
            assert_eq!(n(text).size(), size, "{text}");
        }
    }

    prop_compose! {
        fn number()(negative: bool, digits in 0u64.., exponent in -60i32..60) -> Number {
            n(&format!("{}{digits}E{exponent}", if negative { "-" } else { "" }))
        }
    }

    proptest! {
        #[test]
        fn encodings_sort_as_numbers(a in number(), b in number()) {
            prop_assert_eq!(encoded(a).cmp(&encoded(b)), a.cmp(&b));
        }

        #[test]
        fn small_numbers_sort_as_floats(a in -2000i32..2000, b in -2000i32..2000, shift in 0u32..4) {
            let scale = 10f64.powi(i32::try_from(shift).unwrap());
            let (x, y) = (n(&format!("{a}E-{shift}")), n(&format!("{b}E-{shift}")));
            prop_assert_eq!(Some(x.cmp(&y)), (f64::from(a) / scale).partial_cmp(&(f64::from(b) / scale)));
            prop_assert_eq!(encoded(x).cmp(&encoded(y)), x.cmp(&y));
        }

        #[test]
        fn the_normal_form_is_a_fixed_point(a in number()) {
            prop_assert_eq!(n(&a.to_string()), a);
        }

        #[test]
        fn adding_then_subtracting_returns(a in number(), b in number()) {
            if let Ok(sum) = a.plus(b) && let Ok(back) = sum.minus(b) {
                prop_assert_eq!(back, a);
            }
        }

        #[test]
        fn parsing_never_panics(text in "[-+.eE0-9x]{0,60}") {
            let _ = Number::parse(&text);
        }
    }
}
