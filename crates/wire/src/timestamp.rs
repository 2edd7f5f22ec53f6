//! Points in time, in milliseconds, and the three formats in which AWS's protocols write them.

use std::str::FromStr as _;

use jiff::civil;
use jiff::tz::{Offset, TimeZone};

use crate::schema::TimestampFormat;

/// Milliseconds since 1970-01-01T00:00:00Z. AWS's APIs show no finer time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis)
    }

    pub const fn from_secs(seconds: i64) -> Self {
        Timestamp(seconds.saturating_mul(1000))
    }

    /// From seconds with a fraction, as the JSON protocols write time. `None` for NaN and years beyond 9999.
    pub fn from_secs_f64(seconds: f64) -> Option<Self> {
        let millis = (seconds * 1000.0).round();
        (millis.abs() < 253_402_300_800_000.0).then_some(Timestamp(millis as i64))
    }

    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    pub const fn plus_millis(self, millis: i64) -> Self {
        Timestamp(self.0.saturating_add(millis))
    }

    pub const fn plus_secs(self, seconds: i64) -> Self {
        Timestamp(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Calendar fields in UTC; a time outside the years -9999 to 9999 reads as the epoch.
    pub fn datetime(self) -> civil::DateTime {
        let instant = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        Offset::UTC.to_datetime(instant)
    }

    /// `2015-01-25T08:00:00Z`, or with `.123` where there are milliseconds.
    pub fn iso8601(self) -> String {
        self.iso8601_with(self.0.rem_euclid(1000) != 0)
    }

    /// `2015-01-25T08:00:00.000Z`: always with milliseconds.
    pub fn iso8601_millis(self) -> String {
        self.iso8601_with(true)
    }

    /// Digit by digit: a listing holds a thousand of these.
    fn iso8601_with(self, milliseconds: bool) -> String {
        let t = self.datetime();
        let (date, time) = (t.date(), t.time());
        let mut text = String::with_capacity(24);
        let year = i64::from(date.year());
        if year < 0 {
            text.push('-');
        }
        push_digits(&mut text, year.unsigned_abs(), 4);
        for (mark, value) in
            [('-', date.month()), ('-', date.day()), ('T', time.hour()), (':', time.minute()), (':', time.second())]
        {
            text.push(mark);
            push_digits(&mut text, u64::from(value.unsigned_abs()), 2);
        }
        if milliseconds {
            text.push('.');
            push_digits(&mut text, self.0.rem_euclid(1000).unsigned_abs(), 3);
        }
        text.push('Z');
        text
    }

    /// `Sun, 25 Jan 2015 08:00:00 GMT` (RFC 9110, IMF-fixdate).
    pub fn http_date(self) -> String {
        self.datetime().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// `20150125T080000Z`, as SigV4 writes time.
    pub fn basic(self) -> String {
        self.datetime().strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    pub fn format(self, format: TimestampFormat) -> String {
        match format {
            TimestampFormat::EpochSeconds => {
                let (seconds, millis) = (self.0 / 1000, (self.0 % 1000).abs());
                if millis == 0 {
                    return seconds.to_string();
                }
                let sign = if self.0 < 0 && seconds == 0 { "-" } else { "" };
                format!("{sign}{seconds}.{millis:03}").trim_end_matches('0').to_owned()
            }
            TimestampFormat::Iso8601 => self.iso8601(),
            TimestampFormat::HttpDate => self.http_date(),
        }
    }

    /// Reads any of the three formats, whatever the model says: AWS's servers are as generous.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(seconds) = text.parse::<f64>() {
            return Timestamp::from_secs_f64(seconds);
        }
        if let Ok(instant) = jiff::Timestamp::from_str(text) {
            return Some(Timestamp(instant.as_millisecond()));
        }
        if let Ok(date) = civil::Date::from_str(text) {
            return date.to_zoned(TimeZone::UTC).ok().map(|zoned| Timestamp(zoned.timestamp().as_millisecond()));
        }
        parse_http_date(text)
    }

    /// Reads `20150125T080000Z`.
    pub fn parse_basic(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' || !text.is_ascii() {
            return None;
        }
        let field = |from: usize, to: usize| -> Option<i16> {
            let digits = &text[from..to];
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
        };
        let small = |from, to| field(from, to).and_then(|n| i8::try_from(n).ok());
        let datetime = civil::DateTime::new(
            field(0, 4)?,
            small(4, 6)?,
            small(6, 8)?,
            small(9, 11)?,
            small(11, 13)?,
            small(13, 15)?,
            0,
        )
        .ok()?;
        Offset::UTC.to_timestamp(datetime).ok().map(|instant| Timestamp(instant.as_millisecond()))
    }
}

/// The last `width` decimal digits of a number.
fn push_digits(text: &mut String, value: u64, width: u32) {
    for place in (0..width).rev() {
        let digit = (value / 10u64.pow(place) % 10) as u8;
        text.push(char::from(b'0' + digit));
    }
}

/// `Sun, 25 Jan 2015 08:00:00 GMT`, also with a fraction of a second, which some SDKs send.
fn parse_http_date(text: &str) -> Option<Timestamp> {
    let rest = text.split_once(", ").map_or(text, |(_, rest)| rest);
    let mut parts = rest.split_ascii_whitespace();
    let day: i8 = parts.next()?.parse().ok()?;
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month_name = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month_name)? as i8 + 1;
    let year: i16 = parts.next()?.parse().ok()?;
    let time = civil::Time::from_str(parts.next()?).ok()?;
    let datetime = civil::Date::new(year, month, day).ok()?.to_datetime(time);
    Offset::UTC.to_timestamp(datetime).ok().map(|instant| Timestamp(instant.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_and_parses() {
        let t = Timestamp::from_millis(1_422_172_800_123);
        assert_eq!(t.iso8601(), "2015-01-25T08:00:00.123Z");
        assert_eq!(Timestamp::from_secs(t.secs()).iso8601(), "2015-01-25T08:00:00Z");
        assert_eq!(Timestamp::from_secs(t.secs()).iso8601_millis(), "2015-01-25T08:00:00.000Z");
        assert_eq!(t.http_date(), "Sun, 25 Jan 2015 08:00:00 GMT");
        assert_eq!(t.basic(), "20150125T080000Z");
        assert_eq!(t.format(TimestampFormat::EpochSeconds), "1422172800.123");
        for text in ["2015-01-25T08:00:00.123Z", "1422172800.123", "Sun, 25 Jan 2015 08:00:00.123 GMT"] {
            assert_eq!(Timestamp::parse(text), Some(t), "{text}");
        }
        assert_eq!(Timestamp::parse_basic("20150125T080000Z"), Some(Timestamp::from_secs(t.secs())));
        assert_eq!(Timestamp::parse_basic("20151325T080000Z"), None);
        assert_eq!(Timestamp::parse("garbage"), None);
    }

    proptest::proptest! {
        #[test]
        fn every_format_round_trips(millis in -60_000_000_000_000i64..200_000_000_000_000) {
            let t = Timestamp::from_millis(millis);
            for format in [TimestampFormat::EpochSeconds, TimestampFormat::Iso8601] {
                proptest::prop_assert_eq!(Timestamp::parse(&t.format(format)), Some(t));
            }
            proptest::prop_assert_eq!(Timestamp::parse(&t.http_date()), Some(Timestamp::from_secs(t.secs())));
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = Timestamp::parse(&text);
            let _ = Timestamp::parse_basic(&text);
        }
    }
}
