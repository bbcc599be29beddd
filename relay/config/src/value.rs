//! How the value of each setting is written: one text form for file, environment and flags.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

/// How a value stands in `sealift.toml`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// In quotes.
    Text,
    /// One of these words, in quotes.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Count,
    /// Bytes: a whole number, or text with a unit such as `"10GB"`.
    Bytes,
    /// A time such as `"15m"`, in quotes.
    Time,
    /// A list of texts; separated by commas in the environment.
    List,
}

/// A type that settings have.
pub trait Value: Sized {
    /// How it is written.
    const SHAPE: Shape;
    /// Whether it is never printed.
    const SECRET: bool = false;

    /// Reads it.
    ///
    /// # Errors
    ///
    /// What to write instead, to stand after "`KEY`".
    fn read(text: &str) -> Result<Self, String>;

    /// Writes it so that [`Value::read`] takes it back; `None` when it is not set.
    fn write(&self) -> Option<String>;
}

/// A text that is never printed or logged, such as a docroot URL with credentials in it.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Value for Secret {
    const SHAPE: Shape = Shape::Text;
    const SECRET: bool = true;

    fn read(text: &str) -> Result<Self, String> {
        Ok(Self::new(text))
    }

    fn write(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.to_string())
    }
}

impl<T: Value> Value for Option<T> {
    const SHAPE: Shape = T::SHAPE;
    const SECRET: bool = T::SECRET;

    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(None);
        }
        T::read(text).map(Some)
    }

    fn write(&self) -> Option<String> {
        self.as_ref().and_then(T::write)
    }
}

impl Value for String {
    const SHAPE: Shape = Shape::Text;

    fn read(text: &str) -> Result<Self, String> {
        if text.chars().any(char::is_control) {
            return Err("must not have control characters".to_owned());
        }
        Ok(text.to_owned())
    }

    fn write(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.clone())
    }
}

impl Value for PathBuf {
    const SHAPE: Shape = Shape::Text;

    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains('\0') {
            return Err("must be a path".to_owned());
        }
        Ok(text.into())
    }

    fn write(&self) -> Option<String> {
        Some(self.display().to_string())
    }
}

impl Value for SocketAddr {
    const SHAPE: Shape = Shape::Text;

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "must be an address and a port, such as 127.0.0.1:8080".to_owned())
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for Vec<String> {
    const SHAPE: Shape = Shape::List;

    fn read(text: &str) -> Result<Self, String> {
        let items = text.split(',').map(str::trim);
        items
            .filter(|item| !item.is_empty())
            .map(String::read)
            .collect()
    }

    fn write(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.join(","))
    }
}

impl Value for bool {
    const SHAPE: Shape = Shape::Switch;

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "must be true or false".to_owned())
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for u16 {
    const SHAPE: Shape = Shape::Count;

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| "must be a port from 1 to 65535".to_owned())
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for u32 {
    const SHAPE: Shape = Shape::Count;

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .ok()
            .filter(|count| *count != 0)
            .ok_or_else(|| format!("must be a whole number from 1 to {}", Self::MAX))
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// Units of bytes, the largest first. `kB` is 1000 bytes, `KiB` 1024.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl Value for u64 {
    const SHAPE: Shape = Shape::Bytes;

    fn read(text: &str) -> Result<Self, String> {
        let unit = UNITS
            .iter()
            .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?.trim_end(), *bytes)));
        let (count, bytes) = unit.unwrap_or((text, 1));
        count
            .parse::<Self>()
            .ok()
            .and_then(|count| count.checked_mul(bytes))
            .ok_or_else(|| "must be bytes, such as 1000000, 10GB or 4TiB".to_owned())
    }

    fn write(&self) -> Option<String> {
        let (unit, bytes) = UNITS[..4]
            .iter()
            .find(|(_, bytes)| *self >= *bytes && self.is_multiple_of(*bytes))
            .unwrap_or(&UNITS[8]);
        Some(match *unit {
            "B" => self.to_string(),
            unit => format!("{}{unit}", self / bytes),
        })
    }
}

/// Units of time, the largest first.
const TIMES: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

impl Value for Duration {
    const SHAPE: Shape = Shape::Time;

    fn read(text: &str) -> Result<Self, String> {
        TIMES
            .iter()
            .find_map(|(unit, seconds)| {
                Some((text.strip_suffix(unit)?.parse::<u64>().ok()?, seconds))
            })
            .and_then(|(count, seconds)| Some(Self::from_secs(count.checked_mul(*seconds)?)))
            .ok_or_else(|| "must be a time, such as 90s, 15m, 12h or 7d".to_owned())
    }

    fn write(&self) -> Option<String> {
        let seconds = self.as_secs();
        let (unit, length) = TIMES
            .iter()
            .find(|(_, length)| seconds != 0 && seconds.is_multiple_of(*length))
            .unwrap_or(&TIMES[3]);
        Some(format!("{}{unit}", seconds / length))
    }
}

/// A version `X.Y.Z` of a client.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Version(pub [u32; 3]);

impl Version {
    /// Reads `X.Y.Z`: three plain numbers, nothing before or after; `None` otherwise.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = [0; 3];
        let mut given = text.split('.');
        for number in &mut numbers {
            let digits = given.next()?;
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            if !plain || (digits.len() > 1 && digits.starts_with('0')) {
                return None;
            }
            *number = digits.parse().ok()?;
        }
        given.next().is_none().then_some(Self(numbers))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

impl Value for Version {
    const SHAPE: Shape = Shape::Text;

    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text)
            .ok_or_else(|| "must be a version of three numbers, such as 1.4.0".to_owned())
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// An enum whose variants are words.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// As it is written.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl $crate::value::Value for $name {
            const SHAPE: $crate::value::Shape = $crate::value::Shape::Choice(&[$($word),+]);

            fn read(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("must be one of: {}", [$($word),+].join(", "))),
                }
            }

            fn write(&self) -> Option<String> {
                Some(self.word().to_owned())
            }
        }
    };
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_times_and_versions_are_read_as_they_are_written() {
        for (text, bytes) in [("4TiB", 1 << 42), ("16MiB", 16 << 20), ("1000", 1000)] {
            assert_eq!(u64::read(text), Ok(bytes));
            assert_eq!(bytes.write().as_deref(), Some(text));
        }
        assert_eq!(u64::read("10 GB"), Ok(10_000_000_000));
        for (text, seconds) in [("7d", 604_800), ("90s", 90), ("36h", 129_600), ("0s", 0)] {
            let time = Duration::from_secs(seconds);
            assert_eq!(Duration::read(text), Ok(time));
            assert_eq!(time.write().as_deref(), Some(text));
        }
        assert_eq!(Version::parse("2.2.0"), Some(Version([2, 2, 0])));
        assert!(Version::parse("2.10.0") > Version::parse("2.9.9"));
    }

    #[test]
    fn what_is_not_a_value_is_refused() {
        for text in [
            "",
            "1.2",
            "1.2.3.4",
            "v1.2.3",
            "1.2.3-rc1",
            "1.02.3",
            "1.2.",
            "+1.2.3",
        ] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
        for text in ["", "-1", "1.5GB", "20EB", "99999999999TiB"] {
            assert!(u64::read(text).is_err(), "{text}");
        }
        for text in ["7", "d", "99999999999999999999d", "-1s"] {
            assert!(Duration::read(text).is_err(), "{text}");
        }
        assert!(u16::read("0").is_err() && u16::read("65536").is_err());
        assert!(bool::read("yes").is_err());
    }
}
